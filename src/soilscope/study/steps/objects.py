"""Objects: size tables of stones, biopores, organic particles, where the plan asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from soilscope.files import write_parquet, write_table
from soilscope.progress import Say, telling
from soilscope.structure import KIND_COLUMNS, ObjectKind, objects_in
from soilscope.study.layout import Layout
from soilscope.study.steps.opened import OpenedCore

__all__ = ["join", "outputs", "table", "write_found", "write_objects"]


def outputs(asked: Sequence[ObjectKind], core: str) -> list[str]:
    """What measuring one core publishes beside its structure."""
    return [_part(core)] if asked else []


def table(asked: Sequence[ObjectKind]) -> list[str]:
    """The joined table, where there is one."""
    return [Layout.objects] if asked else []


def write_objects(
    study: Path, asked: Sequence[ObjectKind], opened: OpenedCore, say: Say = lambda _done, _of, _what: None
) -> None:
    """One core's table of objects, kind after kind."""
    found = []
    for done, kind in enumerate(asked):
        with telling(say, kind.name, (done, done + 1), len(asked)):
            found.append(objects_in(opened.volume, opened.labels, kind))
    if asked:
        write_found(study, opened.volume.core, found)


def write_found(study: Path, core: str, found: Sequence[pd.DataFrame]) -> None:
    """The same from tables that are there already, one a kind."""
    write_parquet(study / _part(core), _joined(found))


def join(study: Path, asked: Sequence[ObjectKind], cores: Sequence[str]) -> None:
    """All cores' objects in ``tables/objects.csv``."""
    if asked:
        write_table(study / Layout.objects, _joined([pd.read_parquet(study / _part(core)) for core in cores]))


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below each other; empty ones, whose columns have no types of their own, are left out."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(KIND_COLUMNS))


def _part(core: str) -> str:
    return Layout.part("measure", f"{core}.objects.parquet")
