"""The soil between the objects: textured matrix, macropores, aggregates with their gaps, cracks and litter."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from soilscope.phantoms.fields import SLOPE, Octave, SmoothField, generator, grain, kernel, octaves, smooth_field
from soilscope.phantoms.recipe import Recipe
from soilscope.phantoms.scanner import Cylinder
from soilscope.phantoms.truth import DENSE, MATRIX, ORGANIC, PORE
from soilscope.types import FloatProfile, LabelVolume

__all__ = ["Matrix", "MatrixSlab", "draw_matrix"]

DEPTHS = 256
"""Entries of a depth profile's table."""
DENSE_ABOVE_HU = 1500.0
FAR = 1e6
"""Distance to a gap where there are no aggregates."""
TEXTURE, PORES, LITTER, WAVE, CRACKS, EXTENT, GAP, CELL = range(8)
"""What the voxel loop reads at each voxel."""
FIELDS = ("texture", "pores", "litter", "wave", "cracks", "extent")
"""The random ones among them, by name."""
NEVER = -9.0
"""A threshold, in standard deviations, that no field reaches."""


@dataclass(frozen=True, slots=True)
class MatrixSlab:
    """Some planes of matrix: class and HU of each soil voxel, and the unit texture that objects share."""

    truth: LabelVolume
    hu: NDArray[np.float32]
    texture: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All random numbers of one matrix, drawn; voxels come slab by slab."""

    recipe: Recipe
    cylinder: Cylinder
    fields: dict[str, SmoothField]
    tables: NDArray[np.float32]
    seeds: NDArray[np.float64]
    key: int

    def slab(self, first: int, end: int) -> MatrixSlab:
        """Planes ``first`` to ``end`` (excluded)."""
        shape, spacing_mm = self.cylinder.grid
        # soil starts as pore, so that the loops need one array to know where soil is
        truth = self.cylinder.soil(first, end).astype(np.uint8)
        stack = np.zeros((CELL + 1, *truth.shape), np.float32)
        for index, name in enumerate(FIELDS):
            if name in self.fields:
                stack[index] = self.fields[name].slab(first, end)
        self._aggregates(stack, truth, first)
        depth = (np.arange(first, end) + 0.5 - self.cylinder.top) * spacing_mm[0] / self.cylinder.height_mm
        hu = np.zeros(truth.shape, np.float32)
        _fill(truth, hu, depth.astype(np.float32), stack, self.tables)
        solid = truth >= MATRIX
        hu[solid] += np.float32(self.recipe.grain_hu) * grain(self.key, shape, first, end)[solid]
        truth[solid] = np.where(hu[solid] > DENSE_ABOVE_HU, DENSE, MATRIX)
        rough = stack[TEXTURE] + np.float32(0.25) * grain(self.key + 1, shape, first, end)
        return MatrixSlab(truth, hu, rough)

    def _aggregates(self, stack: NDArray[np.float32], truth: LabelVolume, first: int) -> None:
        aggregates = self.recipe.aggregates
        if aggregates is None:
            stack[GAP] = FAR
            return
        scale = np.array(self.cylinder.grid.spacing_mm) / aggregates.size_mm
        _cells(stack, truth, self.seeds, first, scale)
        stack[GAP] *= np.float32(aggregates.size_mm)
        stack[CELL] *= np.float32(aggregates.spread_hu)


def draw_matrix(recipe: Recipe, cylinder: Cylinder, seed: int) -> Matrix:
    """Draw the fields of one matrix; the core's own density and porosity vary a little from seed to seed."""

    def field(stream: str, parts: tuple[Octave, ...]) -> SmoothField:
        return smooth_field(generator(seed, recipe.name, stream), cylinder.grid, parts)

    wide = max(6.0, 0.6 * cylinder.radius_mm)
    fields = {
        "texture": field("texture", octaves(recipe.texture_mm, 4, 2.1, 0.75)),
        "pores": field("pores", octaves(recipe.pore_mm, 2, 1.9, 0.5)),
        "litter": field("litter", octaves(recipe.litter_mm, 2, 2.0, 0.55)),
        "wave": field("wave", octaves((4 * wide, wide, wide), 2, 2.5, 0.35)),
    }
    if recipe.cracks is not None:
        fields["cracks"] = field("cracks", octaves(recipe.cracks.spacing_mm, 2, 3.0, 0.25))
        z, y, x = recipe.cracks.spacing_mm
        fields["extent"] = field("extent", octaves((2 * z, 0.7 * y, 0.7 * x), 2, 2.3, 0.4))
    rng = generator(seed, recipe.name, "core")
    tables = _tables(recipe, rng)
    seeds = _cell_seeds(recipe, cylinder, generator(seed, recipe.name, "aggregates"))
    return Matrix(recipe, cylinder, fields, tables, seeds, int(rng.integers(2**62)))


