"""Findings, gathered over cores and models: each told once, gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from soilscope.findings import Finding
from soilscope.report.document import FindingGroup

__all__ = ["ORDER", "group_findings"]

ORDER = ("refuse", "warning", "note")


def group_findings(found: Mapping[str, Iterable[Finding]]) -> tuple[FindingGroup, ...]:
    """Merge findings of one severity and code.

    Parameters
    ----------
    found : mapping of str to iterable of Finding
        Where (a core's or a model's name, ``""`` for the study as a whole) -> what was noticed there.

    Returns
    -------
    tuple of FindingGroup
        Refusals first, then warnings, then notes; within each in the order they were met. Different texts of one code are all
        kept, each once, and so is every place.
    """
    texts: dict[tuple[str, str], dict[str, None]] = {}
    places: dict[tuple[str, str], dict[str, None]] = {}
    for where, findings in found.items():
        for finding in findings:
            key = (finding.severity, finding.code)
            texts.setdefault(key, {})[finding.text] = None
            place = (
                where
                if not finding.files
                else f"{where}: {', '.join(finding.files)}"
                if where
                else ", ".join(finding.files)
            )
            if place:
                places.setdefault(key, {})[place] = None
    groups = [
        FindingGroup(code, severity, tuple(words), tuple(places.get((severity, code), {})))
        for (severity, code), words in texts.items()
    ]
    return tuple(sorted(groups, key=lambda g: ORDER.index(g.severity) if g.severity in ORDER else len(ORDER)))
