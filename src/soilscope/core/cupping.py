"""Beam hardening: how much more the soil's matrix reads at the rim of the core than on its axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.modes import Bins, mode_near, overall_mode
from soilscope.core.wall import distance_mm
from soilscope.volume import Volume
from soilscope.volume.planes import filled_slices, value_range

__all__ = ["Cupping", "measure_cupping"]

RINGS = 24
"""Rings of one area each."""

RIM_PX = 3.0
"""Voxels nearer to the wall than this hold some of it, and do not count."""

SECTORS, STOREYS = 4, 2
"""Parts of the core that are fitted apart, to tell how far the soil's own unevenness moves the result."""

MOST_SLICES = 160
LEAST_VOXELS = 100
"""A ring with fewer matrix-like voxels says nothing."""

LEAST_RINGS = 8
REACH = 1.5
"""Half widths of the matrix's peak that count as matrix-like on either side of it."""


@dataclass(frozen=True, slots=True)
class Cupping:
    """The fit ``a + b r²`` through the matrix-like voxels' usual value in rings around the axis.

    Parameters
    ----------
    axis_value : float
        ``a``, the fitted value on the axis.
    size : float
        ``b R²``: what the rim reads more than the axis; negative where the rim reads less (capping).
    error : float
        Standard error of ``size``, from the scatter of quarters of the core, upper and lower, fitted apart: the soil's own
        unevenness across the core is part of it. NaN, unknown, where fewer than two such parts hold enough to be fitted.
    radius_mm : float
        ``R``, the soil's radius.
    radii_mm, values : tuple of float
        The rings' mean radius and usual value.
    share : float
        Share of the voxels looked at that count as matrix-like.
    """

    axis_value: float
    size: float
    error: float
    radius_mm: float
    radii_mm: tuple[float, ...]
    values: tuple[float, ...]
    share: float

    def at(self, distance_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """The fitted value of the matrix at a distance from the axis."""
        return np.asarray(self.axis_value + self.size * (distance_mm / self.radius_mm) ** 2)

    @property
    def level(self) -> float:
        """The fit's mean over the core's area, which a correction keeps."""
        return self.axis_value + self.size / 2

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "axis_value": round(self.axis_value, 3),
            "size": round(self.size, 3),
            "error": None if math.isnan(self.error) else round(self.error, 3),
            "radius_mm": round(self.radius_mm, 4),
            "radii_mm": [round(v, 4) for v in self.radii_mm],
            "values": [round(v, 3) for v in self.values],
            "share": round(self.share, 5),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cupping:
        """The inverse of :meth:`as_dict`."""
        error = math.nan if values["error"] is None else float(values["error"])
        lists = {name: tuple(values[name]) for name in ("radii_mm", "values")}
        return cls(**{**values, **lists, "error": error})


def measure_cupping(core: Volume, level: float) -> Cupping | None:
    """Measure the cupping of a core whose axis was found.

    Parameters
    ----------
    core : Volume
        With the soil found (:func:`soilscope.find_core`).
    level : float
        Between air and anything else; the matrix lies above.

    Returns
    -------
    Cupping or None
        None where no axis was found, or too little of the soil is alike to be compared.

    Notes
    -----
    The matrix's usual value is the mode of the voxels above ``level``. In rings of equal area around the axis it is found
    again by mean shift, which moves with the ring's histogram and takes no notice of pores, roots and stones far from it. Then
    ``a + b r²`` is fitted by least squares. Layers of the soil do not enter, as each ring runs through all of them.
    """
    on_axis = core.axis_mm()
    if on_axis is None or not filled_slices(core).size:
        return None
    radius = float(core.source["soil"]["radius_mm"])
    bins = Bins.over(*value_range(core), whole=core.values.dtype.kind in "iu")
    counts, squares = _rings(core, on_axis, radius, bins)
    found = _modes(counts.sum(axis=0), bins, level)
    if found is None:
        return None
    values, number, reach = found
    fitted = _fit(squares, values, number)
    if fitted is None:
        return None
    a, b, good = fitted
    parts = [_fit(squares, *_near(part, bins, values, reach)) for part in counts]
    slopes = [part[1] for part in parts if part is not None]
    error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else math.nan
    radii = tuple(float(r) for r in radius * np.sqrt(squares[good]))
    share = float(number[good].sum() / counts[:, good].sum())
    return Cupping(a, b, error, radius, radii, tuple(float(v) for v in values[good]), share)


def _fit(
    squares: NDArray[np.float64], values: NDArray[np.float64], number: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.bool_]] | None:
    """Least squares through the rings that hold enough: value on the axis, size at the rim, and which rings."""
    good = np.isfinite(values) & (number >= LEAST_VOXELS)
    if np.count_nonzero(good) < LEAST_RINGS:
        return None
    design = np.column_stack([np.ones(np.count_nonzero(good)), squares[good]])
    (a, b), *_ = np.linalg.lstsq(design, values[good], rcond=None)
    return float(a), float(b), good


