"""Skeletons: the middle lines of roots and biopores, and how long they are, bends and branches included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import aside
from soilscope.errors import UsageError
from soilscope.progress import stages, told
from soilscope.structure.clusters import Clusters, find_clusters, look_up
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_spacing, in_window
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import BoolVolume, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Skeleton", "find_skeleton", "length_classes", "length_of_objects"]

SMOOTHINGS = 4
"""Passes that even out the steps of a digital line; its ends and forks stay where they are."""
BUMP = 1.5
"""A side line that reaches no further from its fork than so many of the fork's radii, and a voxel, is a bump of the wall."""
ALONE = 1 / 64
"""Bodies whose boxes take no more of the volume than this are thinned one by one."""
STEPS_BACK = 4
"""Voxels of a line that give the direction of its tip."""
AT_ONCE = 1 << 18
"""Voxels of the array that are looked at between two tellings of progress."""
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
        The lines that thinning leaves (Lee, Kashyap & Chu 1994, doi:10.1006/cgip.1994.1042; scikit-image's ``skeletonize``). Their
        steps are evened out before lengths are taken, for a chain of voxels is up to 13 % longer than the line it stands for.
        Thinning eats a body's ends, about a radius each: what of the body lies beyond a line's tip, in the line's direction, is
        added. A side line that reaches no further than half a radius out of its fork's ball is a bump of the wall, and goes. The
        line of a ball is its diameter long.

    Notes
    -----
    Tubes at least four voxels wide and three times as long come out within 3 % of their length from tip to tip: straight, tilted,
    wound and branched, in cubic and other voxels. At a sharp bend the line of a wide tube cuts the corner, as its middle does.
    """
    inside, _ = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    if not inside.any():
        return Skeleton(np.zeros((0, 3), np.int64), np.zeros(0), np.zeros(0))
    distances, thinning, tips, balls = stages(1, 4, 5, 4)
    with distances:
        squared = squared_distance(inside, spacing)
    unknown = np.isinf(squared)  # a class without a wall has no distance
    squared = np.where(unknown, np.float32(0), squared)
    with thinning:
        clusters = find_clusters(inside, 26)
        places = _with_all_bodies(np.argwhere(_thinned(inside, clusters)).astype(np.int64), clusters, squared)
    radius = np.sqrt(squared[tuple(places.T)].astype(np.float64))
    kept, edges = _without_bumps(places, radius, spacing)
    places, radius = places[kept], radius[kept]
    points = _evened(places * np.asarray(spacing), edges)
    steps = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    length = np.bincount(edges.ravel(), np.repeat(steps / 2, 2), len(places)).astype(np.float64)
    number = np.bincount(edges.ravel(), minlength=len(places))
    length[number == 0] = 2.0 * radius[number == 0]
    with tips:
        length[number == 1] = _beyond_tips(clusters, places, edges, spacing)
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


def _thinned(inside: BoolVolume, clusters: Clusters) -> BoolVolume:
    """What thinning leaves: of small bodies one by one, of large ones, whose boxes overlap, together. No body sees another."""
    from scipy.ndimage import find_objects
    from skimage.morphology import skeletonize

    boxes = find_objects(clusters.labels)
    sizes = np.array([np.prod([side.stop - side.start for side in box]) for box in boxes], dtype=np.float64)
    alone = sizes <= ALONE * inside.size
    out = np.zeros(inside.shape, np.bool_)
    large, small = stages(0.0 if alone.all() else inside.size, sizes[alone].sum())
    with large:
        if not alone.all():
            together = look_up(clusters.labels, np.concatenate([[False], ~alone]))
            out |= aside(lambda: np.asarray(skeletonize(together, method="lee")))
    with small:
        for done, k in enumerate(np.flatnonzero(alone)):
            told(done / np.count_nonzero(alone))
            out[boxes[k]] |= skeletonize(clusters.labels[boxes[k]] == k + 1, method="lee")
    return out


def _with_all_bodies(places: NDArray[np.int64], clusters: Clusters, squared: NDArray[np.float32]) -> NDArray[np.int64]:
    """The voxels, and the deepest one of every body that thinning ate whole, as it does some that are even and round."""
    seen = np.zeros(clusters.number + 1, np.bool_)
    seen[clusters.labels[tuple(places.T)]] = True
    eaten = np.flatnonzero(~seen[1:]) + 1
    if not len(eaten):
        return places
    wanted = np.zeros(clusters.number + 1, np.bool_)
    wanted[eaten] = True
    voxels = np.flatnonzero(look_up(clusters.labels, wanted))
    own, depth = clusters.labels.ravel()[voxels], squared.ravel()[voxels]
    order = np.lexsort((-depth, own))  # body by body, the deepest first; of equal ones the first from the top down
    first = np.unique(own[order], return_index=True)[1]
    deepest = np.stack(np.unravel_index(voxels[order[first]], squared.shape), axis=1)
    return np.concatenate([places, deepest.astype(np.int64)])


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
    for a, b in joined:
        apart = _squared(millimetres[a], millimetres[b])
        between = near[a] & near[b]
        if any(
            max(_squared(millimetres[a], millimetres[c]), _squared(millimetres[c], millimetres[b])) < apart
            for c in between
        ):
            near[a].discard(b)
            near[b].discard(a)
    return near


def _beyond_tips(
    clusters: Clusters, places: NDArray[np.int64], edges: NDArray[np.int64], spacing: Spacing
) -> NDArray[np.float64]:
    """From the middle of a line's last step to the body's end in the line's direction, of every tip in order, mm.

    What lies beyond a tip are those voxels of its body that are nearer to it than to any other voxel of a line.
    """
    from scipy.spatial import cKDTree

    near: list[list[int]] = [[] for _ in places]
    for a, b in edges.tolist():
        near[a].append(b)
        near[b].append(a)
    scale = np.asarray(spacing)
    ends = np.array([k for k in range(len(near)) if len(near[k]) == 1], dtype=np.int64)
    if not len(ends):
        return np.zeros(0)
    here = places[ends] * scale
    along = here - places[[_back(near, tip) for tip in ends]] * scale
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    number = np.full(len(places), -1)
    number[ends] = np.arange(len(ends))
    tree, ahead, labels = cKDTree(places * scale), np.zeros(len(ends)), clusters.labels.ravel()
    own = clusters.labels[tuple(places[ends].T)]
    for start in range(0, labels.size, AT_ONCE):
        told(start / labels.size)
        voxels = start + np.flatnonzero(labels[start : start + AT_ONCE])
        points = np.stack(np.unravel_index(voxels, clusters.labels.shape), axis=1) * scale
        tip = number[tree.query(points)[1]]
        beyond = (tip >= 0) & (labels[voxels] == own[tip])
        tip = tip[beyond]
        np.maximum.at(ahead, tip, ((points[beyond] - here[tip]) * along[tip]).sum(axis=1))
    steps = places[[near[tip][0] for tip in ends]] * scale - here
    beyond_mm: NDArray[np.float64] = ahead + np.abs(along) @ scale / 2 + np.linalg.norm(steps, axis=1) / 2
    return beyond_mm


def _back(near: list[list[int]], tip: int) -> int:
    """A voxel of the line some steps before its tip."""
    before, here = tip, near[tip][0]
    for _ in range(STEPS_BACK):
        if len(near[here]) != 2:
            break
        before, here = here, next(k for k in near[here] if k != before)
    return here


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
