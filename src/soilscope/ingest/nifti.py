"""NIfTI-1 and -2 by nibabel, stored (x, y, z) and turned to the array order of the DICOM series it stems from."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.grey import within_limits
from soilscope.ingest.members import Member, seekable
from soilscope.ingest.oriented import Oriented, Placement, place
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import Shape, Spacing

__all__ = ["PAIR", "files", "header", "load"]

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MENDER = logging.getLogger("nibabel.global")
GZIP = b"\x1f\x8b"
NIFTI2_SIZES = {540, 0x1C020000}
"""How a NIfTI-2 header begins, in either byte order."""
PAIR = (".hdr", ".img")
"""Endings of a header and the file beside it that holds its values."""
KINDS: dict[tuple[bool, bool], Any] = {
    (False, False): nib.Nifti1Image,
    (False, True): nib.Nifti1Pair,
    (True, False): nib.Nifti2Image,
    (True, True): nib.Nifti2Pair,
}
"""nibabel's class, by whether it is NIfTI-2 and whether a pair."""
UNSTATED = "orientation-unstated"
SCANNER = 1
"""sform_code of coordinates that a scanner gave; other programs write 2 for any matrix they were handed."""
UNITS_OF_LENGTH = 0b111
"""The bits of xyzt_units that hold the unit of length; the others hold that of time."""
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}


def files(path: Path) -> tuple[Path, ...]:
    """The file, or the two of a pair.

    Raises
    ------
    InputRefused
        Code ``detached-data``: the values of a pair are not beside its header.
    """
    if path.suffix.lower() != PAIR[0]:
        return (path,)
    beside = [path.with_suffix(ending) for ending in (PAIR[1], PAIR[1].upper())]
    found = [one for one in beside if one.is_file() and not one.is_symlink()]
    if not found:
        text = f"{shown(path)} is the header of a NIfTI pair, and its values, {beside[0].name}, are not beside it; put them there."
        refuse("detached-data", text, [path])
    return path, found[0]


def header(path: Path) -> Oriented:
    """Shape and voxel size without reading voxels."""
    with _opened(path, whole=False) as opened:
        image = opened.image
        shape, placed, spacing, findings = _about(opened, path)
    turned = (shape[placed.order[0]], shape[placed.order[1]], shape[placed.order[2]])
    values, start = np.empty((0, 0, 0), image.get_data_dtype()), int(image.dataobj.offset)
    packed = content_starts(path, GZIP)
    if not packed:
        _nothing_behind(files(path)[-1].stat().st_size - start - math.prod(shape) * values.dtype.itemsize, path)
    return Oriented(values, spacing, {}, findings, turned, start=start, packed=packed)


def load(path: Path) -> Oriented:
    """Values in (z, y, x), by the file's own scale where it has one."""
    with _opened(path) as opened:
        return _loaded(opened, path)


def _loaded(opened: _Image, path: Path) -> Oriented:
    image = opened.image
    shape, placed, spacing, findings = _about(opened, path)
    slope, inter = image.dataobj.slope, image.dataobj.inter
    plain = (slope, inter) == (1, 0)
    values = np.asarray(image.dataobj.get_unscaled() if plain else image.dataobj).reshape(shape)
    grid = {} if spacing is None or any(f.code == UNSTATED for f in findings) else placed.grid
    return Oriented(placed.apply(values), spacing, grid, findings)


