"""Names for the arrays and values that cross between rooms. Axes are (z, y, x), z downwards from the core's top."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FILL",
    "BoolVolume",
    "FloatImage",
    "FloatProfile",
    "FloatVolume",
    "LabelVolume",
    "Neighbours2D",
    "Neighbours3D",
    "Shape",
    "Spacing",
    "Units",
    "ValueVolume",
]

Units = Literal["HU", "grey"]
Spacing = tuple[float, float, float]
"""(dz, dy, dx) in mm."""
Shape = tuple[int, int, int]
Neighbours3D = Literal[6, 18, 26]
Neighbours2D = Literal[4, 8]

ValueVolume = NDArray[Any]
"""(z, y, x) int16 HU, or uint8, uint16 or float32 grey values."""
BoolVolume = NDArray[np.bool_]
LabelVolume = NDArray[np.uint8]
"""(z, y, x); 0 outside the core, 1..n the classes."""
FloatVolume = NDArray[np.floating[Any]]
FloatProfile = NDArray[np.float64]
"""(z,), NaN where a slice has nothing to say."""
FloatImage = NDArray[np.float32]

FILL = -32768
"""Value stored where no value was measured; never a silent zero, which is water."""
