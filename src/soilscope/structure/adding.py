"""Figures of a whole core that add up over its slabs: each is shown one slab after the other and says its total at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from soilscope.structure.anisotropy import tensor_of_corners
from soilscope.structure.corners import Table
from soilscope.structure.euler_density import density_of_whole_corners, whole_corner_counts
from soilscope.structure.fractal import BoxSlabs
from soilscope.structure.lines import CornerTables, EndSlabs
from soilscope.structure.scratch import Box
from soilscope.structure.surface import density_of_lines
from soilscope.structure.topology import euler_of_layers
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["ADDING", "Adding", "CoreOutline", "Slab"]


@dataclass(frozen=True, slots=True)
class CoreOutline:
    """What is known of a core before its class is looked at.

    Parameters
    ----------
    shape : (z, y, x)
    spacing_mm : (dz, dy, dx)
    valid_voxels : int
    window : ((first, end), (first, end), (first, end))
        The box of the valid voxels.
    """

    shape: Shape
    spacing_mm: Spacing
    valid_voxels: int
    window: Box

    @property
    def window_mm3(self) -> float:
        """Volume of the window."""
        return self.valid_voxels * float(np.prod(self.spacing_mm))


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """Some slices of a class, with the slice above them where there is one.

    Parameters
    ----------
    mask, window : bool array, shape (z, y, x)
        The class and the valid voxels.
    layers : (first, end)
        Layers of grid edges that are this slab's own; layer z lies between slices z - 1 and z.
    first : int
        The core's slice that is the first of ``mask``'s own ones.
    """

    mask: BoolVolume
    window: BoolVolume
    layers: tuple[int, int]
    first: int

    @property
    def own(self) -> slice:
        """The slices that are this slab's own."""
        return slice(1 if self.layers[0] == 1 else 0, len(self.mask))


class Adding(Protocol):
    """A figure that adds up over slabs."""

    def add(self, slab: Slab) -> None:
        """The next slab."""

    def total(self) -> float:
        """The figure of the core."""


@dataclass(slots=True)
class EulerSum:
    """``euler-3d``."""

    core: CoreOutline
    found: int = 0

    def add(self, slab: Slab) -> None:
        """The next slab."""
        self.found += euler_of_layers(slab.mask, slab.layers)

    def total(self) -> float:
        """Euler number / mm³."""
        return self.found / self.core.window_mm3 if self.core.valid_voxels else float("nan")


@dataclass(slots=True)
class OpenEulerSum:
    """``euler-3d-open``."""

    core: CoreOutline
    counts: Table = field(default_factory=lambda: np.zeros(256, np.int64))

    def add(self, slab: Slab) -> None:
        """The next slab: corners between its slices, and between it and the slice above."""
        self.counts += whole_corner_counts(slab.mask, slab.window)

    def total(self) -> float:
        """Euler number / mm³."""
        return density_of_whole_corners(self.counts, self.core.spacing_mm)


@dataclass(slots=True)
class SurfaceSum:
    """``surface-density``."""

    core: CoreOutline
    tables: CornerTables = field(default_factory=CornerTables.empty)
    ends: EndSlabs = field(default_factory=EndSlabs)

    def add(self, slab: Slab) -> None:
        """The next slab."""
        self.tables = self.tables + CornerTables.of(slab.mask, slab.window, slab.layers)
        self.ends.add(slab.mask[slab.own], slab.window[slab.own])

    def total(self) -> float:
        """mm²/mm³."""
        return density_of_lines(self.tables, self.ends.counts(), self.core.spacing_mm)


@dataclass(slots=True)
class InterceptSum:
    """``anisotropy``."""

    core: CoreOutline
    tables: CornerTables = field(default_factory=CornerTables.empty)

    def add(self, slab: Slab) -> None:
        """The next slab."""
        self.tables = self.tables + CornerTables.of(slab.mask, slab.window, slab.layers)

    def total(self) -> float:
        """Degree of anisotropy."""
        return tensor_of_corners(self.tables, self.core.spacing_mm).degree


class BoxSum:
    """``fractal-dimension``."""

    def __init__(self, core: CoreOutline) -> None:
        self._boxes = BoxSlabs(core.window, core.spacing_mm)

    def add(self, slab: Slab) -> None:
        """The next slab."""
        self._boxes.add(slab.mask[slab.own], slab.window[slab.own], slab.first)

    def total(self) -> float:
        """Box-counting dimension."""
        return self._boxes.counts().dimension


ADDING: dict[str, Callable[[CoreOutline], Adding]] = {
    "euler-3d": EulerSum,
    "euler-3d-open": OpenEulerSum,
    "surface-density": SurfaceSum,
    "anisotropy": InterceptSum,
    "fractal-dimension": BoxSum,
}
"""Metrics whose figure of the core adds up, and how."""
