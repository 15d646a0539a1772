"""Draft a plan from what was found in a folder of scans; and from what ``inspect`` finds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal

from soilscope import ingest
from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.study.core_ids import name_of, not_shared
from soilscope.study.names import numbered
from soilscope.study.plan import CorePlan, LearnPlan, Plan, RunPlan, TargetPlan
from soilscope.types import Spacing, Units

__all__ = ["Asked", "Draft", "draft", "draft_plan", "scan_folders"]

SCAN_ENDINGS = {".dcm", ".tif", ".tiff", ".png", ".nii", ".gz", ".nrrd", ".npy", ".npz", ".raw", ".zip", ".tar", ".tgz"}
SCAN_ENDINGS |= {".mhd", ".mha", ".nhdr", ".h5", ".hdf5", ".nx", ".nxs", ".dream3d"}
STORE_FILES = ("zarr.json", ".zgroup", ".zarray")
DICOM_MARK_AT = 128
GAPS = {"gap", "chunks-missing"}
"""What is found where masked planes were asked for and stand in the place of what is missing."""

MOST_NAMED = 12
"""Cores named in a refusal."""

IMAGE_SIZE = 200
WORKERS_AT_MOST = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says about scans that the files do not: spacing, which series, what a gap is to become, and the units.

    Parameters
    ----------
    quick : bool
        Look at headers alone.
    id_from : str
        Where the cores' ids come from: ``"path"`` (the name of the scan's folder or file), ``"folder"``, ``"file"``, or a tag of
        :data:`soilscope.ingest.ID_TAGS`.
    length_mm : float, optional
        How long each core is at least; a shorter scan of it is told.
    """

    spacing_mm: Spacing | None = None
    series: str | None = None
    on_gap: Literal["refuse", "mark"] = "refuse"
    units: Units | None = None
    quick: bool = False
    id_from: str = "path"
    length_mm: float | None = None


def scan_folders(path: Path) -> list[Path]:
    """The scans at a path: the path itself, or each of its sub-folders when it holds no files of its own."""
    if path.is_dir() and any(os.path.isfile(path / name) for name in STORE_FILES):  # noqa: PTH113  # asks without raising
        return [path]
    if not path.is_dir() or _is_phantom(path):
        return [_narrowed(path)]
    inside = _inside(path)
    folders = [p for p in inside if p.is_dir() and not p.is_symlink()]
    if any(p.is_file() and _may_be_scan(p) for p in inside) or not folders:
        return [path]
    return [_narrowed(p) for p in folders]


def _inside(path: Path) -> list[Path]:
    try:
        return sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except PermissionError:
        raise InputRefused("unreadable", f"{path.name} may not be listed; ask its owner.", [path.name]) from None


def _may_be_scan(path: Path) -> bool:
    """Whether a file beside sub-folders is a scan, and not a note or a system's file: by its ending, or DICOM's mark."""
    if path.suffix.lower() in SCAN_ENDINGS:
        return True
    try:
        with path.open("rb") as stream:
            stream.seek(DICOM_MARK_AT)
            return stream.read(4) == b"DICM"
    except PermissionError:
        return False  # a scan's own file is named when its folder is read


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  # what may not be looked into is none; Path.is_dir raises


def _narrowed(path: Path) -> Path:
    """In the layout of ``soilscope phantom``, the series lies in ``dicom`` beside its truth."""
    return path / "dicom" if _is_phantom(path) else path


def _is_phantom(path: Path) -> bool:
    """Whether there is a folder ``dicom`` and no other scan beside it."""
    if not _is_folder(path / "dicom"):
        return False
    beside = [p for p in _inside(path) if p.name != "dicom"]
    truth = {"truth.nii.gz"} if any(p.name == "truth.json" for p in beside) else set()
    return not any(_is_folder(p) or (p.name not in truth and _may_be_scan(p)) for p in beside)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and what was noticed about the scan of each core, by the core's id."""

    plan: Plan
    findings: Mapping[str, tuple[Finding, ...]]


def draft_plan(study: Path, cores: Path, asked: Asked | None = None, progress: ingest.Watcher | None = None) -> Plan:
    """The plan of :func:`draft` alone."""
    return draft(study, cores, asked, progress).plan


