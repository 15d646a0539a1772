"""DICOM headers -> one :class:`Slice` a frame, holding what geometry and values need and nothing personal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from pydicom import config
from pydicom.uid import UID

from soilscope.errors import InputRefused
from soilscope.ingest import frames
from soilscope.ingest.limits import MOST_PIXELS, MOST_PLANES
from soilscope.ingest.part10 import Parsed, PixelElement, parse
from soilscope.ingest.shown import shown
from soilscope.ingest.tags import TECHNICAL, joined, plain, technical_tags
from soilscope.ingest.verdict import counted, parsing, refuse
from soilscope.ingest.written import Unread, asked, length_of, number_of, numbers_of, tagged, whole_of

__all__ = ["CT_CLASSES", "Broken", "Encoding", "Headers", "NoImage", "Slice", "class_name", "read_headers"]

PATIENT_FREE = [
    "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageType", "NumberOfFrames", "InstanceNumber",
    "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "ImagesInAcquisition",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope",
    "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit", "ModalityLUTSequence", "BurnedInAnnotation",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ImageComments", *TECHNICAL,
]  # fmt: skip
"""The only elements read at all. Acquisition date and time tell two acquisitions apart and go no further."""

MODALITY_CHARACTERS = 16
"""The longest code string (PS3.5 6.2)."""

CT_CLASSES = {f"1.2.840.10008.5.1.4.1.1.2{kind}" for kind in ("", ".1", ".2")}
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage."""

GREY, PALETTE, CT = {"MONOCHROME1", "MONOCHROME2"}, "PALETTE COLOR", "1.2.840.10008.5.1.4.1.1.2"

NO_SCAN = {"colour", "one-bit"}
"""Refusals of what is sound and no scan: screenshots and dose sheets, masks of one bit a pixel."""

DIRECTORY = "DICOMDIR"
"""The one name the standard reserves (PS3.10 8.6): a list of files that lie elsewhere, not even opened."""


Tags = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the stored values of one frame are written (PS3.3 C.7.6.3)."""

    syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    pixels: PixelElement
    big_endian: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """One frame: where it lies, what its stored values mean. Lengths in mm; None where the header is silent.

    ``stamp`` is the size and time of the file when its header was read; ``unread`` is how elements were written that should be
    numbers and are none.
    """

    path: Path
    stamp: tuple[int, int]
    frame: int
    frames: int
    encoding: Encoding
    sop_class: str
    series_uid: str = field(repr=False)
    study_uid: str = field(repr=False)
    reference_uid: str = field(repr=False)
    modality: str
    image_type: tuple[str, ...]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    thickness: float | None
    step_hint: float | None
    slope: float | None
    intercept: float | None
    rescale_type: str | None
    has_modality_lut: bool
    padding: int | None
    padding_limit: int | None
    instance: int | None
    acquisition: int | None
    acquired: str = field(repr=False)
    acquisition_images: int | None
    kernel: str
    kvp: float | None
    lossy: bool
    tags: Tags
    unread: Mapping[str, str]

    @property
    def name(self) -> str:
        """File name, with the frame where a file holds several."""
        return shown(self.path) if self.frames == 1 else f"{shown(self.path)} (frame {self.frame + 1})"


@dataclass(frozen=True, slots=True)
class Broken:
    """A DICOM image file that cannot be trusted, and its series where that could still be read."""

    path: Path
    error: InputRefused
    series_uid: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NoImage:
    """A sound DICOM file that can be no slice: a report, a colour picture. ``kind`` is its storage class in words."""

    path: Path
    kind: str
    modality: str
    series_uid: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Headers:
    """What the header pass found: frames, broken files, files that can be no slice, and directories, which are not opened."""

    slices: tuple[Slice, ...]
    broken: tuple[Broken, ...]
    no_image: tuple[NoImage, ...]
    directories: tuple[Path, ...] = ()


def read_headers(paths: Iterable[Path]) -> Headers:
    """Read every header; damage is recorded, not raised."""
    found = _Pass()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values, which may be personal
        for path in paths:
            found.read(path)
    return Headers(tuple(found.slices), tuple(found.broken), tuple(found.no_image), tuple(found.directories))


class _Pass:
    """One pass over headers."""

    def __init__(self) -> None:
        self.slices: list[Slice] = []
        self.broken: list[Broken] = []
        self.no_image: list[NoImage] = []
        self.directories: list[Path] = []
        self._tags: dict[str | None, Tags] = {}

    def read(self, path: Path) -> None:
        if path.name.upper() == DIRECTORY:
            self.directories.append(path)
            return
        dataset: Any = None
        damaged = f"{shown(path)} is damaged ({{error}} in its header); copy it again from the scanner."
        try:
            with parsing("file-damaged", damaged, [path]):
                parsed = parse(path, PATIENT_FREE)
                dataset = parsed.dataset
                if parsed.problem is not None:
                    raise parsed.problem
                if parsed.pixels is not None:
                    self.slices.extend(_slices(path, parsed, parsed.pixels, self._tags_of(dataset)))
                elif _should_hold_pixels(dataset):
                    text = f"{shown(path)} ends before its pixels; copy the file again from the scanner."
                    refuse("file-cut", text, [path])
                else:
                    self.no_image.append(_no_image(path, dataset))
        except InputRefused as error:
            if error.code in NO_SCAN:
                self.no_image.append(_no_image(path, dataset))
            else:
                self.broken.append(Broken(path, error, _series_of(dataset)))

    def _tags_of(self, dataset: Any) -> Tags:
        """They describe the scan, so those of the series' first slice are enough."""
        uid = _series_of(dataset)
        if uid not in self._tags:
            self._tags[uid] = technical_tags(dataset)
        return self._tags[uid]


