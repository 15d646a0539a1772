"""Find the soil in a scan: the cylinder's inside from the first to the last slice that holds soil."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.axis import Axis, axis_through
from soilscope.core.circle import slice_circles
from soilscope.core.masked import outside_of_mask, surrounding_value
from soilscope.core.wall import Wall, distance_mm, find_wall
from soilscope.findings import Finding
from soilscope.types import BoolVolume
from soilscope.volume import Volume
from soilscope.volume.ends import ends_of_soil

__all__ = ["find_core"]

SOLID_HU = -440.0
"""Halfway from air (-1000 HU) to the plastic of a tube (120 HU); what is heavier is no air."""

SOIL_SHARE = 0.02
"""A slice with a smaller share of anything but air inside the cylinder is headspace; loose litter has several times that."""

CORNER_SHARE = 0.04
"""Side of the four corner blocks in which a core in air shows nothing but air, as a share of the slice's width."""

AIR_IN_CORNERS = 0.95
CONTRAST = 4.0
"""In grey scans the middle must differ from the corners by this many times the corners' own spread."""


def find_core(vol: Volume) -> Volume:
    """The same scan with ``valid`` narrowed to the soil.

    Three cases are told apart and named in ``source["soil"]["kind"]``: ``"cylinder"`` (a core in air, with or without a
    tube around it: centre and radius per slice, top and bottom by the share of non-air), ``"masked"`` (the surroundings were
    set to the highest value beforehand) and ``"whole"`` (soil up to the border; nothing is cut away).

    Parameters
    ----------
    vol : Volume
        HU, or grey values in which air is darker than soil.

    Returns
    -------
    Volume
        With a finding ``cylinder``, ``soil-masked`` or ``no-cylinder``, the reader's ``at-floor`` and ``at-ceiling`` told anew
        as shares of the soil, and the numbers a check picture needs in
        ``source["soil"]``: ``centre_mm`` (y, x) from the centre of the first voxel, ``radius_mm``, ``top``, ``bottom`` (the slice
        after the last), ``slices`` with one centre and radius each.

    Examples
    --------
    >>> from soilscope.phantoms import make
    >>> core = make("sandy", shape=(16, 64, 64), noise=False)
    >>> found = find_core(replace(core.volume, valid=np.ones(core.truth.shape, bool)))
    >>> bool((found.valid == (core.truth > 0)).all())
    True
    """
    value = surrounding_value(vol.values, vol.units)
    if value is not None:
        return _masked(vol, value)
    level = _level(vol)
    if level is None:
        return _whole(vol, "the scan holds soil up to its border; all of it was kept.")
    circles = slice_circles(vol.values, vol.valid, level, vol.spacing_mm[1:])
    axis = axis_through(circles, max(vol.spacing_mm[1:]))
    if axis is None:
        return _whole(vol, "no cylinder was seen in the scan, so all of it was kept.")
    wall = find_wall(vol, axis)
    return _cylinder(vol, axis, wall, level)


