"""Arrays from files without a DICOM header -> Volume: number type kept where it can be, NaN masked, units stated.

What must be known of all values before the first is converted (their range, whether any is NaN) is gathered by a
:class:`Survey`, to which a scan larger than the memory is shown plane by plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.candidates import Options
from soilscope.ingest.limits import MOST_EXPANSION, MOST_VOXELS, SMALL_ARCHIVE_BYTES
from soilscope.ingest.neighbours import Watch
from soilscope.ingest.outside import JUDGED, Outside
from soilscope.ingest.scan_circle import circle_told
from soilscope.ingest.spacing import needed
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import FILL, BoolVolume, Shape, Spacing, Units
from soilscope.volume import Volume
from soilscope.volume.ends import SHARE_TOLD

__all__ = ["Gathered", "Survey", "as_volume", "converted", "keepable", "measured", "plausible", "within_limits"]

INT16 = np.iinfo(np.int16)
KEPT = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int16), np.dtype(np.float32))
EXACT_IN_FLOAT32 = 1 << 24


def keepable(dtype: np.dtype[Any], name: str) -> None:
    """Refuse what is no real number: complex, text, records, objects (code ``dtype``)."""
    if dtype.kind not in "buif":
        refuse(
            "dtype",
            f"{name} holds {dtype}, not real numbers; save it as whole or real numbers (uint16, float32).",
            [name],
        )


def within_limits(shape: tuple[int, ...], name: str) -> Shape:
    """Three axes of sane size; further axes of length one are dropped.

    Raises
    ------
    InputRefused
        Codes ``shape`` (not three axes) and ``too-large``.
    """
    sizes = [int(n) for n in shape]
    while len(sizes) > 3 and sizes[0] == 1:
        sizes.pop(0)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 2:
        sizes.insert(0, 1)
    if len(sizes) != 3 or min(sizes) < 1:
        refuse(
            "shape",
            f"{name} has the shape {tuple(shape)}; a scan has three axes (z, y, x): save one volume of them.",
            [name],
        )
    if np.prod(sizes, dtype=np.float64) > MOST_VOXELS:
        refuse(
            "too-large",
            f"{name} claims {tuple(shape)} voxels; the limit is {MOST_VOXELS}: save it in parts, or copy it again if it is "
            "smaller.",
            [name],
        )
    return sizes[0], sizes[1], sizes[2]


def plausible(size: int, files: Iterable[Path], name: str) -> None:
    """Refuse a claim of far more bytes than the files can hold, before memory is asked for (code ``too-large``)."""
    held = sum(path.stat().st_size for path in files)
    if size > max(SMALL_ARCHIVE_BYTES, MOST_EXPANSION * held):
        text = (
            f"{name} claims {size >> 20} MB of values in {held >> 10} kB, more than {MOST_EXPANSION} times its size; it is "
            "damaged, or save it uncompressed."
        )
        refuse("too-large", text, [name])


def measured(values: NDArray[Any], present: BoolVolume | None = None) -> BoolVolume:
    """True where a value is finite and was written at all."""
    valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=np.bool_)
    return valid if present is None else valid & present


@dataclass(slots=True)
class Survey:
    """What was counted in stored values of one number type.

    Parameters
    ----------
    dtype : numpy dtype
    units : {"HU", "grey"} or None
        As the user stated it.
    apart
        A value that may be none of the scan's: it is counted by itself, in ``held``, until :meth:`settle`.
    """

    dtype: np.dtype[Any]
    units: Units | None
    voxels: int = 0
    missing: int = 0
    absent: int = 0
    low: Any = None
    high: Any = None
    fractions: int = 0
    inexact: bool = False
    at_ends: list[int] = field(default_factory=lambda: [0, 0])
    apart: Any = None
    held: int = 0
    outside: int = 0
    outside_value: Any = None

    def add(self, values: NDArray[Any], valid: BoolVolume, present: BoolVolume | None = None) -> None:
        """Count a plane, or a whole volume."""
        self.voxels += values.size
        self.absent += 0 if present is None else present.size - int(np.count_nonzero(present))
        missing = values.size - int(np.count_nonzero(valid))
        self.missing += missing
        inside = values[valid] if missing else values
        if self.apart is not None:
            others = inside != self.apart
            self.held += inside.size - int(np.count_nonzero(others))
            inside = inside[others]
        self._count(inside)

    @property
    def ranged(self) -> bool:
        """Whether lowest and highest value decide anything."""
        return self.units == "HU" or self.dtype.newbyteorder("=") not in KEPT

    def settle(self, outside: int = 0, value: Any = None) -> None:
        """Count what was kept ``apart`` after all, but for so many voxels that were never scanned, all of one value."""
        if self.apart is not None and self.held > outside:
            self._count(np.asarray([self.apart], self.dtype), self.held - outside)
        elif self.apart is None and outside:
            self._count(np.asarray([value], self.dtype), -outside)
        self.apart, self.held = None, 0
        self.outside, self.outside_value = outside, value if outside else None
        self.missing += outside

    @property
    def masked_are_zero(self) -> bool:
        """Whether all that is masked lies outside the scan circle and holds 0 already."""
        return self.missing == self.outside and self.outside_value == 0

    def _count(self, inside: NDArray[Any], times: int = 1) -> None:
        """Count values, each of them so many times."""
        if inside.size:
            low, high = inside.min(), inside.max()
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
        if self.dtype.kind == "f" and self.units == "HU":
            whole = np.rint(inside)
            self.fractions += times * int(np.count_nonzero(whole != inside))
            inside = whole
        elif self.dtype.kind == "f" and self.dtype.itemsize > 4 and not self.inexact:
            with np.errstate(over="ignore"):
                self.inexact = not np.array_equal(inside.astype(np.float32), inside)
        for side, end in enumerate(self._ends() or ()):
            self.at_ends[side] += times * int(np.count_nonzero(inside == end))

    def _ends(self) -> tuple[int, int] | None:
        """The ends of the number type that the values will have, where it is a whole one; None for float32."""
        if self.units == "HU":
            return INT16.min, INT16.max
        if self.dtype.kind == "f":
            return None
        kind = np.dtype({"b": np.uint8}.get(self.dtype.kind, self.dtype.newbyteorder("=")))
        if kind == np.int8:
            kind = np.dtype(np.int16)
        ends = np.iinfo(kind if kind in KEPT else np.uint16)
        return int(ends.min), int(ends.max)

    def target(self) -> np.dtype[Any]:
        """The number type in which the values are kept: as stored, or the next that holds them."""
        native = self.dtype.newbyteorder("=")
        if self.units == "HU":
            return np.dtype(np.int16)
        if native in KEPT:
            return native
        if native.kind == "b" or native == np.int8:
            return np.dtype(np.uint8 if native.kind == "b" else np.int16)
        if native.kind in "ui" and self.low is not None and self.low >= 0 and self.high <= np.iinfo(np.uint16).max:
            return np.dtype(np.uint16)
        return np.dtype(np.float32)

    def findings(self, name: str) -> tuple[Finding, ...]:
        """What the counts have to say.

        Raises
        ------
        InputRefused
            Code ``beyond-int16``: HU were stated, and the values are none.
        """
        found: list[Finding] = []
        if (not_finite := self.missing - self.absent - self.outside) > 0:
            share = not_finite / self.voxels
            found.append(warn("not-finite", f"{share:.2%} of the voxels are NaN or infinite and are masked."))
        if self.outside:
            found.append(circle_told(self.outside / self.voxels))
        if self.units == "HU":
            found += self._as_hu(name)
        elif self.target() == np.float32 and self.dtype.kind in "ui":
            if max(abs(int(self.low or 0)), abs(int(self.high or 0))) > EXACT_IN_FLOAT32:
                text = f"values up to {self.high} do not fit float32 exactly and were rounded."
                found.append(warn("values-rounded", text))
        elif self.inexact:
            found.append(note("values-rounded", f"{self.dtype} values were rounded to float32."))
        return (*found, *self._shares())

    def _as_hu(self, name: str) -> list[Finding]:
        if self.low is not None and (self.low < INT16.min or self.high > INT16.max):
            text = (
                f"{name} holds values from {self.low:g} to {self.high:g}, which are no HU (int16); "
                'units="grey" (--units grey) reads them as grey values.'
            )
            refuse("beyond-int16", text, [name])
        found = []
        if self.fractions:
            text = f"{self.fractions / self.voxels:.0%} of the voxels were rounded to whole HU."
            found.append(note("hu-rounded", text))
        found.append(note("units-asserted", "the values are HU, as stated by the user, not by the file."))
        return found

    def _shares(self) -> list[Finding]:
        """Share of voxels at the ends of the number type, where a detector or a conversion cut values off."""
        ends = self._ends()
        if ends is None or self.target().kind == "f":
            return []
        found = []
        for code, value, count in zip(("at-floor", "at-ceiling"), ends, self.at_ends, strict=True):
            share = count / max(self.voxels - self.missing, 1)
            if share >= SHARE_TOLD:
                text = f"{share:.2%} of the voxels are at {value}, the end of {self.target()}."
                found.append(note(code, text))
        return found


class Gathered:
    """What one pass over the planes of a scan gathers: the counts, slices that jump, and what lies outside the scan circle.

    Parameters
    ----------
    dtype : numpy dtype
    options : Options
    """

    def __init__(self, dtype: np.dtype[Any], options: Options) -> None:
        self.survey, self.watch = Survey(dtype, options.units), Watch()
        self._around = None if options.labels else Outside(options.units)

    def add(self, plane: NDArray[Any], valid: NDArray[np.bool_], present: NDArray[np.bool_] | None = None) -> None:
        """The next plane, shape (y, x)."""
        if self._around is not None:
            self._around.add(plane, valid)
            if self._around.value is None:
                self.survey.settle()
            elif self._around.planes == 1 and self.survey.ranged:
                self.survey.apart = self._around.value
        self.survey.add(plane, valid, present)
        self.watch.add(plane, valid)

    def outside(self, values: NDArray[Any], valid: BoolVolume) -> NDArray[np.bool_] | None:
        """What to mask in all planes, shape (y, x), after the last of them; it is counted no more.

        Parameters
        ----------
        values, valid : array, shape (z, y, x)
            Evenly spaced planes, or all of them.
        """
        around = self._around
        if around is None or around.value is None:
            self.survey.settle()
            return None
        there = np.flatnonzero([bool(plane.any()) for plane in valid])
        some = there[np.unique(np.linspace(0, len(there) - 1, min(len(there), JUDGED)).astype(int))]
        found = around.mask([values[k] for k in some])
        self.survey.settle(0 if found is None else around.planes * int(np.count_nonzero(found)), around.value)
        if found is not None:
            self.watch.leave_out(found, float(around.value))
        return found


def converted(values: NDArray[Any], valid: BoolVolume, survey: Survey) -> NDArray[Any]:
    """The values in the number type the survey settled on; masked ones become the fill of that type (0 for grey values)."""
    target = survey.target()
    everything = bool(valid.all())
    if survey.units == "HU":
        if values.dtype.kind == "f":
            values = np.rint(values)
        if everything:
            return np.ascontiguousarray(values.astype(np.int16))
        whole = np.full(values.shape, FILL, dtype=np.int16)
        whole[valid] = values[valid].astype(np.int16)
        return whole
    if not everything and not survey.masked_are_zero:
        values = np.where(valid, values, values.dtype.type(0))
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=target)


def as_volume(
    values: NDArray[Any],
    stated: Spacing | None,
    options: Options,
    name: str,
    source: Mapping[str, Any],
    present: BoolVolume | None = None,
    slices: Sequence[str] = (),
) -> Volume:
    """Values (z, y, x) as read -> Volume in the units stated by the user, grey where nothing is stated.

    Slices unlike both their neighbours are told, by the names of their files in ``slices``, or where that is one name by their
    numbers in it; not looked for where it is empty.

    Raises
    ------
    InputRefused
        Codes ``spacing-missing``, ``dtype``, ``beyond-int16`` (HU stated, values too large for it).
    """
    keepable(values.dtype, name)
    spacing, told = needed(stated, options.spacing_mm, name)
    valid = measured(values, present)
    gathered = Gathered(values.dtype, options)
    for k, (plane, there) in enumerate(zip(values, valid, strict=True)):
        gathered.add(plane, there, None if present is None else present[k])
    outside = gathered.outside(values, valid)
    if outside is not None:
        valid &= ~outside
    survey = gathered.survey
    findings = (*told, *survey.findings(name), *(gathered.watch.findings(slices) if slices else ()))
    return Volume(converted(values, valid, survey), valid, spacing, options.units or "grey", findings, source=source)
