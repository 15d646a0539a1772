"""Edges that hold for all cores of a study, found in the values of all of them together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soilscope.classes import Scheme
from soilscope.files import write_json
from soilscope.structure.slabs import resolved_for
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.gathered import Gathered
from soilscope.volume.partial import OpenStore

__all__ = ["PART", "find_edges", "pooled", "scheme_of"]

SLICES = 16
"""Read at a time; no core is held as a whole."""
PART = Layout.part("classify", "_edges.json")


def pooled(plan: Plan) -> bool:
    """Whether the plan asks for edges of all cores together."""
    return plan.labels is None and not isinstance(plan.scheme, str) and plan.scheme.over == "study"


def find_edges(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Find the edges in all cores that could be imported."""
    send(("progress", 0, 1, "edges of all cores"))
    there = [core.id for core in plan.cores if f"import:{core.id}" in gathered.held]
    scheme = plan.scheme_value()
    if scheme is not None:
        found = resolved_for(scheme, [(OpenStore(study / Layout.store(core)), SLICES) for core in there])
        write_json(study / PART, {"scheme": found.as_dict(), "cores": there})


def scheme_of(study: Path, plan: Plan) -> Scheme | None:
    """The plan's scheme, with the edges of all cores where it asks for these; None where labels take its place."""
    if not pooled(plan):
        return plan.scheme_value()
    content: dict[str, Any] = json.loads((study / PART).read_text(encoding="utf-8"))
    return Scheme.from_dict(content["scheme"])
