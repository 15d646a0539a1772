"""Habits of scanners and archives that leave a scan sound: each is read to the values that were written, voxel by voxel."""

from __future__ import annotations

import copy
import gzip

import numpy as np
import pydicom
import pytest
from dicom_files import save, series
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from soilscope import read
from soilscope.errors import InputRefused
from soilscope.ingest import inspect

POSITION, ORIENTATION, SPACING = 0x00200032, 0x00200037, 0x00280030
SLOPE, INTERCEPT, TYPE = 0x00281053, 0x00281052, 0x00281054
NUMBER, UID, CLASS, MODALITY, EXPOSURE = 0x00200013, 0x0020000E, 0x00080016, 0x00080060, 0x00181152


def soil() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 3000, (7, 20, 18)).astype(np.int16)


def bare(dataset: Dataset, tag: int, text: bytes, kind: str | None = None) -> None:
    """Put these bytes where the value of an element stands, as a writer with its own ideas would."""
    kind = kind or dataset[tag].VR
    dataset._dict[Tag(tag)] = RawDataElement(
        Tag(tag), kind, len(text), text, 0, False, True
    )  # pydicom mends what it is given


def sound(folder, *, but=frozenset()):
    """The scan is read as it was written, whatever is told beside ``but``."""
    volume = read(folder)
    np.testing.assert_array_equal(volume.values, soil() - 1024)
    assert volume.valid.all()
    assert volume.spacing_mm == (0.5, 0.4, 0.3)
    assert {f.code for f in volume.findings} == {"top-assumed", *but}
    assert inspect(folder).series[0].usable


TEXTS = {
    "blanks around numbers": {
        POSITION: b"-5.0   \\ -6.0 \\ 1%02d.00  ",
        SLOPE: b"1.0 ",
        SPACING: b"0.4 \\0.3  ",
    },
    "exponents": {
        POSITION: b"-5e+00\\-6.000E0\\1.%02de+02",
        SLOPE: b"1.00000e+00",
        INTERCEPT: b"-1.024E+03",
        SPACING: b"4.0e-01\\3.e-1",
    },
    "a plus": {POSITION: b"-5\\-6\\+1%02d.0"},
    "numbers ended by NUL": {SLOPE: b"1\0", INTERCEPT: b"-1024\0"},
    "more digits than DS may have": {
        POSITION: b"-5.00000000000000000\\-6.0000000000000000000\\1%02d.000000000000000000"
    },
    "whole numbers with decimals": {NUMBER: b"%d.0"},
    "an exposure that is no whole number": {EXPOSURE: b"3.5 "},
    "UID ended by several NUL": {UID: b"1.2.3.4\0\0\0"},
    "UID ended by a blank": {UID: b"1.2.3.4 ", CLASS: b"1.2.840.10008.5.1.4.1.1.2 "},
    "blanks behind code strings": {MODALITY: b"CT  ", TYPE: b" HU "},
    "small letters": {MODALITY: b"ct", TYPE: b"hu"},
}


@pytest.mark.parametrize("habit", TEXTS)
def test_numbers_and_names_may_be_written_in_a_writers_own_way(tmp_path, habit):
    slices = series(soil(), step=(0, 0, 1), SliceThickness=1)
    for k, one in enumerate(slices):
        one.Exposure = 3
        for tag, text in TEXTS[habit].items():
            value = text % k if b"%" in text else text
            bare(one, tag, value + b" " * (len(value) % 2))
    volume = read(save(slices, tmp_path))
    np.testing.assert_array_equal(volume.values, soil() - 1024)
    np.testing.assert_allclose(volume.spacing_mm, (1, 0.4, 0.3))
    assert {f.code for f in volume.findings} == {"top-assumed"}


