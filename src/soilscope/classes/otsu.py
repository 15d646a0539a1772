"""Thresholds from the values themselves: Otsu's, and several at once, of one core or of all cores of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.value_range import valid_range
from soilscope.errors import InputRefused, UsageError
from soilscope.types import BoolVolume
from soilscope.volume import Volume

__all__ = ["BINS", "MOST_OTSU", "SlabsOfValues", "otsu_edges", "pooled_histogram"]

BINS = 256
"""As in scikit-image: thresholds lie on the centres of so many bins between the least and the greatest value."""
MOST_OTSU = 5
"""Each further class multiplies the work by the number of bins."""


class SlabsOfValues(Protocol):
    """A core that is not held in memory as a whole."""

    @property
    def core(self) -> str:
        """Its name."""

    def slabs(self) -> Iterator[tuple[NDArray[Any], BoolVolume]]:
        """Values and mask of a few slices after the other; may be asked for again."""


def _slabs(core: Volume | SlabsOfValues) -> Iterator[tuple[NDArray[Any], BoolVolume]]:
    if isinstance(core, Volume):
        yield core.values, core.valid
    else:
        yield from core.slabs()


def pooled_histogram(cores: Sequence[Volume | SlabsOfValues]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Valid voxels by value, over one or several cores.

    Parameters
    ----------
    cores : sequence of Volume, or of what gives slabs of one
        Read twice, one after the other, slice by slice.

    Returns
    -------
    (int array, shape (256,), float array, shape (257,))
        Voxels a bin, and the borders of the bins from the least to the greatest valid value.

    Raises
    ------
    InputRefused
        Code ``no-range``: no valid voxel, or all the same value.
    """
    ranges = (valid_range(*slab) for core in cores for slab in _slabs(core))
    found = [span for span in ranges if span is not None]
    low, high = min((s[0] for s in found), default=0.0), max((s[1] for s in found), default=0.0)
    if not low < high:
        raise InputRefused(
            "no-range",
            f"{', '.join(core.core for core in cores)}: all valid values are the same, or none is valid, so that no threshold "
            "parts them; check the core that was found, or give edges.",
        )
    borders = np.linspace(low, high, BINS + 1)
    counts = np.zeros(BINS, np.int64)
    for values, mask in (slab for core in cores for slab in _slabs(core)):
        for plane, valid in zip(values, mask, strict=True):
            counts += np.histogram(plane[valid].astype(np.float64), borders)[0]
    return counts, borders


def otsu_edges(cores: Sequence[Volume | SlabsOfValues], classes: int) -> tuple[float, ...]:
    """Edges of so many classes between which the variance is greatest.

    Parameters
    ----------
    cores : sequence of Volume, or of what gives slabs of one
        One core, or all of a study, whose voxels are then pooled.
    classes : int
        2 to 5.

    Returns
    -------
    tuple of float
        ``classes + 1`` rising edges in the cores' units; a value on a threshold belongs to the class below it. The first edge
        lies one bin below the least value, so that this belongs to the first class.

    Notes
    -----
    Otsu 1979 (doi:10.1109/TSMC.1979.4310076) and Liao, Chen & Chung 2001, as scikit-image's ``threshold_multiotsu`` computes
    them from 256 bins.

    Raises
    ------
    UsageError
        Code ``scheme``: fewer than 2 or more than 5 classes.
    InputRefused
        Code ``no-range``: see :func:`pooled_histogram`; or fewer different values than classes.
    """
    from skimage.filters import threshold_multiotsu

    if not 2 <= classes <= MOST_OTSU:
        raise UsageError("scheme", f"Otsu's thresholds part 2 to {MOST_OTSU} classes, not {classes}.")
    counts, borders = pooled_histogram(cores)
    if np.count_nonzero(counts) < classes:
        names = ", ".join(core.core for core in cores)
        raise InputRefused("no-range", f"{names}: too few different values for {classes} classes; take fewer.")
    width = borders[1] - borders[0]
    centres = (borders[:-1] + borders[1:]) / 2
    inner = threshold_multiotsu(classes=classes, hist=(counts, centres))
    return (float(borders[0] - width), *(float(t) for t in inner), float(borders[-1]))
