"""Kernels to cells and back for Winograd's convolutions: G g G' and its transpose, compiled.

Kernels are (k, 3, 3, c), their cells (cells, k, c), float32; the inner loops run over c.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled
from soilscope.learn.elements import element, number

__all__ = ["TRANSFORMS", "kernels_from_cells", "kernels_to_cells"]

Array = NDArray[np.float32]

TRANSFORMS: dict[int, Array] = {
    4: (np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24).astype(np.float32),
    5: (
        np.array([[90, 0, 0], [-20, -20, -20], [60, -60, 60], [3, 6, 12], [-5, 10, -20], [-128, 64, -32], [0, 0, 180]])
        / 180
    ).astype(np.float32),
}
"""Transform of a kernel's three rows or columns to the cells, for each tile."""


@compiled
def kernels_to_cells(first: int, end: int, transform: Array, weight: Array, cells: Array) -> None:
    """G g G' of the kernels to some outputs, from (k, 3, 3, c) to (cells, k, c)."""
    side = transform.shape[0]
    half = np.empty((side, 3, weight.shape[3]), np.float32)
    for k in range(first, end):
        for i in range(side):
            for j in range(3):
                _three(transform[i], weight[k, 0, j], weight[k, 1, j], weight[k, 2, j], half[i, j])
        for i in range(side):
            for j in range(side):
                _three(transform[j], half[i, 0], half[i, 1], half[i, 2], cells[side * i + j, k])


@compiled
def kernels_from_cells(first: int, end: int, transform: Array, cells: Array, weight: Array) -> None:
    """G' u G for some outputs, from (cells, k, c) to (k, 3, 3, c): the transpose of :func:`kernels_to_cells`."""
    side = transform.shape[0]
    half = np.empty((3, side, weight.shape[3]), np.float32)
    for k in range(first, end):
        half[:] = 0
        weight[k] = 0
        for a in range(3):
            for j in range(side):
                for i in range(side):
                    _add(transform[i, a], cells[side * i + j, k], half[a, j])
            for b in range(3):
                for j in range(side):
                    _add(transform[j, b], half[a, j], weight[k, a, b])


@compiled
def _three(factors: Array, g0: Array, g1: Array, g2: Array, out: Array) -> None:
    """A weighted sum of three vectors."""
    first, second, third = factors[0], factors[1], factors[2]
    for c in range(g0.shape[0]):
        out[c] = element(first * g0[c] + second * g1[c] + third * g2[c], out)


@compiled
def _add(factor: np.float32, more: Array, total: Array) -> None:
    """Add a multiple of a vector."""
    for c in range(more.shape[0]):
        total[c] += factor * number(more[c])
