"""``soilscope inspect``: what is in these files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soilscope.cli.found import drawn
from soilscope.cli.lengths import spacing
from soilscope.cli.output import Json, Mode, Output, Quiet

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``inspect``."""
    app.command("inspect")(inspect)


def inspect(
    path: Annotated[Path, typer.Argument(help="A scan file, an archive, or a folder.", show_default=False)],
    spacing_mm: Annotated[
        str | None, typer.Option(help="Voxel spacing in mm where the files say none.", metavar="DZ,DY,DX")
    ] = None,
    core: Annotated[
        Path | None,
        typer.Option(
            help="Read the scan too, look for the core in it, and draw what was found: a .png, .svg or .pdf file.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Which series --core reads, where there are several.", metavar="ID")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what is in these files: series, geometry, units, findings. Changes nothing."""
    from soilscope import ingest

    output = Output(Mode.of(as_json, quiet))
    found = ingest.inspect(path, spacing_mm=spacing(spacing_mm))
    rows = [
        (
            s.id,
            s.format,
            " x ".join(map(str, s.shape)) if s.shape else "?",
            " x ".join(f"{length:g}" for length in s.spacing_mm) if s.spacing_mm else "?",
            s.units or "?",
            "yes" if s.usable else "no",
        )
        for s in found.series
    ]
    output.table(str(path), ("series", "format", "z x y x x voxels", "mm", "units", "usable"), rows)
    for s in found.series:
        if s.findings and output.mode is not Mode.JSON:
            output.console.print(f"series {s.id}", markup=False)
        output.findings(s.findings)
    output.findings(found.findings)
    in_scan = {} if core is None else drawn(output, core, path, series, spacing(spacing_mm))
    output.result({**found.as_dict(), **in_scan}, f"{len(found.series)} series, {found.skipped} files skipped")
