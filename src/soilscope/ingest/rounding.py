"""Positions that the writer of a header rounded: whether an even grid, rounded as they are, gives them.

A header that says 0.63, 1.25, 1.88 mm of slices 0.625 mm apart is sound. How far a written number may be off is read from its own
digits, each coordinate for itself: half a unit of the last decimal that any slice has, or of the last significant digit where a
writer keeps those instead. Zeros at the end of a number are no digits, since a writer may append them to a rounded one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from soilscope.findings import Finding
from soilscope.ingest.limits import COARSEST_DECIMALS, COSINE_DECIMALS, ROUNDED_SHARE
from soilscope.ingest.verdict import note

__all__ = ["Even", "cosine_error", "even", "half_units"]

Vectors = NDArray[np.float64]

EXACT_MM = 1e-7
"""Floating point writes no position worse than this."""

LEAST_TIES = 4
"""With fewer slices, a slice that lies a whole unit off is no rounding."""

LEAST_BALANCE = 0.5
"""Where all positions lie half a unit off, as halves do that go up in one slice and down in the next, at least half as many lie off
on one side as on the other. Of slices that lie evenly save one or two by a whole unit, far fewer do: those were moved."""


@dataclass(frozen=True, slots=True)
class Even:
    """The even grid of rounded positions: ``origin`` and ``step`` (x, y, z), how far positions are off, their unit; all in mm."""

    origin: Vectors
    step: Vectors
    off_mm: float
    unit_mm: float

    def finding(self, step_mm: float) -> Finding:
        """What to say of it."""
        return note(
            "positions-rounded",
            f"the positions of the slices were rounded to {self.unit_mm:g} mm when they were written: they lie up to "
            f"{self.off_mm:.4f} mm off an even grid of {step_mm:.5g} mm, which was taken; the rounding explains that.",
        )


def half_units(written: Vectors) -> Vectors:
    """How far each coordinate may be off by its own digits, in mm, shape (n, 3); 0 where it is the same in all slices.

    Numbers of fewer than :data:`~soilscope.ingest.limits.COARSEST_DECIMALS` decimals count as exact.
    """
    found = np.zeros(written.shape)
    for axis in np.flatnonzero(np.ptp(written, axis=0) > 0):
        found[:, axis] = _halves(written[:, axis].tolist())
    return found


def _halves(values: Sequence[float]) -> list[float]:
    """Half a unit of each number's last place: of the last decimal any has, or of the last significant digit."""
    digits = [Decimal(repr(v)).normalize().as_tuple() for v in values]
    decimals = max(-int(d.exponent) for d in digits)
    if decimals < COARSEST_DECIMALS:
        return [0.0] * len(values)
    places = max(len(d.digits) for d in digits) - 1
    kept = [decimals if v == 0 else min(decimals, places - math.floor(math.log10(abs(v)))) for v in values]
    return [0.5 * 10.0 ** -max(n, COARSEST_DECIMALS) for n in kept]


def even(written: Vectors, index: NDArray[np.int_]) -> Even | None:
    """The grid ``origin + index * step`` that gives these positions once rounded, None where no even grid does.

    Of all grids, that with the smallest largest deviation: for each coordinate ``minimise t: |p_k - a - b k| <= t h_k`` with its
    half units ``h_k`` as a linear programme. Rounding explains the positions if ``t <= 1``, and as :data:`LEAST_BALANCE` says.

    Parameters
    ----------
    written : (n, 3) float array
        Image Position (Patient), in mm.
    index : (n,) int array
        The plane of each slice, ascending.
    """
    halves = half_units(written)
    origin, step = written[0].copy(), np.zeros(3)
    for axis in np.flatnonzero(np.ptp(written, axis=0) > 0):
        fitted = _line(written[:, axis], index, halves[:, axis])
        if fitted is None:
            return None
        origin[axis], step[axis] = fitted
    length = float(np.linalg.norm(step))
    unit = 2 * float(halves.max())
    if not 0 < unit <= ROUNDED_SHARE * length:
        return None
    off = np.linalg.norm(written - origin - index[:, None] * step, axis=1)
    return Even(origin, step, float(off.max()), unit)


def _line(values: Vectors, index: NDArray[np.int_], halves: Vectors) -> tuple[float, float] | None:
    """Start and step of one coordinate, None where rounding does not explain it."""
    first, allowed = values[0], np.maximum(halves, EXACT_MM)
    rise, one = index.astype(np.float64), np.ones(len(values))
    sides = np.block(
        [[one[:, None], rise[:, None], -allowed[:, None]], [-one[:, None], -rise[:, None], -allowed[:, None]]]
    )
    shifted = values - first
    solved = linprog(
        [0, 0, 1], A_ub=sides, b_ub=np.concatenate([shifted, -shifted]), bounds=[(None, None)] * 2 + [(0, None)]
    )
    if not solved.success:
        return None
    start, step, _ = map(float, solved.x)
    share = (shifted - start - step * rise) / allowed
    bound = 1 - 2 * EXACT_MM / allowed.max()
    if np.abs(share).max() > 2 - bound:
        return None
    above, below = int((share >= bound).sum()), int((share <= -bound).sum())
    if above + below == len(values) and (
        len(values) < LEAST_TIES or min(above, below) < LEAST_BALANCE * max(above, below)
    ):
        return None
    return float(first) + start, step


def cosine_error(orientation: Vectors) -> float:
    """How far the slice normal may point sideways, in radians, by the digits of the six direction cosines.

    Cosines of fewer than :data:`~soilscope.ingest.limits.COSINE_DECIMALS` decimals count as exact.
    """
    decimals = max(-int(Decimal(repr(v)).normalize().as_tuple().exponent) for v in orientation.tolist())
    return math.sqrt(0.5) * 10.0**-decimals if decimals >= COSINE_DECIMALS else 0.0
