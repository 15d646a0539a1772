"""Local thickness with exact radii: the diameter of the largest ball inside a class that contains the voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.progress import stages
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_mask, as_spacing
from soilscope.structure.painting import largest_first, paint
from soilscope.structure.ridge import ridge
from soilscope.structure.small_balls import SmallBalls
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, Spacing

__all__ = ["local_thickness", "mean_of_slices", "thickness_from_distance"]

Distances = NDArray[np.float32]


def local_thickness(mask: BoolVolume, spacing_mm: Spacing) -> Distances:
    """Diameter of the largest ball that lies inside a class and contains the voxel.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.

    Returns
    -------
    float32 array, shape (z, y, x)
        mm, 0 outside the mask; NaN throughout the mask where no voxel is outside it (the window holds no wall). A
        ball's radius is the distance from its centre voxel to the nearest voxel outside the mask, every radius that
        occurs is painted, and the array's border is no wall (Hildebrand & Rüegsegger 1997,
        doi:10.1046/j.1365-2818.1997.1340694.x). Diameters are right within about a voxel and a half: high by one
        voxel in a slit of an odd number of voxels, low where a body's middle lies between voxels.
    """
    mask = as_mask(mask)
    distances, balls = stages(1, 3)
    with distances:
        squared = squared_distance(mask, spacing_mm)
    with balls:
        return thickness_from_distance(squared, spacing_mm)


def thickness_from_distance(squared: Distances, spacing_mm: Spacing, labels: LabelVolume | None = None) -> Distances:
    """Local thickness in mm from the squared distances in mm².

    ``labels`` tells the classes apart where the distances are those of several: no ball holds voxels of two classes, so that
    all are painted at once.
    """
    spacing = as_spacing(spacing_mm)
    if squared.size == 0 or not squared.any():
        return np.zeros(squared.shape, np.float32)
    if np.isinf(squared.max()):
        return np.full(squared.shape, np.nan, np.float32)
    seeking, painting, widening = stages(2, 4, 4)
    with seeking:
        small = SmallBalls.of(squared, spacing)
        places = largest_first(squared, *ridge(squared, spacing, labels, small.limit))
    with painting:
        painted = paint(squared, places, spacing)
    del places
    with widening:
        small.widen(squared, painted)
    return painted


def mean_of_slices(thickness: Distances, mask: BoolVolume) -> FloatProfile:
    """Mean thickness over the class voxels of each slice, mm, shape (z,); NaN where the class is absent."""
    out = np.full(len(mask), np.nan)
    over_slabs(lambda first, end: _mean_of_slices(thickness[first:end], mask[first:end], out[first:end]), len(out))
    return out


@compiled
def _mean_of_slices(thickness: Distances, mask: BoolVolume, out: FloatProfile) -> None:
    for z in range(mask.shape[0]):
        total, number = 0.0, 0
        for y in range(mask.shape[1]):
            for x in range(mask.shape[2]):
                if mask[z, y, x]:
                    total += thickness[z, y, x]
                    number += 1
        if number:
            out[z] = total / number
