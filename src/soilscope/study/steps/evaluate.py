"""Evaluate: every model on every core, and the models that cover most cores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soilscope import evaluate, learn
from soilscope.files import digest_bytes, write_json, write_table
from soilscope.study.layout import Layout
from soilscope.study.models import ModelPlan
from soilscope.study.plan import Plan
from soilscope.study.steps.data import slices_of
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.transfer import made

__all__ = ["PREDICTION_COLUMNS", "evaluate_model", "join_matrix", "predictions"]

MATRIX_COLUMNS = ["model", "core", "target", "rmse", "in_sample"]
COVER_COLUMNS = ["target", "order", "model", "covered", "cores"]
PREDICTION_COLUMNS = ["model", "core", "target", "slice", "depth_mm", "true", "predicted", "part"]


def evaluate_model(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> str | None:
    """One row of the matrix, and the model's predictions on its own core."""
    model: ModelPlan = gathered.subject
    if model.key in gathered.declined:
        return f"{model.name} was not trained"
    loaded = learn.load(study / Layout.model(model.name))
    data, cores = {}, gathered.cores(plan)
    for done, core in enumerate(cores):
        send(("progress", done, len(cores), f"{model.name} on {core}"))
        data[core] = slices_of(study, plan, core, model.target)
    row = evaluate.cross({model.name: loaded}, data)
    row["in_sample"] |= row["core"].isin(_known(data, {str(core) for core in loaded.card["cores"]}))
    own = _own_predictions(loaded, data[model.core], model)
    write_json(
        study / Layout.part("evaluate", f"{model.name}.json"),
        {"matrix": _records(row[MATRIX_COLUMNS]), "predictions": _records(own)},
    )
    return None


def _known(data: Mapping[str, learn.Slices], trained: Set[str]) -> list[str]:
    """Cores most of whose slices are, byte for byte, those of one the model was trained on: a scan under two names is not unseen.

    Slices that are flat in every channel are no copies of one another, and a few others (air that the scanner clipped) may be
    alike in unlike cores.
    """
    prints = {
        core: [digest_bytes(image.tobytes()) for image in slices.images if np.ptp(image, axis=(1, 2)).any()]
        for core, slices in data.items()
    }
    seen = {one for core in trained for one in prints.get(core, [])}
    return [core for core, own in prints.items() if sum(one in seen for one in own) > len(own) / 2]


def _own_predictions(loaded: learn.Model, data: learn.Slices, model: ModelPlan) -> pd.DataFrame:
    split = loaded.card["split"]
    part = {int(i): name for name in ("train", "test") for i in split[name]}
    numbers = [int(i) for i in data.index]
    return pd.DataFrame(
        {
            "model": model.name,
            "core": model.core,
            "target": data.target,
            "slice": numbers,
            "depth_mm": data.depth_mm,
            "true": data.targets.astype(float),
            "predicted": loaded.predict(data.images),
            "part": [part.get(i, "other") for i in numbers],
        }
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; NaN, which JSON has no word for, becomes null."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()} for row in rows]


def _parts(study: Path, gathered: Gathered, chosen: list[ModelPlan], kind: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for model in made(gathered, chosen):
        if f"evaluate:{model.name}" not in gathered.held:
            continue
        content = json.loads((study / Layout.part("evaluate", f"{model.name}.json")).read_text(encoding="utf-8"))
        rows += content[kind]
    return rows


def predictions(study: Path, gathered: Gathered, chosen: list[ModelPlan]) -> pd.DataFrame:
    """Each model's predictions on its own core."""
    return pd.DataFrame(_parts(study, gathered, chosen, "predictions"), columns=PREDICTION_COLUMNS)


def join_matrix(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Write ``tables/matrix.csv`` and ``tables/cover.csv``."""
    send(("progress", 0, 1, "matrix and cover"))
    matrix = pd.DataFrame(_parts(study, gathered, gathered.subject, "matrix"), columns=MATRIX_COLUMNS)
    matrix["rmse"] = matrix["rmse"].astype(float)
    write_table(study / Layout.matrix, matrix)
    cover = evaluate.greedy_cover(matrix, limit=plan.evaluate.limit)
    write_table(study / Layout.cover, cover.reindex(columns=COVER_COLUMNS))
