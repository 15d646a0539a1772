"""Measure a core of any size, slab by slab, with the numbers it would have in memory.

Two passes over the slices. The first counts, and finds the clusters of each slab and which of them are one across the seams. The
second knows every cluster's size: it cleans the classes, works out what is said of single slices, and adds up what whole
numbers make of the core (Euler number, surface). Thickness follows block by block, with halos (:mod:`soilscope.structure.halo`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.classes import scheme as named_scheme
from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.structure.budget import Budget, available_gb
from soilscope.structure.builtin import DEFAULT_METRICS
from soilscope.structure.clusters import ClusterRule, Clusters
from soilscope.structure.halo import Scratch, ThicknessSums, sum_thickness
from soilscope.structure.labelled import Labelled, findings_of_counts
from soilscope.structure.layer import Layer
from soilscope.structure.measure import (
    ALWAYS,
    DEFAULT_RULE,
    Measured,
    Say,
    Seen,
    Structure,
    check_classes,
    structure_of,
)
from soilscope.structure.metric import Metric, metrics_named
from soilscope.structure.phase import Known, Phase
from soilscope.structure.porosity import label_counts
from soilscope.structure.slabs import ArraySource, ClassSlabs, Source, names_of, resolved, slab_bounds
from soilscope.structure.surface import density_of_patterns
from soilscope.types import FloatProfile, LabelVolume
from soilscope.volume import Volume, outline
from soilscope.volume.partial import OpenStore

__all__ = ["BLOCKWISE", "measure_blockwise"]

BLOCKWISE = (*DEFAULT_METRICS, "surface-density")
"""Metrics that have exact figures slab by slab."""
OF_SUMS = ("fraction", "porosity", "clusters", "largest-fraction", "connection-3d")
"""Metrics whose figure of the core needs counts and cluster sizes only."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a core is worked through; none of it changes a number.

    Parameters
    ----------
    memory_gb : float, optional
        Memory to stay within; None takes what the machine has to spare.
    slab : int, optional
        Slices at a time; None takes as many as fit.
    block : int, optional
        Voxels of a block for thickness, halo included; None takes as many as fit.
    folder : path, optional
        Where the temporary file of classes goes, one byte a voxel; the system's own by default.
    say : callable
        Told ``(done, of, what)``.
    """

    memory_gb: float | None = None
    slab: int | None = None
    block: int | None = None
    folder: Path | None = None
    say: Say = lambda _done, _of, _what: None

    def budget(self, about: Volume) -> Budget:
        """Slabs and blocks that fit."""
        if self.slab is not None and self.block is not None:
            return Budget(self.slab, self.block)
        memory = available_gb() if self.memory_gb is None else self.memory_gb
        fits = Budget.of(about.shape, about.values.dtype.itemsize, memory)
        return Budget(self.slab or fits.slab, self.block or fits.block)


AS_FITS = Ways()


def measure_blockwise(
    core: Volume | Source | Path | str,
    scheme: Scheme | str | None = None,
    *,
    labels: LabelVolume | None = None,
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
        As there; ``labels`` may be a memory map, and need ``names``.
    ways : Ways
        Memory, slabs, and who is told of the progress.

    Returns
    -------
    Structure
        Counts are equal whatever the slabs, other figures to 1e-12. Thickness is exact as long as a block's halo is as wide as
        its widest place, which is seen to as far as memory allows; a class wider than that is NaN there, with the
        finding ``thickness-bound``. A metric that needs the whole core at once is NaN, with the finding ``not-blockwise``.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: not even slab by slab. Else as :func:`soilscope.structure.measure`.
    UsageError
        Code ``classes``: neither a scheme, nor labels with names. Else as :func:`soilscope.structure.measure`.
    """
    source = _source(core)
    chosen = metrics_named(list(dict.fromkeys([*ALWAYS, *(DEFAULT_METRICS if metrics is None else metrics)])))
    budget = ways.budget(source.about)
    known = named_scheme(scheme) if isinstance(scheme, str) else scheme
    held = None if known is None else resolved(known, source, budget.slab)
    if held is None and (labels is None or names is None):
        raise UsageError(
            "classes", "slab by slab, give a scheme, or labels made elsewhere with the name of every class."
        )
    slabs = ClassSlabs(source, held, labels)
    about = Labelled(
        _outlined(source.about), outline(source.about.shape, np.dtype(np.uint8))[0], names_of(held, names), held
    )
    groups = [(k,) for k in about.names] + [check_classes(about, of) for of in joined]
    work = _Work(slabs, about, chosen, rule, budget, ways)
    measured = work.measured(groups)
    return structure_of(about, work.seen(), measured, chosen, rule)


