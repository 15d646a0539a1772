"""Image to tiles and back for Winograd's F(4 x 4, 3 x 3) and F(5 x 5, 3 x 3): the transforms, compiled, one row of tiles at a time.

Images are (n, y, x, channels), tables (cells, tiles, channels), both float32 or bf16 (:mod:`soilscope.learn.elements`); sums
are float32. Outside the image is 0. A tile of m x m outputs has (m + 2)**2 cells. The polynomials of m = 4 have the roots 0, 1,
-1, 2, -2 and infinity; those of m = 5 also -1/2, so its transform of an image is that of m = 4 on d[i + 1] + d[i] / 2, with one
row more.

A row of pixels is first dealt out to m strips, pixel x to strip x % m, so that a transform is one long loop over tiles and
channels at once, down the rows or across the strips; compilers make such loops fast. Each loads all it needs before it stores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled
from soilscope.learn.elements import element, number
from soilscope.learn.tile_sums import back_five, back_four, back_seven, back_six, five, four, seven, six

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
Stored = NDArray[Any]


# Pixels to strips and back


@compiled
def _dealt_out(pixels: Stored, margin: int, strips: Array) -> None:
    """Deal pixels (x, channels) out to strips (tile, tiles, channels), the first of them to strip ``margin``."""
    tile = strips.shape[0]
    for x in range(pixels.shape[0]):
        t, j = (x + margin) // tile, (x + margin) % tile
        for c in range(pixels.shape[1]):
            strips[j, t, c] = number(pixels[x, c])


@compiled
def _gathered(strips: Array, margin: int, pixels: Stored) -> None:
    """Gather pixels (x, channels) from strips: the opposite of :func:`_dealt_out`."""
    tile = strips.shape[0]
    for x in range(pixels.shape[0]):
        t, j = (x + margin) // tile, (x + margin) % tile
        for c in range(pixels.shape[1]):
            pixels[x, c] = element(strips[j, t, c], pixels)


# Rows of a table to float32 and back: passes of their own, since a loop that also sums is compiled to slower code


@compiled
def _loaded(table: Stored, k: int, start: int, rows: Array) -> None:
    """Rows k, k + 1 ... of a table (cells, tiles * channels) from ``start`` on."""
    for i in range(rows.shape[0]):
        source, row = table[k + i, start : start + rows.shape[1]], rows[i]
        for p in range(row.shape[0]):
            row[p] = number(source[p])


@compiled
def _stored(rows: Array, k: int, start: int, table: Stored) -> None:
    """The opposite of :func:`_loaded`."""
    for i in range(rows.shape[0]):
        row, target = rows[i], table[k + i, start : start + rows.shape[1]]
        for p in range(row.shape[0]):
            target[p] = element(row[p], target)


# Images to cells: B' d B


@compiled
def inputs_to_cells(tile: int, first: int, end: int, inputs: Stored, table: Stored) -> None:
    """B' d B for some tile rows."""
    _, height, width, channels = inputs.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    strips = np.zeros((side, tile, across + 1, channels), np.float32)
    flat, cells = strips.reshape(side, -1), table.reshape(side * side, -1)
    row = np.empty((side, across * channels), np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * tile - 1
        for i in range(side):
            if 0 <= top + i < height:
                _dealt_out(inputs[n, top + i], 1, strips[i])
            else:
                strips[i] = 0
        _inputs_down(tile, flat)
        for i in range(side):
            _inputs_across(tile, strips[i].reshape(tile, -1), channels, row)
            _stored(row, side * i, place * row.shape[1], cells)


@compiled
def _inputs_down(tile: int, r: Array) -> None:
    if tile == 4:
        for p in range(r.shape[1]):
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p] = six(
                r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p]
            )
        return
    for p in range(r.shape[1]):
        r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p] = seven(
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p]
        )


@compiled
def _inputs_across(tile: int, r: Array, step: int, w: Array) -> None:
    """From the strips of one row; ``step`` further on is the next tile, whose first pixels are this tile's last."""
    if tile == 4:
        for p in range(w.shape[1]):
            q = p + step
            w[0, p], w[1, p], w[2, p], w[3, p], w[4, p], w[5, p] = six(
                r[0, p], r[1, p], r[2, p], r[3, p], r[0, q], r[1, q]
            )
        return
    for p in range(w.shape[1]):
        q = p + step
        w[0, p], w[1, p], w[2, p], w[3, p], w[4, p], w[5, p], w[6, p] = seven(
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[0, q], r[1, q]
        )


