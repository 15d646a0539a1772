"""``euler``: the Euler number of 400 x 400 x 400 voxels, 26 and 6 neighbours, against scikit-image; the same numbers."""

from __future__ import annotations

from skimage import measure as skimage

from benchmarks.outcome import Outcome, Say
from benchmarks.soils import blobs
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import structure

__all__ = ["run"]

SHAPE, ROUNDS, BAR = (400, 400, 400), 3, 40.0


def run(say: Say) -> Outcome:
    """Time both in turn, for either neighbourhood."""
    pores = blobs(SHAPE, 0.3, 1.5)
    figures = []
    for neighbours, connectivity in ((26, 3), (6, 1)):
        ways = {
            "ours": lambda n=neighbours: structure.euler_number(pores, n),
            "theirs": lambda c=connectivity: skimage.euler_number(pores, connectivity=c),
        }
        number = ways["ours"]()
        if number != ways["theirs"]():
            raise AssertionError("scikit-image has another Euler number")
        say(f"{neighbours} neighbours: both say {number}")
        seconds = in_turn(ways, ROUNDS)
        peer = peer_name("scikit-image", "euler_number")
        figures.append(
            faster(f"Euler number, {SHAPE}, {neighbours} neighbours", seconds["ours"], peer, seconds["theirs"], BAR)
        )
    return Outcome(figures[0], tuple(figures[1:]))
