"""Lines of a slice: how long the class's outline is, and how it lies in the plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.masks import as_spacing, in_window
from soilscope.types import BoolVolume, FloatProfile, Spacing

__all__ = ["anisotropy_of_slices", "perimeter_density"]

STEPS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])
"""The four lines through a pixel and one of its 8 neighbours, (y, x)."""


def perimeter_density(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> FloatProfile:
    """Length of a class's outline in each slice, for each mm² of its window.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm; pixels need not be square.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array. Where it cuts the class, the cut is no outline.

    Returns
    -------
    float array, shape (z,)
        mm/mm², NaN where a slice has no window, or a direction no two neighbours in it. Crofton's formula over four directions,
        each weighted by its share of the circle: ``pi / 2 * sum_k w_k * crossings_k / length_k`` (Legland, Kiêu & Devaux 2007,
        doi:10.5566/ias.v26.p83-92), with the lines followed to the window's border as
        :func:`soilscope.structure.lines.lines_of` does.
    """
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    crossings, pairs = _pairs(inside, window)
    split_ends, ends = _ends(inside, window)
    _, lengths, shares = _lines(spacing)
    out = np.full(len(inside), np.nan)
    seen = (pairs > 0).all(axis=1)
    met = crossings[seen] + split_ends[seen] / 2.0
    steps = pairs[seen] + ends[seen] / 2.0
    out[seen] = np.pi / 2.0 * (met / (steps * lengths)) @ shares
    return out


def anisotropy_of_slices(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> FloatProfile:
    """Degree of anisotropy of a class within each slice.

    Parameters
    ----------
    mask, spacing_mm, valid
        See :func:`perimeter_density`.

    Returns
    -------
    float array, shape (z,)
        0 where all directions in the plane are alike, 1 where one never meets an outline: as
        :func:`soilscope.structure.anisotropy`, with an ellipse fitted to four directions (Harrigan & Mann 1984,
        doi:10.1007/BF00540446). NaN where a slice has no outline in its window, or a direction has no line there.
    """
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    crossings, pairs = _pairs(inside, window)
    units, lengths, shares = _lines(spacing)
    terms = np.stack([units[:, 0] ** 2, units[:, 1] ** 2, 2 * units[:, 0] * units[:, 1]], axis=1)
    weight = np.sqrt(shares)
    out = np.full(len(inside), np.nan)
    for z in np.flatnonzero((pairs > 0).all(axis=1) & crossings.any(axis=1)):
        per_mm = crossings[z] / (pairs[z] * lengths)
        yy, xx, yx = np.linalg.lstsq(terms * weight[:, None], weight * per_mm**2, rcond=None)[0]
        low, high = np.maximum(np.linalg.eigvalsh(np.array([[yy, yx], [yx, xx]])), 0.0)
        out[z] = 1.0 - low / high
    return out


def _lines(spacing: Spacing) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors of the four lines, their steps in mm, and the share of the half circle nearest to each."""
    steps = STEPS * np.array(spacing[1:])
    lengths = np.linalg.norm(steps, axis=1)
    angles = np.mod(np.arctan2(steps[:, 0], steps[:, 1]), np.pi)
    order = np.argsort(angles)
    turned = np.concatenate([angles[order][-1:] - np.pi, angles[order], angles[order][:1] + np.pi])
    shares = np.empty(len(STEPS))
    shares[order] = (turned[2:] - turned[:-2]) / (2.0 * np.pi)
    return steps / lengths[:, None], lengths, shares


def _pairs(mask: BoolVolume, window: BoolVolume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel pairs of the window along each line, of each slice: those with one in the class, and all; (z, 4) each."""
    return _counted(_count_pairs, mask, window)


def _ends(mask: BoolVolume, window: BoolVolume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs that are the last of their line, one for each end: those with one pixel in the class, and all; (z, 4) each."""
    return _counted(_count_ends, mask, window)


def _counted(
    count: Callable[..., None], mask: BoolVolume, window: BoolVolume
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    split = np.zeros((len(mask), len(STEPS)), np.int64)
    every = np.zeros_like(split)
    inside, seen = mask.view(np.uint8), window.view(np.uint8)

    def work(first: int, end: int) -> None:
        count(inside[first:end], seen[first:end], STEPS, split[first:end], every[first:end])

    over_slabs(work, len(mask))
    return split, every


@compiled
def _count_pairs(
    mask: NDArray[np.uint8],
    window: NDArray[np.uint8],
    steps: NDArray[np.int64],
    crossings: NDArray[np.int64],
    pairs: NDArray[np.int64],
) -> None:
    nz, ny, nx = mask.shape
    for z in range(nz):
        for k in range(len(steps)):
            down, right = steps[k]
            split, joined = 0, 0
            for y in range(ny - down):
                for x in range(max(0, -right), nx - max(0, right)):
                    both = window[z, y, x] & window[z, y + down, x + right]
                    joined += both
                    split += both & (mask[z, y, x] ^ mask[z, y + down, x + right])
            crossings[z, k], pairs[z, k] = split, joined


@compiled
def _count_ends(
    mask: NDArray[np.uint8],
    window: NDArray[np.uint8],
    steps: NDArray[np.int64],
    split: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    nz, ny, nx = mask.shape
    column = np.zeros(nx + 2, np.uint8)  # whether the three pixels of an x, in three rows, lie in the window
    for z in range(nz):
        for y in range(ny):
            column[:] = 0
            if 0 < y < ny - 1:
                for x in range(nx):
                    column[x + 1] = window[z, y - 1, x] & window[z, y, x] & window[z, y + 1, x]
            for x in range(nx):
                if window[z, y, x] == 0 or column[x] & column[x + 1] & column[x + 2]:
                    continue
                for k in range(len(steps)):
                    dy, dx = steps[k]
                    ahead = _seen(window[z], y + dy, x + dx)
                    if ahead != _seen(window[z], y - dy, x - dx):
                        sign = 1 if ahead else -1
                        ends[z, k] += 1
                        split[z, k] += mask[z, y, x] ^ mask[z, y + sign * dy, x + sign * dx]


@compiled
def _seen(window: NDArray[np.uint8], y: int, x: int) -> bool:
    return bool(0 <= y < window.shape[0] and 0 <= x < window.shape[1] and window[y, x] != 0)
