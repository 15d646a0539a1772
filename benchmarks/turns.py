"""Ways of doing the same thing, timed in turn, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

from benchmarks.outcome import Figure, Peer

__all__ = ["faster", "in_turn", "peer_name"]


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way over some rounds; one round before them warms up and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


def peer_name(package: str, what: str) -> str:
    """A package with its version, and what of it is called."""
    return f"{package} {version(package)}, {what}"


def faster(name: str, ours: float, peer: str, theirs: float, bar: float | None) -> Figure:
    """Our seconds beside a peer's, and how many times faster that is."""
    return Figure(name, ours, "s", Peer(peer, theirs), theirs / ours, bar)
