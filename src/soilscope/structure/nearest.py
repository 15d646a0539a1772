"""Distance to the nearest pore: how far it is from what is not the class to the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import in_window
from soilscope.types import BoolVolume, FloatProfile, Spacing

__all__ = ["distance_profile", "distance_to_class"]


def distance_to_class(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> NDArray[np.float32]:
    """Distance from each voxel of the window to the nearest voxel of a class.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.

    Returns
    -------
    float32 array, shape (z, y, x)
        mm from centre to centre, straight through whatever lies between; 0 in the class, NaN outside the window and, where
        the window holds none of the class, everywhere. What lies beyond the window is unknown, so that figures near its
        border are upper bounds. Of pores: the way of oxygen and roots into the matrix (Rabot et al. 2018,
        Geoderma 314: 122-137).
    """
    inside, window = in_window(mask, valid)
    away = np.sqrt(squared_distance(~inside, spacing_mm))
    away[~window | np.isinf(away)] = np.nan
    return away


def distance_profile(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> FloatProfile:
    """Mean of :func:`distance_to_class` over what is not the class, in each slice.

    Returns
    -------
    float array, shape (z,)
        mm; the nearest voxel of the class may lie in another slice. NaN where a slice holds nothing but the class, or the
        window holds none of it.
    """
    return means_of(*_sums(mask, spacing_mm, valid))


def mean_distance(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> float:
    """Mean of :func:`distance_to_class` over what is not the class, in the whole window; mm, NaN as in the profile."""
    sums, counts = _sums(mask, spacing_mm, valid)
    return float(means_of(sums.sum(keepdims=True), counts.sum(keepdims=True))[0])


def _sums(
    mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    away = distance_to_class(mask, spacing_mm, valid)
    outside = away > 0  # not the class, and in the window
    sums = np.array([plane[seen].sum(dtype=np.float64) for plane, seen in zip(away, outside, strict=True)])
    return sums, np.count_nonzero(outside, axis=(1, 2))


def means_of(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> FloatProfile:
    """Means where there is something to take one of, and a class to be distant from; else NaN."""
    means = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=means, where=(counts > 0) & np.isfinite(sums))
    return means
