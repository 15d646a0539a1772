"""Import: scan files -> the soil core in them -> core store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from soilscope import ingest
from soilscope.core import find_core
from soilscope.errors import InputRefused
from soilscope.study.inputs import check_inputs, imported
from soilscope.study.layout import Layout
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps.large import Asked, keep_large
from soilscope.volume import Volume, write_store

__all__ = ["import_core", "prepare", "read_scan"]


def import_core(study: Path, plan: Plan, core: CorePlan, send: Callable[[Any], None]) -> None:
    """Read a scan, find its soil, keep it in the study's store; a scan larger than the memory slab by slab."""
    send(("progress", 0, 1, f"reading {core.id}"))
    store = study / Layout.store(core.id)
    with _opened(study, core) as scan:
        if scan.large:
            find = find_core if core.soil == "find" else None
            asked = Asked(core.id, find, None if plan.window == "all" else plan.window, check_inputs(study, core))
            keep_large(store, scan, asked, lambda done, of, words: send(("progress", done, of, f"{core.id}: {words}")))
        else:
            # what a reader refuses it names better: a gap is a gap, whenever the slice went
            read = replace(scan.read(), core=core.id)
            write_store(store, prepare(read.with_findings(*check_inputs(study, core)), core, plan))
    imported(study, core)


def read_scan(study: Path, core: CorePlan) -> Volume:
    """The scan as its files hold it, under the core's name; a relative path counts from the study folder.

    Raises
    ------
    InputRefused
        Code ``no-such-scan``, and whatever :func:`soilscope.ingest.read` refuses.
    """
    with _opened(study, core) as scan:
        return replace(scan.read(), core=core.id)


def _opened(study: Path, core: CorePlan) -> contextlib.AbstractContextManager[ingest.OpenScan]:
    if not (study / core.path).exists():
        raise InputRefused("no-such-scan", f"core {core.id!r}: there is nothing at {core.path}.", [core.path])
    stated = ingest.options_of(core.units, core.spacing_mm, core.on_gap)
    return ingest.open_scan(study / core.path, core.series, stated)


def prepare(scan: Volume, core: CorePlan, plan: Plan) -> Volume:
    """The soil found, slices above and below it cut off, and the plan's window taken."""
    soil = find_core(scan) if core.soil == "find" else scan
    filled = np.flatnonzero(soil.valid.any(axis=(1, 2)))
    if filled.size == 0:
        raise InputRefused("no-soil", f"core {core.id!r}: no voxel of the scan is soil; look at `soilscope inspect`.")
    top, end = int(filled[0]), int(filled[-1]) + 1
    if (top, end) != (0, soil.shape[0]):
        soil = soil.crop(z=(top, end))
    return soil if plan.window == "all" else soil.inner(plan.window)
