"""Ellipsoids and capsules, and how they are painted into planes of voxels in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from soilscope.phantoms.fields import kernel
from soilscope.types import LabelVolume, Spacing

__all__ = ["Capsule", "Ellipsoid", "Material", "Shape3D", "paint", "rows_of"]

Point3D = tuple[float, float, float]
Slab = tuple[LabelVolume, NDArray[np.float32], NDArray[np.float32]]

# columns of a painted row
KIND, CLASS, HU, CONTRAST, ROUGH, P, Q, R0, R1, LOW, HIGH, WIDTH = 0, 1, 2, 3, 4, 5, 8, 17, 18, 19, 22, 25
ELLIPSOID, CAPSULE = 0.0, 1.0


@dataclass(frozen=True, slots=True)
class Material:
    """Class of the truth, mean HU, and by how many HU it follows the core's texture."""

    value: int
    hu: float
    contrast_hu: float


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Centre, three unit axes (rows) and semi-axes, (z, y, x) in mm; ``rough`` lets the surface follow the texture."""

    material: Material
    centre: Point3D
    axes: NDArray[np.float64]
    semi_mm: Point3D
    rough: float = 0.0

    def row(self) -> NDArray[np.float64]:
        """As the painter reads it."""
        row = _row(ELLIPSOID, self.material, self.centre)
        row[ROUGH] = self.rough
        row[Q : Q + 9] = (self.axes / np.array(self.semi_mm)[:, None]).ravel()
        # texture rarely exceeds 4 SD, so the surface stays within sqrt(1 + 4 rough) semi-axes
        reach = np.sqrt(((self.axes * np.array(self.semi_mm)[:, None]) ** 2).sum(axis=0) * (1 + 4 * self.rough))
        row[LOW : LOW + 3], row[HIGH : HIGH + 3] = self.centre - reach, self.centre + reach
        return row


@dataclass(frozen=True, slots=True)
class Capsule:
    """A round-ended limb from ``start`` to ``end``, (z, y, x) in mm, its radius changing along it."""

    material: Material
    start: Point3D
    end: Point3D
    start_radius_mm: float
    end_radius_mm: float

    def row(self) -> NDArray[np.float64]:
        """As the painter reads it."""
        row = _row(CAPSULE, self.material, self.start)
        row[Q : Q + 3] = self.end
        row[R0], row[R1] = self.start_radius_mm, self.end_radius_mm
        reach = max(self.start_radius_mm, self.end_radius_mm)
        row[LOW : LOW + 3] = np.minimum(self.start, self.end) - reach
        row[HIGH : HIGH + 3] = np.maximum(self.start, self.end) + reach
        return row


Shape3D = Ellipsoid | Capsule


def _row(kind: float, material: Material, point: Point3D) -> NDArray[np.float64]:
    row = np.zeros(WIDTH)
    row[[KIND, CLASS, HU, CONTRAST]] = kind, material.value, material.hu, material.contrast_hu
    row[P : P + 3] = point
    return row


def rows_of(shapes: Sequence[Shape3D]) -> NDArray[np.float64]:
    """All shapes as one table, shape (n, WIDTH), in painting order."""
    return np.array([s.row() for s in shapes]).reshape(len(shapes), WIDTH)


def paint(
    slab: Slab,
    rows: NDArray[np.float64],
    first: int,
    spacing_mm: Spacing,
) -> None:
    """Paint shapes into (truth, HU, texture) of the planes from ``first`` on, in place, where there is soil."""
    dz = spacing_mm[0]
    touching = (rows[:, HIGH] >= first * dz) & (rows[:, LOW] <= (first + len(slab[0]) - 1) * dz)
    _paint(slab, rows[touching], first, np.array(spacing_mm))


@kernel
def _paint(slab: Slab, rows: NDArray[np.float64], first: int, spacing: NDArray[np.float64]) -> None:
    truth, hu, texture = slab
    nz, ny, nx = truth.shape
    for k in numba.prange(nz):
        z = (first + k) * spacing[0]
        for n in range(len(rows)):
            row = rows[n]
            if z < row[LOW] or z > row[HIGH]:
                continue
            for j in range(
                max(int(np.ceil(row[LOW + 1] / spacing[1])), 0), min(int(row[HIGH + 1] / spacing[1]) + 1, ny)
            ):
                for i in range(
                    max(int(np.ceil(row[LOW + 2] / spacing[2])), 0), min(int(row[HIGH + 2] / spacing[2]) + 1, nx)
                ):
                    if truth[k, j, i] == 0:
                        continue
                    t = texture[k, j, i]
                    if _covers(row, z - row[P], j * spacing[1] - row[P + 1], i * spacing[2] - row[P + 2], t):
                        truth[k, j, i] = int(row[CLASS])
                        hu[k, j, i] = row[HU] + row[CONTRAST] * t


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def _covers(row: NDArray[np.float64], z: float, y: float, x: float, texture: float) -> bool:
    """Whether a point, given relative to the shape's first point, lies in the shape."""
    if row[KIND] == ELLIPSOID:
        a = row[Q] * z + row[Q + 1] * y + row[Q + 2] * x
        b = row[Q + 3] * z + row[Q + 4] * y + row[Q + 5] * x
        c = row[Q + 6] * z + row[Q + 7] * y + row[Q + 8] * x
        return bool(a * a + b * b + c * c <= 1 + row[ROUGH] * texture)
    u, v, w = row[Q] - row[P], row[Q + 1] - row[P + 1], row[Q + 2] - row[P + 2]
    length = u * u + v * v + w * w
    s = 0.0 if length == 0 else min(max((z * u + y * v + x * w) / length, 0.0), 1.0)
    r = row[R0] + s * (row[R1] - row[R0])
    return bool((z - s * u) ** 2 + (y - s * v) ** 2 + (x - s * w) ** 2 <= r * r)
