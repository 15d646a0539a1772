"""Euler number density of what the window shows, whatever the window cuts."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.errors import UsageError
from soilscope.structure.corners import Table, bit_of
from soilscope.structure.masks import as_spacing, in_window
from soilscope.types import BoolVolume, Neighbours3D, Spacing

__all__ = ["euler_density"]

CORNERS = tuple(product((0, 1), repeat=3))


def euler_density(
    mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None, neighbours: Neighbours3D = 26
) -> float:
    """Objects minus loops plus cavities for each mm³, free of the window's border.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.
    neighbours : {26, 6}
        See :func:`soilscope.structure.euler_number`.

    Returns
    -------
    float
        1/mm³; NaN where no 2 x 2 x 2 voxels lie in the window together. Every corner of the grid whose eight voxels all lie
        in the window adds its share of vertices, edges, faces and cubes, and stands for one voxel's volume (Vogel, Weller
        & Schlüter 2010, doi:10.1016/j.cageo.2010.03.007). A body inside the window counts like in
        :func:`~soilscope.structure.euler_number`; where the window cuts the class, nothing is closed, so that a large
        window and a small one of the same soil agree.
    """
    if neighbours not in (6, 26):
        raise UsageError("neighbours", f"an Euler number is defined here for 6 or 26 neighbours, not {neighbours}.")
    return density_of_whole_corners(whole_corner_counts(*in_window(mask, valid)), as_spacing(spacing_mm), neighbours)


def density_of_whole_corners(counts: Table, spacing_mm: Spacing, neighbours: Neighbours3D = 26) -> float:
    """1/mm³ from :func:`whole_corner_counts`; NaN where there is no such corner."""
    places = int(counts.sum())
    if places == 0:
        return float("nan")
    return float(counts @ euler_of_patterns(neighbours == 26)) / (places * float(np.prod(spacing_mm)))


def whole_corner_counts(mask: BoolVolume, window: BoolVolume) -> Table:
    """How often each of the 256 corner patterns occurs where all eight voxels lie in the window, shape (256,)."""
    pieces: list[Table] = [np.zeros(256, np.int64)]  # whole numbers: the order in which threads finish changes nothing

    def work(first: int, end: int) -> None:
        counts = np.zeros(256, np.int64)
        _count_whole(mask.view(np.uint8), window.view(np.uint8), first, end, counts)
        pieces.append(counts)

    over_slabs(work, max(0, len(mask) - 1))
    total: Table = np.sum(pieces, axis=0, dtype=np.int64)
    return total


@compiled
def _count_whole(mask: NDArray[np.uint8], window: NDArray[np.uint8], first: int, end: int, counts: Table) -> None:
    """Corners between slices z and z + 1, for z from ``first`` to ``end``."""
    for z in range(first, end):
        for y in range(mask.shape[1] - 1):
            before, inside_before = np.int64(0), False
            for x in range(mask.shape[2]):
                code = np.int64(
                    mask[z, y, x] | mask[z, y + 1, x] << 1 | mask[z + 1, y, x] << 2 | mask[z + 1, y + 1, x] << 3
                )
                inside = (window[z, y, x] & window[z, y + 1, x] & window[z + 1, y, x] & window[z + 1, y + 1, x]) > 0
                if inside and inside_before:
                    counts[before | code << 4] += 1
                before, inside_before = code, inside


@lru_cache(maxsize=2)
def euler_of_patterns(closed: bool) -> NDArray[np.float64]:
    """What each pattern adds: of a vertex all, of its six edges half, of twelve faces a quarter, of eight cubes an eighth.

    Closed voxels (26 neighbours): a face is there if one of its voxels is, and vertices - edges + faces - cubes is summed.
    Open ones (6 neighbours): it is there if all of them are, and the sum is cubes - faces + edges - vertices.
    """
    table = np.zeros(256)
    cells = [[corner] for corner in CORNERS]
    faces = [[a, b] for a, b in combinations(CORNERS, 2) if sum(abs(i - j) for i, j in zip(a, b, strict=True)) == 1]
    edges = [[c for c in CORNERS if c[axis] == side] for axis in range(3) for side in (0, 1)]
    sign = 1.0 if closed else -1.0
    for pattern in range(256):
        parts = ((1.0, [list(CORNERS)]), (-1 / 2, edges), (1 / 4, faces), (-1 / 8, cells))
        for weight, groups in parts:
            for group in groups:
                filled = [pattern >> bit_of(*corner) & 1 for corner in group]
                table[pattern] += sign * weight * (any(filled) if closed else all(filled))
    return table
