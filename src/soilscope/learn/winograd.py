"""3 x 3 convolutions and their ReLU with a quarter of the multiplications, for processors without bf16.

Winograd's F(4 x 4, 3 x 3) (Lavin & Gray 2016, doi:10.1109/CVPR.2016.435): the image is cut into tiles of 4 x 4 outputs, and with
the matrices below a tile's convolution becomes 36 products, summed over channels by 36 matrix multiplications::

    Y = A' [ (G g G') * (B' d B) ] A        36 instead of 144 multiplications a tile and pair of channels

Forward, gradient of the input (the same with turned kernels) and gradient of the kernels are done so. It is ordinary fp32;
against the direct sum the error is about 1e-5 of the largest value, because the sums run in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.learn.tiles import (
    TILE,
    gradients_to_cells,
    inputs_to_cells,
    kernels_from_cells,
    kernels_to_cells,
    outputs_from_cells,
)
from soilscope.learn.torch_extra import require_torch

__all__ = ["Winograd", "for_precision", "worth_it"]

CELLS = 36
LEAST_CHANNELS, LEAST_PIXELS, LEAST_PRODUCT = 64, 12, 6000
"""Below these, and below this product of channels and pixels a side, the transforms cost more than they save (measured)."""


def worth_it(layer: Any, after: Any, height: int, width: int) -> bool:
    """Whether a layer is a convolution with enough channels and pixels to gain, and the layer after it a ReLU."""
    nn = require_torch().nn
    if not (isinstance(layer, nn.Conv2d) and isinstance(after, nn.ReLU)):
        return False
    channels, pixels = min(layer.in_channels, layer.out_channels), min(height, width)
    return channels >= LEAST_CHANNELS and pixels >= LEAST_PIXELS and channels * pixels >= LEAST_PRODUCT


def for_precision(precision: str, threads: int) -> Winograd | None:
    """The way to multiply in a precision; bf16 has its own in hardware."""
    return Winograd(threads) if precision == "fp32" else None


class Winograd:
    """Convolutions of one training, with scratch memory that is used again and again.

    Parameters
    ----------
    threads : int
        Each tile row is written by one thread, so the number changes no byte here.
    """

    def __init__(self, threads: int) -> None:
        self.pool = ThreadPoolExecutor(threads)
        self.pieces = threads * 4
        self.scratch: dict[str, Any] = {}

    def convolve(self, inputs: Any, weight: Any, bias: Any) -> Any:
        """Convolve (n, c, y, x) with (k, c, 3, 3), padding 1, and rectify; channels-last tensors, differentiable.

        The ReLU is done as the outputs are written, its gradient as gradients are read: two passes over memory less.
        """
        return _function().apply(self, inputs, weight, bias)

    def take(self, name: str, *shape: int) -> Any:
        """Scratch memory of a shape; what it held before is lost."""
        torch = require_torch()
        size = int(np.prod(shape))
        if name not in self.scratch or self.scratch[name].numel() < size:
            self.scratch[name] = torch.empty(size)
        return self.scratch[name][:size].view(*shape)

    def spread(self, kernel: Callable[..., None], rows: int, *arrays: Any) -> None:
        """Run a kernel over all tile rows."""
        bounds = sorted({rows * k // self.pieces for k in range(self.pieces + 1)})
        jobs = [self.pool.submit(kernel, a, b, *arrays) for a, b in pairwise(bounds)]
        for job in jobs:
            job.result()

    def correlate(self, cells: Any, size: tuple[int, int, int], kernels: Any, bias: Any, floor: float) -> Any:
        """The convolution proper: cells (36, tiles, c) of images of a size (n, y, x) and kernels (36, c, k).

        Gives channels-last (n, k, y, x), nowhere below a floor.
        """
        torch = require_torch()
        n, height, width = size
        out = torch.empty(n, kernels.shape[2], height, width, memory_format=torch.channels_last)
        product = self.take("product", CELLS, cells.shape[1], kernels.shape[2])
        torch.bmm(cells, kernels, out=product)
        pixels = out.permute(0, 2, 3, 1).numpy()
        rows = n * _across(height)
        self.spread(outputs_from_cells, rows, product.numpy(), bias.numpy(), np.float32(floor), pixels)
        return out

    def transformed(self, inputs: Any, table: Any = None) -> Any:
        """B' d B of all tiles, shape (36, tiles, c), in a table to keep or in scratch memory."""
        table = self.take("inputs", CELLS, self.tiles(inputs), inputs.shape[3]) if table is None else table
        self.spread(inputs_to_cells, inputs.shape[0] * _across(inputs.shape[1]), inputs.numpy(), table.numpy())
        return table

    def spread_gradient(self, out: Any, gradient: Any) -> tuple[Any, Any, Any]:
        """A g A' of all tiles, shape (36, tiles, k); g, which is the gradient where ``out`` is positive; and its sum (k,)."""
        table = self.take("product", CELLS, self.tiles(gradient), gradient.shape[3])
        passed = self.take("gradient", *gradient.shape)
        rows = gradient.shape[0] * _across(gradient.shape[1])
        sums = require_torch().empty(rows, gradient.shape[3])
        arrays = (a.numpy() for a in (out, gradient, passed, sums, table))
        self.spread(gradients_to_cells, rows, *arrays)
        return table, passed, sums.sum(dim=0)

    def kernels(self, weight: Any) -> Any:
        """G g G', from (k, 3, 3, c) to (36, k, c)."""
        cells = self.take("kernels", CELLS, weight.shape[0], weight.shape[3])
        self.spread(kernels_to_cells, weight.shape[0], weight, cells.numpy())
        return cells

    def gradient_of_kernels(self, cells: Any) -> Any:
        """The transpose of :meth:`kernels`, as channels-last (k, c, 3, 3)."""
        weight = require_torch().empty(cells.shape[1], 3, 3, cells.shape[2])
        self.spread(kernels_from_cells, cells.shape[1], cells.numpy(), weight.numpy())
        return weight.permute(0, 3, 1, 2)

    @staticmethod
    def tiles(inputs: Any) -> int:
        """Number of tiles."""
        n, height, width, _ = inputs.shape
        return int(n * _across(height) * _across(width))


