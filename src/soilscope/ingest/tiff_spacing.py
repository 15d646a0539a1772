"""The voxel size a TIFF states in a form that is meant: ImageJ's or OME's. Print resolution alone is none.

ImageJ writes inches for pictures that carry a print resolution and were never calibrated; with a slice distance and a
resolution that nobody prints at, they are meant."""

from __future__ import annotations

import math
import re
from typing import Any

from soilscope.ingest.units import mm_of
from soilscope.types import Spacing

__all__ = ["spacing_of"]

PRINT_DPI = (72, 96, 100, 150, 200, 240, 300, 360, 400, 600, 720, 1200, 2400)
"""Pixels per inch at which pictures are printed or shown: in inches they are nobody's voxel size."""


def spacing_of(tiff: Any) -> Spacing | None:
    """(dz, dy, dx) in mm of an open ``tifffile.TiffFile``, or None where it does not say all three."""
    spacing = _ome(tiff.ome_metadata) if tiff.ome_metadata else _imagej(tiff)
    if spacing is None or not all(math.isfinite(s) and s > 0 for s in spacing):
        return None
    return spacing


def _imagej(tiff: Any) -> Spacing | None:
    """ImageJ keeps the slice distance and the unit in its description, pixels per unit in the resolution tags."""
    about = tiff.imagej_metadata or {}
    word = str(about.get("unit", "")).strip()
    unit = mm_of(word)
    tags = tiff.pages.first.tags
    if unit is None or "spacing" not in about or "XResolution" not in tags or "YResolution" not in tags:
        return None
    dx, dy = (_per_pixel(tags[name].value) for name in ("XResolution", "YResolution"))
    if word in ("inch", "in") and any(
        math.isclose(1 / d, dpi, rel_tol=1e-4) for d in (dx, dy) for dpi in PRINT_DPI if d
    ):
        return None
    return abs(float(about["spacing"])) * unit, dy * unit, dx * unit


def _per_pixel(resolution: tuple[int, int]) -> float:
    pixels, units = resolution
    return units / pixels if pixels else math.nan


def _ome(text: str) -> Spacing | None:
    """PhysicalSize attributes of the first Pixels element; read by pattern, so that no XML entity is ever expanded."""
    element = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text)
    if element is None:
        return None
    sizes = []
    for axis in "ZYX":
        size = re.search(rf'\bPhysicalSize{axis}="([^"]+)"', element[0])
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', element[0])
        scale = mm_of(unit[1] if unit else "µm")
        if size is None or scale is None:
            return None
        try:
            sizes.append(float(size[1]) * scale)
        except ValueError:
            return None
    return sizes[0], sizes[1], sizes[2]
