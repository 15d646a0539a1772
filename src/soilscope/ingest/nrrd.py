"""NRRD by pynrrd; a detached header may name a data file beside it and nothing else."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import nrrd as pynrrd
import numpy as np
from numpy.typing import NDArray

from soilscope.ingest.grey import within_limits
from soilscope.ingest.members import Member
from soilscope.ingest.oriented import Oriented, Placement, place
from soilscope.ingest.shown import shown
from soilscope.ingest.units import mm_of
from soilscope.ingest.verdict import refuse
from soilscope.types import Shape, Spacing

__all__ = ["files", "header", "load"]

TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}

LONGEST_HEADER = 1 << 16
SPREAD = re.compile(rb"^data ?file: *(LIST(\s|$)|.*%\d*d)", re.MULTILINE)
"""A list of data files, or a pattern of their names (http://teem.sourceforge.net/nrrd/format.html#detached)."""

BYTES = {1: ("char", "int8"), 2: ("short", "int16"), 8: ("long", "int64", "double"), 4: ("int", "float")}
"""Bytes a value by words in the name of its type (http://teem.sourceforge.net/nrrd/format.html), the first that fits."""


def header(path: Path) -> Oriented:
    """Shape and voxel size without reading voxels."""
    about = _header(path)
    shape = _stored_shape(about, path)
    placed, spacing = _placed(about, shape, path)
    order = placed.order if placed else (2, 1, 0)
    turned = (shape[order[0]], shape[order[1]], shape[order[2]])
    grid = placed.grid if placed else {}
    return Oriented(
        np.empty((0, 0, 0)), spacing, grid, shape=turned, packed=True
    )  # how long its values are, reading tells


def load(path: Path) -> Oriented:
    """Values in (z, y, x)."""
    about = _header(path)
    shape = _stored_shape(about, path)
    _nothing_behind(about, path)
    values, about = _read(path)
    values = values.reshape(shape, order="F")
    placed, spacing = _placed(about, shape, path)
    if placed is None:
        return Oriented(np.ascontiguousarray(values.transpose(2, 1, 0)), spacing)
    return Oriented(placed.apply(values), spacing, placed.grid)


def _read(path: Path) -> tuple[Any, dict[str, Any]]:
    if not isinstance(path, Member):
        values, about = pynrrd.read(str(path), index_order="F")
        return values, about
    stream = io.BytesIO(path.read_bytes())
    about = dict(pynrrd.read_header(stream))
    beside = [key for key in ("data file", "datafile") if key in about]
    if beside:
        stream = io.BytesIO((path.parent / about[beside[0]]).read_bytes())
    attached = {key: value for key, value in about.items() if key not in beside}
    return pynrrd.read_data(attached, stream, index_order="F"), about


def _nothing_behind(about: dict[str, Any], path: Path) -> None:
    """Refuse plain values that go on behind the last one; where they start is known unless lines are skipped."""
    size = _bytes_each(str(about.get("type", "")))
    skipped = int(about.get("byteskip", about.get("byte skip", 0)))
    if (
        about.get("encoding") != "raw"
        or size is None
        or skipped < 0
        or about.get("lineskip", about.get("line skip", 0))
    ):
        return
    data = files(path)[-1]
    start = skipped
    if data == path:
        with path.open("rb") as stream:
            pynrrd.read_header(stream)
            start += stream.tell()
    excess = data.stat().st_size - start - math.prod(int(n) for n in about["sizes"]) * size
    if excess > 0:
        text = f"{shown(data)} goes on for {excess} bytes behind the values that {shown(path)} claims; save it again."
        refuse("excess-bytes", text, [data, path])


def _bytes_each(kind: str) -> int | None:
    """Bytes of one value of an NRRD type, such as ``"unsigned short"`` or ``"int16_t"``; None for other types."""
    for size, names in BYTES.items():
        if any(name in kind for name in names):
            return size
    return None


def files(path: Path) -> tuple[Path, ...]:
    """The header and, where it is another one, the file with the values."""
    about = _header(path)
    data = about.get("data file", about.get("datafile"))
    return (path,) if data is None else (path, path.parent / data)


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        if SPREAD.search(stream.read(LONGEST_HEADER).split(b"\n\n")[0]):
            text = f"{shown(path)} spreads its values over several files; save it as one .nrrd, or read the slices themselves."
            refuse("detached-data", text, [path])
        stream.seek(0)
        about: dict[str, Any] = pynrrd.read_header(stream)
    data = about.get("data file", about.get("datafile"))
    if isinstance(data, str):
        data = data.removeprefix("./")  # as Teem writes it
    if data is not None and (not isinstance(data, str) or Path(data).name != data or data.startswith(".")):
        refuse("detached-data", f"{shown(path)} points to data in another folder; put the data file beside it.", [path])
    if data is not None and (path.parent / data).is_symlink():
        refuse("detached-data", f"{shown(path)} points to a link; put the data file itself beside it.", [path])
    if data is not None and not (path.parent / data).is_file():
        refuse("detached-data", f"{shown(path)} needs {data} beside it, which is not there; copy both.", [path])
    return about


def _stored_shape(about: dict[str, Any], path: Path) -> Shape:
    sizes = [int(n) for n in about["sizes"]]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 2:
        sizes.append(1)
    return within_limits(tuple(sizes), shown(path))


def _placed(about: dict[str, Any], shape: Shape, path: Path) -> tuple[Placement | None, Spacing | None]:
    """Placement where the file names its space, else only the spacing, else neither."""
    unit_mm = _units(about, path)
    directions = about.get("space directions")
    if directions is not None:
        rows = np.asarray(directions, dtype=np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        if rows.shape == (3, 3):
            signs = TO_LPS.get(str(about.get("space", "")).lower())
            affine = np.eye(4)
            affine[:3, :3] = rows.T
            affine[:3, 3] = np.asarray(about.get("space origin", np.zeros(3)), dtype=np.float64)
            affine[:3] *= unit_mm[:, None]
            rows = rows * unit_mm[None, :]
            if signs is None or not np.linalg.norm(rows, axis=1).all():
                dx, dy, dz = np.linalg.norm(rows, axis=1)
                return None, _positive((float(dz), float(dy), float(dx)))
            placed = place(np.diag([*signs, 1.0]) @ affine, shape, shown(path))
            return placed, placed.spacing_mm
    spacings = about.get("spacings")
    if spacings is not None and len(spacings) >= 3:
        dx, dy, dz = (float(s * mm) for s, mm in zip(spacings[:3], unit_mm, strict=True))
        return None, _positive((dz, dy, dx))
    return None, None


def _units(about: dict[str, Any], path: Path) -> NDArray[np.float64]:
    """How many mm one unit of length is, an axis; mm where the file names none."""
    units = about.get("space units") or about.get("units") or []
    if isinstance(units, str):
        units = units.replace('"', " ").split()
    named = [str(unit).strip() for unit in list(units)[:3]]
    known = [1.0 if unit in ("", "None", "???", "none") else mm_of(unit) for unit in named]
    if None in known:
        refuse(
            "spacing-missing",
            f"{shown(path)} gives lengths in {named[known.index(None)]!r}, which is no known unit of length; nothing is guessed: "
            "write the header in mm.",
            [path],
        )
    return np.array([*known, *[1.0] * (3 - len(known))], dtype=np.float64)


def _positive(spacing: Spacing) -> Spacing | None:
    return spacing if all(np.isfinite(spacing)) and min(spacing) > 0 else None
