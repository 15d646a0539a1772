"""What the tube's wall reads, freed from the blur that mixes it with soil and air."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr

from soilscope.core.half import Cut
from soilscope.core.wall import distance_mm
from soilscope.volume import Volume

__all__ = ["TubeWall", "WallShape", "WallValue", "wall_shape", "wall_value"]

BINS_PER_PIXEL = 4
MOST_SLICES = 40
"""Slices that are averaged; more change nothing."""

SOIL_PX = 6.0
AIR_PX = 6.0
"""How far the profile reaches into the soil and into the air beside the tube."""

EDGE_PX = 1.0
EDGE_BLURS = 3.0
"""Nearer to an edge of the wall than a voxel or three standard deviations of the blur (0.1 %) nothing is a plateau."""

LEAST_PLATEAU_PX = 1.0

LEAST_WALL_PX = 2.5
LEAST_BLURS = 3.0
"""A wall thinner than three standard deviations of the blur cannot be told from it: errors of the fit grow beyond a hundredth."""

LEAST_BLUR_PX = 0.15
SHARP_PX = 0.35
"""A narrower blur is not told from none: the middle of a thin wall then reads what the wall does."""
STARTS_PX = (0.3, 0.6, 1.2, 2.4)
"""Standard deviations of the blur from which the fit is started."""

CUT_MARGIN_PX = 3.0
"""Beside the flat side of half a core, so many voxels of blur are not looked at."""

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TubeWall:
    """Where the wall lies: the axis in each slice and both radii in mm, the soil's first slice and the one after its last."""

    y: Profile
    x: Profile
    inner: float
    outer: float
    ends: tuple[int, int]
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class WallValue:
    """The wall's own value, the highest that its mean profile reaches, and the blur's standard deviation in mm."""

    value: float
    highest: float
    blur_mm: float


@dataclass(frozen=True, slots=True)
class WallShape:
    """The wall's mean profile, shape (ring,), and what fits it: the wall's value, its outer edge, and the blur, lengths in mm.

    ``highest`` is the most that the profile reaches within the wall.
    """

    radius: Profile
    mean: Profile
    air: float
    wall: float
    outer: float
    blur: float
    highest: float


def wall_value(scan: Volume, tube: TubeWall, air: float) -> WallValue | None:
    """The value of the wall where nothing but wall is seen, or where that is nowhere, from the shape of its blurred profile.

    Parameters
    ----------
    scan : Volume
        As read.
    tube : TubeWall
    air : float
        What air reads.

    Returns
    -------
    WallValue or None
        None where the wall is thinner than two and a half voxels or three standard deviations of the blur, or not seen.

    Notes
    -----
    The fit is that of :func:`wall_shape`. Where a voxel or more lies further than three s from both edges, the value is the
    mean of the plateau there; where there is no blur, the highest of the profile.
    """
    pixel = max(scan.spacing_mm[1:])
    seen = wall_shape(scan, tube, air)
    if seen is None:
        return None
    outer, blur, highest = seen.outer, seen.blur, seen.highest
    margin = max(EDGE_PX * pixel, EDGE_BLURS * blur)
    if outer - tube.inner - 2 * margin >= LEAST_PLATEAU_PX * pixel:
        plateau = (seen.radius >= tube.inner + margin) & (seen.radius <= outer - margin)
        return WallValue(float(seen.mean[plateau].mean()), highest, blur)
    seen_enough = outer - tube.inner >= max(LEAST_WALL_PX * pixel, LEAST_BLURS * blur)
    return WallValue(highest if blur < SHARP_PX * pixel else seen.wall, highest, blur) if seen_enough else None


def wall_shape(scan: Volume, tube: TubeWall, air: float) -> WallShape | None:
    """The profile across the wall and the air beside it, and its fit; None where no wall is seen. Parameters as before.

    Notes
    -----
    A Gaussian blur of standard deviation s turns the steps from soil to wall (at r_i) and from wall to air (at r_o) into
    ``p(r) = soil F((r_i - r) / s) + wall (F((r - r_i) / s) - F((r - r_o) / s)) + air F((r - r_o) / s)``, F being the normal
    distribution. Wall, r_o and s are fitted to the mean over all angles and slices from the middle of the wall outwards, where no
    soil is; r_i is the radius that was found.
    """
    pixel = max(scan.spacing_mm[1:])
    radius, mean = _profile(scan, tube, pixel)
    middle = (tube.inner + tube.outer) / 2
    inside = (radius >= tube.inner) & (radius <= tube.outer)
    soil = mean[radius < tube.inner - 2 * pixel]
    used = (radius >= middle - pixel / 2) & (radius <= tube.outer + AIR_PX * pixel)
    if not inside.any() or not soil.size or np.count_nonzero(used) < BINS_PER_PIXEL:
        return None
    highest = float(mean[inside].max())
    if highest <= air:
        return None
    r, seen, beneath, height = radius[used], mean[used], float(np.median(soil)), highest - air

    def off(found: Profile) -> Profile:
        wall, outer, blur = found
        from_inner, from_outer = ndtr((r - tube.inner) / blur), ndtr((r - outer) / blur)
        shape = beneath * (1 - from_inner) + wall * (from_inner - from_outer) + air * from_outer
        return np.asarray((shape - seen) / height)

    fits = [
        least_squares(
            off,
            [highest, tube.outer, start * pixel],
            x_scale=[height, pixel, pixel],
            bounds=([air, middle, LEAST_BLUR_PX * pixel], [np.inf, tube.outer + AIR_PX * pixel, np.inf]),
        )
        for start in STARTS_PX
    ]
    wall, outer, blur = (float(v) for v in min(fits, key=lambda fit: float(fit.cost)).x)
    return WallShape(radius, mean, air, wall, outer, blur, highest)


def _profile(scan: Volume, tube: TubeWall, pixel: float) -> tuple[Profile, Profile]:
    """Radius in mm and mean of the valid values in thin rings, from the soil beside the wall to the air around it."""
    width = pixel / BINS_PER_PIXEL
    first = max(0.0, tube.inner - SOIL_PX * pixel)
    count = int((tube.outer + AIR_PX * pixel - first) / width) + 1
    top, bottom = tube.ends
    sums = np.zeros((2, count))
    chosen: NDArray[np.bool_] = np.empty(0, bool)
    ring: NDArray[np.int_] = np.empty(0, int)
    upright = bool(np.ptp(tube.y[top:bottom]) == 0 and np.ptp(tube.x[top:bottom]) == 0)
    for k in np.unique(np.linspace(top, bottom - 1, min(bottom - top, MOST_SLICES)).astype(int)):
        if not ring.size or not upright:
            centre, plane = (float(tube.y[k]), float(tube.x[k])), scan.spacing_mm[1:]
            number = np.floor((distance_mm(scan.shape[1:], centre, plane) - first) / width).astype(int)
            chosen = (number >= 0) & (number < count)
            if tube.cut is not None:
                beside = replace(tube.cut, offset_mm=tube.cut.offset_mm - CUT_MARGIN_PX * pixel)
                chosen &= beside.keeps(scan.shape[1:], centre, plane)
            ring = number[chosen]
        valid = scan.valid[k][chosen]
        held = ring[valid]
        sums[0] += np.bincount(held, minlength=count)
        sums[1] += np.bincount(held, scan.values[k][chosen][valid].astype(np.float64), count)
    kept = sums[0] > 0
    radius = np.asarray(first + (np.flatnonzero(kept) + 0.5) * width, dtype=np.float64)
    return radius, np.asarray(sums[1, kept] / sums[0, kept])
