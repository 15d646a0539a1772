"""Mean and unevenness of the values in thin rings around a core's axis, from inside the soil to the air around the tube."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.core.axis import Axis
from soilscope.core.half import Cut
from soilscope.core.wall import CUT_MARGIN_PX, distance_mm
from soilscope.volume import Volume

__all__ = ["RING_PX", "Rings", "rings_around", "slices_of_soil"]

Profile = NDArray[np.float64]
Slices = NDArray[np.int_]
Box = tuple[slice, slice]

RING_PX = 0.5
AIR_PX = 6.0
"""How far the rings reach into the air around the outline."""

SOIL_PX = 28.0
NEAREST_SHARE, FURTHEST_SHARE = 0.5, 0.2
"""Inwards they reach so far, or to half of the radius where that is further, but never beyond a fifth of it."""

BLOCKS = 6
"""Stretches of the core in each of which soil and wall have a value of their own: soils are layered, and scanners drift."""

MOST_VOXELS = 3_000_000
MOST_SLICES = 160
LEAST_SLICES = 24
LENGTH_SLICES = 16
"""Slices that are looked at; more change nothing."""

LEAST_RINGS = 24
MIDDLE = 0.5
"""Half the width of a square around the axis that soil fills in any tube, as a share of the outer radius."""

SEEN_PER_SIDE = 64
HALF_FILLED = 0.5
"""A slice whose middle stands above air less than this share of what the upper quarter of the slices do is no soil."""

MARGIN = 5
MARGIN_SHARE = 8
"""Beside such slices so many, but no more than an eighth of the core, are left out, for blur mixes them with air."""

LEAST_ALIKE = 0.02
SHORTEST_PX = 0.5
"""Where neighbours two voxels apart share less than that much with each other, the values have no length of their own but this."""


@dataclass(frozen=True, slots=True)
class Rings:
    """Rings in each stretch of a core, lengths in voxels.

    ``radius`` has shape (ring,), from the axis outwards; ``count``, ``mean`` and ``variance`` have shape (stretch, ring), the
    variance being that within single slices. ``outline`` is where the body was seen to end, ``lowest`` the lowest value. ``length``
    is L where the soil's values h voxels apart in a slice are alike by exp(-h²/4L²), ``deep`` the same counted in slices looked at.
    """

    radius: Profile
    count: Profile
    mean: Profile
    variance: Profile
    outline: float
    lowest: float
    length: float
    deep: float


def slices_of_soil(vol: Volume, axis: Axis, air: float, cut: Cut | None = None) -> Slices:
    """Slices in whose middle soil is seen, well away from headspace, from the first on; all where that leaves none."""
    heights = np.full(vol.shape[0], np.nan)
    for k in range(vol.shape[0]):
        box, centre = _around(vol, axis, k, MIDDLE * axis.radius)
        step = max(1, (box[0].stop - box[0].start) // SEEN_PER_SIDE)
        seen = vol.valid[k][box][::step, ::step]
        if cut is not None:
            plane = vol.spacing_mm[1:]
            seen = (
                seen
                & cut.keeps((box[0].stop - box[0].start, box[1].stop - box[1].start), centre, plane)[::step, ::step]
            )
        if seen.any():
            heights[k] = float(vol.values[k][box][::step, ::step][seen].mean()) - air
    known = np.isfinite(heights)
    if not known.any():
        return np.arange(vol.shape[0])
    filled = np.nan_to_num(heights, nan=-np.inf) >= HALF_FILLED * np.quantile(heights[known], 0.75)
    margin = min(MARGIN, int(filled.sum()) // MARGIN_SHARE)
    if margin:
        filled = known & ndimage.binary_erosion(filled | ~known, iterations=margin, border_value=1)
    return np.flatnonzero(filled) if filled.any() else np.flatnonzero(known)


def rings_around(vol: Volume, axis: Axis, slices: Slices, cut: Cut | None = None) -> Rings | None:
    """Rings of the valid values in some slices; None where too few hold any. Of half a core, only its own side is looked at."""
    plane = vol.spacing_mm[1:]
    pixel = min(plane)
    outline = axis.radius / pixel
    first = max(FURTHEST_SHARE * outline, min(NEAREST_SHARE * outline, outline - SOIL_PX))
    last = outline + AIR_PX
    count = int((last - first) / RING_PX)
    most = int(np.clip(MOST_VOXELS / (np.pi * (last**2 - first**2)), LEAST_SLICES, MOST_SLICES))
    chosen = _some(slices, most)
    side = None if cut is None else replace(cut, offset_mm=cut.offset_mm - CUT_MARGIN_PX * pixel)
    blocks = np.array_split(chosen, min(BLOCKS, len(chosen)))
    sums, lowest = np.zeros((4, len(blocks), count)), np.inf
    inside: NDArray[np.bool_] | None = None
    for g, block in enumerate(blocks):
        for k in block:
            if inside is None or not axis.upright:
                box, centre = _around(vol, axis, k, last * pixel)
                shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
                number = np.floor((distance_mm(shape, centre, plane) / pixel - first) / RING_PX).astype(int)
                inside = (number >= 0) & (number < count)
                if side is not None:
                    inside &= side.keeps(shape, centre, plane)
                ring = number[inside]
            valid = vol.valid[k][box][inside]
            held, found = ring[valid], vol.values[k][box][inside][valid].astype(np.float64)
            lowest = min(lowest, float(found.min(initial=np.inf)))
            number_of, total = np.bincount(held, minlength=count), np.bincount(held, found, count)
            squares = np.bincount(held, found**2, count) - total**2 / np.maximum(number_of, 1)
            sums[:, g] += number_of, total, squares, number_of > 0
    seen = (sums[0] > 2 * sums[3]).all(axis=0)
    if np.count_nonzero(seen) < LEAST_RINGS:
        return None
    number_of, total, squares, planes = sums[:, :, seen]
    radius = np.asarray(first + (np.flatnonzero(seen) + 0.5) * RING_PX, dtype=np.float64)
    length = _length(vol, axis, slices)
    deep = length * pixel / (vol.spacing_mm[0] * len(slices) / len(chosen))
    return Rings(radius, number_of, total / number_of, squares / (number_of - planes), outline, lowest, length, deep)


def _some(slices: Slices, most: int) -> Slices:
    return np.asarray(slices[np.unique(np.linspace(0, len(slices) - 1, min(len(slices), most)).astype(int))])


def _around(vol: Volume, axis: Axis, k: int, reach_mm: float) -> tuple[Box, tuple[float, float]]:
    """A box around the axis in slice ``k``, and the axis from the box's first voxel, in mm."""
    at, plane = (float(axis.y[k]), float(axis.x[k])), vol.spacing_mm[1:]
    first = [int(np.clip((c - reach_mm) / d, 0, n - 1)) for c, d, n in zip(at, plane, vol.shape[1:], strict=True)]
    end = [int(np.clip((c + reach_mm) / d + 2, 1, n)) for c, d, n in zip(at, plane, vol.shape[1:], strict=True)]
    box = (slice(first[0], end[0]), slice(first[1], end[1]))
    return box, (at[0] - first[0] * plane[0], at[1] - first[1] * plane[1])


def _length(vol: Volume, axis: Axis, slices: Slices) -> float:
    """L of a Gaussian correlation, from what voxels one and two apart share; noise, which neighbours do not share, has no part."""
    shared = np.zeros(2)
    for k in _some(slices, LENGTH_SLICES):
        part = vol.values[k][_around(vol, axis, k, MIDDLE * axis.radius)[0]].astype(np.float64)
        part -= part.mean()
        for n in (1, 2):
            shared[n - 1] += (part[n:] * part[:-n]).mean() + (part[:, n:] * part[:, :-n]).mean()
    if not shared[1] > LEAST_ALIKE * shared[0] > 0:
        return SHORTEST_PX
    return float(np.sqrt(0.75 / max(np.log(shared[0] / shared[1]), LEAST_ALIKE)))
