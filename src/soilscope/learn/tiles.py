"""Image to tiles and back for Winograd's F(4 x 4, 3 x 3) and F(5 x 5, 3 x 3): the transforms, compiled, one row of tiles at a time.

Arrays are (n, y, x, channels) and (cells, tiles, channels), float32; outside the image is 0. A tile of m x m outputs has
(m + 2)**2 cells. The polynomials of m = 4 have the roots 0, 1, -1, 2, -2 and infinity; those of m = 5 also -1/2, so its
transform of an image is that of m = 4 on d[i + 1] + d[i] / 2, with one row more. Each transform is done down the rows and then
across, or the other way round; a loop runs over channels or over a whole row of pixels, loading all before it stores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled

__all__ = [
    "TILES",
    "gradients_to_cells",
    "inputs_from_cells",
    "inputs_to_cells",
    "outputs_from_cells",
]

TILES = (4, 5)
"""Outputs a side of a tile."""

Array = NDArray[np.float32]
Number = np.float32
Six = tuple[Number, Number, Number, Number, Number, Number]
Seven = tuple[Number, Number, Number, Number, Number, Number, Number]

TWO, FOUR, FIVE, EIGHT, SIXTEEN = np.float32(2), np.float32(4), np.float32(5), np.float32(8), np.float32(16)
HALF, QUARTER, EIGHTH, SIXTEENTH = np.float32(0.5), np.float32(0.25), np.float32(0.125), np.float32(0.0625)


# Images to cells: B' d B


@compiled
def inputs_to_cells(tile: int, first: int, end: int, inputs: Array, table: Array) -> None:
    """B' d B for some tile rows."""
    _, height, width, channels = inputs.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    rows = np.zeros((side, (tile * across + 2) * channels), np.float32)
    band = np.zeros((side, width * channels), np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * tile - 1
        image = inputs[n].reshape(height, width * channels)
        if top >= 0 and top + side <= height:
            _inputs_down(tile, image, top, channels, rows)
        else:
            for i in range(side):
                if 0 <= top + i < height:
                    band[i] = image[top + i]
                else:
                    band[i] = 0
            _inputs_down(tile, band, 0, channels, rows)
        for i in range(side):
            _inputs_across(tile, rows[i].reshape(-1, channels), side * i, place * across, across, table)


@compiled
def _inputs_down(tile: int, image: Array, y: int, margin: int, rows: Array) -> None:
    if tile == 4:
        for p in range(image.shape[1]):
            t0, t1, t2, t3, t4, t5 = _six(
                image[y, p], image[y + 1, p], image[y + 2, p], image[y + 3, p], image[y + 4, p], image[y + 5, p]
            )
            q = p + margin
            rows[0, q], rows[1, q], rows[2, q], rows[3, q], rows[4, q], rows[5, q] = t0, t1, t2, t3, t4, t5
        return
    for p in range(image.shape[1]):
        t0, t1, t2, t3, t4, t5, t6 = _seven(
            image[y, p], image[y + 1, p], image[y + 2, p], image[y + 3, p], image[y + 4, p], image[y + 5, p],
            image[y + 6, p],
        )  # fmt: skip
        q = p + margin
        rows[0, q], rows[1, q], rows[2, q], rows[3, q], rows[4, q], rows[5, q] = t0, t1, t2, t3, t4, t5
        rows[6, q] = t6


@compiled
def _inputs_across(tile: int, r: Array, k: int, start: int, across: int, table: Array) -> None:
    for t in range(across):
        x, to = tile * t, start + t
        if tile == 4:
            for c in range(r.shape[1]):
                t0, t1, t2, t3, t4, t5 = _six(r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c], r[x + 4, c], r[x + 5, c])
                table[k, to, c], table[k + 1, to, c], table[k + 2, to, c] = t0, t1, t2
                table[k + 3, to, c], table[k + 4, to, c], table[k + 5, to, c] = t3, t4, t5
        else:
            for c in range(r.shape[1]):
                t0, t1, t2, t3, t4, t5, t6 = _seven(
                    r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c], r[x + 4, c], r[x + 5, c], r[x + 6, c]
                )
                table[k, to, c], table[k + 1, to, c], table[k + 2, to, c] = t0, t1, t2
                table[k + 3, to, c], table[k + 4, to, c], table[k + 5, to, c], table[k + 6, to, c] = t3, t4, t5, t6


