"""Predicted against true, slice by slice, with the rivals' errors beside the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import TEST, TRAIN
from soilscope.figures.text import number, wrapped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST", "predicted", "score"]

MOST = 6
"""Models in one figure: two rows, which a printed page shows at nearly their size."""
COLUMNS = 3
WORDS_POINTS = 36
"""Between a panel and its title: room for three lines of figures."""
_WORDS = {"nearest_slice": "nearest slice", "histogram": "histogram", "constant": "constant"}


def score(true: np.ndarray, guess: np.ndarray) -> tuple[float, float]:
    """RMSE and R² (1 - residual / total sum of squares) over finite pairs; NaN where there is nothing to say.

    Examples
    --------
    >>> score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    (0.0, 1.0)
    """
    both = np.isfinite(true) & np.isfinite(guess)
    true, guess = true[both], guess[both]
    if true.size == 0:
        return float("nan"), float("nan")
    residual = float(((guess - true) ** 2).sum())
    total = float(((true - true.mean()) ** 2).sum())
    return float(np.sqrt(residual / true.size)), 1.0 - residual / total if total > 0 else float("nan")


@style.styled
def predicted(
    predictions: pd.DataFrame, baselines: Mapping[str, Mapping[str, float]], units: Mapping[str, str]
) -> Figure:
    """One panel a model, at most six: training slices in grey, test slices in blue, and the 1:1 line.

    Parameters
    ----------
    predictions : DataFrame
        model, true, predicted, part ("train" | "test" | "other", which is drawn like "test" but hollow).
    baselines : mapping
        Model -> {"constant", "nearest_slice", "histogram"} -> test RMSE.
    units : mapping
        Model -> unit of its target, "1" for none.

    Raises
    ------
    UsageError
        Code ``no-rows``: no model, or more than six.
    """
    models = list(dict.fromkeys(predictions["model"].astype(str)))
    if not 0 < len(models) <= MOST:
        raise UsageError("no-rows", f"a figure of predictions shows 1 to {MOST} models, not {len(models)}.")
    columns = min(COLUMNS, len(models))
    rows = -(-len(models) // columns)
    made = style.figure(0.4 + 2.7 * rows)
    for k, model in enumerate(models):
        axes = made.add_subplot(rows, columns, k + 1)
        unit = units.get(model, "1")
        _panel(axes, predictions[predictions["model"].astype(str) == model], baselines.get(model, {}))
        axes.set_title(wrapped(model, 32), fontsize=8, pad=WORDS_POINTS)
        axes.set_xlabel("true" if unit == "1" else f"true ({unit})")
        axes.set_ylabel("predicted" if unit == "1" else f"predicted ({unit})")
    handles = {h.get_label(): h for axes in made.axes for h in axes.lines}
    made.legend(handles=list(handles.values()), loc="outside lower center", ncols=4)
    return made


def _panel(axes: Axes, rows: pd.DataFrame, rivals: Mapping[str, float]) -> None:
    ends = _ends(rows[["true", "predicted"]].to_numpy(float))
    axes.plot(ends, ends, color=style.INK, linewidth=0.8, label="1:1")
    for part, mark, face, label in (
        ("train", TRAIN, "none", "training slices"),
        ("test", TEST, TEST, "test slices"),
        ("other", TEST, "none", "slices in neither part"),
    ):
        some = rows[rows["part"] == part]
        if len(some):
            axes.plot(
                some["true"], some["predicted"], linestyle="none", marker="o", markersize=3.2, markeredgewidth=0.7,
                markeredgecolor=mark, markerfacecolor=face, label=label,
            )  # fmt: skip
    axes.set(xlim=ends, ylim=ends)
    axes.set_box_aspect(1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.text(0.5, 1.03, _words(rows, rivals), transform=axes.transAxes, ha="center", va="bottom", fontsize=7)


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    span = (high - low) or 1.0
    return low - 0.05 * span, high + 0.05 * span


def _words(rows: pd.DataFrame, rivals: Mapping[str, float]) -> str:
    test = rows[rows["part"] == "test"]
    rmse, r2 = score(test["true"].to_numpy(float), test["predicted"].to_numpy(float))
    lines = [f"test RMSE {number(rmse)}, R² {r2:.2f}".replace("-", "−") if np.isfinite(rmse) else "no test slices"]
    said = [
        f"{_WORDS.get(name, name)} {number(value)}"
        for name, value in rivals.items()
        if value is not None and np.isfinite(value)
    ]
    return "\n".join([*lines, *(", ".join(said[k : k + 2]) for k in range(0, len(said), 2))])
