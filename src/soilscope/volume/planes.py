"""Arrays whose planes are made when they are asked for: a volume larger than the memory, looked at one plane at a time.

What goes through a volume plane by plane (``for plane, ok in zip(volume.values, volume.valid)``, ``volume.values[k]``) works on
these as it does on arrays, and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from soilscope.types import Shape, ValueVolume
from soilscope.volume.scan import Volume

__all__ = ["LazyPlanes", "changed", "filled_slices", "value_range"]

Plane = NDArray[Any]


class LazyPlanes:
    """Looks like an array of shape (z, y, x) as far as planes go; the last plane made is kept.

    Parameters
    ----------
    shape : (z, y, x)
    dtype : numpy dtype
    plane : function
        ``plane(k)`` makes plane k, shape (y, x).
    """

    ndim = 3

    def __init__(self, shape: Shape, dtype: np.dtype[Any], plane: Callable[[int], Plane]) -> None:
        self.shape, self.dtype, self._plane = shape, np.dtype(dtype), plane
        self._last: tuple[int, Plane] | None = None
        self.filled: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, k: int) -> Plane:
        if not 0 <= k < self.shape[0]:
            raise IndexError(k)
        if self._last is None or self._last[0] != k:
            self._last = int(k), self._plane(int(k))
        return self._last[1]

    def __iter__(self) -> Iterator[Plane]:
        return (self[k] for k in range(len(self)))

    def as_array(self) -> Any:
        """The same object, where an array is asked for by type."""
        return cast(Any, self)


def changed(volume: Volume, change: Callable[[int, Plane, Plane], Plane]) -> ValueVolume:
    """Values with every plane changed, of the type they had: at once, or when asked for where the volume's are.

    Parameters
    ----------
    volume : Volume
    change : function
        ``change(k, values, valid)`` gives the new values of plane k, shape (y, x); it must leave its arguments alone.
    """
    values, valid = cast(Any, volume.values), volume.valid
    if isinstance(values, LazyPlanes):
        lazy = LazyPlanes(volume.shape, values.dtype, lambda k: change(k, values[k], valid[k]))
        return cast(ValueVolume, lazy.as_array())
    made = np.empty_like(volume.values)
    for k, (plane, ok) in enumerate(zip(volume.values, valid, strict=True)):
        made[k] = change(k, plane, ok)
    return made


def filled_slices(volume: Volume) -> NDArray[np.intp]:
    """Indices of the slices that hold a valid voxel."""
    valid = cast(Any, volume.valid)
    if not isinstance(valid, LazyPlanes):
        return np.flatnonzero(volume.valid.any(axis=(1, 2)))
    if valid.filled is None:
        valid.filled = np.flatnonzero([bool(plane.any()) for plane in valid])
    return valid.filled


def value_range(volume: Volume) -> tuple[float, float]:
    """Lowest and highest valid value; NaN where nothing is valid."""
    ends = [
        (inside.min(), inside.max())
        for p, ok in zip(volume.values, volume.valid, strict=True)
        if (inside := p[ok]).size
    ]
    if not ends:
        return float("nan"), float("nan")
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))
