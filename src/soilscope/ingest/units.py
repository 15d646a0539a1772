"""Words for lengths, as file formats write them, in mm."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from soilscope.types import Spacing

__all__ = ["mm_of", "spacing_from"]

MM = {
    "m": 1000.0,
    "meter": 1000.0,
    "metre": 1000.0,
    "cm": 10.0,
    "centimeter": 10.0,
    "dm": 100.0,
    "decimeter": 100.0,
    "decimetre": 100.0,
    "mm": 1.0,
    "millimeter": 1.0,
    "millimetre": 1.0,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "\\u00b5m": 1e-3,
    "micron": 1e-3,
    "micrometer": 1e-3,
    "micrometre": 1e-3,
    "nm": 1e-6,
    "nanometer": 1e-6,
    "nanometre": 1e-6,
    "Å": 1e-7,
    "angstrom": 1e-7,
    "inch": 25.4,
    "in": 25.4,
}


def mm_of(unit: Any) -> float | None:
    """How many mm one of a unit is; None for a word that is no length."""
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", "replace")
    word = str(unit).strip().strip('"')
    for known in (word, word.lower(), word.lower().removesuffix("s")):
        if known in MM:
            return MM[known]
    return None


def spacing_from(lengths: Iterable[Any], unit_mm: float = 1.0) -> Spacing | None:
    """Three positive, finite lengths as (dz, dy, dx) in mm, or None."""
    try:
        dz, dy, dx = (float(length) * unit_mm for length in lengths)
    except (TypeError, ValueError):
        return None
    return (dz, dy, dx) if all(math.isfinite(s) and s > 0 for s in (dz, dy, dx)) else None
