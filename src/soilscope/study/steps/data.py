"""What models learn from: a core's slices as images, and the target of each from the structure tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope import learn
from soilscope.structure.metric import metrics_named
from soilscope.study.plan import Plan, TargetPlan
from soilscope.study.steps.measure import rule, slice_table
from soilscope.study.steps.opened import open_core

__all__ = ["head_schedule", "schedule", "slices_of", "training_options"]


def slices_of(study: Path, plan: Plan, core: str, target: TargetPlan, channels: str | None = None) -> learn.Slices:
    """Images and targets of one core; the targets are the figures of its structure table."""
    opened = open_core(study, plan, core)
    classes: dict[str, Any] = {"scheme": opened.scheme} if opened.scheme else {"labels": opened.labels}
    return learn.slices(
        opened.volume,
        target=target.target,
        of=target.of,
        channels=channels or plan.learn.channels,
        core=core,
        image_size=plan.learn.image_size,
        rule=rule(plan),
        profile=_profile(study, core, target),
        **classes,
    )


def _profile(study: Path, core: str, target: TargetPlan) -> NDArray[np.float64]:
    table = slice_table(study, core)
    rows = table[table["class"] == "+".join(map(str, target.of))].sort_values("slice")
    values: NDArray[np.float64] = rows[metrics_named((target.target,))[0].column].to_numpy(np.float64)
    return values


def head_schedule(plan: Plan) -> learn.Schedule:
    """The plan's schedule for a transfer: dense layers alone bear larger steps, so the rate is theirs."""
    return replace(schedule(plan), epochs=plan.learn.transfer_epochs, learning_rate=None)


def schedule(plan: Plan) -> learn.Schedule:
    """The plan's schedule for a full training."""
    asked = plan.learn
    return learn.Schedule(
        epochs=asked.epochs,
        batch=asked.batch,
        learning_rate=asked.learning_rate,
        augment=asked.augment,
        patience=asked.patience,
        precision=asked.precision,
    )


def training_options(plan: Plan) -> dict[str, Any]:
    """What full training and transfer have in common."""
    split = "random" if plan.learn.split == "random" else learn.splits.DepthBlocks()
    return {"split": split, "seed": plan.seed, "threads": plan.learn.threads}
