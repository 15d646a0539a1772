"""Find the soil in a scan: the cylinder's inside from the first to the last slice that holds soil."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from scipy import ndimage

from soilscope.core.air import air_of, corners_of, level_of, seen_air
from soilscope.core.axis import Axis, axis_through
from soilscope.core.bodies import Tube, around, region_of, tubes_in
from soilscope.core.choice import CoreChoice
from soilscope.core.circle import LEAST_SHARE_OF_HALF, slice_circles, slice_outlines
from soilscope.core.ends import soil_ends
from soilscope.core.half import at_half_height, cut_of
from soilscope.core.lid import lid_finding, without_lids
from soilscope.core.masked import outside_of_mask, surrounding_value
from soilscope.core.place import Place, short
from soilscope.core.tube import blurred_wall, find_tube
from soilscope.core.wall import Wall
from soilscope.core.wall_value import TubeWall, wall_value
from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.types import BoolVolume
from soilscope.volume import Volume
from soilscope.volume.ends import ends_of_soil

__all__ = ["find_core"]

WALL_BLUR_MM = 1.5
"""The ends of the soil are looked for this far inside the wall, whose blur lifts the air beside it."""

SOLID_RIM = 0.2
"""Where the outermost valid voxels lie in soil at least this share of them is no air, even in loose litter."""


def find_core(vol: Volume, choice: CoreChoice | None = None) -> Volume:
    """The same scan with ``valid`` narrowed to the soil.

    What was found is named in ``source["soil"]["kind"]``: ``"cylinder"`` (a core in air, with or without a tube around it),
    ``"half-cylinder"`` (a core split lengthwise), ``"masked"`` (the surroundings were set to the highest value beforehand)
    and ``"whole"`` (soil up to the border; nothing is cut away).

    Parameters
    ----------
    vol : Volume
        HU, or grey values in which air is darker than soil.
    choice : CoreChoice, optional
        What a person states in place of what would be found.

    Returns
    -------
    Volume
        With a finding ``cylinder``, ``half-core``, ``soil-masked`` or ``no-cylinder``, the reader's ``at-floor`` and
        ``at-ceiling`` told anew as shares of the soil, and the numbers a check picture needs in
        ``source["soil"]``: ``centre_mm`` (y, x) from the centre of the first voxel, ``radius_mm``, ``tilt_deg``, ``top``,
        ``bottom`` (the slice after the last), ``slices`` with one centre and radius each.
        The scan keeps its size: depths count from its top until the soil is cut out, ``found.crop(z=(top, bottom))``.

    Raises
    ------
    InputRefused
        Code ``several-cores``: the scan holds several tubes and the choice names none; the message lists them.
    UsageError
        Code ``core-asked``: the choice does not fit the scan.

    Examples
    --------
    >>> from soilscope.phantoms import make
    >>> core = make("sandy", shape=(16, 64, 64), noise=False)
    >>> found = find_core(replace(core.volume, valid=np.ones(core.truth.shape, bool)))
    >>> bool((found.valid == (core.truth > 0)).all())
    True
    """
    choice = choice or CoreChoice()
    choice.check_inside(vol.shape, vol.spacing_mm)
    if choice.whole:
        return _with_soil(vol, vol.valid, _all_of(vol), (choice.finding(),))
    if not choice.stated:
        value = surrounding_value(vol.values, vol.units)
        if value is not None:
            return _masked(vol, value)
    level = level_of(vol)
    if level is None and not choice.placed:
        return _uncut(vol, choice, Finding("no-cylinder", "note", SOIL_TO_BORDER))
    return _found(vol, choice, level)


SOIL_TO_BORDER = "the scan holds soil up to its border; all of it was kept."
NOT_ROUND = (
    "something lies in air, but no cylinder was seen, so all of the scan was kept, the air around included; "
    "state the core's place (centre_mm, radius_mm) in the plan's [core] table."
)
LEAST_ENCLOSED = 0.5
"""A ring with a smaller share of what is valid inside it is no tube around the core: stones can look like one."""
ALREADY = Finding("soil-narrowed", "note", "all around the soil was masked before; everything that is valid was kept.")
NO_SOIL = "a cylinder was seen, but nothing but air inside; all of the scan was kept."


def _found(vol: Volume, choice: CoreChoice, level: float | None) -> Volume:
    """The core in air, or where it was stated to be."""
    scan, findings = vol, tuple[Finding, ...]()
    if level is not None and not choice.placed:
        scan, findings = _one_tube(vol, choice, level)
    place = _stated(vol, choice) if choice.placed else _place(scan, choice, (level or 0.0, seen_air(vol)))
    del scan  # and the mask of what lies around the tube with it
    if place is None:
        return _uncut(vol, choice, Finding("no-cylinder", "warning", NOT_ROUND))
    inside = place.inside(vol.shape, vol.spacing_mm) & vol.valid
    encloses = np.count_nonzero(inside) >= LEAST_ENCLOSED * np.count_nonzero(vol.valid)
    tube = place.wall.level is not None and encloses
    if not choice.stated and not tube and _narrowed_before(vol, level or 0.0):
        return _with_soil(vol, vol.valid, vol.source.get("soil", _all_of(vol)), (ALREADY,))
    ends: tuple[int, int] | None = (0, vol.shape[0])
    lids = [(0, 0), (0, 0)]
    if level is not None:
        middle = place.within(WALL_BLUR_MM).inside(vol.shape, vol.spacing_mm) & vol.valid
        ends = soil_ends(vol.values, middle, level, air_of(vol))
        if ends is not None and place.wall.level is not None:
            seen = _with_wall_value(vol, place, ends)
            unsure, place = seen is place, seen
            ends, *lids = without_lids(vol, middle, ends, (place.wall.level or 0.0, air_of(vol)), unsure)
            lids = [(0 if choice.top_mm is not None else a, 0 if choice.bottom_mm is not None else b) for a, b in lids]
    unknown = ends is None and (choice.top_mm is None or choice.bottom_mm is None)
    if choice.placed and (unknown or not inside.any()):
        _nothing_there(choice)
    if unknown:
        return _uncut(vol, choice, Finding("no-cylinder", "warning", NO_SOIL))
    top, bottom = choice.ends(ends or (0, vol.shape[0]), vol.shape[0], vol.spacing_mm[0])
    inside[:top] = False
    inside[bottom:] = False
    soil = place.as_dict((top, bottom), vol.spacing_mm[0])
    air = (top - lids[0][0], vol.shape[0] - bottom - lids[0][1])
    said = (*findings, *_told(vol, place, air, choice), *lid_finding(lids[0], lids[1]))
    if choice.stated:
        soil["asserted"] = list(choice.stated)
        said = (choice.finding(), *said)
    return _with_soil(vol, inside, soil, said)


def _with_wall_value(vol: Volume, place: Place, ends: tuple[int, int]) -> Place:
    """The wall's value without its blur, as references take it; where the blur hides it, what the calmest ring reads."""
    axis, wall = place.axis, place.wall
    if wall.level is None:
        return place
    tube = TubeWall(axis.y, axis.x, wall.inner_mm, axis.radius, ends, place.cut)
    value = wall_value(vol, tube, air_of(vol))
    return place if value is None else replace(place, wall=replace(wall, level=value.value))


