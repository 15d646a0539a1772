"""Stored values -> HU in int16, slice by slice, without wrap-around; what was never scanned is masked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import UNSCANNED_BORDER, UNSCANNED_HU, UNSCANNED_RUN
from soilscope.ingest.padding import padding_range
from soilscope.ingest.scan_circle import around_circle, circle_told, reached
from soilscope.ingest.verdict import counted, note, refuse, warn
from soilscope.types import FILL, Units
from soilscope.volume.ends import SHARE_TOLD

__all__ = ["Ends", "Plane", "check_rescale", "fill_plane", "mask_outside", "told"]

INT16 = np.iinfo(np.int16)
CEILINGS_HU = (3071, 32767)
FLOORS_HU = (-1024, -32768)
"""Where 12-bit scanners (with intercept -1024) and 16-bit values end."""

MOST_CLIPPED = 0.5
"""Share of the valid voxels beyond int16 from which on slope and intercept are doubted."""

COUNTED_AT_ONCE = 1 << 16
STATISTICS_EVERY = 8
"""Mean and spread of a slice are taken from every eighth row: a change that matters touches many rows."""


@dataclass(slots=True)
class Plane:
    """What was counted while one plane was filled. ``low`` and ``high`` are values of valid voxels, with their counts.

    Where another plane had gone further already, they are not the scan's ends and nobody counts them: None. ``corners_alike`` where
    the four corners hold one valid value, ``corners_beyond`` where that was stored as more than any 16-bit HU. ``least`` is the
    lowest value that can be stored.
    """

    voxels: int
    padding: int = 0
    ring: int = 0
    clipped: int = 0
    rounded: int = 0
    lossy: bool = False
    valid: int = 0
    low: tuple[int, int] | None = None
    high: tuple[int, int] | None = None
    mean: float = math.nan
    spread: float = math.nan
    corners_alike: bool = False
    corners_beyond: bool = False
    least: int = INT16.min


@dataclass(slots=True)
class Ends:
    """Lowest and highest valid value of the planes filled so far.

    Threads may see them late, which costs a count and changes nothing: the ends of the whole scan are counted in every plane that
    holds them.
    """

    low: int = INT16.max
    high: int = INT16.min


def told(planes: Sequence[Plane], lossy: Sequence[str], units: Units = "HU") -> tuple[Finding, ...]:
    """What the counts of all planes have to say; ``lossy`` names the slices compressed with loss."""
    found: list[Finding] = []
    total = max(sum(p.voxels for p in planes), 1)
    padding, ring = sum(p.padding for p in planes), sum(p.ring for p in planes)
    clipped, rounded = sum(p.clipped for p in planes), sum(p.rounded for p in planes)
    if padding:
        found.append(note("padding", f"{padding / total:.1%} of the voxels are declared padding and masked."))
    if ring:
        found.append(circle_told(ring / total))
    if clipped:
        text = f"{clipped} voxels ({clipped / total:.2%}) are beyond int16 and were set to its end."
        if clipped > MOST_CLIPPED * (total - padding - ring):
            text += " That is most of the scan: slope and intercept in its headers are hardly right, and its values no measurement."
        found.append(warn("hu-clipped", text))
    if rounded:
        found.append(note("hu-rounded", f"{rounded / total:.0%} of the voxels had fractions of a HU and were rounded."))
    if lossy:
        many = counted(len(lossy), "slice was", "slices were")
        text = f"{many} compressed with loss; {'its' if len(lossy) == 1 else 'their'} values are not what the scanner measured."
        found.append(warn("lossy", text, lossy))
    return (*found, *_shares(planes, units))


def check_rescale(one: Slice, units: Units | None) -> None:
    """Refuse a slice whose stored values cannot be turned into HU by its own header.

    Raises
    ------
    InputRefused
        Codes ``modality-lut``, ``rescale-missing``, ``rescale-invalid``, ``units-not-hu``.
    """
    if one.has_modality_lut:
        text = (
            f"{one.name} maps its values by a Modality LUT, not by slope and intercept; export the scanner's own series, which "
            "states them."
        )
        refuse("modality-lut", text, [one.path])
    if one.slope is None or one.intercept is None:
        if units == "grey":
            return
        absent = " and ".join(
            n for n, v in (("RescaleSlope", one.slope), ("RescaleIntercept", one.intercept)) if v is None
        )
        text = f'{one.name} has no {absent}: stored values are not HU; units="grey" (--units grey) reads them as grey values.'
        refuse("rescale-missing", text, [one.path])
    if not np.isfinite([one.slope, one.intercept]).all() or one.slope == 0:
        text = (
            f"{one.name} has slope {one.slope:g} and intercept {one.intercept:g}, which make no values; copy it again."
        )
        refuse("rescale-invalid", text, [one.path])
    if not _makes_values(one):
        text = (
            f"{one.name} has slope {one.slope:g} and intercept {one.intercept:g}, which put all its stored values but one at most "
            f"beyond {INT16.min} to {INT16.max}; they are damaged: copy the file again from the scanner."
        )
        refuse("rescale-invalid", text, [one.path])
    if one.rescale_type not in (None, "HU") and units is None:
        text = (
            f'{one.name} says its values are in {one.rescale_type!r}, not HU; units="grey" (--units grey) reads them as grey '
            "values."
        )
        refuse("units-not-hu", text, [one.path])


def _makes_values(one: Slice) -> bool:
    """Whether two stored values at least can become values of 16 bits."""
    if one.slope is None or one.intercept is None:
        return True
    lowest, highest = _stored_ends(one)
    ends = sorted(((INT16.min - one.intercept) / one.slope, (INT16.max - one.intercept) / one.slope))
    return min(ends[1], highest) - max(ends[0], lowest) >= 1


def _stored_ends(one: Slice) -> tuple[int, int]:
    """Lowest and highest value that the bits of a slice can store."""
    bits, signed = one.encoding.bits_stored, one.encoding.signed
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _least(one: Slice) -> int:
    """The lowest value that a slice can hold, as it is kept."""
    slope, intercept = one.slope or 1.0, one.intercept or 0.0
    lowest = min(round(end * slope + intercept) for end in _stored_ends(one))
    return max(lowest, INT16.min)


def fill_plane(
    one: Slice, stored: NDArray[np.integer], out: NDArray[np.int16], valid: NDArray[np.bool_], scan: Ends
) -> Plane:
    """Write one plane of HU (or grey values) into the arrays of the volume, and False into its mask, all True before.

    ``value = stored * slope + intercept`` with the slice's own numbers (PS3.3 C.11.1.1.2): in 16 bits where no value can leave
    them, else in 32, or where slope or intercept are no integers in 64-bit floats, rounded half to even.
    """
    plane = Plane(stored.size, lossy=one.lossy, least=_least(one))
    low, high = int(stored.min()), int(stored.max())
    padding = _padding(one, stored, low, high)
    ends: tuple[int, int] | None = None
    if _stays_int16(one, stored.dtype, low, high):
        added = int(one.intercept or 0)
        np.add(stored.view(np.int16), _wrapped(added), out=out)
        ends = (low + added, high + added)
    else:
        _rescale(one, stored, out, padding, plane)
    if padding is not None:
        np.logical_not(padding, out=valid)
        plane.padding = int(np.count_nonzero(padding))
        out[padding] = FILL
    if one.slope is not None:
        _mask_ring(out, valid, plane)
        _see_corners(stored, valid, plane)
    _look_at(out, valid, plane, ends, scan)
    return plane


def mask_outside(
    ring: NDArray[np.bool_], out: NDArray[np.int16], valid: NDArray[np.bool_], plane: Plane, scan: Ends
) -> None:
    """Mask what the whole scan showed to lie outside the scan circle, in a plane that was filled, and count it anew."""
    before = plane.ring
    _mask(ring & valid, out, valid, plane)
    plane.ring += before
    plane.low = plane.high = None
    plane.mean = plane.spread = math.nan
    _look_at(out, valid, plane, None, scan)


def _see_corners(stored: NDArray[np.integer], valid: NDArray[np.bool_], plane: Plane) -> None:
    """Note whether a plane's corners hold one value: only then can all slices together show the outside of a scan circle."""
    value = stored[0, 0]
    if plane.ring or stored[0, -1] != value or stored[-1, 0] != value or stored[-1, -1] != value:
        return
    plane.corners_alike = bool(valid[0, 0])
    plane.corners_beyond = int(value) > INT16.max


