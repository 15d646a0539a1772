"""Pore sizes and water retention of a core of any size: local thickness block by block, and how often each diameter occurs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.progress import telling
from soilscope.structure.budget import check_clusters
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.halo import thickness_of_blocks
from soilscope.structure.layer import Layer
from soilscope.structure.masks import ends_of
from soilscope.structure.pore_sizes import PoreSizes, sizes_of
from soilscope.structure.retention import retention_of
from soilscope.structure.scratch import Box
from soilscope.structure.slabs import ClassSlabs, slab_bounds
from soilscope.structure.value_counts import ValueCounts
from soilscope.structure.ways import AS_FITS, Ways
from soilscope.types import LabelVolume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pores_blockwise"]


def pores_blockwise(
    slabs: ClassSlabs, of: Sequence[int], rule: ClusterRule, ways: Ways = AS_FITS
) -> tuple[PoreSizes, pd.DataFrame] | float:
    """Pore size distribution and water retention, as :func:`pore_sizes` and :func:`water_retention` give them of the whole core.

    Parameters
    ----------
    slabs : ClassSlabs
        The core's classes.
    of : sequence of int
        The class of the pores, or several taken as one.
    rule : ClusterRule
        Which clusters are removed before.
    ways : Ways
        Memory, slabs, temporary files, and who is told of the progress.

    Returns
    -------
    (PoreSizes, DataFrame), or float
        With their default edges and suctions, counts equal whatever the slabs; or, where a place is wider than memory lets a block
        see, up to which width in mm it can see: a distribution without its widest pores is none.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: not even slab by slab, or more clusters than the memory holds.
    OutputRefused
        Code ``disk-space``: the temporary file does not fit onto the disk.
    UsageError
        Code ``temporary-folder``: see :class:`soilscope.structure.ways.Ways`.
    """
    about = slabs.source.about
    budget, depth = ways.budget(about), about.shape[0]
    bounds = list(slab_bounds(depth, budget.slab))
    layer, area = Layer(dict.fromkeys(of, 1), rule), np.zeros(depth, np.int64)
    for first, end in bounds:
        ways.say(first, 2 * depth, "looking for pores")
        labels, valid = slabs.read(first, end)
        area[first:end] = np.count_nonzero(valid, axis=(1, 2))
        layer.look(labels)
        check_clusters(layer.held, budget)
    layer.close(area)
    layer.begin([], {}, depth)
    found = _Diameters()
    with ways.room(slabs.source).array() as classes:
        for slab, (first, end) in enumerate(bounds):
            with telling(ways.say, "pores", (depth + first, depth + end), 2 * depth):
                labels, valid = slabs.read(first, end)
                classes.append(layer.measure(slab, (first, labels, valid), about.spacing_mm))
        say = partial(_told, ways)
        thickness_of_blocks(classes, about.spacing_mm, budget.block, [found.take], say, ends_of(area > 0))
    if found.bound < np.inf:
        return found.bound
    values, counts, window = found.counts.values, found.counts.counts, int(area.sum())
    sizes = sizes_of((values, counts), window, about.spacing_mm)
    return sizes, retention_of((values, counts), window, about.spacing_mm)


class _Diameters:
    """How often each diameter occurs, from blocks; ``bound`` is finite where a place was too wide for a block."""

    def __init__(self) -> None:
        self.counts = ValueCounts()
        self.bound = float("inf")

    def take(self, _block: Box, labels: LabelVolume, thick: NDArray[np.float32], bound: float) -> None:
        """A block's thickness, exact up to a bound."""
        mine = thick[labels > 0]
        if (~(mine <= bound)).any():
            self.bound = min(self.bound, bound)
        self.counts += ValueCounts.of(mine)


def _told(ways: Ways, done: float, of: float) -> None:
    ways.say(done, of, "diameters of pores")
