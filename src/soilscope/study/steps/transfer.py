"""Transfer: a trained model's convolutions, a new target, a new head; and the table of all models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from soilscope import learn
from soilscope.errors import LearningStopped
from soilscope.files import write_table
from soilscope.study.layout import Layout
from soilscope.study.models import ModelPlan
from soilscope.study.plan import Plan
from soilscope.study.steps.data import head_schedule, slices_of, training_options
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.train import NOTHING_TO_LEARN, epoch_sender

__all__ = ["MODEL_COLUMNS", "made", "model_card", "models_table", "transfer_model"]

MODEL_COLUMNS = ["model", "core", "target", "kind", "split", "train_rmse", "test_rmse", "baseline_rmse"]
MODEL_COLUMNS += ["train_slices", "test_slices"]


def transfer_model(study: Path, plan: Plan, model: ModelPlan, send: Callable[[Any], None]) -> str | None:
    """Give a donor's convolutions a new target."""
    folder = study / Layout.model(str(model.donor))
    if not folder.exists():
        return f"its donor {model.donor} was not trained"
    data = slices_of(study, plan, model.core, model.target)
    try:
        moved = learn.transfer(
            learn.load(folder),
            data,
            fine_tune=model.target.fine_tune,
            schedule=head_schedule(plan),
            progress=epoch_sender(send, model.name),
            **training_options(plan),
        )
    except LearningStopped as stopped:
        if stopped.code in NOTHING_TO_LEARN:
            return stopped.text
        raise
    moved.save(study / Layout.model(model.name))
    return None


def made(gathered: Gathered, chosen: list[ModelPlan]) -> list[ModelPlan]:
    """The models there are: neither failed nor declined."""
    return [m for m in chosen if m.key in gathered.held and m.key not in gathered.declined]


def model_card(study: Path, name: str) -> dict[str, Any]:
    """The content of a model's ``model.json``."""
    card: dict[str, Any] = json.loads((study / Layout.model(name) / "model.json").read_text(encoding="utf-8"))
    return card


def models_table(study: Path, _plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Write ``tables/models.csv``."""
    send(("progress", 0, 1, "table of models"))
    rows = []
    for model in made(gathered, gathered.subject):
        card = model_card(study, model.name)
        known = [value for value in card["baselines"].values() if value is not None]
        rows.append(
            {
                "model": model.name,
                "core": model.core,
                "target": card["target"],
                "kind": card["kind"],
                "split": card["split"]["kind"],
                "train_rmse": card["train_rmse"],
                "test_rmse": card["test_rmse"],
                "baseline_rmse": min(known),
                "train_slices": len(card["split"]["train"]),
                "test_slices": len(card["split"]["test"]),
            }
        )
    write_table(study / Layout.models, pd.DataFrame(rows, columns=MODEL_COLUMNS))
