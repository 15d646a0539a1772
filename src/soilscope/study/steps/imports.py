"""Import: scan files -> the soil core in them, on a common scale and without artefacts where asked for -> core store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from soilscope import ingest
from soilscope.core import find_core
from soilscope.core.artefacts import correct, measure_artefacts
from soilscope.core.density import measure_rods
from soilscope.core.references import References, references
from soilscope.core.rescale import rescale
from soilscope.errors import InputRefused
from soilscope.files import write_json
from soilscope.progress import Say, telling
from soilscope.report import found_picture
from soilscope.study import inputs
from soilscope.study.layout import Layout
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps.imported import imported, part
from soilscope.study.steps.large import Asked, keep_large
from soilscope.study.steps.pictures import picture_values
from soilscope.volume import Volume, write_store

__all__ = [
    "Evened",
    "Prepared",
    "evened",
    "import_core",
    "needs",
    "open_scan",
    "outputs",
    "prepare",
    "read_scan",
    "reference_first",
]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scan made ready: the soil found on the scan's own grid, the core to keep, and what wall and air read as scanned."""

    found: Volume
    kept: Volume
    references: References | None


def outputs(core: str) -> list[str]:
    """What importing one core publishes."""
    return [Layout.store(core), part(core)]


def reference_first(plan: Plan) -> list[CorePlan]:
    """The plan's cores, the one whose grey scale the others take on before them."""
    return sorted(plan.cores, key=lambda core: core.id != plan.core.reference)


def needs(plan: Plan, core: CorePlan) -> list[str]:
    """What must be imported before a core: the study's reference, where another core is it."""
    reference = plan.core.reference
    return [f"import:{reference}"] if isinstance(reference, str) and reference != core.id else []


def import_core(study: Path, plan: Plan, core: CorePlan, send: Callable[[Any], None]) -> None:
    """Read a scan, find its soil, keep it in the study's store; a scan larger than the memory slab by slab."""

    def say(done: float, of: float, what: str) -> None:
        send(("progress", done, of, f"{core.id}: {what}"))

    send(("progress", 0, 1, f"reading {core.id}"))
    with _naming_what_is_gone(study, core), open_scan(study, core) as scan:
        inputs.check_grid(study, plan.labels, core, scan)
        beside = _keep_large(study, scan, (core, plan), say) if scan.large else _keep(study, scan, (core, plan), say)
    write_json(study / part(core.id), beside)
    inputs.imported(study, core)


@contextlib.contextmanager
def _naming_what_is_gone(study: Path, core: CorePlan) -> Iterator[None]:
    """A refusal to read a scan also names those of its files that went."""
    try:
        yield
    except InputRefused as error:
        if error.code == "input-changed":
            raise
        raise inputs.with_gone(study, core, error) from error


def _keep(study: Path, opened: ingest.OpenScan, asked: tuple[CorePlan, Plan], say: Say) -> dict[str, Any]:
    """Read and keep a scan as one array; returns what is published beside the store."""
    core, plan = asked
    with telling(say, "reading", (0, 2), 4):
        scan = replace(opened.read(), core=core.id)
    # after reading: what a reader refuses it names better; a gap is a gap, whenever the slice went
    scan = scan.with_findings(*inputs.check_inputs(study, core, scan))
    with telling(say, "looking for the soil", (2, 3), 4):
        ready = prepare(scan, core, plan, _reference(study, plan, core))
    with telling(say, "writing the store", (3, 4), 4):
        write_store(study / Layout.store(core.id), ready.kept)
    return {"picture": picture_values(found_picture(scan, ready.found)), "references": _as_list(ready.references)}


def _keep_large(study: Path, opened: ingest.OpenScan, asked: tuple[CorePlan, Plan], say: Say) -> dict[str, Any]:
    """Keep a scan larger than the memory slab by slab, with the same numbers as one that fits."""
    core, plan = asked
    pictures: list[Any] = []
    ready: list[Evened] = []

    def seen(scan: Volume, found: Volume) -> None:
        pictures.append(picture_values(found_picture(scan, replace(found, core=core.id))))

    def make(scan: Volume, found: Volume) -> Volume:
        ready.append(evened(scan, found, plan, _reference(study, plan, core)))
        return ready[-1].even

    choice = plan.place_of(core).choice()
    find = (lambda scan: find_core(scan, choice)) if core.soil == "find" else None
    told = tuple(inputs.check_inputs(study, core))
    large = Asked(core.id, find, None if plan.window == "all" else plan.window, told, seen, make)
    store = study / Layout.store(core.id)
    keep_large(store, opened, large, say)
    return {"picture": pictures[-1], "references": _as_list(ready[-1].references)}


