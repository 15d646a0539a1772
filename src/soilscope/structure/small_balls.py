"""Balls of a few hundred voxels: each voxel asks its neighbourhood, many voxels at a time, which is faster than painting them.

There are very many small balls, and painting one costs more than its voxels. The other way round, a voxel lies in the ball around a
neighbour if that neighbour's squared radius reaches the squared length of the step between them: a look, a comparison and a
maximum for each step, the same for all voxels. Small balls have few radii, so that a radius is written as its rank among them, one
byte, and the processor takes a step for 32 voxels at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.types import Shape, Spacing

__all__ = ["SAME", "SmallBalls"]

Distances = NDArray[np.float32]
Bits = NDArray[np.int32]
Ranks = NDArray[np.uint8]
Places = NDArray[np.int64]
SAME = 1e-6
"""Squared lengths closer than this share of themselves are equal: distances come in single precision."""
VOXELS = 700
"""Balls of more voxels are painted."""
REACH = 16
"""Steps are no longer than so many of the voxel's shortest edge, however flat the voxels are."""
CHUNK = 2048
"""Voxels that are looked after together: they stay in the nearest cache while all steps are taken."""
SLOTS = 4096
"""Places of the table in which the radii are looked up; a power of two."""
RANKS = 255


@dataclass(frozen=True, slots=True, eq=False)
class SmallBalls:
    """The small balls of a volume.

    Parameters
    ----------
    limit : float
        mm²; balls of a greater squared radius are not small.
    radii : float32 array, shape (m,)
        Every squared radius that occurs up to the limit, mm², rising; the first is 0.
    steps : int array, shape (n, 3)
        Steps along (z, y, x) within the largest of them, none negative.
    least : uint8 array, shape (n,)
        The rank of the least radius of a ball that holds the step.
    table : int32 array, shape (slots,)
        The bits of the radii where they are looked up.
    rank : uint8 array, shape (slots,)
        Their ranks.
    """

    limit: float
    radii: Distances
    steps: Places
    least: Ranks
    table: Bits
    rank: Ranks

    @classmethod
    def of(cls, squared: Distances, spacing: Spacing) -> SmallBalls:
        """The small balls of a volume of squared distances in mm²."""
        radius = (0.75 / np.pi * VOXELS * float(np.prod(spacing))) ** (1.0 / 3.0)
        radius = min(radius, REACH * min(spacing))
        radii = _radii(squared, np.float32(radius**2))
        table, rank = np.zeros(SLOTS, np.int32), np.zeros(SLOTS, np.uint8)
        _fill(radii.view(np.int32), table, rank)
        found = product(*(range(int(radius / edge) + 1) for edge in spacing))
        steps = np.array([step for step in found if any(step)], np.int64).reshape(-1, 3)
        norms = (np.square(steps * np.asarray(spacing))).sum(axis=1)
        # Balls are open: the step is held where the radius, less a trifle, reaches its length.
        least = np.searchsorted(radii.astype(np.float64) * (1.0 - SAME), norms)
        held = least < len(radii)
        return cls(float(radii[-1]), radii, steps[held], least[held].astype(np.uint8), table, rank)

    def widen(self, squared: Distances, painted: Distances) -> None:
        """From the squared radii of the large balls to diameters in mm of the widest ball of all around each voxel, in place."""
        margin, shifts, least = self._shifts(squared.shape)
        bits = squared.view(np.int32)

        def work(first: int, end: int) -> None:
            ranks = _ranks(squared, bits, self.table, self.rank, self.limit, margin, first, end)
            _widen(squared, ranks, margin, shifts, least, self.radii, first, end, painted)

        over_slabs(work, len(squared))

    def _shifts(self, shape: Shape) -> tuple[Shape, Places, Ranks]:
        """For slices that are widened on all sides: by how much, and the steps in their flat order.

        Returns
        -------
        margin : (z, y, x)
            The longest step along each axis.
        shifts : (m, 4) places away of up to four voxels, a step with its signs; m is even.
        least : (m,) see above, for each four.
        """
        z, y, x = (int(n) for n in self.steps.max(axis=0, initial=0))
        row, plane = shape[2] + 2 * x, (shape[1] + 2 * y) * (shape[2] + 2 * x)
        shifts, least = [], []
        for (oz, oy, ox), rank in zip(self.steps.tolist(), self.least, strict=True):
            places = sorted({a * oz * plane + b * oy * row + c * ox for a, b, c in product((-1, 1), repeat=3)})
            for first in range(0, len(places), 4):
                four = places[first : first + 4]
                shifts.append(four * (4 // len(four)))
                least.append(rank)
        if len(least) % 2:
            shifts.append(shifts[-1])
            least.append(least[-1])
        return (z, y, x), np.array(shifts, np.int64).reshape(-1, 4), np.array(least, np.uint8)


def _radii(squared: Distances, limit: np.float32) -> Distances:
    """What occurs up to a limit, rising, after 0; no more than there are ranks for."""
    tables: list[Bits] = []
    crowded: list[bool] = []

    def work(first: int, end: int) -> None:
        table = np.zeros(SLOTS, np.int32)
        crowded.append(_collect(squared[first:end].view(np.int32), int(limit.view(np.int32)), table))
        tables.append(table)

    over_slabs(work, len(squared))
    if any(crowded):  # far more than lattice steps have lengths: none is small
        return np.zeros(1, np.float32)
    return np.unique(np.concatenate([np.zeros(1, np.int32), *tables])).view(np.float32)[: RANKS + 1]


@compiled
def _slot(table: Bits, bits: int) -> int:
    """Where a number stands in a table, or the free place where it would."""
    at = ((bits * 0x9E3779B1) >> 12) & (SLOTS - 1)
    while table[at] != 0 and table[at] != bits:
        at = (at + 1) & (SLOTS - 1)
    return at


@compiled
def _collect(squared: Bits, limit: int, table: Bits) -> bool:
    """Put all numbers from 1 to the limit into the table; floats that are not negative rise with their bits."""
    free = SLOTS // 2
    for z in range(squared.shape[0]):
        for y in range(squared.shape[1]):
            before = 0
            for x in range(squared.shape[2]):
                bits = squared[z, y, x]
                if bits != before and 0 < bits <= limit:
                    before = bits
                    at = _slot(table, bits)
                    if table[at] == 0:
                        table[at] = bits
                        free -= 1
                        if free == 0:
                            return True
    return False


@compiled
def _fill(radii: Bits, table: Bits, rank: Ranks) -> None:
    for n in range(1, radii.size):
        at = _slot(table, radii[n])
        table[at], rank[at] = radii[n], n


@compiled
def _ranks(
    squared: Distances, bits: Bits, table: Bits, rank: Ranks, limit: float, margin: Shape, first: int, end: int
) -> Ranks:
    """Ranks of slices with those around them, widened on all sides by 0; 0 for large balls too."""
    nz, ny, nx = squared.shape
    mz, my, mx = margin
    wide = np.zeros((end - first + 2 * mz, ny + 2 * my, nx + 2 * mx), np.uint8)
    for z in range(max(0, first - mz), min(nz, end + mz)):
        for y in range(ny):
            for x in range(nx):
                if 0 < squared[z, y, x] <= limit:
                    wide[z - first + mz, y + my, x + mx] = rank[_slot(table, bits[z, y, x])]
    return wide


@compiled
def _widen(
    squared: Distances,
    ranks: Ranks,
    margin: Shape,
    shifts: Places,
    least: Ranks,
    radii: Distances,
    first: int,
    end: int,
    painted: Distances,
) -> None:
    """Slice by slice. A voxel in a large ball is in no wider small one, so that chunks of such voxels are done."""
    ny, nx = squared.shape[1], squared.shape[2]
    mz, my, mx = margin
    row, plane = ranks.shape[2], ranks.shape[1] * ranks.shape[2]
    near = ranks.ravel()
    best, bare = np.empty(plane, np.uint8), np.zeros(plane, np.bool_)
    begin, stop = my * row + mx, (my + ny) * row - mx
    for z in range(first, end):
        here = (z - first + mz) * plane
        best[:] = near[here : here + plane]
        for y in range(ny):
            for x in range(nx):
                bare[(y + my) * row + mx + x] = painted[z, y, x] == 0
        for at in range(begin, stop, CHUNK):
            size = min(CHUNK, stop - at)
            if bare[at : at + size].any():
                _take_steps(near, here + at, size, shifts, least, at, best)
        for y in range(ny):
            for x in range(nx):
                widest = max(painted[z, y, x], squared[z, y, x], radii[best[(y + my) * row + mx + x]])
                painted[z, y, x] = np.float32(2) * np.sqrt(widest)


@compiled
def _take_steps(near: Ranks, here: int, size: int, shifts: Places, least: Ranks, at: int, best: Ranks) -> None:
    """Two times four voxels at a time; places without a sign need no look whether they are counted from the end."""
    to = np.uint64(at)
    for k in range(0, least.size, 2):
        a, b = np.uint64(here + shifts[k, 0]), np.uint64(here + shifts[k, 1])
        c, d = np.uint64(here + shifts[k, 2]), np.uint64(here + shifts[k, 3])
        e, f = np.uint64(here + shifts[k + 1, 0]), np.uint64(here + shifts[k + 1, 1])
        g, h = np.uint64(here + shifts[k + 1, 2]), np.uint64(here + shifts[k + 1, 3])
        one_least, other_least = least[k], least[k + 1]
        for x in range(np.uint64(size)):
            one = _greatest(near[a + x], near[b + x], near[c + x], near[d + x])
            other = _greatest(near[e + x], near[f + x], near[g + x], near[h + x])
            one = one if one >= one_least else np.uint8(0)
            other = other if other >= other_least else np.uint8(0)
            own = best[to + x]
            one = one if one > other else other
            best[to + x] = one if one > own else own


@compiled
def _greatest(a: np.uint8, b: np.uint8, c: np.uint8, d: np.uint8) -> np.uint8:
    one, other = (a if a > b else b), (c if c > d else d)
    return one if one > other else other
