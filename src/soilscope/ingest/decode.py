"""Pixel bytes of one file -> stored values of one frame: read at their offset, or decoded after their sizes agree."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from soilscope.ingest.decoding import Frame, decoded
from soilscope.ingest.headers import Encoding, Slice
from soilscope.ingest.limits import MOST_EXPANSION, SMALL_FRAME_BYTES
from soilscope.ingest.members import stamp
from soilscope.ingest.padding import beyond_stored_bits
from soilscope.ingest.part10 import as_part10
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["Buffer", "Content", "check_decoder", "check_syntax", "content", "stored_values"]

UNCOMPRESSED = {"", ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}
"""Transfer syntaxes whose pixels are plain values; a data set without file meta information names none (PS3.5 10.1)."""

Stored = NDArray[np.integer]
J2K_START = b"\xff\x4f\xff\x51"
J2K_START_WITHIN = 4096
"""A code stream wrapped as a JP2 file starts after its boxes."""
JPEG_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Start-of-frame markers of JPEG (ISO 10918-1, table B.1) and of JPEG-LS (SOF55)."""


def stored_values(one: Slice, raw: bytes | memoryview) -> Stored:
    """Stored values of a single frame: see :meth:`Content.stored_values`."""
    return Content(one, raw).stored_values(one)


class Content:
    """The bytes of one file, made plain once, whose frames are asked for one by one.

    Parameters
    ----------
    one : Slice
        Any frame of the file.
    raw : bytes or memoryview
        All its bytes.
    """

    def __init__(self, one: Slice, raw: bytes | memoryview) -> None:
        self._data = as_part10(raw, shown(one.path))
        self._streams: Iterator[bytes] | None = None
        self._next = 0

    def stored_values(self, one: Slice) -> Stored:
        """Stored values of a frame, shape (rows, columns), sign-extended from the bits that count.

        Raises
        ------
        InputRefused
            Codes ``file-cut``, ``codestream-size``, ``decoder-missing``, ``syntax-unsupported``, ``decode-failed``,
            ``decode-limit``.
        """
        compressed = one.encoding.pixels.length is None
        values = self._decoded(one) if compressed else _at_offset(one, self._data)
        return _sign_extended(values, one.encoding, beyond_stored_bits(one))

    def _decoded(self, one: Slice) -> Stored:
        check_decoder(one)
        stream = self._stream(one)
        _sizes_agree(one, stream)
        encoding = one.encoding
        frame = Frame(
            one.name,
            encoding.syntax,
            encoding.rows,
            encoding.columns,
            encoding.bits_allocated,
            encoding.bits_stored,
            encoding.signed,
        )
        values = decoded(frame, stream)
        if values.shape != (encoding.rows, encoding.columns):
            _contradiction(one, values.shape)
        return values

    def _stream(self, one: Slice) -> bytes:
        """The code stream of a frame. Frames mostly come in order, and then the file is walked once."""
        damaged = f"{one.name}: its compressed pixels do not hang together ({{error}}); copy it again from the scanner."
        with parsing("decode-failed", damaged, [one.path]):
            if self._streams is None or one.frame < self._next:
                fragments = bytes(self._data[one.encoding.pixels.offset :])
                self._streams, self._next = generate_frames(fragments, number_of_frames=one.frames), 0
            stream = b""
            while self._next <= one.frame:
                stream = next(self._streams)
                self._next += 1
            return stream


def _at_offset(one: Slice, data: bytes | memoryview) -> Stored:
    encoding = one.encoding
    kind = np.dtype(
        f"{'>' if encoding.big_endian else '<'}{'i' if encoding.signed else 'u'}{encoding.bits_allocated // 8}"
    )
    count = encoding.rows * encoding.columns
    offset = encoding.pixels.offset + one.frame * count * kind.itemsize
    if offset + count * kind.itemsize > len(data):
        refuse(
            "file-cut",
            f"{one.name} changed while it was read: it is shorter than its header said; read it again when nothing writes to it.",
            [one.path],
        )
    return np.frombuffer(data, kind, count, offset).reshape(encoding.rows, encoding.columns)


def _sign_extended(values: Stored, encoding: Encoding, kept: tuple[int, int] | None = None) -> Stored:
    """Drop overlay and garbage bits outside ``bits_stored`` up to ``high_bit`` (PS3.5 8.1.1); padding that uses them is kept."""
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
    if kept is not None:
        plain = np.where((values >= kept[0]) & (values <= kept[1]), values.astype(np.int64), plain)
    return plain


