"""The loop that trains: the same bytes from the same data, schedule, seed, threads and machine, resumed or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import LearningStopped
from soilscope.learn import checkpoint, thin
from soilscope.learn.examples import Examples
from soilscope.learn.machine import autocast
from soilscope.learn.schedule import Schedule
from soilscope.learn.standing import Fitted, Run
from soilscope.learn.torch_extra import require_torch
from soilscope.learn.winograd import Winograd

__all__ = ["answer", "fit", "forward", "pooled_features"]


def forward(module: Any, inputs: Any, precision: str, convolve: Winograd | None = None) -> Any:
    """Predictions of a network, shape (n, outputs), float32: the last layer is always multiplied in fp32."""
    if hasattr(module, "features"):
        inputs = pooled_features(module, inputs, precision, convolve)
        module = module.classifier
    with autocast(precision):
        for layer in module[:-1]:
            if convolve is not None and thin.is_large_dense(layer, inputs):
                inputs = thin.dense(convolve, inputs, layer)
            else:
                inputs = layer(inputs)
    return module[-1](inputs.float())


def answer(classifier: Any, features: NDArray[np.float32], precision: str) -> NDArray[np.float64]:
    """What dense layers alone say about features, shape (n,)."""
    torch = require_torch()
    with torch.inference_mode():
        said: NDArray[np.float64] = (
            forward(classifier, torch.from_numpy(features), precision)[:, 0].numpy().astype(np.float64)
        )
    return said


def pooled_features(module: Any, inputs: Any, precision: str, convolve: Winograd | None) -> Any:
    """What the convolutions see, pooled and flattened, shape (n, features)."""
    relu = require_torch().nn.ReLU
    layers, rectified = list(module.features), False
    with autocast(precision):
        for layer, after in zip(layers, [*layers[1:], None], strict=True):
            if rectified:  # this ReLU was done with its convolution
                rectified = False
            elif convolve is not None and convolve.gains(layer, after, *inputs.shape[2:]):
                inputs, rectified = convolve.convolve(inputs, layer.weight, layer.bias), True
            else:
                # in place here, where nobody looks at a convolution's output
                inputs = inputs.relu_() if isinstance(layer, relu) else layer(inputs)
        return module.flatten(module.avgpool(inputs))


def fit(module: Any, train: Examples, validation: Examples | None, run: Run) -> Fitted:
    """Train all parameters of ``module`` in place.

    Raises
    ------
    LearningStopped
        Code ``not-finite``: an input, the loss or the gradient was NaN or infinite; the slices of the batch are named.
        Nothing is kept of that step.
    """
    torch = require_torch()
    schedule = run.schedule
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=run.rate, weight_decay=schedule.weight_decay, foreach=False, fused=True
    )
    state = checkpoint.restore(module, optimiser, run)
    saver = checkpoint.Saver(run)
    while state.epoch < schedule.epochs and not _waited_enough(state, schedule):
        loss = _epoch(module, optimiser, train, run, state)
        entry = {"epoch": state.epoch, "loss": loss}
        if validation is not None:
            entry["validation"] = _validate(module, validation, run)
            _keep_best(module, state, entry["validation"])
        state.history.append(entry)
        saver.save(module, optimiser, state)
        if run.progress is not None:
            run.progress(state.epoch, schedule.epochs, loss)
    if state.best_weights is not None:
        module.load_state_dict(state.best_weights)
    return state


def _waited_enough(state: Fitted, schedule: Schedule) -> bool:
    return schedule.patience is not None and state.epoch - state.best_epoch >= schedule.patience


def _epoch(module: Any, optimiser: Any, train: Examples, run: Run, state: Fitted) -> float:
    """One pass over the training slices; order and augmentation come from the seed and the epoch's number alone."""
    schedule = run.schedule
    per_epoch = math.ceil(len(train) / schedule.batch)
    rng = np.random.default_rng([run.seed, 10, state.epoch])
    order = rng.permutation(len(train))
    module.train()
    total = 0.0
    for first in range(0, len(order), schedule.batch):
        places = order[first : first + schedule.batch]
        rate = run.rate * schedule.factor(state.step, per_epoch * schedule.epochs)
        for group in optimiser.param_groups:
            group["lr"] = rate
        total += _step(module, optimiser, train, places, rng, run) * len(places)
        state.step += 1
    module.eval()
    state.epoch += 1
    return total / len(order)


def _step(
    module: Any, optimiser: Any, train: Examples, places: NDArray[np.int64], rng: np.random.Generator, run: Run
) -> float:
    torch = require_torch()
    inputs, targets = (_tensor(a) for a in train.batch(places, rng))
    if not (torch.isfinite(inputs).all() and torch.isfinite(targets).all()):
        raise _not_finite("an input or target", train, places)
    optimiser.zero_grad(set_to_none=True)
    loss = torch.nn.functional.mse_loss(forward(module, inputs, run.precision, run.convolve)[:, 0], targets)
    if not torch.isfinite(loss):
        raise _not_finite("the loss", train, places)
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in module.parameters()])
    if not torch.isfinite(norm):
        raise _not_finite("the gradient", train, places)
    # the fused step divides by this as it goes, which saves clipping a pass over all gradients
    optimiser.grad_scale = torch.clamp(norm / run.schedule.clip, min=1.0)
    optimiser.found_inf = torch.zeros(())
    optimiser.step()
    return float(loss.detach())


def _validate(module: Any, validation: Examples, run: Run) -> float:
    torch = require_torch()
    convolve = run.convolve if run.precision == "fp32" else None  # as in predictions: bf16 cells are for training alone
    total = 0.0
    with torch.inference_mode():
        for first in range(0, len(validation), run.schedule.batch):
            places = np.arange(first, min(first + run.schedule.batch, len(validation)))
            inputs, targets = (_tensor(a) for a in validation.batch(places, None))
            error = forward(module, inputs, run.precision, convolve)[:, 0] - targets
            total += float(error.square().sum())
    return total / len(validation)


def _keep_best(module: Any, state: Fitted, loss: float) -> None:
    if loss < state.best_loss:
        state.best_loss, state.best_epoch = loss, state.epoch
        state.best_weights = {name: value.detach().clone() for name, value in module.state_dict().items()}


def _tensor(array: NDArray[np.float32]) -> Any:
    torch = require_torch()
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _not_finite(what: str, train: Examples, places: NDArray[np.int64]) -> LearningStopped:
    return LearningStopped(
        "not-finite",
        f"{what} became NaN or infinite in the batch of slices {train.names(places)}; nothing was kept. Look at these "
        "slices, or lower the learning rate.",
    )
