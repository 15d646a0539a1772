"""``matched``: structure that no histogram tells, on cores never seen.

All cores of the matched family have one and the same grey histogram in every slice, so a linear model on it can only say the
training mean. The network sees whole slices, no cluster is removed, and what a slice cannot show (the connection
probability in 3D) is reported as not learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.cores import per_core, r2, slices_of
from benchmarks.outcome import Figure, Outcome, Peer, Say
from soilscope import learn
from soilscope.structure import ClusterRule

__all__ = ["run"]

SHAPE, CHANNELS = (96, 64, 64), "grey"
MEMBERS = ("matched-fine", "matched-coarse", "matched-connected", "matched-isolated")
TRAINING = tuple((member, seed) for seed in (10, 11) for member in MEMBERS)
UNSEEN = tuple((member, seed) for seed in (200, 201) for member in MEMBERS)
EVERYTHING = ClusterRule(under=1)
NOT_LEARNT = 0.5
"""Below this R² no network counts as having learnt its target."""


@dataclass(frozen=True, slots=True)
class Task:
    """One target, how it is learnt, and the bars its R² is held against."""

    target: str
    width: float
    schedule: learn.Schedule
    pooled: float | None = None
    median: float | None = None


TASKS = (
    Task("local-thickness", 0.25, learn.Schedule(epochs=8, learning_rate=5e-4), pooled=0.8, median=0.7),
    Task("euler-2d", 0.125, learn.Schedule(epochs=12), pooled=0.9),
    Task("connection-3d", 0.125, learn.Schedule(epochs=6)),
)
HISTOGRAM_BAR = 0.1


def run(say: Say) -> Outcome:
    """One network for each target."""
    figures = [figure for task in TASKS for figure in _figures(task, say)]
    return Outcome(
        figures[0],
        tuple(figures[1:]),
        {
            "cores": f"{len(TRAINING)} of the matched family train, {len(UNSEEN)} others test, {SHAPE}, no clusters removed",
            "network": "VGG16, pooled head, symmetries; "
            + ", ".join(f"{task.target}: width {task.width}, {task.schedule.epochs} epochs" for task in TASKS),
        },
    )


def _figures(task: Task, say: Say) -> list[Figure]:
    training, unseen = (
        [slices_of(soil, seed, SHAPE, task.target, CHANNELS, rule=EVERYTHING) for soil, seed in which]
        for which in (TRAINING, UNSEEN)
    )
    split = learn.splits.ByCore(tuple(core.core for core in unseen))
    model = learn.train([*training, *unseen], width=task.width, schedule=task.schedule, split=split, threads=1)
    pairs = per_core(model, unseen)
    true, predicted = (np.concatenate(side) for side in zip(*pairs, strict=True))
    pooled = r2(true, predicted)
    median = float(np.nanmedian([r2(*pair) for pair in pairs]))
    histogram = 1.0 - model.card["baselines"]["histogram"] ** 2 / float(true.var())
    say(f"{task.target}: R² pooled {pooled:.2f}, median core {median:.2f}, histogram {histogram:.2f}")
    verdict = "" if pooled >= NOT_LEARNT else " (not learnt)"
    return [
        Figure(
            f"{task.target}, unseen cores, pooled{verdict}", pooled, "R²", Peer("histogram", histogram), bar=task.pooled
        ),
        Figure(f"{task.target}, unseen cores, median core", median, "R²", bar=task.median),
        Figure(f"{task.target}, linear on the histogram", histogram, "R²", bar=HISTOGRAM_BAR, sense="<"),
    ]