@compiled
def _six(d0: Number, d1: Number, d2: Number, d3: Number, d4: Number, d5: Number) -> Six:
    """B' of six."""
    even, odd, near, far = d4 - FOUR * d2, d3 - FOUR * d1, d4 - d2, TWO * (d3 - d1)
    return (
        FOUR * d0 - FIVE * d2 + d4,
        even + odd,
        even - odd,
        near + far,
        near - far,
        FOUR * d1 - FIVE * d3 + d5,
    )  # fmt: skip


@compiled
def _seven(d0: Number, d1: Number, d2: Number, d3: Number, d4: Number, d5: Number, d6: Number) -> Seven:
    """B' of seven."""
    t0, t1, t2, t3, t4, t6 = _six(
        d1 + HALF * d0, d2 + HALF * d1, d3 + HALF * d2, d4 + HALF * d3, d5 + HALF * d4, d6 + HALF * d5
    )
    return t0, t1, t2, t3, t4, FOUR * d1 - FIVE * d3 + d5, t6


# Cells to outputs: A' m A


@compiled
def outputs_from_cells(tile: int, first: int, end: int, product: Array, bias: Array, floor: Number, out: Array) -> None:
    """A' m A for some tile rows, plus the bias, and not below a floor: 0 is the ReLU's."""
    _, height, width, channels = out.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    rows = np.empty((side, tile * across * channels), np.float32)
    band = np.empty((tile, width * channels), np.float32)
    more = np.empty((width, channels), np.float32)
    more[:] = bias
    for place in range(first, end):
        n, top = place // down, place % down * tile
        image = out[n].reshape(height, width * channels)
        for i in range(side):
            _outputs_across(tile, product, side * i, place * across, across, rows[i].reshape(-1, channels))
        if top + tile <= height:
            _outputs_down(tile, rows, more.reshape(-1), floor, image, top)
        else:
            _outputs_down(tile, rows, more.reshape(-1), floor, band, 0)
            for i in range(height - top):
                image[top + i] = band[i]


@compiled
def _outputs_across(tile: int, m: Array, k: int, start: int, across: int, r: Array) -> None:
    for t in range(across):
        x, at = tile * t, start + t
        if tile == 4:
            for c in range(r.shape[1]):
                y0, y1, y2, y3 = _four(
                    m[k, at, c], m[k + 1, at, c], m[k + 2, at, c], m[k + 3, at, c], m[k + 4, at, c], m[k + 5, at, c]
                )
                r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c] = y0, y1, y2, y3
        else:
            for c in range(r.shape[1]):
                y0, y1, y2, y3, y4 = _five(
                    m[k, at, c], m[k + 1, at, c], m[k + 2, at, c], m[k + 3, at, c], m[k + 4, at, c], m[k + 5, at, c],
                    m[k + 6, at, c],
                )  # fmt: skip
                r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c], r[x + 4, c] = y0, y1, y2, y3, y4


@compiled
def _outputs_down(tile: int, r: Array, more: Array, floor: Number, image: Array, y: int) -> None:
    if tile == 4:
        for p in range(image.shape[1]):
            y0, y1, y2, y3 = _four(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p])
            image[y, p], image[y + 1, p] = _not_below(y0 + more[p], floor), _not_below(y1 + more[p], floor)
            image[y + 2, p], image[y + 3, p] = _not_below(y2 + more[p], floor), _not_below(y3 + more[p], floor)
        return
    for p in range(image.shape[1]):
        y0, y1, y2, y3, y4 = _five(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p])
        image[y, p], image[y + 1, p] = _not_below(y0 + more[p], floor), _not_below(y1 + more[p], floor)
        image[y + 2, p], image[y + 3, p] = _not_below(y2 + more[p], floor), _not_below(y3 + more[p], floor)
        image[y + 4, p] = _not_below(y4 + more[p], floor)


@compiled
def _four(
    m0: Number, m1: Number, m2: Number, m3: Number, m4: Number, m5: Number
) -> tuple[Number, Number, Number, Number]:
    """A' of six."""
    even, odd, far, side = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even + far, odd + TWO * side, even + FOUR * far, odd + EIGHT * side + m5


