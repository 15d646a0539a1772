"""``default-set``: all default metrics of all six classes of a [400, 200, 200] core, against what PoreSpy can do of them.

PoreSpy's part, class by class: small clusters removed, porosity of the slices, the voxels that hang together from top to bottom,
and local thickness with its 25 sizes; clusters are labelled by scipy, on which PoreSpy builds. It has no Euler number, no
connection probability, and nothing for each slice but porosity. Ours is ``soilscope.measure`` with everything it puts into
the tables.
"""

from __future__ import annotations

import time
from collections import defaultdict

import porespy
from scipy import ndimage

from benchmarks.outcome import Outcome, Say
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import classify, measure, phantoms

__all__ = ["run"]

SHAPE, SOIL, ROUNDS, BAR = (400, 200, 200), "pine-forest", 3, 3.0


def run(say: Say) -> Outcome:
    """Time both in turn."""
    volume = phantoms.make(SOIL, 0, SHAPE).volume
    labels = classify(volume, "paper-2021")
    say("core made")
    spent: defaultdict[str, float] = defaultdict(float)

    def theirs() -> None:
        spent.clear()
        for k in range(1, 7):
            mask = labels == k
            if mask.any():
                start = time.perf_counter()
                cleaned = porespy.filters.trim_small_clusters(mask, min_size=59, conn="min")
                spent["small clusters"] += time.perf_counter() - start
                start = time.perf_counter()
                ndimage.label(cleaned)
                porespy.metrics.porosity_profile(cleaned, axis=0)
                porespy.filters.trim_nonpercolating_paths(cleaned, axis=0)
                spent["clusters, profile, percolation"] += time.perf_counter() - start
                start = time.perf_counter()
                porespy.filters.local_thickness(cleaned)
                spent["local thickness"] += time.perf_counter() - start

    seconds = in_turn({"ours": lambda: measure(volume, "paper-2021"), "theirs": theirs}, ROUNDS)
    say("PoreSpy's last round: " + ", ".join(f"{what} {took:.1f} s" for what, took in spent.items()))
    peer = peer_name("porespy", "the part it has")
    return Outcome(
        faster(f"default metrics of six classes, {SHAPE}, {SOIL}", seconds["ours"], peer, seconds["theirs"], BAR),
        notes={"PoreSpy's part": "small clusters, labels, porosity profile, percolation, local thickness of 25 sizes"},
    )
