"""Fractal dimension by counting boxes, whole boxes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.progress import stages, told
from soilscope.structure.masks import as_spacing, in_window
from soilscope.structure.scratch import Box
from soilscope.types import BoolVolume, FloatProfile, Spacing

__all__ = ["BoxCounts", "box_counts", "fractal_dimension", "fractal_dimension_of_slices"]

SMALLEST, LARGEST = 2.0, 0.25
"""Boxes from two of the voxel's longest edges up to a quarter of the window's shortest side, each twice the one before."""
FEWEST_BOXES, FEWEST_SIZES = 8, 3
TOUCH = 1e-9
"""Lengths in boxes that differ by less are equal: edges of boxes may lie on edges of voxels."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxCounts:
    """How many boxes of each size meet the class.

    Parameters
    ----------
    sizes_mm : float array, shape (n,)
        Edges of the boxes that at least eight of fit wholly into the window.
    share : float array, shape (n,)
        Share of those whole boxes that hold a voxel of the class.
    whole : int array, shape (n,)
        Whole boxes looked at.
    dimension, r2 : float
        Slope of ``log N(e)`` against ``log 1/e`` by least squares with all sizes, ``N(e) = share * window / e**axes``, and how
        much of the variance it explains; NaN under three sizes, and where the class is absent.
    """

    sizes_mm: NDArray[np.float64]
    share: NDArray[np.float64]
    whole: NDArray[np.int64]
    dimension: float
    r2: float