@compiled
def _five(
    m0: Number, m1: Number, m2: Number, m3: Number, m4: Number, m5: Number, m6: Number
) -> tuple[Number, Number, Number, Number, Number]:
    """A' of seven."""
    even, odd, far, side = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + even + far + m5,
        odd + TWO * side - HALF * m5,
        even + FOUR * far + QUARTER * m5,
        odd + EIGHT * side - EIGHTH * m5,
        even + SIXTEEN * far + SIXTEENTH * m5 + m6,
    )


@compiled
def _not_below(value: Number, floor: Number) -> Number:
    """NaN stays NaN."""
    return floor if value < floor else value


# Gradients to cells: A g A', the transpose of A' m A


@compiled
def gradients_to_cells(tile: int, first: int, end: int, out: Array, gradient: Array, sums: Array, table: Array) -> None:
    """A g A' for some tile rows, g being the gradient where the ReLU passed something on, and ``sums`` of g (rows, channels)."""
    _, height, width, channels = gradient.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    rows = np.zeros((side, tile * across * channels), np.float32)
    band = np.zeros((tile, tile * across, channels), np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * tile
        sums[place] = 0
        for i in range(tile):
            if top + i < height:
                _where_positive(out[n, top + i], gradient[n, top + i], band[i], sums[place])
            else:
                band[i] = 0
        _gradients_down(tile, band.reshape(tile, -1), rows)
        for i in range(side):
            _gradients_across(tile, rows[i].reshape(-1, channels), side * i, place * across, across, table)


@compiled
def _where_positive(out: Array, gradient: Array, passed: Array, total: Array) -> None:
    """The gradient of a ReLU, and its part of the sum."""
    for x in range(out.shape[0]):
        for c in range(out.shape[1]):
            passed[x, c] = np.float32(0) if out[x, c] <= 0 else gradient[x, c]
        for c in range(out.shape[1]):
            total[c] += passed[x, c]


@compiled
def _gradients_down(tile: int, g: Array, r: Array) -> None:
    if tile == 4:
        for p in range(g.shape[1]):
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p] = _back_four(g[0, p], g[1, p], g[2, p], g[3, p])
        return
    for p in range(g.shape[1]):
        t0, t1, t2, t3, t4, t5, t6 = _back_five(g[0, p], g[1, p], g[2, p], g[3, p], g[4, p])
        r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p] = t0, t1, t2, t3, t4, t5, t6


@compiled
def _gradients_across(tile: int, r: Array, k: int, start: int, across: int, table: Array) -> None:
    for t in range(across):
        x, to = tile * t, start + t
        if tile == 4:
            for c in range(r.shape[1]):
                t0, t1, t2, t3, t4, t5 = _back_four(r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c])
                table[k, to, c], table[k + 1, to, c], table[k + 2, to, c] = t0, t1, t2
                table[k + 3, to, c], table[k + 4, to, c], table[k + 5, to, c] = t3, t4, t5
        else:
            for c in range(r.shape[1]):
                t0, t1, t2, t3, t4, t5, t6 = _back_five(r[x, c], r[x + 1, c], r[x + 2, c], r[x + 3, c], r[x + 4, c])
                table[k, to, c], table[k + 1, to, c], table[k + 2, to, c] = t0, t1, t2
                table[k + 3, to, c], table[k + 4, to, c], table[k + 5, to, c], table[k + 6, to, c] = t3, t4, t5, t6


@compiled
def _back_four(g0: Number, g1: Number, g2: Number, g3: Number) -> Six:
    """A of four."""
    even, odd = g0 + g2, g1 + g3
    wide, side = g0 + FOUR * g2, TWO * g1 + EIGHT * g3
    return g0, even + odd, even - odd, wide + side, wide - side, g3


@compiled
def _back_five(g0: Number, g1: Number, g2: Number, g3: Number, g4: Number) -> Seven:
    """A of five."""
    even, odd = g0 + g2 + g4, g1 + g3
    wide, side = g0 + FOUR * g2 + SIXTEEN * g4, TWO * g1 + EIGHT * g3
    narrow = (g0 + QUARTER * g2 + SIXTEENTH * g4) - (HALF * g1 + EIGHTH * g3)
    return g0, even + odd, even - odd, wide + side, wide - side, narrow, g4


# Cells to the gradient of the inputs: B t B', the transpose of B' d B


