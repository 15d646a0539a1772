"""Pore size distribution: which share of the class lies in places of which diameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.progress import told
from soilscope.structure.masks import as_spacing, from_top_to_bottom, in_window
from soilscope.structure.thickness import local_thickness
from soilscope.types import BoolVolume, FloatProfile, FloatVolume, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counted", "PoreSizes", "median_diameter", "median_diameter_of_slices", "pore_sizes", "sizes_of"]

Counted = tuple[NDArray[np.float32], NDArray[np.int64] | None]
"""Values, and how often each occurs; None: once."""


@dataclass(frozen=True, slots=True, eq=False)
class PoreSizes:
    """Volumes of a class by local diameter.

    Parameters
    ----------
    edges_mm : float array, shape (n + 1,)
        Edges of the diameter classes; each holds its lower edge, the last one its upper edge too.
    volume_mm3 : float array, shape (n,)
        Volume of the class in each.
    class_mm3, window_mm3 : float
        Volume of the whole class and of the window.
    smallest_mm : float
        What the scan can show at all: twice the voxel's longest edge. Counts below it are incomplete.
    """

    edges_mm: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    class_mm3: float
    window_mm3: float
    smallest_mm: float

    def frame(self) -> pd.DataFrame:
        """One row a diameter class: from_mm, to_mm, volume_mm3, share (of the class), fraction (of the window), and finer:
        the share of the class in this class and all narrower ones."""
        import pandas as pd

        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.volume_mm3 / np.float64(self.class_mm3)
            fraction = self.volume_mm3 / np.float64(self.window_mm3)
        return pd.DataFrame(
            {
                "from_mm": self.edges_mm[:-1],
                "to_mm": self.edges_mm[1:],
                "volume_mm3": self.volume_mm3,
                "share": share,
                "fraction": fraction,
                "finer": np.cumsum(share),
            }
        )


def pore_sizes(
    mask: BoolVolume,
    spacing_mm: Spacing,
    valid: BoolVolume | None = None,
    edges_mm: Sequence[float] | None = None,
) -> PoreSizes:
    """Pore size distribution of a class from its local thickness.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array. What lies beside it is a wall, its first and last slice are not, as the ends of the
        array in :func:`soilscope.structure.local_thickness`.
    edges_mm : sequence of float, optional
        Rising edges of the diameter classes; by default whole multiples of the voxel's longest edge up to the widest place.

    Returns
    -------
    PoreSizes
        Every voxel counts with the diameter of the largest ball inside the class that contains it (Hildebrand & Rüegsegger
        1997, doi:10.1046/j.1365-2818.1997.1340694.x); the volumes sum to the class's where the edges span its diameters. A
        class without a wall has no diameter, and volumes NaN.

    Raises
    ------
    UsageError
        Code ``edges``: fewer than two edges, or edges that do not rise.
    """
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    inner = from_top_to_bottom(window)
    thickness = local_thickness(inside[inner], spacing)
    # NaN stays: it is the class where it has no wall
    return sizes_of((thickness[thickness != 0], None), int(np.count_nonzero(window)), spacing, edges_mm)


def sizes_of(
    found: Counted, window_voxels: int, spacing: Spacing, edges_mm: Sequence[float] | None = None
) -> PoreSizes:
    """The distribution from diameters of a class's voxels, in mm, and how often each occurs; None: once."""
    diameters, times = found
    number = diameters.size if times is None else int(times.sum())
    step, voxel = max(spacing), float(np.prod(spacing))
    unknown = bool(np.isnan(diameters).any())
    widest = 0.0 if unknown or not diameters.size else float(diameters.max())
    whole = np.arange(max(2, int(widest / step * (1.0 + 1e-6)) + 2), dtype=np.float64) * step
    edges: NDArray[np.float64] = whole if edges_mm is None else np.asarray(edges_mm, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise UsageError("edges", f"edges_mm {edges.tolist()} must be two or more rising diameters in mm.")
    # Diameters come in single precision: one that equals an edge must not fall below it.
    counts = np.histogram(diameters * (1.0 + 1e-6), edges, weights=times)[0].astype(np.float64)
    if unknown:
        counts[:] = np.nan
    return PoreSizes(edges, counts * voxel, number * voxel, window_voxels * voxel, 2.0 * step)


def median_diameter(thickness: FloatVolume) -> float:
    """Diameter in mm below which half of the class's volume lies, from local thickness; NaN where the class is absent."""
    found = thickness[thickness != 0]
    return float(np.median(found)) if found.size else float("nan")


def median_diameter_of_slices(thickness: FloatVolume) -> FloatProfile:
    """The same in each slice, of the 3D field, shape (z,)."""
    out = np.empty(len(thickness))
    for z, plane in enumerate(thickness):
        out[z] = median_diameter(plane)
        told((z + 1) / len(out))
    return out