def _source(core: Volume | Source | Path | str) -> Source:
    if isinstance(core, Volume):
        return ArraySource(core)
    return OpenStore(Path(core)) if isinstance(core, str | Path) else core


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

    def measured(self, groups: list[tuple[int, ...]]) -> list[Measured]:
        """The figures of all classes and joined classes."""
        single = tuple(k for (k, *more) in groups if not more)
        layers = [Layer({k: k for k in single}, self.rule)]
        layers += [Layer(dict.fromkeys(of, 1), self.rule) for of in groups if len(of) > 1]
        self._first_pass(layers)
        self._second_pass(layers)
        asked = {m.name for m in self.chosen}
        unknown = [m.name for m in self.chosen if m.name not in BLOCKWISE]
        if unknown:
            self.findings.append(
                Finding(
                    "not-blockwise",
                    "warning",
                    f"{', '.join(unknown)}: needs the whole core in memory at once, so that there is no "
                    "figure; cut a window, or raise the memory budget.",
                )
            )
        out = []
        for of in groups:
            layer = layers[0] if len(of) == 1 else layers[1 + [g for g in groups if len(g) > 1].index(of)]
            value = of[0] if len(of) == 1 else 1
            thick = layer.thickness if "local-thickness" in asked else None
            out.append(self._of_class(of, layer, value, thick))
        return out

    def seen(self) -> Seen:
        """What the voxels say beside the classes."""
        columns = [k - 1 for k in self.core.names]
        told = findings_of_counts(
            self.core.names, self.counts[:, columns].sum(axis=0), int(self.area.sum()), self.outside
        )
        return Seen(int(self.area.sum()), (*told, *self.findings))

    def _bounds(self) -> list[tuple[int, int]]:
        return list(slab_bounds(self.core.volume.shape[0], self.budget.slab))

    def _first_pass(self, layers: list[Layer]) -> None:
        depth = self.core.volume.shape[0]
        most = max(self.core.names)
        self.counts, self.area = np.zeros((depth, most), np.int64), np.zeros(depth, np.int64)
        for first, end in self._bounds():
            self.ways.say(first, 2 * depth, "clusters")
            labels, valid = self.slabs.read(first, end)
            self.outside += self.slabs.outside(first, end, valid)
            self.counts[first:end], self.area[first:end] = label_counts(labels, valid, most)
            for layer in layers:
                layer.look(labels)
        for layer in layers:
            layer.close(self.area)

    def _second_pass(self, layers: list[Layer]) -> None:
        depth = self.core.volume.shape[0]
        profiles = [
            m for m in self.chosen if m.slices is not None and m.name in BLOCKWISE and m.name != "local-thickness"
        ]
        wanted = {m.name for m in self.chosen}
        for layer in layers:
            layer.begin(profiles, wanted, depth)
        with tempfile.TemporaryDirectory(prefix="soilscope-", dir=self.ways.folder) as folder:
            streams = [(Path(folder) / str(n)).open("w+b") for n in range(len(layers))]
            try:
                files = [Scratch(stream, self.core.volume.shape) for stream in streams]
                for number, (first, end) in enumerate(self._bounds()):
                    self.ways.say(depth + first, 2 * depth, "slices and seams")
                    labels, valid = self.slabs.read(first, end)
                    for layer, file in zip(layers, files, strict=True):
                        cleaned = layer.measure(number, (first, labels, valid), self.core.volume.spacing_mm)
                        if "local-thickness" in wanted:
                            file.append(cleaned)
                if "local-thickness" in wanted:
                    for layer, file in zip(layers, files, strict=True):
                        layer.thickness = self._thickness(file)
            finally:
                for stream in streams:
                    stream.close()

    def _thickness(self, file: Scratch) -> ThicknessSums:
        def say(done: int, of: int) -> None:
            self.ways.say(done, of, "thickness")

        return sum_thickness(file, self.core.volume.spacing_mm, self.budget.block, say)

    def _of_class(self, of: tuple[int, ...], layer: Layer, value: int, thick: ThicknessSums | None) -> Measured:
        name = " + ".join(self.core.names[k] for k in of)
        before = self.counts[:, [k - 1 for k in of]].sum(axis=1)
        kept, removed = (self._whole(counts, layer, value) for counts in (before, layer.counts_of(value)))
        profiles: dict[str, FloatProfile] = {}
        totals = []
        for metric in self.chosen:
            whole = kept if metric.clusters == "kept" else removed
            profile, total = self._figures(metric, whole, (layer, value), thick)
            if metric.slices is not None:
                profiles[metric.column] = profile
            totals.append((metric, total))
        if thick is not None and thick.beyond[:, value].any():
            self.findings.append(
                Finding(
                    "thickness-bound",
                    "warning",
                    f"local thickness of {name} is wider than {thick.bound_mm[value]:.3g} mm in "
                    f"{int(thick.beyond[:, value].sum())} slices: more than the memory budget lets a block see, so that there is "
                    "no figure.",
                )
            )
        return Measured(of, name, profiles, totals, self.area * kept.pixel_mm2)

    def _whole(self, counts: NDArray[np.int64], layer: Layer, value: int) -> Phase:
        """The class of the whole core as far as counts and cluster sizes go."""
        mask, _ = outline(self.core.volume.shape, np.dtype(np.bool_))
        sizes = layer.sizes_of(value)
        empty = np.zeros((0, *mask.shape[1:]), np.uint32)
        known = Known(clusters=lambda: Clusters(empty, sizes), counted=lambda: (counts[:, None], self.area))
        return Phase(mask, mask, self.core.volume.spacing_mm, self.rule.neighbours, known=known)

    def _figures(
        self, metric: Metric, whole: Phase, of: tuple[Layer, int], thick: ThicknessSums | None
    ) -> tuple[FloatProfile, float]:
        layer, value = of
        nothing = np.full(len(self.area), np.nan)
        if metric.name not in BLOCKWISE:
            return nothing, float("nan")
        if metric.name == "local-thickness" and thick is not None:
            return _thickness_of(thick, value, whole.counts)
        profile = nothing
        if metric.slices is not None:
            found = (
                metric.slices(whole)
                if metric.name in ("fraction", "porosity", "area")
                else layer.profile(metric, value)
            )
            profile = np.where(self.area > 0, found, np.nan)
        return profile, self._total(metric, whole, (layer, value), profile)

    def _total(self, metric: Metric, whole: Phase, of: tuple[Layer, int], profile: FloatProfile) -> float:
        layer, value = of
        window_mm3 = float(self.area.sum()) * whole.voxel_mm3
        if metric.name in OF_SUMS and metric.core is not None:
            return float(metric.core(whole))
        if metric.name == "percolating-fraction":
            return layer.percolating(value)
        if metric.name == "euler-3d":
            return layer.euler[value] / window_mm3 if window_mm3 else float("nan")
        if metric.name == "surface-density":
            patterns = layer.patterns[value]
            return density_of_patterns(patterns, whole.spacing_mm, window_mm3) if window_mm3 else float("nan")
        said = profile[~np.isnan(profile)]
        return float(said.mean()) if said.size else float("nan")


def _thickness_of(thick: ThicknessSums, value: int, counts: NDArray[np.int64]) -> tuple[FloatProfile, float]:
    """Mean over the voxels of each slice and of the core; NaN where a place was too wide to be measured."""
    profile: FloatProfile = np.full(len(counts), np.nan)
    np.divide(thick.sums[:, value], counts, out=profile, where=counts > 0)
    profile[thick.beyond[:, value]] = np.nan
    if thick.beyond[:, value].any() or not counts.any():
        return profile, float("nan")
    seen: NDArray[Any] = counts > 0
    return profile, float((profile[seen] * counts[seen]).sum()) / float(counts.sum())
