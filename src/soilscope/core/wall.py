"""Wall told from soil: the wall is the outermost ring in which the values hardly differ from each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.axis import Axis
from soilscope.core.half import Cut
from soilscope.volume import Volume

__all__ = ["Wall", "distance_mm", "find_wall"]

Profile = NDArray[Any]
Rings = tuple[Profile, Profile, Profile, Profile]

BAND = 0.3
"""The outer share of the radius in which a wall is looked for first."""

LEAST_BAND_PX = 12.0
"""In small scans the band is at least this wide, so that most of it is soil: a wall of three voxels and its blur take six."""

WIDE_BAND = 0.9
"""Where the first band holds too little soil to compare with, as with a thick wall, nearly all of the radius is looked at."""

LEAST_SOIL = 0.5
"""Share of the band that must be soil."""

BINS_PER_PIXEL = 4
MOST_SLICES = 160
"""Slices whose rings are averaged; more change nothing."""

WALL_SPREAD = 0.5
"""A ring whose values spread less than this share of the soil's spread is a wall."""

SHARP = 0.5
"""A wall whose values spread less than half a HU (or grey value) is free of noise, and its edge exact."""

NO_PLATEAU_PX = 1.25
"""A calmest ring nearer to the outline than this lies where the wall blurs into air: the wall is thinner than the blur, and its own
level is not seen."""

BRIGHT_SHARE = 0.5
"""A ring is a bright wall if it stands above the soil by this share of what soil stands above the level of air,"""

STEEP_PX = 1.25
"""and rises from half to four fifths of its height within so many voxels: beam hardening brightens a core's rim over many more."""

CUT_MARGIN_PX = 3.0
"""Beside the flat side of half a core, so many voxels of blur are not looked at."""

SEARCH_PX = 2.0
"""How far from the smooth estimate the exact edge of a noise-free wall is looked for."""

EXACT_PX = 1.0
"""An exact edge further from the smooth estimate than this is the begin of a blur, and no edge."""

OUTLINE_PX = 1.5
"""The outline of a bright wall, drawn halfway from air to soil, lies up to so far outside it: rings of air there are no wall."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Inner radius in mm, and the wall's own level and spread; level is None where the soil has no wall.

    ``blurred`` where the calmest ring lies where the wall blurs into air, so that its own level may nowhere be seen;
    ``bright`` where it stands out above the soil.
    """

    inner_mm: float
    level: float | None
    spread: float
    blurred: bool = False
    bright: bool = False


def distance_mm(
    shape: tuple[int, int], centre: tuple[float, float], spacing_mm: tuple[float, float]
) -> NDArray[np.float64]:
    """Distance of each voxel's centre from the axis in one slice, shape (y, x), in mm."""
    y = np.arange(shape[0]) * spacing_mm[0] - centre[0]
    x = np.arange(shape[1]) * spacing_mm[1] - centre[1]
    return np.asarray(np.sqrt((y**2)[:, None] + (x**2)[None, :]))


