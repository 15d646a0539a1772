"""One DICOM file opened safely: its header without personal tags, and where its pixel bytes lie.

DICOM PS3.10 (file format) and PS3.5 (encoding). Elements outside the list asked for are never kept, deflated files are
inflated under a limit, and a file that ends before its pixels do is told from one that never had any.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pydicom

from soilscope.errors import InputRefused
from soilscope.ingest.behind import cut, elements_to_the_end
from soilscope.ingest.limits import MOST_EXPANSION, MOST_INFLATED_BYTES, SMALL_FRAME_BYTES, SMALL_HEADER_BYTES
from soilscope.ingest.members import stamp
from soilscope.ingest.nesting import too_deep
from soilscope.ingest.plain import Odd, PlainFile, meta_end, walk
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import IN_WORDS, counted, refuse

__all__ = ["Parsed", "PixelElement", "as_part10", "parse", "read_tags"]

DEFLATED = b"1.2.840.10008.1.2.1.99"
EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
MAGIC = b"\0" * 128 + b"DICM"
META_PROBE_BYTES = 2048
META_START, GROUP_LENGTH = 144, b"\2\0\0\0"
"""Preamble, DICM, and the group length of the file meta information."""
HEAD_BYTES, LONG_HEAD_BYTES = 1 << 14, 1 << 19
"""Most headers are shorter than the first, nearly all than the second."""
PIXEL_GROUP, PIXEL_ELEMENT = 0x7FE0, 0x0010
OTHER_PIXELS = {
    (0x7FE0, 0x0008): "FloatPixelData (7FE0,0008)",
    (0x7FE0, 0x0009): "DoubleFloatPixelData (7FE0,0009)",
}
UNDEFINED = 0xFFFFFFFF
ITEM, DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the value of Pixel Data starts in the (plain) file, its length, and where it ends.

    ``length`` is None for encapsulated (compressed) pixels.
    """

    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Parsed:
    """Header (only the elements wanted), the place of the pixels (None where there are none), and what is wrong with them.

    ``stamp`` is the file's size and time when its header was read, so that a change before its pixels are read is noticed.
    """

    dataset: Any
    pixels: PixelElement | None = None
    problem: InputRefused | None = None
    stamp: tuple[int, int] = (0, 0)


def as_part10(raw: bytes | memoryview, name: str) -> bytes | memoryview:
    """File content as pydicom wants it: preamble added where absent, deflated content inflated up to the limit."""
    data = raw if raw[128:132] == b"DICM" else MAGIC + raw
    if DEFLATED not in bytes(data[:META_PROBE_BYTES]):
        return data
    end = _meta_length(data, name)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(data[end:], MOST_INFLATED_BYTES)
    except zlib.error:
        refuse(
            "file-cut", f"{name} is deflated and its data are damaged; copy the file again from the scanner.", [name]
        )
    if inflater.unconsumed_tail:
        refuse(
            "too-large",
            f"{name} inflates to more than {MOST_INFLATED_BYTES >> 20} MB; it is not a CT slice: copy it again from the "
            "scanner, or take it out.",
            [name],
        )
    if not inflater.eof:
        refuse("file-cut", f"{name} ends before its deflated data do; copy the file again from the scanner.", [name])
    if inflater.unused_data not in (b"", b"\0"):  # one byte makes an even length (PS3.5 A.5)
        excess = counted(len(inflater.unused_data), "byte")
        refuse(
            "excess-bytes",
            f"{name} holds {excess} after its deflated data that belong to nothing; copy it again.",
            [name],
        )
    return bytes(data[:end]).replace(DEFLATED, EXPLICIT) + body


def _meta_length(data: bytes | memoryview, name: str) -> int:
    """Where the file meta information of a deflated file ends: by its group length, or where its elements do."""
    try:
        if bytes(data[132:136]) == GROUP_LENGTH:
            return META_START + int(struct.unpack_from("<I", data, META_START - 4)[0])
        return meta_end(bytes(data[:META_PROBE_BYTES]))[0]
    except (Odd, struct.error):
        refuse(
            "file-damaged", f"{name} is damaged in its first elements; copy the file again from the scanner.", [name]
        )


def parse(path: Path, wanted: list[str]) -> Parsed:
    """Header and the place of the pixels.

    The problem is ``file-cut`` where the file ends too early, ``file-damaged`` where compressed pixels do not hang together,
    and ``excess-bytes`` where bytes follow that belong to nothing.
    """
    with path.open("rb", buffering=0) as raw:
        seen = stamp(path, raw)
        head = raw.read(HEAD_BYTES)
        deflated = DEFLATED in head[:META_PROBE_BYTES]
        ordinary = None if deflated else _ordinary(raw, head, seen[0])
        if ordinary is not None:
            return Parsed(ordinary.dataset, PixelElement(ordinary.offset, ordinary.length), stamp=seen)
        raw.seek(0)
        if head[128:132] == b"DICM" and not deflated:
            return _parse(io.BufferedReader(raw), path, wanted, seen)
        return _parse(io.BytesIO(as_part10(raw.readall(), shown(path))), path, wanted, seen, deflated=deflated)


def read_tags(path: Path, wanted: list[str]) -> Any:
    """A data set of these elements alone, whatever else the header holds."""
    with path.open("rb") as stream:
        return pydicom.dcmread(
            io.BytesIO(as_part10(stream.read(), shown(path))), stop_before_pixels=True, specific_tags=wanted
        )


def _ordinary(raw: io.RawIOBase, head: bytes, size: int) -> PlainFile | None:
    """The header if it is an ordinary one, be it as long as scanners' own elements make it."""
    found = walk(head, size)
    if found is not None or len(head) < HEAD_BYTES:
        return found
    return walk(head + (raw.read(LONG_HEAD_BYTES) or b""), size)


