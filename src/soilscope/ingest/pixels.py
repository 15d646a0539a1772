"""Stored values -> HU in int16, slice by slice, without wrap-around; what was never scanned is masked."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import UNSCANNED_HU
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import FILL, BoolVolume, Units
from soilscope.volume.ends import SHARE_TOLD

__all__ = ["Tally", "check_rescale", "fill_plane", "shares"]

INT16 = np.iinfo(np.int16)
CEILINGS_HU = (3071, 32767)
"""Where 12-bit scanners (with intercept -1024) and 16-bit values end."""


@dataclass(slots=True)
class Tally:
    """What is counted while planes are filled."""

    voxels: int = 0
    padding: int = 0
    ring: int = 0
    clipped: int = 0
    rounded: int = 0
    lossy: list[str] = field(default_factory=list)

    def findings(self) -> tuple[Finding, ...]:
        """What the counts have to say."""
        found: list[Finding] = []
        total = max(self.voxels, 1)
        if self.padding:
            found.append(note("padding", f"{self.padding / total:.1%} of the voxels are declared padding and masked."))
        if self.ring:
            text = f"{self.ring / total:.1%} of the voxels lie outside the scan circle (an undeclared constant) and are masked."
            found.append(note("scan-circle", text))
        if self.clipped:
            text = f"{self.clipped} voxels ({self.clipped / total:.2%}) are beyond int16 and were set to its end."
            found.append(warn("hu-clipped", text))
        if self.rounded:
            found.append(
                note("hu-rounded", f"{self.rounded / total:.0%} of the voxels had fractions of a HU and were rounded.")
            )
        if self.lossy:
            text = (
                f"{len(self.lossy)} slices were compressed with loss; their values are not what the scanner measured."
            )
            found.append(warn("lossy", text, self.lossy))
        return tuple(found)


def check_rescale(one: Slice, units: Units | None) -> None:
    """Refuse a slice whose stored values cannot be turned into HU by its own header.

    Raises
    ------
    InputRefused
        Codes ``modality-lut``, ``rescale-missing``, ``rescale-invalid``, ``units-not-hu``.
    """
    if one.has_modality_lut:
        refuse("modality-lut", f"{one.name} maps its values by a Modality LUT, not by slope and intercept.", [one.path])
    if one.slope is None or one.intercept is None:
        if units == "grey":
            return
        absent = " and ".join(
            n for n, v in (("RescaleSlope", one.slope), ("RescaleIntercept", one.intercept)) if v is None
        )
        text = f'{one.name} has no {absent}: stored values are not HU; units="grey" reads them as grey values.'
        refuse("rescale-missing", text, [one.path])
    if not np.isfinite([one.slope, one.intercept]).all() or one.slope == 0:
        text = f"{one.name} has slope {one.slope:g} and intercept {one.intercept:g}, which make no HU."
        refuse("rescale-invalid", text, [one.path])
    if one.rescale_type not in (None, "HU") and units is None:
        text = (
            f'{one.name} says its values are in {one.rescale_type!r}, not HU; units="grey" reads them as grey values.'
        )
        refuse("units-not-hu", text, [one.path])


def fill_plane(
    one: Slice, stored: NDArray[np.integer], out: NDArray[np.int16], valid: NDArray[np.bool_], tally: Tally
) -> None:
    """Write one plane of HU (or grey values) and its mask into the arrays of the volume.

    ``value = stored * slope + intercept`` with the slice's own numbers (PS3.3 C.11.1.1.2), in 32 bits or, where they
    are no integers, 64-bit floats, rounded half to even.
    """
    tally.voxels += stored.size
    padding = _padding(one, stored)
    slope = 1.0 if one.slope is None else one.slope
    intercept = 0.0 if one.intercept is None else one.intercept
    top = float(np.abs(np.asarray([stored.min(), stored.max()], dtype=np.float64)).max())
    if slope.is_integer() and intercept.is_integer() and top * abs(slope) + abs(intercept) < 2**31:
        values = stored.astype(np.int32)
        if slope != 1:
            values *= int(slope)
        values += int(intercept)
    else:
        exact = stored * slope + intercept
        values = np.rint(exact)
        tally.rounded += int(np.count_nonzero(values != exact))
    valid[...] = True
    if padding is not None:
        np.logical_not(padding, out=valid)
        tally.padding += int(np.count_nonzero(padding))
        values[padding] = 0
    if values.min() < INT16.min or values.max() > INT16.max:
        tally.clipped += int(np.count_nonzero((values < INT16.min) | (values > INT16.max)))
        np.clip(values, INT16.min, INT16.max, out=values)
    out[...] = values
    if padding is not None:
        out[padding] = FILL
    if one.slope is not None:
        _mask_ring(out, valid, tally, lossy=one.lossy)
    if one.lossy:
        tally.lossy.append(one.path.name)


def _padding(one: Slice, stored: NDArray[np.integer]) -> NDArray[np.bool_] | None:
    """Padding by *stored* value (PS3.3 C.7.5.1.1.2), also where its sign was written wrongly."""
    if one.padding is None:
        return None
    low = _as_stored(one.padding, one)
    high = low if one.padding_limit is None else _as_stored(one.padding_limit, one)
    low, high = min(low, high), max(low, high)
    found = (stored >= low) & (stored <= high)
    return found if found.any() else None


def _as_stored(value: int, one: Slice) -> int:
    """63536 is -2000 where values are signed, -2000 is 63536 where they are not."""
    size = 1 << one.encoding.bits_allocated
    if one.encoding.signed and value >= size // 2:
        return value - size
    if not one.encoding.signed and value < 0:
        return value + size
    return value


def _mask_ring(out: NDArray[np.int16], valid: NDArray[np.bool_], tally: Tally, *, lossy: bool) -> None:
    """Mask a constant below vacuum that reaches a corner: the area outside the scan circle, declared by no tag.

    The values stay as the scanner wrote them. Where loss blurred the constant, all below vacuum goes.
    """
    corners = {int(out[r, c]) for r in (0, -1) for c in (0, -1)}
    unscanned = [value for value in corners if FILL < value <= UNSCANNED_HU]
    if not unscanned:
        return
    ring = out <= UNSCANNED_HU if lossy else np.isin(out, unscanned)
    ring &= valid
    tally.ring += int(np.count_nonzero(ring))
    valid[ring] = False


def shares(values: NDArray[np.int16], valid: BoolVolume, units: Units = "HU") -> tuple[Finding, ...]:
    """Shares of the valid voxels at the lowest and highest value, where they are more than chance."""
    total = int(np.count_nonzero(valid))
    if not total:
        return (warn("nothing-valid", "no voxel of this scan is valid."),)
    inside = np.where(valid, values, 0) if total < valid.size else values
    low, high = int(inside.min()), int(inside.max())
    found = []
    for code, value, where in (("at-floor", low, "lowest"), ("at-ceiling", high, "highest")):
        count = int(np.count_nonzero((values == value) & valid))
        many = count / total >= SHARE_TOLD
        if many or (count and value in CEILINGS_HU):
            share = f"{count / total:.2%} of the voxels are" if many else f"{count} of {total} voxels are"
            text = f"{share} at the {where} value, {value} {units}: cut off by the scanner, or a mask."
            found.append(warn(code, text) if many and code == "at-ceiling" else note(code, text))
    return tuple(found)
