"""Local thickness of a core of any size: block by block, each with a halo as wide as its widest place.

A ball that reaches into a block from a centre outside the block and its halo is wider than the halo; and then so is one around a
centre inside that holds the same voxel, up to a voxel. So where no thickness of a block exceeds its halo, less two voxels, all of
them are those of the whole core; where one does, the halo is widened, until the memory ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.distance import squared_distance_of_labels
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import LabelVolume, Shape, Spacing

__all__ = ["Scratch", "ThicknessSums", "sum_thickness"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
FIRST_HALO = 8
"""Voxels of the coarsest spacing that the first block's halo is wide."""
GROWTH = 1.6


@dataclass(frozen=True, slots=True)
class Scratch:
    """Labels of a whole core in a temporary file: written slab by slab, read block by block."""

    stream: BinaryIO
    shape: Shape

    def append(self, labels: LabelVolume) -> None:
        """The next slices."""
        self.stream.write(np.ascontiguousarray(labels).data)

    def read(self, box: Box) -> LabelVolume:
        """A box, plane by plane: what is read is not kept mapped."""
        (z0, z1), (y0, y1), (x0, x1) = box
        _, ny, nx = self.shape
        out = np.empty((z1 - z0, y1 - y0, x1 - x0), np.uint8)
        rows = np.empty((y1 - y0, nx), np.uint8)
        for z in range(z0, z1):
            self.stream.seek((z * ny + y0) * nx)
            if self.stream.readinto(rows.data) != rows.size:  # type: ignore[attr-defined]
                raise OSError("the temporary file of classes ended early; is its disk full?")
            out[z - z0] = rows[:, x0:x1]
        return out


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


def sum_thickness(
    scratch: Scratch, spacing: Spacing, room: int, say: Callable[[int, int], None] = lambda _done, _of: None
) -> ThicknessSums:
    """Local thickness summed over the voxels of each label in each slice.

    Parameters
    ----------
    scratch : Scratch
        The cleaned labels.
    spacing : (dz, dy, dx)
    room : int
        Voxels, halo included, that a block may have.
    say : callable
        Told how many blocks are done, and of how many.
    """
    depth = scratch.shape[0]
    found = ThicknessSums(np.zeros((depth, 256)), np.zeros((depth, 256), np.bool_), np.full(256, np.inf))
    halo = FIRST_HALO * max(spacing)
    blocks = list(_blocks(scratch.shape, spacing, room))
    for done, block in enumerate(blocks):
        say(done, len(blocks))
        halo = _measure_block(scratch, spacing, block, halo, room, found)
    return found


def _measure_block(
    scratch: Scratch, spacing: Spacing, block: Box, halo: float, room: int, found: ThicknessSums
) -> float:
    """Add a block's thickness; returns the halo with which to begin the next."""
    while True:
        box = _widened(block, halo, spacing, scratch.shape)
        labels = scratch.read(box)
        inner = tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(block, box, strict=True))
        if not labels[inner].any():
            return halo
        thick = thickness_from_distance(squared_distance_of_labels(labels, spacing), spacing, labels)[inner]
        whole = all(side == (0, n) for side, n in zip(box, scratch.shape, strict=True))
        bound = np.inf if whole else halo - 2.0 * float(np.linalg.norm(spacing))
        widest = float(thick.max())
        fits = widest <= bound  # NaN, a box without any wall, does not fit
        wider = _widened(block, GROWTH * halo, spacing, scratch.shape)
        if fits or _voxels(wider) > room:
            break
        halo *= GROWTH
    _add(labels[inner], thick, bound, block[0][0], found)
    if not fits:
        return halo
    return max(FIRST_HALO * max(spacing), widest + 3.0 * float(np.linalg.norm(spacing)))


def _add(labels: LabelVolume, thick: NDArray[np.float32], bound: float, top: int, found: ThicknessSums) -> None:
    rows = slice(top, top + len(labels))
    sums, beyond = found.sums[rows], found.beyond[rows]
    fresh = np.zeros(beyond.shape, np.bool_)
    over_slabs(
        lambda first, end: _sum(labels[first:end], thick[first:end], bound, sums[first:end], fresh[first:end]),
        len(labels),
    )
    beyond |= fresh
    met = fresh.any(axis=0)
    found.bound_mm[met] = np.minimum(found.bound_mm[met], bound)


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
    """Blocks of about equal size that with a halo twice the first fill half the room, so that most need no second try."""
    halo = [2 * int(np.ceil(FIRST_HALO * max(spacing) / s)) for s in spacing]
    edge = max(int((room / 1.5) ** (1 / 3)), 1)
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
