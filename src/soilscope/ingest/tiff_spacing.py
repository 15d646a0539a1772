"""The voxel size a TIFF states in a form that is meant: ImageJ's or OME's. Print resolution alone is none."""

from __future__ import annotations

import math
import re
from typing import Any

from soilscope.types import Spacing

__all__ = ["spacing_of"]

MM = {
    "m": 1000.0,
    "cm": 10.0,
    "mm": 1.0,
    "millimeter": 1.0,
    "millimeters": 1.0,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "\\u00b5m": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "micrometers": 1e-3,
    "nm": 1e-6,
}
"""Units of length as ImageJ and OME write them, in mm. Inches are left out: they are ImageJ's word for "not calibrated"."""


def spacing_of(tiff: Any) -> Spacing | None:
    """(dz, dy, dx) in mm of an open ``tifffile.TiffFile``, or None where it does not say all three."""
    spacing = _ome(tiff.ome_metadata) if tiff.ome_metadata else _imagej(tiff)
    if spacing is None or not all(math.isfinite(s) and s > 0 for s in spacing):
        return None
    return spacing


def _imagej(tiff: Any) -> Spacing | None:
    """ImageJ keeps the slice distance and the unit in its description, pixels per unit in the resolution tags."""
    about = tiff.imagej_metadata or {}
    unit = MM.get(str(about.get("unit", "")).strip())
    tags = tiff.pages.first.tags
    if unit is None or "spacing" not in about or "XResolution" not in tags or "YResolution" not in tags:
        return None
    dx, dy = (_per_pixel(tags[name].value) for name in ("XResolution", "YResolution"))
    return float(about["spacing"]) * unit, dy * unit, dx * unit


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
        scale = MM.get(unit[1] if unit else "µm")
        if size is None or scale is None:
            return None
        try:
            sizes.append(float(size[1]) * scale)
        except ValueError:
            return None
    return sizes[0], sizes[1], sizes[2]
