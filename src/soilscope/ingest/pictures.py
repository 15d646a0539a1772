"""One picture file: TIFF (also BigTIFF, tiled, compressed, of many pages) or PNG; its size from the header, its pixels."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.decode import content
from soilscope.ingest.limits import MOST_PIXELS, MOST_PLANES
from soilscope.ingest.members import Member, seekable
from soilscope.ingest.shown import shown
from soilscope.ingest.tiff_pages import check_whole, scattered
from soilscope.ingest.tiff_spacing import spacing_of
from soilscope.ingest.verdict import counted, note, parsing, refuse, warn
from soilscope.types import Spacing

__all__ = ["Picture", "opened", "picture_of"]

SIGN = np.uint16(0x8000)
WHOLE_BYTES = (8, 16, 32, 64)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its words on damaged files come as our refusals


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of a stack: its pages, their size and number type, and the voxel size it states.

    ``packed`` where its values are compressed; ``signed`` where ImageJ keeps signed values as unsigned ones shifted by 32768.
    """

    path: Path
    pages: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    spacing_mm: Spacing | None = None
    signed: bool = False
    packed: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def plane(self) -> tuple[int, int, np.dtype[Any]]:
        """What all slices of one stack have in common: rows, columns and number type."""
        return self.rows, self.columns, self.dtype

    @property
    def is_png(self) -> bool:
        """Whether it is a PNG, by its name."""
        return self.path.suffix.lower() == ".png"


def picture_of(path: Path) -> Picture:
    """Header of a picture.

    Raises
    ------
    InputRefused
        Codes ``file-damaged``, ``file-cut``, ``colour``, ``shape``, ``too-large``.
    """
    with parsing(
        "file-damaged",
        f"{shown(path)} is no readable picture ({{error}}); copy it again from where it was made.",
        [path],
    ):
        return _png_header(path) if path.suffix.lower() == ".png" else _tiff_header(path)


def _tiff_header(path: Path) -> Picture:
    with tifffile.TiffFile(seekable(path), _multifile=False) as tiff:  # else it opens whatever files OME-XML names
        page = tiff.pages.first
        series = tiff.series[0]
        shape = tuple(int(n) for n in series.shape if n != 1) or (1,)
        if page.samplesperpixel != 1 or page.photometric == tifffile.PHOTOMETRIC.RGB:
            refuse(
                "colour",
                f"{shown(path)} is a colour picture, not a slice of values; save it as grey values, or take it out.",
                [path],
            )
        rows, columns = int(page.imagelength), int(page.imagewidth)
        apart, beside = scattered(tiff)
        pages = len(apart) if apart else int(np.prod(series.shape, dtype=np.int64)) // max(rows * columns, 1)
        if shape[-2:] != (rows, columns) and pages > 1:
            refuse(
                "shape",
                f"{shown(path)} has axes {series.axes} {tuple(series.shape)}; save one 3D stack a file.",
                [path],
            )
        if len([n for n in series.shape if n != 1]) > 3:
            text = f"{shown(path)} has {len(series.shape)} axes ({series.axes}); keep one channel and one time."
            refuse("shape", text, [path])
        dtype = np.dtype(series.dtype)
        signed, findings = _calibration(tiff, dtype)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            findings = (
                *findings,
                note("white-is-zero", "its low values are meant to be seen white; they were kept as they are stored."),
            )
        if beside:
            text = (
                f"{shown(path)} holds {counted(beside, 'more image')} beside its first one, not read; save each in a file of its "
                "own."
            )
            findings = (*findings, warn("images-left-out", text, [path]))
        if tiff.is_ome and series.kind != "ome":
            text = (
                f"the OME-XML of {shown(path)} describes more than this file: its own pages were read, and files in the order of "
                "their names."
            )
            findings = (*findings, warn("ome-parts", text, [path]))
        kept = np.dtype(np.int16) if signed else dtype
        check_whole(tiff, path)
        uncompressed = all(one.compression == tifffile.COMPRESSION.NONE for one in apart or [page])
        plain = uncompressed and not isinstance(path, Member)
        return _sized(Picture(path, pages, rows, columns, kept, spacing_of(tiff), signed, not plain, findings))


