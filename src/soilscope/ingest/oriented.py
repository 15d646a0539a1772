"""Volumes that say how they lie in the patient: brought to the array order of an axial CT.

In DICOM's system x runs to the left, y to the back, z to the head (LPS); an axial CT slice has rows along x and columns
along y. NIfTI speaks of the same directions with x and y reversed (RAS).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.verdict import refuse
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["Oriented", "Placement", "place"]

SHEAR = 1e-3
"""Cosine between two axes of a right-angled grid; affines are stored as float32."""


@dataclass(frozen=True, slots=True)
class Oriented:
    """Values (z, y, x), their voxel size, and where they lie; values are empty where only the header was read.

    ``present`` is True where voxels were written at all; None where all were. Of a header, ``start`` is where the values begin in
    their file, and ``packed`` whether they are compressed there.
    """

    values: NDArray[Any]
    spacing_mm: Spacing | None
    grid: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    shape: Shape = (0, 0, 0)
    present: BoolVolume | None = None
    start: int = 0
    packed: bool = False

    def __post_init__(self) -> None:
        if self.values.size:
            z, y, x = self.values.shape
            object.__setattr__(self, "shape", (z, y, x))


@dataclass(frozen=True, slots=True)
class Placement:
    """How stored axes become (z, y, x): ``order`` of the stored axes, and which of the new axes are reversed."""

    order: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]
    spacing_mm: Spacing
    grid: dict[str, Any]

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values in (z, y, x) order, contiguous."""
        return np.ascontiguousarray(self.view(values))

    def view(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values in (z, y, x) order, not copied."""
        cut = tuple(slice(None, None, -1) if back else slice(None) for back in self.reverse)
        return values.transpose(self.order)[cut]


def place(affine: NDArray[np.float64], shape: Shape, name: str) -> Placement:
    """From a 4 x 4 affine in LPS mm (stored index -> position) and the stored shape.

    Raises
    ------
    InputRefused
        Code ``sheared``: the axes are not at right angles, or have no length.
    """
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and (lengths > 0).all()):
        refuse(
            "spacing-missing",
            f"{name} states voxels of {tuple(map(float, lengths))} mm; give spacing_mm=(dz, dy, dx) (--spacing-mm DZ,DY,DX).",
            [name],
        )
    unit = axes / lengths
    if np.abs(unit.T @ unit - np.eye(3)).max() > SHEAR:
        refuse("sheared", f"the axes of {name} are not at right angles; resample it to a straight grid.", [name])
    order = _nearest(unit)
    signs = np.asarray([unit[2 - k, order[k]] for k in range(3)])
    reverse = tuple(bool(s < 0) for s in signs)
    corner = np.asarray([shape[order[k]] - 1 if reverse[k] else 0 for k in range(3)])
    stored = np.zeros(3)
    stored[list(order)] = corner
    origin = axes @ stored + affine[:3, 3]
    directions = [unit[:, order[k]] * (-1 if reverse[k] else 1) for k in range(3)]
    dz, dy, dx = (float(lengths[order[k]]) for k in range(3))
    grid = {
        "origin_mm": tuple(map(float, origin)),
        "down": tuple(map(float, directions[0])),
        "column": tuple(map(float, directions[1])),
        "row": tuple(map(float, directions[2])),
    }
    return Placement(order, (reverse[0], reverse[1], reverse[2]), (dz, dy, dx), grid)


def _nearest(unit: NDArray[np.float64]) -> tuple[int, int, int]:
    """For z, y and x the stored axis that lies closest to it, each used once."""
    best, order = -1.0, (2, 1, 0)
    for z in range(3):
        for y in range(3):
            for x in range(3):
                if len({x, y, z}) == 3:
                    score = float(abs(unit[2, z]) + abs(unit[1, y]) + abs(unit[0, x]))
                    if score > best + 1e-9:
                        best, order = score, (z, y, x)
    return order
