"""A scan larger than the memory: looked through once, plane by plane, and then read again in any order.

The first pass counts what must be known of all values, takes the digest of the files, and keeps two looks at the scan
that are small enough to find the core in: a tall one (every slice, few rows and columns) and a wide one (few slices,
every row and column).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import merge
from soilscope.ingest.candidates import Options
from soilscope.ingest.grey import Gathered, Survey, converted, keepable, measured
from soilscope.ingest.planes import Planes
from soilscope.ingest.spacing import needed
from soilscope.types import BoolVolume, Shape, Spacing, Units
from soilscope.volume import Volume
from soilscope.volume.slabs import outline

__all__ = ["LARGE_VOXELS", "LargeScan", "Progress", "look_through"]

LARGE_VOXELS = 1 << 28
"""Scans of more voxels than this are imported plane by plane: read whole, they and their working copies need over 2 GB."""

LOOK_VOXELS = 1 << 26
LOOK_BYTES = 1 << 27
"""Most voxels of one look, and most bytes: float32 takes twice as many, and so do the working copies of finding the core."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LargeScan:
    """A scan whose values stay in its files.

    Parameters
    ----------
    about : Volume
        Shape, voxel size, units, findings and source of the scan; its arrays are empty shells that take no memory.
    tall, wide : Volume
        Every slice with every ``step``-th row and column; every ``wide_step``-th slice. Both begin at the first voxel.
    wide_step : int
    filled : (first, end)
        Planes from the first to the last that hold a valid voxel; (0, 0) where none does.
    outside : bool array, shape (y, x), or None
        What lies outside the scan circle in all planes.
    """

    planes: Planes
    survey: Survey
    about: Volume
    tall: Volume
    wide: Volume
    wide_step: int
    filled: tuple[int, int]
    outside: NDArray[np.bool_] | None = None

    def plane(self, k: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values and mask of plane k, as reading the scan whole would give them."""
        stored = self.planes.plane(k)
        valid = measured(stored, self.planes.present(k) if self.planes.present else None)
        if self.outside is not None:
            valid &= ~self.outside
        return converted(stored, valid, self.survey), valid


def look_through(planes: Planes, options: Options, name: str, progress: Progress) -> LargeScan:
    """The first pass over a scan.

    Raises
    ------
    InputRefused
        What reading it whole would refuse.
    """
    keepable(planes.dtype, name)
    spacing, told = needed(planes.stated, options.spacing_mm, name)
    gathered, digest = Gathered(planes.dtype, options), hashlib.sha256()
    depth, rows, columns = planes.shape
    most = min(LOOK_VOXELS, LOOK_BYTES // planes.dtype.itemsize)
    step = max(1, int(np.ceil(np.sqrt(depth * rows * columns / most))))
    wide_step = max(1, int(np.ceil(depth * rows * columns / most)))
    tall = _Look((depth, -(-rows // step), -(-columns // step)), planes.dtype)
    wide = _Look((-(-depth // wide_step), rows, columns), planes.dtype)
    filled: list[int] = []
    for k, stored in enumerate(planes.each(digest)):
        present = planes.present(k) if planes.present else None
        valid = measured(stored, present)
        gathered.add(stored, valid, present)
        tall.put(k, stored[::step, ::step], valid[::step, ::step])
        if k % wide_step == 0:
            wide.put(k // wide_step, stored, valid)
        filled += [k] if valid.any() else []
        progress(k + 1, depth)
    survey, outside = gathered.survey, gathered.outside(wide.values, wide.valid)
    if outside is not None:
        tall.valid &= ~outside[::step, ::step]
        wide.valid &= ~outside
    units: Units = options.units or "grey"
    source = {"format": planes.source["format"], "input_digest": "sha256:" + digest.hexdigest(), **planes.source}
    findings = merge(told, survey.findings(name), gathered.watch.findings(planes.slices), planes.findings)
    shell = outline(planes.shape, survey.target())
    about = Volume(*shell, spacing, units, findings, source=source)
    dz, dy, dx = spacing
    return LargeScan(
        planes,
        survey,
        about,
        tall.volume(about, survey, (dz, dy * step, dx * step)),
        wide.volume(about, survey, (dz * wide_step, dy, dx)),
        wide_step,
        (filled[0], filled[-1] + 1) if filled else (0, 0),
        outside,
    )


class _Look:
    """Planes kept from the first pass."""

    def __init__(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.values = np.empty(shape, dtype)
        self.valid: BoolVolume = np.empty(shape, np.bool_)

    def put(self, k: int, values: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        self.values[k], self.valid[k] = values, valid

    def volume(self, about: Volume, survey: Survey, spacing: Spacing) -> Volume:
        values = converted(self.values, self.valid, survey)
        del self.values
        return Volume(values, self.valid, spacing, about.units, about.findings, source=about.source)
