"""Distances between the class profiles of every two cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soilscope.files import write_table
from soilscope.structure.compare import ClassProfiles, profile_distance
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.measure import slice_table

__all__ = ["class_profiles", "compare_cores"]

COLUMNS = ["core", "other", "class", "name", "distance", "mean", "mean_other", "compared"]


def class_profiles(slices: pd.DataFrame) -> ClassProfiles:
    """The area fractions of the single classes in one core's table of slices."""
    single = slices[~slices["class"].astype(str).str.contains("+", regex=False)]
    classes = list(dict.fromkeys(single["class"].astype(str)))
    wide = single.assign(key=single["class"].astype(str)).pivot_table(
        index="depth_mm", columns="key", values="fraction", dropna=False
    )
    depth = wide.index.to_numpy(float)
    height = float(np.median(np.diff(depth))) if len(depth) > 1 else 2.0 * float(depth[0])
    return ClassProfiles(tuple(classes), wide[classes].to_numpy(float), depth, height)


def compare_cores(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
    """Write ``tables/comparison.csv``: one row a pair of cores and class, and one of all classes together."""
    send(("progress", 0, 1, "comparing cores"))
    there = gathered.cores(plan)
    if len(there) < 2:
        return "a comparison needs at least two measured cores"
    tables = {core: slice_table(study, core) for core in there}
    names = {str(k): str(n) for table in tables.values() for k, n in zip(table["class"], table["name"], strict=True)}
    profiles = {core: class_profiles(table) for core, table in tables.items()}
    rows = [row for one, other in combinations(there, 2) for row in _rows(profiles, one, other, names)]
    write_table(study / Layout.comparison, pd.DataFrame(rows, columns=COLUMNS))
    return None


def _rows(profiles: dict[str, ClassProfiles], one: str, other: str, names: dict[str, str]) -> Iterator[list[Any]]:
    found = profile_distance(profiles[one], profiles[other])
    for k, key in enumerate(found.classes):
        own = [found.distance[k], found.mean[k], found.mean_other[k]]
        yield [one, other, key, names[key], *own, found.compared]
    yield [one, other, "all", "of another class", found.all, float("nan"), float("nan"), found.compared]
