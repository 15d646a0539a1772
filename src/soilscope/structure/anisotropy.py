"""Anisotropy: how much further a straight line runs through a class one way than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.lines import DIRECTIONS, CornerTables, pairs_of, steps_mm
from soilscope.structure.masks import as_spacing, in_window
from soilscope.structure.surface import shares_of_sphere
from soilscope.types import BoolVolume, Spacing

__all__ = ["Intercepts", "anisotropy", "intercept_tensor", "mean_intercepts"]

Floats = NDArray[np.float64]
NOTHING = 1e-12
"""Eigenvalues under this share of the largest are rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Intercepts:
    """The ellipsoid of mean intercept lengths.

    Parameters
    ----------
    lengths_mm : float array, shape (3,)
        Its half axes, the longest first: infinite where no line along the axis meets a surface.
    axes : float array, shape (3, 3)
        Their directions, one a row, unit vectors (z, y, x) in mm.
    degree : float
        0 where all directions are alike, 1 where one of them never meets a surface: 1 - (shortest / longest)².
    """

    lengths_mm: Floats
    axes: Floats
    degree: float


def anisotropy(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> float:
    """Degree of anisotropy of a class.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array. A line that leaves the window is not followed, and the cut is no surface.

    Returns
    -------
    float
        ``1 - smallest / largest`` eigenvalue of the tensor of mean intercept lengths (Harrigan & Mann 1984,
        doi:10.1007/BF00540446); NaN where the class has no surface in the window.
    """
    return intercept_tensor(mask, spacing_mm, valid).degree


def intercept_tensor(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> Intercepts:
    """The ellipsoid fitted to the mean intercept lengths of a class.

    Parameters
    ----------
    mask, spacing_mm, valid
        See :func:`anisotropy`.

    Returns
    -------
    Intercepts
        From the symmetric tensor M with ``1 / L(u)² = u M u`` for unit vectors u and mean intercept lengths L, fitted by
        least squares to the 13 directions of :func:`mean_intercepts`, each weighted by its share of the sphere (Harrigan &
        Mann 1984, doi:10.1007/BF00540446). Bodies stretched along an axis, layers and bundles of tubes have such an
        ellipsoid exactly. NaN where the class has no surface in the window.
    """
    return tensor_of_corners(_corners(mask, valid), as_spacing(spacing_mm))


def tensor_of_corners(corners: CornerTables, spacing: Spacing) -> Intercepts:
    """:func:`intercept_tensor` from corner patterns."""
    lengths = _lengths(corners, spacing)
    known = ~np.isnan(lengths)
    if known.sum() < 6 or np.isinf(lengths[known]).all():
        return Intercepts(np.full(3, np.nan), np.full((3, 3), np.nan), float("nan"))
    z, y, x = _unit_vectors(spacing)[known].T
    terms = np.stack([z * z, y * y, x * x, 2 * z * y, 2 * z * x, 2 * y * x], axis=1)
    weight = np.sqrt(shares_of_sphere(spacing)[known])
    fitted = np.linalg.lstsq(terms * weight[:, None], weight / lengths[known] ** 2, rcond=None)[0]
    zz, yy, xx, zy, zx, yx = fitted
    values, vectors = np.linalg.eigh(np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]))
    values[values < NOTHING * values[2]] = 0.0  # a direction without a surface comes out a trifle above or below
    with np.errstate(divide="ignore"):
        half_axes = 1.0 / np.sqrt(values)
    return Intercepts(half_axes, vectors.T, float(1.0 - values[0] / values[2]))


def mean_intercepts(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> Floats:
    """Mean length between a class's surfaces along each of 13 lines.

    Parameters
    ----------
    mask, spacing_mm, valid
        See :func:`anisotropy`.

    Returns
    -------
    float array, shape (13,)
        mm: length of all lines of a direction inside the window, divided by how often they cross the surface, class and
        rest taken together. Infinite where they never do, NaN where no line of the direction fits into the window. The
        directions are :data:`soilscope.structure.lines.DIRECTIONS` times the voxel size.
    """
    return _lengths(_corners(mask, valid), as_spacing(spacing_mm))


def _corners(mask: BoolVolume, valid: BoolVolume | None) -> CornerTables:
    inside, window = in_window(mask, valid)
    return CornerTables.of(inside, window)


def _lengths(corners: CornerTables, spacing: Spacing) -> Floats:
    """:func:`mean_intercepts` from corner patterns."""
    crossings, pairs = pairs_of(corners)
    steps = steps_mm(spacing)
    lengths = np.full(len(DIRECTIONS), np.nan)
    seen = pairs > 0
    with np.errstate(divide="ignore"):
        lengths[seen] = pairs[seen] * steps[seen] / crossings[seen]
    return lengths


def _unit_vectors(spacing_mm: Spacing) -> Floats:
    steps = np.asarray(DIRECTIONS, dtype=np.float64) * np.asarray(spacing_mm)
    unit: Floats = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    return unit
