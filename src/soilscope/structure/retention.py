"""What a pore size distribution says of water: which suction empties which pores, by Young and Laplace.

Suctions are in cm of water and diameters in mm: ``h = 4 * sigma * cos(angle) / (rho * g * d)`` is 2.97 cm for a pore of 1 mm, at
20 °C (sigma 0.07275 N/m, rho 998.2 kg/m³, g 9.80665 m/s²) and contact angle 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.structure.masks import as_spacing, from_top_to_bottom, in_window
from soilscope.structure.pore_sizes import Counted
from soilscope.structure.thickness import local_thickness
from soilscope.types import BoolVolume, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["diameter_at_suction", "retention_of", "suction_of_diameter", "water_retention"]

SURFACE_TENSION = 0.07275
"""Of water at 20 °C, N/m."""
WATER_DENSITY = 998.2
"""At 20 °C, kg/m³."""
GRAVITY = 9.80665
CM_TIMES_MM = 4.0 * SURFACE_TENSION / (WATER_DENSITY * GRAVITY) * 100.0 * 1000.0
"""Suction in cm times diameter in mm: 2.97."""


def suction_of_diameter(diameter_mm: float) -> float:
    """Suction in cm of water that empties a pore of a diameter: ``2.97 / d``.

    Examples
    --------
    >>> round(suction_of_diameter(0.3), 1)
    9.9

    Raises
    ------
    UsageError
        Code ``diameter``: one that is not positive.
    """
    if not 0 < diameter_mm < math.inf:
        raise UsageError("diameter", f"diameter_mm {diameter_mm} must be a positive length in mm.")
    return CM_TIMES_MM / diameter_mm


def diameter_at_suction(suction_cm: float) -> float:
    """Diameter in mm of the narrowest pore that a suction in cm of water empties: ``2.97 / h``.

    Raises
    ------
    UsageError
        Code ``suctions``: one that is not positive.
    """
    if not 0 < suction_cm < math.inf:
        raise UsageError("suctions", f"suction_cm {suction_cm} must be a positive height of water in cm.")
    return CM_TIMES_MM / suction_cm


def water_retention(
    mask: BoolVolume,
    spacing_mm: Spacing,
    valid: BoolVolume | None = None,
    suctions_cm: Sequence[float] | None = None,
) -> pd.DataFrame:
    """How much air the imaged pores hold at each suction, at most.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        The pores.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.
    suctions_cm : sequence of float, optional
        Suctions in cm of water; by default those that empty pores of 2, 3, 4 ... longest voxel edges, rising.

    Returns
    -------
    DataFrame
        suction_cm, diameter_mm (of the narrowest pore that is empty), air_upper (share of the window that pores of this
        local diameter or more take), water_lower (share of the window that imaged pores still hold), resolved: whether
        the diameter is at least twice the voxel's longest edge. At 20 °C and contact angle 0.

    Notes
    -----
    Two things make ``air_upper`` an upper bound of what the imaged pores release: a wide pore behind a narrow neck stays full,
    since access is not asked for; and soils that repel water have a larger angle. Pores below the voxel are not seen at all.
    A medical scanner's voxel of 0.35 mm ends at about 8 cm: this is the wet end of the curve, never field capacity.

    Raises
    ------
    UsageError
        Code ``suctions``: one that is not positive.
    """
    pores, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    inner = from_top_to_bottom(window)
    thickness = local_thickness(pores[inner], spacing)
    found = np.sort(thickness[thickness != 0])
    return retention_of((found, None), int(np.count_nonzero(window)), spacing, suctions_cm)


def retention_of(
    diameters_of: Counted, window_voxels: int, spacing: Spacing, suctions_cm: Sequence[float] | None = None
) -> pd.DataFrame:
    """The same from rising diameters of the pores' voxels, in mm, and how often each occurs; None: once."""
    import pandas as pd

    found, times = diameters_of
    number = len(found) if times is None else int(times.sum())
    step = max(spacing)
    suctions = _default_suctions(found, step) if suctions_cm is None else np.asarray(suctions_cm, dtype=np.float64)
    if suctions.ndim != 1 or not (np.isfinite(suctions) & (suctions > 0)).all():
        raise UsageError("suctions", f"suctions_cm {suctions.tolist()} must be positive heights of water in cm.")
    diameters = CM_TIMES_MM / suctions
    # Diameters come in single precision: one that equals a limit belongs to it.
    below = np.searchsorted(found, diameters * (1.0 - 1e-6))
    empty = number - (below if times is None else np.concatenate([[0], np.cumsum(times)])[below])
    volume = float(window_voxels)
    known = volume > 0 and not np.isnan(found).any()
    air = empty / volume if known else np.full(len(suctions), np.nan)
    return pd.DataFrame(
        {
            "suction_cm": suctions,
            "diameter_mm": diameters,
            "air_upper": air,
            "water_lower": (number / volume if known else np.nan) - air,
            "resolved": diameters >= 2.0 * step * (1.0 - 1e-6),
        }
    )


def _default_suctions(found: NDArray[np.float32], step: float) -> NDArray[np.float64]:
    widest = float(found[-1]) if found.size and not np.isnan(found[-1]) else 0.0
    steps = np.arange(max(2, int(widest / step) + 1), 1, -1, dtype=np.float64)
    return np.asarray(CM_TIMES_MM / (steps * step), dtype=np.float64)
