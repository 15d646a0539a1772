"""Where slices lie decides their order, their spacing, and whether they are one regular grid.

Positions and orientations are those of PS3.3 C.7.6.2 (Image Plane): the centre of the first pixel, and the directions
in which column and row numbers rise. Tolerances are in :mod:`soilscope.ingest.limits`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest import steps
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import (
    AXIAL_COSINE,
    CORNER_MM,
    LATERAL_MM,
    MOST_VOXELS,
    ORIENTATION,
    TILT_DEGREES,
    TILT_SHIFT_MM,
)
from soilscope.ingest.rounding import cosine_error, half_units
from soilscope.ingest.spacing import needed
from soilscope.ingest.verdict import counted, note, refuse
from soilscope.ingest.written import tagged
from soilscope.types import Spacing

__all__ = ["Grid", "arrange", "positions_mm"]

SCATTER_TIMES = 4.0
"""Rounding takes a straight line off its direction by no more than this many times what the positions scatter about it."""

PLACE = ("ImagePositionPatient", "ImageOrientationPatient")
Same = Callable[[Slice, Slice], bool]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """The regular grid a series fills.

    Parameters
    ----------
    planes : tuple of Slice or None
        One entry a plane, top first; None where a missing slice is marked.
    spacing_mm : (dz, dy, dx)
    origin_mm, down, column, row : (x, y, z) in the patient's system
        Centre of voxel (0, 0, 0), and the unit vectors along which z, y and x numbers rise.
    """

    planes: tuple[Slice | None, ...]
    spacing_mm: Spacing
    origin_mm: tuple[float, ...]
    down: tuple[float, ...]
    column: tuple[float, ...]
    row: tuple[float, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        first = next(p for p in self.planes if p is not None)
        return len(self.planes), first.encoding.rows, first.encoding.columns


def positions_mm(slices: Sequence[Slice]) -> Vector | None:
    """Positions along the slices' common normal, shape (n,), in mm; None where a header does not say."""
    if any(s.position is None or s.orientation is None for s in slices):
        return None
    axis = _axis(np.asarray(slices[0].orientation))
    return np.asarray([s.position for s in slices]) @ axis


def _axis(orientation: Vector) -> Vector:
    """The slice normal; for axial slices the side of it on which the patient's z rises, however their rows run."""
    normal: Vector = np.cross(orientation[:3], orientation[3:])
    normal /= np.linalg.norm(normal) or 1.0
    return -normal if normal[2] < -AXIAL_COSINE else normal


def arrange(slices: Sequence[Slice], same: Same, on_gap: str = "refuse", spacing_mm: Spacing | None = None) -> Grid:
    """Put slices in order and prove that they are one regular grid.

    Parameters
    ----------
    slices : sequence of Slice
        Frames of one series, in any order.
    same : function of two slices
        Whether two frames hold the same values; asked only for frames at one position.
    on_gap : {"refuse", "mark"}
    spacing_mm : (dz, dy, dx), optional
        Stated by the user in place of what the headers say.

    Raises
    ------
    InputRefused
        Codes ``mixed-size``, ``mixed-orientation``, ``mixed-spacing``, ``spacing-missing``, ``position-missing``,
        ``orientation``, ``tilt``, ``displaced-slice``, ``duplicate-position``, ``unequal-spacing``, ``interleaved``, ``gap``,
        ``too-large``.
    """
    _uniform(slices, "mixed-size", "rows x columns", lambda s: (s.encoding.rows, s.encoding.columns), 0.0)
    _present(slices, spacing_mm)
    tolerance = CORNER_MM / max(slices[0].encoding.rows, slices[0].encoding.columns)
    sized = [s for s in slices if s.pixel_spacing is not None]  # all of them, unless the user states it
    pixel_mm = max((abs(n) for s in sized[:1] for n in s.pixel_spacing or ()), default=0.0)
    turned = max(ORIENTATION, tolerance / pixel_mm) if pixel_mm else ORIENTATION
    reference = _uniform(slices, "mixed-orientation", "orientation", lambda s: s.orientation, turned)
    _right_angled(slices[0], reference)
    if sized:
        _uniform(sized, "mixed-spacing", "pixel spacing in mm", lambda s: s.pixel_spacing, tolerance)
    axis = _axis(reference)
    places = np.asarray([s.position for s in slices])
    along = places @ axis
    order = sorted(range(len(slices)), key=lambda i: (along[i], *places[i], slices[i].instance or 0))  # never by name
    kept, findings = _without_twins([slices[i] for i in order], along[order], axis, same)
    level = np.asarray([s.position for s in kept]) @ axis
    spread = _not_tilted(kept, axis, reference)
    step = steps.regular(kept, level, spacing_mm, on_gap)
    planes: list[Slice | None] = [None] * step.count
    for index, one in zip(step.index, kept, strict=True):
        planes[index] = one
    if step.count * slices[0].encoding.rows * slices[0].encoding.columns > MOST_VOXELS:
        text = f"{step.count} slices of this size are more than {MOST_VOXELS} voxels; export the scan in parts."
        refuse("too-large", text, [kept[0].path])
    spacing, more = needed(_stated(step.mm, kept[0]), spacing_mm, kept[0].name)
    if step.rounded is None and max(spread, step.deviation_mm) > CORNER_MM:
        text = f"slices lie up to {max(spread, step.deviation_mm):.4f} mm off the regular grid, within the tolerance."
        findings.append(note("spacing-jitter", text))
    return Grid(
        tuple(planes),
        spacing,
        tuple(map(float, (kept[0].position or ()) if step.rounded is None else step.rounded.origin)),
        tuple(map(float, axis)),
        tuple(map(float, reference[3:])),
        tuple(map(float, reference[:3])),
        (*findings, *step.findings, *more),
    )


