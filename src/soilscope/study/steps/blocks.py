"""A core of the study that does not fit into the memory there is: classified and measured slab by slab from its store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soilscope.classes import Scheme, classify
from soilscope.core.artefacts import Artefacts
from soilscope.core.density import Density
from soilscope.errors import InputRefused
from soilscope.findings import Finding, from_records
from soilscope.structure import ClusterRule, ObjectKind, Structure, materials
from soilscope.structure.blockwise import Ways, measure_blockwise
from soilscope.structure.budget import Budget, available_gb, in_memory_gb
from soilscope.structure.large_objects import fits_slab_by_slab, objects_blockwise
from soilscope.structure.sensitivity import default_shift
from soilscope.structure.slabs import ClassSlabs, range_of, resolved, slab_bounds
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.volume import Volume
from soilscope.volume.partial import OpenStore

__all__ = ["LargeCore", "Say", "large_core", "memory_gb"]

Say = Callable[[int, int, str], None]


def memory_gb(plan: Plan) -> float:
    """Memory that one item of the study may take, in GB: the plan's, or this machine's share of what it has to spare."""
    return plan.measure.memory_gb or available_gb() / plan.run.workers


def large_core(study: Path, plan: Plan, core: str) -> LargeCore | None:
    """The core, opened without its voxels, if it does not fit into memory; None where it does.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: it does not fit slab by slab either, or the plan asks for what needs all of it at once.
    """
    store = OpenStore(study / Layout.store(core))
    budget = memory_gb(plan)
    needed = in_memory_gb(store.about.shape, store.about.values.dtype.itemsize)
    if needed <= budget:
        return None
    wanted = _at_once(plan)
    if wanted:
        raise InputRefused(
            "memory-budget",
            f"core {core!r} needs {needed:.2f} GB in memory, and {budget:.2f} GB may be used; {' and '.join(wanted)} of the plan "
            "cannot be done slab by slab: raise memory_gb in the plan's [measure] where the machine has more, or cut a window.",
        )
    return LargeCore(study, store, budget, needed)


def _at_once(plan: Plan) -> list[str]:
    """What the plan asks for that needs a whole core in memory."""
    scheme = plan.scheme_value()
    asked = {
        "labels": plan.labels is not None,
        "core.density_volume": plan.core.density_volume,
        "the scheme's bands": scheme is not None and bool(scheme.bands),
    }
    asked |= {
        f"objects {kind.name!r} (tubes, or beside a class)": not fits_slab_by_slab(kind) for kind in plan.object_kinds
    }
    return [name for name, there in asked.items() if there]


@dataclass(frozen=True, slots=True)
class LargeCore:
    """A core that is read slab by slab; ``needed_gb`` is what it would take to hold it whole."""

    study: Path
    store: OpenStore
    budget_gb: float
    needed_gb: float

    @property
    def why(self) -> str:
        """The figures that say why it is not held whole."""
        return f"{self.needed_gb:.2f} GB of memory needed, {self.budget_gb:.2f} GB may be used"

    @property
    def _about(self) -> Volume:
        return self.store.about

    @property
    def slab(self) -> int:
        """Slices that are read at a time."""
        return Budget.of(self._about.shape, self._about.values.dtype.itemsize, self.budget_gb).slab

    def resolved(self, scheme: Scheme) -> Scheme:
        """The scheme with the edges that hold for this core."""
        return resolved(scheme, self.store, self.slab)

    def summary(self, scheme: Scheme, bins: int, say: Say) -> dict[str, Any]:
        """Voxels of each class and the histogram, as of a core in memory; ``scheme`` has this core's edges."""
        ends = range_of(self.store, self.slab) or (0.0, 1.0)
        voxels, counts = np.zeros(256, np.int64), np.zeros(bins, np.int64)
        edges = np.histogram_bin_edges(np.zeros(0), bins, ends)
        for first, end in slab_bounds(self._about.shape[0], self.slab):
            say(first, self._about.shape[0], "classes")
            values, valid = self.store.read(first, end)
            slab = Volume(values, valid, self._about.spacing_mm, self._about.units)
            voxels += np.bincount(classify(slab, scheme)[valid], minlength=256)
            counts += np.histogram(values[valid], bins=bins, range=ends)[0]
        last = int(np.flatnonzero(voxels).max(initial=1)) + 1
        return {
            "scheme": scheme.as_dict(),
            "voxels": voxels[: max(last, 2)].tolist(),
            "histogram": {"counts": counts.tolist(), "edges": [float(e) for e in edges]},
        }

    def artefacts(self) -> tuple[Finding, ...]:
        """Cupping and drift as they were measured, without the share of voxels they move into another class."""
        measured = Artefacts.of(self._about)
        return () if measured is None else measured.findings(self._about)

    def scheme(self) -> Scheme:
        """The scheme that cut the core, with its edges."""
        return Scheme.from_dict(self._summary()["scheme"])

    def shift(self) -> float:
        """By how much edges are moved where the plan leaves that open."""
        return default_shift(self._about.units, range_of(self.store, self.slab))

    def measured(
        self,
        scheme: Scheme,
        joined: tuple[tuple[int, ...], ...],
        asked: tuple[list[str] | None, ClusterRule],
        say: Say | None = None,
    ) -> Structure:
        """The core's tables."""
        self.store.about = self._about.with_findings(*from_records(self._summary()["findings"]))
        metrics, rule = asked
        return measure_blockwise(self.store, scheme, metrics=metrics, rule=rule, joined=joined, ways=self._ways(say))

    def materials(self, scheme: Scheme) -> pd.DataFrame:
        """Mass and volume of every class in every slice, as of a core in memory."""
        density = Density.from_dict(self._about.source["density"])
        names = dict(enumerate(scheme.names, start=1))
        frames = []
        for first, end in slab_bounds(self._about.shape[0], self.slab):
            values, valid = self.store.read(first, end)
            slab = Volume(values, valid, self._about.spacing_mm, self._about.units, core=self._about.core)
            rows = materials(slab, classify(slab, scheme), names, density)
            frames.append(
                rows.assign(slice=rows["slice"] + first, depth_mm=self._about.depth_mm[rows["slice"] + first])
            )
        return _class_by_class(frames, names)

    def objects(self, scheme: Scheme, kinds: Sequence[ObjectKind], say: Say) -> list[pd.DataFrame]:
        """The tables of objects, kind after kind."""
        slabs = ClassSlabs(self.store, scheme)
        return [objects_blockwise(slabs, kind, self._ways(say)) for kind in kinds]

    def _ways(self, say: Say | None) -> Ways:
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
