"""Image to tiles and back for Winograd's F(4 x 4, 3 x 3): the three transforms, compiled, one row of tiles after the other.

Arrays are (n, y, x, channels) and (36, tiles, channels), float32; the inner loops run over channels. Outside the image is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled

__all__ = ["TILE", "gradients_to_cells", "inputs_to_cells", "outputs_from_cells"]

TILE = 4
"""Outputs a side of a tile."""

Array = NDArray[np.float32]


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
        a, b, e, f, g, h = d0[c], d1[c], d2[c], d3[c], d4[c], d5[c]
        u, v = g - np.float32(4) * e, f - np.float32(4) * b
        p, q = g - e, np.float32(2) * (f - b)
        t0[c] = np.float32(4) * a - np.float32(5) * e + g
        t1[c] = u + v
        t2[c] = u - v
        t3[c] = p + q
        t4[c] = p - q
        t5[c] = np.float32(4) * b - np.float32(5) * f + h


@compiled
def outputs_from_cells(first: int, end: int, product: Array, bias: Array, out: Array) -> None:
    """A' m A for some tile rows, and the bias."""
    _, height, width, channels = out.shape
    down, across = -(-height // 4), -(-width // 4)
    rows = np.empty((6, 4 * across, channels), np.float32)
    spare = np.empty((4, channels), np.float32)
    zero = np.zeros(channels, np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * 4
        for i in range(6):
            for t in range(across):
                x, tile, k = 4 * t, place * across + t, 6 * i
                r = rows[i]
                _four(
                    product[k, tile], product[k + 1, tile], product[k + 2, tile], product[k + 3, tile], product[k + 4, tile],
                    product[k + 5, tile], zero, r[x], r[x + 1], r[x + 2], r[x + 3],
                )  # fmt: skip
        for x in range(width):
            y0 = out[n, top, x]
            y1 = out[n, top + 1, x] if top + 1 < height else spare[1]
            y2 = out[n, top + 2, x] if top + 2 < height else spare[2]
            y3 = out[n, top + 3, x] if top + 3 < height else spare[3]
            _four(rows[0, x], rows[1, x], rows[2, x], rows[3, x], rows[4, x], rows[5, x], bias, y0, y1, y2, y3)


@compiled
def _four(
    m0: Array,
    m1: Array,
    m2: Array,
    m3: Array,
    m4: Array,
    m5: Array,
    more: Array,
    y0: Array,
    y1: Array,
    y2: Array,
    y3: Array,
) -> None:
    """A' of six vectors, plus one."""
    for c in range(m0.shape[0]):
        b, e, f, g = m1[c], m2[c], m3[c], m4[c]
        plus, minus, wide, apart = b + e, b - e, f + g, f - g
        y0[c] = m0[c] + plus + wide + more[c]
        y1[c] = minus + np.float32(2) * apart + more[c]
        y2[c] = plus + np.float32(4) * wide + more[c]
        y3[c] = minus + np.float32(8) * apart + m5[c] + more[c]


@compiled
def gradients_to_cells(first: int, end: int, gradient: Array, table: Array) -> None:
    """A g A' for some tile rows: the transpose of :func:`outputs_from_cells`."""
    _, height, width, channels = gradient.shape
    down, across = -(-height // 4), -(-width // 4)
    rows = np.zeros((6, 4 * across, channels), np.float32)
    nothing = np.zeros(channels, np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * 4
        for x in range(width):
            g0 = gradient[n, top, x]
            g1 = gradient[n, top + 1, x] if top + 1 < height else nothing
            g2 = gradient[n, top + 2, x] if top + 2 < height else nothing
            g3 = gradient[n, top + 3, x] if top + 3 < height else nothing
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
def _back(
    g0: Array, g1: Array, g2: Array, g3: Array, t0: Array, t1: Array, t2: Array, t3: Array, t4: Array, t5: Array
) -> None:
    """A of four vectors."""
    for c in range(g0.shape[0]):
        a, b, e, f = g0[c], g1[c], g2[c], g3[c]
        even, odd = a + e, b + f
        far, wide = a + np.float32(4) * e, np.float32(2) * b + np.float32(8) * f
        t0[c] = a
        t1[c] = even + odd
        t2[c] = even - odd
        t3[c] = far + wide
        t4[c] = far - wide
        t5[c] = f
