"""What stands behind the pixels of a DICOM file: whole elements to the last byte, or bytes that belong to nothing.

Data elements follow each other in ascending order of their tags (PS3.5 7.1), so that only a few can follow Pixel Data (7FE0,0010):
digital signatures, Data Set Trailing Padding (FFFC,FFFC), and makers' own groups.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from soilscope.ingest.plain import LONG, SHORT
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import counted, refuse

__all__ = ["cut", "elements_to_the_end"]

PIXELS = 0x7FE00010
STANDARD_GROUPS = {0x7FE0, 0xFFFA, 0xFFFC}
"""Groups of the standard's own elements that can follow Pixel Data."""
NO_GROUPS = {0xFFFE, 0xFFFF}
"""Items stand in sequences alone, and no maker owns the last group (PS3.5 7.1)."""
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
MOST_NESTED = 16
"""Sequences in sequences of undefined length."""


def cut(path: Path, size: int, wanted: int) -> NoReturn:
    """Refuse a file that ends too early.

    Raises
    ------
    InputRefused
        Code ``file-cut``.
    """
    text = f"{shown(path)} ends at byte {size}, but its header promises {wanted} bytes; copy the file again from the scanner."
    refuse("file-cut", text, [path])


def elements_to_the_end(
    stream: BinaryIO, start: int, size: int, encoding: tuple[bool, bool], path: Path, last: int = PIXELS
) -> None:
    """Walk the elements behind the pixels, from ``start`` to the end of the file at ``size``.

    Parameters
    ----------
    encoding : (bool, bool)
        Whether value representations are implicit, and whether the byte order is little endian.
    last : int
        The tag that all of them must be beyond.

    Raises
    ------
    InputRefused
        Codes ``file-cut`` (the file ends inside an element) and ``excess-bytes`` (what stands there is no element).
    """
    tail = _Tail(stream, size, path, encoding[0], "<" if encoding[1] else ">")
    at = start
    while at < size:
        at, last = tail.element(at, last)


@dataclass(frozen=True, slots=True)
class _Tail:
    stream: BinaryIO
    size: int
    path: Path
    implicit: bool
    order: str

    def element(self, at: int, last: int) -> tuple[int, int]:
        """Where the element at a byte ends, and its tag."""
        tag, kind, length, start = self._head(at, last)
        if length != UNDEFINED:
            if start + length > self.size:
                if self.implicit and tag >> 16 not in STANDARD_GROUPS:
                    self._excess(at)
                cut(self.path, self.size, start + length)
            return start + length, tag
        if kind not in (b"SQ", b"UN", b""):
            self._excess(at)
        inner = _Tail(self.stream, self.size, self.path, True, "<") if kind == b"UN" else self  # PS3.5 6.2.2
        return inner.sequence(start, 1), tag

    def sequence(self, at: int, depth: int) -> int:
        """Where a sequence of undefined length ends, its first item being at a byte."""
        if depth > MOST_NESTED:
            self._excess(at)
        while True:
            tag, length = self._marker(at)
            at += 8
            if tag == SEQUENCE_END and length == 0:
                return at
            if tag != ITEM:
                self._excess(at - 8)
            at = self._item(at, depth) if length == UNDEFINED else at + length

    def _item(self, at: int, depth: int) -> int:
        last = 0
        while self._tag(at) != ITEM_END:
            tag, kind, length, start = self._head(at, last)
            if length == UNDEFINED and kind not in (b"SQ", b"UN", b""):
                self._excess(at)
            at, last = self.sequence(start, depth + 1) if length == UNDEFINED else start + length, tag
        self._marker(at)
        return at + 8

    def _head(self, at: int, last: int) -> tuple[int, bytes, int, int]:
        """Tag, value representation (none where it is implicit), length, and where the value starts."""
        tag = self._tag(at)
        if tag <= last or tag >> 16 in NO_GROUPS:
            self._excess(at)
        head = self._bytes(at, 8)
        if self.implicit:
            return tag, b"", self._long(head[4:]), at + 8
        kind = head[4:6]
        if kind in SHORT:
            return tag, kind, struct.unpack(self.order + "H", head[6:])[0], at + 8
        if kind not in LONG:
            self._excess(at)
        return tag, kind, self._long(self._bytes(at + 8, 4)), at + 12

    def _marker(self, at: int) -> tuple[int, int]:
        return self._tag(at), self._long(self._bytes(at + 4, 4))

    def _tag(self, at: int) -> int:
        if at + 4 > self.size:
            if at < self.size:
                self._excess(at)
            cut(self.path, self.size, at + 8)
        group, element = struct.unpack(self.order + "HH", self._bytes(at, 4))
        return int(group << 16 | element)

    def _long(self, four: bytes) -> int:
        return int(struct.unpack(self.order + "I", four)[0])

    def _bytes(self, at: int, count: int) -> bytes:
        if at + count > self.size:
            cut(self.path, self.size, at + count)
        self.stream.seek(at)
        return self.stream.read(count)

    def _excess(self, at: int) -> NoReturn:
        many = counted(self.size - at, "byte")
        refuse(
            "excess-bytes",
            f"{shown(self.path)} holds {many} after its pixels (byte {at} on) that belong to nothing; copy it again "
            "from the scanner.",
            [self.path],
        )
