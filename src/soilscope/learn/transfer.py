"""Transfer: a trained network's convolutions stay, its dense layers learn a new target.

The convolutions never change, so what they see in each slice is computed once. These features are scaled (mean removed,
one SD for all), the dense layers are trained on them, and the scaling is folded into the first of these layers, so that
the new model's weights are complete and take images like any other's.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.files import digest_bytes, digest_json
from soilscope.learn import machine, network
from soilscope.learn.augment import check_target
from soilscope.learn.card import Outcome, Plan, finish
from soilscope.learn.examples import FeatureExamples, ImageExamples, Scaling, as_parts, gather, target_scale, targets_of
from soilscope.learn.fitting import answer, fit
from soilscope.learn.model import Model, features, in_order
from soilscope.learn.schedule import Schedule
from soilscope.learn.slices import Slices
from soilscope.learn.splits import Positions, Split
from soilscope.learn.standing import Fitted, Progress, Run
from soilscope.learn.torch_extra import require_torch
from soilscope.learn.training import Sets, make_plan, named_validation, sets_of

__all__ = ["FeatureScale", "fold", "transfer"]

HEAD_EPOCHS = 60
HEAD_RATE = {"pooled": 1e-2, "pooled-dense": 1e-3}
"""Features have one SD of 1, so a head alone bears larger steps than a whole network."""
FINE_TUNE_EPOCHS = 3
FINE_TUNE_SHARE = 0.1
"""Fine-tuning's greatest rate, as a share of training's."""
ROWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class FeatureScale:
    """Mean of each feature over the training slices, and one SD over all of them."""

    mean: NDArray[np.float64]
    sd: float

    @classmethod
    def of(cls, table: NDArray[np.float32]) -> FeatureScale:
        """Measure a table of features, shape (n, features)."""
        mean = table.mean(axis=0, dtype=np.float64)
        sd = float(np.sqrt(np.mean(np.square(table - mean))))
        return cls(mean, sd if sd > 0 else 1.0)

    def apply(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scaled features."""
        return ((table - self.mean) / self.sd).astype(np.float32)


