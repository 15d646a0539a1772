"""Measure a core of any size, slab by slab, with the numbers it would have in memory.

Two passes over the slices. The first counts, and finds the clusters of each slab and which of them are one across the seams. The
second knows every cluster's size: it cleans the classes, works out what is said of single slices, and adds up what adds up
(:mod:`soilscope.structure.adding`). Thickness follows block by block, with halos (:mod:`soilscope.structure.halo`); distances
from temporary files, without (:mod:`soilscope.structure.far`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.classes import scheme as named_scheme
from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.progress import stages, telling
from soilscope.structure.adding import ADDING, CoreOutline
from soilscope.structure.budget import Budget, check_clusters
from soilscope.structure.builtin import DEFAULT_METRICS
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.fields import FieldFiles, Fields
from soilscope.structure.figures import BLOCKWISE, ClassFigures, has_figures, slice_by_slice
from soilscope.structure.fractal import box_of
from soilscope.structure.grown import class_slabs
from soilscope.structure.labelled import GREATEST_LABEL, Labelled, covering_names, findings_of_counts
from soilscope.structure.layer import Layer
from soilscope.structure.measure import ALWAYS, DEFAULT_RULE, Measured, Seen, Structure, check_classes, structure_of
from soilscope.structure.metric import Metric, metrics_named
from soilscope.structure.porosity import label_counts
from soilscope.structure.scratch import Box
from soilscope.structure.slabs import ClassSlabs, Sliced, Source, names_of, resolved, slab_bounds, source_of
from soilscope.structure.ways import AS_FITS, Ways
from soilscope.types import FloatProfile
from soilscope.volume import Volume, outline

__all__ = ["BLOCKWISE", "Ways", "measure_blockwise"]

NOTHING_HELD = np.zeros(GREATEST_LABEL + 1, np.bool_)


def measure_blockwise(
    core: Volume | Source | Path | str,
    scheme: Scheme | str | None = None,
    *,
    labels: Sliced | None = None,
    names: Mapping[int, str] | None = None,
    metrics: Sequence[str] | None = None,
    rule: ClusterRule = DEFAULT_RULE,
    joined: Sequence[tuple[int, ...]] = (),
    ways: Ways = AS_FITS,
) -> Structure:
    """Structure tables of a core that need not fit into memory: those of :func:`soilscope.structure.measure`.

    Parameters
    ----------
    core : path of a core store, Volume, or Source
    scheme, labels, names, metrics, rule, joined
        As there; ``labels`` may be a memory map, or whatever gives slices of whole numbers (``labels[first:end]``), and need
        ``names``.
    ways : Ways
        Memory, slabs, and who is told of the progress.

    Returns
    -------
    Structure
        Counts are equal whatever the slabs, distances to 1e-6, other figures to 1e-12. Thickness is exact as long as a block's
        halo is as wide as its widest place, which is seen to as far as memory allows; a class wider than that is NaN there, with
        the finding ``thickness-bound``. A metric of your own that looks beyond a slice is NaN, with the finding
        ``not-blockwise``.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: not even slab by slab, or more clusters than the memory holds.
        Else as :func:`soilscope.structure.measure`.
    OutputRefused
        Code ``disk-space``: temporary files do not fit onto the disk.
    UsageError
        Code ``classes``: neither a scheme, nor labels with names. Code ``temporary-folder``: the core has no store, beside which
        temporary files could lie, and ``ways`` no folder. Else as :func:`soilscope.structure.measure`.
    """
    source = source_of(core)
    chosen = metrics_named(list(dict.fromkeys([*ALWAYS, *(DEFAULT_METRICS if metrics is None else metrics)])))
    budget = ways.budget(source.about)
    known = named_scheme(scheme) if isinstance(scheme, str) else scheme
    held = None if known is None else resolved(known, source, budget.slab)
    if held is None and (labels is None or names is None):
        raise UsageError(
            "classes", "slab by slab, give a scheme, or labels made elsewhere with the name of every class."
        )
    slabs = class_slabs(source, held, labels, budget, ways.say)
    called = names_of(held, names) if labels is None else covering_names(NOTHING_HELD, names_of(held, names))
    about = Labelled(_outlined(source.about), outline(source.about.shape, np.dtype(np.uint8))[0], called, held)
    groups = [(k,) for k in about.names] + [check_classes(about, of) for of in joined]
    work = _Work(slabs, about, chosen, rule, budget, ways)
    measured = work.measured(groups)
    return structure_of(about, work.seen(), measured, chosen, rule)


def _outlined(volume: Volume) -> Volume:
    values, valid = outline(volume.shape, volume.values.dtype)
    return Volume(values, valid, volume.spacing_mm, volume.units, volume.findings, volume.core, volume.source)


@dataclass(slots=True)
class _Work:
    """One core on its way through the passes."""

    slabs: ClassSlabs
    core: Labelled
    chosen: tuple[Metric, ...]
    rule: ClusterRule
    budget: Budget
    ways: Ways
    findings: list[Finding] = field(default_factory=list)
    counts: NDArray[np.int64] = field(init=False)
    area: NDArray[np.int64] = field(init=False)
    outside: int = 0
    window: Box = ((0, 0), (0, 0), (0, 0))

    def measured(self, groups: list[tuple[int, ...]]) -> list[Measured]:
        """The figures of all classes and joined classes."""
        single = tuple(k for (k, *more) in groups if not more)
        together = [of for of in groups if len(of) > 1]
        layers = [Layer({k: k for k in single}, self.rule)]
        layers += [Layer(dict.fromkeys(of, 1), self.rule) for of in together]
        self._first_pass(layers)
        fields = self._second_pass(layers)
        self._note_missing()
        out = []
        for of in groups:
            at, value = (0, of[0]) if len(of) == 1 else (1 + together.index(of), 1)
            before = self.counts[:, [k - 1 for k in of]].sum(axis=1)
            found = ClassFigures(self.core.volume, layers[at], value, self.area, before, fields[at])
            out.append(self._of_class(of, found))
        return out

    def seen(self) -> Seen:
        """What the voxels say beside the classes."""
        columns = [k - 1 for k in self.core.names]
        told = findings_of_counts(
            self.core.names, self.counts[:, columns].sum(axis=0), int(self.area.sum()), self.outside
        )
        return Seen(int(self.area.sum()), (*told, *self.findings))

    @property
    def _wanted(self) -> set[str]:
        return {m.name for m in self.chosen}

    def _bounds(self) -> list[tuple[int, int]]:
        return list(slab_bounds(self.core.volume.shape[0], self.budget.slab))

    def _first_pass(self, layers: list[Layer]) -> None:
        depth = self.core.volume.shape[0]
        most = max(self.core.names)
        self.counts, self.area = np.zeros((depth, most), np.int64), np.zeros(depth, np.int64)
        boxes = []
        self.ways.say(0, 2 * depth, "clusters")
        for first, end, labels, valid in self.slabs.through(self._bounds()):
            with telling(self.ways.say, "clusters", (first, end), 2 * depth):
                outside, values = self.slabs.made_elsewhere(first, end, valid)
                covering_names(values, self.core.names)
                self.outside += outside
                self.counts[first:end], self.area[first:end] = label_counts(labels, valid, most)
                boxes.append(_moved(box_of(valid), first))
                for layer in layers:
                    layer.look(labels)
            check_clusters(sum(layer.held for layer in layers), self.budget)
        self.window = _around(boxes)
        for layer in layers:
            layer.close(self.area)

    def _second_pass(self, layers: list[Layer]) -> list[Fields]:
        volume = self.core.volume
        outlined = CoreOutline(volume.shape, volume.spacing_mm, int(self.area.sum()), self.window)
        sums = {name: partial(begin, outlined) for name, begin in ADDING.items() if name in self._wanted}
        for layer in layers:
            layer.begin([m for m in self.chosen if slice_by_slice(m)], sums, volume.shape[0])
        room = self.ways.room(self.slabs.source)
        with ExitStack() as stack:
            files = [FieldFiles(stack, room, self._wanted) for _ in layers]
            self._through_slabs(layers, files)
            at = volume.spacing_mm, self.rule, self.budget.block
            return [
                file.fields(layer.values, at, self.window[0], self.ways.say)
                for layer, file in zip(layers, files, strict=True)
            ]

    def _through_slabs(self, layers: list[Layer], files: list[FieldFiles]) -> None:
        depth = self.core.volume.shape[0]
        for number, (first, end, labels, valid) in enumerate(self.slabs.through(self._bounds())):
            with telling(self.ways.say, "slices and seams", (depth + first, depth + end), 2 * depth):
                for stage, layer, file in zip(stages(*[8] * len(layers)), layers, files, strict=True):
                    with stage:
                        file.append(layer.measure(number, (first, labels, valid), self.core.volume.spacing_mm), valid)

    def _note_missing(self) -> None:
        missing = [m.name for m in self.chosen if not has_figures(m)]
        if missing:
            self.findings.append(
                Finding(
                    "not-blockwise",
                    "warning",
                    f"{', '.join(missing)}: needs the whole core in memory at once, so that there is no "
                    "figure; cut a window, or raise memory_gb.",
                )
            )

    def _of_class(self, of: tuple[int, ...], found: ClassFigures) -> Measured:
        name = " + ".join(self.core.names[k] for k in of)
        profiles: dict[str, FloatProfile] = {}
        totals = []
        for metric in self.chosen:
            profile, total = found.of(metric)
            if metric.slices is not None:
                profiles[metric.column] = profile
            totals.append((metric, total))
        if (bound := found.fields.beyond(found.value)) is not None:
            self.findings.append(
                Finding(
                    "thickness-bound",
                    "warning",
                    f"local thickness of {name} is wider than {bound[0]:.3g} mm in {bound[1]} slices: more than the memory "
                    "budget lets a block see, so that there is no figure.",
                )
            )
        _, dy, dx = self.core.volume.spacing_mm
        return Measured(of, name, profiles, totals, self.area * (dy * dx))


def _moved(box: Box, by: int) -> Box:
    (first, end), y, x = box
    return (first + by, end + by), y, x


def _around(boxes: Sequence[Box]) -> Box:
    """The box of all boxes that hold something."""
    there = np.array([box for box in boxes if box[0][0] < box[0][1]]).reshape(-1, 3, 2)
    if not len(there):
        return (0, 0), (0, 0), (0, 0)
    lows, highs = there[:, :, 0].min(axis=0), there[:, :, 1].max(axis=0)
    z, y, x = ((int(low), int(high)) for low, high in zip(lows, highs, strict=True))
    return z, y, x
