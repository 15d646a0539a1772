"""What was found in a scan, drawn and told before anything is written into a study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TimeRemainingColumn

from soilscope.cli.output import Mode, Output, visible
from soilscope.cli.progress import Described

if TYPE_CHECKING:
    from soilscope.ingest import Options, Watcher

__all__ = ["Quick", "drawn", "watching"]

Quick = Annotated[
    bool,
    typer.Option("--quick", help="Look at headers alone: damage of compressed pixels stays unseen until the import."),
]


@contextlib.contextmanager
def watching(output: Output) -> Iterator[Watcher]:
    """Shows how far scans are read; a bar for each scan that is."""
    columns = (Described(), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.aside, transient=True, disable=output.mode is not Mode.PERSON) as bars:
        known: dict[str, TaskID] = {}

        def told(name: str, done: int, of: int) -> None:
            if name not in known:
                known[name] = bars.add_task(f"reading {escape(visible(name))}", total=of)
            bars.update(known[name], completed=done)

        yield told


def drawn(output: Output, picture: Path, which: tuple[Path, str | None], stated: Options) -> dict[str, Any]:
    """Read a scan (its path and series), find its core, save the picture; returns ``{"core": {...}}`` for the JSON object."""
    from soilscope import ingest
    from soilscope.core import find_core
    from soilscope.core.artefacts import measure_artefacts
    from soilscope.figures.core import found
    from soilscope.figures.style import save
    from soilscope.findings import to_records

    with ingest.open_scan(*which, stated) as opened:
        scan = opened.read()
    core = find_core(scan)
    findings = (*core.findings[len(scan.findings) :], *measure_artefacts(scan, core).findings(core))
    save(found(scan, core), picture)
    if output.mode is not Mode.JSON:
        output.words(f"core, drawn in {picture}")
    output.findings(findings)
    soil = {key: value for key, value in core.source["soil"].items() if key != "slices"}
    return {"core": {**soil, "picture": str(picture), "findings": to_records(findings)}}
