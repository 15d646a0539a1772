"""The software that a study's figures hang on, by what was really read, measured and learnt."""

from __future__ import annotations

from collections.abc import Collection
from importlib import metadata

from soilscope._version import __version__

__all__ = ["DISTANCE_METRICS", "versions"]

ALWAYS = ("numpy", "scipy", "numba", "pandas", "zarr", "connected-components-3d", "matplotlib")
FOR = {
    "DICOM": ("pydicom",),
    "TIFF": ("tifffile",),
    "PNG": ("imagecodecs",),
    "NIfTI": ("nibabel",),
    "NRRD": ("pynrrd",),
    "HDF5": ("h5py",),
    "otsu": ("scikit-image",),
    "distances": ("edt",),
    "tubes": ("edt", "scikit-image"),
    "horizons": ("ruptures",),
    "learning": ("torch", "safetensors"),
}
"""What a format is read with (NumPy and zarr, which read the others, are there in any case), and what some work is done with."""
DISTANCE_METRICS = {"local-thickness", "median-diameter", "critical-diameter", "distance"}
"""Metrics that are taken from distances within a class."""


def versions(done: Collection[str]) -> dict[str, str]:
    """Software -> version, ours first.

    Parameters
    ----------
    done : collection of str
        Formats as scans and their stores name them, and kinds of work, as ``FOR`` has them; what needs nothing of its own may stand
        there too.
    """
    used = [*ALWAYS, *(library for work, libraries in FOR.items() if work in done for library in libraries)]
    return {"soilscope": __version__, **{name: metadata.version(name) for name in dict.fromkeys(used)}}
