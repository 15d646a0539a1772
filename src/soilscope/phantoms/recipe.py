"""What a soil is described by: depth profiles, a matrix, and the objects in it, all sizes in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soilscope.phantoms.truth import STONE
from soilscope.types import FloatProfile, Spacing

__all__ = [
    "Aggregates",
    "Burrows",
    "Cracks",
    "Fragments",
    "Objects",
    "Profile",
    "Recipe",
    "Roots",
    "Stones",
    "even",
    "over",
]

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """A quantity over relative depth: (depth, value) nodes joined by straight lines."""

    nodes: tuple[tuple[float, float], ...]

    def at(self, depth: FloatProfile | float) -> FloatProfile:
        """Value at relative depths, same shape."""
        depths, values = zip(*self.nodes, strict=True)
        return np.asarray(np.interp(depth, depths, values))


def over(*nodes: tuple[float, float]) -> Profile:
    """A profile from its nodes."""
    return Profile(nodes)


def even(value: float) -> Profile:
    """The same at every depth."""
    return Profile(((0.0, value),))


EVERYWHERE = even(1.0)


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Crumbs or clods: cells of ``size_mm`` with gaps of ``gap_mm`` between them and slightly different densities."""

    size_mm: float
    gap_mm: Profile
    spread_hu: float = 60.0


@dataclass(frozen=True, slots=True)
class Cracks:
    """Warped sheets of pore space; ``spacing_mm`` (z, y, x) sets their distance and, by being flat, their direction."""

    spacing_mm: Spacing
    width_mm: Profile
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Stones:
    """Rough ellipsoids that fill ``share`` of the volume, log-uniform long semi-axes; stone, or dense concretions."""

    share: float
    radius_mm: Span
    hu: Span = (2100.0, 2900.0)
    where: Profile = EVERYWHERE
    value: int = STONE


@dataclass(frozen=True, slots=True)
class Roots:
    """Branching, tapering walks. ``down`` from 0 (any direction) to 1 (straight down); ``gap_mm``: air around dried roots."""

    per_cm3: float
    radius_mm: Span
    length_mm: float
    down: float
    branches_per_mm: float
    hu: float = 10.0
    gap_mm: float = 0.0
    where: Profile = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Burrows:
    """Unbranched tubes of pore space, left by earthworms and decayed roots."""

    per_cm3: float
    radius_mm: Span
    length_mm: float
    down: float
    where: Profile = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Fragments:
    """Straight pieces of plant: needles, twigs, straw (``hollow``: share of the radius that is air)."""

    per_cm3: float
    radius_mm: Span
    length_mm: Span
    hu: float = -250.0
    hollow: float = 0.0
    where: Profile = EVERYWHERE


Objects = Stones | Roots | Burrows | Fragments


@dataclass(frozen=True, slots=True)
class Recipe:
    """One soil.

    Parameters
    ----------
    name, about : str
        Name, and one line for a reader.
    matrix_hu, contrast_hu : Profile
        Mean HU of the matrix over depth, and the standard deviation of its texture. Above 1500 HU it counts as dense.
    texture_mm : (z, y, x)
        Size of the largest blotches of the matrix; flat ones make bedding.
    grain_hu : float
        White, voxel-wise part of the texture: sand grains too small to see.
    pores, pore_mm : Profile, (z, y, x)
        Share of irregular macropores in the matrix, and their size.
    litter, litter_mm, litter_hu : Profile, (z, y, x), float
        Share of the solid that is decomposed organic matter, the size of its patches and its HU.
    wave : float
        How much the horizons undulate, as a share of the height.
    aggregates, cracks : optional
        Crumbs with gaps; sheets of pore space.
    objects : tuple
        What lies in the matrix, later ones over earlier ones.
    """

    name: str
    about: str
    matrix_hu: Profile
    contrast_hu: Profile
    texture_mm: Spacing
    grain_hu: float
    pores: Profile
    pore_mm: Spacing
    litter: Profile
    litter_mm: Spacing
    litter_hu: float
    wave: float
    aggregates: Aggregates | None
    cracks: Cracks | None
    objects: tuple[Objects, ...]
