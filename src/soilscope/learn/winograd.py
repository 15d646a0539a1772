"""3 x 3 convolutions and their ReLU with a quarter or a fifth of the multiplications.

Winograd's F(m x m, 3 x 3) (Lavin & Gray 2016, doi:10.1109/CVPR.2016.435): the image is cut into tiles of m x m outputs, and with
the matrices of :mod:`soilscope.learn.tiles` and :mod:`soilscope.learn.kernel_cells` a tile's convolution becomes (m + 2)**2
products, summed over channels by as many matrix multiplications::

    Y = A' [ (G g G') * (B' d B) ] A        m = 4: 36 instead of 144 multiplications a tile and pair of channels
                                            m = 5: 49 instead of 225

Of the two, each size of image takes the one that multiplies less: 5 divides 200, 100, 50 and 25 pixels, 4 divides 12.
The gradients of the inputs and of the kernels are the transposes of this, step by step. In fp32 the error against the direct
sum is about 1e-5 of the largest value, because the sums run in another order and from larger terms.

In bf16 only m = 4 is used, and only while a network learns: rounding the cells to 8 bits costs 1 % of a layer's output where
images are smooth and 3 % where they are noise, ten times what direct sums in bf16 do. It falls to either side alike, is far below
the difference between one batch and the next, and moves the benchmarks little (``docs/adr/0005``); predictions, and
the validation that stops a training, take the direct sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.learn.kernel_cells import TRANSFORMS, kernels_from_cells, kernels_to_cells
from soilscope.learn.tiles import TILES, gradients_to_cells, inputs_from_cells, inputs_to_cells, outputs_from_cells
from soilscope.learn.torch_extra import require_torch

__all__ = ["Winograd", "for_precision", "for_training"]

NEAR_BYTES = 12 << 20
"""Cells of one group of images: what a processor's last cache holds of them (measured)."""
MORE_THAN_KERNELS = 6
"""And no less than so many times the kernels' cells, whose gradients are added up from group to group."""
LEAST_PIXELS = 8
LEAST_CHANNELS, LEAST_PRODUCT = {False: 32, True: 64}, {False: 1600, True: 3000}
"""Below these, and below this product of channels and pixels a side, the transforms cost more than they save (measured).

In fp32, and in bf16, whose direct sums are faster."""


def for_precision(precision: str, threads: int) -> Winograd | None:
    """The way to multiply in a precision where every digit counts: bf16 has its own direct sums in hardware."""
    return Winograd(threads) if precision == "fp32" else None


def for_training(precision: str, threads: int) -> Winograd:
    """The way to multiply in a precision while a network learns."""
    return Winograd(threads, half=precision == "bf16")


