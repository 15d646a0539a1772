"""Pixel bytes of one file -> stored values of one frame: read at their offset, or decoded after their sizes agree."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID

from soilscope.ingest.headers import Encoding, Slice
from soilscope.ingest.part10 import as_part10
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["Buffer", "content", "stored_values"]

Stored = NDArray[np.integer]
J2K_START = b"\xff\x4f\xff\x51"
JPEG_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Start-of-frame markers of JPEG (ISO 10918-1, table B.1) and of JPEG-LS (SOF55)."""


def stored_values(one: Slice, raw: bytes | memoryview) -> Stored:
    """Stored values of a frame, shape (rows, columns), sign-extended from the bits that count.

    Parameters
    ----------
    one : Slice
    raw : bytes or memoryview
        Content of the slice's file.

    Raises
    ------
    InputRefused
        Codes ``file-cut``, ``codestream-size``, ``decoder-missing``, ``syntax-unsupported``, ``decode-failed``.
    """
    data = as_part10(raw, one.path.name)
    encoding = one.encoding
    values = _at_offset(one, data) if encoding.pixels.length is not None else _decoded(one, data)
    return _sign_extended(values, encoding)


def _at_offset(one: Slice, data: bytes | memoryview) -> Stored:
    encoding = one.encoding
    kind = np.dtype(
        f"{'>' if encoding.big_endian else '<'}{'i' if encoding.signed else 'u'}{encoding.bits_allocated // 8}"
    )
    count = encoding.rows * encoding.columns
    offset = encoding.pixels.offset + one.frame * count * kind.itemsize
    if offset + count * kind.itemsize > len(data):
        refuse("file-cut", f"{one.name} changed while it was read: it is shorter than its header said.", [one.path])
    return np.frombuffer(data, kind, count, offset).reshape(encoding.rows, encoding.columns)


def _sign_extended(values: Stored, encoding: Encoding) -> Stored:
    """Drop overlay and garbage bits outside ``bits_stored`` up to ``high_bit`` (PS3.5 8.1.1)."""
    if encoding.bits_stored == encoding.bits_allocated:
        return values
    shift = encoding.high_bit + 1 - encoding.bits_stored
    if not shift and not encoding.signed and int(values.max()) < 1 << encoding.bits_stored:
        return values
    plain = values.astype(np.int64) >> shift if shift else values.astype(np.int32)
    plain = plain & ((1 << encoding.bits_stored) - 1)
    if encoding.signed:
        half = 1 << (encoding.bits_stored - 1)
        plain = (plain ^ half) - half
    return plain


def _decoded(one: Slice, data: bytes | memoryview) -> Stored:
    syntax = UID(one.encoding.syntax)
    label = f"{syntax.name} ({syntax})"
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, ValueError):
        refuse(
            "syntax-unsupported",
            f"{one.name} is compressed as {label}, which cannot be decoded here; export it uncompressed (Explicit VR Little "
            "Endian) or as lossless JPEG 2000.",
            [one.path],
        )
    if not decoder.is_available:
        refuse(
            "decoder-missing",
            f"{one.name} is compressed as {label} and its decoder is not installed: "
            'pip install "pylibjpeg[all]" (or export the scan uncompressed).',
            [one.path],
        )
    damaged = f"{one.name}: its {label} pixels are damaged and cannot be decoded ({{error}})."
    with parsing("decode-failed", damaged, [one.path]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data))
        stream = get_frame(dataset.PixelData, one.frame, number_of_frames=one.frames)
        _sizes_agree(one, stream)
        values = pixel_array(dataset, index=one.frame, raw=True)
    if values.shape != (one.encoding.rows, one.encoding.columns):
        _contradiction(one, values.shape)
    plain: Stored = values
    return plain


def _sizes_agree(one: Slice, stream: bytes) -> None:
    """Refuse a code stream whose own size contradicts the header, before a decoder allocates for it."""
    size = _codestream_size(stream)
    if size is not None and size != (one.encoding.rows, one.encoding.columns):
        _contradiction(one, size)


def _contradiction(one: Slice, size: tuple[int, ...]) -> None:
    refuse(
        "codestream-size",
        f"{one.name}: its compressed pixels are {' x '.join(map(str, size))}, its header says {one.encoding.rows} x "
        f"{one.encoding.columns}; the file is damaged.",
        [one.path],
    )


def _codestream_size(stream: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG 2000, JPEG or JPEG-LS code stream states; None for RLE."""
    if stream[:4] == J2K_START and len(stream) >= 24:
        width, height, left, top = struct.unpack(">IIII", stream[8:24])
        return height - top, width - left
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(stream):
        if stream[at] != 0xFF:
            return None
        marker, (length,) = stream[at + 1], struct.unpack(">H", stream[at + 2 : at + 4])
        if marker in JPEG_FRAMES:
            height, width = struct.unpack(">HH", stream[at + 5 : at + 9])
            return height, width
        at += 2 + length
    return None


def content(path: Path) -> bytes:
    """All bytes of a file; one that vanished or is not readable is refused."""
    try:
        return path.read_bytes()
    except OSError as error:
        _unreadable(path, error)


class Buffer:
    """Memory that file after file is read into: fresh memory for each costs more than reading it."""

    def __init__(self) -> None:
        self._memory = bytearray()

    def content_of(self, one: Slice) -> memoryview:
        """All bytes of a slice's file, good until the next call.

        Raises
        ------
        InputRefused
            Codes ``unreadable``, and ``file-changed`` where the file is not the one whose header was read.
        """
        try:
            with one.path.open("rb", buffering=0) as stream:
                status = os.fstat(stream.fileno())
                if (status.st_size, status.st_mtime_ns) != one.stamp:
                    _changed(one)
                if len(self._memory) < status.st_size:
                    self._memory = bytearray(status.st_size)
                view = memoryview(self._memory)[: status.st_size]
                read = 0
                while read < len(view):
                    count = stream.readinto(view[read:])
                    if not count:
                        _changed(one)
                    read += count
                return view.toreadonly()
        except OSError as error:
            _unreadable(one.path, error)


def _unreadable(path: Path, error: OSError) -> NoReturn:
    refuse("unreadable", f"{path.name} could not be read ({error.strerror}).", [path])


def _changed(one: Slice) -> NoReturn:
    text = f"{one.name} was changed while the scan was read; read it again when nothing writes to it."
    refuse("file-changed", text, [one.path])
