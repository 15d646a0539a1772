"""Stones, and the porosity of the fine earth between them."""

from __future__ import annotations

import numpy as np

from soilscope.structure.clusters import find_clusters, without_small
from soilscope.structure.masks import as_mask, as_spacing, as_valid, in_window
from soilscope.structure.objects import ObjectRule, least_voxels
from soilscope.structure.porosity import share
from soilscope.types import BoolVolume, FloatProfile, Spacing

__all__ = ["fine_earth_porosity", "stone_fraction", "stones"]


def stones(mask: BoolVolume, spacing_mm: Spacing, rule: ObjectRule, valid: BoolVolume | None = None) -> BoolVolume:
    """The bodies of a dense class that are large enough to be stones.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        The dense class.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    rule : ObjectRule
        ``at_least_mm3`` decides: the ball of 2 mm, where fine earth ends by convention, has 4.19 mm³.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.
    """
    inside, _ = in_window(mask, valid)
    under = least_voxels(rule.at_least_mm3, as_spacing(spacing_mm))
    return without_small(find_clusters(inside, rule.neighbours), under)


def stone_fraction(found: BoolVolume, valid: BoolVolume | None = None) -> FloatProfile:
    """Share of each slice's window that stones take, shape (z,), 0 to 1; NaN where a slice has no window."""
    inside, window = in_window(found, valid)
    return share(np.count_nonzero(inside, axis=(1, 2)), np.count_nonzero(window, axis=(1, 2)))


def fine_earth_porosity(pores: BoolVolume, found: BoolVolume, valid: BoolVolume | None = None) -> FloatProfile:
    """Share of the window without its stones that pores take, in each slice.

    Parameters
    ----------
    pores, found : bool array, shape (z, y, x)
        The pores and the stones.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.

    Returns
    -------
    float array, shape (z,)
        0 to 1; NaN where a slice holds nothing but stone. Soils with different stone contents compare on this basis.
    """
    pores = as_mask(pores)
    earth = as_valid(valid, pores) & ~as_valid(found, pores)
    return share(np.count_nonzero(pores & earth, axis=(1, 2)), np.count_nonzero(earth, axis=(1, 2)))
