"""Fractal dimension by counting boxes, whole boxes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.structure.masks import as_mask, as_spacing, as_valid
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
    mask = as_mask(mask)
    window = as_valid(valid, mask)
    spacing = as_spacing(spacing_mm)
    sides = [_boxes(m[None], w[None], spacing, None, (1, 2)).dimension for m, w in zip(mask, window, strict=True)]
    return np.array(sides, dtype=np.float64)


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
    mask = as_mask(mask)
    return _boxes(mask, as_valid(valid, mask), as_spacing(spacing_mm), sizes_mm, (0, 1, 2))


def _boxes(
    mask: BoolVolume, window: BoolVolume, spacing: Spacing, sizes_mm: Sequence[float] | None, axes: tuple[int, ...]
) -> BoxCounts:
    mask, window = _cut_to_window(mask & window, window)
    sizes = _sizes(mask.shape, spacing, axes) if sizes_mm is None else np.array(sizes_mm, dtype=np.float64)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise UsageError("boxes", f"sizes_mm {sizes.tolist()} must be positive lengths in mm.")
    counted = [_count(mask, window, spacing, float(size), axes) for size in sizes]
    enough = np.array([whole >= FEWEST_BOXES for _, whole in counted], dtype=np.bool_)
    met = np.array([hit for hit, _ in counted], dtype=np.float64)[enough]
    whole = np.array([n for _, n in counted], dtype=np.int64)[enough]
    sizes, share = sizes[enough], met / np.maximum(whole, 1)
    dimension, r2 = _slope(sizes, share, len(axes))
    return BoxCounts(sizes, share, whole, dimension, r2)


def _cut_to_window(mask: BoolVolume, window: BoolVolume) -> tuple[BoolVolume, BoolVolume]:
    """Both without the slices, rows and columns in front of and behind the window."""
    inside = []
    for axis in range(3):
        seen = np.flatnonzero(window.any(axis=tuple(a for a in range(3) if a != axis)))
        inside.append(slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, 0))
    return mask[tuple(inside)], window[tuple(inside)]


def _sizes(shape: tuple[int, ...], spacing: Spacing, axes: tuple[int, ...]) -> NDArray[np.float64]:
    smallest = SMALLEST * max(spacing[a] for a in axes)
    largest = LARGEST * min(shape[a] * spacing[a] for a in axes) * (1.0 + TOUCH)
    return smallest * 2.0 ** np.arange(np.log2(largest / smallest) // 1 + 1 if largest >= smallest else 0)


def _count(
    mask: BoolVolume, window: BoolVolume, spacing: Spacing, size: float, axes: tuple[int, ...]
) -> tuple[int, int]:
    """Boxes that meet the class, and whole boxes, over all ways of laying them."""
    layers = [(mask, window)]
    for axis in axes:
        layers = [
            layer
            for met, whole in layers
            for layer in _joined(met, whole, axis, size / spacing[axis])
            if layer[0].shape[axis]
        ]
    return (
        sum(int(np.count_nonzero(met & whole)) for met, whole in layers),
        sum(int(np.count_nonzero(whole)) for _, whole in layers),
    )


def _joined(met: BoolVolume, whole: BoolVolume, axis: int, edge: float) -> list[tuple[BoolVolume, BoolVolume]]:
    """Voxels joined to boxes of an edge (in voxels) along an axis, laid from its first end and from its last."""
    number = met.shape[axis]
    fit = int(number / edge + TOUCH)
    # Voxel i has its centre at i + 0.5; box k begins with the first centre at or after k * edge.
    starts = np.ceil(np.arange(fit + 1) * edge - 0.5 - TOUCH).astype(np.int64)
    starts[0] = 0
    if fit == 0 or (np.diff(starts) < 1).any():
        return []
    bounds = np.unique(np.stack([starts, number - starts[::-1]]), axis=0)  # the same twice where the boxes fit exactly
    return [
        (_any(np.logical_or, met, axis, along), _any(np.logical_and, whole, axis, along)) for along in bounds.tolist()
    ]


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
