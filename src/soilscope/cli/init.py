"""``soilscope init``: write a plan from what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from soilscope.cli.found import Quick, watching
from soilscope.cli.lengths import Length, spacing
from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.errors import InputRefused, install_line

__all__ = ["register"]

Source = Literal[
    "path",
    "folder",
    "file",
    "PatientID",
    "PatientName",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "SeriesDescription",
]
"""A test holds the tags to :data:`soilscope.ingest.ID_TAGS`."""
SOURCES = {"path": "the names of folders or files", "folder": "the folders' names", "file": "the files' names"}


def register(app: typer.Typer) -> None:
    """Add ``init``."""
    app.command("init")(init)


def init(
    study: Annotated[Path, typer.Argument(help="Folder of the new study.", show_default=False)],
    cores: Annotated[
        Path,
        typer.Option(
            help="One scan, or a folder with one scan a sub-folder; file.h5:/x names the data set x in a file.",
            readable=False,
            show_default=False,
        ),
    ],
    spacing_mm: Annotated[
        str | None, typer.Option(help="Voxel spacing in mm where the files say none.", metavar="DZ,DY,DX")
    ] = None,
    units: Annotated[
        Literal["HU", "grey"] | None, typer.Option(help="What the values are, where the files do not say.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="Which series, where a scan holds several.", metavar="ID")] = None,
    on_gap: Annotated[
        Literal["refuse", "mark"],
        typer.Option(help="Refuse a scan with slices missing, or keep masked planes in their place."),
    ] = "refuse",
    id_from: Annotated[
        Source,
        typer.Option(
            help="Where the cores' ids come from: the scan's path, its folder, its file, or one tag of its headers, which must "
            "name the core and no person. `soilscope inspect` tells which of the tags are filled."
        ),
    ] = "path",
    length_mm: Length = None,
    digests: Annotated[
        Path | None,
        typer.Option(
            help="Compare the files with what `inspect --digests FILE.json` kept of them; one that changed since is refused.",
            metavar="FILE.json",
        ),
    ] = None,
    quick: Quick = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a study.toml from what is found; read it, change it, then `soilscope run`."""
    from soilscope import study as studies
    from soilscope.findings import to_records

    output = Output(Mode.of(as_json, quiet))
    asked = studies.Asked(spacing(spacing_mm), series, on_gap, units, quick, id_from, length_mm)
    with watching(output) as progress, _named_without_folders(cores):
        draft = studies.draft(study, cores, asked, progress)
    plan = draft.plan
    same = None if digests is None else studies.check_digests(digests, cores)
    output.hint(f"keeping digests of the scans' files, so that one that changes is noticed ({len(plan.cores)} core(s))")
    path = studies.begin(study, plan)
    ids = [core.id for core in plan.cores]
    value: dict[str, Any] = {
        "plan": str(path),
        "cores": ids,
        "scheme": plan.scheme,
        "id_from": id_from,
        "findings": {core: to_records(found) for core, found in draft.findings.items()},
    }
    if same is not None:
        value["unchanged"] = same
        output.hint(f"{same} file(s) are as they were when they were inspected")
    if output.mode is Mode.PERSON:
        for core, found in draft.findings.items():
            output.findings([replace(f, text=f"{core}: {f.text}") for f in found if f.severity != "note"])
    output.result(
        value, f"{path}: {len(ids)} core(s), ids from {SOURCES.get(id_from, f'the tag {id_from}')}: {', '.join(ids)}"
    )
    if not plan.learn.targets:
        output.hint(
            f"no models are planned, since PyTorch is missing: {install_line('learn')}, then add [[learn.targets]]"
        )
    output.hint(f"next: read {path.name}, then `soilscope run {study}`")


@contextlib.contextmanager
def _named_without_folders(cores: Path) -> Iterator[None]:
    """A refusal of a scan names it without the folders above it, as its text does: they may hold what is personal."""
    try:
        yield
    except InputRefused as error:
        files = [Path(f).name if cores in (Path(f), Path(f).parent) else f for f in error.files]
        raise InputRefused(error.code, error.text, files) from None
