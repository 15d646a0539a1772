"""A path -> the candidates in it, whatever their format; archives stay unpacked while the candidates are used."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.ingest import dicom, stacks, volumes
from soilscope.ingest.archives import unpacked
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.discover import Found, discover
from soilscope.ingest.sniff import Kind, sniff
from soilscope.ingest.verdict import note, refuse

__all__ = ["Source", "opened"]


@dataclass(frozen=True, slots=True)
class Source:
    """What lies at a path: candidates, files that are no scan, and what was noticed on the way."""

    name: str
    candidates: tuple[Candidate, ...]
    skipped: int
    findings: tuple[Finding, ...] = ()
    broken: tuple[InputRefused, ...] = ()


@contextlib.contextmanager
def opened(path: Path, options: Options) -> Iterator[Source]:
    """Look at a file, folder or archive.

    Raises
    ------
    InputRefused
        What :func:`~soilscope.ingest.discover.discover` and :func:`~soilscope.ingest.archives.unpacked` refuse.
    """
    found = discover(path)
    if options.shape is not None or options.dtype is not None:
        yield _raw(path, found, options)
    elif len(found.files) == 1 and found.files[0] == path and sniff(path) == "archive":
        with unpacked(path) as folder:
            yield _look(discover(folder), options, path.name)
    else:
        yield _look(found, options, path.name or found.root.name)


def _raw(path: Path, found: Found, options: Options) -> Source:
    if options.shape is None or options.dtype is None:
        raise UsageError("raw", "a raw file needs both shape=(z, y, x) and dtype.")
    if found.files != (path,):
        raise UsageError("raw", f"{path.name}: shape and dtype are for one raw file, not for a folder.")
    return Source(path.name, (volumes.raw_candidate(path, options),), 0)


def _look(found: Found, options: Options, name: str) -> Source:
    by_kind: dict[Kind, list[Path]] = defaultdict(list)
    for path in found.files:
        by_kind[sniff(path)].append(path)
    skipped = found.left_out + sum(len(by_kind[k]) for k in ("other", "archive", "unreadable"))
    candidates: list[Candidate] = []
    broken: list[InputRefused] = []
    if by_kind["dicom"]:
        try:
            series, no_image = dicom.candidates(by_kind["dicom"], options)
            candidates += series
            skipped += no_image
        except InputRefused as error:
            broken.append(error)
    candidates += stacks.candidates(by_kind["tiff"] + by_kind["png"], found.root, options)
    for kind in ("nifti", "nrrd", "numpy"):
        for path in by_kind[kind]:
            try:
                candidates += volumes.candidates(path, kind, options)
            except InputRefused as error:
                broken.append(error)
    findings = list(found.findings)
    if by_kind["archive"] and candidates:
        findings.append(note("archive-not-opened", "archives inside a folder are not opened.", by_kind["archive"]))
    if by_kind["unreadable"]:
        refuse("unreadable", f"{len(by_kind['unreadable'])} files may not be read.", by_kind["unreadable"])
    return Source(name, tuple(candidates), skipped, tuple(findings), tuple(broken))