def _as_list(seen: References | None) -> list[float] | None:
    return None if seen is None else [seen.wall, seen.air]


def _reference(study: Path, plan: Plan, core: CorePlan) -> References | None:
    """What wall and air are to read; None where the core is the reference itself, or none was named."""
    asked = plan.core.reference
    if asked is None or asked == core.id:
        return None
    wall, air = imported(study, asked)["references"] if isinstance(asked, str) else asked
    return References(wall, air)


def read_scan(study: Path, core: CorePlan) -> Volume:
    """The scan as its files hold it, under the core's name; a relative path counts from the study folder.

    Raises
    ------
    InputRefused
        Code ``not-found``, and whatever :func:`soilscope.ingest.read` refuses.
    """
    with open_scan(study, core) as scan:
        return replace(scan.read(), core=core.id)


def open_scan(study: Path, core: CorePlan) -> contextlib.AbstractContextManager[ingest.OpenScan]:
    """The scan's files, opened without their voxels.

    Raises
    ------
    InputRefused
        Code ``not-found``, and whatever :func:`soilscope.ingest.open_scan` refuses.
    """
    if not (study / core.path).exists():
        raise InputRefused("not-found", f"core {core.id!r}: there is nothing at {core.path}.", [core.path])
    stated = ingest.options_of(core.units, core.spacing_mm, core.on_gap, length_mm=core.length_mm)
    return ingest.open_scan(study / core.path, core.series, stated)


def prepare(scan: Volume, core: CorePlan, plan: Plan, to: References | None = None) -> Prepared:
    """The soil found, put on the study's scale, corrected as asked, and cut to the plan's window.

    Parameters
    ----------
    scan : Volume
        As read.
    core, plan
        What was asked for.
    to : References, optional
        What wall and air are to read, where the plan names a reference other than this core.

    Raises
    ------
    InputRefused
        Code ``no-soil``, and what the steps themselves refuse.
    """
    found = find_core(scan, plan.place_of(core).choice()) if core.soil == "find" else scan
    if not found.valid.any():
        raise InputRefused("no-soil", f"core {core.id!r}: no voxel of the scan is soil; look at `soilscope inspect`.")
    ready = evened(scan, found, plan, to)
    even = ready.even
    filled = np.flatnonzero(even.valid.any(axis=(1, 2)))
    top, end = int(filled[0]), int(filled[-1]) + 1
    kept = even if (top, end) == (0, even.shape[0]) else even.crop(z=(top, end))
    return Prepared(ready.found, kept if plan.window == "all" else kept.inner(plan.window), ready.references)


@dataclass(frozen=True, slots=True)
class Evened:
    """A core on the study's scale, with its artefacts and without those that were to go, and what wall and air read as scanned."""

    found: Volume
    even: Volume
    references: References | None


def evened(scan: Volume, found: Volume, plan: Plan, to: References | None) -> Evened:
    """A core put on the study's scale, corrected, and calibrated, as the plan asks; both volumes may be read plane by plane."""
    own = None
    if plan.core.reference is not None:
        own = references(scan, found)
        scan = rescale(scan, own, to or own)
        told = replace(found, source={**found.source, "rescaled": scan.source["rescaled"]})
        found = replace(told, values=scan.values).with_findings(*scan.findings)
    even = _without_artefacts(scan, found, plan)
    return Evened(found, _with_density(scan, even, plan), own)


def _without_artefacts(scan: Volume, found: Volume, plan: Plan) -> Volume:
    """Cupping and drift measured, and evened out where the plan asks for it."""
    if plan.core.correct:
        return correct(scan, found, plan.core.correct)
    measured = measure_artefacts(scan, found).as_dict()
    return replace(found, source={**found.source, "artefacts": measured})


def _with_density(scan: Volume, core: Volume, plan: Plan) -> Volume:
    """The calibration of densities, fitted to what the rods read in this scan."""
    if plan.core.density is None:
        return core
    density = plan.core.fitted(measure_rods(scan, plan.core.known_rods()))
    kept = replace(core, source={**core.source, "density": density.as_dict()})
    return kept.with_findings(*density.findings(core))
