"""What is truly there: the classes of every phantom, and their share in each slice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soilscope.types import LabelVolume, Spacing, ValueVolume

__all__ = [
    "CLASSES",
    "DENSE",
    "MATRIX",
    "ORGANIC",
    "PORE",
    "STONE",
    "PhantomClass",
    "classes_of",
    "clip_to_classes",
    "fractions",
    "record",
]

PORE, ORGANIC, MATRIX, DENSE, STONE = 1, 2, 3, 4, 5


class PhantomClass(NamedTuple):
    """A class of the truth and its range (low_hu, high_hu] of whole HU."""

    value: int
    name: str
    low_hu: int
    high_hu: int


CLASSES = (
    PhantomClass(PORE, "pore", -1025, -700),
    PhantomClass(ORGANIC, "organic", -700, 200),
    PhantomClass(MATRIX, "matrix", 200, 1500),
    PhantomClass(DENSE, "dense matrix", 1500, 2000),
    PhantomClass(STONE, "stone", 2000, 3071),
)


def classes_of(values: ValueVolume) -> LabelVolume:
    """The class whose range (low_hu, high_hu] holds each value, uint8, same shape."""
    edges = np.array([c.high_hu for c in CLASSES[:-1]])
    return (np.searchsorted(edges, values, side="left") + 1).astype(np.uint8)


def clip_to_classes(values: NDArray[np.float32], truth: LabelVolume) -> NDArray[np.int16]:
    """Whole HU inside the range of each voxel's class (classes 1 to 5; 0 is left at the scanner's range), int16."""
    low = np.array([-1024, *(c.low_hu + 1 for c in CLASSES)], np.int16)
    high = np.array([3071, *(c.high_hu for c in CLASSES)], np.int16)
    whole = np.rint(np.clip(values, -1024, 3071)).astype(np.int16)
    return np.clip(whole, low[truth], high[truth])


def fractions(truth: LabelVolume) -> dict[str, list[float | None]]:
    """Area fraction of each class in each slice, top first; None where a slice holds no soil.

    Parameters
    ----------
    truth : uint8 array, shape (z, y, x)
        0 outside the core, 1..5 the classes.
    """
    counts = np.stack([np.bincount(plane.ravel(), minlength=len(CLASSES) + 1)[1:] for plane in truth])
    area = counts.sum(axis=1)
    return {
        c.name: [int(n) / int(a) if a else None for n, a in zip(counts[:, c.value - 1], area, strict=True)]
        for c in CLASSES
    }


def record(soil: str, seed: int, spacing_mm: Spacing, truth: LabelVolume) -> dict[str, Any]:
    """The content of ``truth.json``."""
    return {
        "soil": soil,
        "seed": seed,
        "spacing_mm": list(spacing_mm),
        "classes": [c._asdict() for c in CLASSES],
        "fractions": fractions(truth),
    }
