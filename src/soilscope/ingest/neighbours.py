"""Slices that look like neither of their neighbours: soil changes from slice to slice little, damaged pixels a lot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import ALTERNATE_PLACES, ALTERNATE_TIMES, JUMP_SHARE, JUMP_TIMES
from soilscope.ingest.verdict import refuse, warn

__all__ = ["alternates", "jumps", "told_alternating", "told_jumps"]

FEWEST = 5
"""With fewer slices nothing is usual."""

FEWEST_ALTERNATING = 10
"""Five rounds: fewer alternate by chance."""


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


def alternates(values: Sequence[float], least: float = 0.0) -> bool:
    """Whether every slice is unlike its neighbours and like the ones after those, as two scans put between one another are.

    Parameters
    ----------
    values : sequence of float, length n
        One number a slice, such as its mean; NaN where nothing is valid.
    least : float
        What neighbours must differ by at least.

    Returns
    -------
    bool
        True if the steps ``v[k+1] - v[k]`` change their sign at nearly every place, and the median of their size is more than
        ``ALTERNATE_TIMES`` that of ``v[k+2] - v[k]``, and more than ``least``.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.size < FEWEST_ALTERNATING or not np.isfinite(found).all():
        return False
    step, two = np.diff(found), found[2:] - found[:-2]
    turns = float(np.mean(step[1:] * step[:-1] < 0))
    typical = float(np.median(np.abs(step)))
    return turns >= ALTERNATE_PLACES and typical > max(least, ALTERNATE_TIMES * float(np.median(np.abs(two))))


def told_alternating(mean: Sequence[float], spread: Sequence[float], slices: Sequence[Slice]) -> tuple[Finding, ...]:
    """What to think of slices that alternate, top first: two scans between one another, unless the scanner counted them as one.

    Raises
    ------
    InputRefused
        Code ``interleaved``: their means alternate, and no InstanceNumber says that they are one scan.
    """
    usual = np.asarray(spread, dtype=np.float64)
    least = JUMP_SHARE * float(np.nanmedian(usual)) if np.isfinite(usual).any() else 0.0
    lighter, noisier = alternates(mean, least), alternates(spread, least)
    if not lighter and not noisier:
        return ()
    numbers = [one.instance for one in slices if one.instance is not None]
    counted = len(numbers) == len(slices) and (np.abs(np.diff(numbers)) == 1).all()
    what = "lighter and darker" if lighter else "noisier and smoother"
    text = f"slices are {what} in turn ({slices[0].name} and {slices[1].name} first), as two scans put between one another are"
    if lighter and not counted:
        text += ", and no InstanceNumber says that they are one scan. Put each scan into a folder of its own."
        refuse("interleaved", text, [one.path for one in slices[:2]])
    return (warn("slices-alternate", f"{text}; look at them.", [one.path for one in slices[:2]]),)