def content_starts(path: Path, mark: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as stream:
        return bool(stream.read(len(mark)) == mark)


@dataclass(frozen=True, slots=True)
class _Image:
    """nibabel's image, the voxel size (x, y, z) as it is stored, and what nibabel mended in the header."""

    image: Any
    pixdim: NDArray[np.float64]
    mended: Sequence[str]


@contextlib.contextmanager
def _opened(path: Path, *, whole: bool = True) -> Iterator[_Image]:
    """An image; of a packed one that is used ``whole``, the checksum behind its values is read too, which nibabel leaves out."""
    packed = content_starts(path, GZIP)
    with gzip.open(seekable(path)) if packed else path.open("rb") as stream, contextlib.ExitStack() as values:
        second = int.from_bytes(stream.read(4), sys.byteorder) in NIFTI2_SIZES
        stream.seek(0)
        pair = path.suffix.lower() == PAIR[0]
        kind: Any = KINDS[second, pair]
        stored = kind.header_class.from_fileobj(stream, check=False)["pixdim"][1:4].astype(np.float64)
        stream.seek(0)
        with _heard() as said, np.errstate(invalid="ignore"):
            if pair:
                data = nib.FileHolder(fileobj=values.enter_context(files(path)[1].open("rb")))
                image = kind.from_file_map({"header": nib.FileHolder(fileobj=stream), "image": data})
            elif packed or isinstance(path, Member):
                both = nib.FileHolder(fileobj=stream)
                image = kind.from_file_map({"header": both, "image": both})
            else:
                image = nib.load(path)
        yield _Image(image, stored, said)
        if whole and packed:
            _nothing_behind(len(stream.read(1)), path)


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """What nibabel says while it mends a header, which it would write to standard error."""
    said: list[str] = []
    here = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread == here:
            said.append(record.getMessage())
        return record.thread != here

    MENDER.addFilter(keep)
    try:
        yield said
    finally:
        MENDER.removeFilter(keep)


def _nothing_behind(excess: int, path: Path) -> None:
    if excess > 0:
        text = (
            f"{shown(path)} goes on behind the values that its header claims: they are not of one image; save it again."
        )
        refuse("excess-bytes", text, [path])


def _about(opened: _Image, path: Path) -> tuple[Shape, Placement, Spacing | None, tuple[Finding, ...]]:
    """Shape, placement, voxel size where one is stated, and findings.

    Without a voxel size, the axes are placed as the header turns them, each voxel one long.
    """
    image = opened.image
    sizes = [int(n) for n in image.shape]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 2:
        sizes.append(1)
    shape = within_limits(tuple(sizes), shown(path))
    unit = int(image.header["xyzt_units"]) & UNITS_OF_LENGTH
    findings = []
    if unit == 0:
        findings.append(
            note("length-unit-assumed", f"{shown(path)} names no unit of length; mm were taken, as is the custom.")
        )
    if unit not in MM_PER_UNIT:
        text = f"{shown(path)} names {unit} as its unit of length, which NIfTI does not know; its voxel size was not taken."
        findings.append(warn("length-unit-unknown", text))
    by_quaternion, by_matrix = int(image.header["qform_code"]), int(image.header["sform_code"])
    affine, sized = _affine(opened, by_quaternion=by_quaternion > 0, by_matrix=by_matrix > 0)
    diagonal = np.diag(affine)[:3]
    scanned = (by_quaternion > 0 or by_matrix == SCANNER) and (sized or by_matrix <= 0)
    if not scanned and np.array_equal(affine, np.diag([*diagonal, 1.0])) and (diagonal > 0).all():
        findings.append(note(UNSTATED, _unstated(shown(path), by_matrix)))
        turned = affine
    else:
        turned = RAS_TO_LPS @ affine
    sized = sized and unit in MM_PER_UNIT
    scale = np.diag([MM_PER_UNIT.get(unit, 1.0)] * 3 + [1.0])
    placed = place(scale @ turned, shape, shown(path))
    mended = [words for words in opened.mended if not words.startswith("pixdim[1,2,3]")]  # told as a voxel size missing
    if mended:
        findings.append(warn("header-mended", f"{shown(path)} has a faulty header, read as nibabel does: {mended[0]}."))
    return shape, placed, placed.spacing_mm if sized else None, tuple(findings)


def _unstated(name: str, by_matrix: int) -> str:
    if by_matrix <= 0:
        return f"{name} does not say how it lies; its array order was kept."
    return (
        f"{name} gives voxel sizes and nothing more (sform_code {by_matrix}, no axis reversed, its origin at 0), as programs do "
        "that do not know how a scan lies; its array order was kept. If its axes truly run to the right and to the front, it is "
        "turned by half a turn about its length against its DICOM series: save it with the scanner's origin."
    )


def _affine(opened: _Image, *, by_quaternion: bool, by_matrix: bool) -> tuple[NDArray[np.float64], bool]:
    """From stored index to RAS, and whether the voxel size in it is the file's own; lengths of one stand for a missing one."""
    header = opened.image.header
    if by_matrix:
        affine = np.asarray(header.get_sform(), dtype=np.float64)
        sized = bool(np.isfinite(affine).all() and (np.linalg.norm(affine[:3, :3], axis=0) > 0).all())
        return affine if sized else np.eye(4), sized
    sized = bool(np.isfinite(opened.pixdim).all() and (opened.pixdim > 0).all())
    if not sized:
        header["pixdim"][1:4] = 1.0
    if by_quaternion:
        return np.asarray(header.get_qform(), dtype=np.float64), sized
    return np.diag([*map(float, header["pixdim"][1:4]), 1.0]), sized
