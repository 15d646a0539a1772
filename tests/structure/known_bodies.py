"""Bodies whose answers geometry knows."""

import tempfile
from pathlib import Path

import numpy as np


def grid(shape, spacing_mm=(1.0, 1.0, 1.0)):
    """Distances of voxel centres from the middle of the array, per axis, in mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ball(size, radius_mm, spacing_mm=(1.0, 1.0, 1.0)):
    """A ball in the middle of a cube of ``size`` mm."""
    shape = [round(size / s) for s in spacing_mm]
    z, y, x = grid(shape, spacing_mm)
    return z**2 + y**2 + x**2 < radius_mm**2


def tube(length, size, radius_mm, spacing_mm=(1.0, 1.0, 1.0)):
    """A tube along z through a box of ``length`` x ``size`` x ``size`` mm."""
    shape = [round(n / s) for n, s in zip((length, size, size), spacing_mm, strict=True)]
    _, y, x = grid(shape, spacing_mm)
    return y**2 + x**2 < radius_mm**2


def torus(size, ring, radius):
    z, y, x = grid((size,) * 3)
    return (np.hypot(y, x) - ring) ** 2 + z**2 < radius**2


def noise(shape, share, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def blobs(shape, share, sigma=2.0, seed=0):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return field > np.quantile(field, 1.0 - share)


def turned(mask):
    """The mask flipped along each axis, and turned by quarters in the plane."""
    return [mask, mask[::-1], mask[:, ::-1], mask[:, :, ::-1], np.rot90(mask, axes=(1, 2)), np.rot90(mask, axes=(0, 1))]


def ways(slab, block):
    """So many slices and voxels at a time; temporary files have no name, and go where the tests' own do."""
    from soilscope.structure.blockwise import Ways

    return Ways(slab=slab, block=block, folder=Path(tempfile.gettempdir()))
