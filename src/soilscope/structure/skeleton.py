"""Skeletons: the middle lines of roots and biopores, and how long they are, bends and branches included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled
from soilscope.errors import UsageError
from soilscope.progress import stages
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_spacing, from_top_to_bottom, in_window
from soilscope.structure.thickness import thickness_from_distance
from soilscope.structure.thinning import thinned
from soilscope.types import BoolVolume, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Skeleton", "find_skeleton", "length_classes", "length_of_objects"]

SMOOTHINGS = 4
"""Passes that even out the steps of a digital line; its ends and forks stay where they are."""
BUMP = 1.5
"""A side line that reaches no further from its fork than so many of the fork's radii, and a voxel, is a bump of the wall."""
STEPS_BACK = 4
"""Voxels of a line at least that give the direction of its tip."""
BACK = 1.0
"""And so many of its radii."""
LAST = 1.4
"""So many radii before its tip a line is left for a straight way on: as long as a way into a corner of a flat end."""
FORWARD = np.array([d for d in product((-1, 0, 1), repeat=3) if d > (0, 0, 0)])


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """The middle lines of a mask.

    Parameters
    ----------
    places : int array, shape (n, 3)
        Voxels (z, y, x) of the lines.
    length_mm : float array, shape (n,)
        Length of line at each voxel: half the way to each of its neighbours, and at a tip the way to the body's end.
    diameter_mm : float array, shape (n,)
        Local thickness there.
    """

    places: NDArray[np.int64]
    length_mm: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]

    @property
    def total_mm(self) -> float:
        """Length of all lines together."""
        return float(self.length_mm.sum())


def find_skeleton(mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None) -> Skeleton:
    """Middle lines of the bodies of a mask, with their length in mm.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        Slender bodies, such as :func:`soilscope.structure.tubes` gives them; of a sheet or a ball a line says little.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array.

    Returns
    -------
    Skeleton
        The lines that thinning leaves (:func:`soilscope.structure.thinning.thinned`). Their steps are evened out before lengths
        are taken, for a chain of voxels is up to 13 % longer than the line it stands for. Thinning eats a body's ends, about a
        radius each, or bends into their corners: the last 1.4 radii of a line are replaced by a straight way on, out of the body.
        A side line that reaches no further than half a radius out of its fork's ball is a bump of the wall, and goes. The line of
        a ball is about its diameter long.

    Notes
    -----
    Tubes at least four voxels wide and three times as long come out within 3 % of their length from tip to tip, wherever their
    axis lies between the voxels: straight, tilted, wound and branched, in cubic and other voxels. Where a tilted tube is cut off
    flat, one in thirty is further off, up to 7 % of five diameters; so are bends of less than three diameters' radius, 5 %. At a
    sharp bend the line of a wide tube cuts the corner, as its middle does: a right angle is half a diameter short.
    """
    inside, window = in_window(mask, valid)
    inner = from_top_to_bottom(window)  # beyond the core's own ends is no wall
    found = _skeleton_of(inside[inner], as_spacing(spacing_mm))
    return replace(found, places=found.places + np.array([inner.start, 0, 0]))


def _skeleton_of(inside: BoolVolume, spacing: Spacing) -> Skeleton:
    if not inside.any():
        return Skeleton(np.zeros((0, 3), np.int64), np.zeros(0), np.zeros(0))
    distances, thinning, tips, balls = stages(1, 4, 5, 4)
    with distances:
        squared = squared_distance(inside, spacing)
    unknown = np.isinf(squared)  # a class without a wall has no distance
    squared = np.where(unknown, np.float32(0), squared)
    with thinning:
        places = thinned(inside, float(np.sqrt(squared.max())) / min(spacing))
    radius = np.sqrt(squared[tuple(places.T)].astype(np.float64))
    kept, edges = _without_bumps(places, radius, spacing)
    places, radius = places[kept], radius[kept]
    points = _evened(places * np.asarray(spacing), edges)
    steps = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    length = np.bincount(edges.ravel(), np.repeat(steps / 2, 2), len(places)).astype(np.float64)
    number = np.bincount(edges.ravel(), minlength=len(places))
    length[number == 0] = 2.0 * radius[number == 0]
    with tips:
        length = _to_the_ends(inside, places, points, edges, radius, length, spacing)
    with balls:
        thickness = thickness_from_distance(squared, spacing)
    return Skeleton(places, length, thickness[tuple(places.T)].astype(np.float64))


def length_of_objects(skeleton: Skeleton, labels: NDArray[np.uint32], number: int) -> NDArray[np.float64]:
    """Length of line in each labelled object, mm, shape (number,): object k + 1 at place k; lines elsewhere are left out."""
    own = labels[tuple(skeleton.places.T)].astype(np.int64)
    return np.asarray(np.bincount(own, skeleton.length_mm, number + 1)[1:], dtype=np.float64)