def _stays_int16(one: Slice, dtype: np.dtype[np.integer], low: int, high: int) -> bool:
    """Whether adding the intercept to these stored values modulo 2**16 gives exactly what it should."""
    intercept = one.intercept or 0.0
    if dtype.itemsize != 2 or not dtype.isnative or one.slope not in (None, 1.0) or not intercept.is_integer():
        return False
    return INT16.min <= low + intercept and high + intercept <= INT16.max


def _wrapped(value: int) -> np.int16:
    return np.uint16(value % (1 << 16)).view(np.int16)


def _rescale(
    one: Slice,
    stored: NDArray[np.integer],
    out: NDArray[np.int16],
    padding: NDArray[np.bool_] | None,
    plane: Plane,
) -> None:
    slope = 1.0 if one.slope is None else one.slope
    intercept = 0.0 if one.intercept is None else one.intercept
    top = float(np.abs(np.asarray([stored.min(), stored.max()], dtype=np.float64)).max())
    values: NDArray[Any]
    if slope.is_integer() and intercept.is_integer() and top * abs(slope) + abs(intercept) < 2**31:
        values = stored.astype(np.int32)
        if slope != 1:
            values *= int(slope)
        values += int(intercept)
    else:
        exact = stored * slope + intercept
        values = np.rint(exact)
        plane.rounded = int(np.count_nonzero(values != exact))
    if padding is not None:
        values[padding] = 0
    if values.min() < INT16.min or values.max() > INT16.max:
        plane.clipped = int(np.count_nonzero((values < INT16.min) | (values > INT16.max)))
        np.clip(values, INT16.min, INT16.max, out=values)
    out[...] = values


