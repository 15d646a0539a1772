"""What is in these files, before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soilscope.errors import Damaged, InputRefused
from soilscope.findings import Finding, merge, to_records
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.identity import ASK
from soilscope.ingest.read import options_of
from soilscope.ingest.sources import opened
from soilscope.ingest.spacing import shorter
from soilscope.ingest.stream import Progress, look_through
from soilscope.ingest.verdict import as_finding, refuse
from soilscope.types import Shape, Spacing, Units

__all__ = ["Inspection", "SeriesInfo", "Watcher", "identity_of", "inspect"]

Watcher = Callable[[str, int, int], None]
"""Told a scan's id, how many of its parts were read, and of how many."""


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One scan that lies at a path.

    Parameters
    ----------
    id : str
        What ``read(path, series=id)`` takes.
    format : str
    shape : (z, y, x) or None
    spacing_mm : (dz, dy, dx) or None
        None where neither the files nor the caller say it.
    units : {"HU", "grey"}
    usable : bool
        Whether :func:`~soilscope.ingest.read.read` would take it, as far as was looked.
    findings : tuple of Finding
        Notes, warnings, and the refusal where there is one.
    is_scan : bool
        False for scouts, screenshots, dose sheets and data sets beside a file's default one, which are never picked by
        themselves.
    tags : mapping
        Technical tags of the allow-list: scanner, kernel, tube voltage.
    id_tags : tuple of str
        Which tags that a core can be named after hold something in the first file; not what.
    kind : str
        What the files say they are, where the format tells kinds apart: a DICOM storage class in words, or ``"scout"``.
    objects : int
        How many slices or objects were found, where the format counts them.
    marks : mapping
        What may tell it from the other scans at a path, in words: its kernel, its folder.
    alias : str
        Another name that ``series`` takes and that is never written, such as a DICOM series UID.
    """

    id: str
    format: str
    shape: Shape | None
    spacing_mm: Spacing | None
    units: Units
    usable: bool
    findings: tuple[Finding, ...] = ()
    is_scan: bool = True
    tags: Mapping[str, Any] = field(default_factory=dict)
    id_tags: tuple[str, ...] = ()
    kind: str = ""
    objects: int = 0
    marks: Mapping[str, str] = field(default_factory=dict)
    alias: str = field(default="", repr=False)

    @property
    def refusal(self) -> Finding | None:
        """Why it cannot be read."""
        return next((f for f in self.findings if f.severity == "refuse"), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "format": self.format,
            "shape": None if self.shape is None else list(self.shape),
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "units": self.units,
            "usable": self.usable,
            "findings": to_records(self.findings),
            "is_scan": self.is_scan,
            "tags": dict(self.tags),
            "id_tags": list(self.id_tags),
            "kind": self.kind,
            "objects": self.objects,
            "marks": dict(self.marks),
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """All scans at a path, what was noticed about the path itself, and the number of files that are none."""

    series: tuple[SeriesInfo, ...]
    skipped: int
    findings: tuple[Finding, ...] = ()
    refusal: InputRefused | None = None
    """Why nothing at all at the path can be read."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "series": [one.as_dict() for one in self.series],
            "skipped": self.skipped,
            "findings": to_records(self.findings),
        }


def inspect(
    path: str | Path,
    spacing_mm: Spacing | None = None,
    stated: Options | None = None,
    progress: Watcher | None = None,
    *,
    pixels: bool = True,
) -> Inspection:
    """List the scans at a path with their geometry, units and findings; nothing is changed.

    Headers tell of plain values whether they are whole. Compressed ones are read, and what that finds is told as well.

    Parameters
    ----------
    path : path
        As for :func:`~soilscope.ingest.read.read`.
    spacing_mm : (dz, dy, dx), optional
        Voxel size to assume where the files state none.
    stated : Options, optional
        Units and what to do about gaps as well, in place of ``spacing_mm``; see
        :func:`~soilscope.ingest.read.options_of`.
    progress : function, optional
        Told the scan's id, how many of its parts were read, and of how many.
    pixels : bool
        False looks at headers alone, in little time.

    Raises
    ------
    InputRefused
        The path itself cannot be looked at: it is absent, unreadable, or an unsafe archive.
    """
    options = stated or options_of(spacing_mm=spacing_mm)
    with opened(Path(path), options) as source:
        looked = [_read_through(c, options, progress or _unwatched) if pixels else c for c in source.candidates]
        listed = tuple(_info(c, options) for c in looked)
        broken = tuple(as_finding(error) for error in source.broken)
        return Inspection(listed, source.skipped, (*source.findings, *broken), source.nothing)


def identity_of(path: str | Path, series: str, tag: str, stated: Options) -> str:
    """What a scan's headers hold under one tag of :data:`~soilscope.ingest.identity.ID_TAGS`, to name the core after.

    Parameters
    ----------
    path, stated
        As for :func:`inspect`.
    series : str
        The scan's id, as :func:`inspect` lists it.
    tag : str

    Raises
    ------
    InputRefused
        Codes ``id-missing``, ``id-differs``, ``id-unreadable``; no message quotes the value.
    """
    with opened(Path(path), stated) as source:
        chosen = next(c for c in source.candidates if c.id == series)
        if chosen.identity is None:
            refuse("id-missing", f"{source.name} is {chosen.format}, which has no {tag}; {ASK}.", [source.name])
        return chosen.identity.value(tag)


def _unwatched(name: str, done: int, of: int) -> None:
    """Nobody wants to know how far it is."""


def _read_through(one: Candidate, options: Options, progress: Watcher) -> Candidate:
    """The candidate with what reading its compressed values finds: damage above all, which its headers do not show."""
    if not (one.packed and one.is_scan) or one.refusal is not None:
        return one

    def told(done: int, of: int) -> None:
        progress(one.id, done, of)

    try:
        found = _findings(one, options, told)
    except (InputRefused, Damaged) as error:
        return replace(one, refusal=InputRefused(error.code, error.text, error.files))
    return replace(one, findings=merge(one.findings, found))


def _findings(one: Candidate, options: Options, told: Progress) -> tuple[Finding, ...]:
    if one.watched:
        return tuple(one.load(told).findings)
    if one.planes is not None:
        with one.planes() as planes:
            return look_through(planes, options, one.id, told).about.findings
    told(0, 1)
    found = one.load().findings
    told(1, 1)
    return tuple(found)


def _info(one: Candidate, options: Options) -> SeriesInfo:
    refusals = () if one.refusal is None else (as_finding(one.refusal),)
    usable = one.refusal is None
    short: tuple[Finding, ...] = ()
    if one.is_scan and one.shape is not None and one.spacing_mm is not None:
        short = shorter(one.shape, one.spacing_mm, options.length_mm)
    findings = merge(refusals, one.findings, short)
    return SeriesInfo(
        one.id,
        one.format,
        one.shape,
        one.spacing_mm,
        one.units,
        usable,
        findings,
        one.is_scan,
        one.tags,
        one.identity.filled() if one.identity is not None and one.is_scan else (),
        one.kind,
        one.objects,
        one.marks,
        one.alias,
    )
