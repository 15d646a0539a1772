"""Loads and stores of compiled loops that compute in float32 on arrays of float32 or of bf16.

NumPy has no bf16, so an array of it is one of uint16 here: the upper half of a float32. To nearest, ties to even; infinities and
NaN stay what they are.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

__all__ = ["element", "number"]

HALF_WAY = np.uint32(0x7FFF)
ONE, BITS = np.uint32(1), np.uint32(16)


def number(stored: Any) -> np.float32:
    """What an element of an array stands for."""
    return _widened(stored) if isinstance(stored, np.uint16) else stored


def element(value: np.float32, like: NDArray[Any]) -> Any:
    """A number as an element of an array."""
    return _narrowed(value) if like.dtype == np.uint16 else value


def _widened(stored: np.uint16) -> np.float32:
    return np.uint32(np.uint32(stored) << BITS).view(np.float32)


def _narrowed(value: np.float32) -> np.uint16:
    bits = np.float32(value).view(np.uint32)
    odd = np.uint32(np.uint32(bits >> BITS) & ONE)
    return np.uint16(np.uint32(bits + HALF_WAY + odd) >> BITS)


_WIDENED, _NARROWED = numba.njit(_widened), numba.njit(_narrowed)


@overload(number, strict=False)  # type: ignore[untyped-decorator]
def _number(stored: Any) -> Any:
    if stored == types.uint16:
        return lambda stored: _WIDENED(stored)
    return lambda stored: stored


@overload(element, strict=False)  # type: ignore[untyped-decorator]
def _element(value: Any, like: Any) -> Any:  # noqa: ARG001  (the names are those of the function it stands for)
    if like.dtype == types.uint16:
        return lambda value, like: _NARROWED(value)  # noqa: ARG005
    return lambda value, like: value  # noqa: ARG005
