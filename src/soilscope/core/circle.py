"""The outline of whatever lies in air, slice by slice, and the circle through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.types import BoolVolume, ValueVolume

__all__ = [
    "LEAST_SHARE_OF_HALF",
    "ON_CIRCLE_PX",
    "Circle",
    "Circles",
    "Points",
    "fit_circle",
    "outline_mm",
    "slice_circles",
    "slice_outlines",
]

Points = NDArray[np.float64]

ON_CIRCLE_PX = 1.5
"""Outline points closer to the circle than this belong to it; those of a table or a label on the tube do not."""

LEAST_SHARE = 0.6
"""Share of a slice's outline that must lie on its circle."""

LEAST_SHARE_OF_HALF = 0.4
"""The same where the rest is a straight line: of a core split through its axis 0.58 to 0.66 lie on the circle, less of less."""

CLEAN_SHARE = 0.9
"""With so much of the outline on the first circle, no other one is looked for."""

LEAST_POINTS = 8
DRAWS = 80
"""Triples tried where a table or a holder disturbs the outline; with 60 % good points one in five hits three good ones."""

LEAST_RADIUS_PX = 6.0
"""Smaller things are no core."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Centre and radius in mm, from the centre of the first voxel, and the share of the outline that lies on it."""

    y: float
    x: float
    radius: float
    share: float


@dataclass(frozen=True, slots=True)
class Circles:
    """One circle a slice, arrays of shape (z,), in mm; ``good`` where the outline was a circle."""

    y: Points
    x: Points
    radius: Points
    good: NDArray[np.bool_]


def outline_mm(plane: NDArray[np.floating], level: float, spacing_mm: tuple[float, float]) -> Points:
    """First and last crossings of ``level`` along each row and column, shape (n, 2) as (y, x), interpolated between voxels.

    Parameters
    ----------
    plane : array, shape (y, x)
    level : float
        Between air and the body.
    spacing_mm : (dy, dx)
    """
    dy, dx = spacing_mm
    rows, x = _crossings(plane, level)
    columns, y = _crossings(plane.T, level)
    seen_x, seen_y = _inside(x, plane.shape[1]), _inside(y, plane.shape[0])
    rows, x, columns, y = rows[seen_x], x[seen_x], columns[seen_y], y[seen_y]
    along_rows = np.column_stack([rows * dy, x * dx])
    along_columns = np.column_stack([y * dy, columns * dx])
    return np.concatenate([along_rows, along_columns])


def _crossings(plane: NDArray[np.floating], level: float) -> tuple[NDArray[np.int_], Points]:
    """Row numbers and sub-voxel columns at which rows first and last pass ``level``."""
    above = plane > level
    rows = np.flatnonzero(above.any(axis=1))
    width = plane.shape[1]
    first = above[rows].argmax(axis=1)
    last = width - 1 - above[rows, ::-1].argmax(axis=1)
    into = _between(plane, level, (rows, first, first - 1))
    out = _between(plane, level, (rows, last, last + 1))
    return np.concatenate([rows, rows]), np.concatenate([into, out])


def _inside(places: Points, size: int) -> NDArray[np.bool_]:
    """Crossings within the picture; where a body reaches the picture's border, the border is not its outline."""
    return np.asarray((places > 0) & (places < size - 1))


def _between(
    plane: NDArray[np.floating], level: float, place: tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]]
) -> Points:
    """Where the line from the voxel above the level to its neighbour outside passes it; the edge itself at the border."""
    rows, inside, outside = place
    beyond = (outside < 0) | (outside >= plane.shape[1])
    safe = np.where(beyond, inside, outside)
    high = plane[rows, inside].astype(np.float64)
    low = plane[rows, safe].astype(np.float64)
    part = np.divide(high - level, high - low, out=np.zeros(len(rows)), where=high > low)
    return inside + (outside - inside) * part


def fit_circle(points: Points, tolerance: float) -> Circle | None:
    """Least-squares circle (Kåsa 1976, doi:10.1109/TIM.1976.6312298), outliers beyond ``tolerance`` left out; None if none."""
    if len(points) < LEAST_POINTS:
        return None
    middle = np.asarray([np.median(points[:, 0]), np.median(points[:, 1])])
    start = middle, float(np.median(np.linalg.norm(points - middle, axis=1)))
    plain = _refined(points, start, (16 * tolerance, 4 * tolerance, tolerance, tolerance))
    if plain is not None and plain.share >= CLEAN_SHARE:
        return plain
    return _refined(points, _through_three(points, tolerance), (tolerance, tolerance, tolerance)) or plain


def _refined(points: Points, start: tuple[Points, float], bounds: tuple[float, ...]) -> Circle | None:
    """Least squares again and again, with what lies within ever closer bounds of the last circle."""
    centre, radius = start
    for bound in bounds:
        chosen = np.abs(np.linalg.norm(points - centre, axis=1) - radius) <= bound
        if chosen.sum() < LEAST_POINTS:
            return None
        centre, radius = _kasa(points[chosen])
    off = np.abs(np.linalg.norm(points - centre, axis=1) - radius)
    return Circle(float(centre[0]), float(centre[1]), radius, float((off <= bounds[-1]).mean()))


def _through_three(points: Points, tolerance: float) -> tuple[Points, float]:
    """The circle through three outline points that most others lie on (RANSAC, with the same draws every time)."""
    triples = np.random.default_rng(0).integers(len(points), size=(DRAWS, 3))
    best, most = (points.mean(axis=0), 0.0), -1
    for triple in triples:
        centre, radius = _kasa(points[triple])
        count = int(np.count_nonzero(np.abs(np.linalg.norm(points - centre, axis=1) - radius) <= tolerance))
        if count > most:
            best, most = (centre, radius), count
    return best


def _kasa(points: Points) -> tuple[Points, float]:
    mean = points.mean(axis=0)
    y, x = (points - mean).T
    system = np.column_stack([y, x, np.ones(len(points))])
    (b, a, c), *_ = np.linalg.lstsq(system, y**2 + x**2, rcond=None)
    shift = np.asarray([b / 2, a / 2])
    return mean + shift, float(np.sqrt(max(c + shift @ shift, 0.0)))


def slice_circles(
    outlines: Sequence[Points], spacing_mm: tuple[float, float], least_share: float = LEAST_SHARE
) -> Circles:
    """The circle of each slice, from the slices' outlines; good where at least a share of the outline lies on it."""
    pixel = max(spacing_mm)
    found = np.full((4, len(outlines)), np.nan)
    for k, points in enumerate(outlines):
        circle = fit_circle(points, ON_CIRCLE_PX * pixel)
        if circle is not None:
            found[:, k] = circle.y, circle.x, circle.radius, circle.share
    good = (found[3] >= least_share) & (found[2] >= LEAST_RADIUS_PX * pixel)
    return Circles(found[0], found[1], found[2], good)


def slice_outlines(
    values: ValueVolume, valid: BoolVolume, level: float, spacing_mm: tuple[float, float]
) -> list[Points]:
    """The outline of what is above the level in each slice, voxels that are not valid taken for air."""
    lowest = values.min()
    outlines = []
    for plane, ok in zip(values, valid, strict=True):
        seen = plane if ok.all() else np.where(ok, plane, lowest)
        outlines.append(outline_mm(seen, level, spacing_mm))
    return outlines
