"""Areas, fractions and porosity of each slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.classes.cuts import Cuts, cuts_of
from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.masks import as_mask, as_valid
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, ValueVolume
from soilscope.volume import Volume

__all__ = ["class_counts", "fraction_profile", "label_counts", "porosity_profile", "share"]

Counts = NDArray[np.int64]
TILE = 8192
"""Voxels counted in 16 bits before they are added up: less than 2**15, and small enough for the nearest cache."""


def share(part: NDArray[Any], whole: NDArray[Any]) -> FloatProfile:
    """``part / whole`` as float64, NaN where the whole is 0."""
    shares = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def ratio(part: float, whole: float) -> float:
    """``part / whole``, NaN where the whole is 0."""
    return part / whole if whole else float("nan")


def fraction_profile(mask: BoolVolume, valid: BoolVolume | None = None) -> FloatProfile:
    """Share of each slice's valid area that a class covers.

    Parameters
    ----------
    mask, valid : bool array, shape (z, y, x)
        True where a voxel belongs to the class / lies in the core and was scanned.

    Returns
    -------
    float array, shape (z,)
        0 to 1, from the core's top down; NaN where a slice has no valid voxel.
    """
    mask = as_mask(mask)
    counts, area = _mask_counts(mask, as_valid(valid, mask))
    return share(counts, area)


def porosity_profile(solid: BoolVolume, valid: BoolVolume | None = None) -> FloatProfile:
    """Void share of each slice when one class is taken as the solid.

    Parameters
    ----------
    solid, valid : bool array, shape (z, y, x)
        True where a voxel belongs to the class / lies in the core and was scanned.

    Returns
    -------
    float array, shape (z,)
        ``1 - area(solid) / area(valid)`` per slice, 0 to 1, from the core's top down; NaN where a slice has no valid voxel
        (Wieland et al. 2021, equation 1.1, doi:10.1098/rsos.201275). An imaged area fraction: pores below the voxel
        size are not seen.

    Examples
    --------
    >>> solid = np.zeros((2, 2, 2), bool)
    >>> solid[0] = True
    >>> porosity_profile(solid, np.ones((2, 2, 2), bool)).tolist()
    [0.0, 1.0]
    """
    return 1.0 - fraction_profile(solid, valid)


def class_counts(volume: Volume, scheme: Scheme) -> tuple[Counts, Counts]:
    """Valid voxels of each class in each slice, straight from the values in one pass.

    Returns
    -------
    counts : int array, shape (z, classes)
    area : int array, shape (z,)
        All valid voxels of the slice, those in no class included.
    """
    cuts = cuts_of(scheme.resolve(volume), volume.values.dtype)
    over, area = _counts_over(volume.values, volume.valid, cuts)
    always = np.repeat(area[:, None], cuts.always, axis=1)
    over = np.concatenate([always, over], axis=1)
    return over[:, :-1] - over[:, 1:], area


def label_counts(labels: LabelVolume, valid: BoolVolume, classes: int) -> tuple[Counts, Counts]:
    """Valid voxels of labels 1 to ``classes`` in each slice, and all valid voxels: (z, classes) and (z,)."""
    edges = np.arange(classes + 1, dtype=np.uint8)
    over, area = _counts_over(labels, valid, Cuts(edges, 0, classes, np.uint8(0), np.uint8(255), np.uint8(0)))
    return over[:, :-1] - over[:, 1:], area


def _counts_over(values: ValueVolume, valid: BoolVolume, cuts: Cuts) -> tuple[Counts, Counts]:
    over = np.zeros((len(values), len(cuts.above)), np.int64)
    area = np.zeros(len(values), np.int64)

    def work(first: int, end: int) -> None:
        slab = np.ascontiguousarray(values[first:end]).reshape(end - first, -1)
        mask = np.ascontiguousarray(valid[first:end]).reshape(end - first, -1).view(np.uint8)
        _count_over(slab, mask, cuts.above, cuts.low, cuts.high, cuts.least, over[first:end], area[first:end])

    over_slabs(work, len(values))
    return over, area


def _mask_counts(mask: BoolVolume, valid: BoolVolume) -> tuple[Counts, Counts]:
    counts, area = label_counts(mask.view(np.uint8), valid, 1)
    return counts[:, 0], area


@compiled
def _count_over(
    values: NDArray[Any],
    valid: NDArray[np.uint8],
    above: NDArray[Any],
    low: Any,
    high: Any,
    least: Any,
    over: Counts,
    area: Counts,
) -> None:
    """Valid voxels over each threshold.

    A tile stays in the nearest cache while it is compared with each threshold, 16-bit sums keep the lanes narrow, and
    what is not valid becomes the least value, which is over no threshold: no branch, so many voxels go in one instruction.
    """
    tile = np.empty(TILE, values.dtype)
    for z in range(values.shape[0]):
        for start in range(0, values.shape[1], TILE):
            part, inside = values[z, start : start + TILE], valid[z, start : start + TILE]
            seen = np.int16(0)
            for i in range(part.size):
                value = part[i]
                value = low if value < low else value
                value = high if value > high else value
                tile[i] = value if inside[i] else least
                seen = np.int16(seen + np.int16(inside[i]))
            area[z] += seen
            for k in range(above.size):
                edge, found = above[k], np.int16(0)
                for i in range(part.size):
                    found = np.int16(found + np.int16(tile[i] > edge))
                over[z, k] += found
