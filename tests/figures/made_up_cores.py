"""Cores that never existed, small and quick: a cylinder in air, five classes whose shares change with depth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from soilscope.findings import Finding
from soilscope.volume import Volume

NAMES = {1: "pore", 2: "organic", 3: "matrix", 4: "dense matrix", 5: "stone"}
EDGES = (-1025.0, -700.0, 200.0, 1500.0, 2000.0, 3071.0)
CENTRES = {1: -900, 2: -250, 3: 850, 4: 1750, 5: 2500}
SPACING = (0.5, 0.7, 0.7)
RADIUS = 40


def core(seed: int = 0, name: str = "core-1", shape: tuple[int, int, int] = (60, 96, 96)) -> tuple[Volume, np.ndarray]:
    """A volume in HU and its labels."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 2.0)
    field /= field.std()
    depth = np.linspace(0, 1, shape[0])[:, None, None]
    labels = np.full(shape, 3, np.uint8)
    labels[field < -1.2 - 0.8 * depth] = 1
    labels[(field > 0.9 + depth) & (field < 1.5 + depth)] = 2
    labels[(field > -0.3) & (field < 0.5 * depth - 0.2)] = 4
    labels[field > 2.2] = 5
    y, x = np.mgrid[: shape[1], : shape[2]]
    inside = np.hypot(y - (shape[1] - 1) / 2, x - (shape[2] - 1) / 2) <= RADIUS
    values = np.full(shape, -1000.0)
    for k, centre in CENTRES.items():
        values[labels == k] = centre
    values[:, ~inside] = -1000.0
    values = ndimage.gaussian_filter(values, (0, 0.5, 0.5)) + rng.normal(0, 40, shape)
    labels[:, ~inside] = 0
    valid = np.broadcast_to(inside, shape).copy()
    soil = {"kind": "cylinder", "centre_mm": [33.6, 33.6], "radius_mm": 28.2, "top": 0, "bottom": shape[0]}
    found = (Finding("top-assumed", "note", "The first slice along the slice normal is taken as the core's top."),)
    return Volume(
        np.clip(values, -1024, 3071).astype(np.int16), valid, SPACING, "HU", found, name, {"soil": soil}
    ), labels


def slices_table(volume: Volume, labels: np.ndarray) -> pd.DataFrame:
    """The slices table of one core: fractions, and porosity as if no cluster were small."""
    rows = []
    area = volume.valid.sum(axis=(1, 2))
    for k, name in NAMES.items():
        fraction = (labels == k).sum(axis=(1, 2)) / area
        for z, share in enumerate(fraction):
            rows.append((volume.core, z, volume.depth_mm[z], str(k), name, share, 1 - share))
    return pd.DataFrame(rows, columns=["core", "slice", "depth_mm", "class", "name", "fraction", "porosity"])
