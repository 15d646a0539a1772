"""What a network has to beat: rivals that need no network, on the model's own test slices.

constant
    The training slices' mean target.
nearest_slice
    The target of the nearest training slice: nearest in depth in the same core (the upper one of two), or, for a core
    with no training slice, the training slice whose image, averaged to 16 x 16 cells, differs least.
histogram
    A linear model on the slice's 64-bin histogram of each channel: ridge, its strength chosen by leave-one-out error on the
    training slices. It knows how much of each grey value there is and nothing of structure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soilscope.learn.examples import gather, targets_of
from soilscope.learn.resize import overlap
from soilscope.learn.slices import Slices
from soilscope.learn.splits import Division, Positions, Rows

__all__ = ["histograms", "nearest_slice", "predictions", "ridge", "rmse", "scores"]

BINS = 64
THUMBNAIL = 16
STRENGTHS = tuple(float(s) for s in 10.0 ** np.arange(-8, 5))
"""Ridge strengths tried, in units of the features' mean squared size."""

Values = NDArray[np.float64]


def rmse(predicted: Values, true: Values) -> float:
    """Root of the mean squared difference; NaN over nothing."""
    return float(np.sqrt(np.mean(np.square(np.asarray(predicted) - np.asarray(true))))) if len(true) else float("nan")


def scores(parts: Sequence[Slices], rows: Rows, division: Division) -> dict[str, float]:
    """Test RMSE of each rival, in the target's unit."""
    true = targets_of(parts)[division.test]
    return {name: rmse(predicted, true) for name, predicted in predictions(parts, rows, division).items()}


def predictions(parts: Sequence[Slices], rows: Rows, division: Division) -> dict[str, Values]:
    """Each rival's predictions for the test rows."""
    targets = targets_of(parts)
    known = targets[division.train]
    table = histograms(parts, division)
    return {
        "constant": np.full(len(division.test), known.mean()),
        "nearest_slice": targets[nearest_slice(parts, rows, division)],
        "histogram": ridge(table[division.train], known, table[division.test]),
    }


def nearest_slice(parts: Sequence[Slices], rows: Rows, division: Division) -> Positions:
    """For each test row the training row that is copied."""
    nearest = np.empty(len(division.test), np.int64)
    small: dict[int, Values] = {}
    for place, row in enumerate(division.test):
        own = division.train[rows.core[division.train] == rows.core[row]]
        if own.size:
            away = np.abs(rows.index[own] - rows.index[row])
            nearest[place] = own[np.lexsort((rows.index[own], away))[0]]
            continue
        thumbs = np.stack([_thumbnail(parts, int(k), small) for k in division.train])
        away = np.square(thumbs - _thumbnail(parts, int(row), small)).mean(axis=1)
        nearest[place] = division.train[int(away.argmin())]
    return nearest


def histograms(parts: Sequence[Slices], division: Division) -> Values:
    """Share of each slice's core pixels in each bin, shape (n, bins), channel after channel; equal channels once.

    The bins cut each channel's range over the training slices into 64; what lies outside goes to the end bins.
    """
    count = sum(len(part) for part in parts)
    masks = [mask for part in parts for mask in part.valid]
    ranges = [_range(parts, division.train, channel) for channel in range(3)]
    different = [k for k in range(3) if not any(_same(parts, division.train, j, k) for j in range(k))]
    table = np.zeros((count, len(different) * BINS))
    for row in np.concatenate([division.train, division.test]):
        image, mask = gather(parts, np.array([row]))[0], masks[row]
        for place, channel in enumerate(different):
            low, high = ranges[channel]
            inside = image[channel][mask].astype(np.float64)
            bins = np.clip(((inside - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
            shares = np.bincount(bins, minlength=BINS) / max(inside.size, 1)
            table[row, place * BINS : (place + 1) * BINS] = shares
    return table


def ridge(known: Values, targets: Values, wanted: Values) -> Values:
    """Ridge regression with intercept, strength by exact leave-one-out error (Golub, Heath & Wahba 1979).

    Parameters
    ----------
    known, wanted : float array, shape (n, features) and (m, features)
    targets : float array, shape (n,)

    Returns
    -------
    float array, shape (m,)

    References
    ----------
    doi:10.1080/00401706.1979.10489751
    """
    mean, offset = known.mean(axis=0), targets.mean()
    left, singular, right = np.linalg.svd(known - mean, full_matrices=False)
    power = np.square(singular)
    scale = power.sum() / max(len(known), 1)
    if not scale > 0:
        return np.full(len(wanted), offset)
    rotated, errors = left.T @ (targets - offset), []
    for strength in STRENGTHS:
        shrink = power / (power + strength * scale)
        # the intercept takes 1/n of each slice's own weight in its prediction
        own = np.square(left) @ shrink + 1.0 / len(known)
        rest = (targets - offset - left @ (shrink * rotated)) / np.maximum(1.0 - own, 1e-12)
        errors.append(float(np.mean(np.square(rest))))
    best = STRENGTHS[int(np.argmin(errors))] * scale
    weights = right.T @ (singular / (power + best) * rotated)
    predicted: Values = (wanted - mean) @ weights + offset
    return predicted


def _range(parts: Sequence[Slices], rows: Positions, channel: int) -> tuple[float, float]:
    images = (gather(parts, np.array([row]))[0, channel] for row in rows)
    lows, highs = zip(*((float(i.min()), float(i.max())) for i in images), strict=True)
    low, high = min(lows), max(highs)
    return (low, high) if high > low else (low, low + 1.0)


def _same(parts: Sequence[Slices], rows: Positions, first: int, second: int) -> bool:
    for row in rows:
        image = gather(parts, np.array([row]))[0]
        if not np.array_equal(image[first], image[second]):
            return False
    return True


def _thumbnail(parts: Sequence[Slices], row: int, small: dict[int, Values]) -> Values:
    if row not in small:
        image = gather(parts, np.array([row]))[0].astype(np.float64)
        down, across = (overlap(0.0, float(n), THUMBNAIL, n) for n in image.shape[1:])
        small[row] = np.ravel(down @ image @ across.T)
    thumb: Values = small[row]
    return thumb
