"""How far each figure moves when the edges between classes do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.structure.fields import THICKNESS
from soilscope.structure.measure import Structure
from soilscope.types import BoolVolume, Units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HU_SHIFT", "Sensitivity", "default_shift", "grey_step", "sensitivity"]

HU_SHIFT = 50.0
"""HU; what edges of published soil studies differ by, and more (Baveye et al. 2010 for how much hangs on them)."""
COLUMNS = ["core", "class", "name", "metric", "value", "low", "high", "unit", "shift"]
GREY_STEPS = 100
"""A grey scan's edges move by so small a part of the range of its valid values, or by a grey step where that is more."""
LEAST_STEPS = 16
"""A scan of fewer values than four bits hold has been cut into classes already and has no grey steps."""
UNEVEN = 1.5
"""Neighbouring values up to so many usual distances apart are one step apart: rescaled counts are rounded to whole numbers."""


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


def default_shift(units: Units, ends: tuple[float, float] | None, step: float = 0.0) -> float:
    """50 HU, or for grey values the hundredth part of the range of the valid ones, whose ends are given.

    ``step`` is the distance of neighbouring grey values (:func:`grey_step`); where it is more, edges move by it: a smaller
    shift leaves an edge between the same two values, and every voxel in its class.
    """
    if units == "HU":
        return HU_SHIFT
    low, high = ends or (0.0, 1.0)
    return max((high - low) / GREY_STEPS, step) or 1.0


def grey_step(slabs: Iterable[tuple[NDArray[Any], BoolVolume]]) -> float:
    """How far neighbouring grey values of a core lie apart, where it takes few of them.

    Parameters
    ----------
    slabs : values and mask, both of shape (z, y, x)
        The core, as one slab or as several.

    Returns
    -------
    float
        In the values' units. 0 where the core takes more than twice ``GREY_STEPS`` values, of which the usual distance is less
        than a hundredth of their range whatever they are, or fewer than ``LEAST_STEPS``.
    """
    seen: NDArray[Any] | None = None
    for values, valid in slabs:
        for plane, mask in zip(values, valid, strict=True):
            found = np.unique(plane[mask])
            seen = found if seen is None else np.union1d(seen, found)
            if len(seen) > 2 * GREY_STEPS:
                return 0.0
    if seen is None or len(seen) < LEAST_STEPS:
        return 0.0
    apart = np.diff(seen.astype(float))
    return float(apart[apart <= UNEVEN * np.median(apart)].max())


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
        NaN in one of the three leaves the bounds of the others, as of a class that is not there; where it stands for a thickness
        that memory let no block see (finding ``thickness-bound``), there are no bounds. Edges that move apart would move a
        class between two edges further than edges that move together.
    """
    three = [measured_with(scheme.shifted(by) if by else scheme) for by in (0.0, -shift, shift)]
    core = three[0].core.copy()
    low, high = _bounds([one.core["value"].to_numpy(float) for one in three])
    unseen = np.any([_beyond_the_bound(one) for one in three], axis=0)
    low[unseen] = high[unseen] = np.nan
    core = core.assign(low=low, high=high, shift=float(shift))[COLUMNS]
    slices = three[0].slices[["core", "slice", "depth_mm", "class"]].copy()
    slices["porosity_low"], slices["porosity_high"] = _bounds([one.slices["porosity"].to_numpy(float) for one in three])
    return Sensitivity(core, slices)


def _beyond_the_bound(measured: Structure) -> NDArray[np.bool_]:
    """Which of a core's figures no block could see."""
    bounded = any(f["code"] == "thickness-bound" for f in measured.provenance["findings"])
    table = measured.core
    return np.asarray(bounded & table["metric"].isin(THICKNESS) & table["value"].isna(), np.bool_)


def _bounds(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest of several figures, element by element; NaN only where all are."""
    stacked = np.stack(values)
    return np.fmin.reduce(stacked), np.fmax.reduce(stacked)
