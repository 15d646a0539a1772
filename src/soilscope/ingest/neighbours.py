"""Slices that look like neither of their neighbours: soil changes from slice to slice little, damaged pixels a lot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import ALTERNATE_PLACES, ALTERNATE_TIMES, JUMP_SHARE, JUMP_TIMES
from soilscope.ingest.verdict import refuse, warn
from soilscope.types import BoolVolume

__all__ = ["Watch", "alternates", "jumps", "may_be_two", "told_alternating", "told_jumps"]

STATISTICS_EVERY = 8
"""Mean and spread of a slice are taken from every eighth row: a change that matters touches many rows."""

LARGE_ROWS = 128
"""Smaller slices are looked at whole."""

BY_CHANCE = 6.0
"""Standard errors of a slice's mean, were its voxels independent: small slices of noise differ by chance."""

LEAST_VOXELS = 256
"""Of slices with fewer valid voxels nothing is said."""

MOST_NAMED = 8
"""Slices named by their numbers."""

FEWEST = 5
"""With fewer slices nothing is usual."""

FEWEST_ALTERNATING = 10
"""Five rounds: fewer alternate by chance."""


def jumps(mean: Sequence[float], spread: Sequence[float], least: float = JUMP_SHARE) -> NDArray[np.intp]:
    """Slices whose mean or spread lies beyond both neighbours', by far more than those differ.

    Parameters
    ----------
    mean, spread : sequence of float, length n
        Mean and standard deviation of each slice's valid voxels, top first; NaN where nothing is valid.
    least : float
        Share of the usual spread below which nothing is a jump.

    Returns
    -------
    int array
        Indices of the slices that jump. With ``e = min(|v[k] - v[k-1]|, |v[k] - v[k+1]|)`` where both have one sign, a slice
        jumps if ``e > JUMP_TIMES * max(|v[k+1] - v[k-1]|, median |v[i+1] - v[i]|)`` and ``e > least`` of the median spread.
    """
    usual = np.asarray(spread, dtype=np.float64)
    smallest = least * float(np.nanmedian(usual)) if np.isfinite(usual).any() else 0.0
    found = [_beyond(np.asarray(values, dtype=np.float64), smallest) for values in (mean, spread)]
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
    return _told(which.size, names[which[0]], [names[k] for k in which]) if which.size else ()


def _told(count: int, first: str, files: Sequence[str]) -> tuple[Finding, ...]:
    many = f"{count} slices are" if count > 1 else "1 slice is"
    both, look = ("both their", "them") if count > 1 else ("both its", "it")
    text = (
        f"{many} far lighter, darker or noisier than {both} neighbours ({first}{' first' if count > 1 else ''}); look at {look}: "
        "damaged pixels look like this."
    )
    return (warn("slice-jump", text, files),)


@dataclass(slots=True)
class Watch:
    """Mean and spread of each slice, gathered while a scan is read, for :func:`told_jumps`."""

    mean: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    voxels: list[int] = field(default_factory=list)

    def add(self, plane: NDArray[Any], valid: BoolVolume) -> None:
        """The next slice, shape (y, x), and where it is valid; of a large one every eighth row is looked at."""
        every = STATISTICS_EVERY if len(plane) >= LARGE_ROWS else 1
        seen, there = plane[::every], valid[::every]
        inside = (seen if there.all() else seen[there]).astype(np.float64)
        self.voxels.append(inside.size)
        self.mean.append(float(inside.mean()) if inside.size else np.nan)
        self.spread.append(float(inside.std()) if inside.size else np.nan)

    def leave_out(self, outside: NDArray[np.bool_], value: float) -> None:
        """Take out again what lies outside the scan circle, shape (y, x): so many voxels of one value in every slice.

        Sums of distances from that value, and of their squares, are the same with them and without.
        """
        every = STATISTICS_EVERY if len(outside) >= LARGE_ROWS else 1
        count = int(np.count_nonzero(outside[::every]))
        for k, seen in enumerate(self.voxels):
            left = seen - count
            if left <= 0:
                continue
            away = self.mean[k] - value
            square = (self.spread[k] ** 2 + away**2) * seen / left
            away *= seen / left
            self.mean[k], self.spread[k], self.voxels[k] = value + away, math.sqrt(max(square - away**2, 0.0)), left

    def findings(self, files: Sequence[str]) -> tuple[Finding, ...]:
        """What to say of slices that jump, those without a valid voxel left out; ``files`` as for :func:`told_slices`."""
        there = np.flatnonzero(np.isfinite(self.mean))
        usual = np.median([self.voxels[k] for k in there]) if there.size else 0
        if usual < LEAST_VOXELS:
            return ()
        by_chance = BY_CHANCE / np.sqrt(usual)
        found = jumps([self.mean[k] for k in there], [self.spread[k] for k in there], max(JUMP_SHARE, by_chance))
        which = there[found]
        return told_slices(which, len(self.mean), files)


