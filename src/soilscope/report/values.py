"""Values of the classes in the report: mean and spread of every class, plain and without its rim."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from soilscope.report.document import Cell, Column, Table
from soilscope.report.words import count

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["value_table"]

LEAST_OF_SPREAD = 2
"""Voxels that a standard deviation is written of."""


def value_table(core: str, values: pd.DataFrame | None) -> Table | None:
    """Means and standard deviations of a core's classes; None where they were not taken."""
    rows = None if values is None else values[values["core"].astype(str) == core]
    if rows is None or rows.empty:
        return None
    unit = "HU" if rows["unit"].iloc[0] == "HU" else "grey value"
    columns = (
        Column("class"), Column("name"), Column("mean", unit, True), Column("SD", unit, True),
        Column("mean, eroded", unit, True), Column("SD, eroded", unit, True), Column("voxels left", "share", True),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for _, r in rows.iterrows():
        left = float(r["voxels_eroded"]) / float(r["voxels"]) if r["voxels"] else None
        figures: list[Cell] = []
        for end in ("", "_eroded"):
            # One value has no spread: a 0 would look like one that was measured.
            spread = _whole(float(r[f"sd{end}"])) if r[f"voxels{end}"] >= LEAST_OF_SPREAD else None
            figures += [_whole(float(r[f"mean{end}"])), spread]
        body.append((str(r["class"]), str(r["name"]), *figures, left))
    by = int(rows["erode"].iloc[0])
    caption = (
        f"Values in the classes of {core}, over all its voxels, and over what is left when {count(by, 'voxel')} of every class's "
        f"rim {'is' if by == 1 else 'are'} taken away. Rims hold mixtures, which draw the plain mean towards what lies around; "
        "what is left describes the inside of thick bodies alone. The border to what is not soil is not taken away. Slice by "
        "slice: tables/class_values.csv."
    )
    return Table(caption, columns, tuple(body))


def _whole(value: float) -> Cell:
    """A value of four digits or more to the unit, where three digits would hide tens of HU; smaller ones with three."""
    from soilscope.figures.text import number

    if not math.isfinite(value):
        return None
    return f"{value:.0f}".replace("-", "\u2212") if abs(value) >= 100 else number(value, 3)
