"""What every metric asks of its masks: three axes, bool, one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["as_mask", "as_spacing", "as_valid", "between", "ends_of", "from_top_to_bottom", "in_window"]

Value = TypeVar("Value", np.float32, np.bool_)


def as_mask(mask: NDArray[Any]) -> BoolVolume:
    """The mask as a C-ordered bool array of three axes, copied only where it is not one already.

    Raises
    ------
    UsageError
        Code ``mask``: not three axes, or not bool (0 and 1 of any number type are taken too, other values are not).
    """
    array = np.asarray(mask)
    if array.ndim != 3:
        raise UsageError("mask", f"a mask has three axes (z, y, x), not shape {array.shape}.")
    if array.dtype != np.bool_:
        if not _zeros_and_ones(array):
            other = array[(array != 0) & (array != 1)]
            seen = (
                f"{other.size} of its {array.size} values are neither, such as {other[0].item()!r}"
                if other.size
                else "no numbers"
            )
            raise UsageError("mask", f"a mask is bool, or 0 and 1; this one is {array.dtype}: {seen}. Compare first.")
        array = array.astype(np.bool_)
    return np.ascontiguousarray(array)


def _zeros_and_ones(array: NDArray[Any]) -> bool:
    if array.dtype.kind not in "uif":
        return False
    within = not array.size or bool(array.min() >= 0 and array.max() <= 1)
    return within and (array.dtype.kind != "f" or bool(((array == 0) | (array == 1)).all()))


def as_valid(valid: NDArray[Any] | None, mask: BoolVolume) -> BoolVolume:
    """The window as a mask of the same shape; None means that every voxel counts.

    Raises
    ------
    UsageError
        Code ``mask``: shapes differ.
    """
    if valid is None:
        return np.ones(mask.shape, np.bool_)
    window = as_mask(valid)
    if window.shape != mask.shape:
        raise UsageError("mask", f"mask {mask.shape} and valid {window.shape} must have one (z, y, x) shape.")
    return window


def in_window(mask: NDArray[Any], valid: NDArray[Any] | None) -> tuple[BoolVolume, BoolVolume]:
    """A mask as far as it lies in its window, and the window; None takes the whole array.

    Raises
    ------
    UsageError
        Code ``mask``: see :func:`as_mask` and :func:`as_valid`.
    """
    given = as_mask(mask)
    window = as_valid(valid, given)
    return given & window, window


def from_top_to_bottom(valid: BoolVolume) -> slice:
    """The slices from the first to the last that hold a valid voxel: a core's own top and bottom are no walls."""
    return slice(*ends_of(np.any(valid, axis=(1, 2))))


def ends_of(filled: NDArray[np.bool_]) -> tuple[int, int]:
    """The first slice that holds something, and the one behind the last; (0, 0) where none does."""
    slices = np.flatnonzero(filled)
    return (int(slices[0]), int(slices[-1]) + 1) if slices.size else (0, 0)


def between(inner: slice, shape: Shape, values: Callable[[], NDArray[Value]]) -> NDArray[Value]:
    """Values of some slices, 0 in all others of a volume of this shape; not copied where there are no others."""
    if inner == slice(0, shape[0]):
        return values()
    found = values()
    out = np.zeros(shape, found.dtype)
    out[inner] = found
    return out


def as_spacing(spacing_mm: Sequence[float]) -> Spacing:
    """(dz, dy, dx) in mm, checked.

    Raises
    ------
    UsageError
        Code ``spacing``: not three positive, finite lengths.
    """
    try:
        lengths = tuple(float(s) for s in spacing_mm)
    except (TypeError, ValueError):
        lengths = ()
    if len(lengths) != 3 or not all(np.isfinite(s) and s > 0 for s in lengths):
        raise UsageError(
            "spacing",
            f"spacing_mm must be three positive lengths (dz, dy, dx) in mm, such as (0.5, 0.3, 0.3), not {spacing_mm!r}.",
        )
    dz, dy, dx = lengths
    return dz, dy, dx
