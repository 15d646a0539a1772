"""``soilscope phantom``: one synthetic core with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soilscope.cli.lengths import shape as voxels
from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.errors import OutputRefused, UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``phantom``."""
    app.command("phantom")(phantom)


def phantom(
    soil: Annotated[str, typer.Argument(help="Which soil; a wrong name lists them.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for dicom/, truth.nii.gz and truth.json.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Another seed is another core of the same soil.", min=0)] = 0,
    shape: Annotated[str, typer.Option(help="Voxels.", metavar="Z,Y,X")] = "400,200,200",
    no_noise: Annotated[bool, typer.Option("--no-noise", help="No blur and no noise: the truth itself.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make one synthetic core as a DICOM series, with its truth beside it."""
    from soilscope import phantoms

    _refuse_what_is_there(out)
    made = not out.exists()
    output = Output(Mode.of(as_json, quiet))
    size = voxels(shape)
    with output.aside.status(f"making {soil}-{seed}, {shape} voxels"):
        try:
            phantoms.write(phantoms.make(soil, seed=seed, shape=size, noise=not no_noise), out)
        except OutputRefused:
            if made and out.is_dir() and not any(out.iterdir()):
                out.rmdir()
            raise
    output.result(
        {"soil": soil, "seed": seed, "shape": list(size), "out": str(out)}, f"{out / 'dicom'}: {size[0]} slices"
    )


def _refuse_what_is_there(out: Path) -> None:
    """Nothing is written into a folder that holds something, so that no scan is ever replaced by a simulated one.

    Raises
    ------
    UsageError
        Code ``out-exists``.
    """
    if out.is_dir():
        there = sorted(
            p.name for p in out.iterdir() if not p.name.startswith(".")
        )  # hidden: locks and partials of a kill
    else:
        there = [out.name] if out.exists() else []
    if there:
        raise UsageError(
            "out-exists",
            f"{out} is there already and holds {', '.join(there[:3])}{' and more' if len(there) > 3 else ''}; remove it, or "
            "choose another folder.",
            [out],
        )
