"""Run a study: do what is missing, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soilscope import files
from soilscope.engine import Engine, Local
from soilscope.errors import UsageError
from soilscope.study.items import STEPS, items
from soilscope.study.ledger import Ledger
from soilscope.study.plan import read_plan
from soilscope.study.steps.blocks import memory_gb
from soilscope.study.work import Failure, Nobody, Watcher, Work

__all__ = ["Summary", "outlook", "run", "steps_until"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    done, skipped, failed : int
        Items made now, items that were done already, items that failed or waited for one that did.
    seconds : float
        Wall time.
    failures : tuple of Failure
    declined : mapping of str to str
        Items with nothing to make, and why.
    beside : int
        Items that were or are done, and that nothing which failed is made from.
    """

    done: int
    skipped: int
    failed: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    declined: tuple[tuple[str, str], ...] = ()
    beside: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The line ``--json`` prints."""
        return {"done": self.done, "skipped": self.skipped, "failed": self.failed, "seconds": round(self.seconds, 3)}


def steps_until(step: str) -> tuple[str, ...]:
    """All steps up to and with this one.

    Raises
    ------
    UsageError
        Code ``unknown-step``.
    """
    if step not in STEPS:
        raise UsageError("unknown-step", f"there is no step {step!r}; the steps are {', '.join(STEPS)}.")
    return STEPS[: STEPS.index(step) + 1]


def run(
    study: str | Path, steps: Iterable[str] = STEPS, engine: Engine | None = None, watcher: Watcher | None = None
) -> Summary:
    """Do what is missing in a study.

    Parameters
    ----------
    study : path
        A folder with a ``study.toml``.
    steps : iterable of str
        Which steps; all by default. A step whose forerunner is not done is left waiting and counted as failed.
    engine : Engine, optional
        Where the work runs; by default this machine, with the plan's number of workers.
    watcher : Watcher, optional
        Told of the progress.

    Returns
    -------
    Summary

    Raises
    ------
    PlanError, Busy, InputRefused
        Before anything is done. What goes wrong with single items is in the summary.
    """
    folder, start = Path(study).absolute(), time.perf_counter()
    plan = read_plan(folder)
    asked = set(steps)
    with files.lock(folder / "run"):
        ledger = Ledger.read(folder)
        work = Work(folder, plan, ledger, engine or Local(plan.run.workers), watcher or Nobody())
        every = items(folder, plan, ledger)
        for step in STEPS:
            work.do_step(step, [item for item in every if item.step == step], only_look=step not in asked)
        ledger.save()
        work.timings.save()
    seconds = time.perf_counter() - start
    return Summary(
        work.done,
        work.skipped,
        len(work.failures),
        seconds,
        tuple(work.failures),
        tuple(work.declined.items()),
        work.beside(every),
    )


def outlook(study: str | Path, steps: Iterable[str] = STEPS) -> list[str]:
    """Keys of the items a run would do, in order; nothing is done."""
    folder, asked = Path(study).absolute(), set(steps)
    ledger = Ledger.read(folder)
    made: dict[str, str] = {}
    todo = []
    plan = read_plan(folder)
    budget_gb = memory_gb(plan)
    for item in items(folder, plan, ledger):
        recipe = item.recipe(made)
        if ledger.holds(item.key, recipe, budget_gb if item.step in asked else 0.0):
            made[item.key] = ledger.entries[item.key].recipe
        elif item.step in asked:
            todo.append(item.key)
            # What is only made again has the recipe it had, and what builds on it stays.
            made[item.key] = recipe
    return todo
