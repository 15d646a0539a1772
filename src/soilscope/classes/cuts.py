"""A scheme's edges as exact comparisons in the values' own number type, and the range of a core's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.types import BoolVolume, ValueVolume

if TYPE_CHECKING:
    from soilscope.classes.scheme import Scheme

__all__ = ["Cuts", "cuts_of", "valid_range"]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Thresholds ``t`` such that the class of a value is the number of them it exceeds.

    Parameters
    ----------
    above : array, shape (m,)
        Thresholds in the values' type: ``value > above[k]``.
    always : int
        Thresholds below the type's least value, which every value exceeds.
    top : int
        Number of classes; a value that exceeds more thresholds than this lies above them all.
    low, high : scalar in the values' type
        Values are limited to this range first.
    least : scalar in the values' type
        The type's least value, which exceeds no threshold.
    """

    above: NDArray[Any]
    always: int
    top: int
    low: Any
    high: Any
    least: Any


def cuts_of(scheme: Scheme, dtype: np.dtype[Any]) -> Cuts:
    """The comparisons that cut values of one number type into the scheme's classes, exact at every edge."""
    last = len(scheme.edges) - 1
    rounded = [_cut(e, dtype, below=scheme.closed == "left" and k < last) for k, e in enumerate(scheme.edges)]
    above = np.asarray([cut for cut in rounded if cut is not None], dtype=dtype)
    low, high = _limits(scheme.limit, dtype)
    return Cuts(above, len(rounded) - len(above), len(scheme.names), low, high, _limits(None, dtype)[0])


def _cut(edge: float, dtype: np.dtype[Any], *, below: bool) -> Any | None:
    """Largest value of the type that does not pass the edge; None where every value passes it.

    ``below``: a value on the edge passes it (classes closed on the left).
    """
    if dtype.kind == "f":
        nearest = dtype.type(edge)
        passes = float(nearest) > edge or (below and float(nearest) == edge)
        return np.nextafter(nearest, dtype.type(-np.inf)) if passes else nearest
    info = np.iinfo(dtype)
    whole = int(np.ceil(edge)) - 1 if below else int(np.floor(edge))
    return None if whole < info.min else dtype.type(min(whole, info.max))


def _limits(limit: tuple[float, float] | None, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype.kind == "f":
        low, high = (-np.inf, np.inf) if limit is None else limit
        return dtype.type(low), dtype.type(high)
    info = np.iinfo(dtype)
    if limit is None:
        return dtype.type(info.min), dtype.type(info.max)
    low, high = int(np.ceil(limit[0])), int(np.floor(limit[1]))
    return dtype.type(min(max(low, info.min), info.max)), dtype.type(max(min(high, info.max), info.min))


def valid_range(values: ValueVolume, valid: BoolVolume) -> tuple[float, float] | None:
    """Least and greatest valid value; None where there is none. NaN does not count."""
    least, greatest = _limits(None, values.dtype)
    lows, highs = np.full(len(values), greatest), np.full(len(values), least)

    def work(first: int, end: int) -> None:
        slab = np.ascontiguousarray(values[first:end])
        mask = np.ascontiguousarray(valid[first:end])
        _range_of_slices(slab, mask, least, greatest, lows[first:end], highs[first:end])

    over_slabs(work, len(values))
    if lows.min(initial=greatest) > highs.max(initial=least):
        return None
    return float(lows.min()), float(highs.max())


@compiled
def _range_of_slices(
    values: ValueVolume, valid: BoolVolume, least: Any, greatest: Any, lows: NDArray[Any], highs: NDArray[Any]
) -> None:
    for z in range(values.shape[0]):
        low, high = greatest, least
        for y in range(values.shape[1]):
            row, inside = values[z, y], valid[z, y]
            for x in range(row.size):
                for_low = row[x] if inside[x] else greatest
                for_high = row[x] if inside[x] else least
                low = for_low if for_low < low else low
                high = for_high if for_high > high else high
        lows[z], highs[z] = low, high
