"""Logarithmic axes with round numbers on them, however short their span."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from soilscope.figures.text import number

__all__ = ["diameters", "round_numbers", "round_steps"]

MOST_TICKS = 7


def round_steps(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round numbers between two positive ones, evenly spread over a logarithmic axis, at most about ``most``.

    Examples
    --------
    >>> round_steps(0.3, 6.0)
    [0.5, 1.0, 2.0, 5.0]
    >>> round_steps(0.02, 60.0)
    [0.1, 1.0, 10.0]
    >>> round_steps(0.6, 0.95)
    [0.6, 0.7, 0.8, 0.9]
    >>> round_steps(1.1, 1.9)
    [1.2, 1.4, 1.6, 1.8]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1,), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        steps = [float(f"{digit}e{power}") for power in powers for digit in digits]
        more = [step for step in steps if low * (1 - 1e-9) <= step <= high * (1 + 1e-9)]
        if len(found) >= 3 or (found and len(more) > most):
            break
        found = more
    if len(found) > 1:
        return found
    inside = [float(f"{step:.6g}") for step in MaxNLocator(4).tick_values(low, high)]
    return [step for step in inside if low * (1 - 1e-9) <= step <= high * (1 + 1e-9)]


def diameters(axes: Axes | SecondaryAxis, span: tuple[float, float], label: str) -> None:
    """Make the x axis logarithmic from one end of ``span`` to the other, with round numbers and its label."""
    if isinstance(axes, Axes):
        axes.set(xscale="log", xlim=span)
    axes.set_xlabel(label)
    round_numbers(axes.xaxis, span)


def round_numbers(axis: Axis, span: tuple[float, float]) -> None:
    """Write round numbers, and no others, on a logarithmic axis that is seen from one end of ``span`` to the other."""
    axis.set_major_locator(FixedLocator(round_steps(*span)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, _digits(value))))


def _digits(value: float) -> int:
    """Significant digits of a round number."""
    return len(f"{value:.3e}".partition("e")[0].replace(".", "").rstrip("0")) or 1