TAGS = {
    "SliceLocation the other way": lambda k, d: setattr(d, "SliceLocation", -(100 + 0.5 * k)),
    "SpacingBetweenSlices below zero": lambda k, d: setattr(d, "SpacingBetweenSlices", -0.5),
    "no SliceThickness": lambda k, d: delattr(d, "SliceThickness"),
    "SliceThickness empty": lambda k, d: setattr(d, "SliceThickness", None),
    "SliceThickness 0": lambda k, d: setattr(d, "SliceThickness", 0),
    "another number in each slice's series": lambda k, d: setattr(d, "SeriesNumber", k),
    "no AcquisitionNumber, no InstanceNumber": lambda k, d: (
        delattr(d, "AcquisitionNumber"),
        delattr(d, "InstanceNumber"),
    ),
    "an AcquisitionNumber a slice": lambda k, d: setattr(d, "AcquisitionNumber", k + 1),
    "slices acquired in any order": lambda k, d: setattr(d, "AcquisitionTime", f"1200{5 * k % 7:02d}"),
    "one frame, said so": lambda k, d: setattr(d, "NumberOfFrames", 1),
    "number of frames empty": lambda k, d: setattr(d, "NumberOfFrames", None),
    "ImageType of each half rotation": lambda k, d: setattr(
        d, "ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", f"CT_SOM5 {k % 2}"]
    ),
    "a reformatted stack": lambda k, d: setattr(d, "ImageType", ["DERIVED", "SECONDARY", "MPR"]),
    "an icon": lambda k, d: setattr(d, "IconImageSequence", [copy.deepcopy(series(soil()[:1])[0])]),
    "an overlay": lambda k, d: (
        d.add_new(0x60000010, "US", 20),
        d.add_new(0x60000011, "US", 18),
        d.add_new(0x60003000, "OW", bytes(46)),
    ),
    "padding behind the pixels": lambda k, d: d.add_new(0xFFFCFFFC, "OB", bytes(200)),
    "group lengths": lambda k, d: [d.add_new(group, "UL", 100) for group in (0x00080000, 0x00200000, 0x00280000)],
    "declared padding that is nowhere, US": lambda k, d: d.add_new(0x00280120, "US", 63536),
    "declared padding that is nowhere, OW": lambda k, d: d.add_new(
        0x00280120, "OW", (-2000).to_bytes(2, "little", signed=True)
    ),
    "declared padding, empty": lambda k, d: d.add_new(0x00280120, "US", None),
}


@pytest.mark.parametrize("habit", TAGS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_tags_that_say_no_more_change_nothing(tmp_path, habit, syntax):
    slices = series(soil())
    for k, one in enumerate(slices):
        one.file_meta.TransferSyntaxUID = syntax
        TAGS[habit](k, one)
    sound(save(slices, tmp_path))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_private_elements_of_the_makers_are_passed_over(tmp_path, syntax):
    slices = series(soil())
    for one in slices:
        one.file_meta.TransferSyntaxUID = syntax
        siemens = one.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        siemens.add_new(0x08, "CS", "IMAGE NUM 4")
        siemens.add_new(0x10, "OB", b"SV10" + bytes(20_000))
        one.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x23, "DS", "0.625")
        one.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x5F, "SQ", [Dataset()])
        one.private_block(0x7005, "TOSHIBA_MEC_CT3", create=True).add_new(0x0B, "UN", b"\1\2\3\4")
    sound(save(slices, tmp_path))


@pytest.mark.parametrize("charset", [None, "ISO_IR 999", ["", "ISO 2022 IR 87"]])
def test_letters_beyond_ascii_need_no_character_set_to_be_passed_over(tmp_path, charset):
    """39. ... and none of them gets further than the header."""
    folder = save(series(soil()), tmp_path)
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        if charset is not None:
            dataset.SpecificCharacterSet = charset
        for tag, kind, text in (
            (0x00100010, "PN", b"M\xfcller^J "),
            (0x00081010, "SH", b"St\xe4tion "),
            (0x00181210, "SH", b"B70\xe4"),
        ):
            bare(dataset, tag, text, kind)
        dataset.save_as(file, enforce_file_format=True)
    sound(folder)
    assert "ller^J" not in repr(read(folder)) + repr(read(folder).source) + repr(inspect(folder))


