"""Distance from each voxel of a class to the nearest voxel outside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs, thread_count
from soilscope.structure.masks import as_mask, as_spacing
from soilscope.types import BoolVolume, LabelVolume, Spacing

__all__ = ["squared_distance", "squared_distance_of_labels"]

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
    return _by_parabolas(mask, spacing) if filled > WIDE_OPEN * mask.size else _by_search(mask, spacing)


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
    return _by_search_of_labels(labels, spacing)


def _by_parabolas(mask: BoolVolume | LabelVolume, spacing: Spacing) -> Squares:
    import edt

    squared: NDArray[Any] = edt.edtsq(mask, anisotropy=spacing, black_border=False, parallel=thread_count())
    return np.ascontiguousarray(squared, dtype=np.float32)


def _by_search(mask: BoolVolume, spacing: Spacing) -> Squares:
    dz, dy, dx = spacing
    rows = np.empty(mask.shape, np.float32)
    planes = np.empty_like(rows)

    def within_slices(first: int, end: int) -> None:
        _along_rows(mask[first:end].view(np.uint8), dx, rows[first:end])
        for z in range(first, end):
            _outwards(rows[z], dy, planes[z])

    over_slabs(within_slices, mask.shape[0])

    def through_slices(first: int, end: int) -> None:
        for y in range(first, end):
            _outwards(planes[:, y], dz, rows[:, y])

    over_slabs(through_slices, mask.shape[1])
    return rows


def _by_search_of_labels(labels: LabelVolume, spacing: Spacing) -> Squares:
    dz, dy, dx = spacing
    rows = np.empty(labels.shape, np.float32)
    planes = np.empty_like(rows)

    def within_slices(first: int, end: int) -> None:
        _along_labelled_rows(labels[first:end], dx, rows[first:end])
        for z in range(first, end):
            _outwards_in_label(rows[z], labels[z], dy, planes[z])

    over_slabs(within_slices, labels.shape[0])

    def through_slices(first: int, end: int) -> None:
        for y in range(first, end):
            _outwards_in_label(planes[:, y], labels[:, y], dz, rows[:, y])

    over_slabs(through_slices, labels.shape[1])
    return rows


@compiled
def _along_rows(mask: NDArray[np.uint8], dx: float, out: Squares) -> None:
    """Squared distance within each row along x, infinite in a row without an end."""
    nz, ny, nx = mask.shape
    for z in range(nz):
        for y in range(ny):
            steps = np.float32(np.inf)
            for x in range(nx):
                steps = steps + np.float32(1) if mask[z, y, x] else np.float32(0)
                out[z, y, x] = steps
            steps = np.float32(np.inf)
            for x in range(nx - 1, -1, -1):
                steps = steps + np.float32(1) if mask[z, y, x] else np.float32(0)
                nearest = np.float32(dx) * min(steps, out[z, y, x])
                out[z, y, x] = nearest * nearest


def _outwards(before: Squares, step: float, after: Squares) -> None:
    """Take an axis more into account: the first of (n, x) arrays, its voxels being ``step`` apart."""
    away = np.square(np.arange(before.shape[0], dtype=np.float32) * np.float32(step))
    _search(before, away, away.view(np.int32), after)


@compiled
def _search(before: Squares, away: Squares, away_bits: Bits, after: Squares) -> None:
    """The outward search; floats that are not negative rise with their bits, whose maximum can be had eight at a time.

    A search takes few steps, and handing rows to a function costs as much as one of them: hence loops within loops, over flat
    copies. Rows lie far apart, often by a power of two, which caches do not like either.
    """
    n, nx = before.shape
    near = np.zeros(n * LANES, np.float32)
    own = np.empty(LANES, np.float32)
    own_bits = own.view(np.int32)
    for left in range(0, nx, LANES):
        width = min(LANES, nx - left)
        for i in range(n):
            for x in range(width):
                near[i * LANES + x] = before[i, left + x]
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
                for x in range(np.uint64(LANES)):
                    one, other = near[low + x], near[high + x]
                    through = (one if one < other else other) + step
                    own[x] = through if through < own[x] else own[x]
            for x in range(width):
                after[i, left + x] = own[x]


@compiled
def _along_labelled_rows(labels: LabelVolume, dx: float, out: Squares) -> None:
    """Squared distance to the nearest other label within each row along x, 0 where there is no label."""
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            row = labels[z, y]
            steps = np.float32(np.inf)
            for x in range(nx):
                if x > 0 and row[x] != row[x - 1]:
                    steps = np.float32(0)
                steps = steps + np.float32(1)
                out[z, y, x] = steps
            steps = np.float32(np.inf)
            for x in range(nx - 1, -1, -1):
                if x + 1 < nx and row[x] != row[x + 1]:
                    steps = np.float32(0)
                steps = steps + np.float32(1)
                nearest = np.float32(dx) * min(steps, out[z, y, x])
                out[z, y, x] = nearest * nearest if row[x] else np.float32(0)


def _outwards_in_label(before: Squares, labels: LabelVolume, step: float, after: Squares) -> None:
    """As :func:`_outwards`; a voxel of another label is a wall, and its own distance to a wall is nothing to this one."""
    away = np.square(np.arange(before.shape[0], dtype=np.float32) * np.float32(step))
    _search_in_label(before, labels, away, away.view(np.int32), after)


@compiled
def _search_in_label(before: Squares, labels: LabelVolume, away: Squares, away_bits: Bits, after: Squares) -> None:
    """As :func:`_search`; labels are as wide as the distances, so that one comparison is for as many voxels."""
    n, nx = before.shape
    near, kind = np.zeros(n * LANES, np.float32), np.zeros(n * LANES, np.int32)
    own = np.empty(LANES, np.float32)
    own_bits = own.view(np.int32)
    for left in range(0, nx, LANES):
        width = min(LANES, nx - left)
        for i in range(n):
            for x in range(width):
                near[i * LANES + x] = before[i, left + x]
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
                low = np.uint64((i - k if i >= k else i + k) * LANES)
                high = np.uint64((i + k if i + k < n else i - k) * LANES)
                for x in range(np.uint64(LANES)):
                    mine = kind[here + x]
                    one = near[low + x] if kind[low + x] == mine else np.float32(0)
                    other = near[high + x] if kind[high + x] == mine else np.float32(0)
                    through = (one if one < other else other) + step
                    own[x] = through if through < own[x] else own[x]
            for x in range(width):
                after[i, left + x] = own[x]
