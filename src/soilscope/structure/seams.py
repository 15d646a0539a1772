"""Clusters of a core that is seen slab by slab: labelled in each slab, joined where slabs meet.

Two clusters of neighbouring slabs are one if a voxel of the one, in the slab's last slice, and a voxel of the other, in the next
slab's first, are neighbours and of one class. Union-find over these pairs gives the clusters of the whole core exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled
from soilscope.structure.clusters import sizes_of
from soilscope.types import LabelVolume, Neighbours3D

__all__ = ["CoreClusters", "Seams", "classes_of", "label_slab"]

Ids = NDArray[np.int64]
Plane = tuple[LabelVolume, Ids]


@dataclass(frozen=True, slots=True, eq=False)
class CoreClusters:
    """The clusters of all classes of a core.

    Parameters
    ----------
    bases : int array
        What is added to a slab's own cluster numbers to have the core's; one a slab.
    number : uint32 array
        For each cluster of a slab, by its number in the core: the number of the whole cluster within its class, from 1,
        in the order in which they first occur; 0 where it was too small.
    class_of : uint8 array
        Its class.
    sizes : mapping of int to int array
        For each class the voxels of its clusters; entry 0 is 0.
    """

    bases: list[int]
    number: NDArray[np.uint32]
    class_of: LabelVolume
    sizes: dict[int, NDArray[np.int64]]


def label_slab(labels: LabelVolume, neighbours: Neighbours3D) -> tuple[NDArray[Any], int]:
    """Connected components of all classes of a slab, and how many."""
    import cc3d

    found, number = cc3d.connected_components(labels, connectivity=neighbours, return_N=True)
    return np.ascontiguousarray(found), int(number)


@dataclass(slots=True)
class Seams:
    """Collects the clusters of one slab after the other, from the top down."""

    neighbours: Neighbours3D
    bases: list[int] = field(default_factory=list)
    parent: Ids = field(default_factory=lambda: np.zeros(1, np.int64))
    sizes: list[NDArray[np.int64]] = field(default_factory=list)
    classes: list[LabelVolume] = field(default_factory=list)
    above: Plane | None = None
    top: Plane | None = None

    def add(self, labels: LabelVolume) -> None:
        """The next slab's labels."""
        found, number = label_slab(labels, self.neighbours)
        base = len(self.parent) - 1
        self.bases.append(base)
        self.sizes.append(sizes_of(found, number)[1:])
        self.classes.append(classes_of(found, labels, number)[1:])
        self.parent = np.concatenate([self.parent, np.arange(base + 1, base + number + 1)])
        if self.above is not None:
            top = _in_core(found[0], base)
            _join_planes(*self.above, labels[0], top, self.neighbours, self.parent)
        else:
            self.top = labels[0].copy(), _in_core(found[0], base)
        self.above = labels[-1].copy(), _in_core(found[-1], base)

    def closed(self, under: int) -> CoreClusters:
        """What all slabs together hold, clusters under a size left out."""
        roots = _roots(self.parent)
        sizes = np.zeros(len(roots), np.int64)
        parts = np.concatenate([np.zeros(1, np.int64), *self.sizes])
        _add_to_roots(roots, parts, sizes)
        class_of = np.concatenate([np.zeros(1, np.uint8), *self.classes])
        whole = np.flatnonzero((roots == np.arange(len(roots))) & (sizes >= max(under, 1)))
        whole = whole[whole > 0]
        number = np.zeros(len(roots), np.uint32)
        held: dict[int, NDArray[np.int64]] = {}
        for value in np.unique(class_of[1:]):
            mine = whole[class_of[whole] == value]
            number[mine] = np.arange(1, len(mine) + 1)
            held[int(value)] = np.concatenate([np.zeros(1, np.int64), sizes[mine]])
        return CoreClusters(self.bases, number[roots], class_of, held)

    def spanning(self) -> set[int]:
        """The classes of which one cluster lies in the first slice of all and in the last."""
        if self.top is None or self.above is None:
            return set()
        roots = _roots(self.parent)
        (classes, upper), (_, lower) = self.top, self.above
        both = np.isin(roots[upper], roots[lower]) & (upper > 0)
        return {int(k) for k in np.unique(classes[both])}


def _in_core(plane: NDArray[Any], base: int) -> Ids:
    return np.where(plane > 0, plane.astype(np.int64) + base, 0)


def classes_of(clusters: NDArray[Any], labels: LabelVolume, number: int) -> LabelVolume:
    """The class of each cluster of a slab, shape (number + 1,); 0 for what is outside."""
    found = np.zeros(number + 1, np.uint8)
    _note_classes(clusters, labels, found)
    return found


@compiled
def _note_classes(clusters: NDArray[Any], labels: LabelVolume, found: LabelVolume) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                found[clusters[z, y, x]] = labels[z, y, x]


@compiled
def _root(parent: Ids, at: int) -> int:
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@compiled
def _join_planes(
    upper_class: LabelVolume, upper: Ids, lower_class: LabelVolume, lower: Ids, neighbours: int, parent: Ids
) -> None:
    """Join what touches; the smaller number, which occurs first in the core, becomes the root."""
    ny, nx = upper.shape
    steps = 0 if neighbours == 6 else 1 if neighbours == 18 else 2
    for y in range(ny):
        for x in range(nx):
            if upper_class[y, x] == 0:
                continue
            for oy in range(max(-1, -y), min(2, ny - y)):
                for ox in range(max(-1, -x), min(2, nx - x)):
                    if abs(oy) + abs(ox) > steps or lower_class[y + oy, x + ox] != upper_class[y, x]:
                        continue
                    a, b = _root(parent, upper[y, x]), _root(parent, lower[y + oy, x + ox])
                    if a < b:
                        parent[b] = a
                    elif b < a:
                        parent[a] = b


@compiled
def _roots(parent: Ids) -> Ids:
    """Each entry's root; a parent's number is smaller than its child's, so that it is known before."""
    for at in range(parent.size):
        parent[at] = parent[parent[at]]
    return parent


@compiled
def _add_to_roots(roots: Ids, parts: Ids, sizes: Ids) -> None:
    for at in range(roots.size):
        sizes[roots[at]] += parts[at]