def check_syntax(one: Slice) -> None:
    """Refuse a slice whose transfer syntax is not known here, or does not fit its pixels; its header is enough to tell.

    Raises
    ------
    InputRefused
        Codes of :func:`check_decoder`; ``syntax-unsupported`` also for plain pixels under a syntax of another kind, whose byte
        order would be a guess.
    """
    if one.encoding.pixels.length is None:
        check_decoder(one)
    elif one.encoding.syntax.rstrip("\0 ") not in UNCOMPRESSED:
        refuse(
            "syntax-unsupported",
            f"{one.name} names the transfer syntax {_label(one)} but holds plain pixels: how they are written is not known. Export "
            "it again as Explicit VR Little Endian (1.2.840.10008.1.2.1).",
            [one.path],
        )


def _label(one: Slice) -> str:
    """The UID of the transfer syntax, with its name where the standard has one."""
    syntax = UID(one.encoding.syntax, validation_mode=config.IGNORE)
    label = str(syntax) if syntax.name == syntax else f"{syntax.name} ({syntax})"
    return "".join(c for c in label if c.isprintable())


def check_decoder(one: Slice) -> None:
    """Refuse a slice whose transfer syntax cannot be decoded here; its header is enough to tell.

    Raises
    ------
    InputRefused
        Code ``syntax-unsupported`` or ``decoder-missing``.
    """
    syntax = UID(one.encoding.syntax, validation_mode=config.IGNORE)
    label = _label(one)
    try:
        if not syntax.is_valid:  # asked for such a one, pydicom warns and quotes it
            raise NotImplementedError
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


def _sizes_agree(one: Slice, stream: bytes) -> None:
    """Refuse a code stream that cannot be what the header says, before a decoder allocates for it."""
    size = _codestream_size(stream)
    if size is not None and size != (one.encoding.rows, one.encoding.columns, 1):
        _contradiction(one, size)
    wanted = one.encoding.rows * one.encoding.columns * one.encoding.bits_allocated // 8
    if wanted > max(SMALL_FRAME_BYTES, MOST_EXPANSION * len(stream)):
        refuse(
            "codestream-size",
            f"{one.name}: {len(stream)} compressed bytes claim to hold {one.encoding.rows} x {one.encoding.columns} pixels "
            f"({wanted >> 20} MB), more than {MOST_EXPANSION} times their own size; the file is damaged: copy it again "
            "from the scanner.",
            [one.path],
        )


def _contradiction(one: Slice, size: tuple[int, ...]) -> None:
    samples = f" of {size[2]} samples" if len(size) > 2 and size[2] != 1 else ""
    refuse(
        "codestream-size",
        f"{one.name}: its compressed pixels are {size[0]} x {size[1]}{samples}, its header says {one.encoding.rows} x "
        f"{one.encoding.columns}; the file is damaged: copy it again from the scanner.",
        [one.path],
    )


def _codestream_size(stream: bytes) -> tuple[int, int, int] | None:
    """(rows, columns, components) that a JPEG 2000, JPEG or JPEG-LS code stream states; None for RLE."""
    start = stream.find(J2K_START, 0, J2K_START_WITHIN)
    if start >= 0 and len(stream) >= start + 42:
        width, height, left, top = struct.unpack_from(">IIII", stream, start + 8)
        (components,) = struct.unpack_from(">H", stream, start + 40)
        return height - top, width - left, components
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 10 <= len(stream):
        if stream[at] != 0xFF:
            return None
        marker, (length,) = stream[at + 1], struct.unpack_from(">H", stream, at + 2)
        if marker in JPEG_FRAMES:
            height, width, components = struct.unpack_from(">HHB", stream, at + 5)
            return height, width, components
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
                found = stamp(one.path, stream)
                if found != one.stamp:
                    _changed(one)
                if len(self._memory) < found[0]:
                    self._memory = bytearray(found[0])
                view = memoryview(self._memory)[: found[0]]
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
    refuse(
        "unreadable",
        f"{shown(path)} could not be read ({error.strerror}); check the disk it lies on, or copy the file again.",
        [path],
    )


def _changed(one: Slice) -> NoReturn:
    text = f"{one.name} was changed while the scan was read; read it again when nothing writes to it."
    refuse("file-changed", text, [one.path])
