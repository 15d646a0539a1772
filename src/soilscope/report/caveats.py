"""What a study does not show, in words made from its own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from soilscope.figures.text import number
from soilscope.report.document import Caveat
from soilscope.report.results import StudyResults
from soilscope.report.words import and_list, ball_mm, count, with_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["beaten", "caveats", "not_learnt", "worse_than_mean"]

MANY_CORES = 30
"""Below this, the cores stand for themselves; the paper expects to need some 300."""


NOTHING = 0.975
"""A test RMSE above this share of the constant's explains less than a twentieth of the variance."""


def not_learnt(models: pd.DataFrame, results: StudyResults) -> list[str]:
    """Models whose test RMSE is not clearly below that of the constant (R² about 0.05): they have learnt nothing."""
    return [
        str(row["model"])
        for _, row in models.iterrows()
        if (constant := _constant(results, str(row["model"]))) is not None and not row["test_rmse"] < NOTHING * constant
    ]


def beaten(models: pd.DataFrame) -> list[str]:
    """Models whose test RMSE is not below that of the best baseline."""
    known = models["test_rmse"].notna() & models["baseline_rmse"].notna()
    return [str(m) for m in models.loc[known & ~(models["test_rmse"] < models["baseline_rmse"]), "model"]]


def worse_than_mean(predictions: pd.DataFrame | None) -> list[str]:
    """Models whose R² on their test slices is below 0: the test slices' own mean would have been closer."""
    if predictions is None or predictions.empty:
        return []
    test = predictions[predictions["part"] == "test"].dropna(subset=["true", "predicted"])
    found = []
    for model, rows in test.groupby("model", sort=False):
        true, guess = rows["true"].to_numpy(float), rows["predicted"].to_numpy(float)
        if np.ptp(true) > 0 and ((guess - true) ** 2).sum() > ((true - true.mean()) ** 2).sum():
            found.append(str(model))
    return found


def _constant(results: StudyResults, model: str) -> float | None:
    value = results.cards.get(model, {}).get("baselines", {}).get("constant")
    return None if value is None or not np.isfinite(value) else float(value)


def caveats(results: StudyResults) -> tuple[Caveat, ...]:
    """Everything a careful reader has to know before a number of this study is quoted, gravest for this study first."""
    made = [*_imaged(results), *_edges(results)]
    if results.models is not None and not results.models.empty:
        made += [*_rivals(results, results.models), *_leaks(results)]
    if results.matrix is not None and not results.matrix.empty:
        made += _optimism(results)
    if results.explanations:
        made.append(_not_a_cause())
    made += _few_cores(results)
    return tuple(made)


def _imaged(results: StudyResults) -> list[Caveat]:
    if not results.cores:
        return []
    spacings = dict.fromkeys(core.spacing_mm for core in results.cores)
    sizes = and_list(
        f"{' × '.join(f'{d:g}' for d in s)} mm ({with_unit(s[0] * s[1] * s[2], 'mm³', 3)})" for s in spacings
    )
    text = [
        f"A voxel is {sizes}; what is smaller is not seen, and partly filled voxels fall into one class or another."
    ]
    if under := results.settings.get("rule", {}).get("under"):
        balls = and_list(dict.fromkeys(f"{ball_mm(under, s):.2g} mm" for s in spacings))
        text.append(f"Clusters under {under} voxels, the volume of a ball {balls} across, were removed besides.")
    text.append(
        "Fractions and porosities are therefore imaged area and volume fractions of coarse structure, never total "
        "porosity: most pores of a soil are finer than this."
    )
    return [Caveat("Imaged fractions are not total porosity", " ".join(text))]


def _edges(results: StudyResults) -> list[Caveat]:
    relative = bool(results.settings.get("scheme", {}).get("relative"))
    grey = [core.name for core in results.cores if core.units == "grey"]
    text = [
        "Where the edges between classes lie moves every figure, often more than the choice of the metric does (Baveye et "
        "al. 2010); no error of segmentation is in any number here.",
        *_moved(results),
    ]
    if results.settings.get("labels"):
        text = ["The classes were made elsewhere: their errors are not known here, and are in every figure."]
    if relative:
        text.append(
            "This scheme's edges follow each core's own range of values, so a class is not the same material in two "
            "cores."
        )
    if grey:
        text.append(
            f"{and_list(grey)} {'holds' if len(grey) == 1 else 'hold'} grey values, not HU: edges do not carry over "
            "to another scan."
        )
    return [Caveat("Classes are ranges of values", " ".join(text))]


