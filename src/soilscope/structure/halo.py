"""Local thickness of a core of any size: block by block, each with a halo as wide as its widest place.

A ball that reaches into a block from a centre outside the block and its halo is wider than the halo; and then so is one around a
centre inside that holds the same voxel, up to a voxel. So where no thickness of a block exceeds its halo, less two voxels, all of
them are those of the whole core; where one does, the halo is widened, until the memory ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.progress import Tell, part, spanning, stages
from soilscope.structure.distance import squared_distance_of_labels
from soilscope.structure.scratch import Box, Scratch
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import LabelVolume, Shape, Spacing

__all__ = ["ThicknessSums", "thickness_of_blocks"]

FIRST_HALO = 8
"""Voxels of the coarsest spacing that the first block's halo is wide."""
GROWTH = 1.6
MOST_HALO = 27
"""A block is not halved any more once its box, halo included, has so many times its voxels: so much is the work for each."""
SPARE = 1.25
"""The room is so many times what a block takes with the first halo."""


Take = Callable[[Box, LabelVolume, NDArray[np.float32], float], None]
"""Shown a block, its labels, their thickness in mm, and the bound up to which that is exact."""


@dataclass(frozen=True, slots=True)
class ThicknessSums:
    """Thickness of each class, slice by slice.

    Parameters
    ----------
    sums : float array, shape (z, 256)
        Sum over the voxels of the label, mm.
    beyond : bool array, shape (z, 256)
        Where a place wider than the bound was met: the sum says nothing.
    bound_mm : float array, shape (256,)
        The least bound that was met by a label, mm; infinite where none was.
    """

    sums: NDArray[np.float64]
    beyond: NDArray[np.bool_]
    bound_mm: NDArray[np.float64]

    @classmethod
    def empty(cls, depth: int) -> ThicknessSums:
        """For a core of so many slices."""
        return cls(np.zeros((depth, 256)), np.zeros((depth, 256), np.bool_), np.full(256, np.inf))

    def take(self, block: Box, labels: LabelVolume, thick: NDArray[np.float32], bound: float) -> None:
        """Add a block."""
        rows = slice(*block[0])
        sums, beyond = self.sums[rows], self.beyond[rows]
        fresh = np.zeros(beyond.shape, np.bool_)
        over_slabs(
            lambda first, end: _sum(labels[first:end], thick[first:end], bound, sums[first:end], fresh[first:end]),
            len(labels),
        )
        beyond |= fresh
        met = fresh.any(axis=0)
        self.bound_mm[met] = np.minimum(self.bound_mm[met], bound)


def thickness_of_blocks(
    scratch: Scratch,
    spacing: Spacing,
    room: int,
    take: Sequence[Take],
    say: Tell = lambda _done, _of: None,
    ends: tuple[int, int] | None = None,
) -> None:
    """Show the local thickness of a core, block by block.

    Parameters
    ----------
    scratch : Scratch
        The cleaned labels.
    spacing : (dz, dy, dx)
    room : int
        Voxels, halo included, that a block may have.
    take : sequence of callable
        Shown each block that holds a label, without its halo.
    say : callable
        Told how many blocks are done, and of how many.
    ends : (first, end), optional
        The core's own first slice, and the one behind its last: what lies beyond is no wall.
    """
    halo = FIRST_HALO * max(spacing)
    first, end = ends or (0, scratch.shape[0])
    scratch, take = scratch.between(first, end), [partial(_moved, one, first) for one in take]
    blocks = list(_blocks(scratch.shape, spacing, room)) if end > first else []
    for done, block in enumerate(blocks):
        with spanning(say, (done, done + 1), len(blocks)):
            halo = _measure_block(scratch, spacing, block, halo, room, take)


def _moved(take: Take, by: int, block: Box, labels: LabelVolume, thick: NDArray[np.float32], bound: float) -> None:
    (first, end), *others = block
    take(((first + by, end + by), others[0], others[1]), labels, thick, bound)


