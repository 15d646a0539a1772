"""Lids: slices at an end of the soil that are the tube's own material throughout, and no soil."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.types import BoolVolume
from soilscope.volume import Volume

__all__ = ["lid_finding", "without_lids"]

LIKE_WALL = 0.05
"""A slice reads what the wall does if its median differs by no more than this share of the wall's height above air."""

LIKE_UNSURE = 0.15
"""What a wall thinner than its blur reads is known to about that share: even slices that differ from it by no more may be a lid."""

EVEN = 0.5
"""A slice whose values spread less than this share of the soil's usual spread is even, as a wall's rings are."""

SEEN_EVERY_PX = 128
"""Of larger slices every second, third, ... row and column is looked at."""

USUAL_FROM = 48
"""Slices from which the soil's usual spread is taken."""

MOST_OF_HEIGHT = 0.4
"""What is even over more of the height than this is soil, as even and as bright as the tube."""


def without_lids(
    scan: Volume, inside: BoolVolume, ends: tuple[int, int], scale: tuple[float, float], unsure: bool = False
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """The soil's ends without lids, how many slices were left out above and below, and how many were left in doubt.

    Parameters
    ----------
    scan : Volume
    inside : bool array, shape (z, y, x)
        Well inside the wall.
    ends : (top, bottom)
        First slice that is more than air, and the one after the last.
    scale : (wall, air)
        What both read.
    unsure : bool
        Whether the wall is too thin to be sure of what it reads.

    Notes
    -----
    From each end inwards, slices count as a lid's as long as they are even, if one of them reads what the wall does. Slices that
    read so but are not much more even than the soil's own stay, and are told; so do even ones that read much like a wall which is
    unsure.
    """
    top, bottom = ends
    wall, air = scale
    some = np.unique(np.linspace(top, bottom - 1, min(bottom - top, USUAL_FROM)).astype(int))
    usual = float(np.median([_look(scan, inside, int(k))[1] for k in some]))
    height = bottom - top
    out, doubtful = [0, 0], [0, 0]
    for side, order in enumerate((range(top, bottom), range(bottom - 1, top - 1, -1))):
        count, like, near = 0, 0, 0
        for k in order:
            median, spread = _look(scan, inside, k)
            off = abs(median - wall) / abs(wall - air)
            reads_so = off <= LIKE_WALL
            if not spread < EVEN * usual:
                doubtful[side] = 0 if like or not reads_so or spread > usual * (1 + EVEN) / 2 else 1
                break
            count += 1
            like += int(reads_so)
            near += int(off <= LIKE_UNSURE)
        if unsure and near and not like:
            doubtful[side] = count
        if like:
            if count <= MOST_OF_HEIGHT * height:
                out[side] = count
            else:
                doubtful[side] = count
    return (top + out[0], bottom - out[1]), (out[0], out[1]), (doubtful[0], doubtful[1])


def _look(scan: Volume, inside: BoolVolume, k: int) -> tuple[float, float]:
    """Median and standard deviation of a slice well inside the wall."""
    step_y, step_x = (max(1, n // SEEN_EVERY_PX) for n in scan.shape[1:])
    seen: NDArray[np.float64] = scan.values[k, ::step_y, ::step_x][inside[k, ::step_y, ::step_x]].astype(np.float64)
    return (float(np.median(seen)), float(seen.std())) if seen.size else (np.nan, np.nan)


def lid_finding(out: tuple[int, int], doubtful: tuple[int, int]) -> tuple[Finding, ...]:
    """What was left out as a lid, and what may be one."""
    found = []
    if any(out):
        text = (
            f"{out[0]} slices above and {out[1]} below the soil are as even as the tube's wall and read what it does: a lid, which "
            "was left out. If they are soil, state top_mm or bottom_mm."
        )
        found.append(Finding("lid", "warning", text))
    if any(doubtful):
        text = (
            "an end of the soil reads what the tube's wall does, in slices more even than the rest: it may be a lid, and was kept. "
            "If it is one, state top_mm or bottom_mm."
        )
        found.append(Finding("lid-possible", "warning", text))
    return tuple(found)
