"""Objects: the bodies of a class, one by one, with their sizes: stones, roots, biopores, particulate organic matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import over_slabs
from soilscope.errors import UsageError
from soilscope.progress import stages
from soilscope.structure.clusters import find_clusters
from soilscope.structure.masks import as_spacing, from_top_to_bottom, in_window
from soilscope.structure.runs import greatest_widths, moments, runs_of, touching
from soilscope.structure.thickness import local_thickness
from soilscope.types import BoolVolume, Neighbours3D, Spacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DIRECTIONS", "OBJECT_COLUMNS", "Bodies", "ObjectRule", "Objects", "find_objects", "objects", "table_of"]

OBJECT_COLUMNS = (
    "id", "volume_mm3", "diameter_mm", "length_mm", "width_mm", "elongation", "flatness", "depth_mm", "touches_border",
)  # fmt: skip
DIRECTIONS = 512
"""Directions in which an object is measured: the longest is missed by at most 0.3 %."""


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """Which bodies of a class count as objects.

    Parameters
    ----------
    at_least_mm3 : float
        Smaller ones are left out.
    at_least_elongation : float
        Those less elongated are left out; 1 keeps all.
    neighbours : {26, 18, 6}
        What joins voxels to an object: a shared corner, edge or face.

    Raises
    ------
    UsageError
        Code ``object-rule``.
    """

    at_least_mm3: float = 0.0
    at_least_elongation: float = 1.0
    neighbours: Neighbours3D = 26

    def __post_init__(self) -> None:
        if not (np.isfinite(self.at_least_mm3) and self.at_least_mm3 >= 0):
            raise UsageError("object-rule", f"at_least_mm3 = {self.at_least_mm3} must be a volume in mm3, 0 for all.")
        if not (np.isfinite(self.at_least_elongation) and self.at_least_elongation >= 1):
            raise UsageError(
                "object-rule", f"at_least_elongation = {self.at_least_elongation} must be 1 (all) or more."
            )
        if self.neighbours not in (6, 18, 26):
            raise UsageError("object-rule", f"neighbours = {self.neighbours} must be 6, 18 or 26.")


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The objects of a class.

    Parameters
    ----------
    labels : uint32 array, shape (z, y, x)
        Each object's ``id``, 0 where there is none.
    table : DataFrame
        See :func:`objects`.
    """

    labels: NDArray[np.uint32]
    table: pd.DataFrame

    @property
    def mask(self) -> BoolVolume:
        """Where there is an object."""
        return np.asarray(self.labels > 0)


EVERY_OBJECT = ObjectRule()


def objects(
    mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None, rule: ObjectRule = EVERY_OBJECT
) -> pd.DataFrame:
    """The objects of a class as a table, the largest first.

    Parameters
    ----------
    mask : bool array, shape (z, y, x)
        The class; of roots and biopores first its :func:`~soilscope.structure.tubes`, of organic matter what
        :func:`~soilscope.structure.without_shells` leaves.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm, not necessarily cubic.
    valid : bool array, shape (z, y, x), optional
        The window; None takes the whole array. An object is cut off at it.
    rule : ObjectRule
        Which bodies count.

    Returns
    -------
    DataFrame
        One row an object:

        - ``id``: from 1, by falling volume; equal ones from the top down.
        - ``volume_mm3``: its voxels' volume.
        - ``diameter_mm``: of the ball of this volume.
        - ``length_mm``: greatest Feret diameter, from one outer face of its voxels to the other, in the longest of 512
          directions. A bent or branched root is longer than this.
        - ``width_mm``: mean local thickness of its voxels (of a tube: its diameter); NaN in a class without a wall.
        - ``elongation``, ``flatness``: longest over middle, and middle over shortest half axis of the ellipsoid with the
          same second moments: of an ellipsoid its own, of a tube 1.15 x length / diameter and 1, of a ball 1 and 1.
        - ``depth_mm``: its centre of mass below the array's top.
        - ``touches_border``: whether a face of it lies on the window's border: its sizes are then those of a part.

    Raises
    ------
    UsageError
        Codes ``mask``, ``spacing``.
    """
    return find_objects(mask, spacing_mm, valid, rule).table