def fractal_dimension(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> float:
    """Box-counting dimension of a class: 0 to 3.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.

    Returns
    -------
    float
        See :func:`box_counts`, whose default sizes are the fit's range. NaN where the class is absent or fewer than three
        sizes of boxes fit into the window.
    """
    return box_counts(mask, spacing_mm, valid).dimension


def fractal_dimension_of_slices(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> FloatProfile:
    """Box-counting dimension of a class in each slice, shape (z,): 0 to 2, squares in place of boxes; NaN as in the core."""
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    out = np.empty(len(inside))
    for z, (own, seen) in enumerate(zip(inside, window, strict=True)):
        out[z] = _boxes(own[None], seen[None], spacing, None, (1, 2)).dimension
        told((z + 1) / len(out))
    return out


def box_counts(
    mask: BoolVolume,
    spacing_mm: Spacing,
    valid: BoolVolume | None = None,
    sizes_mm: Sequence[float] | None = None,
) -> BoxCounts:
    """Boxes that meet a class, and the dimension they give.

    Parameters
    ----------
    mask, spacing_mm, valid
        See :func:`fractal_dimension`.
    sizes_mm : sequence of float, optional
        Edges of the boxes; by default from two of the voxel's longest edges up to a quarter of the shortest side of the
        window's own box, doubling.

    Returns
    -------
    BoxCounts
        Boxes are cubes in mm whatever the voxel's shape (a voxel belongs to the box that holds its centre). Only boxes
        wholly inside the window count, so that its border is no structure; they are laid from both ends of each axis, all
        eight ways together, so that a core turned over gives the same.

    Raises
    ------
    UsageError
        Code ``boxes``: a size that is not positive.
    """
    return _boxes(*in_window(mask, valid), as_spacing(spacing_mm), sizes_mm, (0, 1, 2))


def _boxes(
    mask: BoolVolume, window: BoolVolume, spacing: Spacing, sizes_mm: Sequence[float] | None, axes: tuple[int, ...]
) -> BoxCounts:
    inside = tuple(slice(*side) for side in box_of(window))
    mask, window = mask[inside], window[inside]
    sizes = _sizes(mask.shape, spacing, axes) if sizes_mm is None else np.array(sizes_mm, dtype=np.float64)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise UsageError("boxes", f"sizes_mm {sizes.tolist()} must be positive lengths in mm.")
    counted = []
    for part, size in zip(stages(*_work(sizes)), sizes, strict=True):
        with part:
            counted.append(_count(mask, window, spacing, float(size), axes))
    return _fitted(sizes, counted, len(axes))


def _work(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counting takes a look at every voxel, and one at every box, of which small sizes have many."""
    return np.asarray(1.0 + sizes.min(initial=np.inf) / sizes)


def _fitted(sizes: NDArray[np.float64], counted: Sequence[tuple[int, int]], axes: int) -> BoxCounts:
    """Counts and dimension from boxes met and whole boxes of each size."""
    enough = np.array([whole >= FEWEST_BOXES for _, whole in counted], dtype=np.bool_)
    met = np.array([hit for hit, _ in counted], dtype=np.float64)[enough]
    whole = np.array([n for _, n in counted], dtype=np.int64)[enough]
    sizes, share = sizes[enough], met / np.maximum(whole, 1)
    dimension, r2 = _slope(sizes, share, axes)
    return BoxCounts(sizes, share, whole, dimension, r2)


def box_of(window: BoolVolume) -> Box:
    """First and end of the window along each axis; empty where it holds nothing."""
    flat: NDArray[np.bool_] = np.asarray(window.any(axis=0))
    seen = [np.flatnonzero(side) for side in (window.any(axis=(1, 2)), flat.any(axis=1), flat.any(axis=0))]
    z, y, x = ((int(at[0]), int(at[-1]) + 1) if at.size else (0, 0) for at in seen)
    return z, y, x


def _sizes(shape: tuple[int, ...], spacing: Spacing, axes: tuple[int, ...]) -> NDArray[np.float64]:
    smallest = SMALLEST * max(spacing[a] for a in axes)
    largest = LARGEST * min(shape[a] * spacing[a] for a in axes) * (1.0 + TOUCH)
    return smallest * 2.0 ** np.arange(np.log2(largest / smallest) // 1 + 1 if largest >= smallest else 0)


def _count(
    mask: BoolVolume, window: BoolVolume, spacing: Spacing, size: float, axes: tuple[int, ...]
) -> tuple[int, int]:
    """Boxes that meet the class, and whole boxes, over all ways of laying them."""
    layers = [(mask, window)]
    for number, axis in enumerate(axes, start=1):
        layers = [
            layer
            for met, whole in layers
            for layer in _joined(met, whole, axis, size / spacing[axis])
            if layer[0].shape[axis]
        ]
        told(number / len(axes))
    return (
        sum(int(np.count_nonzero(met & whole)) for met, whole in layers),
        sum(int(np.count_nonzero(whole)) for _, whole in layers),
    )


def _joined(met: BoolVolume, whole: BoolVolume, axis: int, edge: float) -> list[tuple[BoolVolume, BoolVolume]]:
    """Voxels joined to boxes of an edge (in voxels) along an axis, laid from its first end and from its last."""
    return [
        (_any(np.logical_or, met, axis, bounds), _any(np.logical_and, whole, axis, bounds))
        for bounds in _bounds(met.shape[axis], edge)
    ]


def _bounds(number: int, edge: float) -> list[list[int]]:
    """Where boxes of an edge (in voxels) begin and end among so many voxels, laid from either end."""
    fit = int(number / edge + TOUCH)
    # Voxel i has its centre at i + 0.5; box k begins with the first centre at or after k * edge.
    starts = np.ceil(np.arange(fit + 1) * edge - 0.5 - TOUCH).astype(np.int64)
    starts[0] = 0
    if fit == 0 or (np.diff(starts) < 1).any():
        return []
    both = np.stack([starts, number - starts[::-1]])
    return np.unique(both, axis=0).tolist()  # type: ignore[no-any-return]  # once where the boxes fit exactly


def _any(combine: np.ufunc, voxels: BoolVolume, axis: int, bounds: list[int]) -> BoolVolume:
    along = slice(bounds[0], bounds[-1])
    inside = voxels[tuple(along if a == axis else slice(None) for a in range(3))]
    joined: BoolVolume = combine.reduceat(inside, np.array(bounds[:-1]) - bounds[0], axis=axis)
    return joined


def _slope(sizes: NDArray[np.float64], share: NDArray[np.float64], axes: int) -> tuple[float, float]:
    if len(sizes) < FEWEST_SIZES or not (share > 0).all():
        return float("nan"), float("nan")
    x, y = -np.log(sizes), np.log(share) - axes * np.log(sizes)
    slope, offset = np.polyfit(x, y, 1)
    spread = float(np.square(y - y.mean()).sum())
    left = float(np.square(y - slope * x - offset).sum())
    return float(slope), 1.0 - left / spread if spread > 0 else 1.0


class BoxSlabs:
    """Boxes counted slab by slab, from the top down: the figures of :func:`box_counts` with its own sizes.

    Parameters
    ----------
    window : ((first, end), (first, end), (first, end))
        The window's box in the core (:func:`box_of`).
    spacing : (dz, dy, dx)
    """

    def __init__(self, window: Box, spacing: Spacing) -> None:
        self._window = window
        depth, *_ = shape = tuple(end - first for first, end in window)
        self._sizes = _sizes(shape, spacing, (0, 1, 2))
        self._flat = [[_bounds(shape[axis], size / spacing[axis]) for axis in (1, 2)] for size in self._sizes]
        # For each size and each way of laying it in the plane: its piles, laid from the top and from the bottom.
        self._piles = [
            [[_Pile(along) for along in _bounds(depth, size / spacing[0])] for _ in range(len(rows) * len(columns))]
            for size, (rows, columns) in zip(self._sizes, self._flat, strict=True)
        ]

    def add(self, mask: BoolVolume, window: BoolVolume, first: int) -> None:
        """The next slices: a class and the window it lies in, and the first one's number in the core."""
        (top, bottom), rows, columns = self._window
        here = slice(max(top - first, 0), max(bottom - first, 0)), slice(*rows), slice(*columns)
        mask, window, first = mask[here], window[here], max(first - top, 0)
        if not len(mask):
            return
        for (along_y, along_x), piles in zip(self._flat, self._piles, strict=True):
            layers = [
                (_any(np.logical_or, mask, 1, bounds), _any(np.logical_and, window, 1, bounds)) for bounds in along_y
            ]
            flat = [
                (_any(np.logical_or, met, 2, bounds), _any(np.logical_and, whole, 2, bounds))
                for met, whole in layers
                for bounds in along_x
            ]
            for (met, whole), laid in zip(flat, piles, strict=True):
                for pile in laid:
                    pile.add(met, whole, first)

    def counts(self) -> BoxCounts:
        """What all slabs together hold."""
        counted = [
            (sum(p.met for laid in piles for p in laid), sum(p.whole for laid in piles for p in laid))
            for piles in self._piles
        ]
        return _fitted(self._sizes, counted, 3)


class _Pile:
    """Boxes above each other, closed one after the other as their last slice comes."""

    def __init__(self, bounds: list[int]) -> None:
        self.bounds, self.met, self.whole = bounds, 0, 0
        self._ends = frozenset(bounds)
        self._open: tuple[BoolVolume, BoolVolume] | None = None

    def add(self, met: BoolVolume, whole: BoolVolume, first: int) -> None:
        """Slices whose rows and columns are joined to boxes already."""
        start, end = max(first, self.bounds[0]), min(first + len(met), self.bounds[-1])
        inner = [b for b in self.bounds if start < b < end]
        for a, b in pairwise([start, *inner, end] if start < end else []):
            bounds = [a - first, b - first]
            hit, full = _any(np.logical_or, met, 0, bounds), _any(np.logical_and, whole, 0, bounds)
            if self._open is not None:
                hit, full = hit | self._open[0], full & self._open[1]
            self._open = hit, full
            if b in self._ends:
                self.met += int(np.count_nonzero(hit & full))
                self.whole += int(np.count_nonzero(full))
                self._open = None