def _across(pixels: int) -> int:
    return -(-pixels // TILE)


@cache
def _function() -> Any:
    torch = require_torch()

    base: Any = torch.autograd.Function

    class Convolution(base):  # type: ignore[misc]  # torch is imported only when it is needed
        @staticmethod
        def forward(ctx: Any, own: Winograd, inputs: Any, weight: Any, bias: Any) -> Any:
            pixels = _pixels(inputs)
            learns = any(ctx.needs_input_grad)
            kept = torch.empty(CELLS, own.tiles(pixels), pixels.shape[3]) if learns else None
            cells = own.transformed(pixels, kept)  # the kernels' gradient wants them again
            kernels = own.kernels(_rows(weight)).transpose(1, 2)
            out = own.correlate(cells, tuple(pixels.shape[:3]), kernels, bias.detach(), 0.0)
            ctx.own = own
            if learns:
                ctx.save_for_backward(cells, weight, out)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> tuple[None, Any, Any, Any]:
            own, (seen, weight, out) = ctx.own, ctx.saved_tensors
            table, passed, of_bias = own.spread_gradient(_pixels(out), _pixels(gradient))
            cells = own.take("kernels", CELLS, table.shape[2], seen.shape[2])
            torch.bmm(table.transpose(1, 2), seen, out=cells)
            of_weight, of_inputs = own.gradient_of_kernels(cells), None
            if ctx.needs_input_grad[1]:
                turned = own.kernels(_rows(weight)[:, ::-1, ::-1])
                nothing = torch.zeros(weight.shape[1])
                size = tuple(passed.shape[:3])
                of_inputs = own.correlate(own.transformed(passed), size, turned, nothing, -math.inf)
            return None, of_inputs, of_weight, of_bias

    return Convolution


def _pixels(images: Any) -> Any:
    """Images (n, c, y, x) as (n, y, x, c), channels running fastest."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


def _rows(weight: Any) -> NDArray[np.float32]:
    """Kernels as an array (k, 3, 3, c), channels running fastest."""
    rows: NDArray[np.float32] = weight.detach().permute(0, 2, 3, 1).contiguous().numpy()
    return rows
