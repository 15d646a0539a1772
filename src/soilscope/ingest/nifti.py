"""NIfTI-1 and -2 by nibabel, stored (x, y, z) and turned to the array order of the DICOM series it stems from."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from soilscope.ingest.grey import within_limits
from soilscope.ingest.members import Member, seekable
from soilscope.ingest.oriented import Oriented, Placement, place
from soilscope.ingest.verdict import note, refuse
from soilscope.types import Shape

__all__ = ["header", "load"]

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
GZIP = b"\x1f\x8b"
NIFTI2_SIZES = {540, 0x1C020000}
"""How a NIfTI-2 header begins, in either byte order."""
MOST_BEHIND = 1 << 20
"""Bytes behind the values that are read for the checksum behind them."""
UNSTATED = "orientation-unstated"
SCANNER = 1
"""sform_code of coordinates that a scanner gave; other programs write 2 for any matrix they were handed."""
MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}


def header(path: Path) -> Oriented:
    """Shape and voxel size without reading voxels."""
    with _opened(path, whole=False) as image:
        shape, placed, findings = _about(image, path)
    turned = (shape[placed.order[0]], shape[placed.order[1]], shape[placed.order[2]])
    values, start = np.empty((0, 0, 0), image.get_data_dtype()), int(image.dataobj.offset)
    packed = content_starts(path, GZIP)
    return Oriented(values, placed.spacing_mm, {}, findings, turned, start=start, packed=packed)


def load(path: Path) -> Oriented:
    """Values in (z, y, x), by the file's own scale where it has one."""
    with _opened(path) as image:
        return _loaded(image, path)


def _loaded(image: Any, path: Path) -> Oriented:
    shape, placed, findings = _about(image, path)
    slope, inter = image.dataobj.slope, image.dataobj.inter
    plain = (slope, inter) == (1, 0)
    values = np.asarray(image.dataobj.get_unscaled() if plain else image.dataobj).reshape(shape)
    grid = {} if any(f.code == UNSTATED for f in findings) else placed.grid
    return Oriented(placed.apply(values), placed.spacing_mm, grid, findings)


def content_starts(path: Path, mark: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as stream:
        return bool(stream.read(len(mark)) == mark)


@contextlib.contextmanager
def _opened(path: Path, *, whole: bool = True) -> Iterator[Any]:
    """An image; of a packed one that is used ``whole``, the checksum behind its values is read too, which nibabel leaves out."""
    packed = content_starts(path, GZIP)
    if not packed and not isinstance(path, Member):
        yield nib.load(path)
        return
    with gzip.open(seekable(path)) if packed else io.BytesIO(path.read_bytes()) as stream:
        second = int.from_bytes(stream.read(4), sys.byteorder) in NIFTI2_SIZES
        stream.seek(0)
        kind: Any = nib.Nifti2Image if second else nib.Nifti1Image
        both = nib.FileHolder(fileobj=stream)
        yield kind.from_file_map({"header": both, "image": both})
        rest = len(stream.read(MOST_BEHIND + 1)) if whole else 0
    if rest > MOST_BEHIND:
        refuse("excess-bytes", f"{path.name} holds more bytes behind its values than any program writes.", [path])


def _about(image: Any, path: Path) -> tuple[Shape, Placement, tuple[Any, ...]]:
    sizes = [int(n) for n in image.shape]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 2:
        sizes.append(1)
    shape = within_limits(tuple(sizes), path.name)
    unit = image.header.get_xyzt_units()[0]
    findings = []
    if unit == "unknown":
        findings.append(
            note("length-unit-assumed", f"{path.name} names no unit of length; mm were taken, as is the custom.")
        )
    if unit not in MM_PER_UNIT:
        refuse("spacing-missing", f"{path.name} gives lengths in {unit!r}; give spacing_mm=(dz, dy, dx).", [path])
    affine = np.asarray(image.affine, dtype=np.float64)
    by_quaternion, by_matrix = int(image.header["qform_code"]), int(image.header["sform_code"])
    if not by_quaternion and not by_matrix:
        affine = np.diag([*map(float, image.header["pixdim"][1:4]), 1.0])
    diagonal = np.diag(affine)[:3]
    scanned = by_quaternion > 0 or by_matrix == SCANNER
    if not scanned and np.array_equal(affine, np.diag([*diagonal, 1.0])) and (diagonal > 0).all():
        findings.append(note(UNSTATED, f"{path.name} does not say how it lies; its array order was kept."))
        turned = affine
    else:
        turned = RAS_TO_LPS @ affine
    scale = np.diag([MM_PER_UNIT[unit]] * 3 + [1.0])
    return shape, place(scale @ turned, shape, path.name), tuple(findings)
