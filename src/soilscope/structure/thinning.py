"""Thinning: bodies peeled from six sides in turn until lines of voxels are left (Lee, Kashyap & Chu 1994)."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import aside, compiled
from soilscope.progress import told
from soilscope.structure.corners import bit_of
from soilscope.structure.euler_density import euler_of_patterns
from soilscope.types import BoolVolume

__all__ = ["thinned"]

AROUND = np.array([d for d in product((-1, 0, 1), repeat=3) if d != (0, 0, 0)], dtype=np.int64)
"""The 26 neighbours of a voxel."""
SIDES = np.array([(0, -1, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0)], dtype=np.int64)
"""The order in which sides are peeled: that of scikit-image's ``skeletonize``."""
CORNERS = tuple(product((-1, 0), repeat=3))
"""First voxels of the eight cubes of 2 x 2 x 2 that a voxel lies in."""


def thinned(mask: BoolVolume, depth: float) -> NDArray[np.int64]:
    """The voxels (z, y, x) that thinning leaves, shape (n, 3), from the top down.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    depth : float
        About how many voxels deep its bodies are: only for telling how far the work is.

    Notes
    -----
    The method of Lee, Kashyap & Chu 1994 (doi:10.1006/cgip.1994.1042) in the order of scikit-image's ``skeletonize``, but for one
    thing. Voxels that one side may lose are removed one after the other, and each is asked again whether it still joins nothing; it
    is asked here, too, whether it has become the end of a line. Without that, a tube whose middle is two voxels wide is eaten from
    its end in one go, down to a single voxel or none.
    """
    body = np.zeros(tuple(n + 2 for n in mask.shape), np.uint8)
    body[1:-1, 1:-1, 1:-1] = mask
    number = np.int32 if body.size < 2**31 else np.int64
    voxels: NDArray[np.signedinteger] = np.flatnonzero(body).astype(number)
    strides = np.array([body.shape[1] * body.shape[2], body.shape[2], 1], dtype=np.int64)
    around, adjoining, euler = AROUND @ strides, _adjoining(), _euler()
    flat, rounds, removed = body.ravel(), 0, 1
    while removed:
        told(min(1.0, rounds / max(depth, 1.0)))
        removed = aside(partial(_peeled, flat, voxels, strides, SIDES @ strides, around, adjoining, euler))
        voxels = voxels[flat[voxels] > 0]
        rounds += 1
    return np.stack(np.unravel_index(voxels.astype(np.int64), body.shape), axis=1).astype(np.int64) - 1


@lru_cache(maxsize=1)
def _adjoining() -> NDArray[np.int64]:
    """For each of the 26 neighbours those of them that touch it, as bits, shape (26,)."""
    near = np.abs(AROUND[:, None] - AROUND[None]).max(axis=2) == 1
    bits: NDArray[np.int64] = near.astype(np.int64) @ (1 << np.arange(26))
    return bits


@lru_cache(maxsize=1)
def _euler() -> NDArray[np.int64]:
    """By how much a voxel changes eight times the Euler number, for each cube that it lies in and its pattern, shape (8, 256).

    Patterns have the voxel's own bit unset.
    """
    eighths = np.rint(8 * euler_of_patterns(closed=True)).astype(np.int64)
    out = np.zeros((8, 256), np.int64)
    for k, corner in enumerate(CORNERS):
        own = 1 << bit_of(*(-c for c in corner))
        for pattern in range(256):
            out[k, pattern & ~own] = eighths[pattern | own] - eighths[pattern & ~own]
    return out


def _cubes() -> NDArray[np.int64]:
    """Which bit each of the 26 neighbours has in the pattern of each cube, -1 where it lies in another, shape (8, 26)."""
    out = np.full((8, 26), -1, np.int64)
    for k, corner in enumerate(CORNERS):
        for n, place in enumerate(AROUND):
            at = place - np.array(corner)
            if ((at >= 0) & (at <= 1)).all():
                out[k, n] = bit_of(*at.tolist())
    return out


IN_CUBES = _cubes()


@compiled
def _peeled(
    body: NDArray[np.uint8],
    voxels: NDArray[np.signedinteger],
    strides: NDArray[np.int64],
    sides: NDArray[np.int64],
    around: NDArray[np.int64],
    adjoining: NDArray[np.int64],
    euler: NDArray[np.int64],
) -> int:
    """One round of all six sides; how many voxels went."""
    removed = 0
    candidates = np.zeros(len(voxels), voxels.dtype)
    for side in sides:
        number = 0
        for voxel in voxels:
            if body[voxel] == 0 or body[voxel + side] != 0:
                continue
            near = _near(body, voxel, around)
            if _count(near) > 1 and _keeps_euler(near, euler) and _joins_nothing(near, adjoining):
                candidates[number] = voxel
                number += 1
        for turn in range(8):
            for voxel in candidates[:number]:
                if _turn(voxel, strides) != turn:
                    continue
                near = _near(body, voxel, around)
                if _count(near) > 1 and _joins_nothing(near, adjoining):
                    body[voxel] = 0
                    removed += 1
    return removed


@compiled
def _turn(voxel: int, strides: NDArray[np.int64]) -> int:
    """Which of eight turns a voxel has, no two neighbours the same: whether its place is odd along each axis."""
    z, rest = voxel // strides[0], voxel % strides[0]
    turn: int = (z & 1) << 2 | (rest // strides[1] & 1) << 1 | (rest % strides[1] & 1)
    return turn


@compiled
def _near(body: NDArray[np.uint8], voxel: int, around: NDArray[np.int64]) -> int:
    """The voxel's filled neighbours as bits."""
    near: int = 0
    for n in range(26):
        near |= int(body[voxel + around[n]]) << n
    return near


@compiled
def _count(bits: int) -> int:
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@compiled
def _keeps_euler(near: int, euler: NDArray[np.int64]) -> bool:
    """Whether the Euler number (26 neighbours) is the same without the voxel."""
    change = 0
    for k in range(8):
        pattern = 0
        for n in range(26):
            bit = IN_CUBES[k, n]
            if bit >= 0:
                pattern |= (near >> n & 1) << bit
        change += euler[k, pattern]
    return change == 0


@compiled
def _joins_nothing(near: int, adjoining: NDArray[np.int64]) -> bool:
    """Whether the voxel's neighbours are joined among themselves."""
    seen = near & -near
    grown = True
    while grown:
        grown = False
        for n in range(26):
            if (near & ~seen) >> n & 1 and adjoining[n] & seen:
                seen |= 1 << n
                grown = True
    return seen == near