def transfer(
    model: Model,
    data: Slices | Sequence[Slices],
    fine_tune: bool = False,
    *,
    schedule: Schedule | None = None,
    split: Split | Literal["random"] = "random",
    seed: int = 0,
    threads: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Teach a trained model a new target, or new cores, by retraining its dense layers only.

    Parameters
    ----------
    model : Model
        The donor; it stays as it was.
    data : Slices or sequence of Slices
        Drawn with the donor's channels and size; the target may be another.
    fine_tune : bool
        Afterwards train all layers for a few epochs at a tenth of the usual rate.
    schedule : Schedule, optional
        Of the dense layers; by default 60 epochs. Its augmentation holds for fine-tuning alone, since cached features
        cannot be augmented.
    split, seed, threads, checkpoint, progress
        As for :func:`soilscope.learn.train`; the checkpoint is used by fine-tuning, the dense layers train in seconds.

    Returns
    -------
    Model
        Its weights are complete, convolutions included; its ``cores`` include the donor's.

    Raises
    ------
    UsageError
        Code ``transfer-mismatch``: channels or size differ from the donor's. Else as for training.
    LearningStopped
        As for training.
    """
    require_torch()
    parts = as_parts(data)
    schedule = Schedule(epochs=HEAD_EPOCHS) if schedule is None else schedule
    check_target(schedule.augment, parts[0].target)
    _same_images(model, parts[0])
    with machine.fixed(threads) as used, machine.kept_memory():
        donor = _described(model)
        kind = "fine-tuned" if fine_tune else "transfer"
        net = dict(model.card["network"])
        plan = make_plan(parts, net, schedule, split, seed, used, kind=kind, donor=donor)
        sets = sets_of(plan)
        scaling = _scaling(model, plan, sets)
        outcome = _new_head(model, plan, sets, scaling, progress)
        if fine_tune:
            fitted = _fine_tuned(outcome.module, plan, sets, scaling, outcome.fitted, checkpoint, progress)
            outcome = replace(outcome, fitted=fitted, answers=None)
        return finish(plan, outcome)


def fold(classifier: Any, scale: FeatureScale) -> None:
    """Rewrite the first dense layer so that it takes raw features: W' = W / sd, b' = b - W mean / sd (in float64)."""
    torch = require_torch()
    first = classifier[0]
    with torch.no_grad():
        weight = first.weight.double() / scale.sd
        first.bias.copy_((first.bias.double() - weight @ torch.from_numpy(scale.mean)).float())
        first.weight.copy_(weight.float())


def _same_images(model: Model, part: Slices) -> None:
    size = min(part.images.shape[2:])
    ours, theirs = (part.channels, size), (model.card["channels"], model.card["network"]["image_size"])
    if ours != theirs:
        raise UsageError(
            "transfer-mismatch",
            f"the donor sees channels {theirs[0]!r} at {theirs[1]} pixels, these slices are {ours[0]!r} at {ours[1]}; draw "
            "them like the donor's.",
        )


def _described(model: Model) -> dict[str, Any]:
    weights = [[name, digest_bytes(value.numpy().tobytes())] for name, value in model.module.state_dict().items()]
    return {
        "identity": model.card["identity"],
        "weights": digest_json(weights),
        "target": model.card["target"],
        "cores": list(model.card["cores"]),
    }


def _scaling(model: Model, plan: Plan, sets: Sets) -> Scaling:
    """The donor's channels, the new target."""
    mean, sd = target_scale(plan.parts, sets.fit)
    return replace(model.scaling, target_mean=mean, target_sd=sd)


def _table(model: Model, plan: Plan) -> NDArray[np.float32]:
    """Features of all rows that train or test, at their positions; the convolutions run once."""
    rows = np.union1d(plan.division.train, plan.division.test)
    pieces = (rows[k : k + ROWS_AT_ONCE] for k in range(0, len(rows), ROWS_AT_ONCE))
    seen = np.concatenate([features(model, gather(plan.parts, piece)) for piece in pieces])
    table = np.zeros((len(plan.rows), seen.shape[1]), np.float32)
    table[rows] = seen
    return table


def _new_head(model: Model, plan: Plan, sets: Sets, scaling: Scaling, progress: Progress | None) -> Outcome:
    """A copy of the donor with new dense layers, trained on cached features and folded."""
    net = plan.network
    table = _table(model, plan)
    scale = FeatureScale.of(table[sets.fit])
    targets = scaling.targets(targets_of(plan.parts))

    def examples(rows: Positions) -> FeatureExamples:
        return FeatureExamples(scale.apply(table[rows]), targets[rows], list(plan.rows.names(rows)))

    module = copy.deepcopy(model.module)
    fresh = network.build(**{**net, "seed": plan.seed})
    rate = plan.schedule.learning_rate or HEAD_RATE.get(net["head"], plan.schedule.rate_for(net["width"], net["head"]))
    run = Run(plan.schedule, rate, plan.precision, plan.seed, progress=progress)
    checked = None if sets.validation is None else examples(sets.validation)
    fitted = fit(fresh.classifier, examples(sets.fit), checked, run)
    fold(fresh.classifier, scale)
    module.classifier.load_state_dict(fresh.classifier.state_dict())

    def answers(rows: Positions) -> NDArray[np.float64]:
        return answer(module.classifier, table[rows], plan.precision)

    return Outcome(module, scaling, fitted, rate, named_validation(plan, sets), answers)


def _fine_tuned(
    module: Any, plan: Plan, sets: Sets, scaling: Scaling, head: Fitted, keep: Path | None, progress: Progress | None
) -> Fitted:
    """Train every layer a little, on images; the history goes on after the head's."""
    schedule = replace(plan.schedule, epochs=FINE_TUNE_EPOCHS, learning_rate=None)
    rate = FINE_TUNE_SHARE * schedule.rate_for(plan.network["width"], plan.network["head"])
    examples = ImageExamples(plan.parts, sets.fit, scaling, schedule.augment)
    checked = None if sets.validation is None else ImageExamples(plan.parts, sets.validation, scaling)
    in_order(module)
    run = Run(schedule, rate, plan.precision, plan.seed, plan.convolver(), plan.identity(), keep, progress)
    fitted = fit(module, examples, checked, run)
    later = [{**entry, "epoch": head.epoch + entry["epoch"]} for entry in fitted.history]
    best = head.epoch + (fitted.best_epoch or fitted.epoch)
    return replace(fitted, history=head.history + later, best_epoch=best)
