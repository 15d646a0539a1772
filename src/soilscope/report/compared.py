"""Class profiles of the cores side by side, and the distances between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from soilscope.report.document import Cell, Column, Picture, Table
from soilscope.report.pictures import as_picture
from soilscope.report.words import and_list

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Compared", "Moved", "comparison_of_profiles"]

MOST_PAIRS = 12
"""Pairs of cores in the report's table, those that differ most; all are in tables/comparison.csv."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Profiles of all cores, those of the two that differ most, and the distances."""

    pictures: tuple[Picture, ...]
    table: Table | None


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """What moved edges do to the cores.

    Parameters
    ----------
    by : str
        How far they were moved, such as ``"±50 HU"``.
    fractions : DataFrame
        core, class, low, high: least and greatest fraction of each class in each whole core.
    profiles : DataFrame, optional
        core, class, depth_mm, porosity_low, porosity_high.
    """

    by: str
    fractions: pd.DataFrame
    profiles: pd.DataFrame | None = None

    @classmethod
    def of(cls, sensitivity: pd.DataFrame | None, band: pd.DataFrame | None, units: Mapping[str, str]) -> Moved | None:
        """From ``tables/sensitivity.csv``, the bands and each core's units; None where no edges were moved."""
        if sensitivity is None:
            return None
        rows = sensitivity[(sensitivity["metric"] == "fraction") & sensitivity["low"].notna()]
        if rows.empty:
            return None
        shifts = dict(zip(rows["core"].astype(str), rows["shift"].astype(float), strict=True))
        words = dict.fromkeys(f"±{shift:.4g} {units.get(core, '')}".rstrip() for core, shift in shifts.items())
        return cls(and_list(words, most=4), rows, band)


def comparison_of_profiles(
    slices: pd.DataFrame,
    cores: Sequence[str],
    distances: pd.DataFrame | None,
    ranges: Mapping[str, str] | None = None,
    own_edges: str = "",
    moved: Moved | None = None,
) -> Compared:
    """What the report shows of at least two cores' profiles.

    Parameters
    ----------
    slices : DataFrame
        The table of slices.
    cores : sequence of str
        Which of its cores, in what order; those without rows are left out.
    distances : DataFrame, optional
        ``tables/comparison.csv``; without it no pair is drawn and there is no table.
    ranges : mapping of class to str, optional
        What values make each class, where all cores have the same edges.
    own_edges : str
        The sentence that says that edges differ from core to core; empty where they do not. It ends every caption.
    moved : Moved, optional
        What moved edges do: bands of the pair's profiles, and a column that says in how many classes two cores are farther apart.
    """
    from soilscope.figures.multiples import multiples

    rows = slices[slices["core"].astype(str).isin(cores)]
    there = [core for core in cores if core in set(rows["core"].astype(str))]
    if len(there) < 2:
        return Compared((), None)
    everyone = as_picture(
        multiples(rows, there),
        f"Area fractions of the classes over depth in {len(there)} cores, one panel a core, all on the same axes.",
        "Area fractions of the classes over depth, before small clusters are removed; all cores on the same axes."
        + own_edges,
    )
    if distances is None or distances["distance"].isna().all():
        return Compared((everyone,), None)
    table = _table(distances, own_edges, moved)
    pair = (str(table.rows[0][0]), str(table.rows[0][1]))
    return Compared((everyone, _pair(rows, pair, ranges, own_edges, moved)), table)


def _pair(
    slices: pd.DataFrame, pair: tuple[str, str], ranges: Mapping[str, str] | None, own_edges: str, moved: Moved | None
) -> Picture:
    from soilscope.figures.contrast import contrast

    band = None if moved is None else moved.profiles
    drawn = band is not None and band["core"].astype(str).isin(pair).any()
    bands = (
        f" Bands: what moving all edges between classes by {moved.by} makes of it."
        if moved is not None and drawn
        else ""
    )
    return as_picture(
        contrast(slices, pair, ranges, band),
        f"Porosity of every class over depth in {pair[0]} and {pair[1]}, one row a core, one column a class.",
        f"Porosity over depth of the two cores that differ most, {pair[0]} and {pair[1]}: 1 − area fraction of each class after "
        f"small clusters were removed (as figures 7 and 8 of Wieland et al. 2021). A class has one scale in both cores.{bands}"
        + own_edges,
    )


def _table(distances: pd.DataFrame, own_edges: str, moved: Moved | None) -> Table:
    keys = [k for k in dict.fromkeys(distances["class"].astype(str)) if k != "all"]
    names = dict(zip(distances["class"].astype(str), distances["name"].astype(str), strict=True))
    pairs = distances.groupby(["core", "other"], sort=False)
    found = [(str(a), str(b), dict(zip(rows["class"], rows["distance"], strict=True))) for (a, b), rows in pairs]
    found.sort(key=lambda pair: -np.nan_to_num(pair[2]["all"], nan=-1.0))
    body: list[tuple[Cell, ...]] = [
        (a, b, float(of["all"]), *_apart(moved, a, b, keys), *(float(of.get(k, np.nan)) for k in keys))
        for a, b, of in found[:MOST_PAIRS]
    ]
    columns = (
        Column("core"), Column("other core"), Column("of another class", "share", True),
        *((Column("beyond the edges", "classes", True),) if moved is not None else ()),
        *(Column(f"{k} {names[k]}".strip(), "distance", True) for k in keys),
    )  # fmt: skip
    beyond = (
        f" “Beyond the edges”: in how many classes the fractions of the whole cores are farther apart than moving all edges "
        f"by {moved.by} carries them (tables/sensitivity.csv); in the others the difference may be one of edges."
        if moved is not None
        else ""
    )
    some = f" The {MOST_PAIRS} pairs of {len(found)} that differ most."
    caption = (
        "Distances between the profiles of two cores (tables/comparison.csv). Of each class: mean absolute difference of the area "
        "fractions over relative depth (top of the soil 0, bottom 1), from 0 (alike) to 1. “Of another class”: half their sum, the "
        "share of the soil that is of another class at the same relative depth. They see shares alone, not size, shape or "
        "connection; relative depth stretches the shorter core; and no limit says what is much: compare with replicates."
        + beyond
        + (some if len(found) > MOST_PAIRS else "")
        + own_edges
    )
    return Table(caption, columns, tuple(body))


def _apart(moved: Moved | None, one: str, other: str, keys: Sequence[str]) -> tuple[Cell, ...]:
    """In how many classes the spans of two cores' fractions do not meet, of how many that have spans; a dash where none has."""
    if moved is None:
        return ()
    rows = moved.fractions
    spans = {
        (str(core), str(key)): (float(low), float(high))
        for core, key, low, high in zip(rows["core"], rows["class"], rows["low"], rows["high"], strict=True)
    }
    known = [(spans[one, k], spans[other, k]) for k in keys if (one, k) in spans and (other, k) in spans]
    apart = sum(a_high < b_low or b_high < a_low for (a_low, a_high), (b_low, b_high) in known)
    return (f"{apart} of {len(known)}",) if known else (None,)
