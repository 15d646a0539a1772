"""From what was gathered of a core, slab by slab, to the figures of its metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.structure.adding import ADDING
from soilscope.structure.clusters import Clusters
from soilscope.structure.fields import FIELDS, Fields
from soilscope.structure.layer import Layer
from soilscope.structure.metric import Metric
from soilscope.structure.phase import Known, Phase
from soilscope.types import FloatProfile
from soilscope.volume import Volume, outline

__all__ = ["BLOCKWISE", "ClassFigures", "has_figures", "slice_by_slice"]

OF_COUNTS = ("fraction", "porosity", "area")
"""Metrics whose slices need counts only."""
OF_SUMS = (*OF_COUNTS, "clusters", "cluster-volume", "largest-fraction", "connection-3d")
"""Metrics whose figure of the core needs counts and cluster sizes only."""
OF_ENDS = ("percolating-fraction", "percolates")
"""Metrics that need the clusters in the first slice and in the last."""
IN_SLICES = (
    "largest-fraction",
    "connection-3d",
    "euler-2d",
    "connection-2d",
    "log-connection-2d",
    "perimeter-density",
    "fractal-dimension-2d",
    "anisotropy-2d",
)
"""Metrics whose slices need the class in that slice, and the numbers of its clusters in the core."""
BLOCKWISE = tuple(dict.fromkeys((*OF_SUMS, *OF_ENDS, *IN_SLICES, *ADDING, *FIELDS)))
"""Metrics that come with Soilscope and have exact figures slab by slab."""


def slice_by_slice(metric: Metric) -> bool:
    """Whether its slices can be worked out a few at a time."""
    return metric.slices is not None and (metric.name in IN_SLICES or metric.sees == "slice")


def has_figures(metric: Metric) -> bool:
    """Whether it has all its figures slab by slab."""
    return metric.name in BLOCKWISE or (metric.sees == "slice" and metric.core is None)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class, or several joined, of a core that was worked through.

    Parameters
    ----------
    core : Volume
        Without its voxels.
    layer : Layer
    value : int
        What the class is called there.
    area : int array, shape (z,)
        Valid voxels of each slice.
    before : int array, shape (z,)
        Voxels of the class before small clusters were removed.
    fields : Fields
    """

    core: Volume
    layer: Layer
    value: int
    area: NDArray[np.int64]
    before: NDArray[np.int64]
    fields: Fields

    def of(self, metric: Metric) -> tuple[FloatProfile, float]:
        """The metric's figures of the slices and of the core; NaN where it has none slab by slab."""
        whole = self._whole(self.before if metric.clusters == "kept" else self.layer.counts_of(self.value))
        if metric.name in FIELDS:
            profile, total = self.fields.of(metric.name, self.value, whole.counts)
            return np.where(self.area > 0, profile, np.nan), total
        profile = np.full(len(self.area), np.nan)
        if metric.name in OF_COUNTS and metric.slices is not None:
            profile = np.where(self.area > 0, metric.slices(whole), np.nan)
        elif slice_by_slice(metric):
            profile = self.layer.profile(metric, self.value)
        return profile, self._total(metric, whole, profile)

    def _whole(self, counts: NDArray[np.int64]) -> Phase:
        """The class of the whole core as far as counts and cluster sizes go."""
        mask, _ = outline(self.core.shape, np.dtype(np.bool_))
        sizes = self.layer.sizes_of(self.value)
        empty = np.zeros((0, *mask.shape[1:]), np.uint32)
        known = Known(clusters=lambda: Clusters(empty, sizes), counted=lambda: (counts[:, None], self.area))
        return Phase(mask, mask, self.core.spacing_mm, self.layer.rule.neighbours, known=known)

    def _total(self, metric: Metric, whole: Phase, profile: FloatProfile) -> float:
        if metric.name in ADDING:
            return self.layer.sums[metric.name, self.value].total()
        if metric.name in OF_ENDS:
            share = self.layer.percolating(self.value)
            return share if metric.name == "percolating-fraction" or np.isnan(share) else float(share > 0)
        if metric.core is not None:
            return float(metric.core(whole)) if metric.name in OF_SUMS else float("nan")
        said = profile[~np.isnan(profile)]
        return float(said.mean()) if said.size else float("nan")