@pytest.mark.parametrize("place", [b"\x18\x00\x10\x12SH", b"\x20\x00\x32\x00DS"])
def test_a_value_of_odd_length_is_read(tmp_path, place):
    """PS3.5 7.1.1 wants even lengths; not every writer knows."""
    folder = save(series(soil()), tmp_path)
    for file in folder.iterdir():
        data = file.read_bytes()
        at = data.index(place)
        length = int.from_bytes(data[at + 6 : at + 8], "little")
        value = data[at + 8 : at + 8 + length].rstrip(b" ")
        value += (
            b"" if len(value) % 2 else b"." if value.endswith(b"0") and b"." not in value.split(b"\\")[-1] else b"0"
        )
        file.write_bytes(data[: at + 6] + len(value).to_bytes(2, "little") + value + data[at + 8 + length :])
    sound(folder)


@pytest.mark.parametrize("cut", ["preamble and meta information", "length of the meta information"])
def test_a_file_may_lack_what_comes_before_its_data_set(tmp_path, cut):
    folder = save(series(soil()), tmp_path)
    for file in folder.iterdir():
        data = file.read_bytes()
        if cut == "length of the meta information":
            at = data.index(b"\x02\x00\x00\x00UL")
            file.write_bytes(data[:at] + data[at + 12 :])
        else:
            file.write_bytes(data[144 + int.from_bytes(data[140:144], "little") :])
    sound(folder)


@pytest.mark.parametrize("own_uid", [True, False])
def test_two_localizers_beside_a_scan_are_listed_and_left(tmp_path, own_uid):
    """4. ... listed as separate candidates; the scout is never picked."""
    folder = save(series(soil()), tmp_path)
    for k, turned in enumerate([(1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)]):
        uid = "1.2.3.5" if own_uid else "1.2.3.4"
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        (one,) = series(soil()[:1, :, :9], series=uid, orientation=turned, ImageType=kind, first=k + 1)
        one.save_as(folder / f"scout{k}.dcm", enforce_file_format=True)
    sound(folder, but={"other-series"} if own_uid else {"other-series", "series-split"})


@pytest.mark.parametrize("how", ["under another name", "with another number", "the whole series in two folders"])
def test_a_slice_that_is_there_twice_is_read_once(tmp_path, how):
    """3. Two slices at one position: identical bytes -> one kept + finding."""
    slices = series(soil())
    folder = save(slices, tmp_path / "one")
    if how == "under another name":
        (folder / "copy.dcm").write_bytes((folder / "004.dcm").read_bytes())
    elif how == "with another number":
        slices[4].InstanceNumber, slices[4].SOPInstanceUID = 99, generate_uid()
        save(slices[4:5], tmp_path / "more")
    else:
        save(slices, tmp_path / "two")
    told = [f for f in read(tmp_path).findings if f.code == "duplicate-slice"]
    assert told[0].text.startswith("7 slices" if how == "the whole series in two folders" else "1 slice was")
    np.testing.assert_array_equal(read(tmp_path).values, soil() - 1024)


@pytest.mark.parametrize("packed", ["a folder", "one file"])
def test_slices_packed_one_by_one_are_refused_with_what_to_do(tmp_path, packed):
    """17. ... no readable slice at all -> refuse, naming the files and the next step."""
    folder = save(series(soil()), tmp_path / "scan")
    for file in list(folder.iterdir()):
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with pytest.raises(InputRefused, match=r"packed one by one \(000\.dcm\.gz first\); unpack them") as caught:
        read(folder if packed == "a folder" else folder / "000.dcm.gz")
    assert caught.value.code == "nothing-readable"


def test_one_pixel_spacing_for_both_directions_is_none(tmp_path):
    """CONTRACT: nothing is guessed; a header that lacks one of two lengths says so, and the user may state them."""
    folder = save(series(soil(), PixelSpacing=[0.4]), tmp_path)
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code == "spacing-missing"
    assert read(folder, spacing_mm=(0.5, 0.4, 0.4)).spacing_mm == (0.5, 0.4, 0.4)
