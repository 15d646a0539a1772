"""A DICOM series -> candidate -> Volume: the stages of reading, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from soilscope.errors import InputRefused
from soilscope.findings import Finding, merge
from soilscope.ingest import steps
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.decode import check_syntax, content, stored_values
from soilscope.ingest.fill import Filled, Progress, fill, unwatched
from soilscope.ingest.geometry import Grid, arrange, positions_mm
from soilscope.ingest.headers import Broken, NoImage, Slice, class_name, read_headers
from soilscope.ingest.identity import Identity
from soilscope.ingest.members import Member
from soilscope.ingest.naming import LAST_MARK
from soilscope.ingest.neighbours import may_be_two, told_alternating, told_jumps
from soilscope.ingest.pixels import check_rescale, told
from soilscope.ingest.series import Series, group
from soilscope.ingest.shown import shown
from soilscope.ingest.spacing import told_of_step
from soilscope.ingest.steps import MOST_NAMED, mm
from soilscope.ingest.tags import plain, rekey
from soilscope.ingest.verdict import counted, names, note, refuse, warn
from soilscope.ingest.written import tagged
from soilscope.types import Units
from soilscope.volume import Volume

__all__ = ["candidates"]

OF_PLACES = {"gap", "unequal-spacing", "interleaved", "spacing-missing"}
"""Refusals that a slice taken for another kind of image could explain."""

RESCALE = ("RescaleSlope", "RescaleIntercept")
NEEDED = {*RESCALE, "ImagePositionPatient", "ImageOrientationPatient"}
"""Elements without which nothing is read."""

TOP_ASSUMED = note("top-assumed", "the slice at the lowest position was taken for the top of the core; check it.")


def candidates(
    paths: Sequence[Path], root: Path, options: Options, empty: Sequence[Path] = ()
) -> tuple[list[Candidate], int]:
    """Every series in some DICOM files below a root, judged from the headers, and the number of directory files (not opened).

    Files of no bytes, ``empty``, are named where slices are missing in their folder.

    Raises
    ------
    InputRefused
        The refusal of the first damaged file, where no slice at all can be read.
    """
    headers = read_headers(paths)
    found = group(headers)
    if not found and headers.broken:
        raise headers.broken[0].error
    whole = [_candidate(series, root, options, empty) for series in found] + _without_image(headers.no_image)
    known = {series.uid for series in found} | {None}
    lost = {b.series_uid: b for b in reversed(headers.broken) if b.series_uid not in known}
    return whole + [_damaged(lost[uid]) for uid in sorted(lost, key=str)], len(headers.directories)


def _without_image(found: Sequence[NoImage]) -> list[Candidate]:
    """Reports, colour pictures and the like: each kind of a series is listed with its number, and never read."""
    kinds: dict[tuple[str, str, str], list[NoImage]] = defaultdict(list)
    for one in found:
        kinds[one.series_uid or "", one.kind, one.modality].append(one)
    return [_no_scan("\n".join(key), kinds[key]) for key in sorted(kinds)]


def _no_scan(key: str, found: Sequence[NoImage]) -> Candidate:
    first, count = found[0], len(found)
    text = (
        f"{count} object{'' if count == 1 else 's'} of modality {first.modality} ({first.kind}; {shown(first.path)}"
        f"{'' if count == 1 else ' first'}): not a scan; choose the CT series beside {'it' if count == 1 else 'them'}."
    )
    refusal = InputRefused("not-an-image", text, names([one.path for one in found]))

    def load() -> Volume:
        raise refusal

    return Candidate(
        rekey(key), "DICOM", load, is_scan=False, refusal=refusal, kind=first.kind, objects=count, is_image=False
    )


def _damaged(broken: Broken) -> Candidate:
    """A series of which nothing but damaged files is there: listed, never picked."""
    uid = broken.series_uid or ""

    def load() -> Volume:
        raise broken.error

    return Candidate(rekey(uid), "DICOM", load, units="HU", is_scan=False, refusal=broken.error, alias=uid)


def _candidate(series: Series, root: Path, options: Options, empty: Sequence[Path]) -> Candidate:
    units: Units = options.units or "HU"
    is_scan = (series.is_ct or options.units is not None) and not series.is_scout
    first = series.slices[0]
    shape, spacing = (len(series.slices), first.encoding.rows, first.encoding.columns), options.spacing_mm
    found, refusal, grid = series.findings, None, None
    judged: tuple[Finding, ...] = ()
    try:
        judged = found = merge(found, _judge(series, options))
        grid = _told_apart(arrange(series.slices, _same, options.on_gap, options.spacing_mm), options)
        shape, spacing = grid.shape, grid.spacing_mm
        found = merge(found, grid.findings)
    except InputRefused as error:
        refusal = _with_empty(_with_strangers(error, series), series, empty)

    def load(told: Progress = unwatched) -> Volume:
        if grid is None:
            raise refusal or AssertionError
        return _load(series, options, judged, fill(grid, told), grid)

    return Candidate(
        series.id,
        "DICOM",
        load,
        shape,
        spacing,
        units,
        is_scan=is_scan,
        findings=found,
        refusal=refusal,
        alias=series.uid,
        packed=_unseen(series, grid),
        watched=True,
        tags=_tags(first),
        identity=Identity.of(s.path for s in series.slices),
        kind="scout" if series.is_scout else class_name(first.sop_class),
        objects=len(series.slices),
        marks=_marks(series, root),
    )


def _told_apart(grid: Grid, options: Options) -> Grid:
    """The grid with a warning where positions contradict the user's step, and the headers say nothing of the pixels' size."""
    there = [one for one in grid.planes if one is not None]
    level = positions_mm(there)
    if there[0].pixel_spacing is not None or level is None:
        return grid
    told = told_of_step(steps.regular(there, level, options.spacing_mm, options.on_gap).mm, options.spacing_mm)
    others = [f for f in grid.findings if not told or f.code != told[0].code]
    return replace(grid, findings=(*others, *told))


def _unseen(series: Series, grid: Grid | None) -> bool:
    """Whether only values tell that the scan is sound: they are compressed, lie in an archive, or may be those of two scans."""
    if any(s.encoding.pixels.length is None or isinstance(s.path, Member) for s in series.slices):
        return True
    return grid is not None and None not in grid.planes and may_be_two([p for p in grid.planes if p is not None])


def _tags(first: Slice) -> dict[str, str | float]:
    """The technical tags, which are read once a series UID; where it held two scans, their kernels are told apart."""
    own = {"ConvolutionKernel": plain(first.kernel)} if first.kernel else {}
    return {**first.tags, **own}


def _marks(series: Series, root: Path) -> dict[str, str]:
    """What may tell a scan from another one at the same path, in words."""
    first, at = series.slices[0], positions_mm(series.slices)
    acquisitions = sorted({one.acquisition for one in series.slices if one.acquisition is not None})
    folders = {one.path.parent for one in series.slices}
    told = {
        "kernel": f"kernel {plain(first.kernel)}" if first.kernel else "no kernel named",
        "acquisition": f"AcquisitionNumber {', '.join(map(str, acquisitions[:MOST_NAMED]))}" if acquisitions else "",
        "volts": "" if first.kvp is None else f"{first.kvp:g} kV",
        "thick": "" if not first.thickness else f"slices {first.thickness:g} mm thick",
        "place": "" if at is None else f"z = {' to '.join(dict.fromkeys((mm(at.min()), mm(at.max()))))} mm",
        "folder": _folder(first.path.parent.relative_to(root)) if len(folders) == 1 else "",
        LAST_MARK: f"{first.name} first",
    }
    return {name: words for name, words in told.items() if words}


def _folder(below: Path) -> str:
    return f"folder {below.as_posix()}" if below.parts else "in no sub-folder"


def _with_strangers(error: InputRefused, series: Series) -> InputRefused:
    """A refusal of the places of slices also names what under the same UID is no CT slice: it may stand where one is missing."""
    if not series.strangers or error.code not in OF_PLACES:
        return error
    text = f"{error.text} {series.strangers_in_words} may stand in the place of a slice."
    return InputRefused(error.code, text, (*error.files, *names([one.path for one in series.strangers])))


def _with_empty(error: InputRefused, series: Series, empty: Sequence[Path]) -> InputRefused:
    """A refusal of the places of slices also names files of no bytes in their folders: a broken copy left them of slices."""
    folders = {one.path.parent for one in series.slices}
    beside = [path for path in empty if path.parent in folders]
    if not beside or error.code not in OF_PLACES:
        return error
    first, more = shown(beside[0]), f" and {len(beside) - 1} more" if len(beside) > 1 else ""
    stands = "hold nothing and may be slices" if more else "holds nothing and may be a slice"
    text = f"{error.text} {first}{more} beside them {stands}: copy the scan again."
    return InputRefused(error.code, text, (*error.files, *names(beside)))


def _judge(series: Series, options: Options) -> tuple[Finding, ...]:
    """Everything the headers say against taking the series for a CT scan in HU."""
    first = series.slices[0]
    if series.broken:
        raise series.broken[0].error
    if series.refusal is not None:
        raise series.refusal
    if series.is_scout:
        refuse(
            "scout",
            f"{first.name} is a scout (localizer), not a slice of a scan; choose the CT series, or export it from the scanner too.",
            [first.path],
        )
    found: list[Finding] = []
    if "Simulated" in first.tags:
        found.append(
            warn("simulated", "these slices were simulated by Soilscope (a phantom): no scanner has seen this core.")
        )
    if str(first.tags.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        text = "the header says that text is burned into the pixels: it may name a person, and its voxels are no measurement."
        found.append(warn("burned-in", text, [first.path]))
    if not series.is_ct:
        kind = f"modality {first.modality or 'unknown'!r}, {class_name(first.sop_class)}"
        if options.units is None:
            text = (
                f'{first.name} is no CT slice ({kind}): its values are not HU; units="grey" (--units grey) reads them as grey '
                "values."
            )
            refuse("not-ct", text, [first.path])
        found.append(
            warn("units-asserted", f"the files are no CT slices ({kind}); {options.units} was stated by the user.")
        )
    for one in {(s.encoding.syntax, s.encoding.pixels.length is None): s for s in reversed(series.slices)}.values():
        check_syntax(one)
    for one in series.slices:
        _rescale_is_a_number(one)
        check_rescale(one, options.units)
    found += [*_not_numbers(series.slices), *_differing(series.slices)]
    kinds = {s.rescale_type for s in series.slices} - {"HU"}
    if None in kinds and series.is_ct:
        text = "RescaleType is absent, which in CT images means HU (DICOM PS3.3 C.8.2.1)."
        found.append(note("rescale-type-absent", text))
    said = " and ".join(sorted(plain(kind) for kind in {s.rescale_type for s in series.slices} if kind))
    if options.units == "HU" and kinds - {None}:
        found.append(warn("units-asserted", f"the files say {said}; HU was stated by the user."))
    if options.units == "grey":
        beside = f"; the files say {said}" if said else ""
        found.append(note("units-asserted", f"the values were read as grey values, as stated by the user{beside}."))
    return tuple(found)


def _rescale_is_a_number(one: Slice) -> None:
    """Refuse a slope or intercept that is no number; a missing one is another matter."""
    for name in RESCALE:
        if name in one.unread:
            text = (
                f"{one.name}: {tagged(name)} is written as {one.unread[name]}, which is no number (DICOM has points, no commas): "
                "its stored values make no HU. Export the scan again, or correct that element in a copy."
            )
            refuse("rescale-invalid", text, [one.path])


def _not_numbers(slices: Sequence[Slice]) -> list[Finding]:
    """Elements that should be numbers and are none, where the scan can be read without."""
    found = []
    for name in dict.fromkeys(name for one in slices for name in one.unread if name not in NEEDED):
        some = [one for one in slices if name in one.unread]
        more = "" if len(some) == 1 else f" and of {len(some) - 1} more"
        text = (
            f"{tagged(name)} of {some[0].name}{more} is written as {some[0].unread[name]}, no number, and was not used."
        )
        found.append(warn("tag-unreadable", text, [one.path for one in some]))
    return found


def _differing(slices: Sequence[Slice]) -> list[Finding]:
    """Slices of one scan made at several tube voltages, or of which some do not name their kernel."""
    found = []
    volts: dict[float, list[Slice]] = defaultdict(list)
    for one in slices:
        if one.kvp is not None:
            volts[one.kvp].append(one)
    if len(volts) > 1:
        told = ", ".join(
            f"{volt:g} kV in {counted(len(some))} ({some[0].name} first)" for volt, some in sorted(volts.items())
        )
        text = (
            f"the slices were made at several tube voltages: {told}. HU of soil and stones depend on it: look at them."
        )
        found.append(warn("kvp-differs", text, [some[0].path for some in volts.values()]))
    unnamed = [one.path for one in slices if not one.kernel]
    if 0 < len(unnamed) < len(slices):
        usual = next(one.kernel for one in slices if one.kernel)
        text = f"{counted(len(unnamed))} of {len(slices)} do not name a kernel, the others {usual!r}: they were taken for one scan."
        found.append(note("kernel-absent", text, unnamed))
    return found


def _same(one: Slice, other: Slice) -> bool:
    """Whether two slices at one position hold the same values."""
    if _meaning(one) != _meaning(other):
        return False
    a = stored_values(one, content(one.path))
    b = stored_values(other, content(other.path))
    return bool(np.array_equal(a, b))


def _meaning(one: Slice) -> tuple[object, ...]:
    """What makes values of stored ones."""
    return one.slope, one.intercept, one.padding, one.padding_limit


def _load(series: Series, options: Options, judged: tuple[Finding, ...], filled: Filled, grid: Grid) -> Volume:
    units: Units = options.units or "HU"
    mean, spread = [p.mean for p in filled.planes], [p.spread for p in filled.planes]
    findings = merge(
        judged,
        grid.findings,
        told(filled.planes, filled.lossy, units),
        told_jumps(mean, spread, filled.names),
        () if None in grid.planes else told_alternating(mean, spread, [p for p in grid.planes if p is not None]),
        [TOP_ASSUMED] if grid.shape[0] > 1 else [],
    )
    source = {
        "format": "DICOM",
        "input_digest": filled.digest,
        "series": series.id,
        "tags": _tags(series.slices[0]),
        "grid": {"origin_mm": grid.origin_mm, "down": grid.down, "column": grid.column, "row": grid.row},
    }
    return Volume(filled.values, filled.valid, grid.spacing_mm, units, findings, source=source)
