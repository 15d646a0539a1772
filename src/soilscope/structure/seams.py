"""Clusters of a core that is seen slab by slab: labelled in each slab, joined where slabs meet.

Two clusters of neighbouring slabs are one if a voxel of the one, in the slab's last slice, and a voxel of the other, in the next
slab's first, are neighbours and of one class. Union-find over these pairs gives the clusters of the whole core exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import aside, compiled
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
    kept : list of int array
        For each slab its own numbers of the clusters that are known further; the others were too small.
    bases : list of int
        What stands before the first of them in ``number`` and ``class_of``; one a slab.
    number : uint32 array
        The number of the whole cluster within its class, from 1, in the order in which they first occur; 0 where it was too
        small.
    class_of : uint8 array
        Its class.
    sizes : mapping of int to int array
        For each class the voxels of its clusters; entry 0 is 0.
    """

    kept: list[NDArray[np.uint32]]
    bases: list[int]
    number: NDArray[np.uint32]
    class_of: LabelVolume
    sizes: dict[int, NDArray[np.int64]]

    def of_slab(self, slab: int, number: int) -> tuple[NDArray[np.uint32], LabelVolume]:
        """For each of a slab's clusters, from 0 to ``number``, its number in the core and its class; 0 where too small."""
        kept, first = self.kept[slab], self.bases[slab] + 1
        numbers, classes = np.zeros(number + 1, np.uint32), np.zeros(number + 1, np.uint8)
        numbers[kept] = self.number[first : first + len(kept)]
        classes[kept] = self.class_of[first : first + len(kept)]
        return numbers, classes


def label_slab(labels: LabelVolume, neighbours: Neighbours3D) -> tuple[NDArray[Any], int]:
    """Connected components of all classes of a slab, and how many."""
    import cc3d

    found, number = aside(lambda: cc3d.connected_components(labels, connectivity=neighbours, return_N=True))
    return np.ascontiguousarray(found), int(number)


@dataclass(slots=True)
class Seams:
    """Collects the clusters of one slab after the other, from the top down.

    Clusters under a size that touch neither end of their slab are forgotten at once: noise makes a great many of them.

    Parameters
    ----------
    neighbours : {6, 18, 26}
    under : int
        Smaller clusters do not count.
    """

    neighbours: Neighbours3D
    under: int = 1
    bases: list[int] = field(default_factory=list)
    kept: list[NDArray[np.uint32]] = field(default_factory=list)
    parent: Ids = field(default_factory=lambda: np.zeros(1, np.int64))
    sizes: list[NDArray[np.int64]] = field(default_factory=list)
    classes: list[LabelVolume] = field(default_factory=list)
    above: Plane | None = None
    top: Plane | None = None

    @property
    def held(self) -> int:
        """How many clusters of slabs are known."""
        return len(self.parent) - 1

    def add(self, labels: LabelVolume) -> None:
        """The next slab's labels."""
        found, number = label_slab(labels, self.neighbours)
        sizes, classes = sizes_of(found, number), classes_of(found, labels, number)
        known = sizes >= self.under
        known[found[0]] = known[found[-1]] = True
        known[0] = False
        kept, base = np.flatnonzero(known), self.held
        place = np.zeros(number + 1, np.int64)
        place[kept] = np.arange(base + 1, base + 1 + len(kept))
        self.bases.append(base)
        self.kept.append(kept.astype(np.uint32))
        self.sizes.append(sizes[kept])
        self.classes.append(classes[kept])
        self.parent = np.concatenate([self.parent, place[kept]])
        upper, lower = place[found[0]], place[found[-1]]
        if self.above is None:
            self.top = labels[0].copy(), upper
        else:
            _join_planes(*self.above, labels[0], upper, self.neighbours, self.parent)
        self.above = labels[-1].copy(), lower

    def closed(self) -> CoreClusters:
        """What all slabs together hold, clusters that do not count left out."""
        roots = _roots(self.parent)
        parts = np.concatenate([np.zeros(1, np.int64), *self.sizes])
        self.sizes.clear()
        sizes = np.zeros(len(roots), np.int64)
        _add_to_roots(roots, parts, sizes)
        class_of = np.concatenate([np.zeros(1, np.uint8), *self.classes])
        whole = np.flatnonzero((roots == np.arange(len(roots))) & (sizes >= max(self.under, 1)))
        whole = whole[whole > 0]
        number = np.zeros(len(roots), np.uint32)
        held: dict[int, NDArray[np.int64]] = {}
        for value in np.unique(class_of[1:]):
            mine = whole[class_of[whole] == value]
            number[mine] = np.arange(1, len(mine) + 1)
            held[int(value)] = np.concatenate([np.zeros(1, np.int64), sizes[mine]])
        return CoreClusters(self.kept, self.bases, number[roots], class_of, held)

    def spanning(self) -> set[int]:
        """The classes of which one cluster lies in the first slice of all and in the last."""
        if self.top is None or self.above is None:
            return set()
        roots = _roots(self.parent)
        (classes, upper), (_, lower) = self.top, self.above
        both = np.isin(roots[upper], roots[lower]) & (upper > 0)
        return {int(k) for k in np.unique(classes[both])}


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
