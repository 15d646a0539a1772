"""Distance from each voxel of a class to the nearest voxel outside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import thread_count
from soilscope.structure.masks import as_mask, as_spacing
from soilscope.types import BoolVolume, Spacing

__all__ = ["squared_distance"]


def squared_distance(mask: BoolVolume, spacing_mm: Spacing) -> NDArray[np.float32]:
    """Squared distance of each voxel of a mask to the nearest voxel outside it, centre to centre.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)

    Returns
    -------
    float32 array, shape (z, y, x)
        mm²; 0 outside the mask; infinite where the whole array is mask. The array's border is no wall: what lies
        beyond is unknown, not solid.
    """
    import edt

    mask = as_mask(mask)
    if mask.size == 0 or not mask.any():
        return np.zeros(mask.shape, np.float32)
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    squared: NDArray[Any] = edt.edtsq(
        mask, anisotropy=as_spacing(spacing_mm), black_border=False, parallel=thread_count()
    )
    return np.ascontiguousarray(squared, dtype=np.float32)
