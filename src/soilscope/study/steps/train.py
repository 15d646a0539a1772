"""Train: one core's slices and targets -> a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from soilscope import files, learn
from soilscope.errors import LearningStopped
from soilscope.study.layout import Layout
from soilscope.study.models import ModelPlan
from soilscope.study.plan import Plan
from soilscope.study.steps.data import schedule, slices_of, training_options

__all__ = ["NOTHING_TO_LEARN", "epoch_sender", "train_model"]

NOTHING_TO_LEARN = frozenset({"constant-target", "too-few-slices"})
"""A target without variation, or too few slices to hold some back, is a fact about the core and no failure of the run."""


def train_model(study: Path, plan: Plan, model: ModelPlan, send: Callable[[Any], None]) -> str | None:
    """Train one model from random weights; a killed training goes on from its last epoch."""
    checkpoint = Layout.checkpoint(study, model.name)
    data = slices_of(study, plan, model.core, model.target)
    try:
        trained = learn.train(
            data,
            network=plan.learn.network,
            width=plan.learn.width,
            head=plan.learn.head,
            schedule=schedule(plan),
            checkpoint=checkpoint,
            progress=epoch_sender(send, model.name),
            **training_options(plan),
        )
    except LearningStopped as stopped:
        if stopped.code in NOTHING_TO_LEARN:
            return stopped.text
        raise
    trained.save(study / Layout.model(model.name))
    files.remove(checkpoint)
    return None


def epoch_sender(send: Callable[[Any], None], name: str) -> Callable[[int, int, float], None]:
    """Progress of a training as the study's messages."""

    def tell(epoch: int, epochs: int, loss: float) -> None:
        send(("progress", epoch, epochs, f"{name}, loss {loss:.3g}"))

    return tell
