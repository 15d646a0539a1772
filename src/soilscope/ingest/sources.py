"""A path -> the candidates in it, whatever their format; archives stay open while the candidates are used."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.ingest import containers, dicom, omezarr, stacks, volumes
from soilscope.ingest.archives import inside
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.discover import Found, discover
from soilscope.ingest.members import Member
from soilscope.ingest.naming import ids, named
from soilscope.ingest.nifti import PAIR
from soilscope.ingest.shown import shown
from soilscope.ingest.sniff import Kind, sniff
from soilscope.ingest.verdict import counted, note, nothing_readable, refuse, warn

__all__ = ["Source", "divided", "opened"]

WHOLE: tuple[Kind, ...] = ("nifti", "nrrd", "metaimage", "numpy")
"""Files that hold one volume each, or several arrays of one."""

RAW = {".raw", ".bin", ".dat", ".vol", ".data"}
"""Endings of files that are likely numbers without a header."""

RAW_NEEDS = (
    'A raw file says nothing of itself: in Python, read(path, shape=(z, y, x), dtype="uint16", spacing_mm=(dz, dy, dx)); for the '
    "command, a MetaImage header beside it (a text file ending in .mhd with the lines NDims = 3, DimSize = x y z, "
    "ElementType = MET_USHORT, ElementSpacing = dx dy dz, ElementDataFile = its name), or saved as npy."
)

PACKED = {".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
"""Endings of files packed in a way that is not opened."""

NO_SLICES = {".txt", ".md", ".db", ".ini", ".log"}
"""Endings of files that may well be empty."""

LEFT_OUT = {"link", "not-a-file", "unreadable", "archive-not-opened", "empty-file"}
"""Findings that may be why no scan was found."""

ASIDE = (stacks.PICTURE, volumes.NO_VOLUME)
"""Kinds that are taken only where they are named, or alone."""


@dataclass(frozen=True, slots=True)
class Source:
    """What lies at a path: candidates, files that are no scan, and what was noticed on the way."""

    name: str
    candidates: tuple[Candidate, ...]
    skipped: int
    findings: tuple[Finding, ...] = ()
    broken: tuple[InputRefused, ...] = ()
    left_out: int = 0
    """How many of those skipped were not looked at: links, folders that may not be listed, devices."""

    @property
    def nothing(self) -> InputRefused | None:
        """The refusal of a path at which nothing could be a scan; None where something could."""
        if any(c.is_image for c in self.candidates):
            return None
        beside = "".join(f"; {c.objects} of {c.kind}, not a scan" for c in self.candidates)
        seen = " ".join(f.text[:1].upper() + f.text[1:] for f in self.findings if f.code in LEFT_OUT)
        return next(iter(self.broken), nothing_readable(self.name, self.skipped - self.left_out, beside, seen))

    def named(self, series: str) -> list[Candidate]:
        """The candidates of one name: those with that id, else those whose other name it is.

        Raises
        ------
        InputRefused
            Code ``no-such-series``, or why nothing at the path can be read.
        """
        found = named(self.candidates, series)
        if not found and not self.candidates and self.nothing is not None:
            raise self.nothing
        if not found:
            text = f"{self.name} holds no series {series!r}; choose one of {ids(self.candidates)}."
            refuse("no-such-series", text, [self.name])
        return found


@contextlib.contextmanager
def opened(path: Path, options: Options) -> Iterator[Source]:
    """Look at a file, folder or archive; of a path such as ``file.h5:/entry/data`` at nothing else in the file.

    Raises
    ------
    InputRefused
        Code ``no-such-series``, and what :func:`~soilscope.ingest.discover.discover` and
        :func:`~soilscope.ingest.archives.inside` refuse.
    """
    file, series = divided(path)
    with _opened(file, options) as source:
        yield source if series is None else replace(source, candidates=tuple(source.named(series)))


def divided(path: Path) -> tuple[Path, str | None]:
    """A file and what is named in it, as ``file.h5:/entry/data`` does; the path itself and None where nothing in a file is named.

    Something is where the path itself is not there, and what stands before one of its colons is a file.
    """
    text = str(path)
    for at in [k for k, letter in enumerate(text) if letter == ":" and k] if not os.path.lexists(path) else []:
        if os.path.isfile(text[:at]):  # noqa: PTH113  # asks without raising
            return Path(text[:at]), text[at + 1 :]
    return path, None


@contextlib.contextmanager
def _opened(path: Path, options: Options) -> Iterator[Source]:
    """Look at a file, folder or archive.

    Raises
    ------
    InputRefused
        What :func:`~soilscope.ingest.discover.discover` and :func:`~soilscope.ingest.archives.inside` refuse.
    """
    found = discover(path)
    if options.shape is not None or options.dtype is not None:
        yield _raw(path, found, options)
    elif len(found.files) == 1 and found.files[0] == path and sniff(path) == "archive":
        with inside(path) as members:
            yield _look(members, options, path.name)
    else:
        yield _look(found, options, path.name or found.root.name)


def _raw(path: Path, found: Found, options: Options) -> Source:
    missing = [name for name, given in (("shape", options.shape), ("dtype", options.dtype)) if given is None]
    if missing:
        raise UsageError("raw", f"{shown(path)}: {missing[0]} is missing. {RAW_NEEDS}")
    if found.files != (path,):
        raise UsageError("raw", f"{shown(path)}: shape and dtype are for one raw file, not for a folder.")
    return Source(path.name, (volumes.raw_candidate(path, options),), 0)


def _look(found: Found, options: Options, name: str) -> Source:
    """All candidates below a path; files inside a Zarr store, and values beside their header, are part of those."""
    stores = omezarr.roots(found.files, found.root)
    loose = [p for p in found.files if not any(p.is_relative_to(root) for root in stores)]
    by_kind = _by_kind(loose)
    skipped = found.left_out + sum(len(by_kind[k]) for k in ("other", "archive", "unreadable"))
    candidates: list[Candidate] = []
    broken: list[InputRefused] = []
    if by_kind["dicom"]:
        try:
            series, no_image = dicom.candidates(by_kind["dicom"], found.root, options, _empty(by_kind["other"]))
            candidates += series
            skipped += no_image
        except InputRefused as error:
            broken.append(error)
    candidates += stacks.candidates(by_kind["tiff"] + by_kind["png"], found.root, options)
    several: list[Callable[[], list[Candidate]]] = [
        *(partial(volumes.candidates, p, k, options) for k in WHOLE for p in by_kind[k]),
        *(partial(containers.hdf5_candidates, p, options) for p in by_kind["hdf5"]),
        *(partial(containers.zarr_candidates, root, found.files, options) for root in stores),
    ]
    for listed in several:
        try:
            candidates += listed()
        except InputRefused as error:
            broken.append(error)
    findings = [*found.findings, *_told_empty(_empty(by_kind["other"]))]
    raw = [p for p in by_kind["other"] if p.suffix.lower() in RAW and p.stat().st_size]
    if raw and not candidates and not broken:
        text = f"{shown(raw[0])} is in no format that is known, and is perhaps a raw file: shape and dtype are missing. {RAW_NEEDS}"
        broken.append(InputRefused("nothing-readable", text, [shown(p) for p in raw]))
    values = [p for p in by_kind["other"] if p.suffix.lower() == PAIR[1] and p.with_suffix(PAIR[0]).is_file()]
    if values and not candidates and not broken:
        head = values[0].with_suffix(PAIR[0]).name
        text = (
            f"{shown(values[0])} holds the values of a pair, and {head} says what they are; name {head}, or the folder."
        )
        broken.append(InputRefused("nothing-readable", text, [shown(values[0]), head]))
    packed = [p for p in by_kind["other"] if p.suffix.lower() in PACKED]
    if packed and not candidates and not broken:
        many = counted(len(packed), "file is", "files are")
        text = f"{many} packed one by one ({shown(packed[0])} first); unpack them, or put them into one zip."
        broken.append(InputRefused("nothing-readable", text, [shown(p) for p in packed]))
    if by_kind["archive"]:
        inner = by_kind["archive"]
        step = (
            "unpack the outer one and name one of them" if isinstance(inner[0], Member) else "name one to have it read"
        )
        text = (
            f"archives inside a folder or an archive are not opened ({len(inner)} here, {shown(inner[0])}"
            f"{' first' if len(inner) > 1 else ''}); {step}."
        )
        findings.append(note("archive-not-opened", text, by_kind["archive"]))
    if by_kind["unreadable"]:
        closed = by_kind["unreadable"]
        text = f"{counted(len(closed), 'file')} may not be read ({shown(closed[0])} first); ask their owner for the right to."
        refuse("unreadable", text, closed)
    return Source(name, _running(candidates), skipped, tuple(findings), tuple(broken), found.left_out)


def _running(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates; pictures and arrays that are no volume are no scans where a scan lies beside them."""
    if not any(c.is_scan and c.kind not in ASIDE for c in candidates):
        return tuple(candidates)
    return tuple(replace(c, is_scan=False) if c.kind in ASIDE else c for c in candidates)


def _empty(files: Sequence[Path]) -> list[Path]:
    """Files of no bytes: what a broken copy leaves of a slice."""
    return [path for path in files if path.suffix.lower() not in NO_SLICES and path.stat().st_size == 0]


def _told_empty(empty: Sequence[Path]) -> list[Finding]:
    if not empty:
        return []
    text = f"{counted(len(empty), 'file holds', 'files hold')} nothing ({shown(empty[0])} first)."
    return [warn("empty-file", text, empty)]


def _by_kind(files: Sequence[Path]) -> dict[Kind, list[Path]]:
    kinds = {path: sniff(path) for path in files}
    beside = {other for path, kind in kinds.items() for other in volumes.companions(path, kind)}
    by_kind: dict[Kind, list[Path]] = defaultdict(list)
    for path, kind in kinds.items():
        if path not in beside:
            by_kind[kind].append(path)
    return by_kind