def _tables(recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Depth tables in the order of the voxel loop, shape (6, DEPTHS + 1); the last entry of a row is a constant."""
    depth = np.linspace(0.0, 1.0, DEPTHS)
    share = rng.uniform(0.9, 1.1)
    pore = _threshold(recipe.pores.at(depth) * share)
    litter = _threshold(recipe.litter.at(depth))
    base = recipe.matrix_hu.at(depth) + rng.uniform(-20, 20)
    nothing = np.zeros(DEPTHS)
    gap = nothing if recipe.aggregates is None else recipe.aggregates.gap_mm.at(depth) * share
    crack, extent = nothing - 1, 0.0
    if recipe.cracks is not None:
        width = recipe.cracks.width_mm.at(depth) * share
        crack = width / 2 * SLOPE / recipe.cracks.spacing_mm[0] - 1e-6
        extent = float(ndtri(recipe.cracks.share))
    rows = [base, recipe.contrast_hu.at(depth), pore, litter, gap, crack]
    ends = [recipe.wave, 0.0, 0.0, recipe.litter_hu, 0.0, extent]
    return np.array([[*row, end] for row, end in zip(rows, ends, strict=True)], np.float32)


def _threshold(share: FloatProfile) -> FloatProfile:
    return np.where(share > 0, ndtri(np.clip(share, 1e-9, 1 - 1e-9)), NEVER)


def _cell_seeds(recipe: Recipe, cylinder: Cylinder, rng: np.random.Generator) -> NDArray[np.float64]:
    """One centre (z, y, x offset) and one density a cell of the aggregates' lattice, shape (z, y, x, 4)."""
    if recipe.aggregates is None:
        return np.zeros((1, 1, 1, 4))
    size = recipe.aggregates.size_mm
    cells = [int(n * mm / size) + 3 for n, mm in zip(cylinder.grid.shape, cylinder.grid.spacing_mm, strict=True)]
    seeds = rng.random((*cells, 4))
    seeds[..., 3] = rng.standard_normal(seeds.shape[:3])
    return seeds


@kernel
def _fill(
    truth: LabelVolume,
    hu: NDArray[np.float32],
    depth: NDArray[np.float32],
    stack: NDArray[np.float32],
    tables: NDArray[np.float32],
) -> None:
    """Class and HU of each soil voxel: pore before litter before matrix."""
    nz, ny, nx = truth.shape
    base, contrast, pore, litter, gap, crack = tables
    wave, litter_hu, extent = base[DEPTHS], litter[DEPTHS], crack[DEPTHS]
    for k in numba.prange(nz):
        for j in range(ny):
            for i in range(nx):
                if truth[k, j, i] == 0:
                    continue
                at = stack[:, k, j, i]
                d = int(min(max(depth[k] + wave * at[WAVE], 0.0), 1.0) * (DEPTHS - 1))
                cracked = abs(at[CRACKS]) < crack[d] and at[EXTENT] < extent
                open_gap = at[GAP] < gap[d] * max(1 - 0.9 * at[LITTER], 0.0)
                if at[PORES] < pore[d] or open_gap or cracked:
                    truth[k, j, i] = PORE
                    hu[k, j, i] = -960 + 18 * at[TEXTURE]
                elif at[LITTER] < litter[d]:
                    truth[k, j, i] = ORGANIC
                    hu[k, j, i] = litter_hu + 130 * at[TEXTURE]
                else:
                    truth[k, j, i] = MATRIX
                    hu[k, j, i] = base[d] + contrast[d] * at[TEXTURE] + at[CELL]


@kernel
def _cells(
    stack: NDArray[np.float32],
    truth: LabelVolume,
    seeds: NDArray[np.float64],
    first: int,
    scale: NDArray[np.float64],
) -> None:
    """Distance to the border between the two nearest cells (in cell sizes) and the nearest one's density.

    Worley's cellular basis, doi:10.1145/237170.237267; pores and texture bend the borders.
    """
    nz, ny, nx = truth.shape
    cz, cy, cx, _ = seeds.shape
    for k in numba.prange(nz):
        for j in range(ny):
            for i in range(nx):
                if truth[k, j, i] == 0:
                    continue
                bend, twist = 0.10 * stack[PORES, k, j, i], 0.12 * stack[TEXTURE, k, j, i]
                z = (first + k) * scale[0] + 1 + bend + twist
                y = j * scale[1] + 1 - bend + twist
                x = i * scale[2] + 1 + bend - twist
                nearest, second, density = 1e9, 1e9, 0.0
                for a in range(max(int(z) - 1, 0), min(int(z) + 2, cz)):
                    for b in range(max(int(y) - 1, 0), min(int(y) + 2, cy)):
                        for c in range(max(int(x) - 1, 0), min(int(x) + 2, cx)):
                            u = a + seeds[a, b, c, 0] - z
                            v = b + seeds[a, b, c, 1] - y
                            w = c + seeds[a, b, c, 2] - x
                            r = u * u + v * v + w * w
                            if r < nearest:
                                second = nearest
                                nearest = r
                                density = seeds[a, b, c, 3]
                            elif r < second:
                                second = r
                stack[GAP, k, j, i] = np.sqrt(second) - np.sqrt(nearest)
                stack[CELL, k, j, i] = density