def _stated(step_mm: float | None, first: Slice) -> Spacing | None:
    """The voxel size according to the headers alone."""
    if step_mm is None or first.pixel_spacing is None:
        return None
    return step_mm, first.pixel_spacing[0], first.pixel_spacing[1]


def _uniform(slices: Sequence[Slice], code: str, what: str, of: Callable[[Slice], object], tolerance: float) -> Vector:
    """The value most slices share; the first that differs is named."""
    values = [of(s) for s in slices]
    usual = Counter(values).most_common(1)[0][0]
    for one, value in zip(slices, values, strict=True):
        if value != usual and np.abs(np.subtract(value, usual)).max() > tolerance:  # type: ignore[call-overload]  # tuples of numbers
            refuse(
                code,
                f"{one.name} has {what} {value}, the other slices {usual}; take it out or choose one series.",
                [one.path],
            )
    return np.asarray(usual, dtype=np.float64)


def _present(slices: Sequence[Slice], spacing_mm: Spacing | None) -> None:
    for one in slices:
        if one.position is None or one.orientation is None:
            text = (
                f"{one.name} does not say where it lies (Image Position / Orientation), and nothing is guessed; export the "
                "series again from the scanner with its positions."
            )
            refuse("position-missing", text + _as_written(one, PLACE), [one.path])
        bad = one.pixel_spacing is None or min(one.pixel_spacing) <= 0
        if spacing_mm is None and bad:
            text = f"{one.name} has no valid Pixel Spacing; give spacing_mm=(dz, dy, dx) (--spacing-mm DZ,DY,DX)."
            refuse("spacing-missing", text + _as_written(one, ("PixelSpacing",)), [one.path])


def _as_written(one: Slice, names: Sequence[str]) -> str:
    """What stands in an element that holds no numbers."""
    found = [name for name in names if name in one.unread]
    return "".join(f" {tagged(name)} is written as {one.unread[name]}, which is no list of numbers." for name in found)


def _right_angled(first: Slice, reference: Vector) -> None:
    row, column = reference[:3], reference[3:]
    errors = (abs(row @ row - 1), abs(column @ column - 1), abs(row @ column))
    if max(errors) > 1e-3:
        text = (
            f"{first.name}: the directions {tuple(map(float, reference))} are not two unit vectors at a right angle; export "
            "the series again from the scanner."
        )
        refuse("orientation", text, [first.path])


def _without_twins(slices: list[Slice], along: Vector, axis: Vector, same: Same) -> tuple[list[Slice], list[Finding]]:
    """Of slices at one position that hold the same values, one is kept; different values, or places, are refused."""
    kept: list[Slice] = []
    twins: list[Slice] = []
    last = -np.inf
    for one, at in zip(slices, along, strict=True):
        if at - last > steps.SAME_PLANE_MM:
            kept.append(one)
            last = at
        elif same(kept[-1], one):
            _not_beside(kept[-1], one, slices, axis)
            twins.append(one)
        else:
            refuse(
                "duplicate-position",
                f"{kept[-1].name} and {one.name} both lie at z = {steps.mm(at)} mm and hold different values; "
                "they are two scans, or one is damaged: take one out.",
                [kept[-1].path, one.path],
            )
    findings = []
    if twins:
        text = f"{counted(len(twins), 'slice was', 'slices were')} there twice, with the same values; one of each was kept."
        findings.append(note("duplicate-slice", text, [t.path for t in twins]))
    return kept, findings


