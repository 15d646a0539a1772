"""The soil's edge inside a tube, from how the mean and the unevenness of the values change across a blurred wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares, nnls
from scipy.special import ndtr, owens_t

from soilscope.core.rings import RING_PX, Rings

__all__ = ["PLASTIC_HU", "Edge", "fitted_edge"]

Profile = NDArray[np.float64]

THICKNESS_PX = (1.5, 2.5, 4.0, 6.0, 8.5, 11.5, 15.0, 20.0, 27.0)
START_BLUR_PX = 1.3
"""Thicknesses of the wall, and the standard deviation of the blur, from which the fit is started."""

THIN_WALL_PX = 2.0
"""A wall thinner than the blur may look like the blurred edge of a body without one: is this one as good a fit?"""

BLUR_PX = (0.3, 4.0)
"""Standard deviations of the blur between which it is looked for."""

OUTER_PX = 3.0
"""How far from the outline the tube's outer edge may lie: the outline of a wall that reads little is drawn inside it."""

LEAST_SOIL_PX = 4.0
LEAST_AIR_PX = 2.0
"""Rings of soil and of air that are left to compare with."""

PLASTIC_HU = (100.0, 300.0)
"""What the plastics of tubes read, give or take: known beforehand of a wall that shows no value of its own through the blur."""

FIRST_STEPS, LAST_STEPS, FOLLOWED = 4, 30, 2
"""From every thickness a few steps are made, and the best two are followed to their end."""

CLEAR_OF_FLOOR = 2.5
"""A ring's mean nearer to the scanner's lowest value than so many standard deviations of noise is lifted, noise being cut off."""

SHAPE_ERROR = 0.005
PLACE_ERROR_PX = 0.1
SPREAD_ERROR = 0.02
"""How well the model can be right at all: a share of the body's height above air, the place of an edge, a share of the noise."""

CORRELATED = 3.5
"""A correlation of exp(-h²/4L²) makes so many L count as one: the integral is 2 sqrt(pi) L."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What fits the rings, lengths in voxels.

    Parameters
    ----------
    inner, outer : float
        Radii of the tube.
    blur : float
        Standard deviation of the blur.
    error : float
        Standard error of the inner radius.
    wall : float
        What the wall reads.
    calmer : float
        How much worse the unevenness alone fits a body of soil without a wall, in units of chi²: above some ten there is a wall.
    bare : float
        Radius of the body of soil without a wall that fits best.
    better, better_thin : float
        How much better than that body the tube fits, and how much better a wall of two voxels does, in units of chi².
    """

    inner: float
    outer: float
    blur: float
    error: float
    wall: float
    calmer: float
    bare: float
    better: float
    better_thin: float


