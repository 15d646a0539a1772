"""Labelled bodies as runs along x: volume, moments, widths and contact with the border in a pass each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.types import BoolVolume, Spacing

__all__ = ["Runs", "extents", "greatest_widths", "moments", "runs_of", "touching", "widest_of"]

BODIES_AT_A_TIME = 4096
"""Their extents in all directions are held together."""
Labels = NDArray[np.uint32]
Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The runs of each label along x, label after label.

    Parameters
    ----------
    places : int array, shape (runs, 4)
        Slice, row, first and last column.
    starts : int array, shape (number + 1,)
        Label k's runs are ``places[starts[k - 1] : starts[k]]``.
    """

    places: Whole
    starts: Whole

    @property
    def number(self) -> int:
        """How many labels there are."""
        return len(self.starts) - 1

    def chosen(self, labels: Whole) -> Runs:
        """The runs of some labels, rising, numbered anew from 1."""
        lengths = np.diff(self.starts)
        wanted = np.zeros(self.number, np.bool_)
        wanted[labels - 1] = True
        starts = np.concatenate([[0], np.cumsum(lengths[wanted])])
        return Runs(self.places[np.repeat(wanted, lengths)], starts)

    def lowered(self, slices: int) -> Runs:
        """The same bodies so many slices further down."""
        return Runs(self.places + np.array([slices, 0, 0, 0]), self.starts)


def runs_of(labels: Labels, number: int) -> Runs:
    """The runs of labels 1 to ``number``."""
    counts = np.zeros(number + 2, np.int64)
    _count_runs(labels, counts)
    starts = np.concatenate([[0], np.cumsum(counts[1:-1])])
    places = np.empty((int(starts[-1]), 4), np.int64)
    _fill_runs(labels, starts[:-1].copy(), places)
    return Runs(places, starts)


def moments(runs: Runs, spacing_mm: Spacing) -> tuple[Whole, Floats, Floats]:
    """Voxels, centre of mass (n, 3) in mm from the array's first face, and second moments (n, 3, 3) in mm² about it.

    Every voxel counts as a cuboid of its size, so that one alone has moments of its own.
    """
    voxels = np.zeros(runs.number, np.int64)
    first, second = np.zeros((runs.number, 3)), np.zeros((runs.number, 3, 3))
    step = np.asarray(spacing_mm)
    over_slabs(lambda a, b: _moments(runs.places, runs.starts, step, a, b, voxels, first, second), runs.number)
    return voxels, first, second


def greatest_widths(runs: Runs, spacing_mm: Spacing, directions: int) -> Floats:
    """Greatest width of each body over some directions, outer faces of the voxels included; mm, shape (n,)."""
    out = np.zeros(runs.number)
    for first in range(0, runs.number, BODIES_AT_A_TIME):
        some = np.arange(first, min(first + BODIES_AT_A_TIME, runs.number))
        out[some] = widest_of(*extents(runs.chosen(some + 1), spacing_mm, directions), spacing_mm)
    return out


def extents(runs: Runs, spacing_mm: Spacing, directions: int) -> tuple[Floats, Floats]:
    """How far each body's voxel centres reach along some directions, mm; lowest and highest, shape (n, directions + 3) each."""
    steps = half_sphere(directions) * np.asarray(spacing_mm)
    low, high = np.full((runs.number, len(steps)), np.inf), np.full((runs.number, len(steps)), -np.inf)
    over_slabs(lambda a, b: _extents(runs.places, runs.starts, steps, a, b, low, high), runs.number)
    return low, high


def widest_of(low: Floats, high: Floats, spacing_mm: Spacing) -> Floats:
    """Greatest width from :func:`extents`, outer faces of the voxels included; mm, shape (n,)."""
    voxel = np.abs(half_sphere(low.shape[1] - 3) * np.asarray(spacing_mm)).sum(axis=1)
    widest: Floats = (high - low + voxel).max(axis=1, initial=0.0)
    return widest


