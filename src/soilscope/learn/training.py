"""Train a network on slices from random weights, by a recipe that trained every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from soilscope.errors import LearningStopped, UsageError
from soilscope.learn import machine, network, splits
from soilscope.learn.augment import check_target
from soilscope.learn.card import Outcome, Plan, finish
from soilscope.learn.examples import ImageExamples, Scaling, as_parts
from soilscope.learn.fitting import fit
from soilscope.learn.model import Model, in_order
from soilscope.learn.schedule import Schedule
from soilscope.learn.slices import Slices
from soilscope.learn.splits import Positions, Split
from soilscope.learn.standing import Progress, Run
from soilscope.learn.torch_extra import require_torch

__all__ = ["Sets", "make_plan", "sets_of", "train"]


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Training slices as they are used: to fit, and, with patience, to decide when to stop."""

    fit: Positions
    validation: Positions | None


def train(
    data: Slices | Sequence[Slices],
    network: str = "vgg16",
    width: float = 1.0,
    head: network.Head = "pooled",
    schedule: Schedule | None = None,
    split: Split | Literal["random"] = "random",
    seed: int = 0,
    threads: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train a network to predict the target of each slice.

    Parameters
    ----------
    data : Slices or sequence of Slices
        One core's slices or several cores'.
    network : {"vgg16", "vgg13", "vgg11", "small"}
    width : float
        1 is the published network; 1/8 trains in seconds.
    head : {"pooled", "pooled-dense", "dense", "flat"}
        See :func:`soilscope.learn.network.build`.
    schedule : Schedule, optional
        20 epochs of the default recipe.
    split : "random" or Split
        The paper's 80 % at random, or an object of :mod:`soilscope.learn.splits`.
    seed : int
        Of weights, split, order and augmentation.
    threads : int, optional
        Two by default, whatever the machine has: another number gives other bytes.
    checkpoint : Path, optional
        A folder from which an interrupted training goes on, to the same bytes. Remove it once the model is saved.
    progress : callable, optional
        ``progress(epoch, epochs, loss)`` after each epoch; a constant prediction has loss 1.

    Returns
    -------
    Model

    Raises
    ------
    MissingExtra
        PyTorch is not installed.
    UsageError
        Codes ``slices``, ``slice-twice``, ``split-leaks``, ``network``, ``rolls-change-target``.
    LearningStopped
        Code ``constant-target``: there is nothing to learn. Code ``too-few-slices``: none is left to test or to validate.
        Code ``not-finite``: an input, the loss or the gradient is not.
    """
    require_torch()
    parts = as_parts(data)
    schedule = Schedule() if schedule is None else schedule
    check_target(schedule.augment, parts[0].target)
    with machine.fixed(threads) as used, machine.kept_memory():
        plan = make_plan(parts, _network(parts, network, width, head), schedule, split, seed, used)
        return _train(plan, checkpoint, progress)


def _train(plan: Plan, keep: Path | None, progress: Progress | None) -> Model:
    sets = sets_of(plan)
    scaling = Scaling.of(plan.parts, sets.fit)
    examples = ImageExamples(plan.parts, sets.fit, scaling, plan.schedule.augment)
    checked = None if sets.validation is None else ImageExamples(plan.parts, sets.validation, scaling)
    net = plan.network
    module = in_order(network.build(**{**net, "seed": plan.seed}))
    rate = plan.schedule.rate_for(net["width"], net["head"])
    run = Run(plan.schedule, rate, plan.precision, plan.seed, plan.convolver(), plan.identity(), keep, progress)
    fitted = fit(module, examples, checked, run)
    return finish(plan, Outcome(module, scaling, fitted, rate, named_validation(plan, sets)))


def make_plan(
    parts: tuple[Slices, ...],
    net: dict[str, Any],
    schedule: Schedule,
    split: Split | Literal["random"],
    seed: int,
    threads: int,
    **more: Any,
) -> Plan:
    """Divide the slices and settle what depends on the machine."""
    chosen = splits.named(split)
    rows, division = splits.divide(parts, chosen, seed)
    precision = machine.resolve_precision(schedule.precision)
    return Plan(parts, chosen, rows, division, net, schedule, seed, threads, precision, **more)


def sets_of(plan: Plan) -> Sets:
    """Set a share of the training slices aside for early stopping, where the schedule asks for it."""
    rows = plan.division.train
    if plan.schedule.patience is None:
        return Sets(rows, None)
    count = round(plan.schedule.validation * len(rows))
    if not 1 <= count < len(rows):
        raise LearningStopped(
            "too-few-slices",
            f"patience needs validation slices, but {plan.schedule.validation:g} of {len(rows)} training slices is {count}.",
        )
    order = np.random.default_rng([plan.seed, 3]).permutation(len(rows))
    return Sets(np.sort(rows[order[count:]]), np.sort(rows[order[:count]]))


def named_validation(plan: Plan, sets: Sets) -> list[Any] | None:
    """The slices set aside, for the card."""
    return None if sets.validation is None else list(plan.rows.names(sets.validation))


def _network(parts: tuple[Slices, ...], kind: str, width: float, head: str) -> dict[str, Any]:
    height, across = parts[0].images.shape[2:]
    if head == "flat" and height != across:
        raise UsageError("network", f"the flat head needs square images, not {height} x {across}; give image_size.")
    return {"kind": kind, "width": float(width), "image_size": min(height, across), "head": head, "outputs": 1}
