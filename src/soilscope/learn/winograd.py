"""3 x 3 convolutions and their ReLU with about a fifth of the multiplications, for processors without bf16.

Winograd's F(m x m, 3 x 3) (Lavin & Gray 2016, doi:10.1109/CVPR.2016.435): the image is cut into tiles of m x m outputs, and with
the matrices of :mod:`soilscope.learn.tiles` and :mod:`soilscope.learn.kernel_cells` a tile's convolution becomes (m + 2)**2
products, summed over channels by as many matrix multiplications::

    Y = A' [ (G g G') * (B' d B) ] A        m = 4: 36 instead of 144 multiplications a tile and pair of channels
                                            m = 5: 49 instead of 225

Of the two, each size of image takes the one that multiplies less: 5 divides 200, 100, 50 and 25 pixels, 4 divides 12.
The gradients of the inputs and of the kernels are the transposes of this, step by step. It is ordinary fp32;
against the direct sum the error is about 1e-5 of the largest value, because the sums run in another order and from larger terms.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.learn.kernel_cells import TRANSFORMS, kernels_from_cells, kernels_to_cells
from soilscope.learn.tiles import TILES, gradients_to_cells, inputs_from_cells, inputs_to_cells, outputs_from_cells
from soilscope.learn.torch_extra import require_torch

__all__ = ["Winograd", "for_precision", "worth_it"]

LEAST_CHANNELS, LEAST_PIXELS, LEAST_PRODUCT = 32, 8, 1600
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
        Each row of tiles, and each image's gradient, is summed by one thread, so the number changes no byte here.
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
        """Run a kernel over all tile rows, or all outputs."""
        bounds = sorted({rows * k // self.pieces for k in range(self.pieces + 1)})
        jobs = [self.pool.submit(kernel, a, b, *arrays) for a, b in pairwise(bounds)]
        for job in jobs:
            job.result()

    def transformed(self, inputs: Any, grid: Grid, table: Any = None) -> Any:
        """B' d B of all tiles, shape (cells, tiles, c), in a table to keep or in scratch memory."""
        table = self.take("inputs", grid.cells, grid.tiles, inputs.shape[3]) if table is None else table
        self.spread(partial(inputs_to_cells, grid.tile), grid.rows, inputs.numpy(), table.numpy())
        return table

    def kernels(self, weight: Any, tile: int, table: Any = None) -> Any:
        """G g G', from (k, 3, 3, c) to (cells, k, c), in a table to keep or in scratch memory."""
        shape = ((tile + 2) ** 2, weight.shape[0], weight.shape[3])
        table = self.take("kernels", *shape) if table is None else table
        self.spread(kernels_to_cells, weight.shape[0], TRANSFORMS[tile], weight, table.numpy())
        return table

    def rectified(self, cells: Any, grid: Grid, kernels: Any, bias: Any) -> Any:
        """The convolution proper and its ReLU: cells (cells, tiles, c), kernels (cells, k, c) -> channels-last (n, k, y, x)."""
        torch = require_torch()
        out = torch.empty(grid.n, kernels.shape[1], grid.height, grid.width, memory_format=torch.channels_last)
        product = self.take("product", *cells.shape[:2], kernels.shape[1])
        torch.bmm(cells, kernels.transpose(1, 2), out=product)
        arrays = (product.numpy(), bias.numpy(), np.float32(0), out.permute(0, 2, 3, 1).numpy())
        self.spread(partial(outputs_from_cells, grid.tile), grid.rows, *arrays)
        return out

    def spread_gradient(self, out: Any, gradient: Any, grid: Grid) -> tuple[Any, Any]:
        """A g A' of all tiles, shape (cells, tiles, k), g being the gradient where ``out`` is positive; and g's sum (k,)."""
        table = self.take("product", grid.cells, grid.tiles, gradient.shape[3])
        sums = require_torch().empty(grid.rows, gradient.shape[3])
        arrays = (a.numpy() for a in (out, gradient, sums, table))
        self.spread(partial(gradients_to_cells, grid.tile), grid.rows, *arrays)
        return table, sums.sum(dim=0)

    def gradient_of_inputs(self, table: Any, grid: Grid, kernels: Any) -> Any:
        """The transpose of the convolution: (cells, tiles, k), kernels (cells, k, c) -> channels-last (n, c, y, x)."""
        torch = require_torch()
        out = torch.empty(grid.n, kernels.shape[2], grid.height, grid.width, memory_format=torch.channels_last)
        product = self.take("inputs", *table.shape[:2], kernels.shape[2])
        torch.bmm(table, kernels, out=product)
        arrays = (product.numpy(), out.permute(0, 2, 3, 1).numpy())
        self.spread(partial(inputs_from_cells, grid.tile), grid.n, *arrays)
        return out

    def gradient_of_kernels(self, cells: Any, tile: int) -> Any:
        """The transpose of :meth:`kernels`, as channels-last (k, c, 3, 3)."""
        weight = require_torch().empty(cells.shape[1], 3, 3, cells.shape[2])
        self.spread(kernels_from_cells, cells.shape[1], TRANSFORMS[tile], cells.numpy(), weight.numpy())
        return weight.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Grid:
    """How images (n, height, width) are cut into tiles."""

    n: int
    height: int
    width: int
    tile: int

    @classmethod
    def over(cls, pixels: Any) -> Grid:
        """The grid with the fewest products over images (n, y, x, channels)."""
        n, height, width, _ = pixels.shape
        return min((cls(n, height, width, tile) for tile in TILES), key=lambda grid: grid.cells * grid.tiles)

    @property
    def cells(self) -> int:
        """Products a tile."""
        return (self.tile + 2) ** 2

    @property
    def rows(self) -> int:
        """Rows of tiles in all images."""
        return self.n * -(-self.height // self.tile)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.rows * -(-self.width // self.tile)


@cache
def _function() -> Any:
    torch = require_torch()

    base: Any = torch.autograd.Function

    class Convolution(base):  # type: ignore[misc]  # torch is imported only when it is needed
        @staticmethod
        def forward(ctx: Any, own: Winograd, inputs: Any, weight: Any, bias: Any) -> Any:
            pixels = _pixels(inputs)
            learns = any(ctx.needs_input_grad)
            grid = Grid.over(pixels)
            shapes = (grid.cells, grid.tiles, pixels.shape[3]), (grid.cells, weight.shape[0], pixels.shape[3])
            kept = [torch.empty(*shape) if learns else None for shape in shapes]  # the gradients want both again
            cells = own.transformed(pixels, grid, kept[0])
            kernels = own.kernels(_rows(weight), grid.tile, kept[1])
            out = own.rectified(cells, grid, kernels, bias.detach())
            ctx.own = own
            if learns:
                ctx.save_for_backward(cells, kernels, out)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> tuple[None, Any, Any, Any]:
            own, (seen, kernels, out) = ctx.own, ctx.saved_tensors
            grid = Grid.over(_pixels(out))
            table, of_bias = own.spread_gradient(_pixels(out), _pixels(gradient), grid)
            cells = own.take("kernels", *kernels.shape)
            torch.bmm(table.transpose(1, 2), seen, out=cells)
            of_weight = own.gradient_of_kernels(cells, grid.tile)
            of_inputs = own.gradient_of_inputs(table, grid, kernels) if ctx.needs_input_grad[1] else None
            return None, of_inputs, of_weight, of_bias

    return Convolution


def _pixels(images: Any) -> Any:
    """Images (n, c, y, x) as (n, y, x, c), channels running fastest."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


def _rows(weight: Any) -> NDArray[np.float32]:
    """Kernels as an array (k, 3, 3, c), channels running fastest."""
    rows: NDArray[np.float32] = weight.detach().permute(0, 2, 3, 1).contiguous().numpy()
    return rows
