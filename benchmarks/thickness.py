"""``thickness``: local thickness with every radius that occurs, against PoreSpy's 25 sizes and the distance transform.

Two structures of 200 x 200 x 200 voxels, one of narrow and one of wide pores. The distance transform is that of the package edt,
with as many threads as ours.
"""

from __future__ import annotations

import edt
import porespy

from benchmarks.outcome import Figure, Outcome, Peer, Say
from benchmarks.soils import blobs
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import structure
from soilscope.classes.loops import thread_count

__all__ = ["run"]

SHAPE, ROUNDS = (200, 200, 200), 3
PORESPY_BAR, DISTANCE_BAR = 1.0, 1 / 5


def run(say: Say) -> Outcome:
    """Time the three in turn, for either structure."""
    figures: list[Figure] = []
    for kind, width in (("narrow", 2.0), ("wide", 6.0)):
        pores = blobs(SHAPE, 0.3, width)
        seconds = in_turn(
            {
                "ours": lambda p=pores: structure.local_thickness(p, (1.0, 1.0, 1.0)),
                "porespy": lambda p=pores: porespy.filters.local_thickness(p),
                "edt": lambda p=pores: edt.edt(p, parallel=thread_count()),
            },
            ROUNDS,
        )
        say(f"{kind} pores: " + ", ".join(f"{name} {s:.2f} s" for name, s in seconds.items()))
        ours, name = seconds["ours"], f"local thickness, {SHAPE}, {kind} pores"
        figures.append(faster(name, ours, peer_name("porespy", "local_thickness"), seconds["porespy"], PORESPY_BAR))
        peer = Peer(peer_name("edt", "distance transform"), seconds["edt"])
        figures.append(Figure(name, ours, "s", peer, seconds["edt"] / ours, DISTANCE_BAR))
    return Outcome(figures[0], tuple(figures[1:]))
