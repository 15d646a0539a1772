"""Kinds of objects in a labelled core: stones, tubes, organic particles, or simply bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from soilscope.errors import UsageError
from soilscope.progress import stages
from soilscope.structure.labelled import GREATEST_LABEL, checked_labels, class_id, union
from soilscope.structure.objects import OBJECT_COLUMNS, ObjectRule, Objects, find_objects
from soilscope.structure.shells import without_shells
from soilscope.structure.skeleton import find_skeleton, length_classes, length_of_objects
from soilscope.structure.tubes import TubeRule, tubes
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KIND_COLUMNS", "ObjectKind", "objects_in", "tube_lengths_in"]

KIND_COLUMNS = ("core", "kind", "class", *OBJECT_COLUMNS, "skeleton_mm")


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of objects to look for in a core.

    Parameters
    ----------
    name : str
        What tables call it, such as ``"stones"`` or ``"biopores"``.
    of : tuple of int
        The class it lies in, or several taken as one.
    shape : {"any", "tubes"}
        Every body of the class, or its tubular part (:func:`soilscope.structure.tubes`).
    at_least_mm3 : float
        Smaller objects are left out.
    at_least_mm : float
        Tubes only: least diameter.
    elongation : float
        Tubes only: least length over width.
    beside : tuple of int
        Denser classes beside which thin shells are blur, not objects
        (:func:`soilscope.structure.without_shells`); none leaves the class as it is.
    shell_voxels : int
        Greatest thickness of such a shell.

    Raises
    ------
    UsageError
        Code ``object-kind``.
    """

    name: str
    of: tuple[int, ...]
    shape: Literal["any", "tubes"] = "any"
    at_least_mm3: float = 0.0
    at_least_mm: float = 0.0
    elongation: float = 3.0
    beside: tuple[int, ...] = ()
    shell_voxels: int = 2

    def __post_init__(self) -> None:
        if self.shape not in ("any", "tubes"):
            raise UsageError("object-kind", f'objects {self.name!r}: shape {self.shape!r} must be "any" or "tubes".')
        if not self.of or not all(1 <= k <= GREATEST_LABEL for k in (*self.of, *self.beside)):
            raise UsageError(
                "object-kind",
                f"objects {self.name!r}: of = {list(self.of)} and beside = {list(self.beside)} must name classes "
                f"from 1 to {GREATEST_LABEL}, and of at least one.",
            )
        if set(self.of) & set(self.beside):
            raise UsageError("object-kind", f"objects {self.name!r}: a class cannot lie beside itself.")
        if (self.shape == "tubes") != (self.at_least_mm > 0):
            raise UsageError(
                "object-kind", f"objects {self.name!r}: at_least_mm, a diameter, is needed for tubes and for them only."
            )


def objects_in(volume: Volume, labels: LabelVolume, kind: ObjectKind) -> pd.DataFrame:
    """The objects of one kind in a core, as a table.

    Parameters
    ----------
    volume : Volume
        The core; its window cuts objects off.
    labels : uint8 array, shape (z, y, x)
        Classes of the core.
    kind : ObjectKind

    Returns
    -------
    DataFrame
        core, kind, class (as in all tables), the columns of :func:`soilscope.structure.objects`, and ``skeleton_mm``: of tubes the
        length along their middle lines, bends and branches included (:func:`soilscope.structure.find_skeleton`); NaN of other
        shapes.

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-values``.
    """
    bodies, middles = stages(3, 2 if kind.shape == "tubes" else 0)
    with bodies:
        objects = _found(volume, labels, kind)
    found = _told_of(volume, kind, objects.table)
    found["skeleton_mm"] = float("nan")
    if kind.shape == "tubes" and len(found):
        with middles:
            lines = find_skeleton(objects.labels > 0, volume.spacing_mm, volume.valid)
        found["skeleton_mm"] = length_of_objects(lines, objects.labels, len(found))
    return found


def tube_lengths_in(volume: Volume, labels: LabelVolume, kind: ObjectKind) -> pd.DataFrame:
    """Length of a kind of tubes by diameter.

    Parameters
    ----------
    volume, labels, kind
        As for :func:`objects_in`.

    Returns
    -------
    DataFrame
        core, kind, class, from_mm, to_mm, length_mm, share, length_density (mm/mm³ of the window): one row a diameter class, whole
        multiples of the voxel's longest edge. Lengths sum to those of the objects.

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-values``.
    """
    bodies, middles = stages(3, 2)
    with bodies:
        objects = _found(volume, labels, kind)
    with middles:
        lines = find_skeleton(objects.labels > 0, volume.spacing_mm, volume.valid)
    window = float(volume.valid.sum()) * volume.voxel_mm3
    return _told_of(volume, kind, length_classes(lines, volume.spacing_mm, window))


def _found(volume: Volume, labels: LabelVolume, kind: ObjectKind) -> Objects:
    masks, sizes = stages(4 if kind.shape == "tubes" or kind.beside else 0, 1)
    with masks:
        bodies = _mask(volume, checked_labels(volume, labels), kind)
    with sizes:
        return find_objects(bodies, volume.spacing_mm, volume.valid, ObjectRule(kind.at_least_mm3))


def _told_of(volume: Volume, kind: ObjectKind, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "core", volume.core)
    table.insert(1, "kind", kind.name)
    table.insert(2, "class", class_id(kind.of))
    return table


def _mask(volume: Volume, labels: LabelVolume, kind: ObjectKind) -> BoolVolume:
    mask = union(labels, kind.of)
    shells, round_ones = stages(1 if kind.beside else 0, 3 if kind.shape == "tubes" else 0)
    if kind.beside:
        with shells:
            mask = without_shells(mask, union(labels, kind.beside), volume.spacing_mm, volume.valid, kind.shell_voxels)
    if kind.shape == "tubes":
        with round_ones:
            mask = tubes(mask, volume.spacing_mm, TubeRule(kind.at_least_mm, kind.elongation), volume.valid)
    return mask
