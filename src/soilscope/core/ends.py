"""Top and bottom of the soil: the first and the last slice inside the cylinder that hold more than air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.types import BoolVolume, ValueVolume

__all__ = ["soil_ends"]

SOIL_SHARE = 0.02
"""A slice with a smaller share of anything but air inside the cylinder is headspace; loose litter has several times that."""

MOST_BLURRED = 6
"""Slices that a wide blur (0.6 mm beside slices of 0.25 mm) can lift from air beside the end of the soil, and slices of soil
they are held against."""

MOST_UNSEEN = 2
"""Of headspace that is nowhere seen as air, for blur fills it up to the end of the scan, there are no more slices than that."""

FADES = 0.75
"""From slice to slice a shadow fades at least so far (0.72 beside soil blurred by 2.5 slices); loose litter reads much the same."""

HALF = 0.5
"""A blurred end reaches half of the soil's height above air exactly at the soil's border, whatever the blur's width."""

PART_AIR = 0.2
"""The lightest share of what is solid beneath, which is part air itself, is not looked at."""

LEAST_REACHED = 0.1
"""In a slice of soil at least this share of what is solid just beneath is solid too, even in loose litter; of a shadow, none is."""

CLEAR = 0.65
LEAST_CLEAR = 0.15
"""Noise and a soil of uneven density lift some of a shadow over half, but less than this share of that over 0.65; of loose litter,
where air lies beside what is solid, more reaches that far."""


def soil_ends(values: ValueVolume, inside: BoolVolume, level: float, air: float) -> tuple[int, int] | None:
    """First slice of the soil and the slice after its last, or None where there is nothing but air.

    Parameters
    ----------
    values, inside : arrays, shape (z, y, x)
        The scan, and the valid voxels inside the cylinder.
    level : float
        Between air and anything else.
    air : float
        Value of air.

    Notes
    -----
    Beside headspace the blur of the first soil slice lifts air above the level. A step that is blurred evenly to both sides
    passes half its height at the step, so an end slice whose voxels hardly anywhere reach half of what the six slices next
    to it hold there is the soil's shadow, and no soil; at most six slices at an end are. So is one of which less than half
    reaches that half, and hardly any goes well beyond it.
    """
    share = _share(values, inside, level)
    there = np.flatnonzero(share >= SOIL_SHARE)
    if not there.size:
        return None
    first, last = int(there[0]), int(there[-1])
    top = _settled((values, inside), (first, last), level, air)
    upwards = (values[::-1], inside[::-1])
    bottom = len(values) - 1 - _settled(upwards, (len(values) - 1 - last, len(values) - 1 - top), level, air)
    return top, bottom + 1


def _share(values: ValueVolume, inside: BoolVolume, level: float) -> NDArray[np.float64]:
    """Share of the voxels inside that lie above the level, per slice."""
    counts = [
        (int(np.count_nonzero((plane > level) & ok)), int(np.count_nonzero(ok)))
        for plane, ok in zip(values, inside, strict=True)
    ]
    return np.asarray([solid / max(area, 1) for solid, area in counts])


def _settled(scan: tuple[ValueVolume, BoolVolume], ends: tuple[int, int], level: float, air: float) -> int:
    """The first slice that is soil, from the first that is not all air, looking downwards."""
    values, inside = scan
    first, last = ends
    most = MOST_BLURRED if first else MOST_UNSEEN
    above = values[max(first - 1, 0)][inside[max(first - 1, 0)]]
    if first and above.size and above.min() == above.max():
        return first  # one value right above: neither blur nor noise, hence no shadow
    for k in range(first, min(first + most + (first == 0), last)):
        if first == 0 and not _fades(values[k : k + 2], inside[k : k + 2], air):
            return k
        beneath = slice(k + 1, min(k + 1 + MOST_BLURRED, last + 1))
        highest = np.where(inside[beneath], values[beneath], values.dtype.type(air)).max(axis=0)
        solid = inside[k] & (highest > level)
        if not solid.any():
            return k
        # what is part air itself is blurred sideways too, and shows nothing
        solid &= highest >= np.quantile(highest[solid], PART_AIR)
        part = (values[k][solid] - air) / (highest[solid] - air)
        reached = float(np.mean(part >= HALF))
        clear = reached >= HALF or float(np.mean(part >= CLEAR)) >= LEAST_CLEAR * reached
        if reached >= LEAST_REACHED and clear:
            return k
    return min(first + most, last) if first else first  # more than blur could fill: it is soil, however loose


def _fades(pair: ValueVolume, inside: BoolVolume, air: float) -> bool:
    """Whether the mean height above air falls from the second slice to the first as a shadow's does."""
    if not all(ok.any() for ok in inside):
        return False
    outer, inner = (float(plane[ok].mean(dtype=np.float64)) - air for plane, ok in zip(pair, inside, strict=True))
    return outer < FADES * inner
