"""Run tasks on this machine, in one process or in a few."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from soilscope.engine.task import Outcome, Task
from soilscope.engine.worker import execute, serve

__all__ = ["Local"]

POLL_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long a worker that is told to end may take."""
LEAVE_SECONDS = 20.0
"""How long a worker that has nothing left to do may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Local:
    """Tasks on this machine.

    Parameters
    ----------
    workers : int
        Processes at a time. One runs everything in the calling process. How many there are never changes a result:
        what a task may use (its threads) is in its arguments.
    """

    workers: int = 1

    def run(self, tasks: Iterable[Task], report: Callable[[str, Any], None]) -> Iterator[Outcome]:
        """See :class:`soilscope.engine.task.Engine`."""
        tasks = list(tasks)
        if self.workers <= 1 or len(tasks) <= 1:
            for task in tasks:
                yield execute(task, lambda message, key=task.key: report(key, message))  # type: ignore[misc]
        else:
            yield from _in_processes(tasks, min(self.workers, len(tasks)), report)


def _in_processes(tasks: list[Task], workers: int, report: Callable[[str, Any], None]) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    waiting: Any = context.Queue()  # fed by a thread: a long list must not block on workers that are not there yet
    results: Any = context.SimpleQueue()
    for entry in [*tasks, *[None] * workers]:
        waiting.put(entry)
    processes = [
        context.Process(target=serve, args=(waiting, results, os.getpid()), daemon=True) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        yield from _collect({task.key for task in tasks}, processes, results, report)
        _wait_for(processes, LEAVE_SECONDS)
    finally:
        waiting.cancel_join_thread()
        for process in processes:
            process.terminate()
        _wait_for(processes, GRACE_SECONDS)
        _kill(processes)


def _wait_for(processes: list[Any], seconds: float) -> None:
    until = time.monotonic() + seconds
    for process in processes:
        process.join(max(until - time.monotonic(), 0))


def _kill(processes: list[Any]) -> None:
    """End those in the middle of a long loop, or deaf to the signal."""
    for process in processes:
        process.kill()
        process.join()


def _collect(
    left: set[str], processes: list[Any], results: Any, report: Callable[[str, Any], None]
) -> Iterator[Outcome]:
    """Yield outcomes as they come; a worker that died (killed for memory, say) fails the task it held, never silently."""
    held: dict[str, int] = {}
    while left:
        if not results._reader.poll(POLL_SECONDS):
            for key in [k for k, pid in held.items() if k in left and _gone(pid, processes)]:
                left.discard(key)
                yield Outcome(
                    key, None, RuntimeError(f"the process working on {key} died; memory may have run out"), 0.0, 0.0
                )
            if left and not any(process.is_alive() for process in processes):
                for key in sorted(left):
                    yield Outcome(key, None, RuntimeError(f"no process was left to work on {key}"), 0.0, 0.0)
                return
            continue
        kind, key, content = results.get()
        if kind == "start":
            held[key] = content
        elif kind == "message":
            report(key, content)
        else:
            left.discard(key)
            held.pop(key, None)
            yield content


def _gone(pid: int, processes: list[Any]) -> bool:
    return any(process.pid == pid and not process.is_alive() for process in processes)
