"""One class inside its window, with what several metrics need worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.progress import stages
from soilscope.structure.clusters import ClusterRule, Clusters, find_clusters, without_small
from soilscope.structure.connectivity import connection_2d_profile
from soilscope.structure.distance import squared_distance
from soilscope.structure.masks import as_spacing, between, from_top_to_bottom, in_window
from soilscope.structure.porosity import label_counts
from soilscope.structure.thickness import thickness_from_distance
from soilscope.types import BoolVolume, FloatProfile, Neighbours3D, Spacing

__all__ = ["Known", "Phase", "cleaned"]


@dataclass(frozen=True, slots=True)
class Known:
    """What has been worked out elsewhere for several classes at once; each is asked for when it is needed first."""

    clusters: Callable[[], Clusters] | None = None
    squared_distance: Callable[[], NDArray[np.float32]] | None = None
    thickness: Callable[[], NDArray[np.float32]] | None = None
    counted: Callable[[], tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None


@dataclass(frozen=True, eq=False)
class Phase:
    """A class as a mask inside a window.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        True where a voxel belongs to the class; never outside the window.
    valid : bool array, shape (z, y, x)
        The window: True where a voxel was scanned and lies in the core.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm.
    neighbours : {6, 18, 26}
        What joins voxels to clusters.
    known : Known
        What need not be worked out anew.
    """

    mask: BoolVolume
    valid: BoolVolume
    spacing_mm: Spacing
    neighbours: Neighbours3D = field(default=6)
    known: Known = field(default=Known(), repr=False, kw_only=True)

    @classmethod
    def of(cls, mask: BoolVolume, valid: BoolVolume | None, spacing_mm: Spacing, neighbours: Neighbours3D = 6) -> Phase:
        """A phase from a mask that may reach outside the window.

        Raises
        ------
        UsageError
            Codes ``mask`` and ``spacing``.
        """
        return cls(*in_window(mask, valid), as_spacing(spacing_mm), neighbours)

    def read_only(self) -> Phase:
        """The same for somebody who must not change it: all that others are shown too are views that refuse writing."""
        known = Known(
            clusters=lambda: Clusters(_read_only(self.clusters.labels), _read_only(self.clusters.sizes)),
            squared_distance=lambda: _read_only(self.squared_distance),
            thickness=lambda: _read_only(self.thickness),
            counted=lambda: (_read_only(self._counted[0]), _read_only(self._counted[1])),
        )
        return Phase(_read_only(self.mask), _read_only(self.valid), self.spacing_mm, self.neighbours, known=known)

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel, mm³."""
        dz, dy, dx = self.spacing_mm
        return dz * dy * dx

    @property
    def pixel_mm2(self) -> float:
        """Area of one voxel seen from above, mm²."""
        return self.spacing_mm[1] * self.spacing_mm[2]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Voxels of the class in each slice, shape (z,)."""
        return self._counted[0][:, 0]

    @cached_property
    def area(self) -> NDArray[np.int64]:
        """Valid voxels of each slice, shape (z,)."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        given = self.known.counted
        return label_counts(self.mask.view(np.uint8), self.valid, 1) if given is None else given()

    @cached_property
    def clusters(self) -> Clusters:
        """Connected components of the class."""
        return find_clusters(self.mask, self.neighbours) if self.known.clusters is None else self.known.clusters()

    @cached_property
    def squared_distance(self) -> NDArray[np.float32]:
        """Squared distance to the nearest voxel outside the class, mm², 0 outside it; the window's two ends are no wall."""
        given = self.known.squared_distance
        if given is not None:
            return given()
        inner = from_top_to_bottom(self.valid)
        return between(inner, self.mask.shape, lambda: squared_distance(self.mask[inner], self.spacing_mm))

    @cached_property
    def thickness(self) -> NDArray[np.float32]:
        """Local thickness, mm, 0 outside the class."""
        given = self.known.thickness
        if given is not None:
            return given()
        distances, balls = stages(1, 3)
        with distances:
            inner, squared = from_top_to_bottom(self.valid), self.squared_distance
        with balls:
            return between(inner, squared.shape, lambda: thickness_from_distance(squared[inner], self.spacing_mm))

    @cached_property
    def connection_2d(self) -> FloatProfile:
        """Connection probability within each slice, 8 neighbours."""
        return connection_2d_profile(self.mask)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def cleaned(phase: Phase, rule: ClusterRule) -> Phase:
    """The phase without its clusters under the rule's size; the phase itself where nothing goes."""
    if rule.under <= 1 or not (phase.clusters.sizes[1:] < rule.under).any():
        return phase
    return Phase(without_small(phase.clusters, rule.under), phase.valid, phase.spacing_mm, phase.neighbours)
