"""A core of the study with its classes, as the later steps see it: no scan file is touched any more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from soilscope.classes import Scheme, classify
from soilscope.findings import from_records
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import labels_part
from soilscope.types import LabelVolume
from soilscope.volume import Volume, read_store

__all__ = ["OpenedCore", "open_core"]


@dataclass(frozen=True, slots=True)
class OpenedCore:
    """A core, its labels, and the scheme or names they stand for."""

    volume: Volume
    labels: LabelVolume
    scheme: Scheme | None
    names: dict[int, str]


def open_core(study: Path, plan: Plan, core: str) -> OpenedCore:
    """Read a core from the store and cut it into the plan's classes."""
    summary = json.loads((study / Layout.part("classify", f"{core}.json")).read_text(encoding="utf-8"))
    volume = read_store(study / Layout.store(core)).with_findings(*from_records(summary["findings"]))
    described = summary["scheme"]
    if plan.scheme_value() is None:
        return OpenedCore(volume, read_store(study / labels_part(core)).values, None, plan.names() or {})
    resolved = Scheme.from_dict(described)
    return OpenedCore(volume, classify(volume, resolved), resolved, dict(enumerate(resolved.names, start=1)))
