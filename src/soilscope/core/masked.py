"""Soil cut out beforehand: everything around it was set to one value, which is no soil."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.types import BoolVolume, Units, ValueVolume

__all__ = ["outside_of_mask", "surrounding_value"]

BORDER_SHARE = 0.999
"""Share of the outermost voxels that must hold the one value."""

LEAST_CEILING_HU = 2000
"""A constant border below this may be air or water as the scanner saw it, and is no mask."""


def surrounding_value(values: ValueVolume, units: Units) -> float | None:
    """The value around a core that was cut out at the ceiling, or None.

    A constant *low* border is left to the cylinder: it looks like air, and air it may be.
    """
    border = np.concatenate(
        [values[:, 0, :].ravel(), values[:, -1, :].ravel(), values[:, :, 0].ravel(), values[:, :, -1].ravel()]
    )
    value = border.max()
    if np.mean(border == value) < BORDER_SHARE or value != values.max() or value == values.min():
        return None
    if units == "HU" and value < LEAST_CEILING_HU:
        return None
    return float(value)


def outside_of_mask(values: ValueVolume, value: float) -> BoolVolume:
    """Voxels of the surrounding value that hang together with their slice's border; such voxels inside the soil stay."""
    outside = np.zeros(values.shape, dtype=np.bool_)
    for k, plane in enumerate(values):
        outside[k] = _reached(plane == value)
    return outside


def _reached(constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(constant)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    reached: NDArray[np.bool_] = np.isin(labels, edge[edge > 0])
    return reached
