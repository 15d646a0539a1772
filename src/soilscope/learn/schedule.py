"""How long and how a network is trained; the defaults trained from random weights in every trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from soilscope.errors import UsageError

__all__ = ["Augment", "Precision", "Schedule"]

Augment = Literal["symmetries", "rolls", "none"]
Precision = Literal["auto", "bf16", "fp32"]

FULL_WIDTH = 0.5
"""Networks at least this wide need the small steps of the full one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A training's settings.

    AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), a linear warm-up, then a cosine to zero, gradients clipped by norm.

    Parameters
    ----------
    epochs : int
        Passes over the training slices.
    batch : int
        Slices a step.
    learning_rate : float, optional
        Greatest rate; by default 1e-3 for narrow networks, 3e-4 for wide ones with a pooled head, 1e-4 for wide ones with
        dense layers, which collapse at 3e-4.
    weight_decay : float
        Of AdamW.
    warm_up : float
        Share of all steps in which the rate rises.
    clip : float
        Greatest norm of the gradient.
    precision : {"auto", "bf16", "fp32"}
        ``"auto"`` is bf16 where the processor multiplies bf16 in hardware, else fp32; what it was is in the model's card.
    augment : {"symmetries", "rolls", "none"}
        One of the square's 8 symmetries a batch; with ``"rolls"`` each image is also rolled by a random offset, only for
        targets that a roll does not change (fractions and porosities); ``"none"`` rewards remembering.
    patience : int, optional
        Stop after this many epochs without a lower validation loss and return to the best weights; None trains to the
        end on all training slices.
    validation : float
        Share of the training slices that is set aside for this, never of the test slices.
    """

    epochs: int = 20
    batch: int = 8
    learning_rate: float | None = None
    weight_decay: float = 1e-2
    warm_up: float = 0.1
    clip: float = 1.0
    precision: Precision = "auto"
    augment: Augment = "symmetries"
    patience: int | None = None
    validation: float = 0.1

    def __post_init__(self) -> None:
        whole = {"epochs": self.epochs, "batch": self.batch, "patience": 1 if self.patience is None else self.patience}
        wrong = [f"{name} {value} must be at least 1" for name, value in whole.items() if value < 1]
        rate = 1.0 if self.learning_rate is None else self.learning_rate
        above = {"learning_rate": rate, "clip": self.clip}
        wrong += [f"{name} {v} must be above 0 and finite" for name, v in above.items() if not 0 < v < float("inf")]
        shares = {"warm_up": self.warm_up, "validation": self.validation}
        wrong += [f"{name} {value} must lie in [0, 1)" for name, value in shares.items() if not 0 <= value < 1]
        if not 0 <= self.weight_decay < float("inf"):
            wrong.append(f"weight_decay {self.weight_decay} must not be negative")
        if self.precision not in ("auto", "bf16", "fp32"):
            wrong.append(f'precision {self.precision!r} must be "auto", "bf16" or "fp32"')
        if self.augment not in ("symmetries", "rolls", "none"):
            wrong.append(f'augment {self.augment!r} must be "symmetries", "rolls" or "none"')
        if wrong:
            raise UsageError("schedule", "schedule: " + "; ".join(wrong) + ".")

    def rate_for(self, width: float, head: str) -> float:
        """The greatest learning rate for a network of this width and head."""
        if self.learning_rate is not None:
            return self.learning_rate
        if width < FULL_WIDTH:
            return 1e-3
        return 3e-4 if head.startswith("pooled") else 1e-4

    def factor(self, step: int, steps: int) -> float:
        """Share of the greatest rate at a step, counted from 0: up in a line, down in a cosine."""
        warm = max(1, round(self.warm_up * steps))
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, steps - warm)
        return float(0.5 * (1.0 + np.cos(np.pi * done)))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for cards and digests."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
