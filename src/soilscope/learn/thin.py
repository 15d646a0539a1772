"""Large dense layers of few images, for which the usual matrix kernels are slow.

The gradient of such a layer is a product of two thin matrices, as large as the layer and with as few terms in each sum as
there are images: one pass over memory here. Sums run in a fixed order, whatever the number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled
from soilscope.learn.torch_extra import require_torch

if TYPE_CHECKING:
    from soilscope.learn.winograd import Winograd

__all__ = ["dense", "is_large_dense"]

Array = NDArray[np.float32]
MOST_IMAGES, LEAST_WEIGHTS = 64, 1_000_000
AT_ONCE = 4
"""Images whose products are added in one go, so that a sum is loaded and stored once for all of them."""


def is_large_dense(layer: Any, inputs: Any) -> bool:
    """Whether a layer is a dense one whose weights, not its images, are what takes the time."""
    if not isinstance(layer, require_torch().nn.Linear) or layer.bias is None:
        return False
    return len(inputs) <= MOST_IMAGES and bool(layer.weight.numel() >= LEAST_WEIGHTS)


def dense(own: Winograd, inputs: Any, layer: Any) -> Any:
    """A dense layer of some images (n, i), differentiable; shape (n, o)."""
    with require_torch().autocast("cpu", enabled=False):  # casting the weights would take longer than using them once
        return _dense_function().apply(own, inputs.float(), layer.weight, layer.bias)


@cache
def _dense_function() -> Any:
    torch = require_torch()

    base: Any = torch.autograd.Function

    class Dense(base):  # type: ignore[misc]  # torch is imported only when it is needed
        @staticmethod
        def forward(ctx: Any, own: Winograd, inputs: Any, weight: Any, bias: Any) -> Any:
            ctx.own = own
            ctx.save_for_backward(inputs, weight)
            return torch.mm(weight, inputs.T).T + bias

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> tuple[None, Any, Any, Any]:
            inputs, weight = ctx.saved_tensors
            of_weight = torch.empty_like(weight)
            thin = (a.detach().contiguous().numpy() for a in (gradient, inputs))
            ctx.own.spread(_sum_of_products, len(weight), *thin, of_weight.numpy())
            of_inputs = torch.mm(gradient, weight) if ctx.needs_input_grad[1] else None
            return None, of_inputs, of_weight, gradient.sum(dim=0)

    return Dense


@compiled
def _sum_of_products(first: int, end: int, gradient: Array, inputs: Array, out: Array) -> None:
    """``gradient.T @ inputs`` for some outputs."""
    images, size = gradient.shape[0], inputs.shape[1]
    for k in range(first, end):
        row = out[k]
        row[:] = 0
        whole = images - images % AT_ONCE
        for n in range(0, whole, AT_ONCE):
            _add_four(gradient[n : n + AT_ONCE, k], inputs[n], inputs[n + 1], inputs[n + 2], inputs[n + 3], row)
        for n in range(whole, images):
            factor = gradient[n, k]
            for c in range(size):
                row[c] += factor * inputs[n, c]


@compiled
def _add_four(factors: Array, a: Array, b: Array, c: Array, d: Array, total: Array) -> None:
    first, second, third, fourth = factors[0], factors[1], factors[2], factors[3]
    for k in range(total.shape[0]):
        total[k] += (first * a[k] + second * b[k]) + (third * c[k] + fourth * d[k])
