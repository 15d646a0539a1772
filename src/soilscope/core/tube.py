"""The tube around a core: its wall told by the calmest ring, and then its inner radius from a fit of its blurred edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soilscope.core.axis import Axis
from soilscope.core.edge import PLASTIC_HU, fitted_edge
from soilscope.core.half import Cut
from soilscope.core.rings import rings_around, slices_of_soil
from soilscope.core.wall import SHARP, Wall, find_wall
from soilscope.volume import Volume

__all__ = ["find_tube"]

MOST_ERROR_PX = 1.0
"""A fit that leaves the inner radius less certain than this says nothing; the calmest ring stands then."""

LEAST_WALL_PX = 1.0
CALMER, CALMER_THIN, THIN_BLURS = 6.0, 1.5, 2.0
"""A wall that no calm ring showed must improve the fit of the unevenness by so much, which a rim that beam hardening brightens does
not; by the second where it is thinner than two standard deviations of the blur, for more cannot be asked of it."""

HALF_ERROR_PX = 0.5
MOST_APART_PX = 0.75
"""Where blur hides the wall, the radius at which the unevenness is halved is right to the first; a fit that is no further away than
the second is weighted against it by their errors."""

AGREED_PX, AGREED_SHARE = 0.15, 0.003
"""Where a calm ring showed a wall, and the fit agrees with its radius to this, the ring's stands."""

UNSURE_SHARE = 0.005
"""A radius with a larger standard error, as a share of itself, is told: the soil is uncertain by twice that share, one per cent."""


def find_tube(vol: Volume, axis: Axis, scale: tuple[float, float], cut: Cut | None = None) -> tuple[Axis, Wall]:
    """The axis with the tube's outer radius, and the wall.

    Parameters
    ----------
    vol : Volume
    axis : Axis
    scale : (level, air)
        The value that parts air from the body, and what air reads.
    cut : Cut, optional
        Where a core was split.
    """
    level, air = scale
    pixel = min(vol.spacing_mm[1:])
    slices = slices_of_soil(vol, axis, air, cut)
    wall = find_wall(vol, axis, level, cut, slices)
    if wall.bright or wall.spread < SHARP:
        return axis, wall  # plain to see, or free of noise and its edge exact
    rings = rings_around(vol, axis, slices, cut)
    edge = None if rings is None else fitted_edge(rings, air, level, PLASTIC_HU if vol.units == "HU" else None)
    if edge is None or not edge.error <= MOST_ERROR_PX:
        return axis, wall
    thick = edge.outer - edge.inner
    thin = thick <= THIN_BLURS * edge.blur
    calm = edge.calmer >= (CALMER_THIN if thin else CALMER)
    if thick < LEAST_WALL_PX:
        unsure = edge.error > UNSURE_SHARE * edge.outer
        bare = Wall(edge.outer * pixel, None, np.nan, unsure)
        return (axis, wall) if calm else (replace(axis, radius=edge.outer * pixel), bare)
    if wall.level is None and not calm:
        return axis, replace(wall, blurred=thin)
    inner, unsure = edge.inner, edge.error > UNSURE_SHARE * edge.inner
    apart = inner - wall.inner_mm / pixel
    if wall.level is not None and abs(apart) <= min(AGREED_PX, AGREED_SHARE * inner):
        return axis, replace(wall, blurred=unsure)
    if wall.blurred and abs(apart) < MOST_APART_PX:
        inner -= apart * edge.error**2 / (edge.error**2 + HALF_ERROR_PX**2)
    found = Wall(inner * pixel, edge.wall, wall.spread, unsure)
    return replace(axis, radius=edge.outer * pixel), found
