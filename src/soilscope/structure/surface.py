"""Surface area density by Crofton's formula: no voxel faces, no smoothing, any voxel shape."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.corners import Table, bit_of, corner_counts
from soilscope.structure.masks import as_spacing, in_window
from soilscope.types import BoolVolume, Spacing

__all__ = ["surface_area_density"]

Direction = tuple[int, int, int]
DIRECTIONS: tuple[Direction, ...] = tuple(
    (z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)
)
"""The 13 lines through a voxel and one of its 26 neighbours."""
ORIENTATIONS = 1000
"""Over which weights of directions are fitted, six times with their axes exchanged: ten times as many change no weight by 0.001."""
MEAN_OVER_SQUARES = 1e4
"""How much more the mean error counts than its mean square."""


def surface_area_density(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> float:
    """Surface of a class inside the window, for each mm³ of window.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array. Where the window cuts the class, the cut is not a surface.

    Returns
    -------
    float
        mm²/mm³; NaN where the window is empty. The Cauchy-Crofton formula over the 13 directions of the voxel
        neighbourhood, ``S = 4 sum_k w_k A_k`` with A_k the projected area counted by lines of direction k (Legland, Kiêu &
        Devaux 2007, doi:10.5566/ias.v26.p83-92) and weights as :func:`direction_weights` says. A ball of 20 voxels'
        radius comes out within 2 %, ellipsoids in voxels up to four times as long as wide within 3 %; a plane along an axis of
        cubic voxels is 7 % low, of such long voxels up to 30 %. Lines that leave the window are lost, which takes about one
        voxel of the window's width.
    """
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    volume = float(np.count_nonzero(window)) * float(np.prod(spacing))
    if volume == 0.0:
        return float("nan")
    return density_of_patterns(twice_the_patterns(inside, window), spacing, volume)


def twice_the_patterns(inside: BoolVolume, window: BoolVolume, layers: tuple[int, int] | None = None) -> Table:
    """Corner patterns whose crossings are twice those between a class and the rest of the window; layers add up."""
    # Pairs X | rest of the window = (pairs around X + pairs around the rest - pairs around the window) / 2.
    rest = window & ~inside
    return corner_counts(inside, layers) + corner_counts(rest, layers) - corner_counts(window, layers)


def density_of_patterns(twice: Table, spacing_mm: Spacing, volume_mm3: float) -> float:
    """mm²/mm³ from :func:`twice_the_patterns`."""
    return float(twice @ mm2_of_patterns(spacing_mm)) / 2.0 / volume_mm3


@lru_cache(maxsize=32)
def mm2_of_patterns(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Each corner pattern's share in the surface, mm², shape (256,)."""
    table = np.zeros(256)
    for direction, weight in zip(DIRECTIONS, direction_weights(spacing_mm), strict=True):
        step = float(np.linalg.norm(np.multiply(direction, spacing_mm)))
        # A line of this direction stands for an area of (voxel volume / step); a body's lines cross its surface twice.
        area = 4.0 * weight * float(np.prod(spacing_mm)) / step / 2.0
        table += area * _crossings(direction) / _corners_seeing(direction)
    return table


@lru_cache(maxsize=32)
def shares_of_sphere(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Share of the sphere nearest to each direction, shape (13,), summing to 1."""
    from scipy.spatial import SphericalVoronoi

    steps = np.asarray(DIRECTIONS) * np.asarray(spacing_mm)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    areas = SphericalVoronoi(np.concatenate([steps, -steps])).calculate_areas()
    shares: NDArray[np.float64] = (areas[:13] + areas[13:]) / areas.sum()
    return shares


@lru_cache(maxsize=32)
def direction_weights(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Weight of each direction, shape (13,), summing to 1, for surfaces of every orientation.

    A plane with normal n comes out as ``2 sum_k w_k |n . u_k|`` of its area. The weights are those with which the mean square of
    its error over all orientations is smallest while its mean is nought, so that what lies equally in all directions comes out
    right. In cubic voxels the published shares of the sphere are as good and are taken; in others the directions lie unevenly, and
    such shares leave twice the error.
    """
    from scipy.optimize import nnls

    if len(set(spacing_mm)) == 1:
        return shares_of_sphere(spacing_mm)
    directions = np.asarray(DIRECTIONS)
    units = directions * np.asarray(spacing_mm)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    seen = 2.0 * np.abs(_normals() @ units.T)
    # Mirrored directions weigh alike, so that a figure does not hang on which way an axis runs.
    kinds, member = np.unique(np.abs(directions), axis=0, return_inverse=True)
    kind = member.ravel() == np.arange(len(kinds))[:, None]
    by_kind = seen @ kind.T
    mean = by_kind.mean(axis=0)
    exact = np.sqrt(len(seen)) * MEAN_OVER_SQUARES
    solved, _ = nnls(np.vstack([by_kind, exact * mean]), np.append(np.ones(len(seen)), exact))
    weights: NDArray[np.float64] = solved @ kind
    weights /= weights.sum()
    return weights


@lru_cache(maxsize=1)
def _normals() -> NDArray[np.float64]:
    """Orientations spread evenly over an eighth of the sphere, with every exchange of their axes, shape (n, 3)."""
    k = np.arange(ORIENTATIONS) + 0.5
    height, turn = 1.0 - k / ORIENTATIONS, np.pi * (1.0 + np.sqrt(5.0)) * k
    flat = np.sqrt(1.0 - height**2)
    points = np.abs(np.stack([height, flat * np.cos(turn), flat * np.sin(turn)], axis=1))
    return np.concatenate([points[:, order] for order in permutations(range(3))])


def _crossings(direction: Direction) -> Table:
    """How many voxel pairs of a direction in each pattern have one voxel in and one out, shape (256,)."""
    counts = np.zeros(256, np.int64)
    for start in product((0, 1), repeat=3):
        end = tuple(s + d for s, d in zip(start, direction, strict=True))
        if not all(e in (0, 1) for e in end):
            continue
        a, b = bit_of(*start), bit_of(*(int(e) for e in end))
        for pattern in range(256):
            counts[pattern] += (pattern >> a & 1) != (pattern >> b & 1)
    return counts


def _corners_seeing(direction: Direction) -> int:
    """How many corners see the same voxel pair: 4 for a face pair, 2 across an edge, 1 across a corner."""
    return int(2 ** sum(d == 0 for d in direction))
