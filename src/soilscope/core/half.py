"""Half cores: a core split lengthwise shows half a circle and, across it, a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soilscope.core.axis import Axis
from soilscope.core.circle import ON_CIRCLE_PX, Points
from soilscope.volume import Volume

__all__ = ["Cut", "at_half_height", "cut_of"]

WELL_INSIDE = 0.1
"""Outline points nearer to the axis than the circle by this share of the radius do not belong to a whole core."""

LEAST_INSIDE = 0.12
"""Share of the outline that lies well inside the circle where a core was split; pores open to the rim show less."""

ON_LINE_PX = 2.0
LEAST_ON_LINE = 0.6
"""Share of the points well inside that must lie on one straight line."""

FURTHEST = 0.85
"""A cut further from the axis than this share of the radius takes away less than a tenth of the core, and is none."""

LEAST_SLICES = 0.5
ALIKE_DEG = 5.0
"""Slices whose line is turned by more than this against the median show something else."""

LINE_DRAWS = 60

FLAT_SHARE = 0.75
"""The flat side is looked at within this share of the radius, clear of a tube's own edges."""

REACH_PX, PLATEAU_PX = 8.0, 4.0
"""How far on either side of the flat side values are looked at, and from where on they are free of its blur."""

MOST_MOVED_PX = 2.0
STEPS_A_PX = 4


@dataclass(frozen=True, slots=True)
class Cut:
    """A plane along the axis: soil lies where ``(y - axis) * y + (x - axis) * x <= offset_mm``; (y, x) is a unit vector."""

    y: float
    x: float
    offset_mm: float

    def keeps(
        self, shape: tuple[int, int], centre: tuple[float, float], spacing_mm: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """Voxels of one slice on the soil's side, shape (y, x)."""
        y = np.arange(shape[0]) * spacing_mm[0] - centre[0]
        x = np.arange(shape[1]) * spacing_mm[1] - centre[1]
        return np.asarray((y * self.y)[:, None] + (x * self.x)[None, :] <= self.offset_mm)


def cut_of(outlines: Sequence[Points], axis: Axis, pixel_mm: float) -> Cut | None:
    """The plane along which a core was split, or None where the outline goes all the way round."""
    lines = []
    for points, y, x in zip(outlines, axis.y, axis.x, strict=True):
        line = _line(points - (y, x), axis.radius, pixel_mm)
        if line is not None:
            lines.append(line)
    if len(lines) < max(1, LEAST_SLICES * len(outlines)):
        return None
    normals = np.asarray([(y, x) for y, x, _ in lines])
    middle = np.median(normals, axis=0)
    middle /= np.linalg.norm(middle)
    alike = normals @ middle >= np.cos(np.deg2rad(ALIKE_DEG))
    if np.count_nonzero(alike) < LEAST_SLICES * len(outlines):
        return None
    offsets = np.asarray([offset for *_, offset in lines])[alike]
    normal = normals[alike].mean(axis=0)
    normal /= np.linalg.norm(normal)
    return Cut(float(normal[0]), float(normal[1]), float(np.median(offsets)))


def at_half_height(cut: Cut, vol: Volume, axis: Axis) -> Cut:
    """The flat side where values are half way between soil and air, which blur does not move.

    Outlines are drawn at a fixed value, and lie outside of dense soil that is blurred. Of all slices together the mean value over
    the distance from the flat side falls from the soil's to that of air; headspace and pores lower it on the soil's side alone.
    """
    _, dy, dx = vol.spacing_mm
    pixel, (_, ny, nx) = max(dy, dx), vol.shape
    edges = np.arange(-REACH_PX, REACH_PX + 1e-9, 1 / STEPS_A_PX) * pixel
    sums, counts = np.zeros(len(edges) + 1), np.zeros(len(edges) + 1)
    for plane, ok, y, x in zip(vol.values, vol.valid, axis.y, axis.x, strict=True):
        rows, columns = (np.arange(ny) * dy - y)[:, None], (np.arange(nx) * dx - x)[None, :]
        away = rows * cut.y + columns * cut.x - cut.offset_mm
        along = columns * cut.y - rows * cut.x
        seen = (np.abs(along) <= FLAT_SHARE * axis.radius) & (np.abs(away) < REACH_PX * pixel) & ok
        where = np.searchsorted(edges, away[seen])
        sums += np.bincount(where, plane[seen], len(edges) + 1)
        counts += np.bincount(where, minlength=len(edges) + 1)
    if not counts[1:-1].all():
        return cut
    mean, middle = sums[1:-1] / counts[1:-1], (edges[1:] + edges[:-1]) / 2
    soil, air = mean[middle < -PLATEAU_PX * pixel].mean(), mean[middle > PLATEAU_PX * pixel].mean()
    below = np.flatnonzero(mean <= (soil + air) / 2)
    if soil <= air or not below.size or below[0] == 0:
        return cut
    last = int(below[0])
    share = (mean[last - 1] - (soil + air) / 2) / (mean[last - 1] - mean[last])
    moved = float(middle[last - 1] + share * (middle[last] - middle[last - 1]))
    return replace(cut, offset_mm=cut.offset_mm + moved) if abs(moved) <= MOST_MOVED_PX * pixel else cut


def _line(points: Points, radius: float, pixel_mm: float) -> tuple[float, float, float] | None:
    """Normal (y, x), pointing out of the soil, and distance from the axis of the straight part of an outline."""
    if len(points) == 0:
        return None
    away = np.linalg.norm(points, axis=1)
    inner = points[away < radius - max(WELL_INSIDE * radius, 2 * ON_CIRCLE_PX * pixel_mm)]
    if len(inner) < LEAST_INSIDE * len(points) or len(inner) < 4:
        return None
    close = _on_best_line(inner, ON_LINE_PX * pixel_mm)
    if close.mean() < LEAST_ON_LINE:
        return None
    straight = inner[close]
    mean = straight.mean(axis=0)
    normal = np.linalg.svd(straight - mean, full_matrices=False)[2][1]
    around = points[np.abs(away - radius) <= ON_CIRCLE_PX * pixel_mm]
    if not len(around):
        return None
    soil = around.mean(axis=0)
    if normal @ (soil - mean) > 0:
        normal = -normal
    offset = float(normal @ mean)
    return None if abs(offset) > FURTHEST * radius else (float(normal[0]), float(normal[1]), offset)


def _on_best_line(points: Points, tolerance: float) -> NDArray[np.bool_]:
    """Points close to the line through two of them that most others are close to (RANSAC, the same draws every time)."""
    pairs = np.random.default_rng(0).integers(len(points), size=(LINE_DRAWS, 2))
    best = np.zeros(len(points), bool)
    for first, second in pairs:
        along = points[second] - points[first]
        length = float(np.linalg.norm(along))
        if length <= 4 * tolerance:
            continue
        offset = points - points[first]
        close = np.abs(offset[:, 0] * along[1] - offset[:, 1] * along[0]) / length <= tolerance
        if close.sum() > best.sum():
            best = close
    return best
