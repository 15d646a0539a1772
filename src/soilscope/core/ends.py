"""Top and bottom of the soil: the first and the last slice inside the cylinder that hold more than air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.types import BoolVolume, ValueVolume

__all__ = ["soil_ends"]

SOIL_SHARE = 0.02
"""A slice with a smaller share of anything but air inside the cylinder is headspace; loose litter has several times that."""

MOST_BLURRED = 3
"""Slices that a scanner's blur can lift from air beside the end of the soil."""

HALF = 0.5
"""A blurred end reaches half of the soil's mean exactly at the soil's border, whatever the blur's width."""

Profile = NDArray[np.float64]


def soil_ends(values: ValueVolume, inside: BoolVolume, level: float, air: float) -> tuple[int, int] | None:
    """First slice of the soil and the slice after its last, or None where there is nothing but air.

    Parameters
    ----------
    values, inside : arrays, shape (z, y, x)
        The scan, and the valid voxels inside the cylinder.
    level : float
        Between air and anything else.
    air : float
        Value of air, used where no slice of headspace shows it.

    Notes
    -----
    Beside headspace the blur of the first soil slice lifts air above the level. A step that is blurred evenly to both sides
    passes half its height at the step, so end slices whose mean rises to less than half of that of the slices next to them
    are headspace; at most three at an end.
    """
    share, mean = _profiles(values, inside, level)
    there = np.flatnonzero(share >= SOIL_SHARE)
    if not there.size:
        return None
    first, last = int(there[0]), int(there[-1])
    top = _settled(mean, first, last, air)
    bottom = len(mean) - 1 - _settled(mean[::-1], len(mean) - 1 - last, len(mean) - 1 - top, air)
    return top, bottom + 1


def _profiles(values: ValueVolume, inside: BoolVolume, level: float) -> tuple[Profile, Profile]:
    """Share of the voxels above the level, and their mean value, per slice; NaN mean where nothing lies inside."""
    share, mean = np.zeros(len(values)), np.full(len(values), np.nan)
    for k, (plane, ok) in enumerate(zip(values, inside, strict=True)):
        found = plane[ok]
        if found.size:
            share[k], mean[k] = np.count_nonzero(found > level) / found.size, found.mean(dtype=np.float64)
    return share, mean


def _settled(mean: Profile, first: int, last: int, air: float) -> int:
    """The first slice that is soil, from the first that is not all air, looking downwards."""
    above = mean[:first]
    above = above[np.isfinite(above)]
    if not above.size:
        return first  # no headspace: the scan begins within the soil
    ground = float(np.median(above)) if above.size > MOST_BLURRED else min(air, float(above.min()))
    for k in range(first, min(first + MOST_BLURRED, last)):
        beyond = mean[k + 1 : min(k + 1 + MOST_BLURRED, last + 1)]
        beyond = beyond[np.isfinite(beyond)]
        if not beyond.size or mean[k] - ground >= HALF * (float(np.median(beyond)) - ground):
            return k
    return min(first + MOST_BLURRED, last)
