"""Lines of voxels in 13 directions: how often they meet a class's surface, and how long they are inside a window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.corners import Table, bit_of, corner_counts
from soilscope.types import BoolVolume, Spacing

__all__ = ["DIRECTIONS", "CornerTables", "EndSlabs", "end_counts", "lines_of", "pairs_of", "steps_mm"]

Direction = tuple[int, int, int]
Floats = NDArray[np.float64]

DIRECTIONS: tuple[Direction, ...] = tuple(
    (z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)
)
"""The 13 lines through a voxel and one of its 26 neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class CornerTables:
    """Counts of corner patterns from which surface crossings and line lengths follow; blocks add up.

    Parameters
    ----------
    twice : int array, shape (256,)
        Patterns whose crossings are twice those between the class and the rest of the window.
    window : int array, shape (256,)
        Patterns of the window itself.
    """

    twice: Table
    window: Table

    @classmethod
    def empty(cls) -> CornerTables:
        """Of nothing."""
        return cls(np.zeros(256, np.int64), np.zeros(256, np.int64))

    @classmethod
    def of(cls, inside: BoolVolume, window: BoolVolume, layers: tuple[int, int] | None = None) -> CornerTables:
        """Of some layers of corners, all by default."""
        # Pairs X | rest of the window = (pairs around X + pairs around the rest - pairs around the window) / 2.
        of_window = corner_counts(window, layers)
        rest = corner_counts(window & ~inside, layers)
        return cls(corner_counts(inside, layers) + rest - of_window, of_window)

    def __add__(self, other: CornerTables) -> CornerTables:
        return CornerTables(self.twice + other.twice, self.window + other.window)


def pairs_of(corners: CornerTables) -> tuple[Floats, Floats]:
    """Voxel pairs of each direction inside the window: those with one in the class, and all; shape (13,) each."""
    split, joined = _pair_tables()
    return (split @ corners.twice) / 2.0, joined @ corners.window


def lines_of(corners: CornerTables, ends: Table) -> tuple[Floats, Floats]:
    """Crossings and steps of each direction's lines of voxels, from one face of the window to the other, shape (13,) each.

    A line through n voxels of the window has n - 1 pairs of them and is n steps long. The half steps at its two ends, of which
    nothing is seen, are taken to be crossed as often as the pair next to them: so bodies that keep off the border come out with the
    crossings they have, and bodies that it cuts with neither more nor fewer on average than in a window of any other size. Lines of
    a single voxel show nothing and are left out.
    """
    split, pairs = pairs_of(corners)
    return split + ends[0] / 2.0, pairs + ends[1] / 2.0


def steps_mm(spacing_mm: Spacing) -> Floats:
    """Length of a step in each direction, shape (13,)."""
    lengths: Floats = np.linalg.norm(np.asarray(DIRECTIONS) * np.asarray(spacing_mm), axis=1)
    return lengths


def end_counts(mask: BoolVolume, window: BoolVolume, slices: tuple[int, int] | None = None) -> Table:
    """Pairs that are the last of their line, one for each end, that have one voxel in the class, and all; shape (2, 13).

    Lines are looked at whose end lies in some slices, all by default; what is not in the arrays is not in the window.
    """
    first, last = (0, len(mask)) if slices is None else slices
    pieces: list[Table] = [np.zeros((2, len(DIRECTIONS)), np.int64)]  # whole numbers: the order changes nothing
    steps = np.array(DIRECTIONS, dtype=np.int64)

    def work(begin: int, end: int) -> None:
        counts = np.zeros((2, len(DIRECTIONS)), np.int64)
        _count_ends(mask.view(np.uint8), window.view(np.uint8), steps, first + begin, first + end, counts)
        pieces.append(counts)

    if mask.size and last > first:
        over_slabs(work, last - first)
    total: Table = np.sum(pieces, axis=0, dtype=np.int64)
    return total


