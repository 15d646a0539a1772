"""Findings: what was noticed about an input or a result, carried along with it to the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Finding", "Severity", "from_records", "merge", "to_records"]

Severity = Literal["note", "warning", "refuse"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed.

    Parameters
    ----------
    code : str
        Stable words joined by hyphens; the same code always means the same thing.
    severity : {"note", "warning", "refuse"}
        A note is context, a warning can change how a number reads, a refusal stops the reading.
    text : str
        One or two sentences a soil scientist understands, with values and units.
    files : tuple of str
        File names concerned (names, never absolute paths: findings travel into reports).
    """

    code: str
    severity: Severity
    text: str
    files: tuple[str, ...] = field(default=())


def merge(*groups: Iterable[Finding]) -> tuple[Finding, ...]:
    """Join groups of findings, first come first, without repeats."""
    return tuple(dict.fromkeys(finding for group in groups for finding in group))


def to_records(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain dictionaries, ready for JSON."""
    return [{"code": f.code, "severity": f.severity, "text": f.text, "files": list(f.files)} for f in findings]


def from_records(records: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """The inverse of :func:`to_records`."""
    return tuple(
        Finding(str(r["code"]), r["severity"], str(r["text"]), tuple(str(f) for f in r.get("files", ())))
        for r in records
    )
