"""What the scans' files were when the study first saw them, so that one that changed since is named.

Altered bytes in compressed pixels mostly decode to other values without any error; only a digest tells. ``soilscope init`` keeps
the digests of every file in ``inputs/<core>.json``; where there was no ``init``, the first import does. From then on a file that
changed is refused until the user accepts it (``soilscope run --accept-inputs``), and what was made of it before stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from soilscope import files, ingest
from soilscope.errors import Damaged, InputRefused
from soilscope.findings import Finding
from soilscope.study.layout import Layout
from soilscope.study.plan import PLAN_FILE, CorePlan, Plan, read_plan
from soilscope.study.write import not_planned, write_plan
from soilscope.volume import Volume

__all__ = [
    "accept_inputs",
    "begin",
    "check_grid",
    "check_inputs",
    "imported",
    "keep_inputs",
    "labels_there",
    "with_gone",
]

MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class _Kept:
    """Digest by file name, and the files that changed at some time and were accepted."""

    files: dict[str, str]
    changed: tuple[str, ...] = ()


def begin(study: str | Path, plan: Plan) -> Path:
    """Publish a new study: the digests of its scans first, then its plan, so that no plan is there without them.

    Raises
    ------
    UsageError
        Code ``plan-exists``.
    Busy
        Another process begins this study.
    OutputRefused
        Code ``cannot-write``; then neither plan nor digests are there.
    """
    study = Path(study)
    not_planned(study)
    records = [study / Layout.inputs(core.id) for core in plan.cores]
    try:
        with files.lock(records[0].parent):  # of two that begin one study, the second finds it begun
            not_planned(study)
            new = [record for record in records if not record.exists()]
            try:
                keep_inputs(study, plan)
                return write_plan(study, plan)
            except BaseException:  # a stop as well
                for record in new:
                    record.unlink(missing_ok=True)
                raise
    except BaseException:
        for folder in (records[0].parent, study):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def keep_inputs(study: str | Path, plan: Plan) -> int:
    """Keep the digests of every core's scan files as they are now; returns how many files."""
    study = Path(study)
    count = 0
    for core in plan.cores:
        now = files.digests_below(study / core.path)
        _write(study, core, _Kept(now))
        count += len(now)
    return count


def check_inputs(study: Path, core: CorePlan, scan: Volume | None = None) -> tuple[Finding, ...]:
    """Compare a core's scan files with what they were; called when they could be read, before anything is published.

    Parameters
    ----------
    scan : Volume, optional
        As it was read, where it fits into memory: labels made elsewhere are compared with its place and its values as well.

    Returns
    -------
    tuple of Finding
        Code ``input-changed``: files that changed at some time and that the user accepted.

    Raises
    ------
    InputRefused
        Code ``input-changed``: files changed, or went, since ``init`` or the first import. Codes ``no-such-labels``,
        ``labels-names`` and ``labels-values``: the core's labels made elsewhere are not there, hold a value the plan has no name
        for, or are none; and what :func:`soilscope.ingest.read_labels` refuses beside.
    Damaged
        Code ``inputs-damaged``: the record cannot be read.
    """
    _check_labels(study, core, scan)
    kept = _read(study, core)
    if kept is None:
        return ()
    now = files.digests_below(study / core.path)
    names = _differing(kept, now)
    if names:
        raise InputRefused(
            "input-changed",
            f"core {core.id!r}: {len(names)} of its files changed since the study first saw them: {_listed(names)}. If they are "
            "damaged, copy them again from the scanner; if you changed them on purpose, `soilscope run --accept-inputs` takes "
            "them as they are now.",
            names[:MOST_NAMED],
        )
    return _finding(kept.changed)


def with_gone(study: Path, core: CorePlan, error: InputRefused) -> InputRefused:
    """Why a scan cannot be read, and which of its files, there when the study first saw it, are gone: they may be the reason."""
    kept = _read(study, core)
    gone = [] if kept is None else [name for name in kept.files if not _is_there(study / core.path, name)]
    if not gone:
        return error
    many = "1 file that was" if len(gone) == 1 else f"{len(gone)} files that were"
    text = (
        f"{error.text} Of core {core.id!r}, {many} there when the study first saw it {'is' if len(gone) == 1 else 'are'} gone: "
        f"{_listed(gone)}. Copy {'it' if len(gone) == 1 else 'them'} there again."
    )
    return InputRefused(error.code, text, (*gone[:MOST_NAMED], *error.files))


