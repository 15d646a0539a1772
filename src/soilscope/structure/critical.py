"""Critical diameter: the widest ball that can travel through a class from face to face."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.progress import told
from soilscope.structure.connectivity import percolates
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume, Neighbours3D, Spacing

__all__ = ["LevelSearch", "critical_diameter", "critical_from_distance"]


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
    search = LevelSearch(np.unique(squared[(squared > 0) & (squared <= ceiling)]))
    while not search.ended:
        told(search.asked / search.most_trials)
        search.note(passes=percolates(squared >= search.level, axis, neighbours))
    return search.diameter_mm


class LevelSearch:
    """The greatest of some squared distances, mm², rising, at which a path is open, by halving."""

    def __init__(self, levels: NDArray[np.float32]) -> None:
        self._levels = levels
        self._low, self._high = 0, len(levels)  # levels below ``low`` let pass, those from ``high`` on do not
        self.asked = 0

    @property
    def most_trials(self) -> int:
        """How often it has to ask at most."""
        return len(self._levels).bit_length()

    @property
    def ended(self) -> bool:
        """Whether the answer is known."""
        return self._low >= self._high

    @property
    def _middle(self) -> int:
        return (self._low + self._high) // 2

    @property
    def level(self) -> np.float32:
        """What to try next."""
        return np.float32(self._levels[self._middle])

    def note(self, *, passes: bool) -> None:
        """Whether that lets pass."""
        self.asked += 1
        self._low, self._high = (self._middle + 1, self._high) if passes else (self._low, self._middle)

    @property
    def diameter_mm(self) -> float:
        """Twice the distance at that level; 0 where none lets pass."""
        return 2.0 * float(np.sqrt(self._levels[self._low - 1])) if self._low else 0.0
