"""What moved edges do to a core's figures, and the horizons of its profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soilscope import structure
from soilscope.classes import Scheme
from soilscope.classes.value_range import valid_range
from soilscope.files import write_parquet, write_table
from soilscope.progress import Say
from soilscope.structure.horizons import Horizon, find_horizons
from soilscope.structure.sensitivity import Sensitivity, default_shift, grey_step, sensitivity
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import LargeCore, large_core
from soilscope.study.steps.compared import class_profiles
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.measure import rule, slice_table
from soilscope.study.steps.opened import open_core

__all__ = ["bands", "horizons_of", "join_horizons", "join_sensitivity", "key", "move_edges", "outputs"]

HORIZON_COLUMNS = ["core", "horizon", "top_mm", "bottom_mm", "thickness_mm", "slices", "step", "explained"]


def key(core: str) -> str:
    """The item that moves the edges of one core."""
    return f"measure:_sensitivity.{core}"


def outputs(core: str) -> list[str]:
    """Figures of the core, and porosities slice by slice."""
    return [Layout.part("measure", f"{core}.sensitivity.{kind}.parquet") for kind in ("core", "slices")]


def move_edges(study: Path, plan: Plan, core: str, send: Callable[[Any], None]) -> str | None:
    """Measure one core with its edges moved down and up."""
    send(("progress", 0, 3, f"moving the edges of {core}"))
    large = large_core(study, plan, core, send)
    movable = _in_memory(study, plan, core) if large is None else _of_a_large_core(large, plan)
    if movable is None:
        return "classes made elsewhere have no edges to move"
    asked = plan.structure.sensitivity
    shift = movable.shift if asked == "auto" else float(asked)
    measured = 0

    def measured_with(scheme: Scheme) -> structure.Structure:
        nonlocal measured

        def say(done: float, of: float, what: str) -> None:
            send(("progress", measured + done / of, 3, f"moving the edges of {core}: {what}"))

        made = movable.measured_with(scheme, say)
        measured += 1
        return made

    found: Sensitivity = sensitivity(measured_with, movable.scheme, shift)
    wanted = set(plan.structure.sensitivity_metrics)
    write_parquet(study / outputs(core)[0], found.core[found.core["metric"].isin(wanted)].reset_index(drop=True))
    write_parquet(study / outputs(core)[1], found.slices)
    return None


@dataclass(frozen=True, slots=True)
class _Movable:
    """A core whose edges can be moved: its scheme, by how much if nobody says, and how it is measured."""

    scheme: Scheme
    shift: float
    measured_with: Callable[[Scheme, Say], structure.Structure]


def _of_a_large_core(large: LargeCore, plan: Plan) -> _Movable | None:
    if (held := large.scheme()) is None:
        return None

    def measured_with(scheme: Scheme, say: Say) -> structure.Structure:
        return large.measured(scheme, plan.joined, (list(plan.structure.sensitivity_metrics), rule(plan)), say)

    return _Movable(held, large.shift(), measured_with)


def _in_memory(study: Path, plan: Plan, core: str) -> _Movable | None:
    opened = open_core(study, plan, core)
    if opened.scheme is None:
        return None
    volume, names = opened.volume, list(plan.structure.sensitivity_metrics)

    def measured_with(scheme: Scheme, say: Say) -> structure.Structure:
        return structure.measure(volume, scheme, metrics=names, rule=rule(plan), joined=plan.joined, say=say)

    ends, step = valid_range(volume.values, volume.valid), grey_step([(volume.values, volume.valid)])
    return _Movable(opened.scheme, default_shift(volume.units, ends, step), measured_with)


def bands(study: Path, core: str) -> pd.DataFrame | None:
    """The band of each slice's porosity, with the shift; None where the edges of this core were not moved."""
    paths = [study / path for path in outputs(core)]
    if not all(path.exists() for path in paths):
        return None
    return pd.read_parquet(paths[1]).assign(shift=pd.read_parquet(paths[0])["shift"].max())


def join_sensitivity(study: Path, _plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
    """Write ``tables/sensitivity.csv``."""
    send(("progress", 0, 1, "table of sensitivities"))
    there = [core for core in gathered.subject if key(core) in gathered.held and key(core) not in gathered.declined]
    if not there:
        return "no core has edges to move"
    table = pd.concat([pd.read_parquet(study / outputs(core)[0]) for core in there], ignore_index=True)
    write_table(study / Layout.sensitivity, table)
    return None


def horizons_of(slices: pd.DataFrame) -> tuple[list[str], tuple[Horizon, ...]]:
    """Single classes of a core's table of slices, and its horizons."""
    profiles = class_profiles(slices)
    return list(profiles.classes), find_horizons(profiles.shares, profiles.depth_mm, profiles.spacing_mm)


def join_horizons(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Write ``tables/horizons.csv``: one row a core and horizon, mean area fractions of the classes last."""
    send(("progress", 0, 1, "horizons"))
    rows: list[dict[str, Any]] = []
    for core in gathered.cores(plan):
        classes, found = horizons_of(slice_table(study, core))
        for number, one in enumerate(found, 1):
            own = [core, number, one.top_mm, one.bottom_mm, one.bottom_mm - one.top_mm]
            shares = {f"fraction_{k}": share for k, share in zip(classes, one.shares, strict=True)}
            rows.append(dict(zip(HORIZON_COLUMNS, [*own, one.slices, one.step, one.explained], strict=True)) | shares)
    columns = [*HORIZON_COLUMNS, *dict.fromkeys(name for row in rows for name in row if name not in HORIZON_COLUMNS)]
    write_table(study / Layout.horizons, pd.DataFrame(rows, columns=columns))
