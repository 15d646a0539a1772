"""Tubes: what of a class is round in cross-section and long, as roots and biopores are, and cracks and vughs are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import over_slabs
from soilscope.errors import UsageError
from soilscope.progress import stages
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_spacing, between, from_top_to_bottom, in_window
from soilscope.structure.objects import ObjectRule, find_objects
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import BoolVolume, Spacing

__all__ = ["TubeRule", "tubes"]

NEAR_AXIS = 0.7
"""Voxels whose own ball has this share of the local diameter lie near the axis of a tube, or in the middle of a crack."""
STRAIGHT, ROUND = 0.4, 0.5
"""A tube curves little along itself (a ball: as much as across), and about as much one way across as the other (a crack: 0)."""
SCALE_STEP = 2.0**0.5
PLACES = 2**18
"""Voxels whose curvatures are held at a time."""
Rows = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class TubeRule:
    """What counts as a tube.

    Parameters
    ----------
    at_least_mm : float
        Narrower places are left out (local thickness), so that a biopore is told apart from the fine pores that join it.
    elongation : float
        Least length (greatest Feret diameter) over mean width of a body of tubes.

    Raises
    ------
    UsageError
        Code ``tube-rule``.
    """

    at_least_mm: float
    elongation: float = 3.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.at_least_mm) and self.at_least_mm > 0):
            raise UsageError("tube-rule", f"at_least_mm = {self.at_least_mm} must be a diameter in mm.")
        if not (np.isfinite(self.elongation) and self.elongation >= 1):
            raise UsageError("tube-rule", f"elongation = {self.elongation} must be 1 or more.")


def tubes(mask: BoolVolume, spacing_mm: Spacing, rule: TubeRule, valid: BoolVolume | None = None) -> BoolVolume:
    """The tubular part of a class.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    rule : TubeRule
        From which diameter on, and how long. Diameters under four voxels' longest edge are too coarse to be told round.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.

    Returns
    -------
    bool array, shape (z, y, x)
        Balls around the axes of tubes, inside the class: near-axis voxels (distance to the wall at least 0.7 of the local
        radius) at which the class, smoothed by a Gaussian of half the local diameter, curves across two directions alike
        and little along the third. These are the signs by which tubeness filters tell tubes from sheets and balls (Sato et
        al. 1998, doi:10.1016/S1361-8415(98)80009-1); taking the scale from the local diameter needs no threshold on a
        response. Bodies shorter than ``elongation`` x their mean width go. For roots compare
        Phalempin et al. 2021, doi:10.1186/s13007-021-00735-4.
    """
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    inner = from_top_to_bottom(window)  # beyond the core's own ends is no wall
    return between(inner, inside.shape, lambda: _tubes(inside[inner], window[inner], spacing, rule))


def _tubes(inside: BoolVolume, window: BoolVolume, spacing: Spacing, rule: TubeRule) -> BoolVolume:
    distances, balls, looking, painting, bodies = stages(1, 3, 12, 3, 4)
    with distances:
        squared = squared_distance(inside, spacing)
    nothing = np.zeros(inside.shape, np.bool_)
    if not squared.any() or np.isinf(squared.max()):
        return nothing
    with balls:
        diameter = thickness_from_distance(squared, spacing)
    near = (diameter >= rule.at_least_mm * (1.0 - 1e-6)) & (4.0 * squared >= np.square(NEAR_AXIS * diameter))
    with looking:
        axis = _tube_like(inside, diameter, near, spacing)
    if not axis.any():
        return nothing
    with painting:
        painted = thickness_from_distance(np.where(axis, squared, np.float32(0)), spacing) > 0
    with bodies:
        found = find_objects(painted & inside, spacing, window, ObjectRule(neighbours=26))
    long = found.table["length_mm"] >= rule.elongation * found.table["width_mm"]
    keep = np.concatenate([[False], long.to_numpy(dtype=np.bool_)])
    tubular: BoolVolume = keep[found.labels]
    return tubular


def _tube_like(inside: BoolVolume, diameter: NDArray[np.float32], near: BoolVolume, spacing: Spacing) -> BoolVolume:
    """The near-axis voxels at which the class is a tube, each looked at on the scale of its own diameter."""
    places = np.flatnonzero(near)
    own = diameter.ravel()[places]
    out = np.zeros(inside.shape, np.bool_)
    if not len(places):
        return out
    scale = np.floor(np.log(own / own.min()) / np.log(SCALE_STEP) + 1e-6).astype(np.int8)
    solid = inside.astype(np.float32)
    scales = np.unique(scale)
    for part, k in zip(stages(*np.sqrt(SCALE_STEP) ** scales), scales, strict=True):
        here = places[scale == k]
        width = float(np.median(own[scale == k]))
        with part:
            smooth = _smoothed(solid, [width / 2.0 / s for s in spacing])
        for first in range(0, len(here), PLACES):
            some = here[first : first + PLACES]
            at = np.stack(np.unravel_index(some, inside.shape), axis=1)
            out.ravel()[some[_is_tube(np.linalg.eigvalsh(_curvatures(smooth, at, spacing)))]] = True
    return out


def _smoothed(values: NDArray[np.float32], sigma: Sequence[float]) -> NDArray[np.float32]:
    """``scipy.ndimage.gaussian_filter`` to three standard deviations, axis after axis, each slab by slab: the same to the bit."""
    from scipy.ndimage import gaussian_filter1d

    found = values
    for axis, (part, width) in enumerate(zip(stages(1, 1, 1), sigma, strict=True)):
        before, after = found, np.empty_like(values)
        rows = (before, after) if axis else (before.swapaxes(0, 1), after.swapaxes(0, 1))  # lines stay whole
        along = axis or 1

        def work(first: int, end: int, rows: Rows = rows, along: int = along, width: float = width) -> None:
            gaussian_filter1d(
                rows[0][first:end], width, axis=along, output=rows[1][first:end], mode="nearest", truncate=3.0
            )

        with part:
            over_slabs(work, len(rows[0]))
        found = after
    return found


def _is_tube(curvatures: NDArray[np.floating[Any]]) -> BoolVolume:
    """From eigenvalues, rising: the two most negative ones across the tube, the third along it; shape (n,)."""
    across, second, along = -curvatures[:, 0], -curvatures[:, 1], np.abs(curvatures[:, 2])
    return np.asarray((second > ROUND * across) & (across > 0) & (along < STRAIGHT * second))


def _curvatures(smooth: NDArray[np.float32], places: NDArray[np.int64], spacing: Spacing) -> NDArray[np.float64]:
    """Second derivatives at some voxels, per mm², shape (n, 3, 3); what the array lacks goes on as it ends."""
    last = np.array(smooth.shape) - 1

    def value(*offsets: tuple[int, int]) -> NDArray[np.float64]:
        moved = places.copy()
        for axis, by in offsets:
            moved[:, axis] += by
        return np.asarray(smooth[tuple(np.clip(moved, 0, last).T)], dtype=np.float64)

    out = np.empty((len(places), 3, 3))
    for i, j in combinations_with_replacement(range(3), 2):
        if i == j:
            second = value((i, 1)) - 2.0 * value() + value((i, -1))
        else:
            second = (
                value((i, 1), (j, 1)) - value((i, 1), (j, -1)) - value((i, -1), (j, 1)) + value((i, -1), (j, -1))
            ) / 4.0
        out[:, i, j] = out[:, j, i] = second / (spacing[i] * spacing[j])
    return out
