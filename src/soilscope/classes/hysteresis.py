"""Two thresholds an edge: what lies between them goes with what it touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from soilscope.types import BoolVolume, LabelVolume, ValueVolume

__all__ = ["Grows", "grown_labels", "joined_to", "seeds_of"]

Grows = Literal["brighter", "darker"]


def joined_to(strong: BoolVolume, weak: BoolVolume) -> BoolVolume:
    """The clusters of ``weak`` (6 neighbours) that hold a voxel of ``strong``; shapes (z, y, x)."""
    clusters, number = cc3d.connected_components(weak, connectivity=6, return_N=True)
    kept = np.zeros(number + 1, np.bool_)
    kept[np.unique(clusters[strong & weak])] = True
    kept[0] = False
    taken: NDArray[Any] = kept[clusters]
    return taken


def seeds_of(
    values: ValueVolume, classed: BoolVolume, band: tuple[float, float], grows: Grows
) -> tuple[BoolVolume, BoolVolume]:
    """What is surely of the class that grows at a border, and what may be; shapes (z, y, x)."""
    low, high = band
    if grows == "brighter":
        return (values > high) & classed, (values > low) & classed
    return (values <= low) & classed, (values <= high) & classed


def grown_labels(
    values: ValueVolume,
    classed: BoolVolume,
    bands: Sequence[tuple[float, float]],
    grows: Grows,
    joined: Callable[[BoolVolume, BoolVolume], BoolVolume] = joined_to,
) -> LabelVolume:
    """Labels whose edges are bands.

    Parameters
    ----------
    values : array, shape (z, y, x)
    classed : bool array, shape (z, y, x)
        Where there is a class at all; clusters end there.
    bands : sequence of (low, high)
        One a border between two classes, rising.
    grows : {"brighter", "darker"}
        ``"brighter"``: a voxel above ``low`` belongs above the border where it is joined to one above ``high``, as in
        scikit-image's ``apply_hysteresis_threshold`` (Canny 1986, doi:10.1109/TPAMI.1986.4767851). ``"darker"``: a voxel of
        ``high`` or less belongs below the border where it is joined to one of ``low`` or less: pores grow into what is half full.
    joined : function of what is surely of the growing class and what may be, once a band
        Says where it grows to; :func:`joined_to` where the whole core is there.

    Returns
    -------
    uint8 array, shape (z, y, x)
        1..n, 0 where not classed.
    """
    labels = classed.astype(np.uint8)
    for band in bands:
        grown = joined(*seeds_of(values, classed, band, grows))
        labels += grown if grows == "brighter" else classed & ~grown
    return labels
