"""Rival ways timed in turn, so that a busy machine hurts all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved_seconds", "seconds"]


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved_seconds(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median of each way's own seconds, the ways taking turns.

    Parameters
    ----------
    ways : mapping of name to callable
        Each does its work once and returns the seconds it took (so that a way may leave its preparations out).
    rounds : int
        Turns of each way.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    return {name: statistics.median(values) for name, values in taken.items()}
