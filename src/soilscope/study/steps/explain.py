"""Explain: Grad-CAM of the model chosen first for a target, on its own core and on one it has never seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soilscope import explain, learn
from soilscope.errors import LearningStopped
from soilscope.files import publish
from soilscope.study.layout import Layout
from soilscope.study.models import ModelPlan, models, targets
from soilscope.study.plan import Plan
from soilscope.study.steps.data import slices_of
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.transfer import made

__all__ = ["chosen_model", "explain_target"]


def chosen_model(study: Path, plan: Plan, gathered: Gathered, target: str) -> ModelPlan | None:
    """The first model of the target's cover; where nothing is covered, the one with the least mean error on other cores."""
    there = {model.name: model for model in made(gathered, models(plan))}
    cover = pd.read_csv(study / Layout.cover, dtype={"model": str})
    first = cover[(cover["target"] == target) & (cover["order"] == 1)]["model"].tolist()
    if first:
        return there[first[0]]
    matrix = pd.read_csv(study / Layout.matrix, dtype={"model": str})
    rows = matrix[matrix["target"] == target].dropna(subset=["rmse"])
    if rows.empty:
        return None
    return there[str(rows.groupby("model")["rmse"].mean().idxmin())]


def explain_target(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
    """Write the heat maps of one target: grey slices, maps (n, layers, y, x), and what each belongs to."""
    target: str = gathered.subject
    model = chosen_model(study, plan, gathered, target)
    if model is None:
        return f"no model of {target} was trained"
    loaded = learn.load(study / Layout.model(model.name))
    shown: dict[str, list[Any]] = {"image": [], "maps": [], "core": [], "depth_mm": [], "pixel_mm": []}
    shown["corner_mm"] = []
    for core in _cores(gathered.cores(plan), model):
        data = slices_of(study, plan, core, targets(plan)[target])
        grey = slices_of(study, plan, core, targets(plan)[target], channels="grey")
        for index in _spread(len(data.targets), plan.explain.slices):
            send(("progress", len(shown["core"]), 2 * plan.explain.slices, f"heat maps of {model.name}"))
            shown["image"].append(grey.images[index, 0])
            shown["pixel_mm"].append(data.source["pixel_mm"])
            shown["corner_mm"].append(data.source["corner_mm"])
            shown["maps"].append([_map(loaded, data.images[index], layer, plan) for layer in plan.explain.layers])
            shown["core"].append(core)
            shown["depth_mm"].append(float(data.depth_mm[index]))
    _write(study / Layout.part("explain", f"{target}.npz"), model, plan, shown)
    return None


def _map(loaded: learn.Model, image: Any, layer: str, plan: Plan) -> Any:
    """A heat map; all NaN where the gradient is zero everywhere, which is no explanation and not an even map."""
    try:
        return explain.grad_cam(loaded, image, layer=layer, sign=plan.explain.sign)
    except LearningStopped as stopped:
        if stopped.code != "no-explanation":
            raise
        return np.full(image.shape[1:], np.nan, np.float32)


def _cores(there: list[str], model: ModelPlan) -> list[str]:
    """The model's own core, and the first other one."""
    return [model.core, *[core for core in there if core != model.core][:1]]


def _spread(count: int, wanted: int) -> list[int]:
    """Slices evenly spread over depth."""
    return [int((k + 0.5) * count / wanted) for k in range(min(wanted, count))]


def _write(path: Path, model: ModelPlan, plan: Plan, shown: dict[str, list[Any]]) -> None:
    with publish(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(
            stream,
            model=np.array(model.name),
            layers=np.array(plan.explain.layers),
            image=np.stack(shown["image"]).astype(np.float32),
            maps=np.array(shown["maps"], dtype=np.float32),
            core=np.array(shown["core"]),
            depth_mm=np.array(shown["depth_mm"]),
            pixel_mm=np.array(shown["pixel_mm"]),
            corner_mm=np.array(shown["corner_mm"]),
        )
