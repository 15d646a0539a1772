"""Representative volume: how figures of the classes spread between windows of rising size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import LONGEST_CLASS, legend_columns
from soilscope.figures.text import number, plain

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from soilscope.types import FloatProfile

__all__ = ["representative"]

MOST_METRICS = 3
"""Beside each other in a figure's width; the table has all."""
MOST_CLASSES = 8
MARKERS = "osD^vPX*"
MARK = 3.6
"""Points across a mark."""
RING: dict[str, Any] = {"color": style.INK, "markerfacecolor": "none", "markersize": 9}
LEAST_SPREAD = 1e-3
"""A spread of nothing stands at this, since a logarithm has no 0."""


@style.styled
def representative(curves: pd.DataFrame) -> Figure:
    """Mean and spread of a core's figures against the size of the windows they were taken in.

    Parameters
    ----------
    curves : DataFrame
        One core's rows of :func:`soilscope.structure.representative_volume`; joined classes, those beyond the eighth and metrics
        beyond the third are left out.

    Returns
    -------
    Figure
        One column a metric. Above: the mean over windows, and at the right the whole core's figure (dash). Below: standard
        deviation over mean, both axes logarithmic, with the tolerance (dashed) and the slope by which an uncorrelated field falls
        (dotted). Filled marks: sizes that are judged; hollow ones: not judged, since too few windows fit; a black ring round a
        mark: representative from there on. The lower legend says so of those that are there.

    Raises
    ------
    UsageError
        Code ``no-rows``: the table is empty.
    """
    table = curves.assign(key=curves["class"].astype(str))
    table = table[~table["key"].str.contains("+", regex=False)]
    if table.empty:
        raise UsageError("no-rows", "curves of windows need at least one size of window; there is none.")
    classes = list(dict.fromkeys(table["key"]))[:MOST_CLASSES]
    metrics = list(dict.fromkeys(table["metric"].astype(str)))[:MOST_METRICS]
    made = style.figure(4.3)
    grid = made.subplots(2, len(metrics), sharex=True, squeeze=False)
    for column, metric in enumerate(metrics):
        rows = table[table["metric"] == metric]
        for key in classes:
            own = rows[rows["key"] == key].sort_values("edge_mm")
            marker = MARKERS[classes.index(key)]
            _mean(grid[0, column], own, key, marker)
            _spread(grid[1, column], own, key, marker)
        unit = str(rows["unit"].iloc[0]).replace("mm2", "mm²").replace("mm3", "mm³")
        grid[0, column].set_title(plain(metric, 30) + ("" if unit == "1" else f" ({unit})"), loc="left")
        _guides(grid[1, column], rows)
        _edges(grid[1, column], rows["edge_mm"].to_numpy(float))
        grid[1, column].set_xlabel("edge of the window (mm)")
    grid[0, 0].set_ylabel("mean of the windows")
    grid[1, 0].set_ylabel("SD / |mean|")
    handles = _handles(table, classes)
    made.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles))
    kinds = _kinds(table[table["key"].isin(classes) & table["metric"].isin(metrics)])
    made.legend(handles=kinds, loc="outside lower center", ncols=legend_columns(kinds))
    return made


def _mean(axes: Axes, rows: pd.DataFrame, key: str, marker: str) -> None:
    colour = class_colour(key)
    _marks(axes, rows, rows["mean"].to_numpy(float), colour, marker)
    whole = float(rows["core_value"].iloc[0])
    if np.isfinite(whole):
        axes.plot(
            [1.0, 1.03], [whole, whole], color=colour, transform=axes.get_yaxis_transform(), clip_on=False, linewidth=2
        )


def _spread(axes: Axes, rows: pd.DataFrame, key: str, marker: str) -> None:
    edge, spread = rows["edge_mm"].to_numpy(float), rows["spread"].to_numpy(float)
    spread = np.where(np.isfinite(spread), np.maximum(spread, LEAST_SPREAD), np.nan)
    _marks(axes, rows, spread, class_colour(key), marker)
    at = edge == float(rows["representative_mm"].iloc[0])
    axes.plot(edge[at], spread[at], "o", **RING)


def _marks(axes: Axes, rows: pd.DataFrame, values: FloatProfile, colour: str, marker: str) -> None:
    """A line with a mark a size: filled where it is judged, hollow where it is not."""
    edge, judged = rows["edge_mm"].to_numpy(float), _judged(rows)
    axes.plot(edge, values, color=colour)
    axes.plot(edge[~judged], values[~judged], marker, color=colour, markerfacecolor="white", markersize=MARK)
    axes.plot(edge[judged], values[judged], marker, color=colour, markersize=MARK)


def _judged(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return (rows["placed"] >= rows["least"]).to_numpy(bool)


def _guides(axes: Axes, rows: pd.DataFrame) -> None:
    """The tolerance, and the slope of an uncorrelated field: SD falls with the root of the volume."""
    edge = rows["edge_mm"].to_numpy(float)
    tolerance = float(rows["tolerance"].iloc[0])
    axes.set(xscale="log", yscale="log")
    axes.axhline(tolerance, color=style.INK, linewidth=0.8, linestyle="--")
    spread = rows["spread"].to_numpy(float)
    known = np.maximum(spread[np.isfinite(spread)], LEAST_SPREAD)
    high, low = max([*known.tolist(), tolerance]) * 1.6, min([*known.tolist(), tolerance]) / 1.6
    line = np.array([edge.min(), edge.max()])
    axes.plot(line, high * (line / edge.min()) ** -1.5, color=style.INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))


def _edges(axes: Axes, edges: np.ndarray) -> None:
    """The windows' own edges as ticks, every second one where there are many."""
    sizes = np.unique(edges)
    shown = sizes[:: 1 + len(sizes) // 7]
    axes.xaxis.set_major_locator(FixedLocator(shown.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 2)))


def _handles(table: pd.DataFrame, classes: list[str]) -> list[Line2D]:
    names = dict(zip(table["key"], table["name"].astype(str), strict=True))
    return [
        Line2D(
            [],
            [],
            color=class_colour(key),
            marker=MARKERS[k],
            markersize=4,
            label=plain(f"{key} {names[key]}", LONGEST_CLASS),
        )
        for k, key in enumerate(classes)
    ]


def _kinds(table: pd.DataFrame) -> list[Line2D]:
    """What a filled mark, a hollow one and a ring say, of those that are drawn."""
    judged, drawn = _judged(table), table["spread"].notna()
    kinds = []
    if judged.any():
        kinds.append(_kind("filled: enough windows, judged"))
    if not judged.all():
        kinds.append(_kind("hollow: too few windows, not judged", markerfacecolor="white"))
    if (drawn & (table["edge_mm"] == table["representative_mm"])).any():
        kinds.append(_kind("black ring: representative from here on", **RING))
    return kinds


def _kind(label: str, **look: Any) -> Line2D:
    drawn: dict[str, Any] = {"color": style.INK, "markersize": MARK + 1} | look
    return Line2D([], [], linestyle="none", marker="o", label=label, **drawn)
