"""Numbers of a header: what they say, or, where they are none, how they were written.

A slope written ``1,5`` is a fault of whoever wrote it; the refusal should show it. Texts are shown only where they look like
numbers or are a few letters, for what stands in the wrong element may be a name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import tag_for_keyword

__all__ = ["Unread", "asked", "length_of", "number_of", "numbers_of", "quoted", "tagged", "whole_of"]

LEAST_LENGTH_MM = 1e-6
"""No slice is thinner: an atom is a tenth of this."""

NUMBER_CHARACTERS = frozenset("0123456789.,+-eE \\")
MOST_CHARACTERS = 48
"""Of a text that looks like numbers."""
FEW_LETTERS = 4
"""So many characters name nobody."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that is no number, as a message may show it."""

    text: str


def tagged(name: str) -> str:
    """A keyword with its tag: ``RescaleSlope (0028,1053)``."""
    tag = tag_for_keyword(name) or 0
    return f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def asked(dataset: Any, name: str) -> Any:
    """The value of an element as its parser makes it, None where absent; :class:`Unread` where it cannot be made."""
    try:
        return dataset.get(name)
    except RecursionError:
        raise
    except Exception:  # parsers raise nearly anything on a damaged value
        return Unread(quoted(dataset.get_item(name).value))


def quoted(value: Any) -> str:
    """A value as a message may show it."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    text = (
        value if isinstance(value, str) else "\\".join(map(str, value)) if isinstance(value, Sequence) else str(value)
    )
    text = text.strip(" \0")
    if len(text) <= (MOST_CHARACTERS if NUMBER_CHARACTERS.issuperset(text) else FEW_LETTERS) and text.isprintable():
        return f'"{text}"'
    return "a text that is not shown here"


def number_of(value: Any) -> float | Unread | None:
    """A float, None where there is nothing; NaN and infinity are refused later, by name."""
    if value is None or isinstance(value, Unread):
        return value
    if isinstance(value, str | bytes | Sequence) and len(value) == 0:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return Unread(quoted(value))


def length_of(value: Any) -> float | Unread | None:
    """A length in mm; None where absent, or where it is none: NaN, infinite, or next to nothing, whatever its sign."""
    number = number_of(value)
    if isinstance(number, float):
        return number if LEAST_LENGTH_MM < abs(number) < math.inf else None
    return number


def whole_of(value: Any) -> int | Unread | None:
    """An integer, also from the two bytes of an element whose VR was lost."""
    if isinstance(value, bytes) and value:
        return int.from_bytes(value, "little", signed=True)
    number = number_of(value)
    if isinstance(number, float):
        return int(number) if math.isfinite(number) else None
    return number


def numbers_of(value: Any, count: int) -> tuple[float, ...] | Unread | None:
    """So many finite numbers, None where there are not so many."""
    if isinstance(value, Unread):
        return value
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
        return None
    made = [number_of(one) for one in value]
    if any(isinstance(one, Unread) for one in made):
        return Unread(quoted(value))
    found = tuple(one for one in made if isinstance(one, float) and math.isfinite(one))
    return found if len(found) == count else None