def draft(study: Path, cores: Path, asked: Asked | None = None, progress: ingest.Watcher | None = None) -> Draft:
    """A plan for the scans at a path: one scan, or a folder with one scan a sub-folder, or ``file.h5:/x``.

    ``progress`` is told how far scans whose headers do not show damage are read; see :func:`soilscope.ingest.inspect`.

    Raises
    ------
    InputRefused
        Code ``not-found``, ``nothing-readable``, ``ambiguous-series``, ``id-missing``, ``id-differs``, ``id-unreadable``,
        ``id-not-unique``, or that of what keeps a series from being used.
    """
    if not ingest.divided(cores)[0].exists():
        raise InputRefused("not-found", f"there is nothing at {cores}; check the path.", [cores])
    asked = asked or Asked()
    found = [_core(study, path, asked, progress) for path in scan_folders(cores)]
    named = [core for core, _ in found]
    named = not_shared(named, asked.id_from) if asked.id_from in ingest.ID_TAGS else _distinct(named)
    units = {scan.units for _, scan in found}
    if len(units) > 1:
        of = {
            unit: [core.id for core, (_, scan) in zip(named, found, strict=True) if scan.units == unit]
            for unit in units
        }
        text = (
            f"some scans hold HU ({_some(of['HU'])}) and some grey values ({_some(of['grey'])}); make a study of each kind, "
            "its scans in a folder of their own, for no scheme fits both."
        )
        raise InputRefused("units-mixed", text, [cores])
    hu = units == {"HU"}
    processors = os.cpu_count() or 1
    workers = max(1, min(WORKERS_AT_MOST, processors)) if len(found) > 1 else 1
    learn = LearnPlan(
        targets=_targets(),
        channels="paper-2021" if hu else "grey",
        image_size=IMAGE_SIZE,
        threads=1 if len(found) > 1 else processors,
    )
    plan = Plan(
        name=study.absolute().name,
        scheme="paper-2021" if hu else "script-2021",
        cores=tuple(named),
        learn=learn,
        run=RunPlan(workers=workers),
    )
    return Draft(plan, {core.id: scan.findings for core, (_, scan) in zip(named, found, strict=True)})


def _some(ids: Sequence[str]) -> str:
    """Names of cores, the first of them where there are many."""
    more = len(ids) - MOST_NAMED
    return ", ".join(ids[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _targets() -> tuple[TargetPlan, ...]:
    """The paper's example: object 3 is learnt, object 2 is learnt on its convolutions. Without torch, nothing."""
    if util.find_spec("torch") is None:
        return ()
    return (TargetPlan(of=(3,)), TargetPlan(of=(2,), transfer_from=(3,)))


def _core(study: Path, path: Path, asked: Asked, progress: ingest.Watcher | None) -> tuple[CorePlan, ingest.SeriesInfo]:
    stated = ingest.options_of(asked.units, asked.spacing_mm, asked.on_gap, length_mm=asked.length_mm)
    inspected = ingest.inspect(path, None, stated, progress, pixels=not asked.quick)
    found = _asked_for(inspected, asked)
    usable = [s for s in [s for s in found if s.is_scan] or found if s.usable]
    if not usable:
        raise _refusal(path, inspected, asked)
    if len(usable) > 1:
        text = f"{path.name} holds {len(usable)} series: {ingest.ids(usable)}; name one by its id or series UID, --series ID."
        raise InputRefused("ambiguous-series", text, [path])
    chosen = usable[0]
    file, inside = ingest.divided(path)
    values: dict[str, Any] = {"id": name_of(file, chosen.id, asked.id_from, stated), "path": _as_written(study, file)}
    if len(inspected.series) > 1 or inside is not None:
        values["series"] = chosen.id
    if asked.spacing_mm is not None:
        values["spacing_mm"] = asked.spacing_mm
    if asked.units is not None:
        values["units"] = asked.units
    if asked.on_gap == "mark" and GAPS & {f.code for f in chosen.findings}:
        values["on_gap"] = asked.on_gap
    if asked.length_mm is not None:
        values["length_mm"] = asked.length_mm
    return CorePlan(**values), chosen


def _asked_for(inspected: ingest.Inspection, asked: Asked) -> list[ingest.SeriesInfo]:
    """The scans of the name that was given; all where none was."""
    return list(inspected.series) if asked.series is None else ingest.named(inspected.series, asked.series)


def _refusal(path: Path, inspected: ingest.Inspection, asked: Asked) -> InputRefused:
    """Why nothing at a path can be used, the scans' reasons before those of what is none."""
    if inspected.refusal is not None:
        return inspected.refusal
    asked_for = _asked_for(inspected, asked)
    if asked.series is not None and not asked_for:
        listed = sorted(inspected.series, key=lambda s: not s.is_scan)
        text = f"{path.name} holds no series {asked.series!r}; it holds {ingest.ids(listed)}: name one of these with --series."
        return InputRefused("no-such-series", text, [path])
    ordered = sorted(asked_for, key=lambda s: not s.is_scan)
    found = [*(f for s in ordered for f in s.findings), *inspected.findings]
    reasons = [f for f in found if f.severity == "refuse"]
    return InputRefused(reasons[0].code, f"{path.name}: {reasons[0].text}", [path, *reasons[0].files])


def _distinct(cores: list[CorePlan]) -> list[CorePlan]:
    """The cores, those called like an earlier one with a number behind their names."""
    named: dict[str, CorePlan] = {}
    for core in cores:
        name, again = core.id, 1
        while name in named:
            again += 1
            name = numbered(core.id, again)
        named[name] = core if again == 1 else core.model_copy(update={"id": name})
    return list(named.values())


def _as_written(study: Path, path: Path) -> str:
    """Relative to the study where the scan lies inside it, else absolute."""
    absolute, home = path.absolute(), study.absolute()
    try:
        str(absolute).encode("utf-8")
    except UnicodeEncodeError:
        shown = str(absolute).encode("utf-8", "replace").decode("utf-8")
        text = f"the name {shown} is no text (no UTF-8), so that no plan can hold it; rename it."
        raise InputRefused("name-not-text", text, [shown]) from None
    return absolute.relative_to(home).as_posix() if absolute.is_relative_to(home) else str(absolute)
