"""The usual value among many: where a histogram's densest stretch lies, found again in each of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Bins", "half_width", "mode_near", "overall_mode"]

Counts = NDArray[np.float64]

MOST_BINS = 4096
SMOOTH = 0.008
"""Smoothing before a mode is taken, as a share of the range of values: some 30 of a CT scanner's 4096 HU."""

STEPS = 60
"""Mean shift takes some ten steps to stand still."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of one width over the values' range, whole numbers wide for whole values."""

    low: float
    width: float
    count: int

    @classmethod
    def over(cls, low: float, high: float, *, whole: bool) -> Bins:
        """Bins from ``low`` to ``high``."""
        width = (high - low + whole) / MOST_BINS
        if whole:
            width = max(1.0, float(np.ceil(width)))
        if width <= 0:
            return cls(low, 1.0, 1)
        return cls(low - 0.5 * whole, width, int(np.ceil((high - low + whole) / width - 1e-9)))

    def number(self, values: NDArray[np.generic]) -> NDArray[np.int64]:
        """Bin of each value; values beyond the ends go to the outermost bins."""
        found = np.floor((values.astype(np.float32) - np.float32(self.low)) / np.float32(self.width))
        return np.asarray(np.clip(found, 0, self.count - 1), np.int64)

    @property
    def centres(self) -> Counts:
        """Middle of each bin."""
        return np.asarray(self.low + (np.arange(self.count) + 0.5) * self.width)


def overall_mode(counts: Counts, bins: Bins, above: float) -> tuple[float, float] | None:
    """The densest value above a level, and half the width at half its height; None where nothing lies above."""
    smooth = ndimage.gaussian_filter1d(counts, max(SMOOTH * bins.count, 0.5), mode="constant")
    smooth = np.where(bins.centres > above, smooth, 0.0)
    if not smooth.any():
        return None
    at = int(smooth.argmax())
    return float(bins.centres[at]), half_width(smooth, bins, at)


def half_width(smooth: Counts, bins: Bins, at: int) -> float:
    """Half the width of a smoothed peak at half its height; the narrower side counts twice, so a shoulder does not widen it."""
    low = at
    while low > 0 and smooth[low] > smooth[at] / 2:
        low -= 1
    high = at
    while high < len(smooth) - 1 and smooth[high] > smooth[at] / 2:
        high += 1
    return max(min(at - low, high - at), 1) * bins.width


def mode_near(counts: Counts, bins: Bins, start: float, reach: float) -> float:
    """The mean of the values within ``reach`` of itself, from ``start`` on (mean shift); NaN where nothing is near.

    A histogram moved by some amount has its mode moved by just that amount, whatever else it holds far away.
    """
    total = np.concatenate([[0.0], np.cumsum(counts)])
    weighted = np.concatenate([[0.0], np.cumsum(counts * bins.centres)])
    edges = bins.low + np.arange(bins.count + 1) * bins.width
    middle = start
    for _ in range(STEPS):
        near = np.interp([middle - reach, middle + reach], edges, total)
        sums = np.interp([middle - reach, middle + reach], edges, weighted)
        if near[1] - near[0] <= 0:
            return float("nan")
        moved = float((sums[1] - sums[0]) / (near[1] - near[0]))
        if abs(moved - middle) < 1e-3 * bins.width:
            return moved
        middle = moved
    return middle
