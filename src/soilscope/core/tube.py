"""The tube around a core: its wall told by the calmest or brightest ring, and then its radii from a fit of its blurred edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soilscope.core.axis import Axis
from soilscope.core.edge import PLASTIC_HU, Edge, fitted_edge
from soilscope.core.half import Cut
from soilscope.core.rings import rings_around, slices_of_soil
from soilscope.core.wall import SHARP, Wall, find_wall
from soilscope.findings import Finding
from soilscope.volume import Volume

__all__ = ["blurred_wall", "find_tube"]

MOST_ERROR_PX = 1.0
"""A fit that leaves the inner radius less certain than this says nothing; the calmest ring stands then."""

CLEARLY_BETTER, RATHER_BETTER = 15.0, 2.0
"""A wall must fit so much better than the blurred edge of a body without one: most do by 30 and more, bare cores by less than ten.
Where a calm ring showed a wall, it is enough if one of two voxels fits better by the second; none did in bare cores."""

IN_DOUBT, TOWARDS_WALL = 6.0, 0.75
"""Where it does not, but fits no worse than by the first, the calmest ring may still be a wall narrower than its blur: the soil is
taken to end so much of the way from the bare body's edge to the ring's, half a voxel off at most, whichever is true."""

LEAST_WALL_PX = 1.0
CALMER, CALMER_THIN, THIN_BLURS = 6.0, 1.5, 2.0
"""A wall that no calm ring showed must improve the fit of the unevenness by so much, which a rim that beam hardening brightens does
not; by the second where it is thinner than two standard deviations of the blur, for more cannot be asked of it."""

RING_ERROR_BLURS, FIT_ERROR_PX = 0.2, 0.1
MOST_APART_PX, MOST_APART_SEEN_PX = 0.75, 0.35
"""The radius at which the unevenness is halved is right to the first, in standard deviations of the blur, and the fit to the second
beside its standard error. Where both are no further apart than the third, or the fourth where a plateau is seen, the mean is
taken, weighted by these; elsewhere the fit stands."""

AGREED_PX, AGREED_SHARE = 0.15, 0.003
PLATEAU_BLURS = 4.0
"""Where a calm ring showed a wall, and the fit agrees with its radius to this, the ring's stands; of a wall thicker than so many
standard deviations of the blur, to the first alone."""

BRIGHT_ERROR_BLURS, MOST_APART_BLURS = 0.1, 1.5
"""Of a bright wall that shows its plateau the ring is right to the first, in standard deviations of the blur. That of one that does
not lies too far in by no more than the second; a fit further from it fits something else."""

OUTLINE_BLURS = 1.5
"""The outline of a wall 4000 HU above air is drawn so many standard deviations of the blur outside it, and none much further."""

UNSURE_SHARE = 0.005
"""A radius with a larger standard error, as a share of itself, is told: the soil is uncertain by twice that share, one per cent."""

NARROW_PX, NARROW_UNSEEN_PX = 40.0, 60.0
"""Of wider cores a voxel all around is less than 5 % of the soil, and what a blurred wall hides less than 2 %; two voxels of a wall
that was not seen at all are less than 7 % of cores wider than the second."""


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
    if wall.spread < SHARP:
        return axis, wall  # free of noise, and its edge exact
    rings = rings_around(vol, axis, slices, cut)
    # A wall that stands above the soil shows that it may read more than plastics do; expecting less would draw it too thick.
    plastic = PLASTIC_HU if vol.units == "HU" and not wall.bright else None
    edge = None if rings is None else fitted_edge(rings, air, level, plastic)
    if edge is None:
        return axis, wall
    thick = edge.outer - edge.inner
    bare = edge.better < CLEARLY_BETTER or thick < LEAST_WALL_PX
    if wall.bright:
        sure = not bare and edge.error <= MOST_ERROR_PX
        return _bright_tube(axis, wall, edge, pixel) if sure else (axis, replace(wall, blurred=True))
    if bare and not (wall.level is not None and edge.better_thin >= RATHER_BETTER):
        return _without_tube(axis, wall, edge, pixel)
    if not edge.error <= MOST_ERROR_PX:
        return axis, replace(wall, blurred=wall.blurred or wall.level is None)
    thin = thick <= THIN_BLURS * edge.blur
    calm = edge.calmer >= (CALMER_THIN if thin else CALMER)
    if wall.level is None and not calm:
        return axis, replace(wall, blurred=True)  # a brighter rim, or a wall in soil as even as it is
    inner, unsure = edge.inner, edge.error > UNSURE_SHARE * edge.inner
    apart = inner - wall.inner_mm / pixel
    plateau = not wall.blurred and thick > PLATEAU_BLURS * edge.blur
    if wall.level is not None and abs(apart) <= (AGREED_PX if plateau else min(AGREED_PX, AGREED_SHARE * inner)):
        return _outer(axis, edge, pixel), replace(wall, level=edge.wall, blurred=unsure)
    if wall.level is not None and abs(apart) < (MOST_APART_PX if wall.blurred else MOST_APART_SEEN_PX):
        of_fit, of_ring = edge.error**2 + FIT_ERROR_PX**2, (RING_ERROR_BLURS * edge.blur) ** 2
        inner -= apart * of_fit / (of_fit + of_ring)
    found = Wall(inner * pixel, edge.wall, wall.spread, unsure)
    return replace(axis, radius=edge.outer * pixel), found


def _bright_tube(axis: Axis, wall: Wall, edge: Edge, pixel: float) -> tuple[Axis, Wall]:
    """A wall that stands above the soil, whose ring is half way up to the highest that the blurred ridge reaches.

    Where that is less than what the wall reads, half of it is reached too far in, by most of a voxel in a wall of two standard
    deviations of the blur; the fit knows what the wall reads, and stands alone. Where the ridge has a plateau, the ring is good.
    """
    seen, unsure = wall.inner_mm / pixel, edge.error > UNSURE_SHARE * edge.inner
    apart, plateau = edge.inner - seen, edge.outer - edge.inner > PLATEAU_BLURS * edge.blur
    if plateau and abs(apart) > MOST_APART_SEEN_PX:
        return axis, wall  # a sharp edge drawn on voxels leads the fit astray
    if abs(apart) > MOST_APART_BLURS * edge.blur:
        return axis, replace(wall, blurred=True)
    inner = edge.inner
    if plateau:
        of_fit, of_ring = edge.error**2 + FIT_ERROR_PX**2, (BRIGHT_ERROR_BLURS * edge.blur) ** 2
        inner -= apart * of_fit / (of_fit + of_ring)
    found = replace(wall, inner_mm=inner * pixel, level=edge.wall, blurred=unsure and not plateau)
    return _outer(axis, edge, pixel), found


def _outer(axis: Axis, edge: Edge, pixel: float) -> Axis:
    """The outer radius is that of the fit, where blur can have drawn the outline so far outside it."""
    near = abs(edge.outer - axis.radius / pixel) <= OUTLINE_BLURS * edge.blur
    return replace(axis, radius=edge.outer * pixel) if near else axis


def _without_tube(axis: Axis, wall: Wall, edge: Edge, pixel: float) -> tuple[Axis, Wall]:
    """A bare core ends where values are half way between soil and air; where blur may hide a thin wall, a little further in."""
    doubt = edge.better_thin > -IN_DOUBT
    towards = TOWARDS_WALL * (edge.bare - wall.inner_mm / pixel) if doubt and wall.level is not None else 0.0
    unsure = doubt or edge.error > UNSURE_SHARE * edge.bare
    return replace(axis, radius=edge.bare * pixel), Wall((edge.bare - towards) * pixel, None, np.nan, unsure)


def blurred_wall(wall: Wall, pixel: float) -> list[Finding]:
    """What is told of a narrow core whose wall, or whether there is one, is not sure; ``pixel`` in mm."""
    if not wall.blurred or wall.inner_mm >= (NARROW_UNSEEN_PX if wall.level is None else NARROW_PX) * pixel:
        return []
    voxel = f"a voxel all around is {2 * pixel / wall.inner_mm:.1%} of the soil; if"
    text = (
        "the tube's wall is too thin, or too much like the soil, to be seen clearly through the scan's blur and noise: the edge of "
        f"the soil may be most of a voxel off, and {voxel} you know the tube's inner radius, state radius_mm."
    )
    if wall.level is None:
        text = (
            "no tube was seen, but blur, noise or even soil may hide a wall of a few voxels, which then counts as soil: "
            f"{voxel} there is a tube, state its inner radius as radius_mm."
        )
    return [Finding("wall-blurred", "note", text)]