def find_wall(
    vol: Volume, axis: Axis, air: float, cut: Cut | None = None, slices: NDArray[np.int_] | None = None
) -> Wall:
    """The inner radius of the tube, or the outer one where there is no tube.

    What is below ``air``, the value that parts air from the body, is no wall. What is not valid, such as a gap, does not count; of
    half a core, only its own side is looked at. The rings are taken from some slices, where they are named.
    """
    pixel = min(vol.spacing_mm[1:])
    side = None if cut is None else replace(cut, offset_mm=cut.offset_mm - CUT_MARGIN_PX * pixel)
    slices = np.arange(vol.shape[0]) if slices is None else slices
    narrow = min(max(axis.radius * BAND, LEAST_BAND_PX * pixel), axis.radius)
    for band in (narrow, max(WIDE_BAND * axis.radius, narrow)):
        rings = _without_air(_rings(vol, axis, slices, (band, side)), air, axis.radius - OUTLINE_PX * pixel)
        bright = None if rings is None else _bright_stretch(rings, axis.radius, (air, pixel))
        calm = bright or (None if rings is None else _calm_stretch(rings, axis.radius))
        if rings is not None and calm is not None and rings[0][calm[0]] - rings[0][0] >= LEAST_SOIL * band:
            break
    if rings is None or calm is None:
        return Wall(axis.radius, None, np.nan)
    (radius, mean, spread, square), at = rings, calm[1]
    level = float(mean[at])
    away = np.sqrt(np.maximum(square - 2 * level * mean + level**2, 0.0))
    outer = min(axis.radius, radius[-1] + pixel / BINS_PER_PIXEL)
    blurred = bright is None and outer - radius[at] < NO_PLATEAU_PX * pixel
    if blurred:
        away = spread - spread[at]  # the soil's unevenness is halved at its edge, whatever the wall reads
    inner = _half_way(radius[: at + 1], away[: at + 1], pixel)
    if spread[at] < SHARP:
        exact = _exact(vol, axis, Wall(inner, level, float(spread[at])), (float(radius[at]), side))
        inner = exact if abs(exact - inner) <= EXACT_PX * pixel else inner
    return Wall(inner, level, float(spread[at]), blurred and bool(spread[at] >= SHARP), bright is not None)


def _without_air(rings: Rings | None, air: float, from_mm: float) -> Rings | None:
    """Without the outermost rings beyond a radius that read air."""
    if rings is None:
        return None
    radius, mean, spread, square = rings
    count = len(radius)
    while count > 1 and radius[count - 1] > from_mm and mean[count - 1] < air:
        count -= 1
    return radius[:count], mean[:count], spread[:count], square[:count]


def _calm_stretch(rings: Rings, outer_mm: float) -> tuple[int, int] | None:
    """Innermost and calmest ring of the wall; None where no ring is calm beside the soil further in."""
    radius, _, spread, _ = rings
    soil = spread[radius < (radius[0] + outer_mm) / 2]
    usual = float(np.median(soil)) if soil.size else np.nan
    at = _first_calm(spread)
    if at is None or not spread[at] < WALL_SPREAD * usual:
        return None
    first = at
    while first > 0 and spread[first - 1] < WALL_SPREAD * usual:
        first -= 1
    return first, at


def _bright_stretch(rings: Rings, outer_mm: float, scale: tuple[float, float]) -> tuple[int, int] | None:
    """Innermost and brightest ring of a wall brighter than the soil further in; None where there is no such ridge.

    A bright wall of few voxels blurs, and its values differ then from each other as much as the soil's do.
    """
    (radius, mean, spread, _), (air, pixel) = rings, scale
    inner = radius < (radius[0] + outer_mm) / 2
    if not inner.any():
        return None
    soil, usual = float(np.median(mean[inner])), float(np.median(spread[inner]))
    at = int(np.argmax(mean))
    height = float(mean[at]) - soil
    if inner[at] or height <= max(usual, 2 * float(spread[at]), BRIGHT_SHARE * (soil - air)):
        return None
    first = int(np.flatnonzero(mean[:at] < soil + 0.5 * height)[-1]) + 1
    steep = int(np.flatnonzero(mean[:at] < soil + 0.8 * height)[-1]) + 1
    return (first, at) if radius[steep] - radius[first] <= STEEP_PX * pixel else None


