"""Area means on a square grid: the same region at another size, by exact overlap of pixels, deterministic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.types import BoolVolume, FloatImage

__all__ = ["SquareGrid", "overlap"]

LEAST_SIZE = 8
"""Below this an image shows nothing a network could use."""


def overlap(start: float, length: float, cells: int, pixels: int) -> NDArray[np.float64]:
    """Share of each new cell that each old pixel fills, shape (cells, pixels).

    The cells cut ``[start, start + length)`` (in old pixels, 0 at the first pixel's outer edge) into equal parts. A
    row sums to 1 where its cell lies inside the image, to less where it hangs over the edge.
    """
    edges = start + length * np.arange(cells + 1) / cells
    pixel = np.arange(pixels)
    low = np.maximum(edges[:-1, None], pixel[None, :])
    high = np.minimum(edges[1:, None], pixel[None, :] + 1.0)
    shares: NDArray[np.float64] = np.maximum(high - low, 0.0) * (cells / length)
    return shares


@dataclass(frozen=True, slots=True)
class SquareGrid:
    """The square bounding box of a core's valid region, cut into ``size`` x ``size`` cells.

    The square is taken in mm, so that pixels that are not square do not distort the picture; ``pixel_mm`` is a cell's
    side, ``corner_mm`` the (y, x) of the square's first corner. Where the square reaches beyond the scan, the outside counts as 0.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    pixel_mm: float
    corner_mm: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def around(cls, valid: BoolVolume, pixel_mm: tuple[float, float], size: int) -> SquareGrid:
        """The grid around everything valid, seen from above.

        Raises
        ------
        UsageError
            Code ``image-size``: fewer than 8 cells a side.
        """
        if size < LEAST_SIZE:
            raise UsageError("image-size", f"image_size {size} is too small; take at least {LEAST_SIZE}.")
        seen: NDArray[np.bool_] = np.any(valid, axis=0)
        boxes = []
        for axis, step in ((1, pixel_mm[0]), (0, pixel_mm[1])):
            there = np.flatnonzero(np.any(seen, axis=axis))
            first, end = (int(there[0]), int(there[-1]) + 1) if there.size else (0, seen.shape[1 - axis])
            boxes.append((first * step, end * step))
        side = max(high - low for low, high in boxes)
        corner = [(low + high - side) / 2 for low, high in boxes]
        weights = []
        for start, step, pixels in zip(corner, pixel_mm, seen.shape, strict=True):
            weights.append(overlap(start / step, side / step, size, pixels))
        return cls(weights[0], weights[1], side / size, (corner[0], corner[1]))

    def mean(self, image: NDArray[Any]) -> FloatImage:
        """Area mean of an image (..., y, x), shape (..., size, size)."""
        return (self.rows @ image.astype(np.float64) @ self.columns.T).astype(np.float32)
