"""Distances in a core of any size, exact and without a halo.

Squared distances are worked out axis by axis: within the slices as they come, then, from a temporary file, through all slices
for a few rows at a time. So nothing depends on how far the nearest wall is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.progress import Tell, part, spanning
from soilscope.structure.clusters import translated
from soilscope.structure.critical import LevelSearch
from soilscope.structure.distance import through_slices, within_slices
from soilscope.structure.scratch import Room, Scratch
from soilscope.structure.seams import Seams
from soilscope.structure.slabs import slab_bounds
from soilscope.types import LabelVolume, Neighbours3D, Spacing

__all__ = ["FarFields"]

BYTES_HELD = 32
"""For each voxel held at a time: distances, labels, masks, clusters."""

ONLY_AT_SEAMS = 2**62
"""No cluster has so many voxels: those that end within a slab lead nowhere."""


class FarFields:
    """Distances of the cleaned labels of a core.

    Parameters
    ----------
    labels : Scratch
        The cleaned labels.
    room : Room
    spacing : (dz, dy, dx)
    voxels : int
        How many may be held at a time.
    neighbours : {6, 18, 26}
    """

    def __init__(self, labels: Scratch, room: Room, spacing: Spacing, voxels: int, neighbours: Neighbours3D) -> None:
        self._labels, self._room, self._spacing, self._neighbours = labels, room, spacing, neighbours
        depth, height, width = labels.shape
        self._slices = min(max(voxels // (height * width), 1), depth)
        self._rows = min(max(voxels // (depth * width), 1), height)
        if self._rows > 8:
            self._rows -= self._rows % 8

    def _slabs(self) -> Iterator[tuple[int, int]]:
        return slab_bounds(self._labels.shape[0], self._slices)

    def _bands(self) -> Iterator[tuple[int, int]]:
        return slab_bounds(self._labels.shape[1], self._rows)

    def distances(self, value: int, window: Scratch, say: Tell) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances to a class summed over what is not the class, and how many voxels those are; mm, shape (z,) both.

        The sums are infinite where the window holds none of the class.
        """
        depth, height, _ = self._labels.shape
        sums, counts = np.zeros(depth), np.zeros(depth, np.int64)
        with self._room.array(np.float32) as planes:
            for first, end in self._slabs():
                with spanning(say, (first, end), 2 * depth):
                    away = (self._labels.slices(first, end) != value).view(np.uint8)
                    planes.append(within_slices(away, self._spacing))
            for first, end in self._bands():
                with spanning(say, _of_rows(first, end, height), 2):
                    away = planes.rows(first, end)
                    through_slices(away, self._spacing[0])
                    outside = (window.rows(first, end) > 0) & (away > 0)
                    for z in range(depth):
                        sums[z] += np.sqrt(away[z][outside[z]]).sum(dtype=np.float64)
                        counts[z] += np.count_nonzero(outside[z])
        return sums, counts

    def critical(self, values: Sequence[int], ends: tuple[int, int], say: Tell) -> dict[int, float]:
        """Critical diameter of each class from one slice to another (not included), as
        :func:`soilscope.structure.critical_diameter`; mm, NaN where a class has no wall, and where no slice lies
        between.

        The widest ball that passes is sought by halving, for all classes at once: a pass over the core each time.
        """
        if ends[0] >= ends[1]:
            return dict.fromkeys(values, float("nan"))
        with self._room.array(np.float32) as squared:
            widest = self._squared_distances(squared, ends, say)
            of_class = {k: widest[ends[0] : ends[1], k] for k in values}
            ceilings = {k: float(most.min(initial=np.inf)) for k, most in of_class.items() if np.isfinite(most).all()}
            search = {k: LevelSearch(levels) for k, levels in self._levels(squared, ceilings, ends).items()}
            passes, done = max((one.most_trials for one in search.values()), default=0), 0
            while any(not one.ended for one in search.values()):
                asked = {k: one.level for k, one in search.items() if not one.ended}
                with spanning(say, (done, done + 1), passes):
                    passing = self._passing(squared, asked, ends)
                for k in asked:
                    search[k].note(passes=k in passing)
                done += 1
        return {k: search[k].diameter_mm if k in search else float("nan") for k in values}

    def _squared_distances(self, out: Scratch, ends: tuple[int, int], say: Tell) -> NDArray[np.float32]:
        """Write squared distances to what is another class; the greatest of each label in each slice, shape (z, 256).

        They are those from one slice to another; of the slices beyond, which hold nothing, there is none.
        """
        depth, height, _ = self._labels.shape
        widest = np.zeros((depth, 256), np.float32)
        for first, end in self._slabs():
            with spanning(say, (first, end), 2 * depth):
                labels = self._labels.slices(first, end)
                out.append(within_slices(labels, self._spacing, labels))
        for first, end in self._bands():
            with spanning(say, _of_rows(first, end, height), 2):
                labels, squared = self._labels.rows(first, end), out.rows(first, end)
                inner = slice(*ends)
                through_slices(squared[inner], self._spacing[0], labels[inner])
                out.change_rows(first, squared)
                over_slabs(partial(_widest, labels, squared, widest), depth)
        return widest

    def _levels(
        self, squared: Scratch, ceilings: Mapping[int, float], ends: tuple[int, int]
    ) -> dict[int, NDArray[np.float32]]:
        """The squared distances that occur in each class up to its ceiling, rising: no path can do with others."""
        found = {k: np.zeros(0, np.float32) for k in ceilings}
        for first, end in self._slabs():
            a, b = max(first, ends[0]), min(end, ends[1])
            if a < b:
                labels, far = self._labels.slices(a, b), squared.slices(a, b)
                for k, most in ceilings.items():
                    found[k] = np.union1d(found[k], far[(labels == k) & (far <= most)])
        return found

    def _passing(self, squared: Scratch, least: Mapping[int, np.float32], ends: tuple[int, int]) -> set[int]:
        """The classes whose places of at least a squared distance hang together from end to end."""
        table = np.full(256, np.inf, np.float32)
        table[list(least)] = list(least.values())
        seams = Seams(self._neighbours, ONLY_AT_SEAMS)
        for first, end in self._slabs():
            a, b = max(first, ends[0]), min(end, ends[1])
            if a < b:
                with part(first / squared.shape[0], end / squared.shape[0]):
                    labels = self._labels.slices(a, b)
                    seams.add(np.where(squared.slices(a, b) >= translated(labels, table), labels, np.uint8(0)))
        return seams.spanning()


def _of_rows(first: int, end: int, height: int) -> tuple[float, float]:
    """The second half of the work is done some rows of all slices at a time."""
    return 1.0 + first / height, 1.0 + end / height


@compiled
def _widest(
    labels: LabelVolume, squared: NDArray[np.float32], widest: NDArray[np.float32], first: int, end: int
) -> None:
    for z in range(first, end):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                if squared[z, y, x] > widest[z, labels[z, y, x]]:
                    widest[z, labels[z, y, x]] = squared[z, y, x]
