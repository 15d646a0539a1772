"""``soilscope verify``: does everything still equal what was published?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.errors import Damaged
from soilscope.findings import Finding, to_records

__all__ = ["register"]

SHOWN_AT_MOST = 5


def register(app: typer.Typer) -> None:
    """Add ``verify``."""
    app.command("verify")(verify)


def verify(
    study: Annotated[Path, typer.Argument(help="Folder with the study.toml.", show_default=False)],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare every table, store, chunk, model and report with the digests they were published with."""
    from soilscope import study as studies

    output = Output(Mode.of(as_json, quiet))
    studies.read_plan(study)
    found = studies.verify(study)
    bad = [f for f in found if f.severity == "refuse"]
    output.findings(found)
    error = Damaged("changed-output", f"{len(bad)} output(s) differ: {_names(bad)}.") if bad else None
    if error is not None:
        output.error(error)
    output.result(
        {"ok": not bad, "findings": to_records(found)}, "all is as published" if not bad else f"{len(bad)} changed"
    )
    if error is not None:
        raise typer.Exit(error.exit_code)


def _names(bad: Sequence[Finding]) -> str:
    return ", ".join(f.files[0] for f in bad[:SHOWN_AT_MOST])
