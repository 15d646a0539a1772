"""Euler numbers: objects minus loops plus cavities, in the core and in its slices."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.errors import UsageError
from soilscope.structure.corners import Table, bit_of, corner_sum
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume, Neighbours2D, Neighbours3D

__all__ = ["euler_number", "euler_of_slices"]


def euler_number(mask: BoolVolume, neighbours: Neighbours3D = 26) -> int:
    """Objects minus loops plus cavities of a class.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        Voxels outside the array count as empty: what the window cuts is closed there.
    neighbours : {26, 6}
        26: voxels touching at a corner are one object (the background then hangs together over faces only); 6: only
        voxels sharing a face are. Equal to scikit-image's ``euler_number`` with connectivity 3 and 1.

    Returns
    -------
    int
        Ball 1, hollow shell 2, torus 0. Divide by the window's volume for a density (Vogel, Weller & Schlüter 2010,
        doi:10.1016/j.cageo.2010.03.007).

    Examples
    --------
    >>> ring = np.zeros((3, 5, 5), bool)
    >>> ring[1, 1:4, 1:4] = True
    >>> ring[1, 2, 2] = False
    >>> euler_number(ring)
    0
    """
    if neighbours not in (6, 26):
        raise UsageError("neighbours", f"an Euler number is defined here for 6 or 26 neighbours, not {neighbours}.")
    return corner_sum(mask, eighths(neighbours)) // 8


def euler_of_slices(mask: BoolVolume, neighbours: Neighbours2D = 8) -> NDArray[np.int64]:
    """Objects minus holes in each slice.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    neighbours : {8, 4}
        Whether pixels touching at a corner are one object.

    Returns
    -------
    int array, shape (z,)
    """
    if neighbours not in (4, 8):
        raise UsageError("neighbours", f"pixels have 4 or 8 neighbours, not {neighbours}.")
    mask = as_mask(mask)
    out = np.zeros(len(mask), np.int64)
    table = quarters(neighbours)
    over_slabs(lambda first, end: _euler_of_slices(mask[first:end].view(np.uint8), table, out[first:end]), len(out))
    return out


@cache
def eighths(neighbours: Neighbours3D) -> Table:
    """Eight times each corner pattern's share in the Euler number, shape (256,).

    26 neighbours: a voxel is a closed cube, and vertices - edges + faces - cubes are counted. 6 neighbours: a voxel is a
    point, and points - links + squares - cubes are counted. A cell seen from n corners counts 1/n at each.
    """
    corners = list(product((0, 1), repeat=3))
    blocks = [b for size in (1, 2, 4, 8) for b in combinations(corners, size) if _is_block(b)]
    table = np.zeros(256, np.int64)
    for pattern in range(256):
        for block in blocks:
            filled = [bool(pattern >> bit_of(*c) & 1) for c in block]
            # Eight voxels around one corner: a block of n voxels stands for a cell that n (or 8 / n) corners see.
            if neighbours == 26:
                table[pattern] += any(filled) * {8: 8, 4: -4, 2: 2, 1: -1}[len(block)]
            else:
                table[pattern] += all(filled) * {1: 1, 2: -2, 4: 4, 8: -8}[len(block)]
    return table


def _is_block(corners: tuple[tuple[int, ...], ...]) -> bool:
    """Whether some corners fill the smallest box around them."""
    spans = [len({c[axis] for c in corners}) for axis in range(3)]
    return len(corners) == int(np.prod(spans))


@cache
def quarters(neighbours: Neighbours2D) -> Table:
    """Four times each 2 x 2 pattern's share in a slice's Euler number, shape (16,); bits (y, x) at ``y + 2 * x``."""
    table = np.zeros(16, np.int64)
    sides = [(0, 1), (2, 3), (0, 2), (1, 3)]
    for pattern in range(16):
        on = [pattern >> bit & 1 for bit in range(4)]
        if neighbours == 8:
            table[pattern] = 4 * any(on) - 2 * sum(on[a] | on[b] for a, b in sides) + sum(on)
        else:
            table[pattern] = sum(on) - 2 * sum(on[a] & on[b] for a, b in sides) + 4 * all(on)
    return table


@compiled
def _euler_of_slices(mask: NDArray[np.uint8], table: Table, out: NDArray[np.int64]) -> None:
    nz, ny, nx = mask.shape
    nothing = np.zeros(nx, np.uint8)
    for z in range(nz):
        total = 0
        for y in range(ny + 1):
            above = mask[z, y - 1] if y > 0 else nothing
            below = mask[z, y] if y < ny else nothing
            left = np.uint8(0)
            for x in range(nx):
                right = np.uint8(above[x] | below[x] << 1)
                total += table[left | right << 2]
                left = right
            total += table[left]
        out[z] = total // 4