def _nothing_there(choice: CoreChoice) -> NoReturn:
    """Refuse a stated place that holds no soil: what a person said is neither followed nor silently left."""
    y, x = choice.centre_mm or (0.0, 0.0)
    raise UsageError(
        "core-asked",
        f"there is nothing but air within radius_mm = {choice.radius_mm:g} of centre_mm = [{y:g}, {x:g}]; `soilscope inspect SCAN "
        "--core FILE.png` draws the scan with axes in these mm.",
    )


def _narrowed_before(vol: Volume, level: float) -> bool:
    """Whether what is masked lies around the soil itself, and not around air as a scan circle does."""
    if corners_of(vol).size:
        return False
    there = np.flatnonzero(vol.valid.any(axis=(1, 2)))
    rims = [(plane & ~ndimage.binary_erosion(plane), k) for k, plane in zip(there, vol.valid[there], strict=True)]
    values = np.concatenate([vol.values[k][rim] for rim, k in rims])
    return bool(np.mean(values > level) >= SOLID_RIM)


def _one_tube(vol: Volume, choice: CoreChoice, level: float) -> tuple[Volume, tuple[Finding, ...]]:
    """The scan with all tubes but one taken away.

    Raises
    ------
    InputRefused
        Code ``several-cores``.
    """
    tubes = tubes_in(vol.values, vol.valid, level, vol.spacing_mm[1:])
    if choice.tube is not None and choice.tube > max(len(tubes), 1):
        raise InputRefused("several-cores", f"tube {choice.tube} was asked for, but the scan holds {_listed(tubes)}.")
    if len(tubes) < 2:
        return (replace(vol, valid=around(tubes[0], vol.valid, vol.spacing_mm[1:])) if tubes else vol), ()
    if choice.tube is None and choice.centre_mm is None:
        text = (
            f"the scan holds {_listed(tubes)}; name one, tube = 1 to {len(tubes)} in the plan's [core] table (or in a core's own "
            "[cores.core] table), one core of the study for each."
        )
        raise InputRefused("several-cores", text)
    number = choice.tube or 1 + _nearest(tubes, choice.centre_mm or (0.0, 0.0))
    region = region_of(tubes, number - 1, vol.valid, vol.spacing_mm[1:])
    text = f"the scan holds {_listed(tubes)}; tube {number} was taken."
    return replace(vol, valid=region), (Finding("tube-chosen", "note", text),)


