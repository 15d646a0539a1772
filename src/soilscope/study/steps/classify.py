"""Classify: which edges hold for this core, how many voxels each class has, and the histogram they cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from soilscope import ingest
from soilscope.classes import Scheme, classify
from soilscope.core.artefacts import Artefacts, Edges
from soilscope.errors import InputRefused
from soilscope.files import publish, write_json
from soilscope.findings import Finding, to_records
from soilscope.study.layout import Layout
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps import edges
from soilscope.study.steps.blocks import large_core
from soilscope.study.steps.imports import read_scan
from soilscope.types import LabelVolume
from soilscope.volume import Volume, read_store

__all__ = ["classify_core", "labels_path", "outputs"]

BINS = 256


def labels_path(study: Path, plan: Plan, core: str) -> Path:
    """Where a core's label volume made elsewhere lies."""
    return study / str(plan.labels).replace("{core}", core)


def outputs(plan: Plan, core: str) -> list[str]:
    """What the step publishes: the classes' summary, and the cropped labels where they were made elsewhere."""
    summary = [Layout.part("classify", f"{core}.json")]
    return summary if plan.labels is None else [*summary, Layout.part("classify", f"{core}.npz")]


def classify_core(study: Path, plan: Plan, core: CorePlan, send: Callable[[Any], None]) -> None:
    """Cut a core into classes and keep what a person needs to check the cut."""
    send(("progress", 0, 1, f"classes of {core.id}"))
    scheme = edges.scheme_of(study, plan)
    if scheme is not None and (large := large_core(study, plan, core.id)) is not None:

        def say(done: int, of: int, what: str) -> None:
            send(("progress", done, of, f"{what} of {core.id}"))

        summary = large.summary(large.resolved(scheme), BINS, say)
        summary["findings"] = to_records(large.artefacts())
        write_json(study / Layout.part("classify", f"{core.id}.json"), summary)
        return
    volume = read_store(study / Layout.store(core.id))
    if scheme is None:
        labels = _labels_made_elsewhere(study, plan, core, volume)
        with publish(study / Layout.part("classify", f"{core.id}.npz")) as partial, partial.open("wb") as stream:
            np.savez_compressed(stream, labels=labels)
        described = None
    else:
        resolved = scheme.resolve(volume)
        labels = classify(volume, resolved)
        described = resolved.as_dict()
    summary = _summary(volume, labels, described)
    summary["findings"] = to_records(_artefacts(volume, scheme))
    write_json(study / Layout.part("classify", f"{core.id}.json"), summary)


def _artefacts(volume: Volume, scheme: Scheme | None) -> tuple[Finding, ...]:
    """What cupping and drift do to the classes of this core."""
    measured = Artefacts.of(volume)
    if measured is None:
        return ()
    if scheme is None:
        return measured.findings(volume)
    held = scheme.resolve(volume)
    edges = held.edges if held.limit is None else held.edges[1:-1]  # limited values pass no outer edge
    return measured.findings(volume, Edges(edges, held.closed, f"the scheme {held.name}"))


def _labels_made_elsewhere(study: Path, plan: Plan, core: CorePlan, volume: Volume) -> LabelVolume:
    """Labels checked against the scan's own grid, then cut as the core was."""
    path = labels_path(study, plan, core.id)
    if not path.exists():
        raise InputRefused("no-such-labels", f"core {core.id!r}: there is no label volume at {path.name}.", [path])
    labels = ingest.read_labels(path, like=read_scan(study, core))
    for box in volume.source.get("crops", []):
        labels = labels[tuple(slice(first, end) for first, end in box)]
    return np.where(volume.valid, labels, 0).astype(np.uint8)


def _summary(volume: Volume, labels: LabelVolume, scheme: dict[str, Any] | None) -> dict[str, Any]:
    inside = volume.values[volume.valid]
    counts, edges = np.histogram(inside, bins=BINS)
    return {
        "scheme": scheme,
        "voxels": np.bincount(labels[volume.valid], minlength=2).tolist(),
        "histogram": {"counts": counts.tolist(), "edges": [float(e) for e in edges]},
    }
