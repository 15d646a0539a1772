"""Image to tiles and back for Winograd's F(4 x 4, 3 x 3): the transforms, compiled, one row of tiles after the other.

Arrays are (n, y, x, channels) and (36, tiles, channels), float32; the inner loops run over channels. Outside the image is 0.
Each loop has few arrays on purpose: then the compiler proves that they do not overlap, and vectorises it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled

__all__ = [
    "TILE",
    "gradients_to_cells",
    "inputs_to_cells",
    "kernels_from_cells",
    "kernels_to_cells",
    "outputs_from_cells",
]

TILE = 4
"""Outputs a side of a tile."""

Array = NDArray[np.float32]

G = (np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24).astype(np.float32)
"""Transform of a kernel's three rows or columns to six cells."""


@compiled
def inputs_to_cells(first: int, end: int, inputs: Array, table: Array) -> None:
    """B' d B for some tile rows: first down the six rows of a tile, all pixels at once, then across."""
    _, height, width, channels = inputs.shape
    down, across = -(-height // 4), -(-width // 4)
    rows = np.zeros((6, 4 * across + 2, channels), np.float32)
    nothing = np.zeros(channels, np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * 4 - 1
        for x in range(width):
            d0 = inputs[n, top, x] if top >= 0 else nothing
            d1 = inputs[n, top + 1, x]
            d2 = inputs[n, top + 2, x] if top + 2 < height else nothing
            d3 = inputs[n, top + 3, x] if top + 3 < height else nothing
            d4 = inputs[n, top + 4, x] if top + 4 < height else nothing
            d5 = inputs[n, top + 5, x] if top + 5 < height else nothing
            _six(
                d0,
                d1,
                d2,
                d3,
                d4,
                d5,
                rows[0, x + 1],
                rows[1, x + 1],
                rows[2, x + 1],
                rows[3, x + 1],
                rows[4, x + 1],
                rows[5, x + 1],
            )
        for i in range(6):
            for t in range(across):
                x, tile = 4 * t, place * across + t
                r = rows[i]
                k = 6 * i
                _six(
                    r[x], r[x + 1], r[x + 2], r[x + 3], r[x + 4], r[x + 5],
                    table[k, tile], table[k + 1, tile], table[k + 2, tile],
                    table[k + 3, tile], table[k + 4, tile], table[k + 5, tile],
                )  # fmt: skip


@compiled
def _six(
    d0: Array,
    d1: Array,
    d2: Array,
    d3: Array,
    d4: Array,
    d5: Array,
    t0: Array,
    t1: Array,
    t2: Array,
    t3: Array,
    t4: Array,
    t5: Array,
) -> None:
    """B' of six vectors."""
    for c in range(d0.shape[0]):
        t0[c] = np.float32(4) * d0[c] - np.float32(5) * d2[c] + d4[c]
    for c in range(d0.shape[0]):
        t1[c] = (d4[c] - np.float32(4) * d2[c]) + (d3[c] - np.float32(4) * d1[c])
    for c in range(d0.shape[0]):
        t2[c] = (d4[c] - np.float32(4) * d2[c]) - (d3[c] - np.float32(4) * d1[c])
    for c in range(d0.shape[0]):
        t3[c] = (d4[c] - d2[c]) + np.float32(2) * (d3[c] - d1[c])
    for c in range(d0.shape[0]):
        t4[c] = (d4[c] - d2[c]) - np.float32(2) * (d3[c] - d1[c])
    for c in range(d0.shape[0]):
        t5[c] = np.float32(4) * d1[c] - np.float32(5) * d3[c] + d5[c]


@compiled
def outputs_from_cells(first: int, end: int, product: Array, bias: Array, floor: np.float32, out: Array) -> None:
    """A' m A for some tile rows, plus the bias, and not below a floor: 0 is the ReLU's, minus infinity is none."""
    _, height, width, channels = out.shape
    down, across = -(-height // 4), -(-width // 4)
    rows = np.empty((6, 4 * across, channels), np.float32)
    spare = np.empty((4, channels), np.float32)
    zero, none = np.zeros(channels, np.float32), np.float32(-np.inf)
    for place in range(first, end):
        n, top = place // down, place % down * 4
        for i in range(6):
            for t in range(across):
                x, tile, k = 4 * t, place * across + t, 6 * i
                r = rows[i]
                _four(
                    product[k, tile], product[k + 1, tile], product[k + 2, tile], product[k + 3, tile], product[k + 4, tile],
                    product[k + 5, tile], zero, none, r[x], r[x + 1], r[x + 2], r[x + 3],
                )  # fmt: skip
        for x in range(width):
            y0 = out[n, top, x]
            y1 = out[n, top + 1, x] if top + 1 < height else spare[1]
            y2 = out[n, top + 2, x] if top + 2 < height else spare[2]
            y3 = out[n, top + 3, x] if top + 3 < height else spare[3]
            _four(rows[0, x], rows[1, x], rows[2, x], rows[3, x], rows[4, x], rows[5, x], bias, floor, y0, y1, y2, y3)


@compiled
def _four(
    m0: Array,
    m1: Array,
    m2: Array,
    m3: Array,
    m4: Array,
    m5: Array,
    more: Array,
    floor: np.float32,
    y0: Array,
    y1: Array,
    y2: Array,
    y3: Array,
) -> None:
    """A' of six vectors, plus one, not below a floor; NaN stays NaN."""
    for c in range(m0.shape[0]):
        y0[c] = _not_below(m0[c] + (m1[c] + m2[c]) + (m3[c] + m4[c]) + more[c], floor)
    for c in range(m0.shape[0]):
        y1[c] = _not_below((m1[c] - m2[c]) + np.float32(2) * (m3[c] - m4[c]) + more[c], floor)
    for c in range(m0.shape[0]):
        y2[c] = _not_below((m1[c] + m2[c]) + np.float32(4) * (m3[c] + m4[c]) + more[c], floor)
    for c in range(m0.shape[0]):
        y3[c] = _not_below((m1[c] - m2[c]) + np.float32(8) * (m3[c] - m4[c]) + m5[c] + more[c], floor)


@compiled
def _not_below(value: np.float32, floor: np.float32) -> np.float32:
    return floor if value < floor else value


@compiled
def gradients_to_cells(
    first: int, end: int, out: Array, gradient: Array, passed: Array, sums: Array, table: Array
) -> None:
    """A g A' for some tile rows, g being the gradient where the ReLU passed something on: the transpose of
    :func:`outputs_from_cells`. ``passed`` gets g itself, ``sums`` its sum over each tile row (rows, channels).
    """
    _, height, width, channels = gradient.shape
    down, across = -(-height // 4), -(-width // 4)
    rows = np.zeros((6, 4 * across, channels), np.float32)
    nothing = np.zeros(channels, np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * 4
        sums[place] = 0
        for y in range(top, min(top + 4, height)):
            for x in range(width):
                _where_positive(out[n, y, x], gradient[n, y, x], passed[n, y, x], sums[place])
        for x in range(width):
            g0 = passed[n, top, x]
            g1 = passed[n, top + 1, x] if top + 1 < height else nothing
            g2 = passed[n, top + 2, x] if top + 2 < height else nothing
            g3 = passed[n, top + 3, x] if top + 3 < height else nothing
            _back(g0, g1, g2, g3, rows[0, x], rows[1, x], rows[2, x], rows[3, x], rows[4, x], rows[5, x])
        for i in range(6):
            for t in range(across):
                x, tile, k = 4 * t, place * across + t, 6 * i
                r = rows[i]
                _back(
                    r[x], r[x + 1], r[x + 2], r[x + 3],
                    table[k, tile], table[k + 1, tile], table[k + 2, tile],
                    table[k + 3, tile], table[k + 4, tile], table[k + 5, tile],
                )  # fmt: skip


@compiled
def _where_positive(out: Array, gradient: Array, passed: Array, total: Array) -> None:
    """The gradient of a ReLU, and its part of the sum."""
    for c in range(out.shape[0]):
        passed[c] = np.float32(0) if out[c] <= 0 else gradient[c]
    for c in range(out.shape[0]):
        total[c] += passed[c]


@compiled
def _back(
    g0: Array, g1: Array, g2: Array, g3: Array, t0: Array, t1: Array, t2: Array, t3: Array, t4: Array, t5: Array
) -> None:
    """A of four vectors."""
    for c in range(g0.shape[0]):
        t0[c] = g0[c]
    for c in range(g0.shape[0]):
        t1[c] = (g0[c] + g2[c]) + (g1[c] + g3[c])
    for c in range(g0.shape[0]):
        t2[c] = (g0[c] + g2[c]) - (g1[c] + g3[c])
    for c in range(g0.shape[0]):
        t3[c] = (g0[c] + np.float32(4) * g2[c]) + (np.float32(2) * g1[c] + np.float32(8) * g3[c])
    for c in range(g0.shape[0]):
        t4[c] = (g0[c] + np.float32(4) * g2[c]) - (np.float32(2) * g1[c] + np.float32(8) * g3[c])
    for c in range(g0.shape[0]):
        t5[c] = g3[c]


@compiled
def kernels_to_cells(first: int, end: int, weight: Array, cells: Array) -> None:
    """G g G' of the kernels to some outputs, from (k, 3, 3, c) to (36, k, c)."""
    half = np.empty((6, 3, weight.shape[3]), np.float32)
    for k in range(first, end):
        for i in range(6):
            for j in range(3):
                _three(G[i], weight[k, 0, j], weight[k, 1, j], weight[k, 2, j], half[i, j])
        for i in range(6):
            for j in range(6):
                _three(G[j], half[i, 0], half[i, 1], half[i, 2], cells[6 * i + j, k])


@compiled
def kernels_from_cells(first: int, end: int, cells: Array, weight: Array) -> None:
    """G' u G for some outputs, from (36, k, c) to (k, 3, 3, c): the transpose of :func:`kernels_to_cells`."""
    half = np.empty((3, 6, weight.shape[3]), np.float32)
    for k in range(first, end):
        half[:] = 0
        weight[k] = 0
        for a in range(3):
            for j in range(6):
                for i in range(6):
                    _add(G[i, a], cells[6 * i + j, k], half[a, j])
            for b in range(3):
                for j in range(6):
                    _add(G[j, b], half[a, j], weight[k, a, b])


@compiled
def _three(factors: Array, g0: Array, g1: Array, g2: Array, out: Array) -> None:
    """A weighted sum of three vectors."""
    first, second, third = factors[0], factors[1], factors[2]
    for c in range(g0.shape[0]):
        out[c] = first * g0[c] + second * g1[c] + third * g2[c]


@compiled
def _add(factor: np.float32, more: Array, total: Array) -> None:
    """Add a multiple of a vector."""
    for c in range(more.shape[0]):
        total[c] += factor * more[c]
