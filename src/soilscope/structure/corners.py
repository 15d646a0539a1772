"""Counts of the 256 ways in which the eight voxels around a corner can be filled.

A surface is a weighted sum over these counts, so one pass gives it, and blocks add up exactly (Legland, Kiêu & Devaux 2007,
doi:10.5566/ias.v26.p83-92).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume

__all__ = ["bit_of", "corner_counts"]

Table = NDArray[np.int64]


def bit_of(z: int, y: int, x: int) -> int:
    """Which bit of a pattern stands for the voxel at an offset of 0 or 1 per axis: columns along x follow each other."""
    return 4 * x + 2 * z + y


def corner_counts(mask: BoolVolume, layers: tuple[int, int] | None = None) -> Table:
    """How often each of the 256 corner patterns occurs, voxels outside the array counted as empty.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    layers : (first, end), optional
        Layers of corners, layer z lying between slices z - 1 and z; all z + 1 by default.

    Returns
    -------
    int array, shape (256,)
        Sums to layers * (y + 1) * (x + 1).
    """
    mask = as_mask(mask)
    above, below = (0, mask.shape[0] + 1) if layers is None else layers
    pieces: list[Table] = [np.zeros(256, np.int64)]  # filled by several threads; the sum does not depend on the order

    def work(first: int, end: int) -> None:
        counts = np.zeros((4, 256), np.int64)
        _count(mask.view(np.uint8), above + first, above + end, counts)
        pieces.append(counts.sum(axis=0))

    if mask.size:
        over_slabs(work, below - above)
    total: Table = np.sum(pieces, axis=0, dtype=np.int64)
    return total


@compiled
def _codes_of_row(
    mask: NDArray[np.uint8], z: int, y: int, nothing: NDArray[np.uint8], codes: NDArray[np.uint8]
) -> None:
    """The four voxels of each column around the corner row between slices z - 1, z and rows y - 1, y."""
    nz, ny, nx = mask.shape
    upper_left = mask[z - 1, y - 1] if z > 0 and y > 0 else nothing
    upper_right = mask[z - 1, y] if z > 0 and y < ny else nothing
    lower_left = mask[z, y - 1] if z < nz and y > 0 else nothing
    lower_right = mask[z, y] if z < nz and y < ny else nothing
    for x in range(nx):
        codes[x + 1] = upper_left[x] | upper_right[x] << 1 | lower_left[x] << 2 | lower_right[x] << 3


@compiled
def _count(mask: NDArray[np.uint8], first: int, end: int, counts: Table) -> None:
    """Corner layers ``first`` to ``end``; layer z lies between slices z - 1 and z.

    Four tables in turn, because adding to the same entry twice in a row waits for the first to be stored.
    """
    ny, nx = mask.shape[1], mask.shape[2]
    nothing, codes = np.zeros(nx, np.uint8), np.zeros(nx + 2, np.uint8)
    for z in range(first, end):
        for y in range(ny + 1):
            _codes_of_row(mask, z, y, nothing, codes)
            for x in range(nx + 1):
                counts[x & 3, codes[x] | codes[x + 1] << 4] += 1
