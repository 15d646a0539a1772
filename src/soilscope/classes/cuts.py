"""A scheme's edges as exact comparisons in the values' own number type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.scheme import Scheme
from soilscope.classes.value_range import type_range

__all__ = ["Cuts", "cuts_of"]


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
    return Cuts(above, len(rounded) - len(above), len(scheme.names), low, high, type_range(dtype)[0])


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
    least, greatest = type_range(dtype)
    if limit is None:
        return least, greatest
    if dtype.kind == "f":
        return dtype.type(limit[0]), dtype.type(limit[1])
    low, high = int(np.ceil(limit[0])), int(np.floor(limit[1]))
    return dtype.type(min(max(low, int(least)), int(greatest))), dtype.type(max(min(high, int(greatest)), int(least)))