def _listed(tubes: tuple[Tube, ...]) -> str:
    said = [
        f"{k}: centre ({t.y.mean():.1f}, {t.x.mean():.1f}) mm (y, x), {2 * t.radius:.1f} mm across"
        for k, t in enumerate(tubes, 1)
    ]
    return f"{len(tubes)} tube{'' if len(tubes) == 1 else 's'} ({'; '.join(said)})" if said else "no tube that was seen"


def _nearest(tubes: tuple[Tube, ...], centre_mm: tuple[float, float]) -> int:
    away = [np.hypot(t.y.mean() - centre_mm[0], t.x.mean() - centre_mm[1]) - t.radius for t in tubes]
    return int(np.argmin(away))


def _place(vol: Volume, choice: CoreChoice, scale: tuple[float, float]) -> Place | None:
    """Axis, wall and cut from the outline of what lies in air; a centre or radius that was stated takes its place.

    ``scale`` is the value that parts air from the body, and what air reads: beside one of several tubes no air may be left to see.
    """
    level, _ = scale
    plane = vol.spacing_mm[1:]
    outlines = slice_outlines(vol.values, vol.valid, level, plane)
    axis = axis_through(slice_circles(outlines, plane), max(plane))
    split = axis is None  # or no core at all: then there is no straight side either
    if axis is None:
        axis = axis_through(slice_circles(outlines, plane, LEAST_SHARE_OF_HALF), max(plane))
    if axis is None:
        return None
    cut = cut_of(outlines, axis, max(plane))
    if split and cut is None:
        return None
    if cut is not None:
        cut = at_half_height(cut, vol, axis)
    if choice.centre_mm is not None:
        y, x = choice.centre_mm
        axis = Axis(axis.y - axis.y.mean() + y, axis.x - axis.x.mean() + x, axis.radius)
    axis, wall = find_tube(vol, axis, scale, cut)
    return Place(axis, wall if choice.radius_mm is None else replace(wall, inner_mm=choice.radius_mm), cut)


def _stated(vol: Volume, choice: CoreChoice) -> Place:
    """An upright cylinder where a person put it."""
    (y, x), radius = choice.centre_mm or (0.0, 0.0), choice.radius_mm or 0.0
    depth = vol.shape[0]
    return Place(Axis(np.full(depth, y), np.full(depth, x), radius), Wall(radius, None, np.nan))


