"""Classes with two thresholds an edge, in a core of any size: what grows, grows across slabs.

A voxel between the two thresholds goes with the cluster it is in, and that may reach through the whole core. A first pass finds
the clusters of each slab, which of them are one across the seams (:mod:`soilscope.structure.seams`), and which hold a voxel beyond
the further threshold. After it, any slices are cut as :func:`soilscope.classes.classify` cuts the whole core.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme, classify
from soilscope.classes.hysteresis import grown_labels, seeds_of
from soilscope.progress import Say, telling
from soilscope.structure.budget import Budget, check_clusters
from soilscope.structure.seams import Seams, label_slab
from soilscope.structure.slabs import ClassSlabs, Sliced, Source, slab_bounds
from soilscope.types import BoolVolume, LabelVolume, Neighbours3D, Shape
from soilscope.volume import Volume

__all__ = ["GrownLabels", "class_slabs"]

NEIGHBOURS: Neighbours3D = 6


@dataclass(slots=True)
class GrownLabels:
    """Labels of a scheme with bands: ``labels[first:end]`` cuts some slices, 1..n, 0 where there is no class.

    Parameters
    ----------
    source : Source
    scheme : Scheme
        With the edges that hold for this core.
    budget : Budget
        How many slices are taken at a time, and how many clusters may be held.
    say : callable
        Told ``(done, of, what)``.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: more clusters than the memory holds.
    """

    source: Source
    scheme: Scheme
    budget: Budget
    say: Say = lambda _done, _of, _what: None
    taken: list[list[NDArray[np.bool_]]] = field(init=False)
    """For each slab and band, which of the slab's clusters grow."""
    last: tuple[int, LabelVolume] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        seams = [Seams(NEIGHBOURS) for _ in self.scheme.bands]
        grown: list[list[NDArray[np.bool_]]] = []
        for first, end in self._bounds():
            with telling(self.say, "what is between two thresholds", (first, end), self.shape[0]):
                values, classed = self._classed(first, end)
                grown.append([])
                for of_band, band in zip(seams, self.scheme.bands, strict=True):
                    strong, weak = seeds_of(values, classed, band, self.scheme.grows)
                    of_band.add(weak.view(np.uint8))
                    found, number = label_slab(weak.view(np.uint8), NEIGHBOURS)
                    grown[-1].append(_holding(found, number, strong))
            check_clusters(sum(of_band.held for of_band in seams), self.budget)
        self.taken = [[] for _ in grown]
        for at, of_band in enumerate(seams):
            clusters = of_band.closed()
            numbers = [clusters.of_slab(slab, len(own[at]) - 1)[0] for slab, own in enumerate(grown)]
            whole = np.zeros(max((int(n.max()) for n in numbers), default=0) + 1, np.bool_)
            for number_of, own in zip(numbers, grown, strict=True):
                whole[number_of[own[at]]] = True
            whole[0] = False
            for slab, number_of in enumerate(numbers):
                self.taken[slab].append(whole[number_of])

    @property
    def shape(self) -> Shape:
        """Of the core."""
        return self.source.about.shape

    def __getitem__(self, slices: slice) -> LabelVolume:
        first, end, _ = slices.indices(self.shape[0])
        thick = self.budget.slab
        parts = [np.zeros((0, *self.shape[1:]), np.uint8)]
        for slab in range(first // thick, -(-end // thick)):
            start = slab * thick
            parts.append(self._of_slab(slab)[max(first - start, 0) : end - start])
        return np.concatenate(parts) if len(parts) > 2 else parts[-1]

    def _bounds(self) -> list[tuple[int, int]]:
        return list(slab_bounds(self.shape[0], self.budget.slab))

    def _classed(self, first: int, end: int) -> tuple[NDArray[Any], BoolVolume]:
        values, valid = self.source.read(first, end)
        about = self.source.about
        slab = Volume(values, valid, about.spacing_mm, about.units)
        return values, classify(slab, replace(self.scheme, bands=())) > 0

    def _of_slab(self, slab: int) -> LabelVolume:
        if self.last is None or self.last[0] != slab:
            values, classed = self._classed(*self._bounds()[slab])
            bands = iter(self.taken[slab])

            def joined(_strong: BoolVolume, weak: BoolVolume) -> BoolVolume:
                grows: BoolVolume = next(bands)[label_slab(weak.view(np.uint8), NEIGHBOURS)[0]]
                return grows

            self.last = slab, grown_labels(values, classed, self.scheme.bands, self.scheme.grows, joined)
        return self.last[1]


def _holding(found: NDArray[Any], number: int, strong: BoolVolume) -> NDArray[np.bool_]:
    """Which of a slab's clusters, from 0 to ``number``, hold a voxel beyond the further threshold."""
    holds = np.zeros(number + 1, np.bool_)
    holds[np.unique(found[strong])] = True
    holds[0] = False
    return holds


def class_slabs(
    source: Source,
    scheme: Scheme | None,
    labels: Sliced | None,
    budget: Budget,
    say: Say = lambda _done, _of, _what: None,
) -> ClassSlabs:
    """The classes of a core, a slab at a time: by a scheme with this core's edges, or made elsewhere."""
    if scheme is not None and scheme.bands and labels is None:
        return ClassSlabs(source, scheme, GrownLabels(source, scheme, budget, say))
    return ClassSlabs(source, scheme, labels)
