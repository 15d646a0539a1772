"""The header of an ordinary little-endian file, walked element by element without a parser's ceremony.

Nearly every file a scanner writes has a preamble, explicit or implicit little endian, elements in ascending order and
values that mean one thing. Those are read here in a fifth of the time. At the first thing out of the ordinary the answer is
None, and :mod:`soilscope.ingest.part10` reads the file with pydicom: this module never judges, and where it answers, it answers
what pydicom would (PS3.5 6.2 and 7.1; a property test compares the two on mutated files).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from soilscope.ingest.limits import MOST_NESTED

__all__ = ["LONG", "SHORT", "UNDEFINED", "Odd", "Plain", "PlainFile", "meta_end", "walk"]

SYNTAXES = {b"1.2.840.10008.1.2": True, b"1.2.840.10008.1.2.1": False}
"""Transfer syntaxes walked here, and whether their value representations are implicit."""

SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations with lengths of 16 and of 32 bits (PS3.5 7.1.2)."""

CHARACTER_SETS = (b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 192")
"""Character sets in which printable ASCII means itself."""

META_GROUP, PIXELS, UNDEFINED = 0x0002, 0x7FE00010, 0xFFFFFFFF
FIRST_UNUSUAL = 0x7FE00001
"""Elements from here on other than Pixel Data are float pixels, offset tables, or out of order."""
LONGEST_VALUE = 1024
ITEM, NESTED_BYTES = b"\xfe\xff\x00\xe0", 16 * MOST_NESTED
"""An item of a sequence, and the fewest bytes of sequences that lie too deep in one another."""
NUMBER = re.compile(rb" *([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?) *")
WHOLE = re.compile(rb" *([+-]?\d{1,9}) *")
IDENTIFIER = re.compile(rb"([0-9.]*)[\0 ]*")
TEXT = re.compile(rb"[\x20-\x7e]*")
TRAILING = b"\0 "
MEMORY = 4096
"""Values remembered: slices of one series repeat nearly all of theirs."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Elements by keyword; asked like a pydicom data set. An element present without a value is None."""

    values: Mapping[str, Any]
    file_meta: Mapping[str, str]
    original_encoding: tuple[bool, bool]

    def get(self, name: str) -> Any:
        """The value of an element, None where it is absent or empty."""
        return self.values.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A header, where the value of Pixel Data starts, and its length."""

    dataset: Plain
    offset: int
    length: int


class Odd(Exception):
    """Something out of the ordinary: pydicom is asked."""


def _decimals(count: int) -> Callable[[bytes], Any]:
    @lru_cache(MEMORY)
    def read(raw: bytes) -> Any:
        found = [NUMBER.fullmatch(part) for part in raw.split(b"\\")]
        if len(found) != count:
            raise Odd
        numbers = tuple(float(one[1]) if one else _odd() for one in found)
        return numbers[0] if count == 1 else numbers

    return read


def _odd() -> Any:
    raise Odd


@lru_cache(MEMORY)
def _whole(raw: bytes) -> int:
    found = WHOLE.fullmatch(raw)
    return int(found[1]) if found else int(_odd())


@lru_cache(MEMORY)
def _text(raw: bytes) -> str:
    """One value of printable ASCII."""
    plain = raw.rstrip(TRAILING)
    if b"\\" in plain or not TEXT.fullmatch(plain):
        raise Odd
    return plain.decode("ascii")


@lru_cache(MEMORY)
def _identifier(raw: bytes) -> str:
    found = IDENTIFIER.fullmatch(raw)
    return found[1].decode("ascii") if found else str(_odd())


@lru_cache(MEMORY)
def _texts(raw: bytes) -> Any:
    """One value as text, several as a tuple; a blank before a backslash is read in more than one way."""
    plain = raw.rstrip(TRAILING)
    if b" \\" in plain or b"\\ " in plain or not TEXT.fullmatch(plain):
        raise Odd
    parts = tuple(plain.decode("ascii").split("\\"))
    return parts if len(parts) > 1 else parts[0]


def _binary(form: str) -> Callable[[bytes], Any]:
    packed = struct.Struct(form)

    def read(raw: bytes) -> Any:
        return packed.unpack(raw)[0] if len(raw) == packed.size else _odd()

    return read


def _never(_raw: bytes) -> Any:
    raise Odd


Reader = Callable[[bytes], Any]
DS, DS2, DS3, DS6 = (_decimals(n) for n in (1, 2, 3, 6))
US, SS, FD = _binary("<H"), _binary("<h"), _binary("<d")

WANTED: Mapping[int, tuple[str, bytes, Reader]] = {
    0x00080005: ("SpecificCharacterSet", b"CS", _text),
    0x00080008: ("ImageType", b"CS", _texts),
    0x00080016: ("SOPClassUID", b"UI", _identifier),
    0x00080022: ("AcquisitionDate", b"DA", _text),
    0x0008002A: ("AcquisitionDateTime", b"DT", _text),
    0x00080032: ("AcquisitionTime", b"TM", _text),
    0x00080060: ("Modality", b"CS", _text),
    0x00080070: ("Manufacturer", b"LO", _text),
    0x00081090: ("ManufacturerModelName", b"LO", _text),
    0x00180050: ("SliceThickness", b"DS", DS),
    0x00180060: ("KVP", b"DS", DS),
    0x00180088: ("SpacingBetweenSlices", b"DS", DS),
    0x00180090: ("DataCollectionDiameter", b"DS", DS),
    0x00181100: ("ReconstructionDiameter", b"DS", DS),
    0x00181120: ("GantryDetectorTilt", b"DS", DS),
    0x00181150: ("ExposureTime", b"IS", _whole),
    0x00181151: ("XRayTubeCurrent", b"IS", _whole),
    0x00181152: ("Exposure", b"IS", _whole),
    0x00181160: ("FilterType", b"SH", _texts),
    0x00181210: ("ConvolutionKernel", b"SH", _texts),
    0x00189311: ("SpiralPitchFactor", b"FD", FD),
    0x0020000D: ("StudyInstanceUID", b"UI", _identifier),
    0x0020000E: ("SeriesInstanceUID", b"UI", _identifier),
    0x00200012: ("AcquisitionNumber", b"IS", _whole),
    0x00200013: ("InstanceNumber", b"IS", _whole),
    0x00200032: ("ImagePositionPatient", b"DS", DS3),
    0x00200037: ("ImageOrientationPatient", b"DS", DS6),
    0x00200052: ("FrameOfReferenceUID", b"UI", _identifier),
    0x00201002: ("ImagesInAcquisition", b"IS", _whole),
    0x00204000: ("ImageComments", b"LT", _text),
    0x00280002: ("SamplesPerPixel", b"US", US),
    0x00280004: ("PhotometricInterpretation", b"CS", _text),
    0x00280008: ("NumberOfFrames", b"IS", _whole),
    0x00280010: ("Rows", b"US", US),
    0x00280011: ("Columns", b"US", US),
    0x00280030: ("PixelSpacing", b"DS", DS2),
    0x00280100: ("BitsAllocated", b"US", US),
    0x00280101: ("BitsStored", b"US", US),
    0x00280102: ("HighBit", b"US", US),
    0x00280103: ("PixelRepresentation", b"US", US),
    0x00280120: ("PixelPaddingValue", b"", _never),
    0x00280121: ("PixelPaddingRangeLimit", b"", _never),
    0x00280301: ("BurnedInAnnotation", b"CS", _text),
    0x00281052: ("RescaleIntercept", b"DS", DS),
    0x00281053: ("RescaleSlope", b"DS", DS),
    0x00281054: ("RescaleType", b"LO", _text),
    0x00282110: ("LossyImageCompression", b"CS", _text),
    0x00283000: ("ModalityLUTSequence", b"SQ", _never),
    0x52009229: ("SharedFunctionalGroupsSequence", b"SQ", _never),
    0x52009230: ("PerFrameFunctionalGroupsSequence", b"SQ", _never),
}
"""The elements that are read, with the representation they have and how their bytes are understood."""

PADDING = (0x00280120, 0x00280121)
SIGNED_OR_NOT: Mapping[bytes, Reader] = {b"US": US, b"SS": SS}


@dataclass(slots=True)
class _Found:
    """What a walk collects."""

    values: dict[str, Any] = field(default_factory=dict)
    padding: dict[str, bytes] = field(default_factory=dict)


def walk(head: bytes, size: int) -> PlainFile | None:
    """The header of a file, if everything about it is ordinary.

    Parameters
    ----------
    head : bytes
        The file's first bytes, its whole header among them.
    size : int
        Length of the whole file.

    Returns
    -------
    PlainFile or None
        None where anything is out of the ordinary, damage included, or the header is longer than ``head``.
    """
    try:
        if head[128:132] != b"DICM":
            return None
        at, syntax = meta_end(head)
        implicit = SYNTAXES.get(syntax)
        if implicit is None:
            return None
        found = _Found()
        offset, length = (_walk_implicit if implicit else _walk_explicit)(head, at, found)
        if offset + length != size:
            return None
        _settle(found)
    except (Odd, struct.error):
        return None
    meta = {"TransferSyntaxUID": syntax.decode("ascii")}
    return PlainFile(Plain(found.values, meta, (implicit, True)), offset, length)


TAG = struct.Struct("<HH")
EXPLICIT = struct.Struct("<HH2sH")
IMPLICIT = struct.Struct("<HHI")
LENGTH = struct.Struct("<I")


def meta_end(head: bytes) -> tuple[int, bytes]:
    """Where the file meta information ends, and the transfer syntax it names."""
    at, last, syntax = 132, 0, b""
    while TAG.unpack_from(head, at)[0] == META_GROUP:
        group, element, kind, length = EXPLICIT.unpack_from(head, at)
        at += 8
        if kind in LONG:
            (length,) = LENGTH.unpack_from(head, at)
            at += 4
        elif kind not in SHORT:
            raise Odd
        tag = group << 16 | element
        if tag <= last or at + length > len(head):
            raise Odd
        if element == 0x0010:
            if kind != b"UI":
                raise Odd
            syntax = head[at : at + length].rstrip(TRAILING)
        last = tag
        at += length
    return at, syntax


def _walk_explicit(head: bytes, at: int, found: _Found) -> tuple[int, int]:
    last, unpack, wanted, values = 0, EXPLICIT.unpack_from, WANTED, found.values
    while True:
        group, element, kind, length = unpack(head, at)
        at += 8
        if kind not in SHORT:
            if kind not in LONG:
                raise Odd
            (length,) = LENGTH.unpack_from(head, at)
            at += 4
            if kind == b"SQ" and length > NESTED_BYTES:
                _few_items(head, at, length)
        tag = group << 16 | element
        if tag == PIXELS and length != UNDEFINED and kind in LONG:
            return at, length
        if tag <= last or length == UNDEFINED or tag >= FIRST_UNUSUAL:
            raise Odd
        entry = wanted.get(tag)
        if entry is not None:
            if kind == entry[1] and 0 < length <= LONGEST_VALUE and at + length <= len(head):
                values[entry[0]] = entry[2](head[at : at + length])
            else:
                _keep(found, tag, kind, head[at : at + length], length)
        last = tag
        at += length


def _walk_implicit(head: bytes, at: int, found: _Found) -> tuple[int, int]:
    if _looks_explicit(head[at + 4 : at + 6]):
        raise Odd
    last, unpack, wanted = 0, IMPLICIT.unpack_from, WANTED
    while True:
        group, element, length = unpack(head, at)
        at += 8
        tag = group << 16 | element
        if tag == PIXELS and length != UNDEFINED:
            return at, length
        if tag <= last or length == UNDEFINED or tag >= FIRST_UNUSUAL:
            raise Odd
        if length > NESTED_BYTES:
            _few_items(head, at, length)
        if tag in wanted:
            _keep(found, tag, None, head[at : at + length], length)
        last = tag
        at += length


def _few_items(head: bytes, at: int, length: int) -> None:
    """Leave to others what holds so many items that they may lie too deep in one another."""
    if head.count(ITEM, at, at + length) > MOST_NESTED:
        raise Odd


def _looks_explicit(kind: bytes) -> bool:
    """Two bytes that a parser might take for a value representation after all."""
    return all(0x40 < byte < 0x5B for byte in kind)


def _keep(found: _Found, tag: int, kind: bytes | None, raw: bytes, length: int) -> None:
    name, usual, reader = WANTED[tag]
    if length > LONGEST_VALUE or len(raw) != length:
        raise Odd
    if tag in PADDING:
        if kind is None and length:
            found.padding[name] = raw
            return
        reader = SIGNED_OR_NOT.get(kind or b"US", _never)
    elif reader is _never or kind not in (None, usual):
        raise Odd
    found.values[name] = reader(raw) if length else None


def _settle(found: _Found) -> None:
    """Character set, and the padding whose sign only Pixel Representation tells."""
    characters = found.values.pop("SpecificCharacterSet", None) or ""
    if characters.encode() not in CHARACTER_SETS:
        raise Odd
    if found.padding:
        representation = found.values.get("PixelRepresentation")
        if representation not in (0, 1):
            raise Odd
        reader = SS if representation else US
        found.values.update({name: reader(raw) for name, raw in found.padding.items()})
