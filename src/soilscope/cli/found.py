"""What was found in a scan, drawn and told before anything is written into a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from soilscope.cli.output import Mode, Output

if TYPE_CHECKING:
    from soilscope.ingest import Options

__all__ = ["drawn"]


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
        output.console.print(f"core, drawn in {picture}", markup=False)
    output.findings(findings)
    soil = {key: value for key, value in core.source["soil"].items() if key != "slices"}
    return {"core": {**soil, "picture": str(picture), "findings": to_records(findings)}}
