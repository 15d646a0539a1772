"""Large balls painted into the voxels they hold, the largest first.

There may be nearly as many balls as voxels, each with a disc in many slices: they are written out a portion at a time, so that
all that is known of them takes a few bytes a voxel at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs, thread_count
from soilscope.progress import part, stages
from soilscope.structure.small_balls import SAME
from soilscope.types import BoolVolume, Spacing

__all__ = ["largest_first", "paint"]

Distances = NDArray[np.float32]
Places = NDArray[np.uint64]
CLEARLY = 1e-9
BITS = 31
"""Of a float that is not negative."""
SHARE = 4
"""Each thread is given one of so many parts of a volume's voxels as balls, and as discs, at a time."""
LEAST = 2**16
"""No fewer than so many: of a small volume all."""


def largest_first(squared: Distances, keep: BoolVolume, kept: NDArray[np.int64]) -> Places:
    """Flat places of the centres to paint, by their squared distance, the greatest first; equals as they lie in the volume.

    ``kept`` says how many each slice has. One number holds a ball's radius and its place, and all are sorted where they lie:
    8 bytes for each ball.
    """
    width = max(squared.size - 1, 1).bit_length()
    spare = max(0, width + BITS - 64)  # over 2^33 voxels the last bits of a radius make no difference
    ends = np.concatenate([[0], np.cumsum(kept)])
    places = np.empty(ends[-1], np.uint64)
    bits = squared.view(np.int32)
    over_slabs(lambda first, end: _write_down(bits, keep, width, spare, ends, first, end, places), len(squared))
    places.sort()
    places &= np.uint64(2**width - 1)
    return places


