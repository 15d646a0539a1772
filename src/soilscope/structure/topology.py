"""Euler numbers: objects minus loops plus cavities, in the core and in its slices.

An Euler number is vertices - edges + faces - cubes. Along one row of cells, vertices less the edges between them are simply
the runs of filled cells, so that with a, b, c, d the four rows of voxels around an edge of the grid (b, d behind; c, d
below)::

    closed voxels (26 neighbours):  runs(a|b|c|d) - runs(b|d) - runs(c|d) + runs(d), summed over all edges
    open voxels (6 neighbours):     runs(a&b&c&d) - runs(b&d) - runs(c&d) + runs(d)

A run is counted at its first voxel: a handful of byte operations, which the processor does for 32 voxels at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.errors import UsageError
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
    mask = as_mask(mask)
    return euler_of_layers(mask, (0, len(mask) + 1), neighbours)


def euler_of_layers(mask: BoolVolume, layers: tuple[int, int], neighbours: Neighbours3D = 26) -> int:
    """The share of some layers of grid edges in the Euler number; the shares of all layers add up to it.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    layers : (first, end)
        Layer z lies between slices z - 1 and z, so that there are z + 1 of them. A slab with the last slice above it before
        its own has layers from 1 on.
    neighbours : {26, 6}
    """
    if neighbours not in (6, 26):
        raise UsageError("neighbours", f"an Euler number is defined here for 6 or 26 neighbours, not {neighbours}.")
    if not mask.size:
        return 0
    sums: list[int] = []  # whole numbers: the order in which threads finish changes nothing
    open_voxels, voxels = neighbours == 6, mask.view(np.uint8)
    above = layers[0]
    over_slabs(lambda a, b: sums.append(_euler(voxels, open_voxels, above + a, above + b)), layers[1] - above)
    return sum(sums)


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
    open_pixels, pixels = neighbours == 4, mask.view(np.uint8)
    over_slabs(lambda first, end: _euler_of_slices(pixels, open_pixels, first, end, out), len(out) if mask.size else 0)
    return out


Bytes = NDArray[np.uint8]
Counts = NDArray[np.int8]
ROWS = 60
"""A row changes a column's count by at most 2, and int8 ends at 127."""


@compiled
def _euler(mask: Bytes, open_voxels: bool, first: int, end: int) -> int:
    """Edges of the grid between slices z - 1 and z, for z from ``first`` to ``end``; outside the array is empty."""
    nz, ny, nx = mask.shape
    nothing, counts = np.zeros(nx, np.uint8), np.zeros(nx, np.int8)
    total, rows = 0, 0
    for z in range(first, end):
        for y in range(ny + 1):
            a = mask[z - 1, y - 1] if z > 0 and y > 0 else nothing
            b = mask[z - 1, y] if z > 0 and y < ny else nothing
            c = mask[z, y - 1] if z < nz and y > 0 else nothing
            d = mask[z, y] if z < nz and y < ny else nothing
            if open_voxels:
                _runs_of_open(a, b, c, d, counts)
            else:
                _runs_of_closed(a, b, c, d, counts)
            rows += 1
            if rows == ROWS:
                total += _emptied(counts)
                rows = 0
    return total + _emptied(counts)


@compiled
def _euler_of_slices(mask: Bytes, open_pixels: bool, first: int, end: int, out: NDArray[np.int64]) -> None:
    """The same in a plane, for rows c and d above and below an edge of its grid."""
    _, ny, nx = mask.shape
    nothing, counts = np.zeros(nx, np.uint8), np.zeros(nx, np.int8)
    for z in range(first, end):
        rows = 0
        for y in range(ny + 1):
            c = mask[z, y - 1] if y > 0 else nothing
            d = mask[z, y] if y < ny else nothing
            _runs_in_plane(c, d, open_pixels, counts)
            rows += 1
            if rows == ROWS:
                out[z] += _emptied(counts)
                rows = 0
        out[z] += _emptied(counts)


@compiled
def _runs_of_closed(a: Bytes, b: Bytes, c: Bytes, d: Bytes, counts: Counts) -> None:
    counts[0] += np.int8(a[0] | b[0] | c[0] | d[0]) - np.int8(b[0] | d[0]) - np.int8(c[0] | d[0]) + np.int8(d[0])
    for x in range(1, counts.size):
        own, before = d[x], d[x - 1]
        behind, behind_before = b[x] | own, b[x - 1] | before
        below, below_before = c[x] | own, c[x - 1] | before
        around, around_before = a[x] | b[x] | below, a[x - 1] | b[x - 1] | below_before
        counts[x] += np.int8(
            np.int8(around & ~around_before)
            - np.int8(behind & ~behind_before)
            - np.int8(below & ~below_before)
            + np.int8(own & ~before)
        )


@compiled
def _runs_of_open(a: Bytes, b: Bytes, c: Bytes, d: Bytes, counts: Counts) -> None:
    counts[0] += np.int8(a[0] & b[0] & c[0] & d[0]) - np.int8(b[0] & d[0]) - np.int8(c[0] & d[0]) + np.int8(d[0])
    for x in range(1, counts.size):
        own, before = d[x], d[x - 1]
        behind, behind_before = b[x] & own, b[x - 1] & before
        below, below_before = c[x] & own, c[x - 1] & before
        around, around_before = a[x] & b[x] & below, a[x - 1] & b[x - 1] & below_before
        counts[x] += np.int8(
            np.int8(around & ~around_before)
            - np.int8(behind & ~behind_before)
            - np.int8(below & ~below_before)
            + np.int8(own & ~before)
        )


@compiled
def _runs_in_plane(c: Bytes, d: Bytes, open_pixels: bool, counts: Counts) -> None:
    """Closed pixels: runs(c|d) - runs(d); open ones: runs(d) - runs(c&d)."""
    if open_pixels:
        counts[0] += np.int8(d[0]) - np.int8(c[0] & d[0])
        for x in range(1, counts.size):
            counts[x] += np.int8(np.int8(d[x] & ~d[x - 1]) - np.int8(c[x] & d[x] & ~(c[x - 1] & d[x - 1])))
    else:
        counts[0] += np.int8(c[0] | d[0]) - np.int8(d[0])
        for x in range(1, counts.size):
            counts[x] += np.int8(np.int8((c[x] | d[x]) & ~(c[x - 1] | d[x - 1])) - np.int8(d[x] & ~d[x - 1]))


@compiled
def _emptied(counts: Counts) -> int:
    """The sum of the counts, which are 0 afterwards."""
    total = 0
    for x in range(counts.size):
        total += counts[x]
    counts[:] = 0
    return total
