"""Slices that look like neither of their neighbours: soil changes from slice to slice little, damaged pixels a lot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.limits import JUMP_SHARE, JUMP_TIMES
from soilscope.ingest.verdict import warn

__all__ = ["jumps", "told_jumps"]

FEWEST = 5
"""With fewer slices nothing is usual."""


def jumps(mean: Sequence[float], spread: Sequence[float]) -> NDArray[np.intp]:
    """Slices whose mean or spread lies beyond both neighbours', by far more than those differ.

    Parameters
    ----------
    mean, spread : sequence of float, length n
        Mean and standard deviation of each slice's valid voxels, top first; NaN where nothing is valid.

    Returns
    -------
    int array
        Indices of the slices that jump. With ``e = min(|v[k] - v[k-1]|, |v[k] - v[k+1]|)`` where both have one sign, a slice
        jumps if ``e > JUMP_TIMES * max(|v[k+1] - v[k-1]|, median |v[i+1] - v[i]|)`` and ``e > JUMP_SHARE`` of the median spread.
    """
    usual = np.asarray(spread, dtype=np.float64)
    least = JUMP_SHARE * float(np.nanmedian(usual)) if np.isfinite(usual).any() else 0.0
    found = [_beyond(np.asarray(values, dtype=np.float64), least) for values in (mean, spread)]
    return np.union1d(*found).astype(np.intp)


def _beyond(values: NDArray[np.float64], least: float) -> NDArray[np.intp]:
    if values.size < FEWEST:
        return np.empty(0, dtype=np.intp)
    step = np.diff(values)
    typical = float(np.nanmedian(np.abs(step))) if np.isfinite(step).any() else 0.0
    before, after = step[:-1], -step[1:]
    excess = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    apart = np.abs(values[2:] - values[:-2])
    return np.flatnonzero((excess > JUMP_TIMES * np.maximum(apart, typical)) & (excess > least)) + 1


def told_jumps(mean: Sequence[float], spread: Sequence[float], names: Sequence[str]) -> tuple[Finding, ...]:
    """The finding for the slices that jump, with their names."""
    which = jumps(mean, spread)
    if not which.size:
        return ()
    named = [names[k] for k in which]
    text = (
        f"{len(named)} slices are far lighter, darker or noisier than both their neighbours ({named[0]} first); look at them: "
        "damaged pixels look like this."
    )
    return (warn("slice-jump", text, named),)
