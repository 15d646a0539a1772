"""What lies in the matrix: stones, roots, burrows and plant fragments, drawn as ellipsoids and capsules in mm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.phantoms.fields import generator
from soilscope.phantoms.paint import Capsule, Ellipsoid, Material, Shape3D
from soilscope.phantoms.recipe import Burrows, Fragments, Objects, Profile, Recipe, Roots, Stones
from soilscope.phantoms.scanner import Cylinder
from soilscope.phantoms.truth import ORGANIC, PORE

__all__ = ["draw_objects"]

LEAST = 2
"""Of each kind that a soil has, even the smallest phantom holds so many."""
WIDEST = 0.3
"""No object is thicker than this share of the core's radius."""
THINNEST_MM = 0.15
"""A root tapers down to this radius, below half a voxel, and ends."""
ROUGH = 0.16
"""How far a stone's surface follows the texture: share of the squared semi-axes, one SD."""
AIR = Material(PORE, -960.0, 18.0)

Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """Where objects may start and how many there are."""

    cylinder: Cylinder
    rng: np.random.Generator

    def count(self, per_cm3: float, where: Profile) -> int:
        """How many objects of a density (where the profile is 1) this core holds."""
        expected = per_cm3 * self.cylinder.volume_cm3 * float(where.at(np.linspace(0, 1, 101)).mean())
        return max(LEAST, round(expected * self.rng.uniform(0.85, 1.15)))

    def start(self, where: Profile) -> Point:
        """A point in the core, its depth drawn from the profile, (z, y, x) in mm."""
        depths = (np.arange(200) + 0.5) / 200
        weight = np.cumsum(where.at(depths))
        depth = float(np.interp(self.rng.random() * weight[-1], weight, depths))
        dz = self.cylinder.grid.spacing_mm[0]
        z = self.cylinder.top * dz + depth * self.cylinder.height_mm
        angle, r = self.rng.uniform(0, 2 * np.pi), self.cylinder.radius_mm * np.sqrt(self.rng.random())
        y, x = self._axis(z) + r * np.array([np.sin(angle), np.cos(angle)])
        return np.array([z, y, x])

    def holds(self, point: Point) -> bool:
        """Whether a point lies in the soil."""
        dz = self.cylinder.grid.spacing_mm[0]
        if not self.cylinder.top * dz <= point[0] <= self.cylinder.bottom * dz:
            return False
        return float(np.linalg.norm(point[1:] - self._axis(point[0]))) <= self.cylinder.radius_mm

    def radius(self, span: tuple[float, float]) -> float:
        """A log-uniform radius in mm, no wider than the core allows."""
        low, high = self.limits(span)
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def limits(self, span: tuple[float, float]) -> tuple[float, float]:
        """A span of radii cut at what the core allows."""
        high = min(span[1], WIDEST * self.cylinder.radius_mm, max(0.4 * self.cylinder.height_mm, 1.0))
        return min(span[0], 0.8 * high), high

    def direction(self, down: float) -> Point:
        """A unit direction, any for 0, nearly straight down for 1."""
        return _unit(self.rng.standard_normal(3) + np.array([3.0 * down, 0.0, 0.0]))

    def _axis(self, z: float) -> Point:
        plane = int(np.clip(z / self.cylinder.grid.spacing_mm[0], 0, len(self.cylinder.centre_mm) - 1))
        return np.asarray(self.cylinder.centre_mm[plane])


@dataclass(frozen=True, slots=True)
class Way:
    """Where a root or burrow starts, and how it goes on."""

    start: Point
    direction: Point
    radius_mm: float
    length_mm: float
    down: float
    taper: float = 0.55

    @property
    def step_mm(self) -> float:
        """Length of one limb."""
        return float(np.clip(3 * self.radius_mm, 0.9, 3.0))


@dataclass(frozen=True, slots=True)
class Limb:
    """One straight piece of a way."""

    start: Point
    end: Point
    start_radius_mm: float
    end_radius_mm: float

    def capsule(self, material: Material, wider_mm: float = 0.0) -> Capsule:
        """As something to paint."""
        radii = self.start_radius_mm + wider_mm, self.end_radius_mm + wider_mm
        return Capsule(material, tuple(self.start), tuple(self.end), *radii)


def draw_objects(recipe: Recipe, cylinder: Cylinder, seed: int) -> list[Shape3D]:
    """All objects of one core, in the order in which they are painted."""
    shapes: list[Shape3D] = []
    for index, kind in enumerate(recipe.objects):
        space = Space(cylinder, generator(seed, recipe.name, f"objects {index} {type(kind).__name__}"))
        shapes.extend(_draw(kind, space))
    return shapes


def _draw(kind: Objects, space: Space) -> Iterator[Shape3D]:
    if isinstance(kind, Stones):
        return _stones(kind, space)
    if isinstance(kind, Roots):
        return _roots(kind, space)
    if isinstance(kind, Burrows):
        return _burrows(kind, space)
    return _fragments(kind, space)


