"""Objects of a core that does not fit into memory: found slab by slab, and the same as in memory.

Two passes: the first finds the bodies across the seams, the second what their volume, place, length and border are. Their widths
come from local thickness, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import InputRefused
from soilscope.progress import telling
from soilscope.structure.budget import check_clusters
from soilscope.structure.clusters import translated
from soilscope.structure.halo import thickness_of_blocks
from soilscope.structure.kinds import KIND_COLUMNS, ObjectKind
from soilscope.structure.labelled import class_id, union
from soilscope.structure.masks import ends_of
from soilscope.structure.objects import DIRECTIONS, Bodies, least_voxels, table_of
from soilscope.structure.runs import Runs, extents, greatest_widths, moments, runs_of, touching, widest_of
from soilscope.structure.scratch import Box, Scratch
from soilscope.structure.seams import CoreClusters, Seams, label_slab
from soilscope.structure.slabs import ClassSlabs, slab_bounds
from soilscope.structure.ways import AS_FITS, Ways
from soilscope.types import BoolVolume, LabelVolume, Neighbours3D, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEFT_OUT", "fits_slab_by_slab", "objects_blockwise"]

NEIGHBOURS: Neighbours3D = 26
BYTES_OF_AN_OBJECT = 400
"""Its sums, and its row of the table."""
BYTES_AT_A_SEAM = 16 * (DIRECTIONS + 3)
"""Of an object that goes on in the next slab: how far it reaches so far in each direction."""


LEFT_OUT = "objects-not-blockwise"
"""Code of the finding that kinds of objects were not looked for, since the core was not held whole."""


def fits_slab_by_slab(kind: ObjectKind) -> bool:
    """Whether a kind of objects can be found slab by slab: every body of a class, as it is."""
    return kind.shape == "any" and not kind.beside


def objects_blockwise(slabs: ClassSlabs, kind: ObjectKind, ways: Ways = AS_FITS) -> pd.DataFrame:
    """The objects of one kind in a core that need not fit into memory: those of :func:`soilscope.structure.objects_in`.

    Parameters
    ----------
    slabs : ClassSlabs
        The core's classes.
    kind : ObjectKind
        Of the shape ``"any"``, and beside nothing (:func:`fits_slab_by_slab`).
    ways : Ways
        Memory, slabs, and who is told of the progress.

    Returns
    -------
    DataFrame
        As there, equal to 1e-9. ``width_mm`` is NaN where an object is wider than memory lets a block see.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: not even slab by slab, or more objects than the memory holds.
    OutputRefused
        Code ``disk-space``: temporary files do not fit onto the disk.
    UsageError
        Code ``temporary-folder``: the core has no store, beside which temporary files could lie, and ``ways`` no folder.
    """
    about = slabs.source.about
    budget = ways.budget(about)
    found = _Found(kind, about.spacing_mm, budget.block * 36)
    room = ways.room(slabs.source)
    with ExitStack() as stack:
        classes, ids = stack.enter_context(room.array()), stack.enter_context(room.array(np.uint32))
        seams = Seams(NEIGHBOURS, least_voxels(kind.at_least_mm3, about.spacing_mm))
        bounds, filled = list(slab_bounds(about.shape[0], budget.slab)), np.zeros(about.shape[0], np.bool_)
        for first, end in bounds:
            ways.say(first, 2 * about.shape[0], f"looking for {kind.name}")
            labels, valid = slabs.read(first, end)
            seams.add(union(labels, kind.of).view(np.uint8))
            filled[first:end] = valid.any(axis=(1, 2))
            check_clusters(seams.held, budget)
        found.begin(seams.closed())
        for number, (first, mask, window) in enumerate(_with_neighbours(slabs, kind, bounds)):
            span = about.shape[0] + first, about.shape[0] + first + len(mask)
            with telling(ways.say, f"measuring {kind.name}", span, 2 * about.shape[0]):
                classes.append(mask)
                ids.append(found.add(number, first, mask, window))
        widths = _Widths(ids, found.number)
        thickness_of_blocks(
            classes,
            about.spacing_mm,
            budget.block,
            [widths.take],
            lambda done, of: ways.say(done, of, f"widths of {kind.name}"),
            ends_of(filled),
        )
    table = found.table(widths.means())
    table.insert(0, "core", about.core)
    table.insert(1, "kind", kind.name)
    table.insert(2, "class", class_id(kind.of))
    table["skeleton_mm"] = float("nan")  # tubes alone have one, and are refused here
    return table[list(KIND_COLUMNS)]


Window = tuple[BoolVolume, int, int]
"""Valid voxels of some slices, and how many slices of others lie before and behind them."""


def _with_neighbours(
    slabs: ClassSlabs, kind: ObjectKind, bounds: list[tuple[int, int]]
) -> Iterator[tuple[int, LabelVolume, Window]]:
    """First slice and mask of each slab, and the window with one slice more on either side where there is one."""
    before: BoolVolume | None = None
    held: tuple[int, LabelVolume, BoolVolume] | None = None
    for first, end in bounds:
        labels, valid = slabs.read(first, end)
        if held is not None:
            yield held[0], held[1], _joined(before, held[2], valid[:1])
            before = held[2][-1:]
        held = first, union(labels, kind.of).view(np.uint8), valid
    if held is not None:
        yield held[0], held[1], _joined(before, held[2], None)


def _joined(before: BoolVolume | None, own: BoolVolume, behind: BoolVolume | None) -> Window:
    parts = [part for part in (before, own, behind) if part is not None]
    return np.concatenate(parts), 0 if before is None else 1, 0 if behind is None else 1


class _Found:
    """What is known of each object so far."""

    def __init__(self, kind: ObjectKind, spacing: Spacing, room_bytes: int) -> None:
        self._kind, self._spacing, self._room = kind, spacing, room_bytes
        self._open: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] = (
            np.zeros(0, np.int64),
            np.zeros((0, DIRECTIONS + 3)),
            np.zeros((0, DIRECTIONS + 3)),
        )

    def begin(self, clusters: CoreClusters) -> None:
        """The bodies of the whole core."""
        sizes = clusters.sizes.get(1, np.zeros(1, np.int64))
        self.number = len(sizes) - 1
        self._check(self.number * BYTES_OF_AN_OBJECT, f"{self.number} objects")
        order = np.argsort(-sizes[1:], kind="stable") + 1
        rank = np.zeros(len(sizes), np.uint32)
        rank[order] = np.arange(1, len(order) + 1)
        self._rank, self._clusters = rank, clusters
        self._bodies = Bodies(
            np.zeros(self.number, np.int64), np.zeros((self.number, 3)), np.zeros((self.number, 3, 3))
        )
        self._lengths = np.zeros(self.number)
        self._touches = np.zeros(self.number, np.bool_)

    def add(self, slab_number: int, first: int, mask: LabelVolume, window: Window) -> NDArray[np.uint32]:
        """The next slab; returns the object of each of its voxels, 0 for none."""
        parts, number = label_slab(mask, NEIGHBOURS)
        ids = self._rank[self._clusters.of_slab(slab_number, number)[0]]
        out: NDArray[np.uint32] = translated(parts, ids)
        there = np.unique(ids[ids > 0]).astype(np.int64)
        table = np.zeros(self.number + 1, np.uint32)
        table[there] = np.arange(1, len(there) + 1)
        local = translated(out, table)
        runs = runs_of(local, len(there)).lowered(first)
        self._merge(there - 1, Bodies(*moments(runs, self._spacing)))
        self._measure_lengths(there, runs, np.unique(out[-1]))
        valid, ahead, behind = window
        padded = np.pad(local, ((ahead, behind), (0, 0), (0, 0)))
        self._touches[there - 1] |= touching(padded, valid, len(there))
        return out

    def _merge(self, places: NDArray[np.int64], new: Bodies) -> None:
        """Sums of two parts of a body: their own moments, and those of their centres."""
        old = self._bodies
        n, more = old.voxels[places], new.voxels
        total = (n + more)[:, None]
        share = more[:, None] / total
        apart = new.centres - old.centres[places]
        between = (share * (1.0 - share))[:, :, None] * apart[:, :, None] * apart[:, None, :]
        both = old.second[places] * (1.0 - share)[:, :, None] + new.second * share[:, :, None]
        old.second[places] = both + between
        old.centres[places] += apart * share
        old.voxels[places] = n + more

    def _measure_lengths(self, there: NDArray[np.int64], runs: Runs, last: NDArray[np.uint32]) -> None:
        """Bodies that are whole in this slab at once; of those that go on, how far they reach."""
        goes_on = np.isin(there, last) | np.isin(there, self._open[0])
        self._check(int(goes_on.sum()) * BYTES_AT_A_SEAM, f"{int(goes_on.sum())} objects in one slice")
        whole = np.flatnonzero(~goes_on) + 1
        self._lengths[there[whole - 1] - 1] = greatest_widths(runs.chosen(whole), self._spacing, DIRECTIONS)
        at = np.flatnonzero(goes_on) + 1
        low, high = extents(runs.chosen(at), self._spacing, DIRECTIONS)
        mine = there[at - 1]
        earlier, their_low, their_high = self._open
        here = np.isin(earlier, there)  # others touched the slab above only with its last slice
        self._lengths[earlier[~here] - 1] = widest_of(their_low[~here], their_high[~here], self._spacing)
        earlier, their_low, their_high = earlier[here], their_low[here], their_high[here]
        where = np.searchsorted(mine, earlier)
        low[where], high[where] = np.minimum(low[where], their_low), np.maximum(high[where], their_high)
        ended = ~np.isin(mine, last)
        self._lengths[mine[ended] - 1] = widest_of(low[ended], high[ended], self._spacing)
        self._open = mine[~ended], low[~ended], high[~ended]

    def table(self, widths: NDArray[np.float64]) -> pd.DataFrame:
        """All objects, after the last slab."""
        going, low, high = self._open
        self._lengths[going - 1] = widest_of(low, high, self._spacing)
        return table_of(self._bodies, self._lengths, widths, self._touches, self._spacing)

    def _check(self, needed: int, what: str) -> None:
        if needed > self._room:
            raise InputRefused(
                "memory-budget",
                f"objects {self._kind.name!r}: {what} need {needed / 1e9:.2f} GB, and {self._room / 1e9:.2f} GB may be used; "
                "raise at_least_mm3, or the memory budget.",
            )


class _Widths:
    """Mean local thickness of each object, from blocks."""

    def __init__(self, ids: Scratch, number: int) -> None:
        self._ids = ids
        self._sums, self._counts = np.zeros(number + 1), np.zeros(number + 1)

    def take(self, block: Box, _labels: LabelVolume, thick: NDArray[np.float32], bound: float) -> None:
        """A block's thickness, exact up to a bound."""
        ids = self._ids.read(block)
        here = ids > 0
        own, wide = ids[here], thick[here].astype(np.float64)
        wide[~(wide <= bound)] = np.nan
        there, places = np.unique(own, return_inverse=True)
        self._sums[there] += np.bincount(places, wide, len(there))
        self._counts[there] += np.bincount(places, minlength=len(there))

    def means(self) -> NDArray[np.float64]:
        """Shape (n,), mm."""
        return self._sums[1:] / self._counts[1:]
