"""The phantom cores that the learning benchmarks learn from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from soilscope import learn, phantoms
from soilscope.structure import ClusterRule

__all__ = ["PORES", "per_core", "r2", "slices_of"]

PORES = (1,)
"""Class 1 of the scheme "physical": air."""
Pairs = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
"""(true, predicted) of each core."""


def slices_of(
    soil: str,
    seed: int,
    shape: tuple[int, int, int],
    target: str,
    channels: str,
    image_size: int | None = None,
    rule: ClusterRule | None = None,
) -> learn.Slices:
    """Slices of one phantom core, its pores' structure being the target."""
    volume = phantoms.make(soil, seed, shape).volume
    return learn.slices(volume, target, PORES, channels, scheme="physical", image_size=image_size, rule=rule)


def per_core(model: learn.Model, cores: Iterable[learn.Slices]) -> Pairs:
    """True and predicted targets of some cores, core by core."""
    return [(core.targets, model.predict(core.images)) for core in cores]


def r2(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Coefficient of determination; NaN for a constant target."""
    spread = float(np.square(true - true.mean()).sum())
    return 1.0 - float(np.square(true - predicted).sum()) / spread if spread > 0 else float("nan")
