"""Two cores' profiles as a paper prints them: all classes of each side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import ends_inward
from soilscope.figures.profiles import BAND, LEAST_SPAN, check_cores
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["contrast"]

MOST_CLASSES = 8
ROW_INCHES = 2.7
BAND_COLUMNS = ("porosity_low", "porosity_high")
TITLE_CHARACTERS = 84
"""Of all titles of a row together."""


@style.styled
def contrast(
    slices: pd.DataFrame,
    cores: Sequence[str],
    ranges: Mapping[str, str] | None = None,
    band: pd.DataFrame | None = None,
) -> Figure:
    """Porosity of every class over depth, one row a core and one column a class.

    Parameters
    ----------
    slices : DataFrame
        core, depth_mm, class, name, porosity; joined classes and those beyond the eighth are left out.
    cores : sequence of str
        The two cores (or a few).
    ranges : mapping of class to str, optional
        What values make each class, written under its name, such as ``{"3": "[0, 1024) HU"}``.
    band : DataFrame, optional
        core, class, depth_mm, porosity_low, porosity_high: drawn behind each profile (:mod:`soilscope.structure.sensitivity`).

    Returns
    -------
    Figure
        Porosity is ``1 - area fraction`` of the class after small clusters were removed (figures 7 and 8 of Wieland et al. 2021,
        doi:10.1098/rsos.201275). Depth in mm runs downwards on one scale for all panels; a column has one scale of porosity,
        so that two cores can be held against each other.

    Raises
    ------
    UsageError
        Code ``no-rows``: a core is not in the table, or none was named.
    """
    table = slices.assign(core=slices["core"].astype(str), key=slices["class"].astype(str))
    table = table[table["core"].isin(cores) & ~table["key"].str.contains("+", regex=False)]
    check_cores("profiles", table["core"], cores)
    names = dict(zip(table["key"], table["name"].astype(str), strict=True))
    classes = list(names)[:MOST_CLASSES]
    moved = _single(band, cores)
    made = style.figure(len(cores) * ROW_INCHES + 0.4)
    grid = made.subplots(len(cores), len(classes), sharey=True, squeeze=False)
    for column, key in enumerate(classes):
        shown = [
            table.loc[table["key"] == key, "porosity"],
            *(moved.loc[moved["key"] == key, name] for name in BAND_COLUMNS),
        ]
        limits = _limits(np.concatenate([column.to_numpy(float) for column in shown]))
        for row, core in enumerate(cores):
            axes = grid[row, column]
            own = table[(table["core"] == core) & (table["key"] == key)].sort_values("depth_mm")
            axes.plot(own["porosity"].to_numpy(float), own["depth_mm"].to_numpy(float), color=class_colour(key))
            around = moved[(moved["core"] == core) & (moved["key"] == key)].sort_values("depth_mm")
            low, high = (around[name].to_numpy(float) for name in BAND_COLUMNS)
            if len(around):
                depth = around["depth_mm"].to_numpy(float)
                axes.fill_betweenx(depth, low, high, color=class_colour(key), alpha=BAND, linewidth=0)
            axes.set_xlim(limits)
            axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
            axes.set_axisbelow(True)
            ends_inward(axes, 2, 9)
        title = plain(f"{key} {names[key]}", TITLE_CHARACTERS // len(classes))
        span = (ranges or {}).get(key)
        grid[0, column].set_title("\n".join(filter(None, (title, span))), loc="left", fontsize=7.5 if span else 8)
    for row, core in enumerate(cores):
        grid[row, 0].set_ylabel(f"{chr(ord('a') + row)}  {plain(core, 30)}\ndepth (mm)")
    grid[0, 0].set_ylim(table["depth_mm"].max(), 0)
    made.supxlabel("porosity (1 − area fraction of the class)", fontsize=8.5)
    return made


def _single(band: pd.DataFrame | None, cores: Sequence[str]) -> pd.DataFrame:
    """The band's rows of these cores with their classes as text; none where nothing was moved."""
    import pandas as pd

    if band is None:
        return pd.DataFrame(columns=["core", "key", "depth_mm", *BAND_COLUMNS])
    made = band.assign(core=band["core"].astype(str), key=band["class"].astype(str))
    return made[made["core"].isin(cores)]


def _limits(porosity: np.ndarray) -> tuple[float, float]:
    """A scale that holds all values, and no porosity beyond 0 and 1 but for the line's own width."""
    finite = porosity[np.isfinite(porosity)]
    if not finite.size:
        return 0.0, 1.0
    middle, half = (finite.max() + finite.min()) / 2, max(float(np.ptp(finite)), LEAST_SPAN) * 0.55
    return max(float(middle - half), -0.03 * half), min(float(middle + half), 1 + 0.03 * half)
