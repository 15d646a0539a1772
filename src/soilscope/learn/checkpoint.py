"""Checkpoints at the end of an epoch: weights, AdamW's moments, best weights and history; safetensors and JSON.

A checkpoint belongs to one training (its identity digest) and appears whole or not at all. One that is damaged is
dropped, with a finding, and training starts again; one of another training is ignored.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from soilscope.errors import Damaged
from soilscope.files import as_json, digest_file, publish
from soilscope.findings import Finding
from soilscope.learn.standing import Fitted, Run
from soilscope.learn.torch_extra import require_torch

__all__ = ["Saver", "restore"]

STATE = "state.json"
TENSORS = "state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")
LEAST_SHARE = 10.0
"""A checkpoint is written once training has gone on ten times as long as the last writing took."""


class Saver:
    """Writes checkpoints, rarely enough to cost under a tenth of the time; how often changes no byte of the result."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.not_before = -math.inf

    def save(self, module: Any, optimiser: Any, state: Fitted) -> None:
        """Publish the state, unless the last one is too recent."""
        start = time.monotonic()
        if self.run.keep is None or start < self.not_before:
            return
        _write(self.run.keep, self.run.identity, _tensors(module, optimiser, state), state)
        end = time.monotonic()
        self.not_before = end + LEAST_SHARE * (end - start)


def _write(folder: Path, identity: str, tensors: dict[str, Any], state: Fitted) -> None:
    from safetensors.torch import save_file

    with publish(folder) as partial:
        partial.mkdir()
        save_file(tensors, partial / TENSORS)
        best = None if state.best_weights is None else {"epoch": state.best_epoch, "loss": state.best_loss}
        record = {
            "identity": identity,
            "tensors": digest_file(partial / TENSORS),
            "epoch": state.epoch,
            "step": state.step,
            "history": state.history,
            "best": best,
        }
        (partial / STATE).write_text(as_json(record), encoding="utf-8")


def _tensors(module: Any, optimiser: Any, state: Fitted) -> dict[str, Any]:
    tensors = {f"weights/{name}": value.detach().contiguous() for name, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = optimiser.state[parameter][moment].contiguous()
    for name, value in (state.best_weights or {}).items():
        tensors[f"best/{name}"] = value.contiguous()
    return tensors


def restore(module: Any, optimiser: Any, run: Run) -> Fitted:
    """Put a training back to its last checkpoint; a fresh state where there is none that fits."""
    if run.keep is None or not run.keep.exists():
        return Fitted()
    try:
        record, tensors = _read(run.keep, run.identity)
        if record is None:
            return Fitted()
        _check(module, tensors)
        return _apply(module, optimiser, record, tensors)
    except Damaged as error:
        text = f"the checkpoint of an earlier run was damaged ({error.text}) and was dropped; training began again from the start."
        return Fitted(findings=(Finding("checkpoint-damaged", "warning", text, (run.keep.name,)),))


def _read(folder: Path, identity: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        record = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if record["identity"] != identity:
            return None, {}
        if digest_file(folder / TENSORS) != record["tensors"]:
            raise Damaged("checkpoint-damaged", "its digest does not fit", [folder])
        return record, load_file(folder / TENSORS)
    except Damaged:
        raise
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise Damaged("checkpoint-damaged", f"{type(error).__name__}", [folder]) from error


def _check(module: Any, tensors: dict[str, Any]) -> None:
    """Every tensor must be there at its shape before anything is changed."""
    for name, value in module.state_dict().items():
        for kind in ("weights", *MOMENTS):
            found = tensors.get(f"{kind}/{name}")
            if found is None or found.shape != value.shape:
                raise Damaged("checkpoint-damaged", f"{kind} of {name} do not fit")


def _apply(module: Any, optimiser: Any, record: dict[str, Any], tensors: dict[str, Any]) -> Fitted:
    torch = require_torch()
    module.load_state_dict({name: tensors[f"weights/{name}"] for name in module.state_dict()})
    for name, parameter in module.named_parameters():
        # zeros_like keeps the parameter's memory order, which the optimiser's kernels follow
        moments = {m: torch.zeros_like(parameter).copy_(tensors[f"{m}/{name}"]) for m in MOMENTS}
        optimiser.state[parameter] = {"step": torch.tensor(float(record["step"])), **moments}
    best = record["best"]
    return Fitted(
        epoch=int(record["epoch"]),
        step=int(record["step"]),
        history=list(record["history"]),
        best_epoch=0 if best is None else int(best["epoch"]),
        best_loss=math.inf if best is None else float(best["loss"]),
        best_weights=None if best is None else {name: tensors[f"best/{name}"] for name in module.state_dict()},
    )
