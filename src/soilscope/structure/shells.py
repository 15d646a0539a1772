"""Partial-volume shells: thin layers beside a dense class whose grey value lies in another class only through blur."""

from __future__ import annotations

import numpy as np

from soilscope.errors import UsageError
from soilscope.progress import stages
from soilscope.structure.masks import as_spacing, as_valid, between, from_top_to_bottom, in_window
from soilscope.structure.nearest import distance_to_class
from soilscope.structure.thickness import local_thickness
from soilscope.types import BoolVolume, Spacing

__all__ = ["without_shells"]

SLACK = 1.5
"""A layer of n voxels reads n + 1 in local thickness, and a little more where it is bent."""


def without_shells(
    mask: BoolVolume, dense: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None, voxels: int = 2
) -> BoolVolume:
    """A class without the thin shells that blur makes around a denser one.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        The class, such as organic matter, whose grey values lie between those of two others.
    dense : bool array, shape (z, y, x)
        What the shells lie around: stones, or stones and matrix joined.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.
    voxels : int
        Greatest thickness of a shell, in voxels' longest edges. 0 removes nothing.

    Returns
    -------
    bool array, shape (z, y, x)
        The class without its voxels that lie within ``voxels`` of the dense class *and* in a place no ball of more than
        ``voxels + 1.5`` fits into (local thickness): an opening, but only beside the dense class. A particle wider than that
        keeps all its voxels, also those that touch a stone; a thinner one stays where no stone is near (blur as the
        main cause of wrong classes: Schlüter et al. 2014, doi:10.1002/2014WR015256).

    Raises
    ------
    UsageError
        Code ``shells``: fewer than 0 voxels. Code ``mask``: shapes differ.
    """
    if voxels < 0:
        raise UsageError("shells", f"voxels = {voxels} must be a thickness in voxels, 0 for none.")
    inside, window = in_window(mask, valid)
    around = as_valid(dense, inside) & window & ~inside
    if voxels == 0 or not around.any():
        return inside
    step = max(as_spacing(spacing_mm))
    widths, distances = stages(3, 1)
    with widths:
        inner = from_top_to_bottom(window)  # beyond the core's own ends is no wall
        wide = between(inner, inside.shape, lambda: local_thickness(inside[inner], spacing_mm))
        thin = wide <= (voxels + SLACK) * step
    with distances:
        near = distance_to_class(around, spacing_mm, window) <= voxels * step * (1.0 + 1e-6)
    return np.asarray(inside & ~(thin & near))
