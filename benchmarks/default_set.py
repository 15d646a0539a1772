"""``default-set``: all default metrics of all six classes of a [400, 200, 200] core, against what PoreSpy can do of them.

PoreSpy's part, class by class: small clusters removed, clusters labelled, porosity of the slices, local thickness. Ours is
``soilscope.measure`` with everything it puts into the tables.
"""

from __future__ import annotations

import porespy
from scipy import ndimage

from benchmarks.outcome import Outcome, Say
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import classify, measure, phantoms

__all__ = ["run"]

SHAPE, SOIL, ROUNDS, BAR = (400, 200, 200), "pine-forest", 1, 3.0


def run(say: Say) -> Outcome:
    """Time both in turn."""
    volume = phantoms.make(SOIL, 0, SHAPE).volume
    labels = classify(volume, "paper-2021")
    say("core made")

    def theirs() -> None:
        for k in range(1, 7):
            mask = labels == k
            if mask.any():
                cleaned = porespy.filters.trim_small_clusters(mask, min_size=59, conn="min")
                ndimage.label(cleaned)
                porespy.metrics.porosity_profile(cleaned, axis=0)
                porespy.filters.local_thickness(cleaned)

    seconds = in_turn({"ours": lambda: measure(volume, "paper-2021"), "theirs": theirs}, ROUNDS)
    peer = peer_name("porespy", "the part it has")
    return Outcome(
        faster(f"default metrics of six classes, {SHAPE}, {SOIL}", seconds["ours"], peer, seconds["theirs"], BAR)
    )