class EndSlabs:
    """:func:`end_counts` of an array that comes some slices at a time: each slice is looked at when the next one has come."""

    def __init__(self) -> None:
        self._counts: Table = np.zeros((2, len(DIRECTIONS)), np.int64)
        self._mask: BoolVolume = np.zeros((0, 0, 0), np.bool_)
        self._window: BoolVolume = np.zeros((0, 0, 0), np.bool_)

    def add(self, mask: BoolVolume, window: BoolVolume) -> None:
        """The next slices."""
        if not len(mask):
            return
        before = len(self._mask)
        if before:
            # The slice that waited, between the one above it and the first of the new ones.
            masks = np.concatenate([self._mask, mask[:2]])
            windows = np.concatenate([self._window, window[:2]])
            self._counts += end_counts(masks, windows, (before - 1, len(masks) - 1))
            self._counts += end_counts(mask, window, (1, len(mask) - 1))
        else:
            masks, windows = mask[:2], window[:2]
            self._counts += end_counts(mask, window, (0, len(mask) - 1))
        last, seen = (masks, windows) if len(mask) < 2 else (mask, window)
        self._mask, self._window = last[-2:].copy(), seen[-2:].copy()

    def counts(self) -> Table:
        """Of all slices so far, the last of them with nothing after it."""
        number = len(self._mask)
        return self._counts + end_counts(self._mask, self._window, (max(0, number - 1), number))


@lru_cache(maxsize=1)
def _pair_tables() -> tuple[Floats, Floats]:
    """For each direction and corner pattern: voxel pairs with one filled, and with both; shape (13, 256) each."""
    corners = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    patterns = np.arange(256)
    split, joined = np.zeros((len(DIRECTIONS), 256)), np.zeros((len(DIRECTIONS), 256))
    for k, direction in enumerate(DIRECTIONS):
        share = 1.0 / 2 ** sum(d == 0 for d in direction)  # 4 corners see the same face pair, 2 an edge pair
        for start in corners:
            end = tuple(s + d for s, d in zip(start, direction, strict=True))
            if end in corners:
                one = patterns >> bit_of(*start) & 1
                other = patterns >> bit_of(*(int(e) for e in end)) & 1
                split[k] += share * (one != other)
                joined[k] += share * (one & other)
    return split, joined


@compiled
def _count_ends(
    mask: NDArray[np.uint8],
    window: NDArray[np.uint8],
    steps: NDArray[np.int64],
    first: int,
    end: int,
    counts: Table,
) -> None:
    """Slices ``first`` to ``end``; voxels that have all their neighbours in the window end no line: a row at a time."""
    nz, ny, nx = window.shape
    column = np.zeros(nx + 2, np.uint8)  # whether the nine voxels of an x, in three slices and rows, lie in the window
    for z in range(first, end):
        for y in range(ny):
            column[:] = 0
            if 0 < z < nz - 1 and 0 < y < ny - 1:
                for x in range(nx):
                    column[x + 1] = (
                        window[z - 1, y - 1, x] & window[z - 1, y, x] & window[z - 1, y + 1, x]
                        & window[z, y - 1, x] & window[z, y, x] & window[z, y + 1, x]
                        & window[z + 1, y - 1, x] & window[z + 1, y, x] & window[z + 1, y + 1, x]
                    )  # fmt: skip
            for x in range(nx):
                if window[z, y, x] == 0 or column[x] & column[x + 1] & column[x + 2]:
                    continue
                for k in range(len(steps)):
                    dz, dy, dx = steps[k]
                    ahead = _seen(window, z + dz, y + dy, x + dx)
                    if ahead == _seen(window, z - dz, y - dy, x - dx):
                        continue
                    sign = 1 if ahead else -1
                    counts[1, k] += 1
                    counts[0, k] += mask[z, y, x] ^ mask[z + sign * dz, y + sign * dy, x + sign * dx]


@compiled
def _seen(window: NDArray[np.uint8], z: int, y: int, x: int) -> bool:
    inside = 0 <= z < window.shape[0] and 0 <= y < window.shape[1] and 0 <= x < window.shape[2]
    return bool(inside and window[z, y, x] != 0)
