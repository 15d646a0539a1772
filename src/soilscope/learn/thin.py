"""Gradients of layers with one thin side, for which the usual matrix kernels are slow: few images, or few channels.

A dense layer's gradient is a product of two thin matrices, as large as the layer and with as few terms in each sum as there
are images; the first convolution sees the three channels of an image. Both are one pass over memory here; the loops sum in a
fixed order, whatever the number of threads.
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

__all__ = ["dense", "first_convolution", "is_first_convolution", "is_large_dense"]

Array = NDArray[np.float32]
MOST_IMAGES, LEAST_WEIGHTS = 64, 1_000_000
MOST_CHANNELS, LEAST_KERNELS = 4, 16
TAPS = 9
AT_ONCE = 4
"""Pixels, or images, whose products are added in one go, so that a sum is loaded and stored once for all of them."""


def is_large_dense(layer: Any, inputs: Any) -> bool:
    """Whether a layer is a dense one whose weights, not its images, are what takes the time."""
    if not isinstance(layer, require_torch().nn.Linear) or layer.bias is None:
        return False
    return len(inputs) <= MOST_IMAGES and bool(layer.weight.numel() >= LEAST_WEIGHTS)


def is_first_convolution(layer: Any, after: Any, inputs: Any) -> bool:
    """Whether a layer is a 3 x 3 convolution of images themselves, with a ReLU after it."""
    nn = require_torch().nn
    if not (isinstance(layer, nn.Conv2d) and isinstance(after, nn.ReLU)):
        return False
    return layer.in_channels <= MOST_CHANNELS and layer.out_channels >= LEAST_KERNELS and not inputs.requires_grad


def dense(own: Winograd, inputs: Any, layer: Any) -> Any:
    """A dense layer of some images (n, i), differentiable; shape (n, o)."""
    return _dense_function().apply(own, inputs, layer.weight, layer.bias)


def first_convolution(own: Winograd, images: Any, layer: Any) -> Any:
    """The first convolution and its ReLU, padding 1, differentiable by its weights; channels-last (n, k, y, x)."""
    return _first_function().apply(own, images, layer.weight, layer.bias)


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


@cache
def _first_function() -> Any:
    torch = require_torch()

    base: Any = torch.autograd.Function

    class FirstConvolution(base):  # type: ignore[misc]  # torch is imported only when it is needed
        @staticmethod
        def forward(ctx: Any, own: Winograd, images: Any, weight: Any, bias: Any) -> Any:
            out = torch.nn.functional.conv2d(images, weight, bias, padding=1).relu_()
            ctx.own = own
            ctx.save_for_backward(images, out)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> tuple[None, None, Any, Any]:
            images, out, gradient = (_pixels(a) for a in (*ctx.saved_tensors, gradient))
            n, height, _, channels = images.shape
            sums = torch.empty(n * height, TAPS * channels + 1, gradient.shape[3])
            arrays = (a.numpy() for a in (images, out, gradient, sums))
            ctx.own.spread(_sums_of_rows, n * height, *arrays)
            total = sums.sum(dim=0)
            return None, None, total[:-1].view(3, 3, channels, -1).permute(3, 2, 0, 1).contiguous(), total[-1]

    return FirstConvolution


def _pixels(images: Any) -> Any:
    """Images (n, c, y, x) as (n, y, x, c), channels running fastest."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


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
def _sums_of_rows(first: int, end: int, images: Array, out: Array, gradient: Array, sums: Array) -> None:
    """For some rows of pixels: the gradient, where the ReLU passed something on, times each value around it; and its sum."""
    _, height, width, channels = images.shape
    kernels = out.shape[3]
    around = np.zeros((TAPS * channels, width + AT_ONCE), np.float32)
    passed = np.zeros((AT_ONCE, kernels), np.float32)
    for place in range(first, end):
        n, y = place // height, place % height
        _values_around(images[n], y, around)
        total = sums[place]
        total[:] = 0
        for x in range(0, width, AT_ONCE):
            for i in range(AT_ONCE):
                if x + i < width:
                    _where_positive(out[n, y, x + i], gradient[n, y, x + i], passed[i])
                else:
                    passed[i] = 0
            for tap in range(len(around)):
                _add_four(around[tap, x : x + AT_ONCE], passed[0], passed[1], passed[2], passed[3], total[tap])
            for k in range(kernels):
                total[-1, k] += (passed[0, k] + passed[1, k]) + (passed[2, k] + passed[3, k])


@compiled
def _values_around(image: Array, y: int, around: Array) -> None:
    """The values above, beside and below each pixel of a row, (9 * channels, x), 0 outside the image."""
    height, width, channels = image.shape
    for down in range(3):
        row = y + down - 1
        for right in range(3):
            for c in range(channels):
                line = around[(3 * down + right) * channels + c]
                for x in range(width):
                    seen = x + right - 1
                    inside = 0 <= row < height and 0 <= seen < width
                    line[x] = image[row, seen, c] if inside else np.float32(0)


@compiled
def _where_positive(out: Array, gradient: Array, passed: Array) -> None:
    for k in range(out.shape[0]):
        passed[k] = np.float32(0) if out[k] <= 0 else gradient[k]


@compiled
def _add_four(factors: Array, a: Array, b: Array, c: Array, d: Array, total: Array) -> None:
    first, second, third, fourth = factors[0], factors[1], factors[2], factors[3]
    for k in range(total.shape[0]):
        total[k] += (first * a[k] + second * b[k]) + (third * c[k] + fourth * d[k])