@compiled
def inputs_from_cells(tile: int, first: int, end: int, product: Array, out: Array) -> None:
    """B t B' for some images, summed where tiles overlap, from the top of an image to its bottom."""
    _, height, width, channels = out.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    rows = np.empty((side, (tile * across + 2) * channels), np.float32)
    carried = np.empty((2, rows.shape[1]), np.float32)
    inside = slice(channels, (width + 1) * channels)
    for n in range(first, end):
        image = out[n].reshape(height, width * channels)
        carried[:] = 0
        for row in range(down):
            for i in range(side):
                start = (n * down + row) * across
                _inputs_back_across(tile, product, side * i, start, across, rows[i].reshape(-1, channels))
            _inputs_back_down(tile, rows, carried)
            ready = tile if row < down - 1 else side
            for i in range(ready):
                y = row * tile - 1 + i
                if 0 <= y < height:
                    image[y] = rows[i, inside]


@compiled
def _inputs_back_across(tile: int, m: Array, k: int, start: int, across: int, r: Array) -> None:
    r[:2] = 0
    for t in range(across):
        x, at = tile * t, start + t
        if tile == 4:
            for c in range(r.shape[1]):
                d0, d1, d2, d3, d4, d5 = _back_six(
                    m[k, at, c], m[k + 1, at, c], m[k + 2, at, c], m[k + 3, at, c], m[k + 4, at, c], m[k + 5, at, c]
                )
                r[x, c], r[x + 1, c] = r[x, c] + d0, r[x + 1, c] + d1
                r[x + 2, c], r[x + 3, c], r[x + 4, c], r[x + 5, c] = d2, d3, d4, d5
        else:
            for c in range(r.shape[1]):
                d0, d1, d2, d3, d4, d5, d6 = _back_seven(
                    m[k, at, c], m[k + 1, at, c], m[k + 2, at, c], m[k + 3, at, c], m[k + 4, at, c], m[k + 5, at, c],
                    m[k + 6, at, c],
                )  # fmt: skip
                r[x, c], r[x + 1, c] = r[x, c] + d0, r[x + 1, c] + d1
                r[x + 2, c], r[x + 3, c], r[x + 4, c], r[x + 5, c], r[x + 6, c] = d2, d3, d4, d5, d6


@compiled
def _inputs_back_down(tile: int, r: Array, carried: Array) -> None:
    """In place: rows of cells become rows of pixels; the last two, which the next tiles add to, are carried."""
    if tile == 4:
        for p in range(r.shape[1]):
            d0, d1, d2, d3, d4, d5 = _back_six(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p])
            r[0, p], r[1, p] = d0 + carried[0, p], d1 + carried[1, p]
            r[2, p], r[3, p], r[4, p], r[5, p] = d2, d3, d4, d5
            carried[0, p], carried[1, p] = d4, d5
        return
    for p in range(r.shape[1]):
        d0, d1, d2, d3, d4, d5, d6 = _back_seven(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p])
        r[0, p], r[1, p] = d0 + carried[0, p], d1 + carried[1, p]
        r[2, p], r[3, p], r[4, p], r[5, p], r[6, p] = d2, d3, d4, d5, d6
        carried[0, p], carried[1, p] = d5, d6


@compiled
def _back_six(t0: Number, t1: Number, t2: Number, t3: Number, t4: Number, t5: Number) -> Six:
    """B of six."""
    even, odd, far, side = t1 + t2, t1 - t2, t3 + t4, t3 - t4
    return (
        FOUR * t0,
        FOUR * (t5 - odd) - TWO * side,
        -(FIVE * t0 + FOUR * even + far),
        odd + TWO * side - FIVE * t5,
        t0 + even + far,
        t5,
    )


@compiled
def _back_seven(t0: Number, t1: Number, t2: Number, t3: Number, t4: Number, t5: Number, t6: Number) -> Seven:
    """B of seven."""
    u0, u1, u2, u3, u4, u5 = _back_six(t0, t1, t2, t3, t4, t6)
    return (
        HALF * u0,
        u0 + HALF * u1 + FOUR * t5,
        u1 + HALF * u2,
        u2 + HALF * u3 - FIVE * t5,
        u3 + HALF * u4,
        u4 + HALF * u5 + t5,
        u5,
    )