def _moved(results: StudyResults) -> list[str]:
    """The class fraction that moved edges carry farthest."""
    moved = results.sensitivity
    rows = None if moved is None else moved[(moved["metric"] == "fraction") & moved["low"].notna()]
    if rows is None or rows.empty:
        return []
    far = rows.iloc[int((rows["high"] - rows["low"]).to_numpy(float).argmax())]
    unit = "HU" if all(core.units == "HU" for core in results.cores) else "in the scan's values"
    value, low, high = (number(float(far[name])) for name in ("value", "low", "high"))
    return [
        f"Moving all edges together by ±{float(far['shift']):.4g} {unit} carries the fraction of {far['name']} in {far['core']} "
        f"from {value} to between {low} and {high}, the most of all (tables/sensitivity.csv); the profiles show it as bands."
    ]


def _rivals(results: StudyResults, models: pd.DataFrame) -> list[Caveat]:
    names = [str(m) for m in models["model"]]
    nothing, slower = not_learnt(models, results), beaten(models)
    below = worse_than_mean(results.predictions)
    made = []
    if nothing or below:
        text = (
            [f"Not or hardly better than a constant on their own test slices: {and_list(nothing)}."] if nothing else []
        )
        text += [f"R² below 0 on the test slices: {and_list(below)}."] if below else []
        text.append("Their predictions, maps and cells of the matrix say nothing about structure.")
        made.append(Caveat("Some models have learnt nothing", " ".join(text)))
    if slower:
        text = [
            f"{len(slower)} of {count(len(names), 'model')} do not beat the best baseline (constant, nearest "
            f"training slice, or a linear model of the grey histogram): {and_list(slower)}."
        ]
        verdict = "For these, what was learnt is no more than depth or the grey histogram gives."
        made.append(Caveat("A low error is not yet structure", " ".join([*text, verdict])))
    else:
        made.append(
            Caveat(
                "A low error is not yet structure",
                f"All {count(len(names), 'model')} beat the constant, the nearest slice and the grey histogram on "
                "their test slices. Whether they use structure at all would take pictures with shuffled pixels and "
                "cores they have never seen.",
            )
        )
    return made


def _leaks(results: StudyResults) -> list[Caveat]:
    leaky = [name for name, card in results.cards.items() if card.get("split", {}).get("kind") == "random"]
    if not leaky:
        return []
    steps = dict.fromkeys(f"{core.spacing_mm[0]:g}" for core in results.cores)
    apart = f" {and_list(steps)} mm apart and" if steps else ""
    return [
        Caveat(
            "Test slices have neighbours among the training slices",
            f"{count(len(leaky), 'model')} of {len(results.cards)} were tested on slices chosen at random. "
            f"Neighbouring slices are{apart} almost alike, so these test errors tell how well a model fills in "
            "between slices it knows, not how it fares on another depth or core (Roberts et al. 2017).",
        )
    ]


def _optimism(results: StudyResults) -> list[Caveat]:
    matrix = results.matrix
    assert matrix is not None
    seen = int(matrix["in_sample"].astype(bool).sum())
    text = [
        f"{seen} of {count(len(matrix), 'cell')} of the matrix belong to cores the model was trained on (framed); "
        "they are in-sample and say nothing about other soils."
    ]
    if results.cover is not None and not results.cover.empty:
        text.append(
            "The chosen models were selected on the very matrix that is reported, so the number of cores they cover "
            "is optimistic."
        )
    return [Caveat("The matrix is partly in-sample, and the selection is optimistic", " ".join(text))]


def _not_a_cause() -> Caveat:
    return Caveat(
        "A heat map is not a cause",
        "Grad-CAM shows where a layer's answer and the prediction's gradient meet, not why the soil is as it is. "
        "Maps of deep layers are coarse, maps of different layers have different scales, and even untrained "
        "networks can give plausible maps (Adebayo et al. 2018).",
    )


def _few_cores(results: StudyResults) -> list[Caveat]:
    n = len(results.cores)
    if n >= MANY_CORES:
        return []
    one = "One core stands" if n == 1 else f"{n} cores stand"
    return [
        Caveat(
            "Few cores",
            f"{one} for {'itself' if n == 1 else 'themselves'}: no statement about a soil type, a site or a "
            "treatment follows without replicates.",
        )
    ]