def _told(vol: Volume, place: Place, left_out: tuple[int, int], choice: CoreChoice) -> tuple[Finding, ...]:
    dz, dy, dx = vol.spacing_mm
    axis, wall = place.axis, place.wall
    tube = "no tube seen around it" if wall.level is None else f"a tube of {wall.level:.0f} {vol.units}"
    if choice.placed:
        tube = "its place stated"
    text = (
        f"the soil is {'a cylinder' if place.cut is None else 'half a cylinder'} of {2 * wall.inner_mm:.2f} mm with {tube}, "
        f"leaning {place.tilt_deg(dz):.1f} degrees, its centre "
        f"at row {np.mean(axis.y) / dy:.1f} and column {np.mean(axis.x) / dx:.1f}."
    )
    found = [Finding("cylinder", "note", text)]
    if "radius_mm" not in choice.stated:
        found += blurred_wall(wall, max(dy, dx))
    if place.cut is not None:
        text = (
            f"the core was split lengthwise: its flat side lies {place.cut.offset_mm:.1f} mm from the axis, and only the soil on "
            "this side of it was kept."
        )
        found.append(Finding("half-core", "note", text))
    if any(left_out):
        text = f"{left_out[0]} slices above and {left_out[1]} below the soil hold nothing but air and were left out."
        if choice.ends_stated:
            text = f"{left_out[0]} slices above and {left_out[1]} below the soil were left out."
        found.append(Finding("headspace", "note", text))
    return tuple(found)


def _masked(vol: Volume, value: float) -> Volume:
    outside = outside_of_mask(vol.values, value)
    valid = vol.valid & ~outside
    areas = valid.sum(axis=(1, 2))
    if not areas.any():
        text = "nothing but one constant value was found; all of the scan was kept."
        return _uncut(vol, CoreChoice(), Finding("no-cylinder", "note", text))
    there = np.flatnonzero(areas)
    _, dy, dx = vol.spacing_mm
    centres = np.asarray(
        [np.argwhere(plane).mean(axis=0) * (dy, dx) if plane.any() else (np.nan, np.nan) for plane in valid]
    )
    radius = np.sqrt(areas * dy * dx / np.pi)
    middle = np.nanmean(centres, axis=0)
    soil = {
        "kind": "masked",
        "centre_mm": [short(middle[0]), short(middle[1])],
        "radius_mm": short(np.median(radius[there])),
        "value": value,
        "top": int(there[0]),
        "bottom": int(there[-1]) + 1,
        "slices": {
            "y_mm": [None if np.isnan(v) else short(v) for v in centres[:, 0]],
            "x_mm": [None if np.isnan(v) else short(v) for v in centres[:, 1]],
            "radius_mm": [short(v) for v in radius],
        },
    }
    text = (
        f"{outside.mean():.1%} of the scan around the soil hold one constant value ({value:g} {vol.units}): a mask drawn before, "
        "which was left out; it is no stone."
    )
    return _with_soil(vol, valid, soil, (Finding("soil-masked", "note", text),))


def _uncut(vol: Volume, choice: CoreChoice, finding: Finding) -> Volume:
    """All of the scan, but for the slices that were stated to lie outside the soil."""
    top, bottom = choice.ends((0, vol.shape[0]), vol.shape[0], vol.spacing_mm[0])
    if (top, bottom) == (0, vol.shape[0]):
        return _with_soil(vol, vol.valid, _all_of(vol), (finding,))
    valid = vol.valid.copy()
    valid[:top] = False
    valid[bottom:] = False
    soil = {**_all_of(vol), "top": top, "bottom": bottom, "asserted": list(choice.stated)}
    return _with_soil(vol, valid, soil, (choice.finding(), finding))


def _all_of(vol: Volume) -> dict[str, Any]:
    return {"kind": "whole", "centre_mm": None, "radius_mm": None, "top": 0, "bottom": vol.shape[0]}


def _with_soil(vol: Volume, valid: BoolVolume, soil: dict[str, Any], findings: tuple[Finding, ...]) -> Volume:
    if crops := len(vol.source.get("crops", [])):
        soil = {**soil, "after_crops": crops}  # the numbers count from the corner of the cropped scan
    told = ends_of_soil(vol, valid) if valid is not vol.valid else vol
    return replace(told, valid=valid, source={**vol.source, "soil": soil}).with_findings(*findings)
