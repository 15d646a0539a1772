"""Local thickness with exact radii: the diameter of the largest ball inside a class that contains the voxel."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.progress import stages
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_mask, as_spacing
from soilscope.structure.small_balls import SAME, SmallBalls
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, Shape, Spacing

__all__ = ["local_thickness", "mean_of_slices", "thickness_from_distance"]

Distances = NDArray[np.float32]
STARTS = 4096
CLEARLY = 1e-9
WIDEST_TABLE = 96
"""Balls of more voxels' radius are compared by the triangle rule, which keeps a few more of them."""


def local_thickness(mask: BoolVolume, spacing_mm: Spacing) -> Distances:
    """Diameter of the largest ball that lies inside a class and contains the voxel.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.

    Returns
    -------
    float32 array, shape (z, y, x)
        mm, 0 outside the mask; NaN throughout the mask where no voxel is outside it (the window holds no wall). A
        ball's radius is the distance from its centre voxel to the nearest voxel outside the mask, every radius that
        occurs is painted, and the array's border is no wall (Hildebrand & Rüegsegger 1997,
        doi:10.1046/j.1365-2818.1997.1340694.x). Diameters are right within about a voxel and a half: high by one
        voxel in a slit of an odd number of voxels, low where a body's middle lies between voxels.
    """
    mask = as_mask(mask)
    distances, balls = stages(1, 3)
    with distances:
        squared = squared_distance(mask, spacing_mm)
    with balls:
        return thickness_from_distance(squared, spacing_mm)


def thickness_from_distance(squared: Distances, spacing_mm: Spacing, labels: LabelVolume | None = None) -> Distances:
    """Local thickness in mm from the squared distances in mm².

    ``labels`` tells the classes apart where the distances are those of several: no ball holds voxels of two classes, so that
    all are painted at once.
    """
    spacing = as_spacing(spacing_mm)
    if squared.size == 0 or not squared.any():
        return np.zeros(squared.shape, np.float32)
    if np.isinf(squared.max()):
        return np.full(squared.shape, np.nan, np.float32)
    seeking, painting, widening = stages(2, 4, 4)
    with seeking:
        small = SmallBalls.of(squared, spacing)
        balls = _balls(squared, spacing, labels, small.limit)
    # Half lengths of rows: floor(sqrt(t)) depends on the whole part of t only.
    roots = np.floor(np.sqrt(np.arange(int(squared.max() / spacing[2] ** 2) + 2))).astype(np.int32)
    painted = np.zeros(squared.shape, np.float32)
    with painting:
        over_slabs(lambda first, end: _paint(*balls, spacing, roots, first, end, painted), len(squared))
    with widening:
        small.widen(squared, painted)
    return painted


def mean_of_slices(thickness: Distances, mask: BoolVolume) -> FloatProfile:
    """Mean thickness over the class voxels of each slice, mm, shape (z,); NaN where the class is absent."""
    out = np.full(len(mask), np.nan)
    over_slabs(lambda first, end: _mean_of_slices(thickness[first:end], mask[first:end], out[first:end]), len(out))
    return out


def _ridge(squared: Distances, spacing: Spacing, labels: LabelVolume | None, over: float) -> BoolVolume:
    """Centres of the balls over a squared radius that no ball around a neighbour contains."""
    norms, needed = _containment(float(squared.max()), spacing)
    # Where to begin to look for a squared radius among the norms.
    starts = np.searchsorted(norms, np.linspace(0.0, norms[-1], STARTS)) - 1
    table = np.maximum(starts, 0), np.asarray(spacing)
    same = np.broadcast_to(np.zeros((), np.uint8), squared.shape) if labels is None else labels
    keep = np.zeros(squared.shape, np.bool_)
    over_slabs(
        lambda first, end: _mark_ridge(squared, same, norms, needed, *table, over, first, end, keep),
        len(squared),
    )
    return keep


def _balls(
    squared: Distances, spacing: Spacing, labels: LabelVolume | None, over: float
) -> tuple[NDArray[np.int32], Distances]:
    """Balls over a squared radius to paint, the largest first; among equals the order does not matter.

    Returns
    -------
    centres : (n, 4) slice, row and column of each centre, and how many slices the ball reaches up and down.
    values : (n,) squared radii, mm²; balls are open, so that what is painted is a trifle less.
    """
    places = np.flatnonzero(_ridge(squared, spacing, labels, over))
    values = -squared.ravel()[places]
    order = np.argsort(values)
    values = -values[order]
    centres = np.empty((len(values), 4), np.int32)
    over_slabs(
        lambda first, end: _centres(
            places, order[first:end], values[first:end], spacing, squared.shape, centres[first:end]
        ),
        len(values),
    )
    return centres, values


@compiled
def _centres(
    places: NDArray[np.int64],
    order: NDArray[np.int64],
    values: Distances,
    spacing: Spacing,
    shape: Shape,
    centres: NDArray[np.int32],
) -> None:
    for n in range(order.size):
        row, x = divmod(places[order[n]], shape[2])
        centres[n, 0], centres[n, 1] = divmod(row, shape[1])
        centres[n, 2] = x
        centres[n, 3] = int(np.sqrt(np.float64(values[n]) * (1.0 - SAME)) / spacing[0])


