"""A core with its classes: labels from a scheme, or made elsewhere, checked against the scan's grid and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme, classify, scheme
from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.structure.clusters import look_up
from soilscope.structure.porosity import Counts, label_counts
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume

__all__ = ["Labelled", "class_id", "label_core", "union"]

GREATEST_LABEL = 255


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labels on a core's grid, with the names of the classes.

    Parameters
    ----------
    volume : Volume
    labels : uint8 array, shape (z, y, x)
        0 outside all classes.
    names : mapping of int to str
        Each class value and its name, rising.
    scheme : Scheme or None
        With the edges that hold for this core; None for labels made elsewhere.
    """

    volume: Volume
    labels: LabelVolume
    names: Mapping[int, str]
    scheme: Scheme | None

    def counts(self) -> tuple[Counts, Counts]:
        """Valid voxels of each class in each slice, shape (z, classes), and all valid voxels of each slice."""
        found, area = label_counts(self.labels, self.volume.valid, max(self.names))
        return found[:, [value - 1 for value in self.names]], area


def label_core(
    volume: Volume, scheme_or_name: Scheme | str | None, labels: NDArray[Any] | None, names: Mapping[int, str] | None
) -> Labelled:
    """Labels by a scheme, or those given.

    Raises
    ------
    UsageError
        Code ``classes``: neither a scheme nor labels given. Code ``scheme-unknown``.
    InputRefused
        Code ``labels-shape``: the labels have another shape than the scan. Code ``labels-values``: they are no whole numbers
        from 0 to 255. Code ``labels-names``: a value without a name.
        Code ``units-mismatch``: see :meth:`soilscope.classes.Scheme.resolve`.
    """
    chosen = scheme(scheme_or_name) if isinstance(scheme_or_name, str) else scheme_or_name
    resolved = None if chosen is None else chosen.resolve(volume)
    if labels is None:
        if resolved is None:
            raise UsageError(
                "classes",
                "give a scheme, the name of one, or labels made elsewhere: nothing says what the classes are.",
            )
        return Labelled(volume, classify(volume, resolved), _scheme_names(resolved), resolved)
    given = checked_labels(volume, labels)
    wanted = names if names is not None else None if resolved is None else _scheme_names(resolved)
    return Labelled(volume, given, covering_names(held_values(given), wanted), resolved)


def union(labels: LabelVolume, of: tuple[int, ...]) -> BoolVolume:
    """Where the label is one of some classes."""
    member = np.zeros(GREATEST_LABEL + 1, np.bool_)
    member[list(of)] = True
    return look_up(labels, member)


def class_id(of: tuple[int, ...]) -> str:
    """How tables write a class or several joined: ``"2"``, ``"5+6"``."""
    return "+".join(str(k) for k in of)


def slice_keys(volume: Volume, key: str, name: str) -> dict[str, Any]:
    """The first columns of every table with one row a slice and class."""
    return {
        "core": volume.core,
        "slice": np.arange(volume.shape[0]),
        "depth_mm": volume.depth_mm,
        "class": key,
        "name": name,
    }


def findings_of(core: Labelled) -> tuple[Finding, ...]:
    """What the labels leave out: valid voxels in no class, empty classes, labels outside the soil."""
    outside = 0 if core.scheme is not None else int(np.count_nonzero((core.labels > 0) & ~core.volume.valid))
    counts, area = core.counts()
    return findings_of_counts(core.names, counts.sum(axis=0), int(area.sum()), outside)


def findings_of_counts(
    names: Mapping[int, str], counts: NDArray[np.int64], valid: int, outside: int
) -> tuple[Finding, ...]:
    """The same from counts: voxels of each class, valid voxels, and labelled voxels outside the soil."""
    classed = int(counts.sum())
    found = []
    if valid > classed:
        share = (valid - classed) / valid
        found.append(
            Finding(
                "unclassified",
                "warning",
                f"{valid - classed} of {valid} valid voxels ({share:.2%}) lie in no class, so the fractions sum to less than 1.",
            )
        )
    empty = [name for name, total in zip(names.values(), counts, strict=True) if total == 0]
    if empty:
        found.append(Finding("class-empty", "note", f"no voxel of this core is in: {', '.join(empty)}."))
    if outside:
        found.append(
            Finding("labels-outside", "note", f"{outside} labelled voxels lie outside the soil and are left out.")
        )
    return tuple(found)