def _look_at(
    out: NDArray[np.int16], valid: NDArray[np.bool_], plane: Plane, ends: tuple[int, int] | None, scan: Ends
) -> None:
    """Ends, mean and spread of what is valid; ``ends`` are those of all voxels, where they are known."""
    masked = plane.padding + plane.ring
    plane.valid = plane.voxels - masked
    if not plane.valid:
        return
    inside = out[valid] if masked else out
    low, high = ends if ends and not masked else (int(inside.min()), int(inside.max()))
    if low <= scan.low:
        scan.low, plane.low = low, (low, _count(inside, low))
    if high >= scan.high:
        scan.high, plane.high = high, (high, _count(inside, high))
    rows = out[::STATISTICS_EVERY]
    some = (rows[valid[::STATISTICS_EVERY]] if masked else rows).astype(np.float32).ravel()
    if some.size:
        plane.mean = float(np.add.reduce(some)) / some.size
        some -= np.float32(plane.mean)
        plane.spread = math.sqrt(float(np.dot(some, some)) / some.size)


def _count(inside: NDArray[np.int16], value: int) -> int:
    """How many hold a value, told a few rows at a time: fresh memory for a whole plane of answers costs more than they do."""
    flat = inside.reshape(-1)
    parts = (flat[start : start + COUNTED_AT_ONCE] for start in range(0, flat.size, COUNTED_AT_ONCE))
    return sum(int(np.count_nonzero(part == value)) for part in parts)


def _padding(one: Slice, stored: NDArray[np.integer], least: int, most: int) -> NDArray[np.bool_] | None:
    declared = padding_range(one)
    if declared is None or declared[1] < least or declared[0] > most:
        return None
    found = (stored >= declared[0]) & (stored <= declared[1])
    return found if found.any() else None


