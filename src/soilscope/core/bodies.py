"""Tubes told apart where a scan holds several, and from the table a tube lies on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.core.circle import ON_CIRCLE_PX, Circle, Points, fit_circle, outline_mm
from soilscope.types import BoolVolume, ValueVolume

__all__ = ["Tube", "around", "region_of", "tubes_in"]

LOOKED_AT = 9
"""Slices, evenly spread, in which bodies are told apart."""

LEAST_SHARE = 0.6
"""Share of a body's outline on its circle; half a core shows two thirds, one of two tubes that touch a half."""

TOUCHING_SHARE = 0.2
"""Share of a joint outline that a circle must hold to count as one of several tubes that touch."""

LEAST_ROUND, LEAST_SEEN = 0.55, 0.4
"""Share of its circumference that a tube shows beside the table it lies on; among others that it touches."""

SECTORS = 36
"""In which a tube's outline is looked for all around."""

AROUND = 1.1
"""A table is cut off this far from the axis, in outer radii; three voxels off at least."""

TOGETHER_SHARE = 0.75
MOST_TOUCHING = 6

ALIKE = 0.4
"""Bodies smaller than this share of the largest radius are rods and labels, no cores."""

LEAST_RADIUS_PX = 6.0


@dataclass(frozen=True, slots=True)
class Tube:
    """Centre in each slice looked at, arrays of shape (n,) in mm, and the outer radius in mm."""

    slices: NDArray[np.int_]
    y: Points
    x: Points
    radius: float

    def centre(self, slices: NDArray[np.int_]) -> tuple[Points, Points]:
        """Centre in any slice, by a straight line through those seen."""
        if len(self.slices) < 2:
            return np.full(len(slices), self.y.mean()), np.full(len(slices), self.x.mean())
        y, x = (np.polynomial.Polynomial.fit(self.slices, of, 1)(slices) for of in (self.y, self.x))
        return np.asarray(y, np.float64), np.asarray(x, np.float64)