def _scheme_names(chosen: Scheme) -> dict[int, str]:
    return {k + 1: name for k, name in enumerate(chosen.names)}


def checked_labels(volume: Volume, labels: NDArray[Any], first: int = 0) -> LabelVolume:
    """Labels as uint8 on the core's grid; of a slab, ``first`` is its place in the core.

    Raises
    ------
    UsageError, InputRefused
        See :func:`label_core`.
    """
    if not isinstance(labels, np.ndarray):
        raise UsageError(
            "labels", f"labels are an array of shape (z, y, x), not {type(labels).__name__}; read a file first."
        )
    check_shape(volume, labels.shape)
    if labels.dtype.kind == "f":
        _whole(labels, first)
    elif labels.dtype.kind not in "bui":
        raise InputRefused(
            "labels-values", f"labels must be whole numbers from 0 to {GREATEST_LABEL}, not {labels.dtype}."
        )
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) > GREATEST_LABEL):
        raise InputRefused(
            "labels-values",
            f"labels run from {labels.min()} to {labels.max()}; classes are whole numbers from 1 to {GREATEST_LABEL}, 0 is none.",
        )
    return np.ascontiguousarray(labels, dtype=np.uint8)


def _whole(labels: NDArray[Any], first: int) -> None:
    """Refuse fractions, NaN and infinity among labels that are kept as floats, naming the first (code ``labels-values``)."""
    for z, plane in enumerate(labels, start=first):  # plane by plane: rounding makes a copy
        wrong = np.argwhere(~(np.rint(plane) == plane) | np.isinf(plane))
        if wrong.size:
            y, x = (int(n) for n in wrong[0])
            raise InputRefused(
                "labels-values",
                f"the labels hold {plane[y, x]} at voxel ({z}, {y}, {x}) (z, y, x); classes are whole numbers from 1 to "
                f"{GREATEST_LABEL}, 0 is none. Give the classes themselves, not probabilities or what resampling made of them.",
            )


def check_shape(volume: Volume, shape: Sequence[int]) -> None:
    """Labels lie on the core's grid.

    Raises
    ------
    InputRefused
        Code ``labels-shape``.
    """
    if tuple(shape) != volume.shape:
        raise InputRefused(
            "labels-shape",
            f"the labels are {_times(shape)} voxels, core {volume.core!r} {_times(volume.shape)} voxels of "
            f"{_times(volume.spacing_mm)} mm (z, y, x); export them on the scan's own grid, or crop both alike.",
        )


def _times(numbers: Sequence[float]) -> str:
    return " x ".join(f"{n:g}" for n in numbers)


def held_values(labels: LabelVolume) -> NDArray[np.bool_]:
    """Which values from 0 to 255 there are, shape (256,)."""
    held = np.zeros(GREATEST_LABEL + 1, np.bool_)
    for plane in labels:  # plane by plane: counting turns labels into 64 bits
        held |= np.bincount(plane.ravel(), minlength=GREATEST_LABEL + 1) > 0
    return held


def covering_names(held: NDArray[np.bool_], names: Mapping[int, str] | None) -> dict[int, str]:
    """A name for every value there is, rising.

    Raises
    ------
    InputRefused
        Code ``labels-names``.
    """
    seen = np.flatnonzero(held[1:]) + 1
    if names is None:
        if not seen.size:
            raise InputRefused("labels-names", "the labels hold no class, only 0.")
        return {int(k): f"class{k}" for k in seen}
    wrong = [k for k in names if not 1 <= int(k) <= GREATEST_LABEL]
    if wrong or not names:
        raise InputRefused(
            "labels-names", f"names are given for {wrong or 'no value'}; classes run from 1 to {GREATEST_LABEL}."
        )
    missing = sorted({int(k) for k in seen} - {int(k) for k in names})
    if missing:
        raise InputRefused(
            "labels-names",
            f"the labels hold the values {[int(k) for k in seen]}, but names are given for {sorted(names)} only; name "
            f"{missing} too, or set them to 0.",
        )
    return {int(k): str(names[k]) for k in sorted(names)}