def paint(squared: Distances, places: Places, spacing: Spacing) -> Distances:
    """Squared radius in mm² of the largest of some balls around each voxel; 0 where there is none.

    Parameters
    ----------
    squared : float32 array, shape (z, y, x)
        Squared radii, mm².
    places : uint64 array, shape (n,)
        Flat places of the centres, the largest ball first; balls are open, so that what is painted is a trifle less.
    spacing : (dz, dy, dx)
    """
    # Half lengths of rows: floor(sqrt(t)) depends on the whole part of t only.
    roots = np.floor(np.sqrt(np.arange(int(squared.max() / spacing[2] ** 2) + 2))).astype(np.int32)
    painted = np.zeros(squared.shape, np.float32)
    most = max(LEAST, squared.size // (SHARE * thread_count()))
    for first in range(0, len(places), most):
        here = places[first : first + most]
        with part(first / len(places), (first + len(here)) / len(places)):
            _paint_portion(squared, here, spacing, roots, most, painted)
    return painted


def _paint_portion(
    squared: Distances, places: Places, spacing: Spacing, roots: NDArray[np.int32], most: int, painted: Distances
) -> None:
    """Balls that are no larger than those painted so far; ``most`` discs are written down at a time, or those of a slice."""
    centres, values = np.empty((len(places), 4), np.int32), np.empty(len(places), np.float32)
    finding, painting = stages(1, 9)
    with finding:
        over_slabs(lambda first, end: _centres(squared, places, spacing, first, end, centres, values), len(places))
    with painting:
        over_slabs(lambda first, end: _paint(centres, values, spacing, roots, most, first, end, painted), len(squared))


@compiled
def _write_down(
    bits: NDArray[np.int32],
    keep: BoolVolume,
    width: int,
    spare: int,
    ends: NDArray[np.int64],
    first: int,
    end: int,
    places: Places,
) -> None:
    """Numbers that rise as radii fall, and then with their places; floats that are not negative rise with their bits."""
    ny, nx = keep.shape[1], keep.shape[2]
    for z in range(first, end):
        at = ends[z]
        for y in range(ny if ends[z + 1] > at else 0):
            for x in range(nx):
                if keep[z, y, x]:
                    falling = np.uint64(0x7FFFFFFF - bits[z, y, x]) >> np.uint64(spare)
                    places[at] = (falling << np.uint64(width)) | np.uint64((z * ny + y) * nx + x)
                    at += 1


@compiled
def _centres(
    squared: Distances,
    places: Places,
    spacing: Spacing,
    first: int,
    end: int,
    centres: NDArray[np.int32],
    values: Distances,
) -> None:
    """Slice, row and column of each centre, and how many slices the ball reaches up and down; and its squared radius, mm²."""
    for n in range(first, end):
        row, x = divmod(np.int64(places[n]), squared.shape[2])
        z, y = divmod(row, squared.shape[1])
        values[n] = squared[z, y, x]
        centres[n, 0], centres[n, 1], centres[n, 2] = z, y, x
        centres[n, 3] = int(np.sqrt(np.float64(values[n]) * (1.0 - SAME)) / spacing[0])


@compiled
def _paint(
    centres: NDArray[np.int32],
    values: Distances,
    spacing: Spacing,
    roots: NDArray[np.int32],
    most: int,
    first: int,
    end: int,
    painted: Distances,
) -> None:
    """Balls slice by slice; each thread paints its own slices only."""
    begins = _begins(centres, first, end)
    begin = first
    while begin < end:
        stop = begin + 1
        while stop < end and begins[stop - first + 1] - begins[begin - first] <= most:
            stop += 1
        here = begins[begin - first : stop - first + 1] - begins[begin - first]
        _paint_slices(centres, values, here, spacing, roots, begin, stop, painted)
        begin = stop


@compiled
def _begins(centres: NDArray[np.int32], first: int, end: int) -> NDArray[np.int64]:
    """Where the discs of each slice would begin if they were written down one slice after the other, and where they would end."""
    begins = np.zeros(end - first + 1, np.int64)
    for n in range(len(centres)):
        cz, reach = centres[n, 0], centres[n, 3]
        for z in range(max(first, cz - reach), min(end, cz + reach + 1)):
            begins[z - first + 1] += 1
    return np.cumsum(begins)


@compiled
def _paint_slices(
    centres: NDArray[np.int32],
    values: Distances,
    begins: NDArray[np.int64],
    spacing: Spacing,
    roots: NDArray[np.int32],
    first: int,
    end: int,
    painted: Distances,
) -> None:
    """Balls row by row, in units of dx, slice by slice.

    The largest come first, so that a voxel is painted once. ``free`` leads from each voxel of a slice to the next one in
    its row that has not been painted: the rows of a ball inside a larger one cost one look each. In a slice a ball is a disc;
    ``widest`` holds the radius of the widest disc so far around each voxel, and a disc inside one of those around its own
    centre or the four beside it is not looked at.
    """
    ny, nx = painted.shape[1], painted.shape[2]
    per_dz, per_dy = (spacing[0] / spacing[2]) ** 2, (spacing[1] / spacing[2]) ** 2
    step_y = np.sqrt(per_dy)
    discs, values2 = _discs_of_slices(centres, values, begins, first, end)
    free = np.empty((ny, nx + 1), np.int32)
    widest = np.empty((ny + 2, nx + 2))
    for z in range(first, end):
        if begins[z - first] == begins[z - first + 1]:
            continue
        _find_free(painted[z], free)
        widest[:] = -1.0
        for n in range(begins[z - first], begins[z - first + 1]):
            cy, cx, away = discs[n, 0], discs[n, 1], discs[n, 2]
            left = max(0.0, np.float64(values2[n]) * (1.0 - SAME) / spacing[2] ** 2 - away * away * per_dz)
            radius = np.sqrt(left)
            if _inside_another(widest, cy + 1, cx + 1, radius, step_y):
                continue
            widest[cy + 1, cx + 1] = radius
            reach_y = int(radius / step_y)
            for y in range(max(0, cy - reach_y), min(ny, cy + reach_y + 1)):
                reach_x = roots[int(max(0.0, left - (y - cy) ** 2 * per_dy))]
                _paint_row(max(0, cx - reach_x), min(nx, cx + reach_x + 1), values2[n], free[y], painted[z, y])


@compiled
def _discs_of_slices(
    centres: NDArray[np.int32], values: Distances, begins: NDArray[np.int64], first: int, end: int
) -> tuple[NDArray[np.int32], Distances]:
    """What of the balls lies in each slice, in the order given: that of slice z stands from ``begins[z - first]`` on.

    A disc's row, column and slices to its ball's centre are written down beside each other: the balls of a slice are strewn
    over all of them, and each look at one would wait for the memory.
    """
    discs, found, ahead = np.empty((begins[-1], 3), np.int32), np.empty(begins[-1], np.float32), begins.copy()
    for n in range(len(centres)):
        cz, reach = centres[n, 0], centres[n, 3]
        for z in range(max(first, cz - reach), min(end, cz + reach + 1)):
            at = ahead[z - first]
            discs[at, 0], discs[at, 1], discs[at, 2], found[at] = centres[n, 1], centres[n, 2], z - cz, values[n]
            ahead[z - first] += 1
    return discs, found


@compiled
def _find_free(painted: Distances, free: NDArray[np.int32]) -> None:
    """For each voxel of a slice the next one in its row that has not been painted, itself or one after it."""
    nx = painted.shape[1]
    for y in range(painted.shape[0]):
        free[y, nx] = nx
        for x in range(nx - 1, -1, -1):
            free[y, x] = x if painted[y, x] == 0 else free[y, x + 1]


@compiled
def _inside_another(widest: NDArray[np.float64], y: int, x: int, radius: float, step_y: float) -> bool:
    """Whether a disc lies in one painted before it, by the triangle rule with some room for rounding."""
    if widest[y, x] >= radius:
        return True
    along_x, along_y = (radius + 1.0) * (1.0 + CLEARLY), (radius + step_y) * (1.0 + CLEARLY)
    return bool(
        (widest[y, x - 1] >= along_x)
        | (widest[y, x + 1] >= along_x)
        | (widest[y - 1, x] >= along_y)
        | (widest[y + 1, x] >= along_y)
    )


@compiled
def _paint_row(start: int, end: int, value: np.float32, free: NDArray[np.int32], row: Distances) -> None:
    """Give the unpainted voxels of a piece of a row their value."""
    x = free[start]
    if x >= end:
        return
    while free[x] != x:
        x = free[x]
    free[start] = x
    while x < end:
        row[x] = value
        free[x] = x + 1
        x += 1
        while free[x] != x:
            x = free[x]