def _calibration(tiff: Any, dtype: np.dtype[Any]) -> tuple[bool, tuple[Finding, ...]]:
    """ImageJ's calibration of grey values: how it keeps signed 16-bit numbers, and anything else is told and not applied.

    https://imagej.net/ij/developer/source/ij/io/FileSaver.java.html writes ``cf`` (the function, 0 is a straight line) and
    ``c0``, ``c1``.
    """
    about = tiff.imagej_metadata or {}
    if "c0" not in about or "c1" not in about or int(about.get("cf", 0)) != 0:
        return False, ()
    start, slope = float(about["c0"]), float(about["c1"])
    if (start, slope) == (-32768.0, 1.0) and dtype == np.uint16:
        return True, (
            note("signed-values", "ImageJ kept signed 16-bit values shifted by 32768; they were shifted back."),
        )
    if (start, slope) == (0.0, 1.0):
        return False, ()
    text = (
        f"ImageJ's calibration (value = {start:g} + {slope:g} x stored) was not applied: these are the stored values."
    )
    return False, (warn("calibration-not-applied", text),)


def _png_header(path: Path) -> Picture:
    with path.open("rb") as stream:
        head = stream.read(26)
    columns, rows = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    depth, colour = head[24], head[25]
    if colour != 0:
        refuse(
            "colour",
            f"{shown(path)} is a colour, palette or transparent picture, not a slice of values; save it as grey values, or "
            "take it out.",
            [path],
        )
    return _sized(Picture(path, 1, rows, columns, np.dtype(np.uint16 if depth == 16 else np.uint8)))


def _sized(picture: Picture) -> Picture:
    if not 1 <= picture.rows * picture.columns <= MOST_PIXELS or not 1 <= picture.pages <= MOST_PLANES:
        text = (
            f"{shown(picture.path)} claims {picture.pages} pages of {picture.rows} x {picture.columns} pixels: too large; save "
            "it in parts, or copy it again."
        )
        refuse("too-large", text, [picture.path])
    return picture


@contextlib.contextmanager
def opened(one: Picture, raw: bytes | None = None) -> Iterator[Any]:
    """Something that gives page k when indexed, shape (rows, columns); ``raw`` is the file's content where it was read already."""
    size = (one.rows, one.columns)
    if one.is_png:
        data = content(one.path) if raw is None else raw
        yield _Turned([np.asarray(imagecodecs.png_decode(data))], size, one)
        return
    source = seekable(one.path) if raw is None else io.BytesIO(raw)
    with tifffile.TiffFile(source, _multifile=False) as tiff:
        series = tiff.series[0]
        plain = int(tiff.pages.first.bitspersample) in WHOLE_BYTES
        apart, _ = scattered(tiff)
        if apart:
            yield _Turned(_Decoded(apart), size, one)
        elif series.dataoffset is not None and plain and isinstance(source, Path):
            kind = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
            yield _Turned(np.memmap(source, kind, "r", series.dataoffset, (one.pages, *size)), size, one)
        elif len(series.pages) == one.pages > 1:
            yield _Turned(_Decoded(series.pages), size, one)
        else:
            yield _Turned(np.asarray(series.asarray()).reshape(one.pages, *size), size, one)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Pages decoded when asked for."""

    pages: Any

    def __getitem__(self, k: int) -> NDArray[Any]:
        return np.asarray(self.pages[k].asarray())


@dataclass(frozen=True, slots=True)
class _Turned:
    """Pages in the picture's size and number type."""

    pages: Any
    size: tuple[int, int]
    one: Picture

    def __getitem__(self, k: int) -> NDArray[Any]:
        page = np.asarray(self.pages[k]).reshape(self.size)
        return (page ^ SIGN).astype(np.uint16).view(np.int16) if self.one.signed else page
