"""What a file is, by its first bytes, not by its name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Literal

__all__ = ["Kind", "sniff"]

Kind = Literal["dicom", "tiff", "png", "nifti", "nrrd", "metaimage", "numpy", "hdf5", "archive", "other", "unreadable"]

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEAD_BYTES = 512
HDF5, HDF5_AT = b"\x89HDF\r\n\x1a\n", (0, 512, 1024, 2048)
"""Where an HDF5 file says what it is: at its beginning, or behind a block of other content; MATLAB writes one of 512 bytes."""
BEGIN_BYTES = HDF5_AT[-1] + len(HDF5)
GZIP = b"\x1f\x8b"
NIFTI_MARK_AT = 344
PREAMBLE, PREAMBLE_END = 128, 132
ENCODINGS = (("<", True), (">", True), ("<", False))
"""Byte order, and whether elements name their value representation: explicit little and big endian, implicit little endian."""
META_GROUP = 0x0002
FIRST_GROUPS, LATER_GROUPS = (META_GROUP, 0x0008), range(META_GROUP, 0x0030)
LAST_FIRST_ELEMENT, LONGEST_FIRST = 0x0060, 1 << 12
LONG_KINDS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def sniff(path: Path) -> Kind:
    """The kind of one file; ``"other"`` for what no reader knows."""
    try:
        with path.open("rb") as stream:
            begin = stream.read(BEGIN_BYTES)
    except OSError:
        return "unreadable"
    head, name = begin[:HEAD_BYTES], path.name.lower()
    if head[:2] == GZIP:
        return _packed(head, name)
    if head[128:132] == b"DICM" or _bare_dicom(head):
        return "dicom"
    if 0 < len(head) < PREAMBLE_END and not any(head[:PREAMBLE]) and b"DICM".startswith(head[PREAMBLE:]):
        return "dicom"  # cut before it says so
    if head[:4] in TIFF:
        return "tiff"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:7] == b"NRRD000":
        return "nrrd"
    if name.endswith((".mhd", ".mha")) and b"NDims" in head:
        return "metaimage"
    if any(begin[at : at + 8] == HDF5 for at in HDF5_AT):
        return "hdf5"
    if head[:6] == b"\x93NUMPY" or (name.endswith(".npz") and head[:4] == b"PK\x03\x04"):
        return "numpy"
    if name.endswith((".nii", ".nii.gz")) or (name.endswith(".hdr") and _heads_a_pair(head)):
        return "nifti"
    if name.endswith(ARCHIVES) or head[:4] == b"PK\x03\x04" or head[257:262] == b"ustar":
        return "archive"
    return "other"


def _packed(head: bytes, name: str) -> Kind:
    """What a gzip holds, by the first bytes inside."""
    try:
        inside = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
    except zlib.error:
        inside = b""
    if name.endswith(".nii.gz") or inside[NIFTI_MARK_AT : NIFTI_MARK_AT + 4] == b"n+1\0" or inside[4:8] == b"n+2\0":
        return "nifti"
    return "archive" if name.endswith(ARCHIVES) or inside[257:262] == b"ustar" else "other"


def _heads_a_pair(head: bytes) -> bool:
    """The header of a NIfTI-1 or NIfTI-2 pair, whose values lie in a file of their own."""
    return head[NIFTI_MARK_AT : NIFTI_MARK_AT + 4] == b"ni1\0" or head[4:8] == b"ni2\0"


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble, in any of the three encodings of PS3.5: its first elements are of groups 2 or 8, in order."""
    return any(_in_order(head, encoding) for encoding in ENCODINGS)


def _in_order(head: bytes, encoding: tuple[str, bool]) -> bool:
    """Whether two elements, or one as long as the head, stand at the beginning, low tags in ascending order."""
    order, explicit = encoding
    at, last = 0, 0
    for _ in range(2):
        if len(head) < at + 12:
            return last > 0
        group, element = struct.unpack_from(order + "HH", head, at)
        tag = group << 16 | element
        if group not in (FIRST_GROUPS if last == 0 else LATER_GROUPS) or (last == 0 and element > LAST_FIRST_ELEMENT):
            return False
        if last and tag <= last:
            return False
        kind, long = head[at + 4 : at + 6], 0
        if explicit:
            if not (kind.isalpha() and kind.isupper()):
                return False
            long = 4 if kind in LONG_KINDS else 0
            (length,) = struct.unpack_from(order + ("I" if long else "H"), head, at + (8 if long else 6))
        else:
            (length,) = struct.unpack_from(order + "I", head, at + 4)
        if length > LONGEST_FIRST or (group == META_GROUP and not explicit):
            return False
        last = tag
        at += 8 + long + length
    return True
