"""Soil cores that never existed, made from a soil's name and a seed, with everything about them known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.phantoms.fields import Grid, generator
from soilscope.phantoms.matched import MEMBERS, make_matched
from soilscope.phantoms.matrix import draw_matrix
from soilscope.phantoms.objects import draw_objects
from soilscope.phantoms.paint import paint, rows_of
from soilscope.phantoms.scanner import SLAB, SPACING_MM, Cylinder, Scanner, place, scan
from soilscope.phantoms.soils import RECIPES
from soilscope.phantoms.truth import CLASSES, PhantomClass, clip_to_classes
from soilscope.types import LabelVolume, Shape
from soilscope.volume import Volume

__all__ = ["Phantom", "make", "soils"]

LEAST_MATCHED = 8
"""Rows and columns of the smallest matched phantom."""


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A soil core with its truth.

    Parameters
    ----------
    volume : Volume
        HU as a scanner gives them (or, without noise, the object's own), valid where there is soil.
    truth : uint8 array, shape (z, y, x)
        The class of each voxel, 0 outside the core.
    soil : str
        Its name, one of :func:`soils`.
    seed : int
        What makes it one core of many.
    classes : tuple of (value, name, low_hu, high_hu)
        Ranges of whole HU, (low_hu, high_hu].
    """

    volume: Volume
    truth: LabelVolume
    soil: str
    seed: int
    classes: tuple[PhantomClass, ...] = field(default=CLASSES)


def soils() -> tuple[str, ...]:
    """Names of all soils, those of the matched-histogram family last."""
    return (*RECIPES, *MEMBERS)


def make(
    soil: str,
    seed: int = 0,
    shape: Shape = (400, 200, 200),
    noise: bool = True,
    scanner: Scanner | None = None,
) -> Phantom:
    """Make one core.

    Parameters
    ----------
    soil : str
        One of :func:`soils`.
    seed : int
        Not negative; the same arguments give the same bytes, whatever the number of threads.
    shape : (z, y, x)
        Voxels of 0.25 x 0.351 x 0.351 mm; it sets the size of the piece, not of what is in it. Horizons are
        laid over the height there is.
    noise : bool
        False leaves out blur and noise: each voxel's HU lies inside the range of its class. With noise the truth
        is still what lies there, except for the matched family, whose truth is its final HU cut at the class edges.
    scanner : Scanner, optional
        Another cylinder, blur or noise.

    Returns
    -------
    Phantom

    Raises
    ------
    UsageError
        Code ``unknown-soil``, ``phantom-shape`` or ``phantom-seed``.

    Examples
    --------
    >>> core = make("sandy", seed=1, shape=(8, 64, 64), noise=False)
    >>> core.volume.core, core.truth.max() > 0
    ('sandy-1', True)
    """
    _check(soil, seed, shape)
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), SPACING_MM)
    scanner = Scanner() if scanner is None else scanner
    if soil in MEMBERS:
        values, truth = make_matched(soil, seed, grid, scanner if noise else None)
        where: dict[str, object] = {"kind": "whole"}
    else:
        cylinder = place(grid, scanner)
        values, truth = _sharp(soil, seed, cylinder, scanner)
        if noise:
            values = scan(values, scanner, grid, generator(seed, soil, "noise"))
        where = {"kind": "cylinder", "radius_mm": cylinder.radius_mm, "wall_mm": cylinder.wall_mm}
    note = Finding("phantom", "note", f"A simulated core of {soil} (seed {seed}): no scanner has seen it.")
    source = {"format": "phantom", "phantom": {"soil": soil, "seed": seed, "noise": noise, **where}}
    volume = Volume(values, truth > 0, SPACING_MM, "HU", (note,), f"{soil}-{seed}", source)
    return Phantom(volume, truth, soil, seed)


def _check(soil: str, seed: int, shape: Shape) -> None:
    if soil not in soils():
        raise UsageError("unknown-soil", f"there is no soil {soil!r}; choose one of: {', '.join(soils())}.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError("phantom-seed", f"seed {seed!r} must be a whole number, 0 or more.")
    if len(shape) != 3 or min(shape) < 1 or (soil in MEMBERS and min(shape[1:]) < LEAST_MATCHED):
        raise UsageError(
            "phantom-shape", f"shape {shape} must be three sizes (z, y, x), rows and columns {LEAST_MATCHED} at least."
        )


def _sharp(soil: str, seed: int, cylinder: Cylinder, scanner: Scanner) -> tuple[NDArray[np.int16], LabelVolume]:
    """The object itself: soil, wall and surroundings, each voxel of one class; slab by slab."""
    recipe = RECIPES[soil]
    matrix = draw_matrix(recipe, cylinder, seed)
    rows = rows_of(draw_objects(recipe, cylinder, seed))
    shape, spacing_mm = cylinder.grid
    values = np.empty(shape, np.int16)
    truth = np.empty(shape, np.uint8)
    for first in range(0, shape[0], SLAB):
        end = min(first + SLAB, shape[0])
        slab = matrix.slab(first, end)
        paint((slab.truth, slab.hu, slab.texture), rows, first, spacing_mm)
        hu = clip_to_classes(slab.hu, slab.truth)
        # no soil voxel has the wall's own HU, so that a sharp wall can be told from roots that touch it
        hu[hu == scanner.wall_hu] -= 1
        wall = cylinder.within(cylinder.radius_mm + cylinder.wall_mm, first, end) & ~cylinder.within(
            cylinder.radius_mm, first, end
        )
        outside = slab.truth == 0
        hu[outside] = scanner.surroundings_hu
        hu[wall] = scanner.wall_hu
        values[first:end], truth[first:end] = hu, slab.truth
    return values, truth
