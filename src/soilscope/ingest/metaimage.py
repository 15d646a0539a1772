"""MetaImage (ITK, Slicer, elastix): a text header, with the values behind it (.mha) or in a file beside it (.mhd).

Keys as in MetaIO (https://itk.org/Wiki/MetaIO/Documentation); row i of ``TransformMatrix`` is the direction of stored
axis i in LPS.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.grey import within_limits
from soilscope.ingest.members import Member
from soilscope.ingest.oriented import Oriented, Placement, place
from soilscope.ingest.shown import shown
from soilscope.ingest.units import mm_of
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import Shape

__all__ = ["files", "header", "load", "view"]

LONGEST_HEADER = 1 << 16
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
PLACES = ("TransformMatrix", "Rotation", "Orientation")
ORIGINS = ("Offset", "Position", "Origin")


@dataclass(frozen=True, slots=True)
class About:
    """A header: the file with the values, where they start, their type, the stored shape (x, y, z) and how they lie."""

    data: Path
    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    compressed: bool
    placed: Placement | None
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def files(path: Path) -> tuple[Path, ...]:
    """The header and, where it is another one, the file with the values."""
    keys, _ = _keys(path)
    data = _data_file(path, keys)
    return (path,) if data == path else (path, data)


def header(path: Path) -> Oriented:
    """Shape and voxel size without reading voxels."""
    about = _about(path)
    _sized(about, path)
    shape, placed = about.shape, about.placed
    order = placed.order if placed else (2, 1, 0)
    turned = (shape[order[0]], shape[order[1]], shape[order[2]])
    spacing, grid = (placed.spacing_mm, placed.grid) if placed else (None, {})
    values = np.empty((0, 0, 0), about.dtype)
    return Oriented(values, spacing, grid, about.findings, turned, packed=about.compressed)


def load(path: Path) -> Oriented:
    """Values in (z, y, x)."""
    about = _about(path)
    _sized(about, path)
    stored = np.frombuffer(_inflated(about, path), about.dtype) if about.compressed else _plain(about)
    return _turned(about, np.ascontiguousarray(_seen(about, stored)))


def view(path: Path) -> Oriented | None:
    """The values in (z, y, x) as a map of the file, or None where they are compressed."""
    about = _about(path)
    _sized(about, path)
    if about.compressed:
        return None
    if isinstance(about.data, Member):
        return _turned(about, _seen(about, _plain(about)))
    stored = np.memmap(about.data, about.dtype, "r", about.offset, (int(np.prod(about.shape)),))
    return _turned(about, _seen(about, stored))


def _plain(about: About) -> NDArray[Any]:
    """Stored values that are not compressed, in memory."""
    count = int(np.prod(about.shape))
    if isinstance(about.data, Member):
        return np.frombuffer(about.data.read_bytes(), about.dtype, count, about.offset)
    return np.fromfile(about.data, about.dtype, count, offset=about.offset)


def _seen(about: About, stored: NDArray[Any]) -> NDArray[Any]:
    values = stored.reshape(about.shape, order="F")
    return about.placed.view(values) if about.placed else values.transpose(2, 1, 0)


def _turned(about: About, values: NDArray[Any]) -> Oriented:
    spacing, grid = (about.placed.spacing_mm, about.placed.grid) if about.placed else (None, {})
    return Oriented(values, spacing, grid, about.findings)


def _keys(path: Path) -> tuple[dict[str, str], int]:
    """The header's keys and where it ends; ``ElementDataFile`` is its last line."""
    with path.open("rb") as stream:
        head = stream.read(LONGEST_HEADER)
    keys: dict[str, str] = {}
    at = 0
    while at < len(head) and "ElementDataFile" not in keys:
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        name, equals, value = head[at:end].decode("latin-1").partition("=")
        if equals:
            keys[name.strip()] = value.strip()
        at = end + 1
    missing = [k for k in ("NDims", "DimSize", "ElementType", "ElementDataFile") if k not in keys]
    if missing:
        refuse(
            "file-damaged",
            f"{shown(path)} is no whole MetaImage header: {', '.join(missing)} not found; copy or save it again.",
            [path],
        )
    return keys, at


def _data_file(path: Path, keys: dict[str, str]) -> Path:
    name = keys["ElementDataFile"].removeprefix("./")
    if name.upper() == "LOCAL":
        return path
    if name.upper().startswith("LIST") or "%" in name:
        text = (
            f"{shown(path)} spreads its values over several files; save it as one .mha, or read the slices themselves."
        )
        refuse("detached-data", text, [path])
    data = path.parent / name
    if Path(name).name != name or "\\" in name or data.is_symlink():
        refuse("detached-data", f"{shown(path)} points to data in another folder; put the data file beside it.", [path])
    if not data.is_file():
        refuse("detached-data", f"{shown(path)} needs {name} beside it, which is not there; copy both.", [path])
    return data


