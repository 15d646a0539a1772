"""The matrix of errors: every model on every core, for one target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.text import number, plain, wrapped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["matrix"]

MOST_NUMBERS = 12
"""Cores up to which a cell is wide enough for its number."""
LOG_RATIO = 3.0
"""From this ratio of largest to smallest error on, colours follow the logarithm."""
ALIKE = 2.0
"""Where all errors are alike the scale ends at so many times their size: none of them is a bad one."""
TALLEST = 9.0
ROOMY = 24
"""Models up to which a row is high enough for a name on two lines."""


@style.styled
def matrix(cells: pd.DataFrame, limit: float | None = None, unit: str = "1") -> Figure:
    """Heat map of RMSE, model by core.

    Parameters
    ----------
    cells : DataFrame
        One target's rows of the matrix table: model, core, rmse, in_sample.
    limit : float, optional
        The selection's limit, in the target's unit: cells below it are in bold (or, in a large matrix, dotted), and it is drawn
        on the colour scale.
    unit : str
        The target's unit, ``"1"`` for none.

    Raises
    ------
    UsageError
        Code ``no-rows``: the table is empty.
    """
    if cells.empty:
        raise UsageError("no-rows", "a matrix needs the rows of one target in the matrix table; there are none.")
    models = list(dict.fromkeys(cells["model"].astype(str)))
    cores = list(dict.fromkeys(cells["core"].astype(str)))
    rmse = _square(cells, models, cores, "rmse")
    seen = _square(cells.assign(in_sample=cells["in_sample"].astype(float)), models, cores, "in_sample") > 0
    made = style.figure(min(TALLEST, 1.7 + 0.3 * len(models)))
    axes = made.add_subplot()
    image = axes.imshow(
        np.ma.masked_invalid(rmse), cmap="YlGnBu", norm=_norm(rmse, limit), aspect="auto", interpolation="nearest"
    )
    axes.set_facecolor(style.OUTSIDE)
    _names(axes, models, cores)
    _mark(axes, image, rmse, seen, limit)
    bar = made.colorbar(image, ax=axes, pad=0.015, fraction=0.06, label="RMSE" if unit == "1" else f"RMSE ({unit})")
    if isinstance(image.norm, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}"))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    handles = [Patch(facecolor="white", edgecolor="black", linewidth=1.6, label="the model was trained on this core")]
    if limit is not None:
        handles.append(_limit(bar.ax, image.get_clim(), limit, "bold" if len(cores) <= MOST_NUMBERS else "dot"))
    made.legend(handles=handles, loc="outside lower center", ncols=2)
    return made


def _square(cells: pd.DataFrame, models: list[str], cores: list[str], column: str) -> np.ndarray:
    table = cells.assign(model=cells["model"].astype(str), core=cells["core"].astype(str))
    wide = table.pivot_table(index="model", columns="core", values=column, aggfunc="first", dropna=False)
    return wide.reindex(index=models, columns=cores).to_numpy(float)


def _norm(rmse: np.ndarray, limit: float | None) -> Normalize:
    """Colours from 0 on, so that a dark cell is a bad one; the scale reaches the limit where that leaves it readable."""
    finite = rmse[np.isfinite(rmse)]
    if finite.size == 0:
        return Normalize(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high / low >= LOG_RATIO:
        return LogNorm(low, high)
    if limit is not None and high < limit <= high * LOG_RATIO:
        return Normalize(0.0, limit)
    return Normalize(0.0, (ALIKE * high if high == low else high) or 1.0)


def _limit(bar: Axes, scale: tuple[float | None, float | None], limit: float, below: str) -> Patch:
    """The limit's line on the colour scale, and its entry in the legend; without a colour where it is off the scale."""
    low, high = scale
    if low is not None and high is not None and low <= limit <= high:
        bar.axhline(limit, color="#cc0077", linewidth=2, clip_on=False)
        return Patch(facecolor="#cc0077", label=f"limit {limit:g}; {below}: RMSE below it")
    return Patch(facecolor="none", edgecolor="none", label=f"{below}: RMSE below {limit:g}, a limit off the scale")


def _names(axes: Axes, models: list[str], cores: list[str]) -> None:
    short = [plain(core, 18) for core in cores]
    turned = len(cores) * max(map(len, short)) > 60
    axes.set_xticks(range(len(cores)), short, rotation=60 if turned else 0, ha="right" if turned else "center")
    size = 7.5 if len(models) <= 26 else 200 / len(models)
    label = (lambda name: wrapped(name, 26)) if len(models) <= ROOMY else plain
    axes.set_yticks(range(len(models)), [label(model) for model in models], fontsize=size)
    axes.tick_params(length=0)
    axes.set(xlabel="core", ylabel="model")
    axes.spines[:].set_visible(False)


def _mark(axes: Axes, image: AxesImage, rmse: np.ndarray, seen: np.ndarray, limit: float | None) -> None:
    """Numbers or dots in the cells, and a frame round those whose core the model has seen."""
    numbers = rmse.shape[1] <= MOST_NUMBERS
    for (row, column), value in np.ndenumerate(rmse):
        if seen[row, column]:
            axes.add_patch(
                Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=1.6)
            )
        dark = np.isfinite(value) and sum(image.cmap(image.norm(value))[:3]) < 1.5
        colour = "white" if dark else "black"
        covered = limit is not None and np.isfinite(value) and value < limit
        if numbers:
            axes.text(
                column,
                row,
                number(value),
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
                fontweight="bold" if covered else "normal",
            )
        elif covered:
            axes.plot(column, row, marker="o", markersize=2.5, color=colour)