def find_objects(
    mask: BoolVolume, spacing_mm: Spacing, valid: BoolVolume | None = None, rule: ObjectRule = EVERY_OBJECT
) -> Objects:
    """The objects of a class as a label volume and a table; see :func:`objects`."""
    inside, window = in_window(mask, valid)
    spacing = as_spacing(spacing_mm)
    clusters = find_clusters(inside, rule.neighbours)
    large = np.flatnonzero(clusters.sizes[1:] >= least_voxels(rule.at_least_mm3, spacing)) + 1
    order = large[np.argsort(-clusters.sizes[large], kind="stable")]
    labels = _renumbered(clusters.labels, order, clusters.number)
    table = _table(inside, labels, len(order), window, spacing)
    long = table["elongation"].to_numpy() >= rule.at_least_elongation
    if not long.all():
        kept = np.flatnonzero(long) + 1
        labels = _renumbered(labels, kept, len(order))
        table = table[long].reset_index(drop=True)
        table["id"] = np.arange(1, len(table) + 1)
    return Objects(labels, table)


def _renumbered(labels: NDArray[Any], order: NDArray[np.int64], number: int) -> NDArray[np.uint32]:
    """Labels with ``order[k]`` written ``k + 1``, and all others 0."""
    new = np.zeros(number + 1, np.uint32)
    new[order] = np.arange(1, len(order) + 1)
    out = np.empty(labels.shape, np.uint32)

    def work(first: int, end: int) -> None:
        np.take(new, labels[first:end], out=out[first:end])

    over_slabs(work, len(labels))
    return out


def _table(
    inside: BoolVolume, labels: NDArray[np.uint32], number: int, window: BoolVolume, spacing: Spacing
) -> pd.DataFrame:
    lengths, widths = stages(1, 3)
    with lengths:
        runs = runs_of(labels, number)
        bodies, longest = Bodies(*moments(runs, spacing)), greatest_widths(runs, spacing, DIRECTIONS)
    with widths:
        inner = from_top_to_bottom(window)
        thick = _mean_thickness(inside[inner], labels[inner], runs.number, spacing)
    return table_of(bodies, longest, thick, touching(labels, window, number), spacing)


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Voxels, shape (n,), centres of mass in mm, (n, 3), and second moments in mm² about them, (n, 3, 3)."""

    voxels: NDArray[np.int64]
    centres: NDArray[np.float64]
    second: NDArray[np.float64]


def table_of(
    bodies: Bodies,
    lengths: NDArray[np.float64],
    widths: NDArray[np.float64],
    touches: BoolVolume,
    spacing: Spacing,
) -> pd.DataFrame:
    """The table of :func:`objects`, from what was found of each."""
    import pandas as pd

    number = len(bodies.voxels)
    half_axes = np.sqrt(np.linalg.eigvalsh(bodies.second)[:, ::-1]) if number else np.zeros((0, 3))
    volume = bodies.voxels * float(np.prod(spacing))
    return pd.DataFrame(
        {
            "id": np.arange(1, number + 1),
            "volume_mm3": volume,
            "diameter_mm": np.cbrt(6.0 * volume / np.pi),
            "length_mm": lengths,
            "width_mm": widths,
            "elongation": half_axes[:, 0] / half_axes[:, 1],
            "flatness": half_axes[:, 1] / half_axes[:, 2],
            "depth_mm": bodies.centres[:, 0],
            "touches_border": touches,
        },
        columns=list(OBJECT_COLUMNS),
    )


def least_voxels(at_least_mm3: float, spacing: Spacing) -> int:
    """Of how many voxels an object is at least; a share of a voxel does not decide."""
    return max(1, int(np.ceil(at_least_mm3 / float(np.prod(spacing)) * (1.0 - 1e-9))))


def _mean_thickness(
    inside: BoolVolume, labels: NDArray[np.uint32], number: int, spacing: Spacing
) -> NDArray[np.float64]:
    if number == 0:
        return np.zeros(0)
    sums, counts = np.zeros(number + 1), np.zeros(number + 1)
    for own, thick in zip(labels, local_thickness(inside, spacing), strict=True):
        here = own > 0
        sums += np.bincount(own[here], thick[here].astype(np.float64), number + 1)
        counts += np.bincount(own[here], minlength=number + 1)
    return sums[1:] / counts[1:]
