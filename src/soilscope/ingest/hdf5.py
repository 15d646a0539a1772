"""HDF5 (DREAM.3D, ESRF and NeXus, ilastik): every three-dimensional data set in a file is a candidate, ``file.h5:/its/path``.

A voxel size is taken where it is meant: ``element_size_um`` (Fiji, ilastik), ``voxel_size`` or ``pixel_size`` with its
unit on the data set or its group, the axes of a NeXus ``NXdata``, or DREAM.3D's ``_SIMPL_GEOMETRY`` where it names a unit.
A detector's pixel size is no voxel size: the optics stand between.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from soilscope.ingest import hdf5_trial
from soilscope.ingest.chunks import Presence
from soilscope.ingest.grey import within_limits
from soilscope.ingest.limits import SPACING_SHARE
from soilscope.ingest.members import seekable
from soilscope.ingest.shown import shown
from soilscope.ingest.units import mm_of, spacing_from
from soilscope.ingest.verdict import refuse
from soilscope.types import Shape, Spacing

__all__ = ["HeldSet", "data_sets", "opened", "walk_through"]

SIZES = ("voxel_size", "pixel_size", "element_size", "spacing", "resolution_zyx")
EVEN = 1e-3
"""Coordinates along an axis are evenly spaced if no step differs from their mean by more than this share of it."""

STANDARD_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


@dataclass(frozen=True, slots=True)
class HeldSet:
    """An open data set as (z, y, x): its values when sliced, voxel size, and which chunks were written."""

    values: Any
    shape: Shape
    spacing_mm: Spacing | None
    presence: Presence | None
    depth: int


def data_sets(path: Path) -> tuple[list[str], str | None]:
    """Paths of the three-dimensional numeric data sets, and the one the file names as its default plot (NeXus).

    Raises
    ------
    InputRefused
        Codes ``decode-limit`` and ``file-damaged``, where another process that walked through the file first did not come back.
    """
    source = seekable(path)
    hdf5_trial.passed(path, source)
    with h5py.File(source, "r", locking=False) as file:
        return _listed(file)


def _listed(file: Any) -> tuple[list[str], str | None]:
    found: list[str] = []

    def look(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.dtype.kind in "buif" and _is_volume(thing.shape):
            found.append("/" + name)

    file.visititems(look)
    default = _default(file)
    return sorted(found), default if default in found else None


def walk_through(source: Path | io.BytesIO, reached: Callable[[], None]) -> None:
    """Ask of a file all that :func:`data_sets` and :func:`opened` ask of it, and keep nothing.

    Parameters
    ----------
    source : path or bytes in memory
    reached : function
        Called before each data set.
    """
    with h5py.File(source, "r", locking=False) as file:
        for name in _listed(file)[0]:
            reached()
            try:
                _held(file, name, Path("data.h5"))
            except MemoryError:
                raise
            except Exception:  # noqa: S112  # whoever reads the data set meets it again, and tells it
                continue


def _is_volume(shape: Any) -> bool:
    return shape is not None and len(shape) >= 3 and sum(n > 1 for n in shape) == 3


def _default(file: Any) -> str | None:
    """Follow ``default`` attributes down to an NXdata and its ``signal``."""
    group = file
    for _ in range(8):
        name = group.attrs.get("default")
        if name is None or _word(name) not in group or not isinstance(group[_word(name)], h5py.Group):
            break
        group = group[_word(name)]
    signal = group.attrs.get("signal")
    if signal is None or _word(signal) not in group:
        return None
    return f"{group.name.rstrip('/')}/{_word(signal)}"


def _word(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextlib.contextmanager
def opened(path: Path, name: str) -> Iterator[HeldSet]:
    """Open one data set.

    Raises
    ------
    InputRefused
        Codes ``external-data`` (the values lie in another file), ``filter-missing``, ``chunks-missing`` (nothing was ever
        written), ``shape``, ``too-large``.
    """
    with h5py.File(seekable(path), "r", locking=False) as file:
        yield _held(file, name, path)


def _held(file: Any, name: str, path: Path) -> HeldSet:
    data = file[name]
    shape = within_limits(data.shape, f"{shown(path)}:{name}")
    _own(path, name, data)
    _decodable(path, name, data)
    presence, depth = _presence(path, data, shape)
    return HeldSet(_Seen(data, shape), shape, _spacing(data), presence, depth)


class _Seen:
    """A data set without its axes of length one, sliced along z."""

    def __init__(self, data: Any, shape: Shape) -> None:
        self.data, self.shape, self.dtype = data, shape, data.dtype
        self.lead = 0
        while self.data.ndim - self.lead > 3 and self.data.shape[self.lead] == 1:
            self.lead += 1

    def __getitem__(self, z: slice) -> NDArray[Any]:
        block = np.asarray(self.data[(0,) * self.lead + (z,)])
        return block.reshape(-1, *self.shape[1:])


def _own(path: Path, name: str, data: Any) -> None:
    """Values must lie in this file: others are named by whoever wrote it, and read as fill where they are absent."""
    other = {source.file_name for source in data.virtual_sources()} - {"."} if data.is_virtual else set()
    if data.external or other:
        text = (
            f"{shown(path)}:{name} keeps its values in other files; copy the data set into one file (h5repack, h5py)."
        )
        refuse("external-data", text, [path])


def _decodable(path: Path, name: str, data: Any) -> None:
    filters = data.id.get_create_plist()
    codes = [filters.get_filter(k)[0] for k in range(filters.get_nfilters())]
    missing = [code for code in codes if code not in STANDARD_FILTERS and not h5py.h5z.filter_avail(code)]
    if missing:
        text = (
            f"{shown(path)}:{name} is compressed by HDF5 filter {missing[0]}, which is not installed here; rewrite it with gzip "
            "(h5repack -f GZIP=1), or install hdf5plugin and import it first."
        )
        refuse("filter-missing", text, [path])


def _presence(path: Path, data: Any, shape: Shape) -> tuple[Presence | None, int]:
    if data.is_virtual:
        return None, 1
    if data.chunks is None:
        if data.id.get_storage_size() == 0:
            refuse(
                "chunks-missing",
                f"nothing was ever written to {shown(path)}:{data.name}; save the scan again, or choose another data set.",
                [path],
            )
        return None, 1
    counts = tuple(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    there = np.zeros(counts, dtype=np.bool_)
    written = data.id.get_num_chunks()
    if written == there.size:
        there[...] = True
    else:
        data.id.chunk_iter(lambda one: _mark(there, one.chunk_offset, data.chunks))
    kept = [k for k, n in enumerate(data.shape) if n > 1] if sum(n > 1 for n in data.shape) == 3 else [-3, -2, -1]
    chunk = tuple(int(data.chunks[k]) for k in kept)
    grid = there.reshape([counts[k] for k in kept])
    return Presence(grid, (chunk[0], chunk[1], chunk[2]), shape), chunk[0]


def _mark(there: NDArray[np.bool_], corner: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    there[tuple(n // c for n, c in zip(corner, chunks, strict=True))] = True


def _spacing(data: Any) -> Spacing | None:
    if "element_size_um" in data.attrs:
        return spacing_from(np.ravel(data.attrs["element_size_um"]), 1e-3)
    for holder in (data, data.parent):
        found = _sized(holder.attrs)
        if found is not None:
            return found
    return _axes(data) or _simpl(data)


def _sized(attributes: Any) -> Spacing | None:
    """``voxel_size_um = [dz, dy, dx]``, or ``voxel_size`` with ``voxel_size_units``, ``units`` or ``unit`` beside it."""
    for name in SIZES:
        for ending in ("", "_m", "_cm", "_mm", "_um", "_nm"):
            if name + ending not in attributes:
                continue
            named = (attributes.get(key) for key in (f"{name}_units", f"{name}_unit", "units", "unit"))
            unit = ending[1:] or next((word for word in named if word is not None), None)
            scale = None if unit is None else mm_of(_word(unit))
            lengths = np.ravel(attributes[name + ending])
            if scale is not None:
                return spacing_from(np.repeat(lengths, 3) if lengths.size == 1 else lengths, scale)
    return None


def _axes(data: Any) -> Spacing | None:
    """NeXus: the axes named by the group are evenly spaced coordinates with a unit."""
    names = [_word(n) for n in np.ravel(data.parent.attrs.get("axes", []))]
    if len(names) != data.ndim or data.ndim != 3 or any(n not in data.parent for n in names):
        return None
    steps = []
    for name, count in zip(names, data.shape, strict=True):
        axis = data.parent[name]
        scale = mm_of(_word(axis.attrs.get("units", "")))
        if not isinstance(axis, h5py.Dataset) or axis.shape != (count,) or scale is None:
            return None
        step = _even_step(np.asarray(axis[...]))
        if step is None:
            return None
        steps.append(step * scale)
    return spacing_from(steps)


def _even_step(places: NDArray[Any]) -> float | None:
    """The step of evenly spaced coordinates, None where they are not; what their number type cannot tell apart is even."""
    at = places.astype(np.float64)
    if at.size < 2:
        return None
    step = float(at[-1] - at[0]) / (at.size - 1)
    off = float(np.abs(np.diff(at) - step).max())
    fine = float(np.finfo(places.dtype).eps) if places.dtype.kind == "f" else 0.0
    return (
        abs(step) if off <= max(EVEN * abs(step), min(2 * fine * np.abs(at).max(), SPACING_SHARE * abs(step))) else None
    )


def _simpl(data: Any) -> Spacing | None:
    """DREAM.3D: the geometry of the data container, x first."""
    container = data.parent.parent
    geometry = container.get("_SIMPL_GEOMETRY") if container is not None else None
    if not isinstance(geometry, h5py.Group) or "SPACING" not in geometry:
        return None
    unit = geometry.attrs.get("LengthUnit", geometry.attrs.get("Units"))
    scale = None if unit is None else mm_of(_word(unit))
    return None if scale is None else spacing_from(np.ravel(geometry["SPACING"][...])[::-1], scale)
