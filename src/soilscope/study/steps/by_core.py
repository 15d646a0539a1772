"""Tables that are made core by core and joined: where their parts lie, and how they come together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soilscope.files import write_parquet, write_table
from soilscope.progress import Say, telling
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import LargeCore, large_core
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.opened import OpenedCore, open_core

__all__ = ["ByCore"]

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class ByCore:
    """Tables of one kind.

    Parameters
    ----------
    name : str
        What the items are called: ``measure:_<name>.<core>`` and ``measure:_<name>``.
    about : str
        What is said while it is made.
    tables : tuple of str
        The joined tables, below the study.
    make : function of a plan, an opened core, and of whoever is told of the progress
        One core's rows of each table, in their order.
    own : function of a plan
        What of the plan concerns it; None where the plan does not ask for it.
    make_large : function of a plan, a core that is read slab by slab, and of whoever is told of the progress; or None
        The same rows of a core that does not fit into memory, or why there are none; None where they need all of it.
    """

    name: str
    about: str
    tables: tuple[str, ...]
    make: Callable[[Plan, OpenedCore, Say], tuple[pd.DataFrame, ...]]
    own: Callable[[Plan], Any]
    make_large: Callable[[Plan, LargeCore, Say], tuple[pd.DataFrame, ...] | str] | None = None

    @property
    def joined_key(self) -> str:
        """The item that joins all cores' rows."""
        return f"measure:_{self.name}"

    def key(self, core: str) -> str:
        """The item that makes one core's rows."""
        return f"measure:_{self.name}.{core}"

    def outputs(self, core: str) -> list[str]:
        """One core's rows of each table."""
        return [Layout.part("measure", f"{core}.{Path(table).stem}.parquet") for table in self.tables]

    def measure(self, study: Path, plan: Plan, core: str, send: Callable[[Any], None]) -> str | None:
        """Make one core's rows."""
        send(("progress", 0, 1, f"{self.about} of {core}"))

        def say(done: float, of: float, what: str) -> None:
            send(("progress", done, of, f"{what} of {core}"))

        large = large_core(study, plan, core, send)
        if large is not None and self.make_large is None:
            return (
                f"the {self.about} need the whole of core {core!r} in memory ({large.why}): raise memory_gb in the plan's "
                "[measure] where the machine has more, or cut a window"
            )
        if large is not None and self.make_large is not None:
            rows_of_it = self.make_large(plan, large, say)
            if isinstance(rows_of_it, str):
                return rows_of_it
            made = rows_of_it
        else:
            with telling(say, self.about, (0, 1), 1):
                opened = open_core(study, plan, core)
            made = self.make(plan, opened, say)
        for path, rows in zip(self.outputs(core), made, strict=True):
            write_parquet(study / path, rows)
        return None

    def join(self, study: Path, _plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
        """Join all cores' rows into the tables."""
        send(("progress", 0, 1, f"table of the {self.about}"))
        there = [c for c in gathered.subject if self.key(c) in gathered.held and self.key(c) not in gathered.declined]
        if not there:
            return f"no core has a table of the {self.about}"
        for k, table in enumerate(self.tables):
            parts = [pd.read_parquet(study / self.outputs(core)[k]) for core in there]
            filled = [part for part in parts if len(part)]
            write_table(study / table, pd.concat(filled, ignore_index=True) if filled else parts[0])
        return None

    def rows(self, study: Path, core: str) -> tuple[pd.DataFrame, ...] | None:
        """One core's rows of each table; None where they were not made."""
        paths = [study / path for path in self.outputs(core)]
        return tuple(pd.read_parquet(path) for path in paths) if all(path.exists() for path in paths) else None