def _is_there(path: Path, name: str) -> bool:
    """Whether the file that a record names is still there; the record of a single file, or an archive, holds its own name."""
    return (path / name).is_file() or (path.is_file() and path.name == name)


def accept_inputs(study: str | Path, plan: Plan) -> tuple[str, ...]:
    """Take every scan file as it is now; returns the names of those that had changed. Their results say so from now on."""
    study = Path(study)
    accepted: list[str] = []
    for core in plan.cores:
        kept = _read(study, core)
        if kept is None:
            continue
        now = files.digests_below(study / core.path)
        if names := _differing(kept, now):
            _write(study, core, _taken(kept, now, names))
            accepted += names
    return tuple(accepted)


def imported(study: Path, core: CorePlan) -> None:
    """Keep the digests of a core's files, which were read and found sound, where they were not kept before."""
    if _read(study, core) is None:
        _write(study, core, _Kept(files.digests_below(study / core.path)))


def check_grid(study: Path, labels: str | None, core: CorePlan, scan: ingest.OpenScan) -> None:
    """Compare a core's labels made elsewhere with its scan by their headers, before any voxel of the scan is read.

    Parameters
    ----------
    labels : str or None
        As in the plan.

    Raises
    ------
    InputRefused
        Codes ``labels-shape`` and ``labels-spacing``, naming both grids; ``no-such-labels``.
    """
    if labels is not None:
        ingest.check_label_grid(labels_there(study, labels, core), scan)


def labels_there(study: Path, labels: str, core: CorePlan) -> Path:
    """Where a core's labels made elsewhere lie.

    Raises
    ------
    InputRefused
        Code ``no-such-labels``, naming the folder that was looked in.
    """
    path = study / labels.replace("{core}", core.id)
    if not path.exists():
        folder = path.parent.relative_to(study) if path.is_relative_to(study) else path.parent
        where = "the study's own folder" if folder == Path() else str(folder)
        text = (
            f'core {core.id!r}: there is no label volume {path.name} in {where} (labels = "{labels}" in the plan); put it there, '
            "or correct labels."
        )
        raise InputRefused("no-such-labels", text, [path.name])
    return path


def _check_labels(study: Path, core: CorePlan, like: Volume | None) -> None:
    """Labels made elsewhere that cannot be used are refused before the core is imported, not after."""
    if not (study / PLAN_FILE).exists():
        return
    plan = read_plan(study)
    if plan.labels is None:
        return
    path = labels_there(study, plan.labels, core)
    if like is not None:
        held = tuple(int(value) for value in np.unique(ingest.read_labels(path, like)) if value)
    else:
        stated = ingest.options_of(core.units, core.spacing_mm, core.on_gap)
        with ingest.open_scan(study / core.path, core.series, stated) as scan:
            held = ingest.label_values(path, scan)
    named = sorted(plan.label_names or {})
    missing = [value for value in held if value not in named]
    if missing:
        raise InputRefused(
            "labels-names",
            f"core {core.id!r}: {path.name} holds the values {list(held)}, but label_names of the plan names {named} only; name "
            f"{missing} too, or set them to 0 in the mask.",
            [path.name],
        )


def _taken(kept: _Kept, now: dict[str, str], names: Iterable[str]) -> _Kept:
    return replace(kept, files=now, changed=tuple(sorted({*kept.changed, *names})))


def _differing(kept: _Kept, now: dict[str, str]) -> list[str]:
    """Files that hold something else or are gone; new ones beside them are looked at by the reader, not here."""
    return [name for name, digest in kept.files.items() if now.get(name) != digest]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _finding(names: tuple[str, ...]) -> tuple[Finding, ...]:
    if not names:
        return ()
    text = (
        f"{len(names)} files of this scan changed after the study had first seen them; they were taken as they are now."
    )
    return (Finding("input-changed", "warning", text, names[:MOST_NAMED]),)


def _read(study: Path, core: CorePlan) -> _Kept | None:
    path = study / Layout.inputs(core.id)
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return _Kept(dict(content["files"]), tuple(content["changed"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            "inputs-damaged",
            f"{path} cannot be read ({error}); delete it, and the next import keeps the digests anew.",
            [path],
        ) from error


def _write(study: Path, core: CorePlan, kept: _Kept) -> None:
    record = {"files": kept.files, "changed": list(kept.changed)}
    files.write_json(study / Layout.inputs(core.id), record)
