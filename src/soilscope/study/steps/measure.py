"""Measure: classes -> structure tables, a core at a time, then joined."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from soilscope import structure
from soilscope._version import __version__
from soilscope.files import write_json, write_parquet, write_table
from soilscope.progress import Say, telling
from soilscope.structure.metric import TAKEN_FROM, metrics_named
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps import materials, objects
from soilscope.study.steps.blocks import LargeCore, large_core
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.opened import open_core

__all__ = ["core_provenance", "join_tables", "measure_core", "metrics", "outputs", "packages", "rule", "slice_table"]


def outputs(core: str) -> list[str]:
    """What measuring one core publishes."""
    return [Layout.part("measure", f"{core}.{kind}") for kind in ("slices.parquet", "core.parquet", "json")]


def rule(plan: Plan) -> structure.ClusterRule:
    """The plan's rule for small clusters."""
    return structure.ClusterRule(plan.structure.under, plan.structure.neighbours)


def measure_core(study: Path, plan: Plan, core: str, send: Callable[[Any], None]) -> None:
    """Measure every class of one core: in memory where it fits, slab by slab where it does not."""

    def say(done: float, of: float, what: str) -> None:
        send(("progress", done, of, f"measuring {core}: {what}"))

    send(("progress", 0, 1, f"measuring {core}"))
    if (large := large_core(study, plan, core, send)) is not None:
        _measure_large(study, plan, large, say)
        return
    with telling(say, "reading", (0, 1), 1):
        opened = open_core(study, plan, core)
    classes = {"scheme": opened.scheme} if opened.scheme else {"labels": opened.labels, "names": opened.names}
    measured = structure.measure(
        opened.volume, **classes, metrics=metrics(plan), rule=rule(plan), joined=plan.joined, say=say
    )
    _publish(study, core, measured)
    materials.write_materials(study, plan, opened)
    objects.write_objects(study, plan.object_kinds, opened, say)


def _measure_large(study: Path, plan: Plan, large: LargeCore, say: Say) -> None:
    """The same of a core that is read slab by slab."""
    core, scheme = large.store.about.core, large.scheme()
    say(0, 1, f"slab by slab ({large.why})")
    _publish(study, core, large.measured(scheme, plan.joined, (metrics(plan), rule(plan)), say))
    materials.write_large(study, plan, large)
    if plan.object_kinds:
        objects.write_found(study, core, large.objects(scheme, say))


def _publish(study: Path, core: str, measured: structure.Structure) -> None:
    slices, whole, provenance = outputs(core)
    write_parquet(study / slices, measured.slices)
    write_parquet(study / whole, measured.core)
    write_json(study / provenance, dict(measured.provenance))


def metrics(plan: Plan) -> list[str] | None:
    """The plan's metrics and whatever its targets need; None takes the default set, targets added by name."""
    asked = [t.target for t in plan.learn.targets if t.target not in ("porosity", "fraction")]
    if plan.structure.metrics is None:
        return [*structure.DEFAULT_METRICS, *(t for t in dict.fromkeys(asked) if t not in structure.DEFAULT_METRICS)]
    return list(dict.fromkeys([*plan.structure.metrics, *asked]))


def packages(plan: Plan) -> dict[str, str]:
    """Metrics of the plan that installed packages offer -> package and version: another version measures again."""
    asked = plan.structure
    named = [*(metrics(plan) or ()), *asked.sensitivity_metrics, *asked.representative_metrics]
    metrics_named(named)
    return {name: TAKEN_FROM[name] for name in dict.fromkeys(named) if name in TAKEN_FROM}


def slice_table(study: Path, core: str) -> pd.DataFrame:
    """The table of one core, one row a slice and class."""
    return pd.read_parquet(study / outputs(core)[0])


def core_provenance(study: Path, core: str) -> dict[str, Any]:
    """What one core's table was made from."""
    content: dict[str, Any] = json.loads((study / outputs(core)[2]).read_text(encoding="utf-8"))
    return content


def join_tables(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Join the cores' tables into ``tables/``."""
    send(("progress", 0, 1, "joining tables"))
    there = gathered.cores(plan)
    slices = pd.concat([slice_table(study, core) for core in there], ignore_index=True)
    cores = pd.concat([pd.read_parquet(study / outputs(core)[1]) for core in there], ignore_index=True)
    write_table(study / Layout.slices[0], slices)
    write_parquet(study / Layout.slices[1], slices)
    write_table(study / Layout.cores, cores)
    materials.join(study, plan, there)
    objects.join(study, plan.object_kinds, there)
    made_of = {core: core_provenance(study, core) for core in there}
    write_json(study / Layout.provenance, {"software": __version__, "cores": made_of})
