"""Drift along the axis: how much one material reads differently from slice to slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from soilscope.core.modes import Bins, mode_near, overall_mode
from soilscope.core.references import reference_profiles
from soilscope.volume import Volume
from soilscope.volume.planes import value_range

__all__ = ["Drift", "measure_drift"]

SMOOTH = {"wall": 0.1, "matrix": 0.2}
"""Length of the smoothing over depth, as a share of the height: a wall is even, soil has layers."""

LEAST_SLICES = 9
OUTLIERS = 5
"""Slices of the running median that takes single odd slices out before smoothing."""

REACH = 1.5

END_PX = 3.0
"""Soil nearer to the headspace than so many voxels' width holds some of its air; its value there is that of the slices beyond, as
their line goes on."""

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """A reference's smoothed value from slice to slice.

    Parameters
    ----------
    reference : {"wall", "matrix"}
        The tube's wall; or, without one, the usual value of the soil's matrix, whose own change with depth is then part of it.
    size : float
        Difference between the highest and the lowest smoothed value.
    error : float
        Standard deviation of the slices around the smooth line.
    top : int
        The slice of the scan that the first value belongs to.
    values, air : tuple of float
        The reference and the air beside it, from the soil's first slice to its last.
    """

    reference: Literal["wall", "matrix"]
    size: float
    error: float
    top: int
    values: tuple[float, ...]
    air: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "reference": self.reference,
            "size": round(self.size, 3),
            "error": round(self.error, 3),
            "top": self.top,
            "values": [round(v, 2) for v in self.values],
            "air": [round(v, 2) for v in self.air],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Drift:
        """The inverse of :meth:`as_dict`."""
        return cls(**{**values, "values": tuple(values["values"]), "air": tuple(values["air"])})


def measure_drift(scan: Volume, core: Volume, level: float, air: float) -> Drift | None:
    """Measure the drift along the axis of a core.

    Parameters
    ----------
    scan : Volume
        As read.
    core : Volume
        The same grid with the soil found in it.
    level : float
        Between air and anything else.
    air : float
        Value of air, where none can be seen beside the tube.

    Returns
    -------
    Drift or None
        None where no core in air was found, or it has fewer than nine slices.
    """
    soil = core.source.get("soil", {})
    top, bottom = int(soil.get("top", 0)), int(soil.get("bottom", core.shape[0]))
    if core.axis_mm() is None or bottom - top < LEAST_SLICES:
        return None
    wall, beside = reference_profiles(scan, core)
    kind: Literal["wall", "matrix"] = "matrix" if wall is None else "wall"
    seen = _matrix(core, level) if wall is None else wall
    if seen is None or np.isfinite(seen[top:bottom]).sum() < LEAST_SLICES:
        return None
    out = (0, 0) if kind == "wall" else _blurred_ends(core, (top, bottom))
    if bottom - top - sum(out) < LEAST_SLICES or not np.isfinite(seen[top + out[0] : bottom - out[1]]).any():
        return None
    raw = _filled(seen[top + out[0] : bottom - out[1]])
    smooth = _smooth(raw, SMOOTH[kind])
    values = _lengthened(smooth, out)
    around = np.full(bottom - top, air) if beside is None else _smooth(_filled(beside[top:bottom]), SMOOTH["wall"])
    error = float(np.std(raw - smooth))
    return Drift(kind, float(np.ptp(values)), error, top, tuple(map(float, values)), tuple(map(float, around)))


def _blurred_ends(core: Volume, ends: tuple[int, int]) -> tuple[int, int]:
    """How many slices at the top and bottom of the soil hold some of the air beyond them."""
    dz, dy, dx = core.spacing_mm
    count = int(np.ceil(END_PX * max(dy, dx) / dz))
    return (count if ends[0] > 0 else 0), (count if ends[1] < core.shape[0] else 0)


def _lengthened(values: Profile, by: tuple[int, int]) -> Profile:
    """More slices above and below, as the line goes on there."""
    above = values[0] - (values[1] - values[0]) * np.arange(by[0], 0, -1)
    below = values[-1] + (values[-1] - values[-2]) * np.arange(1, by[1] + 1)
    return np.concatenate([above, values, below])


def _matrix(core: Volume, level: float) -> Profile | None:
    """Usual value of the matrix in each slice, NaN where nothing is valid."""
    bins = Bins.over(*value_range(core), whole=core.values.dtype.kind in "iu")
    counts = np.zeros((core.shape[0], bins.count))
    for k, (plane, ok) in enumerate(zip(core.values, core.valid, strict=True)):
        counts[k] = np.bincount(bins.number(plane[ok]), minlength=bins.count)
    whole = overall_mode(counts.sum(axis=0), bins, level)
    if whole is None:
        return None
    mode, width = whole
    return np.asarray([mode_near(row, bins, mode, REACH * width) for row in counts])


def _filled(profile: Profile) -> Profile:
    """Slices that show nothing take the value between their neighbours."""
    there = np.isfinite(profile)
    return np.interp(np.arange(len(profile)), np.flatnonzero(there), profile[there])


def _smooth(profile: Profile, share: float) -> Profile:
    """A running straight line over a share of the height; a straight drift comes out as it went in, up to the ends."""
    length = max(LEAST_SLICES, int(share * len(profile)) | 1)
    length = min(length, len(profile) - (1 - len(profile) % 2))
    even = ndimage.median_filter(profile, OUTLIERS, mode="nearest")
    return np.asarray(signal.savgol_filter(even, length, 1, mode="interp"))
