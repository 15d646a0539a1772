"""Where a core lies in its scan: axis, inner and outer radius, and the plane along which it was split, if it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.axis import Axis
from soilscope.core.half import Cut
from soilscope.core.wall import Wall, distance_mm
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["Place", "short"]


@dataclass(frozen=True, slots=True)
class Place:
    """A cylinder, or half of one, around a straight axis."""

    axis: Axis
    wall: Wall
    cut: Cut | None = None

    def plane(self, k: int, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
        """Voxels of slice ``k`` inside the wall and on the soil's side, shape (y, x)."""
        centre = (float(self.axis.y[k]), float(self.axis.x[k]))
        inside = distance_mm(shape, centre, spacing_mm) <= self.wall.inner_mm
        return inside if self.cut is None else inside & self.cut.keeps(shape, centre, spacing_mm)

    def inside(self, shape: Shape, spacing_mm: Spacing) -> BoolVolume:
        """The same for all slices; one plane shown many times, and read-only, where the axis is upright."""
        if self.axis.upright:
            return np.broadcast_to(self.plane(0, shape[1:], spacing_mm[1:]), shape)
        every = np.empty(shape, dtype=np.bool_)
        for k in range(shape[0]):
            every[k] = self.plane(k, shape[1:], spacing_mm[1:])
        return every

    def within(self, margin_mm: float) -> Place:
        """The same, narrower all around by a margin, though never by more than a seventh of the radius."""
        inner_mm = self.wall.inner_mm - min(margin_mm, self.wall.inner_mm / 7)
        return replace(self, wall=replace(self.wall, inner_mm=inner_mm))

    def tilt_deg(self, dz: float) -> float:
        """Angle between the axis and the scan's z axis, in degrees."""
        lean = np.hypot(self.axis.y[-1] - self.axis.y[0], self.axis.x[-1] - self.axis.x[0])
        return float(np.degrees(np.arctan2(lean, max(len(self.axis.y) - 1, 1) * dz)))

    def as_dict(self, ends: tuple[int, int], dz: float) -> dict[str, Any]:
        """Plain values for ``source["soil"]``: lengths in mm from the centre of the first voxel."""
        axis, wall = self.axis, self.wall
        soil: dict[str, Any] = {
            "kind": "cylinder" if self.cut is None else "half-cylinder",
            "centre_mm": [short(np.mean(axis.y)), short(np.mean(axis.x))],
            "radius_mm": short(wall.inner_mm),
            "outer_radius_mm": short(axis.radius),
            "tilt_deg": short(self.tilt_deg(dz)),
            "wall": None if wall.level is None else short(wall.level),
            "top": ends[0],
            "bottom": ends[1],
            "slices": {
                "y_mm": [short(v) for v in axis.y],
                "x_mm": [short(v) for v in axis.x],
                "radius_mm": [short(wall.inner_mm)] * len(axis.y),
            },
        }
        if self.cut is not None:
            normal = [short(self.cut.y), short(self.cut.x)]
            soil["cut"] = {"normal": normal, "offset_mm": short(self.cut.offset_mm)}
        return soil


def short(value: Any) -> float:
    """Tenths of a micrometre are enough for a picture, and short for a file."""
    return round(float(value), 4)