def _level(vol: Volume) -> float | None:
    """The value that parts air from the body, or None where the corners of the slices are no air."""
    corners = _corners(vol)
    if corners.size == 0:
        return SOLID_HU if vol.units == "HU" else None
    if vol.units == "HU":
        return SOLID_HU if np.mean(corners < SOLID_HU) >= AIR_IN_CORNERS else None
    ny, nx = vol.shape[1:]
    middle = vol.values[:, ny // 3 : ny - ny // 3, nx // 3 : nx - nx // 3]
    air, body = float(np.median(corners)), float(np.mean(middle))
    level = (air + body) / 2
    spread = float(np.std(corners))
    if body - air <= CONTRAST * spread or np.mean(corners < level) < AIR_IN_CORNERS:
        return None
    return level


def _corners(vol: Volume) -> NDArray[Any]:
    ny, nx = vol.shape[1:]
    side = max(2, int(CORNER_SHARE * min(ny, nx)))
    ends = (slice(None, side), slice(-side, None))
    blocks = [vol.values[:, r, c][vol.valid[:, r, c]] for r in ends for c in ends]
    return np.concatenate(blocks)


def _cylinder(vol: Volume, axis: Axis, wall: Wall, level: float) -> Volume:
    inside = _inside(vol, axis, wall.inner_mm)
    share = _solid_share(vol, inside, level)
    there = np.flatnonzero(share >= SOIL_SHARE)
    if not there.size:
        return _whole(vol, "a cylinder was seen, but nothing but air inside; all of the scan was kept.")
    top, bottom = int(there[0]), int(there[-1]) + 1
    valid = inside & vol.valid
    valid[:top] = False
    valid[bottom:] = False
    soil = {
        "kind": "cylinder",
        "centre_mm": [_short(np.mean(axis.y)), _short(np.mean(axis.x))],
        "radius_mm": _short(wall.inner_mm),
        "outer_radius_mm": _short(axis.radius),
        "wall": None if wall.level is None else _short(wall.level),
        "top": top,
        "bottom": bottom,
        "slices": {
            "y_mm": [_short(v) for v in axis.y],
            "x_mm": [_short(v) for v in axis.x],
            "radius_mm": [_short(wall.inner_mm)] * vol.shape[0],
        },
    }
    return _with_soil(vol, valid, soil, _told(vol, axis, wall, (top, bottom)))


def _inside(vol: Volume, axis: Axis, radius_mm: float) -> BoolVolume:
    inside = np.empty(vol.shape, dtype=np.bool_)
    for k in range(vol.shape[0]):
        if k == 0 or not axis.upright:
            plane = distance_mm(vol.shape[1:], (float(axis.y[k]), float(axis.x[k])), vol.spacing_mm[1:]) <= radius_mm
        inside[k] = plane
    return inside


def _solid_share(vol: Volume, inside: BoolVolume, level: float) -> NDArray[np.float64]:
    counts = [
        (int(np.count_nonzero((plane > level) & ok)), int(np.count_nonzero(ok)))
        for plane, ok in zip(vol.values, inside & vol.valid, strict=True)
    ]
    return np.asarray([solid / max(area, 1) for solid, area in counts])


def _told(vol: Volume, axis: Axis, wall: Wall, ends: tuple[int, int]) -> tuple[Finding, ...]:
    dz, dy, dx = vol.spacing_mm
    lean = np.hypot(np.ptp(axis.y), np.ptp(axis.x))
    angle = np.degrees(np.arctan2(lean, max(vol.shape[0] - 1, 1) * dz))
    tube = "no tube around it" if wall.level is None else f"a tube of {wall.level:.0f} {vol.units}"
    top, bottom = ends
    text = (
        f"the soil is a cylinder of {2 * wall.inner_mm:.2f} mm with {tube}, leaning {angle:.1f} degrees, its centre "
        f"at row {np.mean(axis.y) / dy:.1f} and column {np.mean(axis.x) / dx:.1f}."
    )
    found = [Finding("cylinder", "note", text)]
    if top or bottom < vol.shape[0]:
        text = f"{top} slices above and {vol.shape[0] - bottom} below the soil hold nothing but air and were left out."
        found.append(Finding("headspace", "note", text))
    return tuple(found)


def _masked(vol: Volume, value: float) -> Volume:
    outside = outside_of_mask(vol.values, value)
    valid = vol.valid & ~outside
    areas = valid.sum(axis=(1, 2))
    if not areas.any():
        return _whole(vol, "nothing but one constant value was found; all of the scan was kept.")
    there = np.flatnonzero(areas)
    _, dy, dx = vol.spacing_mm
    centres = np.asarray(
        [np.argwhere(plane).mean(axis=0) * (dy, dx) if plane.any() else (np.nan, np.nan) for plane in valid]
    )
    radius = np.sqrt(areas * dy * dx / np.pi)
    middle = np.nanmean(centres, axis=0)
    soil = {
        "kind": "masked",
        "centre_mm": [_short(middle[0]), _short(middle[1])],
        "radius_mm": _short(np.median(radius[there])),
        "value": value,
        "top": int(there[0]),
        "bottom": int(there[-1]) + 1,
        "slices": {
            "y_mm": [None if np.isnan(v) else _short(v) for v in centres[:, 0]],
            "x_mm": [None if np.isnan(v) else _short(v) for v in centres[:, 1]],
            "radius_mm": [_short(v) for v in radius],
        },
    }
    text = (
        f"{outside.mean():.1%} of the scan around the soil hold one constant value ({value:g} {vol.units}): a mask drawn before, "
        "which was left out; it is no stone."
    )
    return _with_soil(vol, valid, soil, (Finding("soil-masked", "note", text),))


def _whole(vol: Volume, text: str) -> Volume:
    soil = {"kind": "whole", "centre_mm": None, "radius_mm": None, "top": 0, "bottom": vol.shape[0]}
    return _with_soil(vol, vol.valid, soil, (Finding("no-cylinder", "note", text),))


def _with_soil(vol: Volume, valid: BoolVolume, soil: dict[str, Any], findings: tuple[Finding, ...]) -> Volume:
    told = ends_of_soil(vol, valid) if valid is not vol.valid else vol
    return replace(told, valid=valid, source={**vol.source, "soil": soil}).with_findings(*findings)


def _short(value: Any) -> float:
    """Micrometres are enough for a picture, and short for a file."""
    return round(float(value), 4)