def _rings(
    core: Volume, on_axis: tuple[NDArray[np.float64], NDArray[np.float64]], radius: float, bins: Bins
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Histograms, shape (part, ring, bin), and each ring's mean of (r / R)²; of a tall core, every few slices."""
    plane_mm = core.spacing_mm[1:]
    furthest = (1 - RIM_PX * max(plane_mm) / radius) ** 2
    counts, squares = np.zeros((STOREYS, SECTORS * RINGS * bins.count)), np.zeros(RINGS)
    filled = filled_slices(core)
    for k in filled[np.unique(np.linspace(0, len(filled) - 1, min(MOST_SLICES, len(filled))).astype(int))]:
        away = distance_mm(core.shape[1:], (on_axis[0][k], on_axis[1][k]), plane_mm)
        u = ((away / radius) ** 2)[core.valid[k]]
        near = u < furthest
        ring = (u[near] / furthest * RINGS).astype(np.int64)
        sector = _sectors(core.shape[1:], (on_axis[0][k], on_axis[1][k]), plane_mm)[core.valid[k]][near]
        place = (sector * RINGS + ring) * bins.count + bins.number(core.values[k][core.valid[k]][near])
        storey = int(2 * k >= filled[0] + filled[-1])
        counts[storey] += np.bincount(place, minlength=counts.shape[1])
        squares += np.bincount(ring, u[near], RINGS)
    parts = counts.reshape(STOREYS * SECTORS, RINGS, bins.count)
    return parts, squares / np.maximum(parts.sum(axis=(0, 2)), 1)


def _sectors(shape: tuple[int, int], centre: tuple[float, float], plane_mm: tuple[float, float]) -> NDArray[np.int64]:
    """Which quarter around the axis each voxel of a slice lies in, shape (y, x)."""
    lower = (np.arange(shape[0]) * plane_mm[0] >= centre[0])[:, None]
    right = (np.arange(shape[1]) * plane_mm[1] >= centre[1])[None, :]
    return np.asarray(2 * lower.astype(np.int64) + right)


def _modes(
    counts: NDArray[np.float64], bins: Bins, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Usual value of the matrix in each ring, how many voxels are matrix-like there, and how near such a voxel is.

    The first round tells how far the rings are apart; the second takes the peak's width from histograms laid over each other.
    """
    whole = overall_mode(counts.sum(axis=0), bins, level)
    if whole is None:
        return None
    mode, width = whole
    values, _ = _near(counts, bins, np.full(len(counts), mode), REACH * width)
    shift = np.nan_to_num(np.round((values - mode) / bins.width)).astype(int)
    laid = np.sum([np.roll(ring, -s) for ring, s in zip(counts, shift, strict=True)], axis=0)
    mode, width = overall_mode(laid, bins, level) or whole
    starts = np.where(np.isfinite(values), values, mode)
    return (*_near(counts, bins, starts, REACH * width), REACH * width)


def _near(
    counts: NDArray[np.float64], bins: Bins, starts: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mode of each ring near a start, and the voxels within reach of it."""
    values = np.asarray([mode_near(ring, bins, s, reach) for ring, s in zip(counts, starts, strict=True)])
    near = np.abs(bins.centres - values[:, None]) <= reach
    return values, np.asarray((counts * near).sum(axis=1))
