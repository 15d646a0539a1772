"""Connection probability, and whether a class reaches from one face of the window to the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.errors import UsageError
from soilscope.structure.clusters import Clusters, find_clusters
from soilscope.structure.masks import as_mask
from soilscope.types import BoolVolume, FloatProfile, Neighbours3D

__all__ = [
    "connection_2d_profile",
    "connection_probability",
    "connection_profile",
    "percolates",
    "percolating_fraction",
    "probability_of_sizes",
]


def connection_probability(mask: BoolVolume, neighbours: Neighbours3D = 6) -> float:
    """Probability that two voxels of a class, drawn at random, belong to the same cluster.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    neighbours : {6, 18, 26}
        See :class:`soilscope.structure.ClusterRule`.

    Returns
    -------
    float
        ``Gamma = sum(n_i**2) / (sum n_i)**2`` over the clusters' sizes n_i (Renard & Allard 2013,
        doi:10.1016/j.advwatres.2011.12.001); 1 for one cluster, 0.5 for two equal ones, NaN for an empty mask.
    """
    return probability_of_sizes(find_clusters(mask, neighbours).sizes[1:])


def probability_of_sizes(sizes: NDArray[np.int64]) -> float:
    """Gamma of some cluster sizes; NaN where there are none."""
    total = float(sizes.sum())
    return float(np.square(sizes.astype(np.float64)).sum() / total**2) if total else float("nan")


def connection_profile(clusters: Clusters) -> FloatProfile:
    """Probability that two class voxels of one slice belong to the same cluster of the whole core.

    Returns
    -------
    float array, shape (z,)
        ``sum(n_i(z)**2) / (sum n_i(z))**2`` with n_i(z) the slice's voxels of the 3D cluster i; NaN where the class is
        absent. The connection may run through other slices: a slice alone does not show it.
    """
    out = np.full(len(clusters.labels), np.nan)

    def work(first: int, end: int) -> None:
        _connection_in_core(clusters.labels[first:end], np.zeros(len(clusters.sizes), np.int64), out[first:end])

    over_slabs(work, len(out))
    return out


def connection_2d_profile(mask: BoolVolume) -> FloatProfile:
    """Connection probability within each slice, clusters joined over the 8 neighbours in the plane.

    Returns
    -------
    float array, shape (z,)
        1 where the class is one cluster in the slice, NaN where it is absent.
    """
    mask = as_mask(mask)
    out = np.full(len(mask), np.nan)
    over_slabs(lambda first, end: _connection_of_slices(mask[first:end], out[first:end]), len(out))
    return out


def percolates(mask: BoolVolume, axis: int = 0, neighbours: Neighbours3D = 6) -> bool:
    """Whether one cluster touches both faces of the array along an axis.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    axis : int
        0 from top to bottom, 1 along y, 2 along x.
    neighbours : {6, 18, 26}
        See :class:`soilscope.structure.ClusterRule`.
    """
    return bool(spanning(find_clusters(mask, neighbours), axis).size)


def percolating_fraction(mask: BoolVolume, axis: int = 0, neighbours: Neighbours3D = 6) -> float:
    """Share of a class's voxels in clusters that touch both faces along an axis; NaN for an empty mask."""
    return spanning_fraction(find_clusters(mask, neighbours), axis)


def spanning_fraction(clusters: Clusters, axis: int = 0) -> float:
    """Share of the voxels of all clusters that lie in those touching both faces; NaN where there is no cluster."""
    if clusters.number == 0:
        return float("nan")
    return float(clusters.sizes[spanning(clusters, axis)].sum() / clusters.sizes[1:].sum())


def spanning(clusters: Clusters, axis: int) -> NDArray[Any]:
    """Labels of the clusters that touch both faces along an axis."""
    if axis not in (0, 1, 2):
        raise UsageError("axis", f"axis = {axis} must be 0 (z), 1 (y) or 2 (x).")
    if clusters.labels.size == 0:
        return np.zeros(0, np.int64)
    first = np.unique(np.take(clusters.labels, 0, axis=axis))
    last = np.unique(np.take(clusters.labels, -1, axis=axis))
    both = np.intersect1d(first, last)
    return both[both > 0].astype(np.int64)


@compiled
def _connection_of_slices(mask: BoolVolume, out: FloatProfile) -> None:
    """Union-find over runs: each run of a row is one node, joined to the touching runs of the row above."""
    ny, nx = mask.shape[1], mask.shape[2]
    most = ny * ((nx + 1) // 2)
    parent, size = np.empty(most, np.int64), np.empty(most, np.int64)
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    for z in range(mask.shape[0]):
        runs, above_first, above_end = 0, 0, 0
        for y in range(ny):
            row_first, x = runs, 0
            candidate = above_first
            while x < nx:
                if not mask[z, y, x]:
                    x += 1
                    continue
                start = x
                while x < nx and mask[z, y, x]:
                    x += 1
                parent[runs], size[runs], starts[runs], ends[runs] = runs, x - start, start, x
                while candidate < above_end and ends[candidate] < start:
                    candidate += 1
                touching = candidate
                while touching < above_end and starts[touching] <= x:  # one beyond either end touches at a corner
                    _join(parent, size, runs, touching)
                    touching += 1
                runs += 1
            above_first, above_end = row_first, runs
        squares, total = 0.0, 0.0
        for run in range(runs):
            if parent[run] == run:
                squares += float(size[run]) ** 2
                total += float(size[run])
        if total > 0:
            out[z] = squares / total**2


@compiled
def _join(parent: NDArray[np.int64], size: NDArray[np.int64], a: int, b: int) -> None:
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    while parent[b] != b:
        parent[b] = parent[parent[b]]
        b = parent[b]
    if a != b:
        if size[a] < size[b]:
            a, b = b, a
        parent[b] = a
        size[a] += size[b]


@compiled
def _connection_in_core(labels: NDArray[Any], sizes: NDArray[np.int64], out: FloatProfile) -> None:
    """``sizes`` comes as zeros and is left as zeros after each slice: only what a slice holds is touched."""
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                sizes[labels[z, y, x]] += 1
        sizes[0] = 0
        squares, total = 0, 0
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                squares += sizes[label] ** 2
                total += sizes[label]
                sizes[label] = 0
        if total > 0:
            out[z] = float(squares) / float(total) ** 2
