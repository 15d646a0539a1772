"""How one fit is run, and where it stands: what the loop, its checkpoints and a model's card share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soilscope.findings import Finding
from soilscope.learn.schedule import Schedule
from soilscope.learn.winograd import Winograd

__all__ = ["Fitted", "Progress", "Run"]

Progress = Callable[[int, int, float], None]
"""``progress(epoch, epochs, loss)`` after each epoch, counted from 1; loss is 1 for a constant prediction."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one fit is run.

    Parameters
    ----------
    schedule : Schedule
    rate : float
        Greatest learning rate.
    precision : {"bf16", "fp32"}
    seed : int
    convolve : Winograd, optional
        How wide convolutions are multiplied in a step of training; PyTorch's own way by default.
    identity : str
        Digest of everything the result depends on; a checkpoint of another identity is not used.
    keep : Path, optional
        Folder of the checkpoint.
    progress : callable, optional
    """

    schedule: Schedule
    rate: float
    precision: str
    seed: int
    convolve: Winograd | None = None
    identity: str = ""
    keep: Path | None = None
    progress: Progress | None = None


@dataclass(slots=True)
class Fitted:
    """Where a fit stands: what a checkpoint holds beside weights and moments."""

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    best_weights: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
