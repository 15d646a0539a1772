"""The sums of Winograd's transforms: what :mod:`soilscope.learn.tiles` does to one column or row of a tile.

``six`` and ``seven`` are B', ``four`` and ``five`` A', named by how many numbers they give; the ``back`` ones are the transposes.
"""

from __future__ import annotations

import numpy as np

from soilscope.classes.loops import compiled

__all__ = ["back_five", "back_four", "back_seven", "back_six", "five", "four", "seven", "six"]

Number = np.float32
Six = tuple[Number, Number, Number, Number, Number, Number]
Seven = tuple[Number, Number, Number, Number, Number, Number, Number]

TWO, FOUR, FIVE, EIGHT, SIXTEEN = np.float32(2), np.float32(4), np.float32(5), np.float32(8), np.float32(16)
HALF, QUARTER, EIGHTH, SIXTEENTH = np.float32(0.5), np.float32(0.25), np.float32(0.125), np.float32(0.0625)


@compiled
def six(d0: Number, d1: Number, d2: Number, d3: Number, d4: Number, d5: Number) -> Six:
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
def seven(d0: Number, d1: Number, d2: Number, d3: Number, d4: Number, d5: Number, d6: Number) -> Seven:
    """B' of seven."""
    t0, t1, t2, t3, t4, t6 = six(
        d1 + HALF * d0, d2 + HALF * d1, d3 + HALF * d2, d4 + HALF * d3, d5 + HALF * d4, d6 + HALF * d5
    )
    return t0, t1, t2, t3, t4, FOUR * d1 - FIVE * d3 + d5, t6


@compiled
def four(
    m0: Number, m1: Number, m2: Number, m3: Number, m4: Number, m5: Number
) -> tuple[Number, Number, Number, Number]:
    """A' of six."""
    even, odd, far, side = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even + far, odd + TWO * side, even + FOUR * far, odd + EIGHT * side + m5


@compiled
def five(
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
def back_four(g0: Number, g1: Number, g2: Number, g3: Number) -> Six:
    """A of four."""
    even, odd = g0 + g2, g1 + g3
    wide, side = g0 + FOUR * g2, TWO * g1 + EIGHT * g3
    return g0, even + odd, even - odd, wide + side, wide - side, g3


@compiled
def back_five(g0: Number, g1: Number, g2: Number, g3: Number, g4: Number) -> Seven:
    """A of five."""
    even, odd = g0 + g2 + g4, g1 + g3
    wide, side = g0 + FOUR * g2 + SIXTEEN * g4, TWO * g1 + EIGHT * g3
    narrow = (g0 + QUARTER * g2 + SIXTEENTH * g4) - (HALF * g1 + EIGHTH * g3)
    return g0, even + odd, even - odd, wide + side, wide - side, narrow, g4


@compiled
def back_six(t0: Number, t1: Number, t2: Number, t3: Number, t4: Number, t5: Number) -> Six:
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
def back_seven(t0: Number, t1: Number, t2: Number, t3: Number, t4: Number, t5: Number, t6: Number) -> Seven:
    """B of seven."""
    u0, u1, u2, u3, u4, u5 = back_six(t0, t1, t2, t3, t4, t6)
    return (
        HALF * u0,
        u0 + HALF * u1 + FOUR * t5,
        u1 + HALF * u2,
        u2 + HALF * u3 - FIVE * t5,
        u3 + HALF * u4,
        u4 + HALF * u5 + t5,
        u5,
    )
