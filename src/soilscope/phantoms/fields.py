"""Random fields that cost almost nothing: coarse noise on lattices, read between the nodes by cubic B-splines.

A cubic B-spline over independent normal nodes is, for practical purposes, a Gaussian random field with correlation
``exp(-h² / (4/3 step²))``. It is evaluated plane by plane, so a paper-size core needs no full-size float array, and
each voxel's value depends on the seed alone, never on the number of threads.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from soilscope.types import Shape, Spacing

__all__ = ["Grid", "Octave", "SmoothField", "generator", "grain", "isotropic", "kernel", "octaves", "smooth_field"]

NODE_POWER = 0.4794
"""Mean over positions of the sum of squared cubic B-spline weights along one axis: 151/315."""
SLOPE = 1.2247
"""Standard deviation of the derivative of a unit field, times its step: sqrt(3/2)."""

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a voxel loop; ``numba.prange`` runs over planes, each written by one thread, so order cannot matter."""
    compiled: Function = numba.njit(parallel=True, cache=True)(function)
    return compiled


class Grid(NamedTuple):
    """Where the voxels of a phantom lie; voxel (0, 0, 0) has its centre at 0 mm."""

    shape: Shape
    spacing_mm: Spacing


class Octave(NamedTuple):
    """One lattice of a field: node distance (z, y, x) in mm, and its weight, a number or one a plane."""

    step_mm: Spacing
    weight: float | NDArray[np.float32]


def generator(seed: int, soil: str, stream: str) -> np.random.Generator:
    """The random numbers of one part of one phantom, the same on every machine and for any number of threads."""
    words = [seed, zlib.crc32(soil.encode()), zlib.crc32(stream.encode())]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def isotropic(step_mm: float, weight: float | NDArray[np.float32] = 1.0) -> Octave:
    """An octave with the same step along all axes."""
    return Octave((step_mm, step_mm, step_mm), weight)


def octaves(step_mm: Spacing, count: int = 2, ratio: float = 2.3, persistence: float = 0.55) -> tuple[Octave, ...]:
    """Octaves from ``step_mm`` (z, y, x) downwards, each finer by ``ratio`` and weaker by ``persistence``."""
    z, y, x = step_mm
    return tuple(Octave((z / ratio**k, y / ratio**k, x / ratio**k), persistence**k) for k in range(count))


@dataclass(frozen=True, slots=True)
class SmoothField:
    """A field of mean 0 and standard deviation 1, read slab by slab."""

    grid: Grid
    lattices: tuple[NDArray[np.float32], ...]
    positions: tuple[tuple[NDArray[Any], ...], ...]
    weights: NDArray[np.float32]

    def slab(self, first: int, end: int) -> NDArray[np.float32]:
        """Planes ``first`` to ``end`` (excluded), shape (end - first, y, x), float32."""
        _, ny, nx = self.grid.shape
        out = np.zeros((end - first, ny, nx), np.float32)
        for lattice, (z, y, x), weight in zip(self.lattices, self.positions, self.weights, strict=True):
            _add_octave(out, lattice, (z[first:end], y, x), weight[first:end])
        return out


def smooth_field(rng: np.random.Generator, grid: Grid, parts: Sequence[Octave]) -> SmoothField:
    """Draw a field's lattices.

    Parameters
    ----------
    rng : Generator
        From :func:`generator`.
    grid : Grid
        The phantom's voxels.
    parts : sequence of Octave
        Lattices to sum; their weights are scaled to a total variance of 1 in every plane.
    """
    lattices, positions = [], []
    for part in parts:
        where = [
            np.arange(n) * (mm / step) + rng.random()
            for n, mm, step in zip(grid.shape, grid.spacing_mm, part.step_mm, strict=True)
        ]
        nodes = tuple(int(p[-1]) + 4 for p in where)
        lattices.append(rng.standard_normal(nodes, np.float32))
        positions.append(tuple(where))
    weights = np.stack([np.broadcast_to(np.asarray(p.weight, np.float64), grid.shape[0]) for p in parts])
    weights = weights / np.sqrt((weights**2).sum(axis=0) * NODE_POWER**3)
    return SmoothField(grid, tuple(lattices), tuple(positions), weights.astype(np.float32))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def _basis(position: float) -> tuple[int, float, float, float, float]:
    node = int(position)
    t = position - node
    return (
        node,
        (1.0 - t) ** 3 / 6.0,
        (3.0 * t**3 - 6.0 * t**2 + 4.0) / 6.0,
        (-3.0 * t**3 + 3.0 * t**2 + 3.0 * t + 1.0) / 6.0,
        t**3 / 6.0,
    )


@kernel
def _add_octave(
    out: NDArray[np.float32],
    lattice: NDArray[np.float32],
    positions: tuple[NDArray[Any], ...],
    weight: NDArray[np.float32],
) -> None:
    z, y, x = positions
    nz, ny, nx = out.shape
    _, rows, columns = lattice.shape
    node = np.empty(nx, np.int64)
    share = np.empty((nx, 4), np.float32)
    for i in range(nx):
        n, a, b, c, d = _basis(x[i])
        node[i] = n
        share[i, 0], share[i, 1], share[i, 2], share[i, 3] = a, b, c, d
    for k in numba.prange(nz):
        if weight[k] == 0:
            continue
        plane, row = np.empty((rows, columns), np.float32), np.empty(columns, np.float32)
        n, a, b, c, d = _basis(z[k])
        # explicit loops: array expressions would take the compiler several times as long
        for m in range(rows):
            for p in range(columns):
                between = a * lattice[n, m, p] + b * lattice[n + 1, m, p]
                plane[m, p] = weight[k] * (between + c * lattice[n + 2, m, p] + d * lattice[n + 3, m, p])
        for j in range(ny):
            m, a, b, c, d = _basis(y[j])
            for p in range(columns):
                row[p] = a * plane[m, p] + b * plane[m + 1, p] + c * plane[m + 2, p] + d * plane[m + 3, p]
            for i in range(nx):
                p = node[i]
                left = share[i, 0] * row[p] + share[i, 1] * row[p + 1]
                out[k, j, i] += left + share[i, 2] * row[p + 2] + share[i, 3] * row[p + 3]


def grain(key: int, shape: Shape, first: int, end: int) -> NDArray[np.float32]:
    """White noise, nearly normal, mean 0 and SD 1, from a hash of each voxel's index: planes ``first`` to ``end``."""
    out = np.empty((end - first, shape[1], shape[2]), np.float32)
    _fill_grain(out, key, first)
    return out


@kernel
def _fill_grain(out: NDArray[np.float32], key: int, first: int) -> None:
    nz, ny, nx = out.shape
    scale = np.float32(math.sqrt(3.0) / 65536.0)
    for k in numba.prange(nz):
        for j in range(ny):
            for i in range(nx):
                # splitmix64 of the voxel's index; four 16-bit uniforms of one hash add up to a nearly normal value
                h = np.uint64(((first + k) * ny + j) * nx + i) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
                h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                h = h ^ (h >> np.uint64(31))
                total = np.int64(h & np.uint64(65535)) + np.int64((h >> np.uint64(16)) & np.uint64(65535))
                total += np.int64((h >> np.uint64(32)) & np.uint64(65535)) + np.int64(h >> np.uint64(48))
                out[k, j, i] = np.float32(total - 131070) * scale
