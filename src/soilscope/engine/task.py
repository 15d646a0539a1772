"""The seam between what is done and where: a task, its outcome, and the protocol of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Engine", "Outcome", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """A module-level function and its arguments, both picklable by reference and by value.

    Parameters
    ----------
    key : str
        What the task is called in the ledger and in messages.
    call : callable
        Found again by name in the worker.
    arguments : tuple
        Plain values: paths, names, numbers, dictionaries.
    """

    key: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task: a value or an error, and what it cost."""

    key: str
    value: Any
    error: Exception | None
    seconds: float
    peak_mb: float


class Engine(Protocol):
    """Anything that can run tasks: this machine now, a cluster with the same seam later."""

    def run(self, tasks: Iterable[Task], report: Callable[[str, Any], None]) -> Iterator[Outcome]:
        """Run tasks in any order and yield each outcome as it comes.

        ``report(key, message)`` is called in the calling process with whatever a running task sends.
        """
