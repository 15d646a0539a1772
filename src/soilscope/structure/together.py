"""All classes of a core worked out together: what is done once for the core and not once for each class.

Classes do not overlap, so one pass finds the clusters of them all, one their distances, and one paints all their balls.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.progress import stages
from soilscope.structure.clusters import ClusterRule, Clusters, sizes_of, translated
from soilscope.structure.distance import squared_distance_of_labels
from soilscope.structure.masks import as_spacing, between, from_top_to_bottom
from soilscope.structure.phase import Known, Phase
from soilscope.structure.seams import classes_of, label_slab
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import BoolVolume, LabelVolume, Spacing

__all__ = ["Together"]

Squares = NDArray[np.float32]


class Together:
    """The classes of a label volume inside a window, before and after their small clusters are removed.

    Parameters
    ----------
    labels : uint8 array, shape (z, y, x)
        0 for no class.
    valid : bool array, shape (z, y, x)
        The window.
    spacing_mm : (dz, dy, dx)
    rule : ClusterRule
    """

    def __init__(self, labels: LabelVolume, valid: BoolVolume, spacing_mm: Spacing, rule: ClusterRule) -> None:
        self.valid, self.spacing_mm, self.rule = np.ascontiguousarray(valid), as_spacing(spacing_mm), rule
        self._labels = np.ascontiguousarray(labels)

    def phases(self, value: int) -> tuple[Phase, Phase]:
        """A class before and after its small clusters are removed."""
        window = self.valid, self.spacing_mm, self.rule.neighbours
        before = Known(clusters=lambda: self._clusters_of(value, 1))
        after = Known(
            clusters=lambda: self._clusters_of(value, self.rule.under),
            squared_distance=lambda: self._inside_class(value, self.squared_distance),
            thickness=lambda: self._inside_class(value, self.thickness),
        )
        return Phase(self.inside == value, *window, known=before), Phase(self.cleaned == value, *window, known=after)

    @cached_property
    def inside(self) -> LabelVolume:
        """The labels, 0 outside the window."""
        return np.where(self.valid, self._labels, np.uint8(0))

    @cached_property
    def _inner(self) -> slice:
        return from_top_to_bottom(self.valid)

    @cached_property
    def clusters(self) -> Clusters:
        """The connected components of all classes; none holds voxels of two."""
        if self.inside.size == 0:
            return Clusters(np.zeros(self.inside.shape, np.uint32), np.zeros(1, np.int64))
        labels, number = label_slab(self.inside, self.rule.neighbours)
        return Clusters(labels, sizes_of(labels, number))

    @cached_property
    def class_of(self) -> LabelVolume:
        """The class of each cluster, shape (clusters + 1,); 0 for what is outside."""
        return classes_of(self.clusters.labels, self.inside, self.clusters.number)

    @cached_property
    def cleaned(self) -> LabelVolume:
        """The labels without small clusters."""
        kept = np.where(self.clusters.sizes >= self.rule.under, self.class_of, np.uint8(0))
        return translated(self.clusters.labels, kept)

    def _clusters_of(self, value: int, least: int) -> Clusters:
        """The clusters of one class that hold so many voxels, numbered from 1 in the order in which they stand in the core."""
        mine = np.flatnonzero((self.class_of == value) & (self.clusters.sizes >= least))
        number = np.zeros(len(self.class_of), np.uint32)
        number[mine] = np.arange(1, len(mine) + 1)
        labels = translated(self.clusters.labels, number)
        sizes = self.clusters.sizes[mine]
        return Clusters(labels, np.concatenate([[labels.size - sizes.sum()], sizes]).astype(np.int64))

    def _inside_class(self, value: int, values: Squares) -> Squares:
        out = np.empty(values.shape, np.float32)
        over_slabs(
            lambda first, end: _inside_class(self.cleaned[first:end], value, values[first:end], out[first:end]),
            len(out),
        )
        return out

    @cached_property
    def squared_distance(self) -> Squares:
        """Squared distance of the cleaned classes to what is not theirs, mm²."""
        labels, inner = self.cleaned, self._inner
        return between(inner, labels.shape, lambda: squared_distance_of_labels(labels[inner], self.spacing_mm))

    @cached_property
    def thickness(self) -> Squares:
        """Local thickness of the cleaned classes, mm."""
        distances, balls = stages(1, 3)
        with distances:
            squared, labels, inner = self.squared_distance, self.cleaned, self._inner
        with balls:
            return between(
                inner, labels.shape, lambda: thickness_from_distance(squared[inner], self.spacing_mm, labels[inner])
            )


@compiled
def _inside_class(labels: LabelVolume, value: int, values: Squares, out: Squares) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                out[z, y, x] = values[z, y, x] if labels[z, y, x] == value else np.float32(0)
