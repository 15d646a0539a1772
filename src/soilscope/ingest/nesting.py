"""How deep sequences lie in one another in a DICOM header: parsers follow them, and no scanner writes hundreds (PS3.5 7.5)."""

from __future__ import annotations

import struct

from soilscope.ingest.limits import MOST_NESTED
from soilscope.ingest.plain import LONG, SHORT, UNDEFINED

__all__ = ["too_deep"]

DELIMITERS, ITEM, END = 0xFFFE, 0xE000, 0xE0DD
NO_END = 1 << 62


def too_deep(header: bytes, at: int, *, implicit: bool, little: bool) -> bool:
    """Whether more than :data:`~soilscope.ingest.limits.MOST_NESTED` sequences lie in one another.

    Parameters
    ----------
    header : bytes
        A file up to its pixels.
    at : int
        Where its first element behind the file meta information begins.
    """
    order = "<" if little else ">"
    item = struct.pack(order + "HH", DELIMITERS, ITEM)
    if header.count(item) <= MOST_NESTED:
        return False
    try:
        return _goes_deep(header, at, (order, implicit, item))
    except struct.error:
        return False  # cut; who reads it says so


def _goes_deep(header: bytes, at: int, how: tuple[str, bool, bytes]) -> bool:
    order, implicit, item = how
    tag, short, long = struct.Struct(order + "HH"), struct.Struct(order + "H"), struct.Struct(order + "I")
    ends: list[int] = []
    while at < len(header):
        while ends and at >= ends[-1]:
            ends.pop()
        group, element = tag.unpack_from(header, at)
        if group == DELIMITERS:
            at += 8
            if element == END and ends:
                ends.pop()
            continue
        kind = b"" if implicit else header[at + 4 : at + 6]
        if kind in SHORT:
            (length,) = short.unpack_from(header, at + 6)
            at += 8
        else:
            (length,) = long.unpack_from(header, at + (8 if kind in LONG else 4))
            at += 12 if kind in LONG else 8
        if kind == b"SQ" or (kind not in SHORT and header.startswith(item, at)):
            ends.append(NO_END if length == UNDEFINED else at + length)
            if len(ends) > MOST_NESTED:
                return True
        elif length == UNDEFINED:
            return False
        else:
            at += length
    return False
