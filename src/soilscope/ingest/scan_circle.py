"""The outside of the scan circle, told from all slices together: one constant a slice, in the same place in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.limits import AIR_NEAR_HU, CIRCLE_STRAYS, CIRCLE_VOXELS
from soilscope.ingest.verdict import note

__all__ = ["LEAST_VALUES", "Circle", "Rim", "around_circle", "circle_told", "reached", "scan_circle"]

AIR_HU = -1000
AIR_WIDE_HU = 560
"""What lies nearer to air than this is no tube and no soil."""

HIGHEST_HU = 2000
"""A constant above this in a smaller circle may be a mask drawn around the soil, which is told where the soil is looked for."""

LEAST_OF_WIDTH = 0.95
"""Such a constant lies outside the scan circle only if that is nearly as wide as the picture."""

SMALLEST_OF_WIDTH = 0.5
"""No scan circle is narrower than half of the picture."""

AIR_VOXELS = 12
"""Inside a circle smaller than the picture, air goes on for so many voxels; a tube's blurred edge looks like air for a few."""

NOT_IN = 8
"""One slice in so many may lack the constant: it is damaged."""

MOST_AIR_ALIKE = 0.5
"""Of the air inside, no more than this share may hold the constant: scanners measure air with noise, even where they cut it off."""

LEAST_AIR = 0.002
"""Share of the circle that is air, without which nothing tells how the scan measured that."""

RIM, DEEP = 1.5, (3.0, 7.0)
"""How far within the edge, in voxels, values are those next to it, and those that no blur of the edge reaches."""

LEAST_VALUES = 16
"""Fewer different values within the edge are those of classes or of a drawing, not of a scan."""

SHARP = 0.75
"""Share of the step to the constant that is there at the edge already: the circle cuts sharply, a tube's edge is blurred."""

STANDARD_ERRORS = 8.0
"""By so many standard errors of a median the step at the edge may fall short of that by chance."""

FEWEST_SLICES = 3
"""With fewer slices, the constant is masked only outside the largest circle that fits."""

MOST_SLICES = 64
"""Slices looked at for what lies within the circle; more change nothing."""


@dataclass(frozen=True, slots=True)
class Circle:
    """What lies outside (y, x), the distance of every voxel from the picture's middle, and the radius, in voxels."""

    outside: NDArray[np.bool_]
    away: NDArray[np.float64]
    radius: float


def scan_circle(
    values: NDArray[np.int16], rows: Sequence[int], beyond: bool, count: int
) -> tuple[NDArray[np.bool_], bool] | None:
    """What to mask in the slices, shape (y, x), and whether in all of them; None where nothing was left unscanned.

    Parameters
    ----------
    values : int16 array, shape (z, y, x)
        HU.
    rows : sequence of int
        Slices whose four corners hold one value.
    beyond : bool
        Whether that was stored as a value that no scanner measures.
    count : int
        Slices with pixels.

    Notes
    -----
    A voxel counts as constant if it holds its own slice's corner value in all of ``rows`` but one in eight: noise never does. The
    constant voxels that reach the border must fill just the outside of a circle around the middle. The circle is the largest that
    fits into the picture, or, where that was cut to a rectangle, up to the largest that its longer side shows whole. It may be a
    smaller one in three slices or more, or where no scanner measures the value. A constant near air may be air without noise around
    a tube, as where the scanner cuts values off at -1024 HU, and is masked only where air of other values lies within: then the
    circle's edge is no edge of a body. The largest circle may cut through soil as well, where the step to the constant is sharp, as
    no tube's is, and the soil's own air holds other values. A smaller circle whose outside holds a very high value may be a mask
    drawn around the soil.
    """
    everywhere = bool(rows) and len(rows) >= count - count // NOT_IN
    if not rows or (not everywhere and len(rows) < FEWEST_SLICES and count >= FEWEST_SLICES):
        return None
    held = np.zeros(values.shape[1:], dtype=np.uint16 if len(rows) < 1 << 16 else np.uint32)
    for k in rows:
        held += values[k] == values[k, 0, 0]
    circle = around_circle(held >= len(rows) - len(rows) // NOT_IN)
    if circle is None:
        return None
    some = [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_SLICES)).astype(int))]
    if not _is_scan_circle(values, some, circle, beyond):
        return None
    near = abs(float(np.median(values[some, 0, 0])) - AIR_HU) <= AIR_NEAR_HU
    return None if near and not everywhere else (circle.outside, everywhere)