def _series_of(dataset: Any) -> str | None:
    try:
        return str(dataset.SeriesInstanceUID or "") or None
    except Exception:  # whatever is wrong with it, the series is unknown
        return None


def _no_image(path: Path, dataset: Any) -> NoImage:
    modality = "".join(c for c in str(dataset.get("Modality") or "") if c.isalnum())[:MODALITY_CHARACTERS]
    return NoImage(path, class_name(str(_declared(dataset) or "")), modality or "unknown", _series_of(dataset))


def class_name(uid: str) -> str:
    """A storage class in the standard's words (PS3.6 annex A); a private one's number goes nowhere."""
    name = str(UID(uid, validation_mode=config.IGNORE).name)
    return name if uid and name != uid else "unknown storage class"


def _declared(dataset: Any) -> Any:
    return dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")


def _should_hold_pixels(dataset: Any) -> bool:
    """A storage class of images, or no class at all because the file was cut before it."""
    declared = _declared(dataset)
    return not declared or "Image Storage" in UID(str(declared)).name or "Rows" in dataset


@dataclass(frozen=True, slots=True)
class _File:
    """What all frames of a file share."""

    path: Path
    stamp: tuple[int, int]
    dataset: Any
    encoding: Encoding
    frames: int
    tags: Tags


def _slices(path: Path, parsed: Parsed, pixels: PixelElement, tags: Tags) -> list[Slice]:
    dataset = parsed.dataset
    encoding = _encoding(path, dataset, pixels)
    count = _count(path, dataset, "NumberOfFrames", 1)
    if count > MOST_PLANES:
        refuse(
            "too-large",
            f"{shown(path)} claims {count} frames; the limit is {MOST_PLANES}: export it in parts, or copy it again if it "
            "holds fewer.",
            [path],
        )
    _length_fits(path, encoding, count)
    groups = frames.functional_groups(dataset, count, path)
    file = _File(path, parsed.stamp, dataset, encoding, count, tags)
    return [_slice(file, k, groups[k]) for k in range(count)]


def _encoding(path: Path, dataset: Any, pixels: PixelElement) -> Encoding:
    rows, columns = _count(path, dataset, "Rows"), _count(path, dataset, "Columns")
    if rows * columns > MOST_PIXELS:
        refuse(
            "too-large",
            f"{shown(path)} claims {rows} x {columns} pixels; the limit is {MOST_PIXELS}: copy it again from the scanner "
            "if it is smaller.",
            [path],
        )
    if _count(path, dataset, "SamplesPerPixel", 1) != 1:
        refuse(
            "colour",
            f"{shown(path)} is a colour picture (several samples per pixel), not CT values; choose the CT series.",
            [path],
        )
    allocated = _count(path, dataset, "BitsAllocated")
    if allocated == 1 and str(_declared(dataset)) not in CT_CLASSES:
        refuse("one-bit", f"{shown(path)} is a mask (one bit a pixel), not CT values; choose the CT series.", [path])
    stored_value = whole_of(asked(dataset, "BitsStored"))
    stored = 0 if stored_value == 0 else _count(path, dataset, "BitsStored", allocated)
    _not_coloured(path, dataset)
    high_value = whole_of(asked(dataset, "HighBit"))
    high = high_value if isinstance(high_value, int) else stored - 1
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
        text = (
            f"{shown(path)}: {counted(stored, 'bit')} stored up to bit {high} of {allocated} allocated, where a CT value has 8, 16 "
            "or 32 allocated and fits in; copy it again from the scanner."
        )
        refuse("bits", text, [path])
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "")
    little = bool(dataset.original_encoding[1])
    signed = bool(int(dataset.get("PixelRepresentation") or 0))
    return Encoding(syntax, rows, columns, allocated, stored, high, signed, pixels, not little)