def _mask_ring(out: NDArray[np.int16], valid: NDArray[np.bool_], plane: Plane) -> None:
    """Mask a constant below vacuum that looks like the outside of the scan circle, declared by no tag, as padding is.

    It stands in all four corners, or along the border in long runs; voxels that hold it by chance inside the circle stay valid.
    Where loss blurred the constant, all below vacuum is one; so it is where just that fills the outside of a circle.
    """
    edges = (out[0], out[-1], out[:, 0], out[:, -1])
    if all(int(edge.min()) > UNSCANNED_HU for edge in edges):
        return
    border = np.concatenate(edges)
    below = np.concatenate((valid[0], valid[-1], valid[:, 0], valid[:, -1])) & (border <= UNSCANNED_HU)
    values = np.unique(border[below]).tolist()
    if plane.lossy:
        alike = [(out <= UNSCANNED_HU) & valid] if values else []
    else:
        counts = {value: int(np.count_nonzero(border == value)) for value in values}
        corner = int(out[0, 0])
        alike = [out == value for value, n in counts.items() if n >= UNSCANNED_BORDER * border.size or value == corner]
    rings = [one for one in alike if _is_around(one)]
    ring = reached(np.logical_or.reduce(rings)) if rings else np.zeros(out.shape, bool)
    if below[~np.concatenate((ring[0], ring[-1], ring[:, 0], ring[:, -1]))].any():
        circle = around_circle(out <= UNSCANNED_HU)
        ring = ring if circle is None else ring | circle.outside
    _mask(ring & valid, out, valid, plane)


def _mask(ring: NDArray[np.bool_], out: NDArray[np.int16], valid: NDArray[np.bool_], plane: Plane) -> None:
    """Make what lies outside the scan circle padding; nothing of it counts as measured beyond int16."""
    plane.ring = int(np.count_nonzero(ring))
    if plane.ring and plane.clipped:
        held = out[ring]
        plane.clipped -= min(plane.clipped, int(np.count_nonzero((held == INT16.min) | (held == INT16.max))))
    valid[ring] = False
    np.copyto(out, FILL, where=ring)


def _is_around(alike: NDArray[np.bool_]) -> bool:
    """Whether voxels that are alike hold all four corners of a slice, or enough of its border in runs of some length."""
    if alike[0, 0] and alike[0, -1] and alike[-1, 0] and alike[-1, -1]:
        return True
    edges = (alike[0], alike[-1], alike[:, 0], alike[:, -1])
    held = sum(int(np.count_nonzero(edge)) for edge in edges)
    runs = sum(int(edge[0]) + int(np.count_nonzero(edge[1:] & ~edge[:-1])) for edge in edges)
    return held >= max(UNSCANNED_BORDER * sum(map(len, edges)), UNSCANNED_RUN * runs, 1)


def _shares(planes: Sequence[Plane], units: Units) -> tuple[Finding, ...]:
    """Shares of the valid voxels at the lowest and highest value, where they are more than chance."""
    total = sum(p.valid for p in planes)
    if not total:
        return (warn("nothing-valid", "no voxel of this scan is valid."),)
    lows, highs = [p.low for p in planes if p.low], [p.high for p in planes if p.high]
    found = []
    floor, ceiling = min(lows)[0], max(highs)[0]
    if floor == ceiling:
        text = (
            f"all voxels hold one value, {floor} {units}: the scan shows nothing, or slope and intercept in its headers are not "
            "those of its values."
        )
        return (warn("one-value", text),)
    cut_low = floor in FLOORS_HU or any(p.low is not None and p.low[0] == floor == p.least for p in planes)
    for code, ends, value, where, cut in (
        ("at-floor", lows, floor, "lowest", cut_low),
        ("at-ceiling", highs, ceiling, "highest", ceiling in CEILINGS_HU),
    ):
        count = sum(n for end, n in ends if end == value)
        many = count / total >= SHARE_TOLD
        if many or (count and cut):
            share = f"{count / total:.2%} of the voxels are" if many else f"{count} of {total} voxels are"
            text = f"{share} at the {where} value, {value} {units}: cut off by the scanner, or a mask."
            found.append(warn(code, text) if many and code == "at-ceiling" else note(code, text))
    return tuple(found)
