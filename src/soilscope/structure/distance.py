"""Distance from each voxel of a class to the nearest voxel outside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs, thread_count
from soilscope.progress import stages
from soilscope.structure.masks import as_mask, as_spacing
from soilscope.types import BoolVolume, LabelVolume, Spacing

__all__ = ["squared_distance", "squared_distance_of_labels", "through_slices", "within_slices"]

Squares = NDArray[np.float32]
Bits = NDArray[np.int32]
LANES = 32
"""Voxels along x that are searched together: the search ends where it can help none of them."""
WIDE_OPEN = 0.9
"""From this share of mask on walls are far, and the parabolas of the package edt faster than a search (measured)."""


def squared_distance(mask: BoolVolume, spacing_mm: Spacing) -> Squares:
    """Squared distance of each voxel of a mask to the nearest voxel outside it, centre to centre.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)

    Returns
    -------
    float32 array, shape (z, y, x)
        mm²; 0 outside the mask; infinite where the whole array is mask. The array's border is no wall: what lies
        beyond is unknown, not solid.

    Notes
    -----
    Exact, axis by axis: ``d²(p) = min over k of (k dy)² + g²(p + k)`` with ``g`` the distance within the rows along x
    (Saito & Toriwaki 1994, doi:10.1016/0031-3203(94)90133-3). The search over k goes outwards and ends where ``(k dy)²``
    alone is too much; pores are narrow, so that this takes a few steps, each of them the same for neighbouring voxels.
    """
    mask = as_mask(mask)
    spacing = as_spacing(spacing_mm)
    filled = np.count_nonzero(mask)
    if filled in (0, mask.size):
        return np.full(mask.shape, np.inf if filled else 0.0, np.float32)
    if filled > WIDE_OPEN * mask.size:
        return _by_parabolas(mask, spacing)
    return _by_search(mask.view(np.uint8), spacing, None)


def squared_distance_of_labels(labels: LabelVolume, spacing_mm: Spacing) -> Squares:
    """Squared distance of each labelled voxel to the nearest voxel that has another label, or none.

    The distances of all classes at once: inside each label the same as :func:`squared_distance` of its mask, for little more than
    the work of one of them.

    Parameters
    ----------
    labels : uint8 array, shape (z, y, x)
        0 for no class.
    spacing_mm : (dz, dy, dx)

    Returns
    -------
    float32 array, shape (z, y, x)
        mm²; 0 where there is no label; infinite where one label fills the whole array.
    """
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    spacing = as_spacing(spacing_mm)
    if labels.size == 0:
        return np.zeros(labels.shape, np.float32)
    held = np.zeros(256, np.int64)
    for plane in labels:  # plane by plane: counting turns labels into 64 bits
        held += np.bincount(plane.ravel(), minlength=256)
    if held[1:].max() == labels.size:
        return np.full(labels.shape, np.inf, np.float32)
    if held[1:].max() > WIDE_OPEN * labels.size:
        return _by_parabolas(labels, spacing)
    return _by_search(labels, spacing, labels)


def _by_parabolas(mask: BoolVolume | LabelVolume, spacing: Spacing) -> Squares:
    import edt

    dz, dy, dx = spacing  # edt adds dx up voxel by voxel in 32 bits, which is exact where it is 1
    squared: NDArray[Any] = edt.edtsq(
        mask, anisotropy=(dz / dx, dy / dx, 1.0), black_border=False, parallel=thread_count()
    )
    squared *= np.float32(dx**2)
    return np.ascontiguousarray(squared, dtype=np.float32)


def _by_search(inside: LabelVolume, spacing: Spacing, labels: LabelVolume | None) -> Squares:
    """``labels`` tells several labels apart; None where ``inside`` is one mask of 0 and 1."""
    within, through = stages(1, 2)
    with within:
        planes = within_slices(inside, spacing, labels)
    with through:
        through_slices(planes, spacing[0], labels)
    return planes


def within_slices(inside: LabelVolume, spacing: Spacing, labels: LabelVolume | None = None) -> Squares:
    """Squared distance within each slice, mm², infinite in a slice without an end; see :func:`squared_distance_of_labels`."""
    out = np.empty(inside.shape, np.float32)

    def work(first: int, end: int) -> None:
        rows = np.empty(inside.shape[1:], np.float32)
        for z in range(first, end):
            _along_rows(inside[z], spacing[2], rows)
            _outwards(rows, None if labels is None else labels[z], spacing[1], out[z])

    over_slabs(work, len(inside))
    return out


def through_slices(planes: Squares, dz: float, labels: LabelVolume | None = None) -> None:
    """Turn squared distances within slices into those through all slices, in place; any rows of a core will do."""

    def work(first: int, end: int) -> None:
        rows = np.empty((len(planes), planes.shape[2]), np.float32)
        for y in range(first, end):
            rows[:] = planes[:, y]
            _outwards(rows, None if labels is None else labels[:, y], dz, planes[:, y])

    over_slabs(work, planes.shape[1])


@compiled
def _along_rows(labels: NDArray[np.uint8], dx: float, out: Squares) -> None:
    """Squared distance to the nearest other label within each row along x, 0 where there is no label."""
    for y in range(labels.shape[0]):
        row, nx = labels[y], labels.shape[1]
        steps = np.float32(np.inf)
        for x in range(nx):
            if x > 0 and row[x] != row[x - 1]:
                steps = np.float32(0)
            steps = steps + np.float32(1)
            out[y, x] = steps
        steps = np.float32(np.inf)
        for x in range(nx - 1, -1, -1):
            if x + 1 < nx and row[x] != row[x + 1]:
                steps = np.float32(0)
            steps = steps + np.float32(1)
            nearest = np.float32(dx) * min(steps, out[y, x])
            out[y, x] = nearest * nearest if row[x] else np.float32(0)


def _outwards(before: Squares, labels: LabelVolume | None, step: float, after: Squares) -> None:
    """Take an axis more into account: the first of (n, x) arrays, its voxels being ``step`` apart."""
    away = np.square(np.arange(before.shape[0], dtype=np.float32) * np.float32(step))
    _search(before, labels, away, away.view(np.int32), after)


@compiled
def _search(before: Squares, labels: LabelVolume | None, away: Squares, away_bits: Bits, after: Squares) -> None:
    """The outward search; floats that are not negative rise with their bits, whose maximum can be had eight at a time.

    A search takes few steps, and handing rows to a function costs as much as one of them: hence loops within loops, over flat
    copies. Rows lie far apart, often by a power of two, which caches do not like either. A voxel of another label is a wall, and
    its own distance to a wall is nothing to this one; labels are as wide as the distances, so that one comparison is for as
    many voxels. Without labels that part is not compiled at all.
    """
    n, nx = before.shape
    near, kind = np.zeros(n * LANES, np.float32), np.zeros(n * LANES, np.int32)
    own = np.empty(LANES, np.float32)
    own_bits = own.view(np.int32)
    for left in range(0, nx, LANES):
        width = min(LANES, nx - left)
        for i in range(n):
            for x in range(width):
                near[i * LANES + x] = before[i, left + x]
            if labels is not None:
                for x in range(width):
                    kind[i * LANES + x] = labels[i, left + x]
            near[i * LANES + width : (i + 1) * LANES] = 0
        for i in range(n):
            here = np.uint64(i * LANES)
            for x in range(np.uint64(LANES)):
                own[x] = near[here + x]
            for k in range(1, max(i, n - 1 - i) + 1):
                most = np.int32(0)
                for x in range(np.uint64(LANES)):
                    most = max(most, own_bits[x])
                step = away[k]
                if away_bits[k] >= most:
                    break
                # Where there is no voxel on one side, the other one counts twice.
                low = np.uint64((i - k if i >= k else i + k) * LANES)
                high = np.uint64((i + k if i + k < n else i - k) * LANES)
                if labels is None:
                    for x in range(np.uint64(LANES)):
                        one, other = near[low + x], near[high + x]
                        through = (one if one < other else other) + step
                        own[x] = through if through < own[x] else own[x]
                else:
                    for x in range(np.uint64(LANES)):
                        mine = kind[here + x]
                        one = near[low + x] if kind[low + x] == mine else np.float32(0)
                        other = near[high + x] if kind[high + x] == mine else np.float32(0)
                        through = (one if one < other else other) + step
                        own[x] = through if through < own[x] else own[x]
            for x in range(width):
                after[i, left + x] = own[x]
