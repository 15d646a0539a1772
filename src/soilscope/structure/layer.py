"""Classes that do not overlap, measured slab by slab: their clusters, their slices, and what adds up across the seams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.progress import stages, told
from soilscope.structure.adding import Adding, Slab
from soilscope.structure.clusters import ClusterRule, Clusters, translated
from soilscope.structure.labelled import class_id
from soilscope.structure.metric import Metric
from soilscope.structure.phase import Known, Phase
from soilscope.structure.seams import CoreClusters, Seams, label_slab
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, Spacing

__all__ = ["Layer"]

SlabOfLabels = tuple[int, LabelVolume, BoolVolume]
"""First slice, labels and window."""


class Layer:
    """The classes of a core, or one made of several that are joined.

    Parameters
    ----------
    becomes : mapping of int to int
        The value that each class has here; several classes may become one.
    rule : ClusterRule
    """

    def __init__(self, becomes: Mapping[int, int], rule: ClusterRule) -> None:
        self.rule = rule
        self.values = tuple(dict.fromkeys(becomes.values()))
        self._named = {k: "class " + class_id(tuple(of for of in becomes if becomes[of] == k)) for k in self.values}
        self._table = np.zeros(256, np.uint8)
        self._table[list(becomes)] = list(becomes.values())
        self._seams = Seams(rule.neighbours, max(rule.under, 1))

    def look(self, labels: LabelVolume) -> None:
        """First pass: the next slab's clusters."""
        self._seams.add(translated(labels, self._table))

    @property
    def held(self) -> int:
        """How many clusters of slabs are held."""
        return self._seams.held

    def close(self, area: NDArray[np.int64]) -> None:
        """After the first pass: the clusters of the whole core, and its first and last valid slice."""
        self._clusters: CoreClusters = self._seams.closed()
        seen = np.flatnonzero(area)
        self._ends = (int(seen[0]), int(seen[-1])) if seen.size else None

    def begin(self, profiles: list[Metric], sums: Mapping[str, Callable[[], Adding]], depth: int) -> None:
        """Before the second pass: the metrics of slices, and how to begin those that add up over slabs."""
        self._profiles = {(m.name, k): np.full(depth, np.nan) for m in profiles for k in self.values}
        self._metrics, self._depth = profiles, depth
        self._counts = {k: np.zeros(depth, np.int64) for k in self.values}
        self._touching: dict[tuple[int, int], NDArray[Any]] = {}
        self.sums = {(name, k): begun() for name, begun in sums.items() for k in self.values}
        self._above: tuple[LabelVolume, BoolVolume] | None = None

    def measure(self, slab_number: int, slab: SlabOfLabels, spacing_mm: Spacing) -> LabelVolume:
        """Second pass: the next slab's figures; returns its labels without small clusters."""
        first, labels, valid = slab
        mine = translated(labels, self._table)
        found, number = label_slab(mine, self.rule.neighbours)
        here, class_of = self._clusters.of_slab(slab_number, number)
        cleaned = translated(found, np.where(here > 0, class_of, np.uint8(0)))
        *of_values, adding = stages(*[1] * len(self.values), len(self.values))
        for stage, value in zip(of_values, self.values, strict=True):
            table = np.where(class_of == value, here, np.uint32(0))
            clusters = Clusters(translated(found, table), self.sizes_of(value))
            known = Known(clusters=lambda of=clusters: of)  # type: ignore[misc]
            removed = Phase(cleaned == value, valid, spacing_mm, self.rule.neighbours, known=known)
            self._note_ends(value, first, clusters)
            with stage:
                self._slices(value, first, removed, mine)
        with adding:
            self._add(first, cleaned, valid)
        return cleaned

    def _note_ends(self, value: int, first: int, clusters: Clusters) -> None:
        if self._ends is not None:
            for end in (0, 1):
                if first <= self._ends[end] < first + len(clusters.labels):
                    self._touching[value, end] = np.unique(clusters.labels[self._ends[end] - first])

    def _slices(self, value: int, first: int, removed: Phase, mine: LabelVolume) -> None:
        rows = slice(first, first + len(mine))
        self._counts[value][rows] = removed.counts
        for stage, metric in zip(stages(*[1] * len(self._metrics)), self._metrics, strict=True):
            seen = removed
            if metric.clusters == "kept":
                seen = Phase(mine == value, removed.valid, removed.spacing_mm, removed.neighbours)
            with stage:
                self._profiles[metric.name, value][rows] = metric.profile_of(seen, self._named[value])

    def _add(self, first: int, cleaned: LabelVolume, valid: BoolVolume) -> None:
        """What adds up over layers of grid edges: this slab's own, and the one between it and the slab above."""
        if not self.sums:
            return
        last = first + len(cleaned) == self._depth
        joined, window = cleaned, valid
        if self._above is not None:
            joined = np.concatenate([self._above[0], cleaned])
            window = np.concatenate([self._above[1], valid])
        layers = (0 if self._above is None else 1, len(joined) + (1 if last else 0))
        for done, value in enumerate(self.values):
            told(done / len(self.values))
            slab = Slab(joined == value, window, layers, first)
            for (_, of), one in self.sums.items():
                if of == value:
                    one.add(slab)
        self._above = cleaned[-1:].copy(), valid[-1:].copy()

    def sizes_of(self, value: int) -> NDArray[np.int64]:
        """Voxels of the class's clusters in the whole core; entry 0 is 0."""
        return self._clusters.sizes.get(value, np.zeros(1, np.int64))

    def counts_of(self, value: int) -> NDArray[np.int64]:
        """Voxels of the class in each slice after small clusters are removed."""
        return self._counts[value]

    def profile(self, metric: Metric, value: int) -> FloatProfile:
        """A metric's figure of each slice."""
        return self._profiles[metric.name, value]

    def percolating(self, value: int) -> float:
        """Share of the class in clusters that touch the first and the last valid slice; NaN where it has none."""
        sizes = self.sizes_of(value)
        if len(sizes) == 1:
            return float("nan")
        both = np.intersect1d(self._touching[value, 0], self._touching[value, 1])
        return float(sizes[both[both > 0]].sum() / sizes[1:].sum())