def _measure_block(
    scratch: Scratch, spacing: Spacing, block: Box, halo: float, room: int, take: Sequence[Take]
) -> float:
    """Show a block's thickness; returns the halo with which to begin the next.

    A block whose places are wider than the room lets it see is halved, as long as that is worth the work.
    """
    halo = _fitting(block, halo, spacing, (scratch.shape, room))
    reached = 0.0
    while True:
        box = _widened(block, halo, spacing, scratch.shape)
        labels = scratch.read(box)
        inner = tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(block, box, strict=True))
        if not labels[inner].any():
            return halo
        with part(reached, reached := (1.0 + reached) / 2.0):  # how often it has to look again nobody knows
            distances, balls = stages(1, 3)
            with distances:
                squared = squared_distance_of_labels(labels, spacing)
            with balls:
                thick = thickness_from_distance(squared, spacing, labels)[inner]
        whole = all(side == (0, n) for side, n in zip(box, scratch.shape, strict=True))
        bound = np.inf if whole else halo - 2.0 * float(np.linalg.norm(spacing))
        widest = float(thick.max())
        fits = widest <= bound  # NaN, a box without any wall, does not fit
        wider = _widened(block, GROWTH * halo, spacing, scratch.shape)
        if fits or _voxels(wider) > room:
            break
        halo *= GROWTH
    if not fits and _voxels(box) < MOST_HALO * _voxels(block):
        rest = (1.0 - reached) / 2.0
        for k, half in enumerate(_halves(block)):
            with part(reached + k * rest, reached + (k + 1) * rest):
                halo = _measure_block(scratch, spacing, half, halo, room, take)
        return halo
    for one in take:
        one(block, labels[inner], thick, bound)
    if not fits:
        return halo
    return max(FIRST_HALO * max(spacing), widest + 3.0 * float(np.linalg.norm(spacing)))


def _fitting(block: Box, halo: float, spacing: Spacing, limits: tuple[Shape, int]) -> float:
    """A halo no wider than fits into the room: the one before may have been of a smaller block."""
    shape, room = limits
    while halo > FIRST_HALO * max(spacing) and _voxels(_widened(block, halo, spacing, shape)) > room:
        halo /= GROWTH
    return halo


def _halves(block: Box) -> Iterator[Box]:
    """A block cut across its longest side."""
    axis = int(np.argmax([end - first for first, end in block]))
    first, end = block[axis]
    for half in pairwise((first, (first + end) // 2, end)):
        z, y, x = (half if k == axis else side for k, side in enumerate(block))
        yield z, y, x


@compiled
def _sum(
    labels: LabelVolume, thick: NDArray[np.float32], bound: float, sums: NDArray[np.float64], beyond: NDArray[np.bool_]
) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                if label:
                    if thick[z, y, x] <= bound:
                        sums[z, label] += thick[z, y, x]
                    else:
                        beyond[z, label] = True


def _blocks(shape: Shape, spacing: Spacing, room: int) -> Iterator[Box]:
    """Blocks of about equal size that with the first halo leave some room, so that most can have a wider one."""
    halo = [2 * int(np.ceil(FIRST_HALO * max(spacing) / s)) for s in spacing]
    edge = max(int((room / SPARE) ** (1 / 3)), 1)
    sides = []
    for n, h in zip(shape, halo, strict=True):
        pieces = 1 if n <= edge else -(-n // max(edge - h, 8))
        bounds = [n * k // pieces for k in range(pieces + 1)]
        sides.append(list(pairwise(bounds)))
    yield from product(*sides)


def _widened(block: Box, halo: float, spacing: Spacing, shape: Shape) -> Box:
    z, y, x = (
        (max(0, a - int(np.ceil(halo / s))), min(n, b + int(np.ceil(halo / s))))
        for (a, b), s, n in zip(block, spacing, shape, strict=True)
    )
    return z, y, x


def _voxels(box: Box) -> int:
    return int(np.prod([b - a for a, b in box], dtype=np.int64))
