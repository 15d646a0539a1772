"""Horizons: depths at which the classes' shares change, found as change points of their profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.types import FloatProfile

__all__ = ["Horizon", "find_horizons", "profile_step"]

LEAST_GAIN = 0.10
"""A further change point must explain this share of the profiles' variance; a steady change then makes three horizons at most."""
LEAST_STEP = 0.05
"""Neighbouring horizons differ in at least this share of the soil: less may be the unevenness of any soil."""
LEAST_MM = 2.0
"""No horizon is thinner."""
MOST = 10


@dataclass(frozen=True, slots=True)
class Horizon:
    """A layer whose class shares are alike.

    Parameters
    ----------
    top_mm, bottom_mm : float
        Depth below the top of the core of its upper and lower border.
    slices : int
        Slices in it that have a value.
    shares : tuple of float
        Mean area fraction of each class.
    step : float
        Share of the soil in which it differs from the horizon above (:func:`profile_step`); NaN in the first.
    explained : float
        Share of the profiles' variance that all horizons of the core together explain.
    """

    top_mm: float
    bottom_mm: float
    slices: int
    shares: tuple[float, ...]
    step: float
    explained: float


def profile_step(one: Sequence[float], other: Sequence[float]) -> float:
    """Half the sum over classes of ``|difference of area fractions|``: the share of the soil that is of another class, 0 to 1.

    Examples
    --------
    >>> profile_step([0.2, 0.8], [0.5, 0.5])
    0.3
    """
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).sum() / 2)


def find_horizons(shares: NDArray[np.float64], depth_mm: FloatProfile, spacing_mm: float) -> tuple[Horizon, ...]:
    """Cut a core where its class shares change.

    Parameters
    ----------
    shares : float array, shape (z, classes)
        Area fraction of each class in each slice; slices with NaN are left out.
    depth_mm : float array, shape (z,)
        Depth of each slice's centre.
    spacing_mm : float
        Height of a slice, dz.

    Returns
    -------
    tuple of Horizon
        From the top down; one where nothing changes enough, none where no slice has a value.

    Raises
    ------
    UsageError
        Code ``horizons``: shares and depths are not of the same slices, such as shares with the classes first.

    Notes
    -----
    For each number of change points the partition with the least sum of squared deviations from the horizons' means is
    found exactly (dynamic programming, ``ruptures``; Truong et al. 2020, doi:10.1016/j.sigpro.2019.107299). The
    largest number is taken at which each point more explains at least 10 % of the variance, and neighbouring
    horizons differ in at least 5 % of the soil (:func:`profile_step`) and are at least 2 mm thick. A steady change
    has no border; it is cut into steps all the same.
    """
    if shares.ndim != 2 or depth_mm.shape != shares.shape[:1]:
        raise UsageError(
            "horizons",
            f"shares {shares.shape} must have one row for each of the {depth_mm.size} depths and a column a class.",
        )
    known = np.isfinite(shares).all(axis=1)
    values, depths = np.ascontiguousarray(shares[known]), depth_mm[known]
    if len(values) == 0:
        return ()
    least = max(2, int(np.ceil(LEAST_MM / spacing_mm)))
    borders, explained = _borders(values, least)
    means = [values[a:b].mean(axis=0) for a, b in pairwise(borders)]
    cuts = [depths[0] - spacing_mm / 2, *((depths[b - 1] + depths[b]) / 2 for b in borders[1:-1])]
    cuts.append(depths[-1] + spacing_mm / 2)
    steps = [float("nan"), *(profile_step(a, b) for a, b in pairwise(means))]
    return tuple(
        Horizon(
            float(cuts[k]),
            float(cuts[k + 1]),
            borders[k + 1] - borders[k],
            tuple(map(float, mean)),
            steps[k],
            explained,
        )
        for k, mean in enumerate(means)
    )


def _borders(values: NDArray[np.float64], least: int) -> tuple[list[int], float]:
    """Slice numbers at which horizons begin, with the end, and the share of the variance they explain."""
    import ruptures

    whole = [0, len(values)]
    total = _deviation(values, whole)
    most = min(MOST, len(values) // least - 1)
    # Below a thousandth of a share there is nothing but the rounding of counts.
    if total <= len(values) * 1e-6 or most < 1:
        return whole, 0.0
    search = ruptures.KernelCPD(kernel="linear", min_size=least, jump=1).fit(values)
    chosen, left = whole, total
    for number in range(1, most + 1):
        borders = [0, *(int(b) for b in search.predict(n_bkps=number))]
        rest = _deviation(values, borders)
        means = [values[a:b].mean(axis=0) for a, b in pairwise(borders)]
        steps = [profile_step(a, b) for a, b in pairwise(means)]
        further = number - (len(chosen) - 2)  # a thin layer needs both its borders before they explain anything
        if left - rest >= further * LEAST_GAIN * total and min(steps) >= LEAST_STEP:
            chosen, left = borders, rest
    return chosen, float(1.0 - left / total)


def _deviation(values: NDArray[np.float64], borders: Sequence[int]) -> float:
    return float(
        sum(((part - part.mean(axis=0)) ** 2).sum() for part in np.split(values, np.asarray(borders[1:-1], int)))
    )