def _stones(kind: Stones, space: Space) -> Iterator[Shape3D]:
    """Ellipsoids, a third of them with air along one side."""
    rng = space.rng
    low, high = space.limits(kind.radius_mm)
    cube = (high**3 - low**3) / (3 * np.log(high / low))
    per_cm3 = kind.share * 1000.0 / (4 / 3 * np.pi * cube * 0.775 * 0.65)
    for _ in range(space.count(per_cm3, kind.where)):
        r = space.radius(kind.radius_mm)
        centre = space.start(kind.where)
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        semi = r * np.array([1.0, rng.uniform(0.6, 0.95), rng.uniform(0.45, 0.85)])
        stone = Material(kind.value, rng.uniform(*kind.hu), 60.0)
        if rng.random() < 0.33:
            side = 0.2 * _unit(rng.standard_normal(3))
            yield Ellipsoid(AIR, tuple(centre + side), axes, tuple(semi + 0.15), ROUGH)
        yield Ellipsoid(stone, tuple(centre), axes, tuple(semi), ROUGH)


def _roots(kind: Roots, space: Space) -> Iterator[Shape3D]:
    limbs = [limb for _ in range(space.count(kind.per_cm3, kind.where)) for limb in _root(kind, space)]
    if kind.gap_mm > 0:
        yield from (limb.capsule(AIR, kind.gap_mm) for limb in limbs)
    flesh = Material(ORGANIC, kind.hu, 45.0)
    yield from (limb.capsule(flesh) for limb in limbs)


def _root(kind: Roots, space: Space) -> Iterator[Limb]:
    """One root with all its branches."""
    length = kind.length_mm * space.rng.uniform(0.6, 1.4)
    growing = [
        Way(space.start(kind.where), space.direction(kind.down), space.radius(kind.radius_mm), length, kind.down)
    ]
    while growing:
        way = growing.pop()
        for limb in _walk(space, way):
            yield limb
            child = limb.end_radius_mm * space.rng.uniform(0.45, 0.75)
            if child > THINNEST_MM and space.rng.random() < kind.branches_per_mm * way.step_mm:
                aside = _unit(_unit(limb.end - limb.start) + space.direction(0.2))
                growing.append(Way(limb.end, aside, child, 0.5 * way.length_mm, kind.down))


def _burrows(kind: Burrows, space: Space) -> Iterator[Shape3D]:
    for _ in range(space.count(kind.per_cm3, kind.where)):
        r = space.radius(kind.radius_mm)
        start, length = space.start(kind.where), kind.length_mm * space.rng.uniform(0.5, 1.5)
        direction = space.direction(kind.down)
        # an animal comes from somewhere: the burrow runs both ways from the point drawn
        for side in (direction, -direction):
            way = Way(start, side, r, length / 2, kind.down * float(np.sign(side[0])), taper=0.0)
            yield from (limb.capsule(AIR) for limb in _walk(space, way))


def _fragments(kind: Fragments, space: Space) -> Iterator[Shape3D]:
    rng = space.rng
    for _ in range(space.count(kind.per_cm3, kind.where)):
        r = space.radius(kind.radius_mm)
        plant = Material(ORGANIC, kind.hu + rng.uniform(-60, 60), 60.0)
        lying = _unit(rng.standard_normal(3) * np.array([0.35, 1.0, 1.0]))
        bent = _unit(lying + 0.25 * rng.standard_normal(3))
        middle = space.start(kind.where)
        half = min(rng.uniform(*kind.length_mm), 1.4 * space.cylinder.radius_mm) / 2
        ends = [(middle, middle + half * lying), (middle, middle - half * bent)]
        yield from (Capsule(plant, tuple(a), tuple(b), r, r) for a, b in ends)
        if kind.hollow > 0:
            yield from (Capsule(AIR, tuple(a), tuple(b), kind.hollow * r, kind.hollow * r) for a, b in ends)


def _walk(space: Space, way: Way) -> Iterator[Limb]:
    """Limbs of one crooked way, until its length is used up or it leaves the soil."""
    here, radius, direction = way.start, way.radius_mm, way.direction
    for k in range(max(1, int(way.length_mm / way.step_mm))):
        direction = _unit(direction + 0.35 * space.rng.standard_normal(3) + np.array([0.12 * way.down, 0.0, 0.0]))
        there = here + way.step_mm * direction
        thinner = way.radius_mm * (1 - way.taper * min(1.0, (k + 1) * way.step_mm / way.length_mm))
        yield Limb(here, there, radius, thinner)
        if thinner < THINNEST_MM or not space.holds(there):
            return
        here, radius = there, thinner


def _unit(vector: Point) -> Point:
    return np.asarray(vector / np.linalg.norm(vector))
