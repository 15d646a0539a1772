"""How far long work is: told where it is done, heard where somebody waits for it.

Loops over voxels tell the share of them that is done, without knowing who asked or what comes after them. Whoever calls several of
them one after the other says which share of the whole each is (:func:`stages`), and whoever shows progress listens
(:func:`telling`). Nobody listening costs nothing. A share is of the work as it was laid out beforehand, not of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Say", "Stage", "Tell", "loop", "part", "spanning", "stages", "telling", "told"]

Say = Callable[[float, float, str], None]
"""How far it is: done, of how many, and doing what."""
Tell = Callable[[float, float], None]
"""How far it is: done, and of how many."""
FINEST = 0.0002
"""Smaller shares of the whole than this are not told: a bar has not more to show."""
Stage = AbstractContextManager[None]

LOOSE = 0.7
"""A loop that nobody gave a share of the work takes so much of what is left."""


@dataclass(slots=True)
class _Listener:
    """Hears shares of some work that is going on; they never fall."""

    tell: Callable[[float], None]
    reached: float = 0.0

    def hear(self, share: float) -> None:
        self.reached = max(self.reached, min(float(share), 1.0))
        self.tell(self.reached)


_LISTENER: ContextVar[_Listener | None] = ContextVar("listener", default=None)


def told(share: float) -> None:
    """Say which share of the present work is done, 0 to 1."""
    listener = _LISTENER.get()
    if listener is not None:
        listener.hear(share)


def telling(say: Say, what: str, span: tuple[float, float], of: float) -> Stage:
    """The same as :func:`spanning`, with words for what is done."""
    return spanning(lambda done, whole: say(done, whole, what), span, of)


@contextmanager
def spanning(tell: Tell, span: tuple[float, float], of: float) -> Iterator[None]:
    """What is done inside leads from one end of a span of ``of`` to the other; told at both ends, and in between as it goes on."""
    first, last = span
    said = first
    tell(first, of)

    def listener(share: float) -> None:
        nonlocal said
        done = first + share * (last - first)
        if done - said >= FINEST * of:
            said = done
            tell(done, of)

    with _heard_by(listener):
        yield
    tell(last, of)


def stages(*weights: float) -> list[Stage]:
    """What is left of the present work in parts, each to be entered once and in this order, and how much each of them weighs."""
    listener, total = _LISTENER.get(), sum(weights) or 1.0
    begun = 0.0 if listener is None else listener.reached
    ends = [begun + (1.0 - begun) * sum(weights[: k + 1]) / total for k in range(len(weights))]
    return [part(first, last) for first, last in pairwise([begun, *ends])]


@contextmanager
def part(first: float, last: float) -> Iterator[None]:
    """What is done inside leads from one share of the present work to another."""
    outer = _LISTENER.get()
    if outer is None:
        yield
        return
    with _heard_by(lambda share: outer.hear(first + share * (last - first))):
        yield
    outer.hear(last)


def loop() -> Stage:
    """A loop that was given no share of the present work: it takes most of what is left."""
    listener = _LISTENER.get()
    begun = 0.0 if listener is None else listener.reached
    return part(begun, begun + LOOSE * (1.0 - begun))


@contextmanager
def _heard_by(listener: Callable[[float], None]) -> Iterator[None]:
    token = _LISTENER.set(_Listener(listener))
    try:
        yield
    finally:
        _LISTENER.reset(token)
