"""Classify: which edges hold for this core, how many voxels each class has, and the histogram they cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from soilscope import ingest
from soilscope.classes import Scheme, classify
from soilscope.core.artefacts import Artefacts, Edges
from soilscope.errors import InputRefused
from soilscope.files import write_json
from soilscope.findings import Finding, to_records
from soilscope.progress import telling
from soilscope.structure.budget import compared_gb
from soilscope.structure.slabs import slab_bounds
from soilscope.study.inputs import labels_there
from soilscope.study.layout import Layout
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps import edges
from soilscope.study.steps.blocks import LargeCore, labels_part, large_core
from soilscope.study.steps.imports import open_scan, read_scan
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume, outline, read_store, write_planes
from soilscope.volume.partial import OpenStore

__all__ = ["classify_core", "labels_path", "outputs"]

BINS = 256
SLICES = 16
"""Read at a time."""


def labels_path(study: Path, plan: Plan, core: str) -> Path:
    """Where a core's label volume made elsewhere lies."""
    return study / str(plan.labels).replace("{core}", core)


def outputs(plan: Plan, core: str) -> list[str]:
    """What the step publishes: the classes' summary, and the cropped labels where they were made elsewhere."""
    summary = [Layout.part("classify", f"{core}.json")]
    return summary if plan.labels is None else [*summary, labels_part(core)]


def classify_core(study: Path, plan: Plan, core: CorePlan, send: Callable[[Any], None]) -> None:
    """Cut a core into classes and keep what a person needs to check the cut."""

    def say(done: float, of: float, what: str) -> None:
        send(("progress", done, of, f"{what} of {core.id}"))

    say(0, 1, "classes")
    scheme, large = edges.scheme_of(study, plan), large_core(study, plan, core.id, send)
    if scheme is None:
        _keep_labels(study, plan, core, large)
    if large is not None:
        summary = large.summary(None if scheme is None else large.resolved(scheme), BINS, say)
        summary["findings"] = to_records(large.artefacts())
        write_json(study / Layout.part("classify", f"{core.id}.json"), summary)
        return
    with telling(say, "values", (0, 1), 4):
        volume = read_store(study / Layout.store(core.id))
    with telling(say, "classes", (1, 3), 4):
        if scheme is None:
            summary = _summary(volume, read_store(study / labels_part(core.id)).values, None)
        else:
            resolved = scheme.resolve(volume)
            summary = _summary(volume, classify(volume, resolved), resolved.as_dict())
    with telling(say, "artefacts", (3, 4), 4):
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


def _keep_labels(study: Path, plan: Plan, core: CorePlan, large: LargeCore | None) -> None:
    """Labels checked against the scan's own grid, then cut as the core was, and kept slice by slice.

    Raises
    ------
    InputRefused
        Code ``no-such-labels``; code ``memory-budget``: scan and labels, which are compared as a whole, do not fit into the memory;
        and whatever :func:`soilscope.ingest.read_labels` refuses.
    """
    path = labels_there(study, str(plan.labels), core)
    if large is not None:
        _check_room(study, core, large)
    labels = ingest.read_labels(path, like=read_scan(study, core))
    store = OpenStore(study / Layout.store(core.id))
    for box in store.about.source.get("crops", []):
        labels = labels[tuple(slice(first, end) for first, end in box)]

    def planes() -> Iterator[tuple[LabelVolume, BoolVolume]]:
        for first, end in slab_bounds(store.about.shape[0], SLICES):
            _, valid = store.read(first, end)
            yield from zip(np.where(valid, labels[first:end], np.uint8(0)), valid, strict=True)

    about = Volume(*outline(store.about.shape, np.dtype(np.uint8)), store.about.spacing_mm, "grey", core=core.id)
    write_planes(study / labels_part(core.id), about, planes())


def _check_room(study: Path, core: CorePlan, large: LargeCore) -> None:
    with open_scan(study, core) as scan:
        shape = scan.chosen.shape
    needed = 0.0 if shape is None else compared_gb(shape, large.store.about.values.dtype.itemsize)
    if needed > large.budget_gb:
        raise InputRefused(
            "memory-budget",
            f"core {core.id!r}: labels made elsewhere are compared with the whole scan, which needs {needed:.2f} GB of memory, and "
            f"{large.budget_gb:.2f} GB may be used: raise memory_gb in the plan's [measure], or cut scan and labels before.",
        )


def _summary(volume: Volume, labels: LabelVolume, scheme: dict[str, Any] | None) -> dict[str, Any]:
    inside = volume.values[volume.valid]
    counts, edges = np.histogram(inside, bins=BINS)
    return {
        "scheme": scheme,
        "voxels": np.bincount(labels[volume.valid], minlength=2).tolist(),
        "histogram": {"counts": counts.tolist(), "edges": [float(e) for e in edges]},
    }