# Cells to outputs: A' m A


@compiled
def outputs_from_cells(
    tile: int, first: int, end: int, product: Stored, bias: Array, floor: np.float32, out: Stored
) -> None:
    """A' m A for some tile rows, plus the bias, and not below a floor: 0 is the ReLU's."""
    _, height, width, channels = out.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    strips = np.empty((side, tile, across, channels), np.float32)
    flat, cells = strips.reshape(side, -1), product.reshape(side * side, -1)
    row = np.empty((side, across * channels), np.float32)
    more = np.empty((tile, across, channels), np.float32)
    more[:] = bias
    for place in range(first, end):
        n, top = place // down, place % down * tile
        for i in range(side):
            _loaded(cells, side * i, place * row.shape[1], row)
            _outputs_across(tile, row, strips[i].reshape(tile, -1))
        _outputs_down(tile, flat, more.reshape(-1), floor)
        for i in range(min(tile, height - top)):
            _gathered(strips[i], 0, out[n, top + i])


@compiled
def _outputs_across(tile: int, m: Array, r: Array) -> None:
    if tile == 4:
        for p in range(r.shape[1]):
            r[0, p], r[1, p], r[2, p], r[3, p] = four(m[0, p], m[1, p], m[2, p], m[3, p], m[4, p], m[5, p])
        return
    for p in range(r.shape[1]):
        r[0, p], r[1, p], r[2, p], r[3, p], r[4, p] = five(
            m[0, p], m[1, p], m[2, p], m[3, p], m[4, p], m[5, p], m[6, p]
        )


@compiled
def _outputs_down(tile: int, r: Array, more: Array, floor: np.float32) -> None:
    if tile == 4:
        for p in range(r.shape[1]):
            y0, y1, y2, y3 = four(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p])
            r[0, p], r[1, p] = _not_below(y0 + more[p], floor), _not_below(y1 + more[p], floor)
            r[2, p], r[3, p] = _not_below(y2 + more[p], floor), _not_below(y3 + more[p], floor)
        return
    for p in range(r.shape[1]):
        y0, y1, y2, y3, y4 = five(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p])
        r[0, p], r[1, p] = _not_below(y0 + more[p], floor), _not_below(y1 + more[p], floor)
        r[2, p], r[3, p] = _not_below(y2 + more[p], floor), _not_below(y3 + more[p], floor)
        r[4, p] = _not_below(y4 + more[p], floor)


@compiled
def _not_below(value: np.float32, floor: np.float32) -> np.float32:
    """NaN stays NaN."""
    return floor if value < floor else value


# Gradients to cells: A g A', the transpose of A' m A


@compiled
def gradients_to_cells(
    tile: int, first: int, end: int, out: Stored, gradient: Stored, sums: Array, table: Stored
) -> None:
    """A g A' for some tile rows, g being the gradient where the ReLU passed something on, and ``sums`` of g (rows, channels)."""
    _, height, width, channels = gradient.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    strips = np.zeros((side, tile, across, channels), np.float32)
    flat, cells = strips.reshape(side, -1), table.reshape(side * side, -1)
    row = np.empty((side, across * channels), np.float32)
    passed = np.empty((width, channels), np.float32)
    for place in range(first, end):
        n, top = place // down, place % down * tile
        sums[place] = 0
        for i in range(tile):
            if top + i < height:
                _where_positive(out[n, top + i], gradient[n, top + i], passed, sums[place])
                _dealt_out(passed, 0, strips[i])
            else:
                strips[i] = 0
        if across * tile > width:  # the transform of the tile row before left something beyond the edge
            for i in range(tile):
                for x in range(width, across * tile):
                    strips[i, x % tile, x // tile] = 0
        _gradients_down(tile, flat)
        for i in range(side):
            _gradients_across(tile, strips[i].reshape(tile, -1), row)
            _stored(row, side * i, place * row.shape[1], cells)


@compiled
def _where_positive(out: Stored, gradient: Stored, passed: Array, total: Array) -> None:
    """The gradient of a ReLU, and its part of the sum."""
    for x in range(out.shape[0]):
        for c in range(out.shape[1]):
            passed[x, c] = np.float32(0) if number(out[x, c]) <= 0 else number(gradient[x, c])
        for c in range(out.shape[1]):
            total[c] += passed[x, c]


@compiled
def _gradients_down(tile: int, r: Array) -> None:
    if tile == 4:
        for p in range(r.shape[1]):
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p] = back_four(r[0, p], r[1, p], r[2, p], r[3, p])
        return
    for p in range(r.shape[1]):
        r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p] = back_five(
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p]
        )