def _is_scan_circle(values: NDArray[np.int16], some: Sequence[int], circle: Circle, beyond: bool) -> bool:
    """Whether a circle may be the scanner's, by its size, the constant outside and what lies within."""
    least, most = sorted(n / 2 for n in values.shape[1:])
    fits = least - CIRCLE_VOXELS <= circle.radius <= most + CIRCLE_VOXELS
    value = float(np.median(values[some, 0, 0]))
    near = abs(value - AIR_HU) <= AIR_NEAR_HU
    if beyond:
        return True
    if not fits:
        smallest = (LEAST_OF_WIDTH if value >= HIGHEST_HU else SMALLEST_OF_WIDTH) * least
        if len(some) < FEWEST_SLICES or not smallest <= circle.radius < least:
            return False
    if not near:
        return True
    deep = 2 * CIRCLE_VOXELS if fits else AIR_VOXELS
    band = (circle.away > circle.radius - deep) & ~circle.outside
    within = np.concatenate([values[k][band] for k in some]).astype(np.float64)
    if fits:
        in_air = bool(np.mean(np.abs(within - AIR_HU) <= AIR_WIDE_HU) >= 0.5)
        return in_air or _cuts_soil(values, some, circle, value)
    return bool(abs(np.median(within) - AIR_HU) <= AIR_NEAR_HU)


def _cuts_soil(values: NDArray[np.int16], some: Sequence[int], circle: Circle, value: float) -> bool:
    """Whether a constant near air was put around soil: the step to it is sharp, and the air between the soil's grains is not it."""
    planes = [values[k] for k in some]
    rim = Rim.of(planes, circle)
    if np.unique(rim.further).size < LEAST_VALUES or not rim.is_cut(value):
        return False
    inside = ~circle.outside
    air = [plane[inside & (np.abs(plane.astype(np.int32) - AIR_HU) <= AIR_NEAR_HU)] for plane in planes]
    held, size = sum(int(np.count_nonzero(part == value)) for part in air), sum(part.size for part in air)
    return bool(held <= MOST_AIR_ALIKE * size and size >= LEAST_AIR * len(planes) * np.count_nonzero(inside))


@dataclass(frozen=True, slots=True)
class Rim:
    """The values next to a circle's edge, and those a little further within, of some planes."""

    at_edge: NDArray[np.float64]
    further: NDArray[np.float64]

    @classmethod
    def of(cls, planes: Sequence[NDArray[Any]], circle: Circle) -> Rim:
        """Those of planes of shape (y, x)."""
        within = circle.radius - circle.away
        edge = ~circle.outside & (within < RIM)
        deep = ~circle.outside & (within >= DEEP[0]) & (within < DEEP[1])
        return cls(_values(planes, edge), _values(planes, deep))

    def is_cut(self, value: float) -> bool:
        """Whether the step to the constant outside is there at the edge already; False without any values."""
        if min(self.at_edge.size, self.further.size) == 0:
            return False
        step, at = (abs(float(np.median(some)) - value) for some in (self.further, self.at_edge))
        chance = STANDARD_ERRORS * float(np.std(self.further)) / np.sqrt(min(self.at_edge.size, self.further.size))
        return bool(at >= SHARP * step - chance)


def _values(planes: Sequence[NDArray[Any]], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = np.concatenate([plane[where] for plane in planes]).astype(np.float64) if planes else np.empty(0)
    return found[np.isfinite(found)]


def around_circle(alike: NDArray[np.bool_], sides: tuple[float, float] = (1.0, 1.0)) -> Circle | None:
    """Those voxels that are alike and lie outside a circle around the slice's middle.

    None where they do not fill all that lies outside, or reach inside. Of an ellipse, ``sides`` are the lengths of a voxel along y
    and x with which it is a circle.
    """
    if alike.all() or not (alike[0, 0] and alike[0, -1] and alike[-1, 0] and alike[-1, -1]):
        return None
    ring = reached(alike)
    y, x = ((np.arange(n) - (n - 1) / 2) * side for n, side in zip(alike.shape, sides, strict=True))
    away = np.sqrt((y**2)[:, None] + (x**2)[None, :])
    radius = float(away[~ring].max())
    outer = ring & (away >= radius - CIRCLE_VOXELS)
    if np.count_nonzero(ring) - np.count_nonzero(outer) > CIRCLE_STRAYS * np.count_nonzero(ring):
        return None
    return Circle(outer, away, radius)


def circle_told(share: float) -> Finding:
    """The finding for a share of the voxels that lie outside the scan circle and are masked."""
    return note(
        "scan-circle", f"{share:.1%} of the voxels lie outside the scan circle (an undeclared constant) and are masked."
    )


def reached(ring: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those voxels of a ring from which a straight row or column of it leads to the border: all that lies outside a circle does."""
    first, last = ring[:, 0], ring[:, -1]
    changes = np.count_nonzero(ring[:, 1:] != ring[:, :-1], axis=1)
    ends = first.astype(np.intp) + last
    if ((changes == ends) | ((changes == 0) & (ends == 2))).all():
        return ring
    other = ~ring
    found = np.zeros_like(ring)
    for turned, into in ((other, found), (other.T, found.T)):
        length = turned.shape[1]
        through = ~turned.any(axis=1)
        before = np.where(through, length, turned.argmax(axis=1))[:, None]
        behind = np.where(through, length, turned[:, ::-1].argmax(axis=1))[:, None]
        at = np.arange(length)
        into |= (at < before) | (at >= length - behind)
    return found
