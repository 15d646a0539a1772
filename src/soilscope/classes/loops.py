"""Voxel loops: compiled on first use, and shared between threads slab by slab.

Kernels release the interpreter lock and are spread over plain threads: no threading layer of its own, hence safe in a
server, beside other pools and after a fork. No result depends on the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

import numba

__all__ = ["alone", "compiled", "over_slabs", "thread_count"]

F = TypeVar("F", bound=Callable[..., object])

SLABS_PER_THREAD = 4
"""More slabs than threads, so that one thread does not wait for a slab full of work."""


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
    """Call ``work(first, end)`` for slabs that together cover ``range(slices)`` once, on all CPUs of the process."""
    if slices == 0:
        return
    threads = 1 if _ALONE.get() else min(thread_count(), slices)
    if threads <= 1:
        work(0, slices)
        return
    pieces = min(slices, threads * SLABS_PER_THREAD)
    bounds = [slices * k // pieces for k in range(pieces + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
