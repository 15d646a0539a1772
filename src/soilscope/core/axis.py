"""The axis of a cylinder through the circles of its slices: upright, or leaning along a straight line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.core.circle import Circles

__all__ = ["Axis", "axis_through"]

UPRIGHT_PX = 0.25
"""An axis that leans by less than this over the whole core counts as upright: it is below what a circle fit can tell."""

LEAST_GOOD = 0.5
"""Share of the slices in which a circle must be seen."""

OFF_LINE_PX = 2.0
"""Slices whose centre lies further than this from the axis do not help to find it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Centre of each slice, arrays of shape (z,), in mm, and the outer radius in mm."""

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    radius: float

    @property
    def upright(self) -> bool:
        """Whether all slices share one centre."""
        return bool(np.ptp(self.y) == 0 and np.ptp(self.x) == 0)


def axis_through(circles: Circles, pixel_mm: float) -> Axis | None:
    """A straight axis, or None where too few slices show a circle or the circles do not line up."""
    good = np.flatnonzero(circles.good)
    if good.size < max(1, LEAST_GOOD * circles.good.size):
        return None
    radius = float(np.median(circles.radius[good]))
    good = good[np.abs(circles.radius[good] - radius) <= OFF_LINE_PX * pixel_mm]
    if good.size < max(1, LEAST_GOOD * circles.good.size):
        return None
    lines = [_line(good, of[good], circles.good.size, pixel_mm) for of in (circles.y, circles.x)]
    off = np.hypot(circles.y[good] - lines[0][good], circles.x[good] - lines[1][good])
    if np.mean(off <= OFF_LINE_PX * pixel_mm) < LEAST_GOOD:
        return None
    return Axis(lines[0], lines[1], radius)


def _line(index: NDArray[np.int_], centre: NDArray[np.float64], depth: int, pixel_mm: float) -> NDArray[np.float64]:
    """Robust straight line: least squares, refitted without what lies off it; a constant where it hardly leans."""
    middle = float(np.median(centre))
    if index.size < 3:
        return np.full(depth, middle)
    chosen = np.abs(centre - np.median(centre)) <= max(np.ptp(centre), pixel_mm)
    slope, start = 0.0, middle
    for _ in range(3):
        slope, start = np.polyfit(index[chosen], centre[chosen], 1)
        chosen = np.abs(centre - (start + slope * index)) <= OFF_LINE_PX * pixel_mm
        if chosen.sum() < 3:
            return np.full(depth, middle)
    if abs(slope) * (depth - 1) < UPRIGHT_PX * pixel_mm:
        return np.full(depth, middle)
    return np.asarray(start + slope * np.arange(depth), dtype=np.float64)
