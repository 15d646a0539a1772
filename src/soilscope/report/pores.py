"""Pores and water in the report: how wide the imaged pores are, and what that says of water, as far as a scan can say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from soilscope.figures.text import number
from soilscope.report.document import Cell, Column, Part, Picture, Table
from soilscope.report.pictures import as_picture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AIR_CAPACITY_MM", "PLANT_WATER_MM", "air_at_most", "diameter_of_share", "pores_part"]

AIR_CAPACITY_MM = 0.05
"""Pores over 50 µm are empty at about 60 hPa (pF 1.8), where German soil science reads air capacity; others take 100 or 330 hPa."""
PLANT_WATER_MM = 0.0002
"""Pores under 0.2 µm still hold their water at about 15 000 hPa (pF 4.2), the permanent wilting point."""


def pores_part(core: str, sizes: pd.DataFrame | None, water: pd.DataFrame | None, smallest_mm: float) -> Part | None:
    """Key figures of one core's pores, their picture, and what they do not show; None where they were not measured.

    Parameters
    ----------
    core : str
    sizes, water : DataFrame
        ``tables/pore_sizes.csv`` and ``tables/retention.csv``.
    smallest_mm : float
        Twice the core's longest voxel edge: below it counts are incomplete.
    """
    rows = _of(core, sizes)
    if rows is None:
        return None
    curve = _of(core, water)
    share, d50 = float(rows["fraction"].sum(skipna=False)), diameter_of_share(rows, 0.5)
    name = f"{rows['class'].iloc[0]} {rows['name'].iloc[0]}"
    body: list[tuple[Cell, ...]] = [("imaged pores", share, "of the soil", f"class {name}, small clusters removed")]
    if d50 is not None:
        narrow = diameter_of_share(rows, 0.1), diameter_of_share(rows, 0.9)
        widest = float(rows.loc[rows["fraction"] > 0, "to_mm"].max())
        under = float(rows.loc[rows["to_mm"] <= smallest_mm * (1 + 1e-6), "share"].sum())
        body += [
            ("d50", d50, "mm", "half of the pores' volume lies in narrower places"),
            (
                "d10, d90",
                f"{_mm(narrow[0])}, {_mm(narrow[1])}",
                "mm",
                "a tenth, and nine tenths, lie in narrower places",
            ),
            ("widest place", widest, "mm", "upper edge of its diameter class"),
            ("places under two voxels", under, "of the pores", f"under {smallest_mm:.3g} mm counts are incomplete"),
        ]
        body += _water(curve, smallest_mm)
    table = Table(
        f"Pores of {core}. All diameter classes: tables/pore_sizes.csv; the retention curve: tables/retention.csv. Diameters "
        "between the edges of two classes are read on a straight line.",
        (Column("figure"), Column("value", number=True), Column("of, in"), Column("how it is read")),
        tuple(body),
    )
    return Part("pores", "Pores and water", _limits(smallest_mm, share), table, _picture(core, rows, smallest_mm, d50))


def diameter_of_share(rows: pd.DataFrame, share: float) -> float | None:
    """Diameter in mm below which a share of the pores' volume lies, read on a line between class edges; None without pores."""
    finer = rows["finer"].to_numpy(float)
    if not len(rows) or not np.isfinite(finer).all():
        return None
    edges = np.append(rows["from_mm"].to_numpy(float)[:1], rows["to_mm"].to_numpy(float))
    return float(np.interp(share, np.append(0.0, finer), edges))


def air_at_most(water: pd.DataFrame | None, diameter_mm: float) -> float | None:
    """Share of the soil in pores of at least this diameter, on a line between rows; None where the scan does not resolve it."""
    if water is None:
        return None
    known = water[water["resolved"].astype(bool) & water["air_upper"].notna()].sort_values("diameter_mm")
    if known.empty or diameter_mm < float(known["diameter_mm"].iloc[0]) * (1 - 1e-6):
        return None
    return float(np.interp(diameter_mm, known["diameter_mm"].to_numpy(float), known["air_upper"].to_numpy(float)))


def _water(water: pd.DataFrame | None, smallest_mm: float) -> list[tuple[Cell, ...]]:
    if water is None:
        return []
    resolved = water[water["resolved"].astype(bool) & water["air_upper"].notna()]
    made: list[tuple[Cell, ...]] = []
    if not resolved.empty:
        driest = resolved.iloc[int(resolved["suction_cm"].to_numpy(float).argmax())]
        suction = float(driest["suction_cm"])
        made.append(
            ("air, at most", float(driest["air_upper"]), "of the soil",
             f"at {number(suction, 2)} cm of water (pF {np.log10(suction):.1f}), the highest suction this scan resolves")
        )  # fmt: skip
    unseen = f", not seen here, for this scan resolves pores from {smallest_mm:.3g} mm on"
    air, wilting = air_at_most(water, AIR_CAPACITY_MM), air_at_most(water, PLANT_WATER_MM)
    held = None if air is None or wilting is None else wilting - air
    over = f"at most: pores over {AIR_CAPACITY_MM:g} mm, empty at pF 1.8 (60 hPa)"
    between = f"pores of {PLANT_WATER_MM:g} to {AIR_CAPACITY_MM:g} mm, empty between pF 1.8 and 4.2"
    made.append(("air capacity", air, "of the soil", over + (unseen if air is None else "")))
    made.append(("plant-available water", held, "of the soil", between + (unseen if held is None else "")))
    return made


def _limits(smallest_mm: float, share: float) -> tuple[str, ...]:
    if np.isnan(share):
        return ("The pores have no wall in this core, and so no diameter.",)
    if share == 0:
        return (
            "No pore was left after small clusters were removed: that is no pore this scan can show, not a soil without pores.",
        )
    return (
        "What these figures do not show: a diameter is that of a place (the widest ball inside the pores that holds it), not of a "
        "whole pore. Air is an upper bound: a wide place behind a narrow neck counts as empty, since access is not asked for. "
        "Suctions hold for water at 20 °C that wets the soil (contact angle 0); soils that repel water empty at lower ones. Pores "
        f"under {smallest_mm:.3g} mm, which hold most of a soil's water, are not or not wholly in them: no total porosity, field "
        "capacity or wilting point follows.",
    )


def _picture(core: str, rows: pd.DataFrame, smallest_mm: float, d50: float | None) -> tuple[Picture, ...]:
    from soilscope.figures.pore_sizes import pore_sizes

    if d50 is None:
        return ()
    return (
        as_picture(
            pore_sizes(rows, smallest_mm, d50),
            f"Pore sizes of {core}: volume by diameter, and fraction of the soil in pores wider than a diameter.",
            f"Pore sizes of {core} (local thickness). a: volume by diameter; areas under the steps are volumes. b: fraction of "
            "the soil in pores at least so wide, which is the most air they hold at the suction above (Young and Laplace, 20 °C, "
            f"contact angle 0). Dashed: d50. Hatched: under two voxels ({smallest_mm:.3g} mm), where counts are incomplete.",
        ),
    )


def _of(core: str, table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None:
        return None
    rows = table[table["core"].astype(str) == core]
    return None if rows.empty else rows


def _mm(value: float | None) -> str:
    return "–" if value is None else number(value, 3)
