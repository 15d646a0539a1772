"""Cores side by side: how classes share them, and where one stands out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import class_patches, legend_columns
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["comparison"]

CLIP = 6.0
"""Robust z beyond this is coloured alike."""
TALLEST = 9.0
FRAME_ROOM = 8.0
"""Points between the cores' names and the axis label where a name is framed."""


@style.styled
def comparison(
    fractions: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    limit: float = 3.5,
    marked: Collection[str] = (),
    framed: Collection[tuple[str, str]] | None = None,
) -> Figure:
    """Stacked class fractions of every core, and robust z of its metrics beside them.

    Parameters
    ----------
    fractions : DataFrame
        core, class, name, fraction: one row a core and class.
    scores : DataFrame, optional
        Robust z, index core, one column a metric (at most some twelve, to stay readable); None where cores are too few to judge.
    limit : float
        ``|z|`` above this is framed, and so is the name of its core.
    marked : collection of str
        Further cores that stand out, in a metric that is not among the columns.
    framed : collection of (core, metric), optional
        Only these are framed, with their cores: others beyond the limit differ by a trifle. None frames all beyond it.

    Raises
    ------
    UsageError
        Code ``no-rows``: the table is empty.
    """
    if fractions.empty:
        raise UsageError("no-rows", "a comparison needs the fractions of at least one core; there are none.")
    cores = list(dict.fromkeys(fractions["core"].astype(str)))
    size = 8 if len(cores) <= 26 else 200 / len(cores)
    wanted = 1.5 + 0.27 * len(cores) + (0.9 if scores is not None else 0.0)
    made = style.figure(min(TALLEST, max(2.0, wanted)))
    two = scores is not None
    columns = made.add_gridspec(1, 2 if two else 1, width_ratios=[1, 1.25] if two else [1])
    bars = made.add_subplot(columns[0, 0])
    names = _bars(bars, fractions, cores)
    bars.set_yticks(range(len(cores)), [plain(core, 24) for core in cores], fontsize=size)
    far = _far(scores, limit, framed)
    _mark(bars, cores, {*marked, *(core for core, _ in far)})
    if scores is not None:
        _scores(made, made.add_subplot(columns[0, 1]), scores.reindex(cores), far)
    handles = class_patches(names, outside=False)
    if scores is not None:
        handles.append(Patch(facecolor="white", edgecolor="black", linewidth=1.6, label=f"stands out: |z| > {limit:g}"))
    made.legend(handles=handles, loc="outside lower center", ncols=legend_columns(handles))
    return made


def _bars(axes: Axes, fractions: pd.DataFrame, cores: list[str]) -> dict[int, str]:
    table = fractions.assign(core=fractions["core"].astype(str), key=fractions["class"].astype(str))
    names: dict[int, str] = {}
    base = np.zeros(len(cores))
    for key, rows in table[~table["key"].str.contains("+", regex=False)].groupby("key", sort=False):
        names[int(str(key))] = str(rows["name"].iloc[0])
        width = rows.groupby("core")["fraction"].first().reindex(cores).fillna(0.0).to_numpy(float)
        axes.barh(range(len(cores)), width, left=base, height=0.75, color=class_colour(str(key)))
        base = base + width
    axes.set(xlim=(0, 1), ylim=(len(cores) - 0.5, -0.5), xlabel="volume fraction", ylabel="core")
    axes.tick_params(axis="y", length=0)
    return names


def _far(scores: pd.DataFrame | None, limit: float, framed: Collection[tuple[str, str]] | None) -> set[tuple[str, str]]:
    """(core, metric) of every robust z beyond the limit that is no trifle."""
    if scores is None:
        return set()
    names = [(str(core), str(metric)) for core in scores.index for metric in scores.columns]
    beyond = (scores.abs().to_numpy(float) > limit).ravel()
    far = {name for name, is_far in zip(names, beyond, strict=True) if is_far}
    return far if framed is None else far & set(framed)


def _mark(axes: Axes, cores: list[str], marked: Collection[str]) -> None:
    if marked:
        axes.yaxis.labelpad = FRAME_ROOM
    for core, label in zip(cores, axes.get_yticklabels(), strict=True):
        if core in marked:
            label.set_fontweight("bold")
            label.set_bbox({"facecolor": "white", "edgecolor": "black", "linewidth": 1.6, "pad": 1.5})


def _scores(made: Figure, axes: Axes, scores: pd.DataFrame, far: set[tuple[str, str]]) -> None:
    values = scores.to_numpy(float)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap="RdBu_r", norm=Normalize(-CLIP, CLIP), aspect="auto", interpolation="nearest"
    )
    axes.set_facecolor(style.OUTSIDE)
    for row, column in np.ndindex(values.shape):
        if (str(scores.index[row]), str(scores.columns[column])) in far:
            axes.add_patch(
                Rectangle((column - 0.45, row - 0.43), 0.9, 0.86, fill=False, edgecolor="black", linewidth=1.6)
            )
    axes.set_xticks(range(values.shape[1]), [plain(name, 24) for name in scores.columns], rotation=60, ha="right")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    made.colorbar(image, ax=axes, extend="both", pad=0.02, fraction=0.06, label="robust z")
