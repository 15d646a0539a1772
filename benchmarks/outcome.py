"""What a benchmark found: one figure, the peer's beside it, and the bar it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Benchmark", "Figure", "Outcome", "Peer", "Say"]

Say = Callable[[str], None]
"""Tells the person waiting what is being done."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a figure is held against, measured in the same run.

    Parameters
    ----------
    name : str
        A rival's name: a library's with its version, or a simple rule's, such as ``"constant"``.
    value : float
        Its figure, in the same unit.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Parameters
    ----------
    name : str
        What was measured.
    value : float
        Ours, in ``unit``.
    unit : str
        Unit of ``value`` and of the peer's.
    peer : Peer or None
        The rival; None where the bar is on the value itself.
    ratio : float or None
        How many times better than the peer, greater is better; None without a peer.
    bar : float or None
        Limit of the ratio, or of the value where there is no peer; None for a figure that is only reported.
    sense : {">=", "<"}
        Which side of the bar is good.
    """

    name: str
    value: float
    unit: str
    peer: Peer | None = None
    ratio: float | None = None
    bar: float | None = None
    sense: Literal[">=", "<"] = ">="

    @property
    def holds(self) -> bool:
        """True if the bar is kept, or if there is none; a figure that is not finite keeps no bar."""
        if self.bar is None:
            return True
        held = self.value if self.ratio is None else self.ratio
        if not math.isfinite(held):
            return False
        return held >= self.bar if self.sense == ">=" else held < self.bar

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite becomes null."""
        peer = None if self.peer is None else {"name": self.peer.name, "value": _plain(self.peer.value)}
        return {
            "name": self.name,
            "value": _plain(self.value),
            "unit": self.unit,
            "peer": peer,
            "ratio": _plain(self.ratio),
            "bar": self.bar,
            "sense": self.sense,
            "holds": self.holds,
        }


def _plain(value: float | None) -> float | None:
    """Five significant digits; a benchmark knows no more."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A benchmark's result: its headline and all figures behind it.

    Parameters
    ----------
    headline : Figure
        The figure shown first.
    parts : tuple of Figure
        All others, those with a bar and those only reported.
    notes : mapping of str to str or number
        Set-up: precision, sizes, settings.
    """

    headline: Figure
    parts: tuple[Figure, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """True if every bar is kept."""
        return all(figure.holds for figure in (self.headline, *self.parts))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark by name.

    Parameters
    ----------
    name : str
        As on the command line.
    about : str
        One line: what is promised.
    run : callable
        ``run(say) -> Outcome``.
    """

    name: str
    about: str
    run: Callable[[Say], Outcome]
