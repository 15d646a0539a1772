"""Cores that stand out: a robust z for every metric, and how far to trust it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from soilscope.report.document import Outlier
from soilscope.types import FloatProfile

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FEWEST_CORES",
    "LEAST_DIFFERENCE",
    "LIMIT",
    "by_chance",
    "metric_table",
    "outliers",
    "robust_z",
    "score_table",
]

LIMIT = 3.5
"""``|z|`` above which a core is marked (Iglewicz & Hoaglin 1993)."""
FEWEST_CORES = 5
"""With fewer, a median and its spread say nothing about one of them."""
LEAST_DIFFERENCE = 0.01
"""Of the median: a core nearer to it than this is not marked, however alike the others are."""
DRAWN = 100_000
_NORMAL_MAD = 0.6745
_NORMAL_MEAN = 1.253314


def robust_z(values: FloatProfile) -> FloatProfile:
    """Distance from the median in robust standard deviations.

    Parameters
    ----------
    values : float array, shape (n,)
        One a core; NaN where a core has no value.

    Returns
    -------
    float array, shape (n,)
        ``0.6745 (x - median) / MAD`` (Iglewicz & Hoaglin 1993); where more than half are equal and the MAD is 0, ``(x - median) /
        (1.2533 * mean absolute deviation)``, which a normal distribution scales alike (sqrt(pi / 2) = 1.2533); 0 where all are
        equal. NaN where the value is, or where fewer than five are left.
    """
    known = np.isfinite(values)
    if known.sum() < FEWEST_CORES:
        return np.full(len(values), np.nan)
    away = values - np.median(values[known])
    spread = float(np.median(np.abs(away[known]))) / _NORMAL_MAD
    if spread == 0.0:
        spread = float(np.abs(away[known]).mean()) * _NORMAL_MEAN
    return away / spread if spread > 0 else np.where(known, 0.0, np.nan)


@cache
def by_chance(cores: int) -> float:
    """The share of figures beyond ±:data:`LIMIT` where nothing but a normal distribution sets cores apart.

    The fewer the cores, the more: the spread of a handful is itself uncertain. Of five 5 %, of ten 1.7 %, of very many 0.05 %,
    which is ``2 (1 - Phi(3.5))``. Drawn, with the same numbers every time.
    """
    drawn = np.random.default_rng(0).normal(size=(max(2, DRAWN // cores), cores))
    return float(np.mean([np.abs(robust_z(row)) > LIMIT for row in drawn]))


def metric_table(core_metrics: pd.DataFrame) -> pd.DataFrame:
    """The cores table with a row a core and a column a metric and class, such as ``"fraction 2"``.

    Joined classes are left out, being sums of others, and so is ``area``, which is the fraction times the core's size.
    """
    table = core_metrics.assign(
        core=core_metrics["core"].astype(str),
        key=core_metrics["metric"].astype(str) + " " + core_metrics["class"].astype(str),
    )
    single = ~table["class"].astype(str).str.contains("+", regex=False) & (table["metric"] != "area")
    order = list(dict.fromkeys(table.loc[single, "key"]))
    wide = table[single].pivot_table(index="core", columns="key", values="value", aggfunc="first", dropna=False)
    return wide.reindex(index=list(dict.fromkeys(table["core"])), columns=order)


def score_table(core_metrics: pd.DataFrame) -> pd.DataFrame:
    """Robust z of every core in every metric; no rows where there are fewer than five cores."""
    table = metric_table(core_metrics)
    if len(table) < FEWEST_CORES:
        return table.iloc[:0]
    return table.apply(lambda column: robust_z(column.to_numpy(float)), axis=0, result_type="broadcast")


def outliers(core_metrics: pd.DataFrame, sensitivity: pd.DataFrame | None = None) -> tuple[Outlier, ...]:
    """Cores that stand out in a metric, strongest first.

    Parameters
    ----------
    core_metrics : DataFrame
        core, class, metric, value.
    sensitivity : DataFrame, optional
        core, class, metric, low, high: what moved edges make of it.

    Returns
    -------
    tuple of Outlier
        ``|z| > 3.5``, and a difference from the median of all cores that is no trifle: where the metric hardly varies, a robust z
        is large for any difference. It has to be beyond :data:`LEAST_DIFFERENCE` of the median, and, where the core's edges were
        moved, the median must lie outside of what that makes of the core's figure.
    """
    values, scores = metric_table(core_metrics), score_table(core_metrics)
    known, z = values.to_numpy(float), scores.to_numpy(float)
    spans = _spans(sensitivity)
    found = []
    for row, column in zip(*np.nonzero(np.abs(z) > LIMIT), strict=True):
        core, metric = str(values.index[row]), str(values.columns[column])
        value, median = float(known[row, column]), float(np.nanmedian(known[:, column]))
        low, high = spans.get((core, metric), (value, value))
        if abs(value - median) > LEAST_DIFFERENCE * abs(median) and not low <= median <= high:
            found.append(Outlier(core, metric, value, median, float(z[row, column])))
    return tuple(sorted(found, key=lambda o: (-abs(o.z), o.core, o.metric)))


def _spans(sensitivity: pd.DataFrame | None) -> dict[tuple[str, str], tuple[float, float]]:
    """(core, metric and class) -> least and greatest figure under moved edges."""
    if sensitivity is None:
        return {}
    rows = sensitivity[sensitivity["low"].notna() & sensitivity["high"].notna()]
    keys = zip(rows["core"].astype(str), rows["metric"].astype(str) + " " + rows["class"].astype(str), strict=True)
    return dict(zip(keys, zip(rows["low"].astype(float), rows["high"].astype(float), strict=True), strict=True))
