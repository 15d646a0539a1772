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
        kept, each once, and so is every place; where texts differ, each begins with the places it was said of.
    """
    said: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    places: dict[tuple[str, str], dict[str, None]] = {}
    for where, findings in found.items():
        for finding in findings:
            key = (finding.severity, finding.code)
            said.setdefault(key, {}).setdefault(finding.text, {})[where] = None
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
        FindingGroup(code, severity, _told(texts), tuple(places.get((severity, code), {})))
        for (severity, code), texts in said.items()
    ]
    return tuple(sorted(groups, key=lambda g: ORDER.index(g.severity) if g.severity in ORDER else len(ORDER)))


def _told(texts: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Each text once; where there are several, after the names of what it was said of."""
    if len(texts) == 1:
        return tuple(texts)
    named = {text: [place for place in places if place] for text, places in texts.items()}
    return tuple(f"{', '.join(places)}: {text}" if places else text for text, places in named.items())