def _parse(stream: BinaryIO, path: Path, wanted: list[str], seen: tuple[int, int], *, deflated: bool = False) -> Parsed:
    dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=wanted)
    try:
        _header_is_whole(stream, path, dataset)
        _not_too_deep(stream, path, dataset.original_encoding)
        pixels = _pixels(stream, path, dataset.original_encoding)
        if deflated:
            _no_bomb(path, seen[0], stream.seek(0, io.SEEK_END), _claimed(dataset) if pixels else 0)
        return Parsed(dataset, pixels, stamp=seen)
    except InputRefused as problem:
        return Parsed(dataset, problem=problem, stamp=seen)


def _header_is_whole(stream: BinaryIO, path: Path, dataset: Any) -> None:
    """Refuse a header whose last element runs into the end of the file. Its value is dropped: half an identifier is another one."""
    start = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(start)
    ends = {tag: _end(dataset.get_item(tag)) for tag in list(dataset.keys())}
    for tag, end in ends.items():
        if end > size:
            del dataset[tag]
    end = max([start, *ends.values()])
    if end > size:
        cut(path, size, end)
    if not ends and _meta_end(dataset.file_meta, size) >= size:
        refuse(
            "file-cut", f"{shown(path)} ends within its first elements; copy the file again from the scanner.", [path]
        )


def _not_too_deep(stream: BinaryIO, path: Path, encoding: tuple[bool, bool]) -> None:
    """Refuse sequences within sequences, more than any scanner writes, which pydicom passes over where they have lengths."""
    end = stream.tell()
    stream.seek(0)
    header = stream.read(end)
    try:
        start = meta_end(header)[0]
    except (Odd, struct.error):
        return  # an unusual beginning says nothing of depth, and is judged elsewhere
    if too_deep(header, start, implicit=encoding[0], little=encoding[1]):
        deep = IN_WORDS["RecursionError"]
        refuse(
            "file-damaged", f"{shown(path)} is damaged ({deep} in its header); copy it again from the scanner.", [path]
        )


def _meta_end(meta: Any, size: int) -> int:
    """Where the file meta information ends by its own group length (PS3.10 7.1); at the end of the file where it has none."""
    length = meta.get("FileMetaInformationGroupLength")
    return size if length is None else META_START + int(length)


def _end(element: Any) -> int:
    """Where the value of an element as it lies in the file ends by its own length; 0 where it has none, or was parsed already."""
    length = getattr(element, "length", UNDEFINED)
    return 0 if length == UNDEFINED else int(element.value_tell) + int(length)


def _claimed(dataset: Any) -> int:
    """Bytes of pixels that the header accounts for."""
    numbers = [int(dataset.get(name) or 0) for name in ("Rows", "Columns", "BitsAllocated")]
    return numbers[0] * numbers[1] * numbers[2] // 8 * int(dataset.get("NumberOfFrames") or 1)


def _no_bomb(path: Path, packed: int, inflated: int, pixels: int) -> None:
    """Blank slices shrink a thousandfold and are sound; headers do not, nor do pixels that the header knows nothing of.

    So what is judged is the rest beyond the pixels, and pixels alone only where they are more than any slice has.
    """
    rest = inflated - min(pixels, inflated)
    if (rest > SMALL_HEADER_BYTES and rest > MOST_EXPANSION * packed) or (
        inflated > max(SMALL_FRAME_BYTES, MOST_EXPANSION * packed)
    ):
        refuse(
            "too-large",
            f"{shown(path)} has {packed} bytes and inflates to {inflated}, {inflated // packed} times its size, of which its "
            f"header accounts for {pixels} bytes of pixels; the limit is {MOST_EXPANSION} times. It is damaged, or made to fill "
            "the memory: copy it again from the scanner.",
            [path],
        )


def _pixels(stream: BinaryIO, path: Path, encoding: tuple[bool, bool]) -> PixelElement | None:
    """The pixel element the stream stands at, once its bytes are proved to be there and nothing odd behind them."""
    implicit, little = encoding
    order = "<" if little else ">"
    start = stream.tell()
    head = stream.read(12)
    size = stream.seek(0, io.SEEK_END)
    tag = struct.unpack(order + "HH", head[:4]) if len(head) >= 8 else (0, 0)
    if tag in OTHER_PIXELS:
        refuse(
            "float-pixels",
            f"{shown(path)} holds {OTHER_PIXELS[tag]}, no whole numbers in Pixel Data (7FE0,0010): export it as "
            "CT Image Storage, or save it as NIfTI or TIFF.",
            [path],
        )
    if tag != (PIXEL_GROUP, PIXEL_ELEMENT):
        return None
    if not implicit and len(head) < 12:
        cut(path, size, start + 12)
    (length,) = struct.unpack(order + "I", head[4:8] if implicit else head[8:12])
    offset = start + (8 if implicit else 12)
    end = _end_of_fragments(stream, offset, size, path) if length == UNDEFINED else offset + length
    if end > size:
        cut(path, size, end)
    elements_to_the_end(stream, end, size, encoding, path)
    return PixelElement(offset, None if length == UNDEFINED else length)


def _end_of_fragments(stream: BinaryIO, offset: int, size: int, path: Path) -> int:
    """Walk the items of encapsulated pixels (PS3.5 A.4) to their delimiter."""
    at = offset
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            cut(path, size, at + 8)
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == DELIMITER:
            return at + 8
        if (group, element) != ITEM:
            refuse(
                "file-damaged",
                f"{shown(path)}: its compressed pixels are not a chain of items at byte {at}; copy it again from the scanner.",
                [path],
            )
        at += 8 + length