def tubes_in(values: ValueVolume, valid: BoolVolume, level: float, spacing_mm: tuple[float, float]) -> tuple[Tube, ...]:
    """Bodies of about one size that are round, row by row; one where the scan holds one core."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(LOOKED_AT, len(values))).round().astype(int))
    groups: list[list[tuple[int, Circle]]] = []
    for k in chosen:
        body = (values[k] > level) & valid[k]
        for circle in _alike(list(_round_bodies(body, spacing_mm))):
            _join(groups, int(k), circle)
    kept = [g for g in groups if len(g) > len(chosen) / 2]
    found = [_tube(g) for g in kept]
    largest = max((tube.radius for tube in found), default=0.0)
    alike = [t for t in found if t.radius >= ALIKE * largest]
    return tuple(sorted(alike, key=lambda t: (round(float(t.y.mean()) / largest), float(t.x.mean()))))


def region_of(tubes: tuple[Tube, ...], chosen: int, valid: BoolVolume, spacing_mm: tuple[float, float]) -> BoolVolume:
    """Valid voxels nearer to the outline of the chosen tube (from 0) than to that of any other."""
    dy, dx = spacing_mm
    depth, ny, nx = valid.shape
    centres = [tube.centre(np.arange(depth)) for tube in tubes]
    region = np.empty_like(valid)
    for k in range(depth):
        beyond = np.stack(
            [
                np.hypot((np.arange(ny) * dy - y[k])[:, None], (np.arange(nx) * dx - x[k])[None, :]) - tube.radius
                for tube, (y, x) in zip(tubes, centres, strict=True)
            ]
        )
        region[k] = valid[k] & (beyond.argmin(axis=0) == chosen)
    return region


def around(tube: Tube, valid: BoolVolume, spacing_mm: tuple[float, float]) -> BoolVolume:
    """Valid voxels of the tube and a rim around it: without the table it lies on, save where the two touch."""
    dy, dx = spacing_mm
    depth, ny, nx = valid.shape
    y, x = tube.centre(np.arange(depth))
    radius = max(AROUND * tube.radius, tube.radius + 3.0 * max(spacing_mm))
    region = np.empty_like(valid)
    for k in range(depth):
        reach = radius**2 - (np.arange(ny) * dy - y[k]) ** 2
        np.less_equal(((np.arange(nx) * dx - x[k]) ** 2)[None, :], reach[:, None], out=region[k])
        region[k] &= valid[k]
    return region


def _round_bodies(body: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Iterator[Circle]:
    """Circles of a slice's connected bodies; of one that is not round, the circles it is joined from.

    What shows most of its own circumference beside something else is a tube on a table.
    """
    pixel = max(spacing_mm)
    labels, _ = ndimage.label(body)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if min(side.stop - side.start for side in box) < 2 * LEAST_RADIUS_PX:
            continue
        grown = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        points = outline_mm((labels[grown] == number).astype(np.float32), 0.5, spacing_mm)
        points += (grown[0].start * spacing_mm[0], grown[1].start * spacing_mm[1])
        circle = fit_circle(points, ON_CIRCLE_PX * pixel)
        if circle is not None and circle.share >= LEAST_SHARE and circle.radius >= LEAST_RADIUS_PX * pixel:
            yield circle
        else:
            yield from _touching(points, ON_CIRCLE_PX * pixel, LEAST_RADIUS_PX * pixel)


def _touching(points: Points, tolerance: float, least_mm: float) -> list[Circle]:
    """Circles of tubes that touch, one taken away after the other; where they do not make up the outline, those that are round."""
    found: list[Circle] = []
    left, share = points, 0.0
    while len(found) < MOST_TOUCHING:
        circle = fit_circle(left, tolerance)
        if circle is None or circle.share * len(left) < TOUCHING_SHARE * len(points):
            break
        found.append(circle)
        share += circle.share * len(left) / len(points)
        off = np.abs(np.hypot(left[:, 0] - circle.y, left[:, 1] - circle.x) - circle.radius)
        left = left[off > 2 * tolerance]
    radii = [circle.radius for circle in found]
    joined = len(found) > 1 and share >= TOGETHER_SHARE and min(radii) >= ALIKE * max(radii)
    seen = [_seen_of(points, circle, tolerance) for circle in found]
    if joined and min(seen) >= LEAST_SEEN:
        return found
    return [c for c, share in zip(found, seen, strict=True) if share >= LEAST_ROUND and c.radius >= least_mm]


def _seen_of(points: Points, circle: Circle, tolerance: float) -> float:
    """How much of a circle's circumference the outline follows."""
    dy, dx = points[:, 0] - circle.y, points[:, 1] - circle.x
    on = np.abs(np.hypot(dy, dx) - circle.radius) <= tolerance
    sectors = np.unique(np.floor((np.arctan2(dy[on], dx[on]) / (2 * np.pi) + 0.5) * SECTORS))
    return len(sectors) / SECTORS


def _alike(circles: list[Circle]) -> list[Circle]:
    """Circles of about the largest one's size that do not lie within another, as clods within a tube do."""
    largest = max((c.radius for c in circles), default=0.0)
    kept: list[Circle] = []
    for circle in sorted(circles, key=lambda c: -c.radius):
        apart = all(np.hypot(circle.y - k.y, circle.x - k.x) > k.radius for k in kept)
        if circle.radius >= ALIKE * largest and apart:
            kept.append(circle)
    return kept


def _join(groups: list[list[tuple[int, Circle]]], k: int, circle: Circle) -> None:
    """Put a circle to the one it lies over in a slice above, or begin another tube with it."""
    for group in groups:
        last = group[-1][1]
        if group[-1][0] != k and np.hypot(circle.y - last.y, circle.x - last.x) < max(circle.radius, last.radius) / 2:
            group.append((k, circle))
            return
    groups.append([(k, circle)])


def _tube(group: list[tuple[int, Circle]]) -> Tube:
    circles = [circle for _, circle in group]
    return Tube(
        np.asarray([k for k, _ in group]),
        np.asarray([c.y for c in circles]),
        np.asarray([c.x for c in circles]),
        float(np.median([c.radius for c in circles])),
    )