def _rings(vol: Volume, axis: Axis, slices: NDArray[np.int_], where: tuple[float, Cut | None]) -> Rings | None:
    """Radius (inner first), mean, spread and mean square of the valid values in thin rings below the outline."""
    values, spacing_mm = vol.values, vol.spacing_mm[1:]
    width, side = min(spacing_mm) / BINS_PER_PIXEL, where[1]
    first = axis.radius - where[0]
    count = int((axis.radius - first) / width)
    if count < 3 * BINS_PER_PIXEL:
        return None
    sums = np.zeros((3, count))
    chosen = slices[np.unique(np.linspace(0, len(slices) - 1, min(len(slices), MOST_SLICES)).astype(int))]
    ring: NDArray[np.int_] = np.empty(0, int)
    inside: NDArray[np.bool_] = np.empty(0, bool)
    for n, k in enumerate(chosen):
        if n == 0 or not axis.upright:
            away = distance_mm(values.shape[1:], (axis.y[k], axis.x[k]), spacing_mm)
            number = np.floor((away - first) / width).astype(int)
            inside = (number >= 0) & (number < count) & _beside(vol, axis, k, side)
            ring = number[inside]
        valid = vol.valid[k][inside]
        found, held = values[k][inside][valid].astype(np.float64), ring[valid]
        sums[0] += np.bincount(held, minlength=count)
        sums[1] += np.bincount(held, found, count)
        sums[2] += np.bincount(held, found**2, count)
    kept = sums[0] > 0
    if not kept.any():
        return None
    number, total, squares = sums[:, kept]
    mean, square = np.asarray(total / number), np.asarray(squares / number)
    radius: Profile = first + (np.flatnonzero(kept) + 0.5) * width
    return radius, mean, np.sqrt(np.maximum(square - mean**2, 0.0)), square


def _first_calm(spread: NDArray[np.float64]) -> int | None:
    """From the outline inwards, the first ring whose spread is least before it rises again for a whole voxel."""
    best: int | None = None
    for k in range(len(spread) - 1, -1, -1):
        if best is None or spread[k] < spread[best]:
            best = k
        elif best - k > 2 * BINS_PER_PIXEL and spread[k] > 2 * spread[best] + SHARP:
            break
    return best


def _half_way(radius: NDArray[np.float64], away: NDArray[np.float64], pixel: float) -> float:
    """Inwards from the wall, where the values' distance from the wall's level reaches half of the soil's."""
    near = radius >= radius[-1] - 12 * pixel
    soil = float(np.median(away[near]))
    half = (away[-1] + max(soil, float(np.median(away)))) / 2
    beyond = np.flatnonzero(away >= half)
    if not beyond.size:
        return float(radius[-1])
    k = int(beyond[-1])
    if k + 1 >= len(away):
        return float(radius[k])
    part = (away[k] - half) / max(away[k] - away[k + 1], 1e-12)
    return float(radius[k] + part * (radius[k + 1] - radius[k]))


def _beside(vol: Volume, axis: Axis, k: int, side: Cut | None) -> NDArray[np.bool_]:
    """Voxels of slice ``k`` on the side that is looked at; all of them in a whole core."""
    shape = (vol.shape[1], vol.shape[2])
    if side is None:
        return np.ones(shape, bool)
    return side.keeps(shape, (float(axis.y[k]), float(axis.x[k])), vol.spacing_mm[1:])


def _exact(vol: Volume, axis: Axis, wall: Wall, where: tuple[float, Cut | None]) -> float:
    """Without noise the edge is the distance of the outermost valid voxel within a radius that does not hold the wall's value."""
    values, spacing_mm, (within_mm, side) = vol.values, vol.spacing_mm[1:], where
    reach = SEARCH_PX * min(spacing_mm)
    furthest = 0.0
    away = np.empty(0)
    near: NDArray[np.bool_] = np.empty(0, bool)
    for k in range(len(values)):
        if k == 0 or not axis.upright:
            full = distance_mm(values.shape[1:], (axis.y[k], axis.x[k]), spacing_mm)
            near = (np.abs(full - wall.inner_mm) <= reach) & (full < within_mm) & _beside(vol, axis, k, side)
            away = full[near]
        other = vol.valid[k][near] & (np.abs(values[k][near] - np.float64(wall.level or 0.0)) > SHARP)
        if other.any():
            furthest = max(furthest, float(away[other].max()))
    return furthest + 1e-6 * min(spacing_mm) if furthest else wall.inner_mm
