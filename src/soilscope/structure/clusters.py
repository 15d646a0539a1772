"""Clusters: connected components of a class, their sizes, and the removal of small ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import aside, compiled, over_slabs
from soilscope.errors import UsageError
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume, FloatProfile, Neighbours3D

__all__ = [
    "ClusterRule",
    "Clusters",
    "find_clusters",
    "largest_fraction",
    "remove_small_clusters",
]


@dataclass(frozen=True, slots=True)
class ClusterRule:
    """Which clusters are too small to count.

    Parameters
    ----------
    under : int
        Clusters of fewer voxels are removed; one of exactly this many stays. 0 or 1 keeps everything.
    neighbours : {6, 18, 26}
        Voxels sharing a face (6), an edge too (18), or a corner too (26) belong together.

    Raises
    ------
    UsageError
        Code ``cluster-rule``.
    """

    under: int = 60
    neighbours: Neighbours3D = 6

    def __post_init__(self) -> None:
        if self.under < 0:
            raise UsageError("cluster-rule", f"under = {self.under} must not be negative.")
        if self.neighbours not in (6, 18, 26):
            raise UsageError("cluster-rule", f"neighbours = {self.neighbours} must be 6, 18 or 26.")

    def as_dict(self) -> dict[str, int]:
        """The rule as plain values, for provenance and reports."""
        return {"under": self.under, "neighbours": self.neighbours}


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """The connected components of a mask.

    Parameters
    ----------
    labels : unsigned array, shape (z, y, x)
        0 outside the mask, 1..n the clusters.
    sizes : int array, shape (n + 1,)
        Voxels of each cluster; ``sizes[0]`` is what is outside the mask.
    """

    labels: NDArray[Any]
    sizes: NDArray[np.int64]

    @property
    def number(self) -> int:
        """How many clusters there are."""
        return len(self.sizes) - 1

    @property
    def largest(self) -> int:
        """Label of the largest cluster (the first of equals); 0 where there is none."""
        return int(np.argmax(self.sizes[1:])) + 1 if self.number else 0


def find_clusters(mask: BoolVolume, neighbours: Neighbours3D = 6) -> Clusters:
    """Connected components of a mask.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    neighbours : {6, 18, 26}
        See :class:`ClusterRule`.
    """
    import cc3d

    ClusterRule(0, neighbours)
    mask = as_mask(mask)
    if mask.size == 0:
        return Clusters(np.zeros(mask.shape, np.uint32), np.zeros(1, np.int64))
    labels, number = aside(lambda: cc3d.connected_components(mask, connectivity=neighbours, return_N=True))
    labels = np.ascontiguousarray(labels)
    return Clusters(labels, sizes_of(labels, int(number)))


def remove_small_clusters(mask: BoolVolume, under: int = 60, neighbours: Neighbours3D = 6) -> BoolVolume:
    """The mask without its small clusters.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    under : int
        Clusters of fewer voxels than this are removed; one of exactly 60 stays under the default. (PoreSpy's
        ``trim_small_clusters`` removes clusters of *at most* ``min_size``: "under 60" is ``min_size=59`` there.)
    neighbours : {6, 18, 26}
        See :class:`ClusterRule`.

    Returns
    -------
    bool array, shape (z, y, x)
        A new array; the mask given stays as it is.
    """
    rule = ClusterRule(under, neighbours)
    if rule.under <= 1:
        return as_mask(mask).copy()
    return without_small(find_clusters(mask, neighbours), rule.under)


def without_small(clusters: Clusters, under: int) -> BoolVolume:
    """The voxels of clusters that have at least ``under`` voxels."""
    keep = clusters.sizes >= under
    keep[0] = False
    return look_up(clusters.labels, keep)


def translated(labels: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """``table[labels]``, slab by slab on all CPUs."""
    out = np.empty(labels.shape, table.dtype)
    over_slabs(lambda first, end: _translate(labels[first:end], table, out[first:end]), len(out))
    return out


def look_up(labels: NDArray[Any], keep: NDArray[np.bool_]) -> BoolVolume:
    """``keep[labels]``, slab by slab on all CPUs."""
    return translated(labels, keep)


def largest_fraction(clusters: Clusters) -> float:
    """Share of the class's voxels that the largest cluster holds, 0 to 1; NaN where there is no cluster."""
    sizes = clusters.sizes[1:]
    return float(sizes.max() / sizes.sum()) if sizes.size else float("nan")


def largest_fraction_profile(clusters: Clusters) -> FloatProfile:
    """Share of each slice's class voxels that belong to the core's largest cluster; NaN where the class is absent."""
    inside = np.zeros(len(clusters.labels), np.int64)
    of_largest = np.zeros(len(clusters.labels), np.int64)

    def work(first: int, end: int) -> None:
        _count_largest(clusters.labels[first:end], clusters.largest, inside[first:end], of_largest[first:end])

    over_slabs(work, len(clusters.labels))
    shares = np.full(len(inside), np.nan)
    np.divide(of_largest, inside, out=shares, where=inside > 0)
    return shares


def sizes_of(labels: NDArray[Any], number: int) -> NDArray[np.int64]:
    """Voxels of each label from 0 to ``number``."""
    slices = len(labels)
    pieces: list[NDArray[np.int64]] = []  # appended from several threads; their sum does not depend on the order

    def work(first: int, end: int) -> None:
        sizes = np.zeros(number + 1, np.int64)
        _add_sizes(labels[first:end], sizes)
        pieces.append(sizes)

    over_slabs(work, slices)
    total: NDArray[np.int64] = np.sum(pieces, axis=0, dtype=np.int64)
    return total


@compiled
def _add_sizes(labels: NDArray[Any], sizes: NDArray[np.int64]) -> None:
    """Runs of one label are counted in a register: most neighbours along a row are equal."""
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            current, run = labels[z, y, 0], 0
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                if label == current:
                    run += 1
                else:
                    sizes[current] += run
                    current, run = label, 1
            sizes[current] += run


@compiled
def _translate(labels: NDArray[Any], table: NDArray[Any], out: NDArray[Any]) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                out[z, y, x] = table[labels[z, y, x]]


@compiled
def _count_largest(labels: NDArray[Any], largest: int, inside: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    for z in range(labels.shape[0]):
        filled, own = 0, 0
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                filled += label > 0
                own += label == largest
        inside[z], found[z] = filled, own if largest > 0 else 0