def fitted_edge(
    rings: Rings, air: float, level: float, plastic: tuple[float, float] | None = PLASTIC_HU
) -> Edge | None:
    """Inner radius of a tube by least squares; None where the rings hold too little soil.

    Parameters
    ----------
    rings : Rings
    air, level : float
        What air reads, and the value that parts it from the body; no wall reads less.
    plastic : (value, spread), optional
        What walls are known to read; None where values are no HU.

    Notes
    -----
    Three numbers are sought: both radii R and the blur's standard deviation s, all else follows from them by linear least
    squares. A blurred disc reads F((R - r - s²/2r) / s) at radius r, F being the normal distribution and s²/2r the blur along the
    circle. Of such discs the mean of the values is the sum: soil within the inner radius, wall up to the outer, air around. The
    variance is that of noise, the same everywhere; that of a small error of the axis, which goes with the square of the mean's
    slope; and that of the soil's unevenness. If its correlation as seen is exp(-h²/4L²), blurred unevenness falls off like the
    chance that two normal numbers with correlation c = s²/(2L² - s²) and variance s²(2L² - s²)/2L² both lie within: from
    F(sqrt(2) d/s) in finest soil to F(d/s)² in coarsest, d being the depth below the edge.
    """
    fit = _Fit(rings, air, level, plastic)
    most = rings.outline - float(rings.radius[0]) - LEAST_SOIL_PX
    low, high = (0.0, rings.outline - OUTER_PX, BLUR_PX[0]), (most, rings.outline + OUTER_PX, BLUR_PX[1])

    def followed(start: Profile, steps: int) -> OptimizeResult:
        return least_squares(fit.off, start, bounds=(low, high), max_nfev=steps, xtol=1e-4, ftol=1e-5)

    if rings.radius[-1] < rings.outline + LEAST_AIR_PX:
        return None
    starts = [np.asarray([thick, rings.outline, START_BLUR_PX]) for thick in THICKNESS_PX if thick < most]
    if not starts:
        return None
    first = sorted((followed(start, FIRST_STEPS) for start in starts), key=lambda found: float(found.cost))
    best = min((followed(found.x, LAST_STEPS) for found in first[:FOLLOWED]), key=lambda found: float(found.cost))
    thick, outer, blur = (float(v) for v in best.x)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * max(2 * best.cost / (len(best.fun) - 3), 1.0)
    error = float(np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))
    values, wall = fit.values(outer - thick, outer, blur)
    sure = np.where(fit.body < min(outer, rings.outline) - max(blur, 1.0), fit.doubt, 0.0)
    bare, walled = (fit.variance_off(inner, outer, blur, (values, wall), sure) for inner in (outer, outer - thick))
    calmer = float(bare @ bare - walled @ walled)
    (without, cost), (_, thin_cost) = (fit.of_thickness(t, rings.outline, (outer, blur)) for t in (0.0, THIN_WALL_PX))
    better = 2 * (cost - float(best.cost))
    return Edge(outer - thick, outer, blur, error, float(wall.mean()), calmer, without, better, 2 * (cost - thin_cost))


