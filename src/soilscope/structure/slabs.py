"""Where the voxels of a core of any size come from: slabs of whole slices, each cut into classes as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme, classify
from soilscope.classes.loops import begun
from soilscope.classes.otsu import BINS as OTSU_BINS
from soilscope.classes.otsu import otsu_edges
from soilscope.classes.value_range import valid_range
from soilscope.structure.labelled import GREATEST_LABEL, check_shape, checked_labels, held_values
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume
from soilscope.volume.partial import OpenStore

__all__ = [
    "ArraySource",
    "ClassSlabs",
    "Sliced",
    "Source",
    "names_of",
    "range_of",
    "resolved",
    "resolved_for",
    "slab_bounds",
    "source_of",
]


class Sliced(Protocol):
    """Labels of a core that are read a few slices at a time: an array, a memory map, an open store."""

    @property
    def shape(self) -> Any:
        """(z, y, x)."""

    def __getitem__(self, slices: slice) -> NDArray[Any]:
        """Whole numbers from 0 to 255 of the slices from ``slices.start`` up to ``slices.stop``."""


class Source(Protocol):
    """A core that is read a few slices at a time: an open store, or an array.

    ``about`` says all of the core but its voxels: shape, number type, spacing, units, findings, name and source.
    """

    about: Volume

    def read(self, first: int, end: int) -> tuple[NDArray[Any], BoolVolume]:
        """Values and mask of the slices from ``first`` up to ``end``."""


@dataclass(slots=True)
class ArraySource:
    """Slabs of a volume in memory."""

    about: Volume

    def read(self, first: int, end: int) -> tuple[NDArray[Any], BoolVolume]:
        """Values and mask of the slices from ``first`` up to ``end``."""
        return self.about.values[first:end], self.about.valid[first:end]


def source_of(core: Volume | Source | Path | str) -> Source:
    """Slabs of a volume, of a store, or what gives slabs itself."""
    if isinstance(core, Volume):
        return ArraySource(core)
    return OpenStore(Path(core)) if isinstance(core, str | Path) else core


@dataclass(frozen=True, slots=True)
class ClassSlabs:
    """The classes of a core, a slab at a time.

    Parameters
    ----------
    source : Source
    scheme : Scheme or None
        With the edges that hold for this core; None where ``labels`` were made elsewhere.
    labels : Sliced, or None
        Made elsewhere, or by the scheme.

    Raises
    ------
    InputRefused
        Code ``labels-shape``: the labels have another shape than the core.
    """

    source: Source
    scheme: Scheme | None
    labels: Sliced | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            check_shape(self.source.about, self.labels.shape)

    def read(self, first: int, end: int) -> tuple[LabelVolume, BoolVolume]:
        """Labels, 0 outside the window, and the window of some slices.

        Raises
        ------
        InputRefused
            Code ``labels-values``: labels made elsewhere that are no whole numbers from 0 to 255.
        """
        return self._classified(first, end, self.source.read(first, end))

    def through(self, bounds: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, LabelVolume, BoolVolume]]:
        """First slice, end, labels and window of slab after slab; while one is worked on, the next is read.

        Raises
        ------
        InputRefused
            Code ``labels-values``, as :meth:`read`.
        """
        ahead: Future[tuple[NDArray[Any], BoolVolume]] | None = None
        for (first, end), after in zip(bounds, [*bounds[1:], None], strict=True):
            held = self.source.read(first, end) if ahead is None else ahead.result()
            ahead = None if after is None else begun(partial(self.source.read, *after))
            labels, valid = self._classified(first, end, held)
            del held
            yield first, end, labels, valid

    def _classified(
        self, first: int, end: int, held: tuple[NDArray[Any], BoolVolume]
    ) -> tuple[LabelVolume, BoolVolume]:
        values, valid = held
        about = self.source.about
        slab = Volume(values, valid, about.spacing_mm, about.units, core=about.core)
        if self.labels is not None:
            given = checked_labels(slab, self.labels[first:end], first)
            return np.where(valid, given, np.uint8(0)), np.ascontiguousarray(valid)
        assert self.scheme is not None
        return classify(slab, self.scheme), np.ascontiguousarray(valid)

    def made_elsewhere(self, first: int, end: int, valid: BoolVolume) -> tuple[int, NDArray[np.bool_]]:
        """Of labels made elsewhere how many voxels lie outside the window, and which values there are, shape (256,)."""
        if self.labels is None or self.scheme is not None:
            return 0, np.zeros(GREATEST_LABEL + 1, np.bool_)
        given = np.asarray(self.labels[first:end]).astype(np.uint8)
        return int(np.count_nonzero((given > 0) & ~valid)), held_values(given)


def slab_bounds(slices: int, thick: int) -> Iterator[tuple[int, int]]:
    """First slice and end of each slab, from the top down."""
    for first in range(0, slices, thick):
        yield first, min(first + thick, slices)


def range_of(source: Source, thick: int) -> tuple[float, float] | None:
    """Least and greatest valid value of a core; None where there is none."""
    ranges = [valid_range(*source.read(*bounds)) for bounds in slab_bounds(source.about.shape[0], thick)]
    there = [r for r in ranges if r is not None]
    return (min(r[0] for r in there), max(r[1] for r in there)) if there else None


@dataclass(frozen=True, slots=True)
class _Thick:
    """A core, so many slices at a time."""

    source: Source
    thick: int

    @property
    def core(self) -> str:
        """Its name."""
        return self.source.about.core

    def slabs(self) -> Iterator[tuple[NDArray[Any], BoolVolume]]:
        """Values and mask, from the top down."""
        return (self.source.read(*bounds) for bounds in slab_bounds(self.source.about.shape[0], self.thick))


def resolved(scheme: Scheme, source: Source, thick: int) -> Scheme:
    """The scheme with the edges that hold for this core, as :meth:`soilscope.classes.Scheme.resolve` gives them."""
    if scheme.method == "otsu":
        return resolved_for(scheme, [(source, thick)])
    if scheme.method == "edges" and not scheme.relative:
        return scheme.resolve(source.about)
    return scheme.resolve(_stand_in(source, thick))


def resolved_for(scheme: Scheme, sources: Sequence[tuple[Source, int]]) -> Scheme:
    """One scheme for several cores, as :meth:`soilscope.classes.Scheme.resolve_for` gives it; each with its slices at a time."""
    if scheme.method != "otsu":
        return scheme
    stand_ins = [_stand_in(source, thick) for source, thick in sources]
    told = scheme.resolve(stand_ins[0]) if len(stand_ins) == 1 else scheme.resolve_for(stand_ins)
    # All but the edges holds for the stand-ins already.
    edges = otsu_edges([_Thick(source, thick) for source, thick in sources], len(scheme.names))
    return replace(told, edges=edges)


def _stand_in(source: Source, thick: int) -> Volume:
    """A volume of few voxels with the core's range, units, name and calibration."""
    about = source.about
    found = range_of(source, thick)
    values = np.linspace(*(found or (0.0, 0.0)), OTSU_BINS + 1).astype(about.values.dtype)[None, None]
    valid = np.full(values.shape, found is not None)
    return replace(about, values=values, valid=valid)


def names_of(scheme: Scheme | None, names: Mapping[int, str] | None) -> dict[int, str]:
    """Names by class number, rising."""
    if names is not None:
        return {int(k): names[k] for k in sorted(names)}
    return dict(enumerate(scheme.names, start=1)) if scheme is not None else {}