class Winograd:
    """Convolutions of one training, with scratch memory that is used again and again.

    Parameters
    ----------
    threads : int
        Each row of tiles is summed by one thread, so the number changes no byte here.
    half : bool
        Images, gradients and cells in bf16 and tiles of 4 only; the transforms themselves are still computed in fp32.
    """

    def __init__(self, threads: int, half: bool = False) -> None:
        torch = require_torch()
        self.pool = ThreadPoolExecutor(threads)
        self.pieces = threads * 4
        self.half = half
        self.dtype = torch.bfloat16 if half else torch.float32
        self.tiles = TILES[:1] if half else TILES
        self.scratch: dict[str, Any] = {}

    def gains(self, layer: Any, after: Any, height: int, width: int) -> bool:
        """Whether a layer is a convolution with enough channels and pixels to gain, and the layer after it a ReLU."""
        nn = require_torch().nn
        if not (isinstance(layer, nn.Conv2d) and isinstance(after, nn.ReLU)):
            return False
        channels, pixels = min(layer.in_channels, layer.out_channels), min(height, width)
        if channels < LEAST_CHANNELS[self.half] or pixels < LEAST_PIXELS:
            return False
        return bool(channels * pixels >= LEAST_PRODUCT[self.half])

    def convolve(self, inputs: Any, weight: Any, bias: Any) -> Any:
        """Convolve (n, c, y, x) with (k, c, 3, 3), padding 1, and rectify; channels-last tensors, differentiable.

        The ReLU is done as the outputs are written, its gradient as gradients are read: two passes over memory less.
        """
        return _function().apply(self, inputs.to(self.dtype), weight, bias)

    def empty(self, *shape: int) -> Any:
        """Memory of a shape."""
        return require_torch().empty(*shape, dtype=self.dtype)

    def images(self, n: int, channels: int, height: int, width: int) -> Any:
        """Memory of channels-last images."""
        torch = require_torch()
        return torch.empty(n, channels, height, width, dtype=self.dtype, memory_format=torch.channels_last)

    def take(self, name: str, *shape: int) -> Any:
        """Scratch memory of a shape; what it held before is lost."""
        size = int(np.prod(shape))
        if name not in self.scratch or self.scratch[name].numel() < size:
            self.scratch[name] = self.empty(size)
        return self.scratch[name][:size].view(*shape)

    def spread(self, kernel: Callable[..., None], rows: int, *arrays: Any) -> None:
        """Run a kernel over all tile rows, or all outputs."""
        bounds = sorted({rows * k // self.pieces for k in range(self.pieces + 1)})
        jobs = [self.pool.submit(kernel, a, b, *arrays) for a, b in pairwise(bounds)]
        for job in jobs:
            job.result()

    def grids(self, pixels: Any, most: int) -> Iterator[tuple[slice, Grid]]:
        """Groups of images (n, y, x, channels) whose cells of ``most`` channels stay near the processor, and their tiles."""
        n, height, width, _ = pixels.shape
        whole = min((Grid(n, height, width, tile) for tile in self.tiles), key=lambda grid: grid.cells * grid.tiles)
        each = whole.cells * whole.tiles // n * most * self.dtype.itemsize
        kernels = whole.cells * most**2 * self.dtype.itemsize
        step = max(1, min(n, max(NEAR_BYTES, MORE_THAN_KERNELS * kernels) // each))
        for first in range(0, n, step):
            group = slice(first, min(first + step, n))
            yield group, replace(whole, n=group.stop - first)

    def transformed(self, inputs: Any, grid: Grid, table: Any) -> Any:
        """B' d B of all tiles into a table (cells, tiles, c)."""
        self.spread(partial(inputs_to_cells, grid.tile), grid.rows, _array(inputs), _array(table))
        return table

    def kernels(self, weight: Any, tile: int, table: Any) -> Any:
        """G g G', from (k, 3, 3, c) into a table (cells, k, c)."""
        self.spread(kernels_to_cells, weight.shape[0], TRANSFORMS[tile], weight, _array(table))
        return table

    def rectified(self, cells: Any, grid: Grid, kernels: Any, bias: Any, out: Any) -> None:
        """The convolution proper and its ReLU: cells (cells, tiles, c), kernels (cells, k, c) -> (n, y, x, k)."""
        product = self.take("product", *cells.shape[:2], kernels.shape[1])
        require_torch().bmm(cells, kernels.transpose(1, 2), out=product)
        arrays = (_array(product), bias.numpy(), np.float32(0), _array(out))
        self.spread(partial(outputs_from_cells, grid.tile), grid.rows, *arrays)

    def spread_gradient(self, out: Any, gradient: Any, grid: Grid) -> tuple[Any, Any]:
        """A g A' of all tiles, shape (cells, tiles, k), g being the gradient where ``out`` is positive; and g's sum (k,)."""
        table = self.take("product", grid.cells, grid.tiles, gradient.shape[3])
        sums = require_torch().empty(grid.rows, gradient.shape[3])
        arrays = (_array(a) for a in (out, gradient, sums, table))
        self.spread(partial(gradients_to_cells, grid.tile), grid.rows, *arrays)
        return table, sums.sum(dim=0)

    def gradient_of_inputs(self, table: Any, grid: Grid, kernels: Any, out: Any) -> None:
        """The transpose of the convolution: (cells, tiles, k), kernels (cells, k, c) -> (n, y, x, c)."""
        product = self.take("inputs", *table.shape[:2], kernels.shape[2])
        require_torch().bmm(table, kernels, out=product)
        self.spread(partial(inputs_from_cells, grid.tile), grid.rows, _array(product), _array(out))

    def gradient_of_kernels(self, cells: Any, tile: int) -> Any:
        """The transpose of :meth:`kernels`, as channels-last (k, c, 3, 3)."""
        weight = require_torch().empty(cells.shape[1], 3, 3, cells.shape[2])
        self.spread(kernels_from_cells, cells.shape[1], TRANSFORMS[tile], _array(cells), weight.numpy())
        return weight.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Grid:
    """How images (n, height, width) are cut into tiles."""

    n: int
    height: int
    width: int
    tile: int

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
            pixels, learns = _pixels(inputs), any(ctx.needs_input_grad)
            (n, height, width, into), channels = pixels.shape, len(weight)
            groups = list(own.grids(pixels, max(into, channels)))
            side, tile = groups[0][1].cells, groups[0][1].tile
            make = own.empty if learns else partial(own.take, "kernels")  # the gradients want them again
            kernels = own.kernels(_rows(weight), tile, make(side, channels, into))
            out = own.images(n, channels, height, width)
            kept = []
            for group, grid in groups:
                shape = (grid.cells, grid.tiles, into)
                cells = own.transformed(
                    pixels[group], grid, own.empty(*shape) if learns else own.take("inputs", *shape)
                )
                own.rectified(cells, grid, kernels, bias.detach(), _pixels(out)[group])
                kept.append(cells)
            ctx.own, ctx.groups = own, groups
            if learns:
                ctx.save_for_backward(kernels, out, *kept)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> tuple[None, Any, Any, Any]:
            own, (kernels, out, *seen) = ctx.own, ctx.saved_tensors
            above, outputs = _pixels(gradient), _pixels(out)
            n, height, width, _ = outputs.shape
            of_inputs = own.images(n, kernels.shape[2], height, width) if ctx.needs_input_grad[1] else None
            of_cells, of_bias = own.take("kernels", *kernels.shape), torch.zeros(len(kernels[0]))
            total = of_cells if len(seen) == 1 else torch.zeros(kernels.shape)
            for (group, grid), cells in zip(ctx.groups, seen, strict=True):
                table, sums = own.spread_gradient(outputs[group], above[group], grid)
                torch.bmm(table.transpose(1, 2), cells, out=of_cells)
                if total is not of_cells:
                    total += of_cells
                of_bias += sums
                if of_inputs is not None:
                    own.gradient_of_inputs(table, grid, kernels, _pixels(of_inputs)[group])
            return None, of_inputs, own.gradient_of_kernels(total, grid.tile), of_bias

    return Convolution


def _array(tensor: Any) -> NDArray[Any]:
    """Memory of a tensor as an array, bf16 as uint16 (:mod:`soilscope.learn.elements`)."""
    torch = require_torch()
    bits = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[Any] = bits.numpy()
    return array


def _pixels(images: Any) -> Any:
    """Images (n, c, y, x) as (n, y, x, c), channels running fastest."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


def _rows(weight: Any) -> NDArray[np.float32]:
    """Kernels as an array (k, 3, 3, c), channels running fastest."""
    rows: NDArray[np.float32] = weight.detach().permute(0, 2, 3, 1).contiguous().numpy()
    return rows
