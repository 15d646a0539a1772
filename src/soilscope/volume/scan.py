"""A scan, or the soil core in it, as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from soilscope import findings as notes
from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.types import BoolVolume, FloatProfile, Shape, Spacing, Units, ValueVolume

__all__ = ["Volume"]

WITH_AXIS = ("cylinder", "half-cylinder")
"""Kinds of soil that have an axis."""

TIE = 0.4
"""A box whose middle lies between two voxels begins at the lower; a little less than a half, so that noise cannot decide."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Values on a grid, with the mask of those that mean something.

    Parameters
    ----------
    values : array, shape (z, y, x)
        int16 HU, or uint8, uint16 or float32 grey values; z runs downwards from the core's top.
    valid : bool array, shape (z, y, x)
        True where a voxel was scanned and belongs to the core.
    spacing_mm : (dz, dy, dx)
        Distance between voxel centres, in mm, all positive.
    units : {"HU", "grey"}
        What the values are. Grey values are never taken for HU.
    findings : tuple of Finding
        What was noticed on the way here; it travels to every table and report.
    core : str
        The core's name.
    source : mapping
        Where the values come from: format, digest of the input, scanner tags of the allow-list, crops made.

    Raises
    ------
    UsageError
        Code ``volume``: shapes differ, a spacing is not positive, or the units are unknown.
    """

    values: ValueVolume
    valid: BoolVolume
    spacing_mm: Spacing
    units: Units
    findings: tuple[Finding, ...] = ()
    core: str = "core"
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape != self.valid.shape:
            raise UsageError(
                "volume", f"values {self.values.shape} and valid {self.valid.shape} must have one (z, y, x) shape."
            )
        if self.valid.dtype != np.bool_:
            raise UsageError("volume", f"valid must be bool, not {self.valid.dtype}.")
        if np.shape(self.spacing_mm) != (3,) or not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise UsageError(
                "volume", f"spacing_mm {self.spacing_mm} must be three positive lengths (dz, dy, dx) in mm."
            )
        if self.units not in ("HU", "grey"):
            raise UsageError("volume", f'units {self.units!r} must be "HU" or "grey".')

    def __repr__(self) -> str:
        dz, dy, dx = self.spacing_mm
        share = float(self.valid.mean()) if self.valid.size else 0.0
        return (
            f"Volume({self.core!r}, {'x'.join(map(str, self.shape))} {self.values.dtype} {self.units}, "
            f"{dz:g} x {dy:g} x {dx:g} mm, {share:.1%} valid, {len(self.findings)} findings)"
        )

    @property
    def shape(self) -> Shape:
        """(z, y, x)."""
        z, y, x = self.values.shape
        return z, y, x

    @property
    def depth_mm(self) -> FloatProfile:
        """Distance of each slice's centre from the top of the first slice, shape (z,), in mm."""
        return np.asarray((np.arange(self.shape[0]) + 0.5) * self.spacing_mm[0], dtype=np.float64)

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        dz, dy, dx = self.spacing_mm
        return dz * dy * dx

    def crop(
        self,
        z: tuple[int, int] | None = None,
        y: tuple[int, int] | None = None,
        x: tuple[int, int] | None = None,
    ) -> Volume:
        """Cut a box out; depth then counts from the box's own top.

        Parameters
        ----------
        z, y, x : (first, end), optional
            Voxel range per axis, ``end`` excluded; None keeps the axis whole.

        Raises
        ------
        UsageError
            Code ``crop``: the box is empty or reaches outside the scan.
        """
        box = [(0, n) if r is None else (int(r[0]), int(r[1])) for r, n in zip((z, y, x), self.shape, strict=True)]
        for name, (first, end), size in zip("zyx", box, self.shape, strict=True):
            if not 0 <= first < end <= size:
                raise UsageError("crop", f"{name} range {first} to {end} does not lie inside 0 to {size}.")
        cut = tuple(slice(first, end) for first, end in box)
        crops = [*self.source.get("crops", []), [list(r) for r in box]]
        return replace(self, values=self.values[cut], valid=self.valid[cut], source={**self.source, "crops": crops})

    def inner(self, size: Shape) -> Volume:
        """The box of ``size`` (z, y, x) voxels around the core's axis (Wieland et al. 2021 take [400, 200, 200]).

        Its middle lies on the axis that :func:`soilscope.find_core` found, at half the height of the valid slices; without an
        axis, it is centred on the valid region. Where the box reaches beyond the soil, a finding ``window-beyond-soil``
        says by how much: those voxels stay masked.

        Raises
        ------
        UsageError
            Code ``crop``: the box does not fit; the message says what does.
        """
        if any(wanted > there for wanted, there in zip(size, self.shape, strict=True)):
            raise UsageError(
                "crop", f"an inner box of {tuple(size)} voxels does not fit a scan of {self.shape} (z, y, x)."
            )
        height = self._extent(0)
        starts = [_start(sum(height) / 2, size[0], self.shape[0])]
        on_axis = self.axis_mm()
        for axis in (1, 2):
            middle = sum(self._extent(axis)) / 2
            if on_axis is not None:
                at = np.interp(starts[0] + (size[0] - 1) / 2, np.arange(self.shape[0]), on_axis[axis - 1])
                middle = float(at) / self.spacing_mm[axis] + 0.5
            starts.append(_start(middle, size[axis], self.shape[axis]))
        box = [(start, start + wanted) for start, wanted in zip(starts, size, strict=True)]
        cut = self.crop(*box)
        outside = 1.0 - float(cut.valid.mean())
        if outside == 0:
            return cut
        text = f"{outside:.2%} of the inner box of {' x '.join(map(str, size))} voxels lie outside the soil and are masked."
        return cut.with_findings(Finding("window-beyond-soil", "warning", text))

    def _extent(self, axis: int) -> tuple[int, int]:
        """First valid voxel along an axis and the one after the last; the whole axis where nothing is valid."""
        there = np.flatnonzero(self.valid.any(axis=tuple(a for a in range(3) if a != axis)))
        return (int(there[0]), int(there[-1]) + 1) if there.size else (0, self.shape[axis])

    @property
    def cut_since_found(self) -> tuple[int, int, int]:
        """Slices, rows and columns cut away before this volume's first voxel since the soil was found in it."""
        after = self.source.get("crops", [])[int(self.source.get("soil", {}).get("after_crops", 0)) :]
        z, y, x = (int(sum(box[axis][0] for box in after)) for axis in range(3))
        return z, y, x

    def axis_mm(self) -> tuple[FloatProfile, FloatProfile] | None:
        """The axis that was found, (y, x) in each slice, in mm from the centre of this volume's first voxel; None without one."""
        soil = self.source.get("soil", {})
        if soil.get("kind") not in WITH_AXIS:
            return None
        above, *beside = self.cut_since_found
        rows = slice(above, above + self.shape[0])
        y, x = (np.asarray(soil["slices"][of][rows], dtype=np.float64) for of in ("y_mm", "x_mm"))
        return y - beside[0] * self.spacing_mm[1], x - beside[1] * self.spacing_mm[2]

    def with_findings(self, *more: Finding) -> Volume:
        """The same scan with further findings."""
        return replace(self, findings=notes.merge(self.findings, more))


def _start(middle: float, wanted: int, there: int) -> int:
    """First voxel of a range of ``wanted`` voxels around a border position, moved inside ``there`` voxels."""
    return min(max(int(np.floor(middle - wanted / 2 + TIE)), 0), there - wanted)
