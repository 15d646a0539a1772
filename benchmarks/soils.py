"""Arrays that the structure benchmarks measure: structure of a few voxels' width, made from smoothed noise, from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["blobs", "six_class_core"]


def blobs(shape: tuple[int, int, int], share: float, width: float, seed: int = 0) -> NDArray[np.bool_]:
    """A mask of connected blobs some voxels wide, covering a share of the volume."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape, dtype=np.float32), width)
    mask: NDArray[np.bool_] = field > np.quantile(field[::4, ::4, ::4], 1.0 - share)
    return mask


def six_class_core(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.int16]:
    """Values from -2048 to 4096 that fill six classes of equal width."""
    rng = np.random.default_rng(seed)
    return rng.integers(-2048, 4096, shape, dtype=np.int16)
