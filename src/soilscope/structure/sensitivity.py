"""How far each figure moves when the edges between classes do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from soilscope.classes import Scheme
from soilscope.structure.measure import Structure
from soilscope.types import Units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HU_SHIFT", "Sensitivity", "default_shift", "sensitivity"]

HU_SHIFT = 50.0
"""HU; what edges of published soil studies differ by, and more (Baveye et al. 2010 for how much hangs on them)."""
COLUMNS = ["core", "class", "name", "metric", "value", "low", "high", "unit", "shift"]
GREY_STEPS = 100
"""A grey scan's edges move by so small a part of the range of its valid values."""


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """What moved edges do to one core.

    Parameters
    ----------
    core : DataFrame
        core, class, name, metric, value, low, high, unit, shift: the figure with the edges as they are, and the least and the
        greatest of the three with the edges as they are, all lower and all higher by ``shift``.
    slices : DataFrame
        core, slice, depth_mm, class, porosity_low, porosity_high: the same of each slice's porosity.
    """

    core: pd.DataFrame
    slices: pd.DataFrame


def default_shift(units: Units, ends: tuple[float, float] | None) -> float:
    """50 HU, or for grey values the hundredth part of the range of the valid ones, whose ends are given."""
    if units == "HU":
        return HU_SHIFT
    low, high = ends or (0.0, 1.0)
    return (high - low) / GREY_STEPS or 1.0


def sensitivity(measured_with: Callable[[Scheme], Structure], scheme: Scheme, shift: float) -> Sensitivity:
    """Measure with the edges as they are, and with all of them moved down and up together.

    Parameters
    ----------
    measured_with : function of a Scheme
        Measures the core, such as ``lambda moved: measure(core, moved, metrics=["fraction"])``.
    scheme : Scheme
        Resolved for this core; its outer edges stay.
    shift : float
        In the core's units.

    Returns
    -------
    Sensitivity
        NaN in one of the three leaves the bounds of the others. Edges that move apart would move a class between two edges
        further than edges that move together.
    """
    three = [measured_with(scheme.shifted(by) if by else scheme) for by in (0.0, -shift, shift)]
    core = three[0].core.copy()
    low, high = _bounds([one.core["value"].to_numpy(float) for one in three])
    core = core.assign(low=low, high=high, shift=float(shift))[COLUMNS]
    slices = three[0].slices[["core", "slice", "depth_mm", "class"]].copy()
    slices["porosity_low"], slices["porosity_high"] = _bounds([one.slices["porosity"].to_numpy(float) for one in three])
    return Sensitivity(core, slices)


def _bounds(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest of several figures, element by element; NaN only where all are."""
    stacked = np.stack(values)
    return np.fmin.reduce(stacked), np.fmax.reduce(stacked)
