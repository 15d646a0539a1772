"""Lengths, and three numbers joined by commas, as options take them."""

from __future__ import annotations

from typing import Annotated

import typer

from soilscope.types import Shape, Spacing

__all__ = ["Length", "shape", "spacing"]

Length = Annotated[
    float | None,
    typer.Option(
        help="How long each core is in mm: a scan that is shorter is told, for slices may be missing at an end."
    ),
]


def spacing(text: str | None) -> Spacing | None:
    """``"0.25,0.351,0.351"`` as (dz, dy, dx) in mm."""
    if text is None:
        return None
    try:
        dz, dy, dx = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not three lengths in mm, DZ,DY,DX such as 0.25,0.351,0.351") from error
    if not all(0 < length < float("inf") for length in (dz, dy, dx)):
        raise typer.BadParameter(f"{text!r}: lengths must be positive")
    return dz, dy, dx


def shape(text: str) -> Shape:
    """``"400,200,200"`` as (z, y, x) voxels."""
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not three numbers of voxels, Z,Y,X such as 400,200,200") from error
    if min(z, y, x) < 1:
        raise typer.BadParameter(f"{text!r}: each number of voxels must be at least 1")
    return z, y, x