class _Fit:
    """The rings with their weights, and how far a tube is from fitting them."""

    def __init__(self, rings: Rings, air: float, level: float, plastic: tuple[float, float] | None) -> None:
        self.air, self.level, self.length, r = air, level, rings.length, rings.radius
        total = rings.count.sum(axis=0)
        variance = (rings.variance * rings.count).sum(axis=0) / total
        mean = (rings.mean * rings.count).sum(axis=0) / total
        body = r < rings.outline + RING_PX
        smooth = np.convolve(np.pad(variance, 1, mode="edge"), np.ones(3) / 3, "valid")
        noise = max(float(smooth[body].min()), 1.0)
        uneven = np.maximum(smooth - noise, 0.0)
        soil = float(np.median(uneven[r < (r[0] + rings.outline) / 2]))
        of_soil = np.where(r > rings.outline - 1, np.minimum(uneven, soil), uneven)
        along = max(1.0, CORRELATED * rings.length * RING_PX)
        across = max(1.0, CORRELATED * rings.length / RING_PX)
        as_one = along * across * max(1.0, CORRELATED * rings.deep)
        model = (SHAPE_ERROR * (mean.max() - air)) ** 2 + (PLACE_ERROR_PX * np.gradient(mean, r)) ** 2
        clear = mean > rings.lowest + CLEAR_OF_FLOOR * np.sqrt(noise)
        self.r, self.seen = r[clear], rings.mean[:, clear]
        self.weight = 1 / ((noise + of_soil * as_one) / rings.count + model)[:, clear]
        self.body, self.variance = r[body], variance[body]
        spread = np.sqrt(2 / total) * (noise + uneven * np.sqrt(max(1.0, as_one / 2))) + SPREAD_ERROR * noise
        scatter = ((rings.variance - variance) ** 2).sum(axis=0) / max(len(rings.variance) - 1, 1) / len(rings.variance)
        scatter = np.sqrt(np.convolve(np.pad(scatter, 2, mode="edge"), np.ones(5) / 5, "valid") * across)
        self.weight_of_variance = 1 / spread[body]
        self.doubt = (spread / np.maximum(spread, scatter))[body]
        self.known = 0.0 if plastic is None else 1 / (len(rings.mean) * plastic[1] ** 2)
        self.plastic = 0.0 if plastic is None else plastic[0]

    def off(self, tube: Profile) -> Profile:
        """Weighted misfit of means and variances for a wall's thickness, its outer radius and the blur."""
        thick, outer, blur = (float(v) for v in tube)
        inner = outer - thick
        values = self.values(inner, outer, blur)
        soil, body = _disc(self.r, inner, blur), _disc(self.r, outer, blur)
        shape = values[0][:, None] * soil + values[1][:, None] * (body - soil) + self.air * (1 - body)
        means = ((shape - self.seen) * np.sqrt(self.weight)).ravel()
        beforehand = (values[1] - self.plastic) * np.sqrt(self.known)
        return np.concatenate([means, self.variance_off(inner, outer, blur, values), beforehand])

    def of_thickness(self, thick: float, outline: float, start: tuple[float, float]) -> tuple[float, float]:
        """Outer radius of the best tube with a wall of one thickness, and half of its chi²."""
        low, high = (outline - OUTER_PX, BLUR_PX[0]), (outline + OUTER_PX, BLUR_PX[1])
        starts = [np.clip(at, low, high) for at in (start, (outline, START_BLUR_PX))]
        found = [
            least_squares(
                lambda tube: self.off(np.asarray([thick, *tube])),
                at,
                bounds=(low, high),
                max_nfev=LAST_STEPS,
                ftol=1e-5,
            )
            for at in starts
        ]
        best = min(found, key=lambda one: float(one.cost))
        return float(best.x[0]), float(best.cost)

    def values(self, inner: float, outer: float, blur: float) -> tuple[Profile, Profile]:
        """What soil and wall read in each stretch."""
        soil, body = _disc(self.r, inner, blur), _disc(self.r, outer, blur)
        wall, seen = body - soil, self.seen - self.air * (1 - body)
        soil_soil = (self.weight * soil**2).sum(axis=1) + 1e-9
        soil_wall = (self.weight * soil * wall).sum(axis=1)
        soil_seen, wall_seen = (self.weight * soil * seen).sum(axis=1), (self.weight * wall * seen).sum(axis=1)
        wall_wall, wall_seen = (self.weight * wall**2).sum(axis=1) + self.known, wall_seen + self.known * self.plastic
        left = np.maximum(wall_wall - soil_wall**2 / soil_soil, 1e-9)
        of_wall = np.maximum((wall_seen - soil_wall * soil_seen / soil_soil) / left, self.level)
        return (soil_seen - soil_wall * of_wall) / soil_soil, of_wall

    def variance_off(
        self, inner: float, outer: float, blur: float, values: tuple[Profile, Profile], sure: Profile | float = 1.0
    ) -> Profile:
        """Weighted misfit of the variances."""
        weight = self.weight_of_variance * sure
        r, known = self.body, max(self.length**2, 1.0001 * blur**2)
        narrow = blur**2 * (2 * known - blur**2) / (2 * known)
        alike = blur**2 / (2 * known - blur**2)
        depth = (inner - r - narrow / (2 * r)) / np.sqrt(narrow)
        uneven = ndtr(depth) - 2 * owens_t(depth, np.sqrt((1 - alike) / (1 + alike)))
        of_soil, of_wall = float(values[0].mean()), float(values[1].mean())
        slope = (of_soil - of_wall) * _step(r, inner, blur) + (of_wall - self.air) * _step(r, outer, blur)
        parts = np.stack([uneven, np.ones_like(r), slope**2], axis=1) * weight[:, None]
        parts /= np.maximum(np.abs(parts).max(axis=0), 1e-30)
        seen = self.variance * weight
        return np.asarray(parts @ nnls(parts, seen)[0] - seen)


def _disc(r: Profile, radius: float, blur: float) -> Profile:
    return np.asarray(ndtr((radius - r - blur**2 / (2 * r)) / blur))


def _step(r: Profile, radius: float, blur: float) -> Profile:
    """Slope of a blurred disc's edge, but for its sign and a constant."""
    return np.asarray(np.exp(-0.5 * ((radius - r - blur**2 / (2 * r)) / blur) ** 2) / blur)