def _about(path: Path) -> About:
    keys, end = _keys(path)
    sizes = [int(n) for n in keys["DimSize"].split()]
    if len(sizes) != int(keys["NDims"]):
        refuse(
            "file-damaged", f"{shown(path)}: DimSize {sizes} and NDims {keys['NDims']} disagree; save it again.", [path]
        )
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 2:
        sizes.append(1)
    shape = within_limits(tuple(sizes), shown(path))
    if int(keys.get("ElementNumberOfChannels", "1")) != 1:
        refuse("colour", f"{shown(path)} holds several values a voxel; keep one.", [path])
    if keys["ElementType"].upper() not in TYPES or not _said(keys, "BinaryData", default=True):
        refuse(
            "dtype",
            f"{shown(path)} holds {keys['ElementType']} (or text), not binary numbers that are read; save it as MET_SHORT "
            "or MET_FLOAT.",
            [path],
        )
    swapped = _said(keys, "BinaryDataByteOrderMSB") or _said(keys, "ElementByteOrderMSB")
    dtype = np.dtype((">" if swapped else "<") + TYPES[keys["ElementType"].upper()])
    data = _data_file(path, keys)
    compressed = _said(keys, "CompressedData")
    placed, findings = _placed(keys, shape, path)
    about = About(data, end if data == path else 0, dtype, shape, compressed, placed, findings)
    skipped = int(keys.get("HeaderSize", "0"))
    if data == path or skipped == 0:
        return about
    start = data.stat().st_size - about.size if skipped < 0 else skipped
    return About(data, max(start, 0), dtype, shape, compressed, placed, findings)


def _said(keys: dict[str, str], name: str, *, default: bool = False) -> bool:
    return keys[name].lower() in ("true", "1", "t") if name in keys else default


def _numbers(keys: dict[str, str], names: tuple[str, ...], count: int) -> list[float] | None:
    for name in names:
        if name in keys:
            numbers = [float(n) for n in keys[name].split()]
            return numbers[:count] if len(numbers) >= count else None
    return None


def _placed(keys: dict[str, str], shape: Shape, path: Path) -> tuple[Placement | None, tuple[Finding, ...]]:
    dims = int(keys["NDims"])
    sizes = _numbers(keys, ("ElementSpacing", "ElementSize"), min(dims, 3))
    if sizes is None or dims < 3 or not np.isfinite(sizes).all() or 0 in sizes:
        return None, ()
    unit = keys.get("DistanceUnits", keys.get("DistanceUnit"))
    scale = 1.0 if unit is None else mm_of(unit)
    findings = (
        ()
        if unit
        else (note("length-unit-assumed", f"{shown(path)} names no unit of length; mm were taken, as ITK does."),)
    )
    if scale is None:
        refuse(
            "spacing-missing",
            f"{shown(path)} gives lengths in {unit!r}; give spacing_mm=(dz, dy, dx) (--spacing-mm DZ,DY,DX).",
            [path],
        )
    if min(sizes) < 0:
        turned = " and ".join(name for name, size in zip("xyz", sizes, strict=True) if size < 0)
        text = f"ElementSpacing of {shown(path)} is negative along {turned}: taken as an axis that runs the other way, as ITK does."
        findings = (*findings, warn("axis-reversed", text, [path]))
    matrix = _numbers(keys, PLACES, dims * dims) or list(np.eye(dims).ravel())
    axes = np.asarray(matrix).reshape(dims, dims)[:3, :3].T
    affine = np.eye(4)
    affine[:3, :3] = axes * np.asarray(sizes)
    affine[:3, 3] = _numbers(keys, ORIGINS, 3) or [0.0, 0.0, 0.0]
    affine[:3] *= scale
    return place(affine, shape, shown(path)), findings


def _sized(about: About, path: Path) -> None:
    """Refuse a file that does not hold exactly what its header claims; compressed values are counted while inflating."""
    found = about.data.stat().st_size - about.offset
    if not about.compressed and found != about.size:
        text = (
            f"{shown(about.data)} holds {found} bytes of values, but {shown(path)} claims {about.shape} voxels (x, y, z) of "
            f"{about.dtype}, which are {about.size}; copy it again from where it was made."
        )
        refuse("file-cut" if found < about.size else "excess-bytes", text, [about.data, path])


def _inflated(about: About, path: Path) -> bytes:
    """Exactly the bytes the header claims, and never more."""
    with about.data.open("rb") as stream:
        stream.seek(about.offset)
        packed = stream.read()
    inflate = zlib.decompressobj()
    values = inflate.decompress(packed, about.size + 1)
    if len(values) != about.size or not inflate.eof:
        text = (
            f"{shown(about.data)} does not inflate to the {about.size} bytes that {shown(path)} claims; copy it again from where "
            "it was made."
        )
        refuse("file-cut" if len(values) <= about.size else "excess-bytes", text, [about.data, path])
    return values
