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
GZIP = b"\x1f\x8b"
NIFTI_MARK_AT = 344
PREAMBLE, PREAMBLE_END = 128, 132
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def sniff(path: Path) -> Kind:
    """The kind of one file; ``"other"`` for what no reader knows."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return "unreadable"
    name = path.name.lower()
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
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if head[:6] == b"\x93NUMPY" or (name.endswith(".npz") and head[:4] == b"PK\x03\x04"):
        return "numpy"
    if name.endswith((".nii", ".nii.gz")):
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


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble starts with an element of group 0002 or 0008, low element number, sane length."""
    if len(head) < 16:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if group not in (0x0002, 0x0008) or element > 0x0060:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    (length,) = struct.unpack("<I", head[4:8])
    return bool(length <= 128 and group == 0x0008)
