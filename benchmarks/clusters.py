"""``clusters``: clusters under 60 voxels removed from a paper-size core's pores, against PoreSpy; the same voxels are left."""

from __future__ import annotations

import numpy as np
import porespy

from benchmarks.outcome import Outcome, Say
from benchmarks.soils import blobs
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import structure

__all__ = ["run"]

SHAPE, ROUNDS, BAR = (640, 512, 512), 3, 2.5


def run(say: Say) -> Outcome:
    """Time both in turn."""
    pores = blobs(SHAPE, 0.15, 1.5)

    def ours() -> object:
        return structure.remove_small_clusters(pores, under=60, neighbours=6)

    def theirs() -> object:  # "min" joins over faces; clusters of at most min_size go
        return porespy.filters.trim_small_clusters(pores, min_size=59, conn="min")

    if not np.array_equal(ours(), theirs()):
        raise AssertionError("PoreSpy and ours leave different voxels")
    say("the same voxels are left")
    seconds = in_turn({"ours": ours, "theirs": theirs}, ROUNDS)
    name = f"clusters under 60 voxels removed, {SHAPE}, porosity {pores.mean():.2f}"
    peer = peer_name("porespy", "trim_small_clusters")
    return Outcome(faster(name, seconds["ours"], peer, seconds["theirs"], BAR))
