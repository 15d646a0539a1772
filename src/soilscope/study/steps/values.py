"""Mean and spread of the values in each class, on labels eroded by the plan's number of voxels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from soilscope.files import write_parquet, write_table
from soilscope.progress import Say, telling
from soilscope.structure.erosion import class_values
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import LargeCore, large_core
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.opened import open_core
from soilscope.volume import Volume

__all__ = ["join_values", "key", "measure_values", "outputs"]

SLAB = 8
"""Slices of a large core taken at a time; as many as labels are eroded by are read beyond them at either side."""


def key(core: str) -> str:
    """The item that takes the values of one core."""
    return f"measure:_values.{core}"


def outputs(core: str) -> list[str]:
    """The core's rows of the table."""
    return [Layout.part("measure", f"{core}.values.parquet")]


def measure_values(study: Path, plan: Plan, core: str, send: Callable[[Any], None]) -> None:
    """Means and standard deviations of one core: in memory where it fits, slab by slab where it does not."""

    def say(done: float, of: float, _what: str) -> None:
        send(("progress", done, of, f"values of the classes of {core}"))

    by = int(plan.structure.erode)
    if (large := large_core(study, plan, core, send)) is not None:
        found = _of_a_large_core(large, by, say)
    else:
        with telling(say, "", (0, 1), 4):
            opened = open_core(study, plan, core)
        with telling(say, "", (1, 4), 4):
            found = class_values(opened.volume, opened.labels, opened.names, by)
    write_parquet(study / outputs(core)[0], found)


def _of_a_large_core(large: LargeCore, by: int, say: Say) -> pd.DataFrame:
    about, scheme = large.store.about, large.scheme()
    names, classes, height = large.names(scheme), large.classes(scheme), about.shape[0]
    frames = []
    for first in range(0, height, SLAB):
        say(first, height, "")
        start, end = max(0, first - by), min(height, first + SLAB + by)
        values, valid = large.store.read(start, end)
        slab = Volume(values, valid, about.spacing_mm, about.units, core=about.core)
        rows = class_values(slab, classes.read(start, end)[0], names, by)
        rows = rows.assign(slice=rows["slice"] + start, depth_mm=rows["depth_mm"] + start * about.spacing_mm[0])
        frames.append(rows[(rows["slice"] >= first) & (rows["slice"] < first + SLAB)])
    table = pd.concat(frames, ignore_index=True)
    order = {str(number): k for k, number in enumerate(names)}
    return table.sort_values(
        ["class", "slice"], key=lambda c: c.map(order) if c.name == "class" else c, kind="stable", ignore_index=True
    )


def join_values(study: Path, _plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
    """Write ``tables/class_values.csv``."""
    send(("progress", 0, 1, "table of values"))
    there = [core for core in gathered.subject if key(core) in gathered.held]
    if not there:
        return "no core has classes with values"
    tables = [pd.read_parquet(study / outputs(core)[0]) for core in there]
    write_table(study / Layout.class_values, pd.concat(tables, ignore_index=True))
    return None