def told_slices(which: NDArray[np.intp], count: int, files: Sequence[str]) -> tuple[Finding, ...]:
    """The finding for slices out of ``count`` that jump: by their files where each has one, else by their numbers.

    Parameters
    ----------
    which : int array
        From 0.
    count : int
    files : sequence of str
        One name a slice; otherwise the slices lie in these.
    """
    if not which.size:
        return ()
    if len(files) == count > 1:
        return _told(which.size, files[which[0]], [files[k] for k in which])
    listed = ", ".join(str(k) for k in which[:MOST_NAMED]) + (" ..." if which.size > MOST_NAMED else "")
    return _told(which.size, f"{'slice' if which.size == 1 else 'slices'} {listed}, counted from 0", files)


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
    """What to think of slices that alternate, top first: two scans between one another, unless something says that they are one.

    That are numbers by which the scanner counted them, one file that holds them all, or slopes and intercepts that alternate where
    the stored values do not: two scans of one core would differ in these.

    Raises
    ------
    InputRefused
        Code ``interleaved``: their means alternate, and nothing says that they are one scan.
    """
    usual = np.asarray(spread, dtype=np.float64)
    least = JUMP_SHARE * float(np.nanmedian(usual)) if np.isfinite(usual).any() else 0.0
    lighter, noisier = alternates(mean, least), alternates(spread, least)
    if not lighter and not noisier:
        return ()
    by_header = _by_header(mean, least, slices)
    what = "lighter and darker" if lighter else "noisier and smoother"
    text = f"slices are {what} in turn ({slices[0].name} and {slices[1].name} first), as two scans put between one another are"
    if lighter and not by_header and may_be_two(slices):
        text += ", and no InstanceNumber says that they are one scan. Put each scan into a folder of its own."
        refuse("interleaved", text, [one.path for one in slices[:2]])
    if by_header:
        ways = f"{_rescale(slices[0])} and {_rescale(slices[1])}"
        text += f"; their stored values are not, but slope and intercept are {ways} in turn"
    return (warn("slices-alternate", f"{text}; look at them.", [one.path for one in slices[:2]]),)


def may_be_two(slices: Sequence[Slice]) -> bool:
    """Whether slices, top first, may be two scans between one another for all their headers say.

    No numbers count them then, no file holds them all, and they are enough to alternate.
    """
    numbers = [one.instance for one in slices if one.instance is not None]
    counted = len(numbers) == len(slices) and bool((np.abs(np.diff(numbers)) == 1).all())
    return not counted and len({one.path for one in slices}) > 1 and len(slices) >= FEWEST_ALTERNATING


def _by_header(mean: Sequence[float], least: float, slices: Sequence[Slice]) -> bool:
    """Whether slope and intercept of the slices make them alternate, and their stored values do not."""
    ways = [(one.slope or 1.0, one.intercept or 0.0) for one in slices]
    if len(set(ways)) == 1:
        return False
    stored = [(value - intercept) / slope for value, (slope, intercept) in zip(mean, ways, strict=True)]
    return not alternates(stored, least / max(abs(slope) for slope, _ in ways))


def _rescale(one: Slice) -> str:
    return " and ".join("absent" if value is None else f"{value:g}" for value in (one.slope, one.intercept))
