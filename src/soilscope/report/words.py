"""How names, targets, units and numbers are put into sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soilscope.figures.text import number
from soilscope.types import Spacing

__all__ = [
    "UNITS",
    "and_list",
    "ball_mm",
    "class_ranges",
    "count",
    "interval",
    "named_ranges",
    "split_target",
    "target_title",
    "unit_of",
    "with_unit",
]

UNITS = {"1": "", "mm2": "mm²", "mm3": "mm³", "1/mm2": "1/mm²", "1/mm3": "1/mm³", "mm2/mm3": "mm²/mm³"}
_TARGET = re.compile(r"^(?P<metric>.+)-(?P<of>\d+(?:\+\d+)*)$")
_METRICS = {
    "porosity": "porosity",
    "fraction": "area fraction",
    "local-thickness": "local thickness",
    "euler-2d": "Euler number density in the slice",
    "connection-2d": "connection probability in the slice",
    "log-connection-2d": "logarithm of the connection probability in the slice",
    "connection-3d": "connection probability in the core",
}
SHOWN_IN_LIST = 8
OPEN_UPWARDS = 32767
WRITTEN_STEPS = 1000
"""An edge that was worked out is written to this share of all classes' range."""


def unit_of(unit: str) -> str:
    """A unit as it is printed; nothing for plain shares.

    Examples
    --------
    >>> unit_of("1/mm2"), unit_of("1"), unit_of("mm")
    ('1/mm²', '', 'mm')
    """
    return UNITS.get(unit, unit)


def with_unit(value: float, unit: str, digits: int = 2) -> str:
    """A number and its unit."""
    return f"{number(value, digits)} {unit_of(unit)}".rstrip()


def split_target(target: str) -> tuple[str, tuple[str, ...]]:
    """Metric and classes of a target's name.

    Examples
    --------
    >>> split_target("log-connection-2d-5+6")
    ('log-connection-2d', ('5', '6'))
    """
    found = _TARGET.match(target)
    return (found["metric"], tuple(found["of"].split("+"))) if found else (target, ())


def target_title(target: str, names: Mapping[str, str]) -> str:
    """A target in words, with the names of its classes.

    Examples
    --------
    >>> target_title("porosity-5+6", {"5": "dense matrix", "6": "stone"})
    'porosity of classes 5 + 6 (dense matrix, stone)'
    """
    metric, of = split_target(target)
    words = _METRICS.get(metric, metric)
    if not of:
        return words
    known = [names[k] for k in of if k in names]
    called = f" ({', '.join(known)})" if known else ""
    return f"{words} of class{'es' if len(of) > 1 else ''} {' + '.join(of)}{called}"


def and_list(items: Iterable[str], most: int = SHOWN_IN_LIST) -> str:
    """A list in words; beyond ``most`` the rest is counted.

    Examples
    --------
    >>> and_list(["a", "b", "c"]), and_list("abcdef", most=3)
    ('a, b and c', 'a, b, c and 3 more')
    """
    named: Sequence[str] = list(items)
    if len(named) > most:
        return f"{', '.join(named[:most])} and {len(named) - most} more"
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def count(number_of: int, singular: str, plural: str | None = None) -> str:
    """A number and its noun.

    Examples
    --------
    >>> count(1, "core"), count(4, "core"), count(2, "series", "series")
    ('1 core', '4 cores', '2 series')
    """
    return f"{number_of} {singular if number_of == 1 else plural or singular + 's'}"


def ball_mm(voxels: int, spacing_mm: Spacing) -> float:
    """Diameter in mm of the ball that has the volume of so many voxels.

    Examples
    --------
    >>> round(ball_mm(60, (0.25, 0.351, 0.351)), 2)
    1.52
    """
    dz, dy, dx = spacing_mm
    return float((6.0 * voxels * dz * dy * dx / math.pi) ** (1 / 3))


def class_ranges(scheme: Mapping[str, Any] | None) -> dict[str, str]:
    """Class -> the values that make it, with unit; nothing where edges differ from core to core or classes were made elsewhere.

    Examples
    --------
    >>> class_ranges({"edges": [-1024, 0, 3071], "closed": "left", "units": "HU"})
    {'1': '[−1024, 0) HU', '2': '[0, 3071] HU'}
    """
    if not scheme or scheme.get("relative") or not scheme.get("edges"):
        return {}
    unit = " g/cm³" if scheme.get("method") == "density" else f" {scheme['units']}" if scheme.get("units") else ""
    edges, closed = list(scheme["edges"]), str(scheme.get("closed", "right"))
    return {str(k): interval(edges, k, closed) + unit for k in range(1, len(edges))}


def named_ranges(names: Mapping[str, str], ranges: Mapping[str, str]) -> dict[str, str]:
    """Class -> name with its range, as legends have it."""
    return {key: f"{name} {ranges[key]}" if key in ranges else name for key, name in names.items()}


def interval(edges: Sequence[float], number_of: int, closed: str) -> str:
    """The range of class ``number_of`` (from 1) with its brackets; closed at the left, the last class holds its upper edge too.

    A class up to the greatest value that 16 bits hold is open upwards. An edge that was worked out, and so has many digits, is
    written to the unit, or to a thousandth of all classes' range where that is less, and rounded to the side that leaves every
    whole number in its class; provenance has all its digits.

    Examples
    --------
    >>> interval([-1024, 0, 3071], 1, "left"), interval([-1024, 0, 3071], 2, "left"), interval([-1024, 0, 3071], 2, "right")
    ('[−1024, 0)', '[0, 3071]', '(0, 3071]')
    >>> interval([-700, 2000, 32767], 2, "right")
    '> 2000'
    >>> interval([-1040, 55.736328, 919.525391, 3071], 2, "right"), interval([-1040, 55.736328, 919.525391, 3071], 2, "left")
    ('(55, 919]', '[56, 920)')
    >>> interval([0.0, 0.314159265, 1.0], 1, "right")
    '(0, 0.314]'
    """
    low, high = (_edge(edges, k, closed).replace("-", "−") for k in (number_of - 1, number_of))
    if edges[number_of] >= OPEN_UPWARDS and closed == "right":
        return f"> {low}"
    if closed == "right":
        return f"({low}, {high}]"
    return f"[{low}, {high}{']' if number_of == len(edges) - 1 else ')'}"


def _edge(edges: Sequence[float], k: int, closed: str) -> str:
    """An edge as it is written: as given where it is short, else to what a value can be told."""
    edge, range_of_all = edges[k], edges[-1] - edges[0]
    short = f"{edge:.6g}"
    if float(short) == edge or not range_of_all > 0:
        return short
    places = max(0, -math.floor(math.log10(range_of_all / WRITTEN_STEPS)))
    whole = edge * 10.0**places
    # The first class keeps the least value, the last one the greatest.
    upwards = k == len(edges) - 1 or (closed == "left" and k > 0)
    return f"{(math.ceil(whole) if upwards else math.floor(whole)) / 10.0**places:.{places}f}"
