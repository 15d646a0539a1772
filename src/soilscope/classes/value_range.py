"""The range of a core's values, and of a number type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.types import BoolVolume, ValueVolume

__all__ = ["type_range", "valid_range"]


def type_range(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Least and greatest value of a number type, in that type."""
    if dtype.kind == "f":
        return dtype.type(-np.inf), dtype.type(np.inf)
    info = np.iinfo(dtype)
    return dtype.type(info.min), dtype.type(info.max)


def valid_range(values: ValueVolume, valid: BoolVolume) -> tuple[float, float] | None:
    """Least and greatest valid value; None where there is none. NaN does not count."""
    least, greatest = type_range(values.dtype)
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
