"""What is in these files, before anything is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soilscope.findings import Finding
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.read import options_of
from soilscope.ingest.sources import opened
from soilscope.ingest.verdict import as_finding
from soilscope.types import Shape, Spacing, Units

__all__ = ["Inspection", "SeriesInfo", "inspect"]


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
        Whether :func:`~soilscope.ingest.read.read` would take it, as far as its headers tell.
    findings : tuple of Finding
        Notes, warnings, and the refusal where there is one.
    is_scan : bool
        False for scouts, screenshots, dose sheets and data sets beside a file's default one, which are never picked by
        themselves.
    tags : mapping
        Technical tags of the allow-list: scanner, kernel, tube voltage.
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
            "findings": [{"code": f.code, "severity": f.severity, "text": f.text} for f in self.findings],
            "is_scan": self.is_scan,
            "tags": dict(self.tags),
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """All scans at a path, what was noticed about the path itself, and the number of files that are none."""

    series: tuple[SeriesInfo, ...]
    skipped: int
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "series": [one.as_dict() for one in self.series],
            "skipped": self.skipped,
            "findings": [{"code": f.code, "severity": f.severity, "text": f.text} for f in self.findings],
        }


def inspect(path: str | Path, spacing_mm: Spacing | None = None, stated: Options | None = None) -> Inspection:
    """List the scans at a path with their geometry, units and findings; voxels are not read, nothing is changed.

    Parameters
    ----------
    path : path
        As for :func:`~soilscope.ingest.read.read`.
    spacing_mm : (dz, dy, dx), optional
        Voxel size to assume where the files state none.
    stated : Options, optional
        Units and what to do about gaps as well, in place of ``spacing_mm``; see
        :func:`~soilscope.ingest.read.options_of`.

    Raises
    ------
    InputRefused
        The path itself cannot be looked at: it is absent, unreadable, or an unsafe archive.
    """
    with opened(Path(path), stated or options_of(spacing_mm=spacing_mm)) as source:
        listed = tuple(_info(c) for c in source.candidates)
        broken = tuple(as_finding(error) for error in source.broken)
        return Inspection(listed, source.skipped, (*source.findings, *broken))


def _info(one: Candidate) -> SeriesInfo:
    refusals = () if one.refusal is None else (as_finding(one.refusal),)
    usable = one.refusal is None
    findings = (*refusals, *one.findings)
    return SeriesInfo(one.id, one.format, one.shape, one.spacing_mm, one.units, usable, findings, one.is_scan, one.tags)