def length_classes(
    skeleton: Skeleton, spacing_mm: Spacing, window_mm3: float, edges_mm: Sequence[float] | None = None
) -> pd.DataFrame:
    """How much length there is of which diameter.

    Parameters
    ----------
    skeleton : Skeleton
    spacing_mm : (dz, dy, dx)
        Only for the default edges.
    window_mm3 : float
        Volume of the window.
    edges_mm : sequence of float, optional
        Rising edges of the diameter classes; each holds its lower edge, the last one its upper edge too. By default whole multiples
        of the voxel's longest edge.

    Returns
    -------
    DataFrame
        from_mm, to_mm, length_mm, share (of the length), length_density (mm of length for each mm³ of window).

    Raises
    ------
    UsageError
        Code ``edges``: fewer than two edges, or edges that do not rise.
    """
    import pandas as pd

    step = max(spacing_mm)
    widest = float(skeleton.diameter_mm.max(initial=0.0))
    whole = np.arange(max(2, int(widest / step * (1.0 + 1e-6)) + 2), dtype=np.float64) * step
    edges: NDArray[np.float64] = whole if edges_mm is None else np.asarray(edges_mm, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise UsageError("edges", f"edges_mm {edges.tolist()} must be two or more rising diameters in mm.")
    # Diameters come in single precision: one that equals an edge must not fall below it.
    length = np.histogram(skeleton.diameter_mm * (1.0 + 1e-6), edges, weights=skeleton.length_mm)[0]
    total = skeleton.total_mm
    return pd.DataFrame(
        {
            "from_mm": edges[:-1],
            "to_mm": edges[1:],
            "length_mm": length,
            "share": length / total if total else np.nan,
            "length_density": length / window_mm3 if window_mm3 else np.nan,
        }
    )


def _without_bumps(
    places: NDArray[np.int64], radius: NDArray[np.float64], spacing: Spacing
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The voxels that stay, and the edges between them as pairs of their new numbers."""
    near = _neighbours(places, spacing)
    millimetres = places * np.asarray(spacing)
    gone: set[int] = set()
    # The shortest first: what is left of a fork of two bumps is one line.
    bumps = [walk for tip in range(len(near)) if len(near[tip]) == 1 and (walk := _to_fork(near, tip))]
    for *line, fork in sorted(bumps, key=len):
        reach = float(np.linalg.norm(millimetres[line[0]] - millimetres[fork])) + radius[line[0]]
        if len(near[fork]) > 2 and reach <= BUMP * radius[fork] + max(spacing):
            for place in line:
                for other in near[place]:
                    near[other].discard(place)
                near[place] = set()
            gone.update(line)
    kept = np.array([k for k in range(len(near)) if k not in gone], dtype=np.int64)
    number = np.full(len(near), -1)
    number[kept] = np.arange(len(kept))
    edges = [(number[k], number[other]) for k in kept for other in near[k] if other > k]
    return kept, np.array(edges, dtype=np.int64).reshape(-1, 2)


def _to_fork(near: list[set[int]], tip: int) -> list[int]:
    """The voxels from a tip to the next fork, it included; nothing where the line ends without one."""
    walk, before, here = [tip], tip, next(iter(near[tip]))
    while len(near[here]) == 2:
        walk.append(here)
        before, here = here, next(k for k in near[here] if k != before)
    return [*walk, here] if len(near[here]) > 2 else []


def _neighbours(places: NDArray[np.int64], spacing: Spacing) -> list[set[int]]:
    """For each voxel those it is joined to: of its 26 neighbours the ones that no nearer neighbour of both stands between."""
    size = places.max(axis=0) + 3
    flat = np.ravel_multi_index(tuple((places + 1).T), tuple(size))
    order = np.argsort(flat)
    near: list[set[int]] = [set() for _ in places]
    joined: list[tuple[int, int]] = []
    for step in FORWARD:
        wanted = np.ravel_multi_index(tuple((places + 1 + step).T), tuple(size))
        at = np.searchsorted(flat, wanted, sorter=order).clip(max=len(flat) - 1)
        found = flat[order[at]] == wanted
        joined += zip(np.flatnonzero(found).tolist(), order[at[found]].tolist(), strict=True)
    for a, b in joined:
        near[a].add(b)
        near[b].add(a)
    millimetres = (places * np.asarray(spacing)).tolist()

    def apart(a: int, b: int) -> tuple[float, int, int]:
        """How far apart two voxels are; of pairs equally far the first counts as nearer, so that no three stay joined in a ring."""
        return round(_squared(millimetres[a], millimetres[b]), 9), min(a, b), max(a, b)

    for a, b in joined:
        own = apart(a, b)
        if any(max(apart(a, c), apart(c, b)) < own for c in near[a] & near[b]):
            near[a].discard(b)
            near[b].discard(a)
    return near


def _to_the_ends(
    inside: BoolVolume,
    places: NDArray[np.int64],
    points: NDArray[np.float64],
    edges: NDArray[np.int64],
    radius: NDArray[np.float64],
    length: NDArray[np.float64],
    spacing: Spacing,
) -> NDArray[np.float64]:
    """The lengths, with those of a line's last voxels such that it ends where the body does.

    The last part of a line may bend into a corner of the body's end, or stop short of it. A straight line is drawn on from before
    it to where that leaves the body, and its length shared out. Where it comes nearer to another place of the lines than to those
    around its start, it ends there.
    """
    from scipy.spatial import cKDTree

    near: list[list[int]] = [[] for _ in places]
    for a, b in edges.tolist():
        near[a].append(b)
        near[b].append(a)
    lasts = [_last_part(_to_fork_or_tip(near, k), points, radius) for k in range(len(near)) if len(near[k]) == 1]
    if not lasts:
        return length
    scale = np.asarray(spacing)
    own, here = np.full(len(places), -1), np.array([last[-1] for last, _ in lasts])
    along = _directions(points, np.array([(last[0], last[-1], before[-1]) for last, before in lasts]))
    for k, (last, before) in enumerate(lasts):
        own[[*last, *before[:-1]]] = k
    beyond = np.zeros(len(lasts))
    _ways_out(inside.view(np.uint8), points[here] / scale, along / scale, beyond)
    tree, step = cKDTree(points), min(spacing) / 2.0
    going, at = np.arange(len(lasts)), step
    while len(going := going[beyond[going] > at]):
        other = own[tree.query(points[here[going]] + at * along[going])[1]] != going
        beyond[going[other]] = at - step / 2.0
        at += step
    out = length.copy()
    for (last, _), way in zip(lasts, beyond.tolist(), strict=True):
        *ahead, first = last
        rest = way
        if ahead:
            rest -= float(np.linalg.norm(points[ahead[-1]] - points[first])) / 2.0
        there = float(length[ahead].sum())
        if rest < there:
            out[ahead] *= max(0.0, rest) / there
        else:
            out[last[0]] += rest - there
    return out


def _directions(points: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Unit vectors in mm in which lines go on, from (tip, first of the last part, one before that).

    Half way between those of the last part and of what is before it: the one follows a bend, the other no corner.
    """
    tip, first, before = points[ends[:, 0]], points[ends[:, 1]], points[ends[:, 2]]
    until, since = first - before, tip - first
    until /= np.linalg.norm(until, axis=1, keepdims=True)
    along: NDArray[np.float64] = until + since / np.maximum(np.linalg.norm(since, axis=1, keepdims=True), 1e-12)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return along


def _to_fork_or_tip(near: list[list[int]], tip: int) -> list[int]:
    """The voxels of a line from its tip to the next fork, it included, or to the middle where it ends without one."""
    walk, before, here = [tip], tip, near[tip][0]
    while len(near[here]) == 2:
        walk.append(here)
        before, here = here, next(k for k in near[here] if k != before)
    walk.append(here)
    return walk if len(near[here]) > 2 else walk[: max(2, len(walk) // 2)]


def _last_part(
    walk: list[int], points: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[list[int], list[int]]:
    """The voxels of a line from its tip to :data:`LAST` radii before it, and those before that which tell its direction.

    Of a line that is too short the tip itself, and all others.
    """
    from_tip = np.linalg.norm(points[walk] - points[walk[0]], axis=1)
    far = from_tip >= LAST * radius[walk]
    first = int(np.argmax(far)) if far.any() else 0
    for start in (first, 0):
        apart = np.linalg.norm(points[walk[start:]] - points[walk[start]], axis=1)
        told_by = (apart >= BACK * radius[walk[start]]) & (np.arange(len(apart)) >= STEPS_BACK)
        if told_by.any():
            return walk[: start + 1], walk[start + 1 : start + int(np.argmax(told_by)) + 1]
    return walk[:1], walk[1:]


@compiled
def _ways_out(
    inside: NDArray[np.uint8], starts: NDArray[np.float64], along: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """How far from some points (in voxels) a straight line leaves the body; ``along`` is in voxels a mm, the way out in mm."""
    for k in range(len(starts)):
        place, way = np.floor(starts[k] + 0.5).astype(np.int64), 0.0
        while True:
            axis, way = 0, np.inf
            for a in range(3):
                if along[k, a] != 0.0:
                    side = 0.5 if along[k, a] > 0.0 else -0.5
                    reached = (place[a] - starts[k, a] + side) / along[k, a]
                    if reached < way:
                        axis, way = a, reached
            place[axis] += 1 if along[k, axis] > 0.0 else -1
            if not 0 <= place[axis] < inside.shape[axis] or inside[place[0], place[1], place[2]] == 0:
                break
        out[k] = way


def _squared(a: Sequence[float], b: Sequence[float]) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2


def _evened(points: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Points of the lines moved towards the middle of their two neighbours; tips and forks stay."""
    number = np.bincount(edges.ravel(), minlength=len(points))
    along = number == 2
    both = np.concatenate([edges, edges[:, ::-1]])
    for _ in range(SMOOTHINGS):
        sums = np.stack([np.bincount(both[:, 0], points[both[:, 1], k], len(points)) for k in range(3)], axis=1)
        points = np.where(along[:, None], points / 2 + sums / 4, points)
    return points
