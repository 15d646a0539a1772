"""What runs inside a worker process."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.queues import Queue, SimpleQueue
from typing import Any, NoReturn

from threadpoolctl import threadpool_limits

from soilscope.engine.task import Outcome, Task
from soilscope.errors import SoilscopeError

__all__ = ["execute", "serve"]

KILOBYTES_PER_MB = 1024
WATCH_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
TERMINATED = 143


def execute(task: Task, send: Callable[[Any], None]) -> Outcome:
    """Run one task here; ``send`` reaches the calling process. Errors become part of the outcome.

    Matrix products run on one thread: their sums come out in another order on two, and a result must not depend on how
    many tasks run at a time.
    """
    start = time.perf_counter()
    value, error = None, None
    try:
        with threadpool_limits(1, user_api="blas"):
            value = task.call(*task.arguments, send)
    except Exception as caught:  # carried to the caller, which tells it and counts the task as failed
        if isinstance(caught, ImportError) and _stopped(caught):
            raise SystemExit(TERMINATED) from None
        error = caught if isinstance(caught, SoilscopeError) else _told(caught)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_PER_MB
    return Outcome(task.key, value, error, time.perf_counter() - start, peak_mb)


def _told(error: Exception) -> Exception:
    """An unexpected error in words that survive the way between processes."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "unknown place"  # noqa: PTH119
    return RuntimeError(f"{type(error).__name__}: {error} ({place})")


def serve(tasks: Queue[Task | None], results: SimpleQueue[tuple[str, str, Any]], parent: int) -> None:
    """Take tasks until None comes; end at once when the parent is gone."""
    try:
        _serve(tasks, results, parent)
    except ImportError as error:
        if not _stopped(error):
            raise
        raise SystemExit(TERMINATED) from None


def _stopped(error: ImportError) -> bool:
    """Whether an import failed because the worker was told to end: compiled modules put an error of their own before that."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(
        cause is one for one in seen
    ):  # what was raised again may come round in a circle
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return any(isinstance(one, SystemExit) for one in seen)


def _serve(tasks: Queue[Task | None], results: SimpleQueue[tuple[str, str, Any]], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; Ctrl-C reaches the whole group
    signal.signal(signal.SIGTERM, _ended)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    while (task := tasks.get()) is not None:
        key = task.key
        results.put(("start", key, os.getpid()))
        outcome = execute(task, lambda message, key=key: results.put(("message", key, message)))  # type: ignore[misc]
        results.put(("outcome", key, outcome))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending, and gives back what its libraries hold of the system


def _ended(_signal: int, _frame: object) -> NoReturn:
    """End in order, so that what the libraries hold of the system (named semaphores) is given back; told twice, end at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(TERMINATED)


def _end_with(parent: int) -> None:
    """A worker whose parent was killed must not go on writing into a study that somebody else may hold.

    Linux ends it at once (``prctl(2)``, PR_SET_PDEATHSIG); elsewhere it looks every second.
    """
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
