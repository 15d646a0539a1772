"""Does a heat map find the class? Its area under the curve against the class mask, which the scan itself gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from soilscope.errors import UsageError
from soilscope.types import FloatImage

__all__ = ["class_auc"]


def class_auc(heat: FloatImage, mask: NDArray[np.bool_], valid: NDArray[np.bool_] | None = None) -> float:
    """Probability that a pixel of the class is hotter than one outside it, ties counting half (area under ROC).

    0.5 is chance. The figure means nothing alone: hold it against the map of random weights and against the plain image
    (for the lightest class ``-HU`` scores 1).

    Parameters
    ----------
    heat : float array, shape (y, x)
        The map.
    mask : bool array, shape (y, x)
        True where the class is.
    valid : bool array, shape (y, x), optional
        True where a pixel counts; all by default.

    Returns
    -------
    float
        0 to 1; NaN where the class is nowhere or everywhere.

    Raises
    ------
    UsageError
        Code ``image-shape``: the shapes differ.

    References
    ----------
    Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747: the area equals the Mann-Whitney statistic.
    """
    counted = np.ones(heat.shape, np.bool_) if valid is None else valid
    if heat.shape != mask.shape or heat.shape != counted.shape:
        raise UsageError(
            "image-shape", f"heat {heat.shape}, mask {mask.shape} and valid {counted.shape} must have one shape."
        )
    values, inside = np.asarray(heat, np.float64)[counted], mask[counted]
    n_in, n_out = int(inside.sum()), int((~inside).sum())
    if not n_in or not n_out:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[inside].sum() - n_in * (n_in + 1) / 2) / (n_in * n_out))
