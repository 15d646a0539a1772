"""Figures as pictures of the report; matplotlib is loaded only when one is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from soilscope.report.document import Outlier, Picture
from soilscope.report.words import unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from soilscope.figures.training import Curve

__all__ = ["as_picture", "comparison_picture", "matrix_picture", "predicted_pictures", "training_pictures"]


def as_picture(figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as an SVG picture."""
    from soilscope.figures.style import as_svg

    return Picture(as_svg(figure), alt, caption)


def matrix_picture(cells: pd.DataFrame, limit: float | None, unit: str, title: str) -> Picture:
    """The heat map of one target."""
    from soilscope.figures.matrix import matrix

    shown = unit_of(unit)
    figure = matrix(cells, limit, shown or "1")
    models, cores = cells["model"].nunique(), cells["core"].nunique()
    return as_picture(
        figure,
        f"Heat map of the RMSE of {models} models on {cores} cores; the numbers are in the table below it.",
        f"RMSE of {title}, every model (row) on every core (column){', in ' + shown if shown else ''}. Framed cells "
        "are in-sample: the model was trained on that core.",
    )


def training_pictures(cards: Mapping[str, Mapping[str, Any]]) -> tuple[Picture, ...]:
    """Training curves, twelve models a picture; models without a history are left out."""
    from soilscope.figures.training import MOST, training

    curves = [_curve(name, card) for name, card in cards.items() if card.get("history")]
    return tuple(
        as_picture(
            training(some),
            f"Training curves of {len(some)} models: RMSE by epoch.",
            "RMSE of the training slices, averaged over each epoch while the model changes. The diamond is the "
            "finished model on the test slices: below the dashed line it is better than the training slices' mean, "
            "below the dotted one better than the best of the three baselines.",
        )
        for some in _portions(curves, MOST)
    )


def predicted_pictures(predictions: pd.DataFrame, cards: Mapping[str, Mapping[str, Any]]) -> tuple[Picture, ...]:
    """Predicted against true, six models a picture."""
    from soilscope.figures.predicted import MOST, predicted

    models = list(dict.fromkeys(predictions["model"].astype(str)))
    rivals = {name: dict(card.get("baselines", {})) for name, card in cards.items()}
    units = {name: unit_of(str(card.get("unit", "1"))) or "1" for name, card in cards.items()}
    return tuple(
        as_picture(
            predicted(predictions[predictions["model"].astype(str).isin(some)], rivals, units),
            f"Predicted against true values of {len(some)} models, slice by slice.",
            "Predicted against true, one point a slice, on the cores each model was trained on. Test RMSE and R² "
            "are those of the model; the lines below are the baselines' RMSE on the same test slices.",
        )
        for some in _portions(models, MOST)
    )


def comparison_picture(
    fractions: pd.DataFrame, scores: pd.DataFrame | None, limit: float, found: Sequence[Outlier] = ()
) -> Picture:
    """The cores side by side; ``found`` are those that stand out in any metric, drawn here or not."""
    from soilscope.figures.comparison import comparison

    caption = "Volume fractions of the classes in every core, before small clusters are removed."
    if scores is not None:
        caption += f" Right: robust z of the metrics (number = class); framed where |z| > {limit:g}."
        caption += " A core that stands out in any metric has its name framed." if found else ""
        caption += " A difference that moved edges make too, or under 1 % of the median, is not framed."
    return as_picture(
        comparison(fractions, scores, limit, {o.core for o in found}, {(o.core, o.metric) for o in found}),
        f"Class fractions of {fractions['core'].nunique()} cores, stacked.",
        caption,
    )


def _curve(name: str, card: Mapping[str, Any]) -> Curve:
    """A card's history as RMSE: the loss is the mean squared error of the standardised target."""
    from soilscope.figures.training import Curve

    sd = float(card.get("target_sd", 1.0))
    history: Sequence[Mapping[str, float]] = card["history"]
    rivals = [float(v) for v in dict(card.get("baselines", {})).values() if v is not None]
    return Curve(
        name,
        unit_of(str(card.get("unit", "1"))) or "1",
        [sd * math.sqrt(entry["loss"]) for entry in history],
        [sd * math.sqrt(entry["validation"]) for entry in history if "validation" in entry],
        card.get("test_rmse"),
        card.get("baselines", {}).get("constant"),
        min(rivals, default=None),
    )


def _portions(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[k : k + size]) for k in range(0, len(items), size)]
