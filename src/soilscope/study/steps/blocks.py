"""A core of the study that does not fit into the memory there is: classified and measured slab by slab from its store."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.core.artefacts import Artefacts
from soilscope.core.density import Density
from soilscope.findings import Finding, from_records
from soilscope.progress import Say, telling
from soilscope.structure import ClusterRule, ObjectKind, Structure, materials
from soilscope.structure.blockwise import Ways, measure_blockwise
from soilscope.structure.budget import Budget, available_gb, in_memory_gb, tubes_gb
from soilscope.structure.grown import class_slabs
from soilscope.structure.large_objects import LEFT_OUT, fits_slab_by_slab, objects_blockwise
from soilscope.structure.sensitivity import default_shift, grey_step
from soilscope.structure.slabs import ClassSlabs, names_of, range_of, resolved, slab_bounds
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.types import Shape
from soilscope.volume import Volume
from soilscope.volume.partial import OpenStore

__all__ = ["SLABS", "LargeCore", "StoredLabels", "labels_part", "large_core", "memory_gb"]

SLABS = "slabs"
"""Word of the message by which an item says that it takes its core slab by slab, and from how much memory on it is worth taking
again, in GB: what the core needs whole, or less where a figure is missing that wider blocks would give."""

MORE = 1.25
"""As many times the memory are worth another try where the plan states none; what is free differs a little from run to run."""


def memory_gb(plan: Plan) -> float:
    """Memory that one item of the study may take, in GB: the plan's, or this machine's share of what it has to spare."""
    return plan.measure.memory_gb or available_gb() / plan.run.workers


def large_core(
    study: Path, plan: Plan, core: str, send: Callable[[Any], None] = lambda _message: None
) -> LargeCore | None:
    """The core, opened without its voxels, if it does not fit into memory, which is sent; None where it does.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: it does not fit slab by slab either.
    """
    store = OpenStore(study / Layout.store(core))
    budget = memory_gb(plan)
    estimate = tubes_gb if any(kind.shape == "tubes" for kind in plan.object_kinds) else in_memory_gb
    needed = estimate(store.about.shape, store.about.values.dtype.itemsize)
    if needed <= budget:
        return None
    send((SLABS, needed))
    label_names = plan.names() or {} if plan.labels is not None else None
    more = math.nextafter(budget, math.inf) if plan.measure.memory_gb else MORE * budget
    bound = partial(send, (SLABS, min(needed, more)))
    return LargeCore(study, store, budget, needed, label_names, tuple(plan.object_kinds), bound)


def labels_part(core: str) -> str:
    """Where labels made elsewhere are kept, cut as their core was."""
    return Layout.part("classify", f"{core}.zarr")


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """Labels in a store, a few slices at a time."""

    store: OpenStore

    @property
    def shape(self) -> Shape:
        """(z, y, x)."""
        return self.store.about.shape

    def __getitem__(self, slices: slice) -> NDArray[Any]:
        return self.store.read(*slices.indices(self.shape[0])[:2])[0]


@dataclass(frozen=True, slots=True)
class LargeCore:
    """A core that is read slab by slab.

    ``needed_gb`` is what it would take to hold it whole, ``label_names`` the names of labels made elsewhere that take the scheme's
    place; None where there is a scheme. ``kinds`` are all kinds of objects that are asked for. ``bound`` says that a figure is
    missing which more memory would give, so that it is measured again once there is more.
    """

    study: Path
    store: OpenStore
    budget_gb: float
    needed_gb: float
    label_names: Mapping[int, str] | None
    kinds: tuple[ObjectKind, ...] = ()
    bound: Callable[[], None] = lambda: None

    @property
    def why(self) -> str:
        """The figures that say why it is not held whole."""
        return f"{self.needed_gb:.2f} GB of memory needed, {self.budget_gb:.2f} GB may be used"

    @property
    def _about(self) -> Volume:
        return self.store.about

    @property
    def budget(self) -> Budget:
        """How it is cut."""
        return Budget.of(self._about.shape, self._about.values.dtype.itemsize, self.budget_gb)

    @property
    def slab(self) -> int:
        """Slices that are read at a time."""
        return self.budget.slab

    def classes(self, scheme: Scheme | None, say: Say = lambda _done, _of, _what: None) -> ClassSlabs:
        """Its classes, by a scheme with its edges, or as they were made elsewhere."""
        return class_slabs(self.store, scheme, self._labels(), self.budget, say)

    def names(self, scheme: Scheme | None) -> dict[int, str]:
        """Names by class number, rising."""
        return names_of(scheme, self.label_names)

    def resolved(self, scheme: Scheme) -> Scheme:
        """The scheme with the edges that hold for this core."""
        return resolved(scheme, self.store, self.slab)

    def summary(self, scheme: Scheme | None, bins: int, say: Say) -> dict[str, Any]:
        """Voxels of each class and the histogram, as of a core in memory; ``scheme`` has this core's edges."""
        classes = self.classes(scheme, say)
        ends = range_of(self.store, self.slab) or (0.0, 1.0)
        voxels, counts = np.zeros(256, np.int64), np.zeros(bins, np.int64)
        edges = np.histogram_bin_edges(np.zeros(0), bins, ends)
        for first, end in slab_bounds(self._about.shape[0], self.slab):
            with telling(say, "classes", (first, end), self._about.shape[0]):
                values, _ = self.store.read(first, end)
                labels, valid = classes.read(first, end)
                voxels += np.bincount(labels[valid], minlength=256)
                counts += np.histogram(values[valid], bins=bins, range=ends)[0]
        last = int(np.flatnonzero(voxels).max(initial=1)) + 1
        return {
            "scheme": None if scheme is None else scheme.as_dict(),
            "voxels": voxels[: max(last, 2)].tolist(),
            "histogram": {"counts": counts.tolist(), "edges": [float(e) for e in edges]},
        }

    def artefacts(self) -> tuple[Finding, ...]:
        """Cupping and drift as they were measured, without the share of voxels they move into another class."""
        measured = Artefacts.of(self._about)
        return () if measured is None else measured.findings(self._about)

    def scheme(self) -> Scheme | None:
        """The scheme that cut the core, with its edges; None where its classes were made elsewhere."""
        described = self._summary()["scheme"]
        return None if described is None else Scheme.from_dict(described)

    def shift(self) -> float:
        """By how much edges are moved where the plan leaves that open."""
        slabs = (self.store.read(*bounds) for bounds in slab_bounds(self._about.shape[0], self.slab))
        return default_shift(self._about.units, range_of(self.store, self.slab), grey_step(slabs))

    def measured(
        self,
        scheme: Scheme | None,
        joined: tuple[tuple[int, ...], ...],
        asked: tuple[list[str] | None, ClusterRule],
        say: Say | None = None,
    ) -> Structure:
        """The core's tables."""
        found = [*from_records(self._summary()["findings"]), *self._left_out()]
        self.store.about = self._about.with_findings(*found)
        metrics, rule = asked
        measured = measure_blockwise(
            self.store,
            scheme,
            labels=self._labels(),
            names=self.label_names,
            metrics=metrics,
            rule=rule,
            joined=joined,
            ways=self.ways(say),
        )
        if any(finding["code"] == "thickness-bound" for finding in measured.provenance["findings"]):
            self.bound()
        return measured

    def materials(self, scheme: Scheme | None) -> pd.DataFrame:
        """Mass and volume of every class in every slice, as of a core in memory."""
        density = Density.from_dict(self._about.source["density"])
        names, classes = self.names(scheme), self.classes(scheme)
        frames = []
        for first, end in slab_bounds(self._about.shape[0], self.slab):
            values, valid = self.store.read(first, end)
            slab = Volume(values, valid, self._about.spacing_mm, self._about.units, core=self._about.core)
            rows = materials(slab, classes.read(first, end)[0], names, density)
            frames.append(
                rows.assign(slice=rows["slice"] + first, depth_mm=self._about.depth_mm[rows["slice"] + first])
            )
        return _class_by_class(frames, names)

    def planes(self) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
        """Slices and their masks, one after the other."""
        for first, end in slab_bounds(self._about.shape[0], self.slab):
            yield from zip(*self.store.read(first, end), strict=True)

    def objects(self, scheme: Scheme | None, say: Say) -> list[pd.DataFrame]:
        """The tables of objects, kind after kind; those that need the whole core have none."""
        slabs = self.classes(scheme, say)
        return [objects_blockwise(slabs, kind, self.ways(say)) for kind in self.kinds if fits_slab_by_slab(kind)]

    def _left_out(self) -> list[Finding]:
        """What is to be said of the kinds of objects that need the whole core."""
        names = [repr(kind.name) for kind in self.kinds if not fits_slab_by_slab(kind)]
        if not names:
            return []
        text = (
            f"{', '.join(names)} (tubes, or objects beside a class) need the whole core in memory, {self.needed_gb:.2f} GB: they "
            "were not looked for. Raise memory_gb in the plan's [measure] where the machine has more, or cut a window."
        )
        return [Finding(LEFT_OUT, "warning", text)]

    def _labels(self) -> StoredLabels | None:
        if self.label_names is None:
            return None
        return StoredLabels(OpenStore(self.study / labels_part(self._about.core)))

    def ways(self, say: Say | None) -> Ways:
        """How it is worked through: within the budget, temporary files beside the study's parts."""
        folder = self.study / "parts"
        folder.mkdir(exist_ok=True)
        ways = Ways(memory_gb=self.budget_gb, folder=folder)
        return ways if say is None else replace(ways, say=say)

    def _summary(self) -> dict[str, Any]:
        path = self.study / Layout.part("classify", f"{self._about.core}.json")
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


def _class_by_class(frames: list[pd.DataFrame], names: Mapping[int, str]) -> pd.DataFrame:
    """Rows of slabs in the order that a core in memory has: class after class."""
    found = pd.concat(frames, ignore_index=True)
    return pd.concat([found[found["class"] == str(number)] for number in names], ignore_index=True)
