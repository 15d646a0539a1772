"""Comparison of cores: how far two cores' class profiles lie apart over common relative depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.types import FloatProfile

__all__ = ["ClassProfiles", "ProfileDistance", "profile_distance"]

TOUCH = 1e-9
"""Borders of slices nearer than this share of a core's height are one border."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassProfiles:
    """Area fractions of a core's classes over depth.

    Parameters
    ----------
    classes : tuple of str
        Numbers of the classes, as tables have them.
    shares : float array, shape (z, classes)
        Area fraction of each class in each slice; NaN where a slice has none.
    depth_mm : float array, shape (z,)
        Depth of each slice's centre, rising.
    spacing_mm : float
        Height of a slice, dz.
    """

    classes: tuple[str, ...]
    shares: NDArray[np.float64]
    depth_mm: FloatProfile
    spacing_mm: float

    def known(self) -> ClassProfiles:
        """Without the slices that have no value."""
        kept = np.isfinite(self.shares).all(axis=1)
        return ClassProfiles(self.classes, self.shares[kept], self.depth_mm[kept], self.spacing_mm)

    @property
    def height_mm(self) -> float:
        """From the upper border of the first slice with a value to the lower border of the last; 0 without any."""
        depths = self.known().depth_mm
        return float(depths[-1] - depths[0] + self.spacing_mm) if len(depths) else 0.0


@dataclass(frozen=True, slots=True)
class ProfileDistance:
    """How far two cores lie apart.

    Parameters
    ----------
    classes : tuple of str
        Classes that both cores have.
    distance : tuple of float
        Of each class: mean absolute difference of the area fractions, 0 to 1.
    mean, mean_other : tuple of float
        Mean area fraction of each class in the two cores, over the depths compared.
    all : float
        Half the sum of the distances: share of the soil that is of another class at the same relative depth.
    compared : float
        Share of the relative depth in which both cores have values.
    """

    classes: tuple[str, ...]
    distance: tuple[float, ...]
    mean: tuple[float, ...]
    mean_other: tuple[float, ...]
    all: float
    compared: float


def profile_distance(one: ClassProfiles, other: ClassProfiles) -> ProfileDistance:
    """Mean absolute difference of two cores' class fractions over common relative depth.

    Parameters
    ----------
    one, other : ClassProfiles
        Classes that only one of them has are left out.

    Returns
    -------
    ProfileDistance
        All NaN where one of the cores has no value at all.

    Raises
    ------
    UsageError
        Code ``no-common-class``: the two have no class in common.

    Notes
    -----
    ``D_k = ∫ |f_k(t) - g_k(t)| dt`` over t from 0 (top of the soil) to 1 (its bottom), unit 1. Fractions are constant within
    a slice, so the integral is exact, whatever the two spacings. Relative depth stretches the shorter core: two cores of
    20 and 100 mm with the same order of layers have distance 0. ``|mean - mean_other|`` of a class is at most ``D_k``; equal,
    one core has more of the class at every depth. The distance sees shares alone, neither size, shape nor connection of
    what makes them, and has no threshold above which cores differ: the replicates of a study say what is much.

    Examples
    --------
    >>> import numpy as np
    >>> depth = np.array([0.5, 1.5])
    >>> a = ClassProfiles(("1", "2"), np.array([[0.2, 0.8], [0.4, 0.6]]), depth, 1.0)
    >>> b = ClassProfiles(("1", "2"), np.array([[0.4, 0.6], [0.2, 0.8]]), depth, 1.0)
    >>> round(profile_distance(a, b).all, 12), profile_distance(a, b).mean == profile_distance(a, b).mean_other
    (0.2, True)
    """
    classes = tuple(k for k in one.classes if k in other.classes)
    if not classes:
        raise UsageError(
            "no-common-class", f"classes {list(one.classes)} and {list(other.classes)} have none in common to compare."
        )
    first, second = one.known(), other.known()
    if not len(first.depth_mm) or not len(second.depth_mm):
        nothing = (float("nan"),) * len(classes)
        return ProfileDistance(classes, nothing, nothing, nothing, float("nan"), 0.0)
    slices, other_slices = _relative(first), _relative(second)
    borders = np.unique(np.concatenate([slices.ravel(), other_slices.ravel()]))
    widths, middles = np.diff(borders), (borders[1:] + borders[:-1]) / 2
    rows, others = _slice_at(slices, middles), _slice_at(other_slices, middles)
    both = (rows >= 0) & (others >= 0) & (widths > TOUCH)
    weights = widths[both] / widths[both].sum() if both.any() else np.zeros(0)
    f = first.shares[rows[both]][:, [one.classes.index(k) for k in classes]]
    g = second.shares[others[both]][:, [other.classes.index(k) for k in classes]]
    if not len(weights):
        f = g = np.full((1, len(classes)), np.nan)
        weights = np.ones(1)
    distance = weights @ np.abs(f - g)
    means = [tuple(map(float, weights @ values)) for values in (f, g)]
    shared = float(widths[both].sum())
    return ProfileDistance(classes, tuple(map(float, distance)), means[0], means[1], float(distance.sum() / 2), shared)


def _relative(profiles: ClassProfiles) -> NDArray[np.float64]:
    """Upper and lower border of each slice, shape (z, 2), 0 at the top of the soil and 1 at its bottom."""
    depth, half = profiles.depth_mm, profiles.spacing_mm / 2
    top = depth[0] - half
    made: NDArray[np.float64] = (np.stack([depth - half, depth + half], axis=1) - top) / profiles.height_mm
    return made


def _slice_at(borders: NDArray[np.float64], depths: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the slice that holds each relative depth, -1 where none does."""
    rows = np.searchsorted(borders[:, 0], depths, side="right") - 1
    found = rows.clip(0)
    return np.where((rows >= 0) & (depths <= borders[found, 1] + TOUCH), found, -1)