def _containment(largest2: float, spacing: Spacing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For balls up to some size: which squared radius a ball one step away needs to contain them.

    Returns
    -------
    norms : (m,) rising squared lengths of voxel steps; the ball of squared radius r2 holds the steps with norm < r2.
    needed : (8, m) for the neighbour offset with bits (z, y, x): greatest squared length, seen from that neighbour, of
        all steps up to this norm. A ball around the neighbour contains them if its squared radius is greater.
    """
    reach = min(float(np.sqrt(largest2)) * (1.0 + SAME), WIDEST_TABLE * max(spacing))
    axes = [np.arange(int(reach / s) + 1) * s for s in spacing]
    z, y, x = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    norm = z * z + y * y + x * x
    order = np.argsort(norm, kind="stable")
    order = order[norm[order] <= reach * reach * (1.0 + SAME)]
    z, y, x, norm = z[order], y[order], x[order], norm[order]
    last = np.append(norm[1:] > norm[:-1] * (1.0 + SAME), True)  # of each group of equal lengths
    needed = np.zeros((8, int(last.sum())))
    for bits, (oz, oy, ox) in enumerate(product((0, 1), repeat=3)):
        # The worst step points away from the neighbour, so the offset adds to its length on every axis.
        seen = (z + oz * spacing[0]) ** 2 + (y + oy * spacing[1]) ** 2 + (x + ox * spacing[2]) ** 2
        needed[bits] = np.maximum.accumulate(seen)[last]
    return norm[last], needed


@compiled
def _mark_ridge(
    squared: Distances,
    labels: LabelVolume,
    norms: NDArray[np.float64],
    needed: NDArray[np.float64],
    starts: NDArray[np.int64],
    step: NDArray[np.float64],
    over: float,
    first: int,
    end: int,
    keep: BoolVolume,
) -> None:
    ny, nx = squared.shape[1], squared.shape[2]
    for z in range(first, end):
        for y in range(ny):
            for x in range(nx):
                own = squared[z, y, x]
                if own > over:
                    keep[z, y, x] = not _contained(squared, labels, norms, needed, starts, step, z, y, x)


@compiled
def _contained(
    squared: Distances,
    labels: LabelVolume,
    norms: NDArray[np.float64],
    needed: NDArray[np.float64],
    starts: NDArray[np.int64],
    step: NDArray[np.float64],
    z: int,
    y: int,
    x: int,
) -> bool:
    nz, ny, nx = squared.shape
    own = float(squared[z, y, x])
    inside = own * (1.0 - SAME)
    held = starts[min(int(inside / norms[-1] * (starts.size - 1)), starts.size - 1)]
    while held + 1 < norms.size and norms[held + 1] < inside:
        held += 1  # to the longest step inside the open ball
    exact = held + 1 < norms.size
    for oz in range(max(-1, -z), min(2, nz - z)):
        for oy in range(max(-1, -y), min(2, ny - y)):
            for ox in range(max(-1, -x), min(2, nx - x)):
                other = float(squared[z + oz, y + oy, x + ox])
                if other <= own or labels[z + oz, y + oy, x + ox] != labels[z, y, x]:
                    continue
                if exact:
                    if other * (1.0 - SAME) > needed[4 * abs(oz) + 2 * abs(oy) + abs(ox), held]:
                        return True
                else:
                    away = np.sqrt((oz * step[0]) ** 2 + (oy * step[1]) ** 2 + (ox * step[2]) ** 2)
                    if np.sqrt(other) >= np.sqrt(own) + away:
                        return True
    return False


@compiled
def _paint(
    centres: NDArray[np.int32],
    values: Distances,
    spacing: Spacing,
    roots: NDArray[np.int32],
    first: int,
    end: int,
    painted: Distances,
) -> None:
    """Balls row by row, in units of dx, slice by slice; each thread paints its own slices only.

    The largest come first, so that a voxel is painted once. ``free`` leads from each voxel of a slice to the next one in
    its row that has not been painted: the rows of a ball inside a larger one cost one look each. In a slice a ball is a disc;
    ``widest`` holds the radius of the widest disc so far around each voxel, and a disc inside one of those around its own
    centre or the four beside it is not looked at.
    """
    ny, nx = painted.shape[1], painted.shape[2]
    per_dz, per_dy = (spacing[0] / spacing[2]) ** 2, (spacing[1] / spacing[2]) ** 2
    step_y = np.sqrt(per_dy)
    begins, discs, values2 = _discs_of_slices(centres, values, first, end)
    free = np.empty((ny, nx + 1), np.int32)
    widest = np.empty((ny + 2, nx + 2))
    for z in range(first, end):
        free[:] = np.arange(nx + 1)
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
    centres: NDArray[np.int32], values: Distances, first: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], Distances]:
    """What of the balls lies in each slice, in the order given: that of slice z stands from ``begins[z - first]`` on.

    A disc's row, column and slices to its ball's centre are written down beside each other: the balls of a slice are strewn
    over all of them, and each look at one would wait for the memory.
    """
    begins = np.zeros(end - first + 1, np.int64)
    for n in range(len(centres)):
        cz, reach = centres[n, 0], centres[n, 3]
        for z in range(max(first, cz - reach), min(end, cz + reach + 1)):
            begins[z - first + 1] += 1
    begins = np.cumsum(begins)
    discs, found, ahead = np.empty((begins[-1], 3), np.int32), np.empty(begins[-1], np.float32), begins.copy()
    for n in range(len(centres)):
        cz, reach = centres[n, 0], centres[n, 3]
        for z in range(max(first, cz - reach), min(end, cz + reach + 1)):
            at = ahead[z - first]
            discs[at, 0], discs[at, 1], discs[at, 2], found[at] = centres[n, 1], centres[n, 2], z - cz, values[n]
            ahead[z - first] += 1
    return begins, discs, found


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


@compiled
def _mean_of_slices(thickness: Distances, mask: BoolVolume, out: FloatProfile) -> None:
    for z in range(mask.shape[0]):
        total, number = 0.0, 0
        for y in range(mask.shape[1]):
            for x in range(mask.shape[2]):
                if mask[z, y, x]:
                    total += thickness[z, y, x]
                    number += 1
        if number:
            out[z] = total / number
