"""Import: scan files -> the soil core in them -> core store."""

from __future__ import annotations

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
from soilscope.volume import Volume, write_store

__all__ = ["import_core", "prepare", "read_scan"]


def import_core(study: Path, plan: Plan, core: CorePlan, send: Callable[[Any], None]) -> None:
    """Read a scan, find its soil, keep it in the study's store."""
    send(("progress", 0, 1, f"reading {core.id}"))
    scan = read_scan(study, core)  # what a reader refuses it names better: a gap is a gap, whenever the slice went
    scan = scan.with_findings(*check_inputs(study, core))
    write_store(study / Layout.store(core.id), prepare(scan, core, plan))
    imported(study, core)


def read_scan(study: Path, core: CorePlan) -> Volume:
    """The scan as its files hold it, under the core's name; a relative path counts from the study folder.

    Raises
    ------
    InputRefused
        Code ``no-such-scan``, and whatever :func:`soilscope.ingest.read` refuses.
    """
    if not (study / core.path).exists():
        raise InputRefused("no-such-scan", f"core {core.id!r}: there is nothing at {core.path}.", [core.path])
    scan = ingest.read(
        study / core.path, series=core.series, units=core.units, spacing_mm=core.spacing_mm, on_gap=core.on_gap
    )
    return replace(scan, core=core.id)


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
