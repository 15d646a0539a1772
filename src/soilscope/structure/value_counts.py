"""How often each value occurs, of figures that take few values: medians and histograms of what is never held as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.scratch import Box
from soilscope.types import FloatProfile, LabelVolume

__all__ = ["SliceCounts", "ValueCounts"]

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ValueCounts:
    """Rising values and how often each occurs, shape (n,) both."""

    values: Values = field(default_factory=lambda: np.zeros(0, np.float32))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, values: Values) -> ValueCounts:
        """Of an array."""
        return cls(*np.unique(values, return_counts=True))

    def __add__(self, other: ValueCounts) -> ValueCounts:
        if not len(self.values) or not len(other.values):
            return self if len(self.values) else other
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return ValueCounts(values, counts)

    @property
    def number(self) -> int:
        """How many there are in all."""
        return int(self.counts.sum())

    def median(self) -> float:
        """As ``np.median`` has it of all of them; NaN where there is none."""
        if not self.number:
            return float("nan")
        reached = np.cumsum(self.counts)
        middle = [(self.number - 1) // 2, self.number // 2]
        return float(np.mean(self.values[np.searchsorted(reached, middle, side="right")]))


class SliceCounts:
    """Values of each label in each slice, from blocks in any order."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._found: dict[int, list[ValueCounts]] = {}

    def take(self, block: Box, labels: LabelVolume, values: Values, _bound: float) -> None:
        """A block's values; 0 is none."""
        for z, (own, plane) in enumerate(zip(labels, values, strict=True), start=block[0][0]):
            for label in np.flatnonzero(np.bincount(own.ravel(), minlength=256)[1:]) + 1:
                mine = self._found.setdefault(int(label), [ValueCounts()] * self._depth)
                mine[z] = mine[z] + ValueCounts.of(plane[own == label])

    def of(self, label: int) -> list[ValueCounts]:
        """Slice by slice."""
        return self._found.get(label, [ValueCounts()] * self._depth)

    def medians(self, label: int) -> tuple[FloatProfile, float]:
        """Of each slice and of all of them."""
        mine = self.of(label)
        return np.array([one.median() for one in mine]), self.whole(label).median()

    def whole(self, label: int) -> ValueCounts:
        """All slices together."""
        total = ValueCounts()
        for one in self.of(label):
            total = total + one
        return total
