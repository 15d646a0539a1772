"""Values to classes: one pass over the core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.cuts import cuts_of
from soilscope.classes.hysteresis import grown_labels
from soilscope.classes.loops import compiled, over_slabs
from soilscope.classes.named import scheme as named_scheme
from soilscope.classes.scheme import Scheme
from soilscope.types import BoolVolume, LabelVolume, ValueVolume
from soilscope.volume import Volume

__all__ = ["classify"]


def classify(volume: Volume, scheme: Scheme | str) -> LabelVolume:
    """The class of every voxel.

    Parameters
    ----------
    volume : Volume
        The core; only its valid voxels get a class.
    scheme : Scheme or str
        A scheme, or the name of one of :data:`soilscope.classes.SCHEMES`.

    Returns
    -------
    uint8 array, shape (z, y, x)
        1..n the scheme's classes in rising order; 0 where the voxel is not valid, lies outside all edges, or is NaN.

    Raises
    ------
    UsageError
        Code ``scheme-unknown``: no named scheme of that name.
    InputRefused
        Code ``units-mismatch``: an HU scheme for grey values, or the reverse. Code ``no-range``: a scheme relative to
        the core's own range, but all its valid values are the same.

    Examples
    --------
    >>> import numpy as np
    >>> hu = np.array([[[-1000, 30, 900, 3071]]], np.int16)
    >>> core = Volume(hu, np.ones(hu.shape, bool), (0.25, 0.351, 0.351), "HU")
    >>> classify(core, "physical").tolist()
    [[[1, 2, 3, 5]]]
    """
    chosen = named_scheme(scheme) if isinstance(scheme, str) else scheme
    held = chosen.resolve(volume)
    cuts = cuts_of(held, volume.values.dtype)
    labels = np.empty(volume.shape, np.uint8)

    def work(first: int, end: int) -> None:
        values = np.ascontiguousarray(volume.values[first:end])
        valid = np.ascontiguousarray(volume.valid[first:end])
        _label(values, valid, cuts.above, cuts.always, cuts.top, cuts.low, cuts.high, labels[first:end])

    over_slabs(work, volume.shape[0])
    return grown_labels(volume.values, labels > 0, held.bands, held.grows) if held.bands else labels


@compiled
def _label(
    values: ValueVolume,
    valid: BoolVolume,
    above: NDArray[Any],
    always: int,
    top: int,
    low: Any,
    high: Any,
    labels: LabelVolume,
) -> None:
    """Row by row, one threshold at a time: no branch, so the compiler compares many voxels in one instruction."""
    tile = np.empty(values.shape[2], values.dtype)
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            row, inside, count = values[z, y], valid[z, y], labels[z, y]
            for x in range(row.size):
                value = low if row[x] < low else row[x]  # comparisons in this order let NaN through, to no class
                tile[x] = high if value > high else value
                count[x] = always
            for k in range(above.size):
                edge = above[k]
                for x in range(row.size):
                    count[x] = np.uint8(count[x] + np.uint8(tile[x] > edge))
            for x in range(row.size):
                count[x] = count[x] if inside[x] and count[x] <= top else np.uint8(0)
