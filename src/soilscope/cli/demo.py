"""``soilscope demo``: phantom cores as DICOM, and the whole study on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.cli.run import run_study

if TYPE_CHECKING:
    from soilscope.study import Plan

__all__ = ["register"]

CORES = (("pine-forest", 0), ("pine-forest", 1), ("sandy", 0), ("arable", 0))
"""Two cores of one soil, so that a model meets a core that is new and yet alike; and two other soils."""

SHAPE = (96, 128, 128)


def register(app: typer.Typer) -> None:
    """Add ``demo``."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the study goes.")] = Path("soilscope-demo"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make four phantom cores as DICOM and run the whole study on them; called again, go on or do nothing."""
    from soilscope import files, phantoms, study

    output = Output(Mode.of(as_json, quiet))
    console = output.aside
    for soil, seed in track(CORES, "making phantom cores", console=console, disable=console.quiet):
        scan = folder / "scans" / f"{soil}-{seed}"
        if not scan.exists():
            with files.publish(scan) as partial:
                phantoms.write(phantoms.make(soil, seed=seed, shape=SHAPE), partial)
    if not (folder / study.PLAN_FILE).exists():
        study.write_plan(folder, _plan())
    run_study(folder, study.STEPS, output)


def _plan() -> Plan:
    """Eight models (two targets on four cores), four transfers; small enough for a laptop's coffee break."""
    from soilscope.study.plan import CorePlan, LearnPlan, Plan, RunPlan, TargetPlan

    cores = tuple(CorePlan(id=f"{soil}-{seed}", path=f"scans/{soil}-{seed}/dicom") for soil, seed in CORES)
    learn = LearnPlan(
        targets=(TargetPlan(of=(3,)), TargetPlan(of=(5, 6)), TargetPlan(of=(2,), transfer_from=(3,))),
        width=0.125,
        image_size=64,
        epochs=40,
    )
    return Plan(name="Soilscope demo", cores=cores, learn=learn, run=RunPlan(workers=2))
