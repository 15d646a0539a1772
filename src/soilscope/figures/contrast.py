"""Two cores' profiles as a paper prints them: all classes of each side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.profiles import BAND, LEAST_SPAN, bottom_mm, check_cores
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["contrast"]

MOST_CLASSES = 8
ROW_INCHES = 2.7
BAND_COLUMNS = ("porosity_low", "porosity_high")
TITLE_CHARACTERS = 84
"""Of all titles of a row together."""

CHARACTERS = 60
"""Of all numbers below a row together."""
MOST_STEPS = 4
ROUND = [1, 2, 5, 10]
"""Steps between ticks, times a power of ten: none needs a third digit."""
BETWEEN = 0.07
"""Inches beside a panel: the numbers of two neighbours stand apart."""
EDGE = 0.02
"""Room beyond the first and the last tick, as a share of the axis."""


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
    made.set_layout_engine("constrained", w_pad=BETWEEN, h_pad=0.04)
    grid = made.subplots(len(cores), len(classes), sharey=True, squeeze=False)
    for column, key in enumerate(classes):
        shown = [
            table.loc[table["key"] == key, "porosity"],
            *(moved.loc[moved["key"] == key, name] for name in BAND_COLUMNS),
        ]
        ticks = _limits(np.concatenate([column.to_numpy(float) for column in shown]))
        for row, core in enumerate(cores):
            axes = grid[row, column]
            own = table[(table["core"] == core) & (table["key"] == key)].sort_values("depth_mm")
            axes.plot(own["porosity"].to_numpy(float), own["depth_mm"].to_numpy(float), color=class_colour(key))
            around = moved[(moved["core"] == core) & (moved["key"] == key)].sort_values("depth_mm")
            low, high = (around[name].to_numpy(float) for name in BAND_COLUMNS)
            if len(around):
                depth = around["depth_mm"].to_numpy(float)
                axes.fill_betweenx(depth, low, high, color=class_colour(key), alpha=BAND, linewidth=0)
            _scale(axes, ticks, CHARACTERS // len(classes))
            axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
            axes.set_axisbelow(True)
        title = plain(f"{key} {names[key]}", TITLE_CHARACTERS // len(classes))
        span = (ranges or {}).get(key)
        grid[0, column].set_title("\n".join(filter(None, (title, span))), loc="left", fontsize=7.5 if span else 8)
    for row, core in enumerate(cores):
        grid[row, 0].set_ylabel(f"{chr(ord('a') + row)}  {plain(core, 30)}\ndepth (mm)")
    grid[0, 0].set_ylim(max(bottom_mm(table[table["core"] == core]) for core in cores), 0)
    made.supxlabel("porosity (1 − area fraction of the class)", fontsize=8.5)
    return made


def _single(band: pd.DataFrame | None, cores: Sequence[str]) -> pd.DataFrame:
    """The band's rows of these cores with their classes as text; none where nothing was moved."""
    import pandas as pd

    if band is None:
        return pd.DataFrame(columns=["core", "key", "depth_mm", *BAND_COLUMNS])
    made = band.assign(core=band["core"].astype(str), key=band["class"].astype(str))
    return made[made["core"].isin(cores)]


def _limits(porosity: np.ndarray) -> list[float]:
    """Ticks at round numbers, of which the first and the last enclose all values."""
    finite = porosity[np.isfinite(porosity)]
    if not finite.size:
        return [0.0, 0.5, 1.0]
    half = max(float(np.ptp(finite)), LEAST_SPAN) / 2
    middle = float(np.clip((finite.max() + finite.min()) / 2, half, 1 - half))  # no porosity lies beyond 0 or 1
    ticks = MaxNLocator(MOST_STEPS, steps=ROUND).tick_values(middle - half, middle + half)
    return [float(f"{tick:.6f}") for tick in ticks]


def _scale(axes: Axes, ticks: Sequence[float], characters: int) -> None:
    """The x axis from the first tick to the last, both with their numbers, and those between where they fit."""
    first, last = ticks[0], ticks[-1]
    room = EDGE * (last - first)
    axes.set_xlim(first - room, last + room)  # a line along an end is drawn whole
    places = max(0, -math.floor(math.log10(round(ticks[1] - first, 6))))
    written = [f"{tick:.{places}f}" for tick in ticks]
    halves = [text if 2 * k in (0, len(ticks) - 1, 2 * len(ticks) - 2) else "" for k, text in enumerate(written)]
    ends = [text if k in (0, len(ticks) - 1) else "" for k, text in enumerate(written)]
    fitting = (texts for texts in (written, halves, ends) if sum(map(len, texts)) <= characters)
    axes.set_xticks(ticks, next(fitting, ends))