@compiled
def _gradients_across(tile: int, r: Array, w: Array) -> None:
    if tile == 4:
        for p in range(r.shape[1]):
            w[0, p], w[1, p], w[2, p], w[3, p], w[4, p], w[5, p] = back_four(r[0, p], r[1, p], r[2, p], r[3, p])
        return
    for p in range(r.shape[1]):
        w[0, p], w[1, p], w[2, p], w[3, p], w[4, p], w[5, p], w[6, p] = back_five(
            r[0, p], r[1, p], r[2, p], r[3, p], r[4, p]
        )


# Cells to the gradient of the inputs: B t B', the transpose of B' d B


@compiled
def inputs_from_cells(tile: int, first: int, end: int, product: Stored, out: Stored) -> None:
    """B t B' for some tile rows, summed where tiles overlap.

    A tile row ends two pixel rows below where the next begins: it writes those of its own and leaves the last two to the next.
    """
    _, height, width, channels = out.shape
    down, across, side = -(-height // tile), -(-width // tile), tile + 2
    strips = np.zeros((side, tile, across + 1, channels), np.float32)
    flat, cells = strips.reshape(side, -1), product.reshape(side * side, -1)
    row = np.empty((side, across * channels), np.float32)
    ends = np.empty((2, across * channels), np.float32)
    carried = np.empty((2, flat.shape[1]), np.float32)
    for place in range(first if first % down == 0 else first - 1, end):
        n, k = place // down, place % down
        if k == 0:
            carried[:] = 0
        for i in range(side):
            line = strips[i].reshape(tile, -1)
            _loaded(cells, side * i, place * row.shape[1], row)
            _inputs_back_across(tile, row, line, ends)
            line[:, ends.shape[1] :] = 0
            _add_ends(line, channels, ends)
        _inputs_back_down(tile, flat, carried)
        if place < first:  # only what it carries over
            continue
        ready = tile if k < down - 1 else side
        for i in range(ready):
            y = k * tile - 1 + i
            if 0 <= y < height:
                _gathered(strips[i], 1, out[n, y])


@compiled
def _inputs_back_across(tile: int, m: Array, r: Array, ends: Array) -> None:
    if tile == 4:
        for p in range(m.shape[1]):
            r[0, p], r[1, p], r[2, p], r[3, p], ends[0, p], ends[1, p] = back_six(
                m[0, p], m[1, p], m[2, p], m[3, p], m[4, p], m[5, p]
            )
        return
    for p in range(m.shape[1]):
        r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], ends[0, p], ends[1, p] = back_seven(
            m[0, p], m[1, p], m[2, p], m[3, p], m[4, p], m[5, p], m[6, p]
        )


@compiled
def _add_ends(r: Array, step: int, ends: Array) -> None:
    """Add the last two pixels of each tile to the first two of the next, ``step`` further on."""
    for j in range(2):
        for p in range(ends.shape[1]):
            r[j, p + step] += ends[j, p]


@compiled
def _inputs_back_down(tile: int, r: Array, carried: Array) -> None:
    """In place: rows of cells become rows of pixels; the last two, which the next tiles add to, are carried."""
    if tile == 4:
        for p in range(r.shape[1]):
            d0, d1, d2, d3, d4, d5 = back_six(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p])
            r[0, p], r[1, p] = d0 + carried[0, p], d1 + carried[1, p]
            r[2, p], r[3, p], r[4, p], r[5, p] = d2, d3, d4, d5
            carried[0, p], carried[1, p] = d4, d5
        return
    for p in range(r.shape[1]):
        d0, d1, d2, d3, d4, d5, d6 = back_seven(r[0, p], r[1, p], r[2, p], r[3, p], r[4, p], r[5, p], r[6, p])
        r[0, p], r[1, p] = d0 + carried[0, p], d1 + carried[1, p]
        r[2, p], r[3, p], r[4, p], r[5, p], r[6, p] = d2, d3, d4, d5, d6
        carried[0, p], carried[1, p] = d5, d6
