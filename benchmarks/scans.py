"""A scan of a medical scanner's size as DICOM, for the benchmarks that read and keep scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soilscope import phantoms
from soilscope.phantoms import dicom
from soilscope.volume import Volume

__all__ = ["SHAPE", "VOLUME_BYTES", "scan_values", "write_series"]

SHAPE = (640, 512, 512)
"""What the paper's scanner makes of one core."""
VOLUME_BYTES = SHAPE[0] * SHAPE[1] * SHAPE[2] * 2
PART = (64, 256, 256)
SPACING_MM = (0.25, 0.351, 0.351)


def scan_values() -> NDArray[np.int16]:
    """HU with a scanner's noise, shape :data:`SHAPE`: one small phantom core, side by side and on top of itself."""
    part = phantoms.make("pine-forest", 0, PART).volume.values
    return np.tile(part, tuple(whole // some for whole, some in zip(SHAPE, PART, strict=True)))


def write_series(folder: Path, values: NDArray[np.int16]) -> list[Path]:
    """One file a slice; the paths in order."""
    volume = Volume(values, np.ones(values.shape, bool), SPACING_MM, "HU", core="core")
    dicom.write_series(phantoms.Phantom(volume, np.zeros((1, 1, 1), np.uint8), "pine-forest", 0), folder)
    return sorted(folder.iterdir())