def _not_coloured(path: Path, dataset: Any) -> None:
    """Refuse one sample a pixel that is said to be a colour: grey values are MONOCHROME1 or MONOCHROME2 (PS3.3 C.7.6.3.1.2)."""
    said = str(asked(dataset, "PhotometricInterpretation") or "").strip().upper()
    if not said or said in GREY or (said == PALETTE and not str(_declared(dataset)).startswith(CT)):
        return
    text = (
        f"{shown(path)} says that its one value a pixel is a colour ({tagged('PhotometricInterpretation')} {plain(said)}), "
        "which is no CT value; copy it again from the scanner."
    )
    refuse("photometric", text, [path])


def _count(path: Path, dataset: Any, name: str, absent: int | None = None) -> int:
    """A number that a picture needs, one at least; ``absent`` stands for one that is not there, or is 0."""
    value = whole_of(asked(dataset, name))
    if not value and absent is not None:
        return absent
    if not isinstance(value, int) or value < 1:
        _no_count(path, name, value)
    return value


def _no_count(path: Path, name: str, value: Any) -> NoReturn:
    said = "absent" if value is None else f"written as {value.text}" if isinstance(value, Unread) else str(value)
    text = f"{shown(path)} is damaged: {tagged(name)} is {said}, and no picture has fewer than 1; copy it again from the scanner."
    refuse("file-damaged", text, [path])


def _length_fits(path: Path, encoding: Encoding, count: int) -> None:
    if encoding.pixels.length is None:
        return
    wanted = encoding.rows * encoding.columns * encoding.bits_allocated // 8 * count
    found = encoding.pixels.length
    if found not in (wanted, wanted + wanted % 2):
        refuse(
            "pixel-length",
            f"{shown(path)}: {encoding.rows} x {encoding.columns} pixels of {encoding.bits_allocated} bits in {count} frame(s) "
            f"are {wanted} bytes, but the file holds {found}; copy it again from the scanner.",
            [path],
        )


class _Numbers:
    """The numbers of one frame, and those that are none as they were written."""

    def __init__(self, dataset: Any, group: frames.Group) -> None:
        self._dataset, self._group = dataset, group
        self.unread: dict[str, str] = {}

    def _asked(self, name: str, made: Callable[[Any], Any]) -> Any:
        value = made(self._group[name] if name in self._group else asked(self._dataset, name))
        if isinstance(value, Unread):
            self.unread[name] = value.text
            return None
        return value

    def number(self, name: str) -> float | None:
        return cast(float | None, self._asked(name, number_of))

    def length(self, name: str) -> float | None:
        return cast(float | None, self._asked(name, length_of))

    def whole(self, name: str) -> int | None:
        return cast(int | None, self._asked(name, whole_of))

    def several(self, name: str, count: int) -> tuple[float, ...] | None:
        return cast(tuple[float, ...] | None, self._asked(name, lambda value: numbers_of(value, count)))


def _slice(file: _File, frame: int, group: frames.Group) -> Slice:
    dataset = file.dataset
    say = _Numbers(dataset, group)
    image_type = dataset.get("ImageType") or ()
    return Slice(
        path=file.path,
        stamp=file.stamp,
        frame=frame,
        frames=file.frames,
        encoding=file.encoding,
        sop_class=str(dataset.get("SOPClassUID") or ""),
        series_uid=str(dataset.get("SeriesInstanceUID") or ""),
        study_uid=str(dataset.get("StudyInstanceUID") or ""),
        reference_uid=str(dataset.get("FrameOfReferenceUID") or ""),
        modality=str(dataset.get("Modality") or ""),
        image_type=(image_type,) if isinstance(image_type, str) else tuple(map(str, image_type)),
        position=say.several("ImagePositionPatient", 3),
        orientation=say.several("ImageOrientationPatient", 6),
        pixel_spacing=say.several("PixelSpacing", 2),
        thickness=say.length("SliceThickness"),
        step_hint=say.length("SpacingBetweenSlices"),
        slope=say.number("RescaleSlope"),
        intercept=say.number("RescaleIntercept"),
        rescale_type=str(group.get("RescaleType") or "").strip().upper() or None,
        has_modality_lut=bool(dataset.get("ModalityLUTSequence")),
        padding=say.whole("PixelPaddingValue"),
        padding_limit=say.whole("PixelPaddingRangeLimit"),
        instance=say.whole("InstanceNumber"),
        acquisition=say.whole("AcquisitionNumber"),
        acquired=" ".join(
            str(dataset.get(n) or "") for n in ("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")
        ),
        acquisition_images=say.whole("ImagesInAcquisition"),
        kernel=joined(dataset.get("ConvolutionKernel") or ""),
        kvp=say.number("KVP"),
        lossy=str(dataset.get("LossyImageCompression") or "") == "01",
        tags=file.tags,
        unread=say.unread,
    )
