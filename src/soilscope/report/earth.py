"""Fine earth and masses of a core in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soilscope.report.document import Cell, Column, Part, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fine_earth_part", "masses_part"]


def fine_earth_part(core: str, earth: pd.DataFrame | None, stones_mm3: float | None) -> Part | None:
    """A core's classes on the basis of its fine earth, from ``tables/fine_earth_cores.csv``; None where it was not taken."""
    rows = None if earth is None else earth[earth["core"].astype(str) == core]
    if rows is None or rows.empty:
        return None
    share = float(rows["stone_fraction"].iloc[0])
    columns = (
        Column("class"),
        Column("name"),
        Column("of the soil", "share", True),
        Column("of the fine earth", "share", True),
    )
    body = tuple(
        (str(r["class"]), str(r["name"]), float(r["fraction"]), float(r["fine_earth_fraction"]))
        for _, r in rows.iterrows()
    )
    least = f" of at least {stones_mm3:g} mm³" if stones_mm3 else ""
    caption = (
        f"Stones{least} take {share:.3g} of {core}. The fine earth is the soil without them; before small clusters are removed. "
        "Slice by slice: tables/fine_earth.csv; all cores: tables/fine_earth_cores.csv."
    )
    text = (
        "What these figures do not show: weights. A stone is a body of a class that is called so, by its values; stones that touch "
        "count as one, and a core of this size holds few large ones.",
    )
    return Part("fine-earth", "Stones and fine earth", text, Table(caption, columns, body))


def masses_part(core: str, materials: pd.DataFrame | None) -> Part | None:
    """Volumes and masses of a core's classes, summed over ``tables/materials.csv``; None where densities were not calibrated."""
    rows = None if materials is None else materials[materials["core"].astype(str) == core]
    if rows is None or rows.empty or "mass_g" not in rows:
        return None
    columns = (
        Column("class"), Column("name"), Column("volume", "cm³", True), Column("mass", "g", True), Column("density", "g/cm³", True),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for (key, name), own in rows.groupby(["class", "name"], sort=False):
        volume, mass = float(own["volume_cm3"].sum()), float(own["mass_g"].sum())
        body.append((str(key), str(name), volume, mass, mass / volume if volume else None))
    text = (
        "What these figures do not show: masses from a balance. A mass is volume times the density that the calibration gives for "
        "each value; water in the soil is part of it, and an element of high atomic number reads too dense.",
    )
    caption = f"Volumes and masses of the classes of {core}. Slice by slice: tables/materials.csv."
    return Part("masses", "Masses", text, Table(caption, columns, tuple(body)))