def _not_beside(one: Slice, other: Slice, slices: Sequence[Slice], axis: Vector) -> None:
    """Refuse two slices of the same values of which one lies sideways of the other: the one further from most slices is named."""
    written = np.asarray([s.position for s in (one, other, *slices)])
    lateral = written - (written @ axis)[:, None] * axis
    apart = float(np.linalg.norm(lateral[0] - lateral[1]))
    if apart <= LATERAL_MM:
        return
    off = np.linalg.norm(lateral[:2] - np.median(lateral[2:], axis=0), axis=1)
    moved, stays = (one, other) if off[0] > off[1] else (other, one)
    refuse(
        "displaced-slice",
        f"{moved.name} holds the same values as {stays.name} at z = {steps.mm(float(written[0] @ axis))} mm, but lies {apart:.3g} "
        "mm sideways of it. Its header is damaged, or the core moved: take one of the two out, or copy the scan again from the "
        "scanner.",
        [moved.path, stays.path],
    )


def _not_tilted(slices: Sequence[Slice], axis: Vector, orientation: Vector) -> float:
    """Largest sideways shift of a slice from the first one's normal, in mm; a tilted stack is refused.

    What positions and direction cosines are off because they were rounded is no shift. Rounded positions scatter about a straight
    line, which those of a tilted stack do not.
    """
    written = np.asarray([s.position for s in slices])
    offset = written - written[0]
    along = offset @ axis
    lateral = offset - along[:, None] * axis
    sideways = np.linalg.norm(lateral, axis=1)
    if sideways.max() <= TILT_SHIFT_MM:
        return float(sideways.max())
    allowed = np.minimum(2 * np.linalg.norm(half_units(written), axis=1), SCATTER_TIMES * _scatter(along, lateral))
    beyond = sideways - allowed - cosine_error(orientation) * np.abs(along)
    worst = int(np.argmax(beyond))
    angle = np.degrees(np.arctan2(sideways[worst], abs(along[worst])))
    if beyond[worst] > LATERAL_MM or (beyond[worst] > TILT_SHIFT_MM and angle > TILT_DEGREES):
        _not_displaced(slices, axis, along, lateral)
        declared = slices[worst].tags.get("GantryDetectorTilt")
        said = "the header names no tilt" if declared is None else f"the header says {declared:g} degrees"
        refuse(
            "tilt",
            f"the slices are shifted sideways by {sideways[worst]:.3g} mm over {abs(along[worst]):.3g} mm, a tilt of {angle:.1f} "
            f"degrees ({said}); resample the scan to a straight stack first.",
            [slices[worst].path],
        )
    return float(sideways.max())


def _not_displaced(slices: Sequence[Slice], axis: Vector, along: Vector, lateral: Vector) -> None:
    """Refuse single slices that lie beside a straight stack of the others, which is no tilt.

    Most slices then lie beside no other, and the line through those, which a tilt would lean, passes by the rest.
    """
    off = np.linalg.norm(lateral - np.median(lateral, axis=0), axis=1)
    straight = off <= LATERAL_MM
    if straight.all() or 2 * straight.sum() <= len(slices):
        return
    base = np.c_[np.ones_like(along), along]
    line = np.linalg.lstsq(base[straight], lateral[straight], rcond=None)[0]
    beside = np.linalg.norm(lateral - base @ line, axis=1)
    moved = np.flatnonzero(~straight)
    if beside[moved].min() <= LATERAL_MM:
        return
    first, alone = int(moved[0]), len(moved) == 1
    name, at = slices[first].name, float(np.dot(slices[first].position or (), axis))
    place = f"by {beside[first]:.3g} mm at z = {steps.mm(at)} mm"
    if alone:
        text = (
            f"{name} lies sideways of the other slices, which lie straight, {place}. Its header is damaged, the core moved, or it "
            "is of another scan: copy it again from the scanner."
        )
    else:
        text = (
            f"{len(moved)} slices lie sideways of the others, which lie straight: {name} first, {place}. The core moved, or they "
            "are of another scan: copy the scan again from the scanner, or scan the core again."
        )
    refuse("displaced-slice", text, [slices[int(k)].path for k in moved])


def _scatter(along: Vector, lateral: Vector) -> float:
    """Largest distance of a slice's sideways shift, shape (n, 3), from one that grows evenly along the stack, in mm."""
    base = np.c_[np.ones_like(along), along]
    line = np.linalg.lstsq(base, lateral, rcond=None)[0]
    return float(np.linalg.norm(lateral - base @ line, axis=1).max())
