"""A model's card: what it is, what it was trained on and how, and how well its rivals do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soilscope import findings as notes
from soilscope._version import __version__
from soilscope.files import digest_json
from soilscope.findings import Finding
from soilscope.learn import machine, splits
from soilscope.learn.baselines import Values, rmse, scores
from soilscope.learn.examples import Scaling, gather, targets_of
from soilscope.learn.model import Model, in_order, require_finite
from soilscope.learn.schedule import Schedule
from soilscope.learn.slices import Slices, digest
from soilscope.learn.standing import Fitted
from soilscope.learn.torch_extra import require_torch
from soilscope.learn.winograd import Winograd, for_training

__all__ = ["Outcome", "Plan", "finish"]

WAYS = {"bf16": "winograd in bf16 where wide and training, else direct", "fp32": "winograd where wide"}
"""How convolutions are multiplied in each precision (:mod:`soilscope.learn.winograd`)."""
PREDICTED_AT_ONCE = 64
"""Rows gathered at a time, so that a large training set is never copied whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a training's result depends on.

    Parameters
    ----------
    parts : tuple of Slices
    split : Split
    rows, division : Rows, Division
        All slices, and which of them train and test.
    network : mapping
        kind, width, image_size, head, outputs.
    schedule : Schedule
    seed, threads : int
    precision : {"bf16", "fp32"}
    kind : {"full", "transfer", "fine-tuned"}
    donor : mapping, optional
        The donor's digest, target and cores.
    """

    parts: tuple[Slices, ...]
    split: splits.Split
    rows: splits.Rows
    division: splits.Division
    network: Mapping[str, Any]
    schedule: Schedule
    seed: int
    threads: int
    precision: str
    kind: str = "full"
    donor: Mapping[str, Any] | None = None

    def described(self) -> dict[str, Any]:
        """The plan as plain values; part of the card."""
        return {
            "kind": self.kind,
            "network": dict(self.network),
            "schedule": self.schedule.as_dict(),
            "split": splits.describe(self.split, self.rows, self.division),
            "seed": self.seed,
            "threads": self.threads,
            "dtype": self.precision,
            "donor": None if self.donor is None else dict(self.donor),
            "data": [digest(part) for part in self.parts],
            "torch": str(require_torch().__version__),
            "convolutions": WAYS[self.precision],
            "isa": machine.instruction_set(),
            "software": f"soilscope {__version__}",
        }

    def convolver(self) -> Winograd:
        """How wide convolutions are multiplied in a step of training."""
        return for_training(self.precision, self.threads)

    def identity(self) -> str:
        """Digest of the plan: the same one gives the same weights."""
        return digest_json(self.described())


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a training ended with.

    Parameters
    ----------
    module : torch.nn.Module
    scaling : Scaling
    fitted : Fitted
    rate : float
        The greatest learning rate used.
    validation : list, optional
        Names of the slices set aside for early stopping.
    answers : callable, optional
        Standardised predictions for row positions, where they are known without running the convolutions again.
    """

    module: Any
    scaling: Scaling
    fitted: Fitted
    rate: float
    validation: list[Any] | None = None
    answers: Callable[[splits.Positions], Values] | None = None


def finish(plan: Plan, outcome: Outcome) -> Model:
    """The model of a finished training, scored on its own training and test slices beside its rivals.

    Raises
    ------
    LearningStopped
        Code ``not-finite``: weights or predictions are not finite.
    """
    require_finite(outcome.module)
    first, scaling, fitted = plan.parts[0], outcome.scaling, outcome.fitted
    cores = [part.core for part in plan.parts]
    trained = [core for core in dict.fromkeys(cores) if np.any(plan.rows.core[plan.division.train] == core)]
    donor_cores = list(plan.donor["cores"]) if plan.donor else []
    card: dict[str, Any] = {
        **plan.described(),
        "identity": plan.identity(),
        "channels": first.channels,
        "channel_mean": [float(v) for v in scaling.channel_mean],
        "channel_sd": [float(v) for v in scaling.channel_sd],
        "target": first.target,
        "of": list(first.source.get("of", [])),
        "unit": first.unit,
        "target_mean": scaling.target_mean,
        "target_sd": scaling.target_sd,
        "scheme": first.source.get("scheme"),
        "rule": first.source.get("rule"),
        "cores": list(dict.fromkeys(donor_cores + trained)),
        "history": fitted.history,
        "best_epoch": fitted.best_epoch or fitted.epoch,
        "findings": notes.to_records(notes.merge(*(p.findings for p in plan.parts), fitted.findings, _noticed(plan))),
        "learning_rate": outcome.rate,
        "validation": outcome.validation,
    }
    model = Model(in_order(outcome.module), card)
    for name, side in (("train_rmse", plan.division.train), ("test_rmse", plan.division.test)):
        predicted = (
            _predicted(model, plan, side) if outcome.answers is None else scaling.unscaled(outcome.answers(side))
        )
        card[name] = rmse(predicted, targets_of(plan.parts)[side])
    card["baselines"] = scores(plan.parts, plan.rows, plan.division)
    return model


def _predicted(model: Model, plan: Plan, rows: splits.Positions) -> Values:
    pieces = [rows[k : k + PREDICTED_AT_ONCE] for k in range(0, len(rows), PREDICTED_AT_ONCE)]
    return np.concatenate([model.predict(gather(plan.parts, piece)) for piece in pieces])


def _noticed(plan: Plan) -> Sequence[Finding]:
    """What a reader of the model's figures should know about how it was trained."""
    found = []
    if plan.split.kind == "random":
        text = "The split is random: neighbouring slices are almost alike, so the test error rewards remembering."
        found.append(Finding("random-split", "note", text))
    return found
