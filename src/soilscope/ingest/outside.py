"""The outside of the circle a volume was reconstructed in: one grey value in all slices, told while planes pass by.

Reconstructions of micro-CT fill a circle (or, squeezed, an ellipse) that touches the sides of the picture; what lies outside holds
one constant, often 0, that no tag declares. It is told by the same circle as that of a DICOM series
(:mod:`soilscope.ingest.scan_circle`), but only where nothing else explains it: grey values have no air of a known value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.ingest.limits import CIRCLE_VOXELS, UNSCANNED_HU
from soilscope.ingest.scan_circle import LEAST_VALUES, Circle, Rim, around_circle
from soilscope.types import Units

__all__ = ["JUDGED", "Outside"]

CORNERS = ((0, 0, -1, -1), (0, -1, 0, -1))

LEAST_SIDE = 16
"""In smaller pictures a circle is no evidence."""

JUDGED = 16
"""Slices looked at for what lies within the circle; more change nothing."""

HARDLY = 0.05
"""Most of what lies within the edge that may hold the constant as well; where more does, it may be the end of a clipped range."""

SMALLEST_OF_WIDTH = 0.5
"""No circle is narrower than half of the picture."""

BELOW_AND_ABOVE = 0.1
"""A circle that does not touch the sides needs this share of lower values within its edge, and of higher ones: then its outside is
not the end of a clipped range, as saturated air around a tube is."""


@dataclass(slots=True)
class Outside:
    """What was seen in the corners of the planes so far.

    Parameters
    ----------
    units : {"HU", "grey"} or None
        As the user stated it.

    Attributes
    ----------
    value
        What all corners of all planes hold, None from the first plane on in which they do not.
    planes : int
        How many planes were seen that hold a valid voxel.
    """

    units: Units | None
    value: Any = None
    planes: int = 0
    _alike: NDArray[np.bool_] | None = None

    def add(self, plane: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """The next plane, shape (y, x), and where it was measured; without a valid voxel it says nothing."""
        if (self.planes and self.value is None) or not valid.any():
            return
        first = self.planes == 0
        self.planes += 1
        corners = plane[CORNERS]
        if first and min(plane.shape) >= LEAST_SIDE:
            self.value = corners[0]
        if self.value is None or not (valid[CORNERS].all() and (corners == self.value).all()):
            self.value = self._alike = None
            return
        same = plane == self.value
        if not valid.all():
            same &= valid
        if self._alike is not None:
            same &= self._alike
        self._alike = same

    def mask(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.bool_] | None:
        """What was never scanned, shape (y, x), the same in all slices; None where the evidence is not plain.

        Parameters
        ----------
        planes : sequence of array, shape (y, x)
            Some planes, evenly spaced, to see what lies within the circle.
        """
        if self._alike is None:
            return None
        height, width = self._alike.shape
        least = min(height, width)
        for sides in dict.fromkeys([(1.0, 1.0), (least / height, least / width)]):
            circle = around_circle(self._alike, sides)
            if circle is not None and self._is_cut(circle, planes):
                return circle.outside
        return None

    def _is_cut(self, circle: Circle, planes: Sequence[NDArray[Any]]) -> bool:
        """Whether a circle is one that something was cut off along, by its size and what lies within its edge."""
        rim = Rim.of(planes, circle)
        if min(rim.at_edge.size, rim.further.size) == 0:
            return False
        both, value = np.concatenate([rim.at_edge, rim.further]), float(self.value)
        least = min(circle.away.shape) / 2
        if circle.radius < least - CIRCLE_VOXELS:
            lower, higher = (float(np.mean(side)) for side in (both < value, both > value))
            unmeasured = self.units == "HU" and value <= UNSCANNED_HU
            if circle.radius < SMALLEST_OF_WIDTH * least or not (unmeasured or min(lower, higher) >= BELOW_AND_ABOVE):
                return False
        elif circle.radius > max(circle.away.shape) / 2 + CIRCLE_VOXELS:
            return False
        if np.mean(both == value) > HARDLY or np.unique(both).size < LEAST_VALUES:
            return False
        return rim.is_cut(value)
