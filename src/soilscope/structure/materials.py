"""Materials by mass: area, volume, mean value, density and mass of every class in every slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from soilscope.core.density import Density
from soilscope.errors import UsageError
from soilscope.structure.labelled import slice_keys
from soilscope.structure.porosity import share
from soilscope.types import LabelVolume
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["materials"]


def materials(
    volume: Volume, labels: LabelVolume, names: Mapping[int, str], density: Density | None = None
) -> pd.DataFrame:
    """One row a slice and class.

    Parameters
    ----------
    volume : Volume
        The core.
    labels : uint8 array, shape (z, y, x)
        The class of each voxel, 0 for none.
    names : mapping of int to str
        Class number -> name.
    density : Density, optional
        How values make densities; without it there are no masses.

    Returns
    -------
    DataFrame
        core, slice (from 0), depth_mm (of the slice's centre), class, name, area_cm2, volume_cm3, mean_hu or mean_grey (NaN where
        a slice has none of the class), and with a calibration density_g_cm3 (mean of the class) and mass_g.

    Raises
    ------
    UsageError
        Code ``shape``: labels on another grid.

    References
    ----------
    Davey et al. 2011, doi:10.1890/10-2037.1: mass is the sum over voxels of volume times density.
    """
    import pandas as pd

    if labels.shape != volume.shape:
        raise UsageError("shape", f"labels {labels.shape} and volume {volume.shape} must be on one (z, y, x) grid.")
    most = max(names, default=0) + 1
    sums = np.zeros((3, volume.shape[0], max(most, int(labels.max(initial=0)) + 1)))
    for k, (plane, ok, of) in enumerate(zip(volume.values, volume.valid, labels, strict=True)):
        values, classes = plane[ok], of[ok]
        sums[0, k] = np.bincount(classes, minlength=sums.shape[2])
        sums[1, k] = np.bincount(classes, values.astype(np.float64), sums.shape[2])
        if density is not None:
            sums[2, k] = np.bincount(classes, density.of(values).astype(np.float64), sums.shape[2])
    dz, dy, dx = volume.spacing_mm
    frames = []
    for number, name in names.items():
        count, total, heavy = sums[:, :, number]
        columns = slice_keys(volume, str(number), name) | {
            "area_cm2": count * dy * dx / 100,
            "volume_cm3": count * dz * dy * dx / 1000,
            "mean_hu" if volume.units == "HU" else "mean_grey": share(total, count),
        }
        if density is not None:
            columns |= {"density_g_cm3": share(heavy, count), "mass_g": heavy * dz * dy * dx / 1000}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
