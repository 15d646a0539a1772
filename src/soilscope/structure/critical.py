"""Critical diameter: the widest ball that can travel through a class from face to face."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.connectivity import percolates
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume, Neighbours3D, Spacing

__all__ = ["critical_diameter", "critical_from_distance"]


def critical_diameter(mask: BoolVolume, spacing_mm: Spacing, axis: int = 0, neighbours: Neighbours3D = 6) -> float:
    """Greatest diameter d such that ball centres with room for d form a path from face to face.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    axis : int
        0 from top to bottom, 1 along y, 2 along x.
    neighbours : {6, 18, 26}
        Steps a path may take.

    Returns
    -------
    float
        mm, twice the distance to the nearest voxel outside the mask at the path's narrowest point; 0 where the class
        does not percolate, NaN where no voxel is outside it (Katz & Thompson 1986, doi:10.1103/PhysRevB.34.8179). Right
        within a voxel and a half: a path's axis between two voxels reads low.
    """
    mask = as_mask(mask)
    return critical_from_distance(squared_distance(mask, spacing_mm), axis, neighbours)


def critical_from_distance(squared: NDArray[np.float32], axis: int = 0, neighbours: Neighbours3D = 6) -> float:
    """Critical diameter in mm from the squared distances in mm²."""
    if squared.size == 0:
        return 0.0
    if np.isinf(squared.max()):
        return float("nan")
    widest: NDArray[Any] = squared.max(axis=tuple(a for a in range(3) if a != axis))
    ceiling = widest.min()  # the path crosses every plane, and none lets more through than its widest point
    levels = np.unique(squared[(squared > 0) & (squared <= ceiling)])
    low, high = 0, len(levels)  # levels below ``low`` percolate, levels from ``high`` on do not
    while low < high:
        middle = (low + high) // 2
        if percolates(squared >= levels[middle], axis, neighbours):
            low = middle + 1
        else:
            high = middle
    return 2.0 * float(np.sqrt(levels[low - 1])) if low else 0.0
