"""Arrays from files without a DICOM header -> Volume: number type kept where it can be, NaN masked, units stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.candidates import Options
from soilscope.ingest.limits import MOST_VOXELS
from soilscope.ingest.spacing import needed
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import FILL, Shape, Spacing
from soilscope.volume import Volume
from soilscope.volume.ends import SHARE_TOLD

__all__ = ["as_volume", "keepable", "within_limits"]

INT16 = np.iinfo(np.int16)
KEPT = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int16), np.dtype(np.float32))
EXACT_IN_FLOAT32 = 1 << 24


def keepable(dtype: np.dtype[Any], name: str) -> None:
    """Refuse what is no real number: complex, text, records, objects (code ``dtype``)."""
    if dtype.kind not in "buif":
        refuse("dtype", f"{name} holds {dtype}, not real numbers.", [name])


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
        refuse("shape", f"{name} has the shape {tuple(shape)}; a scan has three axes (z, y, x).", [name])
    if np.prod(sizes, dtype=np.float64) > MOST_VOXELS:
        refuse("too-large", f"{name} claims {tuple(shape)} voxels; the limit is {MOST_VOXELS}.", [name])
    return sizes[0], sizes[1], sizes[2]


def as_volume(
    values: NDArray[Any], stated: Spacing | None, options: Options, name: str, source: Mapping[str, Any]
) -> Volume:
    """Values (z, y, x) as read -> Volume in the units stated by the user, grey where nothing is stated.

    Raises
    ------
    InputRefused
        Codes ``spacing-missing``, ``dtype``, ``beyond-int16`` (HU stated, values too large for it).
    """
    keepable(values.dtype, name)
    spacing, told = needed(stated, options.spacing_mm, name)
    valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=np.bool_)
    findings: list[Finding] = list(told)
    missing = valid.size - int(np.count_nonzero(valid))
    if missing:
        findings.append(
            warn("not-finite", f"{missing / valid.size:.2%} of the voxels are NaN or infinite and are masked.")
        )
    if options.units == "HU":
        values = _as_hu(values, valid, name, findings)
        findings.append(note("units-asserted", "the values are HU, as stated by the user, not by the file."))
    else:
        values = _as_grey(values, valid, findings)
    findings.extend(_shares(values, valid))
    return Volume(values, valid, spacing, options.units or "grey", tuple(findings), source=source)


def _as_hu(values: NDArray[Any], valid: NDArray[np.bool_], name: str, findings: list[Finding]) -> NDArray[np.int16]:
    inside = values[valid] if not valid.all() else values
    if inside.size and (inside.min() < INT16.min or inside.max() > INT16.max):
        text = f"{name} holds values from {inside.min():g} to {inside.max():g}, which are no HU (int16)."
        refuse("beyond-int16", text, [name])
    whole = np.full(values.shape, FILL, dtype=np.int16)
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        fractions = int(np.count_nonzero((rounded != values) & valid))
        if fractions:
            findings.append(
                note("hu-rounded", f"{fractions / values.size:.0%} of the voxels were rounded to whole HU.")
            )
        values = rounded
    whole[valid] = values[valid].astype(np.int16)
    return whole


def _as_grey(values: NDArray[Any], valid: NDArray[np.bool_], findings: list[Finding]) -> NDArray[Any]:
    """uint8, uint16, int16 and float32 stay; wider integers shrink where exact; the rest becomes float32, told if inexact."""
    native = values.dtype.newbyteorder("=")
    if native in KEPT:
        plain = np.ascontiguousarray(values, dtype=native)
        return np.where(valid, plain, plain.dtype.type(0)) if not valid.all() else plain
    if values.dtype.kind == "b" or values.dtype == np.int8:
        return values.astype(np.uint8 if values.dtype.kind == "b" else np.int16)
    if values.dtype.kind in "ui":
        low, high = int(values.min()), int(values.max())
        if low >= 0 and high <= np.iinfo(np.uint16).max:
            return values.astype(np.uint16)
        if max(abs(low), abs(high)) > EXACT_IN_FLOAT32:
            findings.append(warn("values-rounded", f"values up to {high} do not fit float32 exactly and were rounded."))
        return values.astype(np.float32)
    if values.dtype.itemsize > 4:
        with np.errstate(over="ignore"):
            if not np.array_equal(values.astype(np.float32), values, equal_nan=True):
                findings.append(note("values-rounded", f"{values.dtype} values were rounded to float32."))
    return np.where(valid, values, 0).astype(np.float32)


def _shares(values: NDArray[Any], valid: NDArray[np.bool_]) -> list[Finding]:
    """Share of voxels at the ends of the number type, where a detector or a conversion cut values off."""
    if values.dtype.kind not in "ui":
        return []
    ends = np.iinfo(values.dtype)
    found = []
    for code, value in (("at-floor", ends.min), ("at-ceiling", ends.max)):
        share = np.count_nonzero((values == value) & valid) / max(int(np.count_nonzero(valid)), 1)
        if share >= SHARE_TOLD:
            found.append(note(code, f"{share:.2%} of the voxels are at {value}, the end of {values.dtype}."))
    return found
