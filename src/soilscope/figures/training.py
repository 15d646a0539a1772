"""Training curves: the error on training and test slices, epoch by epoch, against the best constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import ASIDE, FIT, TEST, TRAIN
from soilscope.figures.text import wrapped

__all__ = ["MOST", "Curve", "training"]

MOST = 12
"""Models in one figure."""
COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Curve:
    """One model's training.

    Parameters
    ----------
    model, unit : str
        The model's name, and its target's unit ("1" for none).
    train, validation : sequence of float
        RMSE of each epoch, in the target's unit, on training slices and on those set aside; the latter may be empty.
    test : float or None
        RMSE of the finished model on the test slices.
    constant, best : float or None
        RMSE of the training mean and of the best baseline on the same test slices.
    """

    model: str
    unit: str
    train: Sequence[float]
    validation: Sequence[float] = ()
    test: float | None = None
    constant: float | None = None
    best: float | None = None


@style.styled
def training(curves: Sequence[Curve]) -> Figure:
    """Small multiples, one a model, at most twelve: RMSE (logarithmic) over epochs.

    Raises
    ------
    UsageError
        Code ``no-rows``: no curve, or more than twelve.
    """
    if not 0 < len(curves) <= MOST:
        raise UsageError("no-rows", f"a figure of training curves shows 1 to {MOST} models, not {len(curves)}.")
    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    made = style.figure(0.5 + 1.75 * rows)
    for k, curve in enumerate(curves):
        axes = made.add_subplot(rows, columns, k + 1)
        _curve(axes, curve)
        if k % columns == 0 or curve.unit != curves[k - 1].unit:
            axes.set_ylabel(_label(curve.unit))
        if k + columns >= len(curves):
            axes.set_xlabel("epoch")
    handles = {h.get_label(): h for axes in made.axes for h in axes.lines}
    made.legend(handles=list(handles.values()), loc="outside lower center", ncols=3)
    return made


def _label(unit: str) -> str:
    return "RMSE" if unit == "1" else f"RMSE ({unit})"


def _curve(axes: Axes, curve: Curve) -> None:
    axes.set_title(wrapped(curve.model, 24), fontsize=8)
    for values, colour, label in (
        (curve.train, TRAIN, "training slices"),
        (curve.validation, ASIDE, "slices set aside"),
    ):
        if len(values):
            epochs = np.arange(1, len(values) + 1)
            axes.plot(
                epochs, values, color=colour, label=label, marker="o" if len(values) < 12 else None, markersize=2.5
            )
    if curve.test is not None and np.isfinite(curve.test):
        # Not clipped: the last epoch lies at the border of the axes, and half the diamond beyond it.
        axes.plot(
            len(curve.train),
            curve.test,
            "D",
            color=TEST,
            markersize=5,
            clip_on=False,
            label="finished model, test slices",
        )
    for value, colour, line, label in (
        (curve.constant, style.INK, "--", "constant, test slices"),
        (curve.best, FIT, ":", "best baseline, test slices"),
    ):
        if value is not None and np.isfinite(value):
            axes.axhline(value, color=colour, linestyle=line, label=label)
    everything = np.array([*curve.train, *curve.validation], float)
    if (everything > 0).any():
        axes.set_yscale("log")
        few = np.ptp(np.log10(everything[everything > 0])) > 1.2
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if few else (1, 2, 5), numticks=8))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.5, len(curve.train) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
