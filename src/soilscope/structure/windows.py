"""Windows: boxes of one size that lie wholly inside a core and do not overlap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["Box", "WindowRule", "box_shape", "box_sizes", "centred_box", "place_boxes"]

Box = tuple[slice, slice, slice]
SMALLEST_VOXELS = 8
"""The smallest boxes have edges of so many of the voxel's longest edges: below, a figure says more of voxels than of soil."""
STEP = 2.0**0.5
"""Each size is so many times the one before; a box then holds 2.8 times as many voxels."""


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How windows are laid into a core, and when their figures count as alike.

    Parameters
    ----------
    tolerance : float
        Standard deviation between windows over the magnitude of their mean, up to which a size counts as representative.
    sizes_mm : tuple of float, optional
        Rising edges of the windows; by default from 8 of the voxel's longest edges on, each 1.41 times the one before, up to the
        largest that lies inside the core.
    at_most : int
        Windows of one size that are measured; where more fit, so many are drawn.
    least : int
        With fewer windows of a size their spread is given, and not judged.
    seed : int
        For the drawing.

    Raises
    ------
    UsageError
        Code ``window-rule``.
    """

    tolerance: float = 0.1
    sizes_mm: tuple[float, ...] | None = None
    at_most: int = 32
    least: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.tolerance) and self.tolerance > 0):
            raise UsageError("window-rule", f"tolerance = {self.tolerance} must be a positive share, such as 0.1.")
        if not 2 <= self.least <= self.at_most:
            raise UsageError(
                "window-rule",
                f"least = {self.least} windows must be 2 or more, and no more than at_most = {self.at_most}.",
            )
        sizes = np.asarray(self.sizes_mm or (1.0,), dtype=np.float64)
        if not (np.isfinite(sizes).all() and sizes[0] > 0 and (np.diff(sizes) > 0).all()):
            raise UsageError("window-rule", f"sizes_mm {sizes.tolist()} must be rising edges of windows in mm.")


def box_shape(edge_mm: float, spacing_mm: Spacing) -> Shape:
    """Voxels along each axis of a cube of an edge, as near as whole voxels come, at least one."""
    dz, dy, dx = (max(1, round(edge_mm / s)) for s in spacing_mm)
    return dz, dy, dx


def box_sizes(valid: BoolVolume, spacing_mm: Spacing, rule: WindowRule) -> tuple[float, ...]:
    """Edges in mm of the cubes that are laid into a window: the rule's, or its default ones; those that fit nowhere left out."""
    extent = [(end - first) * s for (first, end), s in zip(_ends(valid), spacing_mm, strict=True)]
    if rule.sizes_mm is not None:
        return tuple(size for size in rule.sizes_mm if size <= min(extent) * (1.0 + 1e-9))
    smallest = SMALLEST_VOXELS * max(spacing_mm)
    number = int(np.floor(np.log(max(min(extent) / smallest, 0.5)) / np.log(STEP) + 1e-9)) + 1
    return tuple(smallest * STEP**k for k in range(max(number, 0)))


def place_boxes(valid: BoolVolume, shape: Shape, rule: WindowRule) -> tuple[Box, ...]:
    """Boxes of a shape wholly inside the window, none overlapping another.

    They stand on a lattice in the middle of the window; of the few lattices tried (across a cylinder four boxes may fit where three
    by three do not) the one that holds most is taken. Where it holds more than the rule measures, so many are drawn, evenly
    over depth.
    """
    ends = _ends(valid)
    whole = [(end - first) // n for (first, end), n in zip(ends, shape, strict=True)]
    if min(whole) < 1:
        return ()
    best: list[Box] = []
    for numbers in product((whole[0],), *({n, max(1, n - 1)} for n in whole[1:])):
        starts = [
            first + (end - first - number * n) // 2 + np.arange(number) * n
            for (first, end), n, number in zip(ends, shape, numbers, strict=True)
        ]
        boxes = (_box(corner, shape) for corner in product(*(each.tolist() for each in starts)))
        inside = [box for box in boxes if bool(valid[box].all())]
        best = max(best, inside, key=len)
    if len(best) > rule.at_most:
        # One out of each of so many parts of the list, which runs downwards: all depths have their share, and none comes twice.
        parts = np.arange(rule.at_most + 1) * len(best) // rule.at_most
        drawn = np.random.default_rng(rule.seed).integers(parts[:-1], parts[1:])
        best = [best[k] for k in drawn]
    return tuple(best)


def centred_box(valid: BoolVolume, shape: Shape) -> Box | None:
    """The box of a shape around the window's centre of mass; None where it reaches beyond the window."""
    if not valid.any():
        return None
    corner = []
    for axis, n in enumerate(shape):
        counts = np.count_nonzero(valid, axis=tuple(k for k in range(3) if k != axis)).astype(np.float64)
        middle = float((counts * np.arange(len(counts))).sum() / counts.sum()) + 0.5
        corner.append(int(np.floor(middle - n / 2 + 1e-6)))
    inside = all(c >= 0 and c + n <= m for c, n, m in zip(corner, shape, valid.shape, strict=True))
    box = _box((corner[0], corner[1], corner[2]), shape)
    return box if inside and bool(valid[box].all()) else None


def _ends(valid: BoolVolume) -> list[tuple[int, int]]:
    """First and last + 1 of the voxels in the window, along each axis; (0, 0) where there is none."""
    found: list[tuple[int, int]] = []
    for axis in range(3):
        seen: NDArray[np.intp] = np.flatnonzero(valid.any(axis=tuple(k for k in range(3) if k != axis)))
        found.append((int(seen[0]), int(seen[-1]) + 1) if seen.size else (0, 0))
    return found


def _box(corner: tuple[int, ...], shape: Shape) -> Box:
    z, y, x = (slice(int(c), int(c) + n) for c, n in zip(corner, shape, strict=True))
    return z, y, x