def touching(labels: Labels, window: BoolVolume, number: int) -> BoolVolume:
    """Whether each body has a face on the window's border, or on the array's; shape (n,)."""
    found = np.zeros(number + 1, np.bool_)
    # Threads may set the same entry, always to True.
    over_slabs(lambda first, end: _touching(labels, window, first, end, found), len(labels))
    return found[1:]


def half_sphere(number: int) -> Floats:
    """Directions spread evenly over half a sphere, and the three axes; unit vectors (n + 3, 3)."""
    k = np.arange(number) + 0.5
    z, turn = k / number, k * np.pi * (1.0 + np.sqrt(5.0))
    flat = np.sqrt(1.0 - z * z)
    return np.concatenate([np.stack([z, flat * np.sin(turn), flat * np.cos(turn)], axis=1), np.eye(3)])


@compiled
def _count_runs(labels: Labels, counts: Whole) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            before = np.uint32(0)
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                if label != before and label > 0:
                    counts[label] += 1
                before = label


@compiled
def _fill_runs(labels: Labels, at: Whole, places: Whole) -> None:
    nx = labels.shape[2]
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            x = 0
            while x < nx:
                label = labels[z, y, x]
                start = x
                while x < nx and labels[z, y, x] == label:
                    x += 1
                if label > 0:
                    k = at[label - 1]
                    at[label - 1] += 1
                    places[k, 0], places[k, 1], places[k, 2], places[k, 3] = z, y, start, x - 1


@compiled
def _moments(
    places: Whole, starts: Whole, step: Floats, first: int, end: int, voxels: Whole, centres: Floats, second: Floats
) -> None:
    for body in range(first, end):
        count, centre = 0, np.zeros(3)
        for k in range(starts[body], starts[body + 1]):
            z, y, x0, x1 = places[k]
            n = x1 - x0 + 1
            count += n
            centre[0] += n * (z + 0.5)
            centre[1] += n * (y + 0.5)
            centre[2] += n * (x0 + x1 + 1) / 2.0
        centre /= count
        sums = np.zeros((3, 3))
        for k in range(starts[body], starts[body + 1]):
            z, y, x0, x1 = places[k]
            n = x1 - x0 + 1
            dz, dy, dx = z + 0.5 - centre[0], y + 0.5 - centre[1], (x0 + x1 + 1) / 2.0 - centre[2]
            sums[0, 0] += n * dz * dz
            sums[1, 1] += n * dy * dy
            sums[2, 2] += n * dx * dx + n * (n * n - 1.0) / 12.0
            sums[0, 1] += n * dz * dy
            sums[0, 2] += n * dz * dx
            sums[1, 2] += n * dy * dx
        voxels[body] = count
        for i in range(3):
            centres[body, i] = centre[i] * step[i]
            for j in range(i, 3):
                value = sums[i, j] / count + (1.0 / 12.0 if i == j else 0.0)
                second[body, i, j] = second[body, j, i] = value * step[i] * step[j]


@compiled
def _extents(places: Whole, starts: Whole, steps: Floats, first: int, end: int, low: Floats, high: Floats) -> None:
    """``steps``: how far a step along each axis leads in each direction."""
    for body in range(first, end):
        for k in range(starts[body], starts[body + 1]):
            z, y, x0, x1 = places[k]
            for d in range(len(steps)):
                along = z * steps[d, 0] + y * steps[d, 1]
                one, other = along + x0 * steps[d, 2], along + x1 * steps[d, 2]
                low[body, d] = min(low[body, d], one, other)
                high[body, d] = max(high[body, d], one, other)


@compiled
def _touching(labels: Labels, window: BoolVolume, first: int, end: int, found: BoolVolume) -> None:
    nz, ny, nx = labels.shape
    for z in range(first, end):
        for y in range(ny):
            at_end = z == 0 or y == 0 or z == nz - 1 or y == ny - 1
            for x in range(nx):
                label = labels[z, y, x]
                if label == 0 or found[label]:
                    continue
                if (
                    at_end or x == 0 or x == nx - 1
                    or not (window[z - 1, y, x] and window[z + 1, y, x] and window[z, y - 1, x])
                    or not (window[z, y + 1, x] and window[z, y, x - 1] and window[z, y, x + 1])
                ):  # fmt: skip
                    found[label] = True
