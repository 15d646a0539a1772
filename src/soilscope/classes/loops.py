"""Voxel loops: compiled on first use, and shared between threads slab by slab.

Kernels release the interpreter lock and are spread over plain threads: no threading layer of its own, hence safe in a
server, beside other pools and after a fork. No result depends on the number of threads, or of pieces.

Machine code hears no signal: the main thread waits between pieces, or for others' pieces, tells how far the loop is, and can be
stopped there. So pieces are small, and what other libraries do in one go is waited for in the same way (:func:`aside`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import TypeVar, cast

import numba

from soilscope.progress import loop, told

__all__ = ["alone", "aside", "begun", "compiled", "over_slabs", "thread_count"]

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

SLABS_PER_THREAD = 4
"""More slabs than threads, so that one thread does not wait for a slab full of work."""
PIECE = 32
"""Slices of a slab at most, as long as that makes no more than :data:`MOST_PIECES`: a stop is heard when one is done."""
MOST_PIECES = 64


def compiled(function: F) -> F:
    """Compile a loop to machine code, kept on disk between sessions, running without the interpreter lock."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # neither the package's folder nor the user's own is writable: compile anew in each session
        return cast(F, numba.njit(**options)(function))


def thread_count() -> int:
    """Number of CPUs this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Loops inside run on the calling thread: for many small arrays, starting threads takes longer than the work."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def over_slabs(work: Callable[[int, int], None], slices: int) -> None:
    """Call ``work(first, end)`` for slabs that together cover ``range(slices)`` once, on all CPUs of the process.

    The share that is done is told after each of them (:func:`soilscope.progress.told`).
    """
    if slices == 0:
        return
    if _ALONE.get():
        work(0, slices)
        return
    threads = min(thread_count(), slices)
    pieces = min(slices, max(threads * SLABS_PER_THREAD, min(-(-slices // PIECE), MOST_PIECES)))
    bounds = [slices * k // pieces for k in range(pieces + 1)]
    if threads <= 1:
        with loop():
            for done, (first, end) in enumerate(pairwise(bounds), start=1):
                work(first, end)
                told(done / pieces)
        return
    with loop(), ThreadPoolExecutor(threads) as pool:
        try:
            for done, _ in enumerate(pool.map(work, bounds[:-1], bounds[1:]), start=1):
                told(done / pieces)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def aside(work: Callable[[], T]) -> T:
    """Call something that takes long and lets nothing else in, such as another library's loop without the interpreter lock.

    It runs on a thread of its own while this one waits and hears signals. Where the wait is broken off, the thread is left to
    itself: it goes on until its work is done or the process ends, whichever comes first, and nobody sees its result.
    """
    return work() if _ALONE.get() else begun(work).result()


def begun(work: Callable[[], T]) -> Future[T]:
    """Begin something on a thread of its own, to be waited for later, such as reading what will be needed next.

    Where nobody waits for it any more, the thread is left to itself, as in :func:`aside`.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found
