"""Slices of pores with a known share, quick to draw and to learn."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from soilscope.learn import Slices


def pores(n: int = 40, size: int = 32, core: str = "a", seed: int = 0) -> Slices:
    """Blobs whose share rises with depth; channel 1 shows the pores, channel 2 the rest, channel 3 nothing."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(n, size, size)), (1.0, 1.5, 1.5))
    pore = field / field.std() < np.linspace(-1.2, 0.6, n)[:, None, None]
    noise = 0.05 * rng.normal(size=(2, *pore.shape))
    images = np.stack([0.3 * pore + noise[0], 0.6 * ~pore + noise[1], np.zeros(pore.shape)], axis=1)
    return Slices(
        images.astype(np.float32), 1.0 - pore.mean(axis=(1, 2)), core=core, target="porosity-1", channels="windows"
    )
