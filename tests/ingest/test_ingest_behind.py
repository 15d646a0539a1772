"""What stands behind the pixels of a DICOM file: whole elements, or a refusal (FAULTS 16)."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import ramp, save, series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless]
PADDING = (0xFFFC, 0xFFFC)
HU = ramp() - 1024


def written(folder, syntax, change=lambda one: None):
    """A series in a transfer syntax, its first slice changed, and that slice's file."""
    slices = series(ramp())
    change(slices[0])
    for k, one in enumerate(slices):
        if syntax == RLELossless:
            one.compress(syntax)
        elif syntax == ExplicitVRBigEndian:
            one["PixelData"].VR = "OW"
            one.PixelData = np.frombuffer(one.PixelData, "<i2").astype(">i2").tobytes()
        one.file_meta.TransferSyntaxUID = syntax
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.5.{k}"
    return save(slices, folder) / "000.dcm"


def code_of(folder) -> str:
    try:
        volume = read(folder)
    except InputRefused as refusal:
        return refusal.code if "000.dcm" in refusal.text else "refused, and the file is not named"
    assert np.array_equal(volume.values, HU)
    return "read"


def signed(one):
    """A digital signature as a sequence of undefined length, with a sequence in it, then a maker's elements and padding."""
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.MACIDNumber = 1
    outer.DigitalSignaturePurposeCodeSequence = Sequence([inner, inner])
    one.DigitalSignaturesSequence = Sequence([outer, outer])
    for holder, name in ((outer, "DigitalSignaturePurposeCodeSequence"), (one, "DigitalSignaturesSequence")):
        holder[name].is_undefined_length = True
        for item in holder[name].value:
            item.is_undefined_length_sequence_item = True
    one.private_block(0x7FE1, "ACME", create=True).add_new(1, "OB", b"\1\2\3\4")
    one.add_new(PADDING, "OB", bytes(64))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_whole_elements_behind_the_pixels_are_sound(tmp_path, syntax):
    """Digital signatures, makers' groups and Data Set Trailing Padding may follow the pixels (PS3.5 7.1)."""
    written(tmp_path, syntax, signed)
    assert code_of(tmp_path) == "read"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("tail", [b"\xff" * 8, b"\xa5" * 1920, b"\0" * 240, b"\xfc\xff", b"\xff"])
def test_bytes_behind_the_pixels_that_are_no_element_are_refused(tmp_path, syntax, tail):
    """16. ... excess bytes -> refuse, whatever their first two look like."""
    file = written(tmp_path, syntax)
    file.write_bytes(file.read_bytes() + tail)
    assert code_of(tmp_path) == "excess-bytes"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_bytes_behind_elements_behind_the_pixels_are_refused(tmp_path, syntax):
    """16. ... the elements are walked to the last byte; tags that do not rise are no elements of this file."""
    file = written(tmp_path, syntax, signed)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[-72:])
    assert code_of(tmp_path) == "excess-bytes"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_random_bytes_behind_the_pixels_are_refused(tmp_path, syntax):
    """16. ... half of all random tails begin as a higher tag would."""
    file = written(tmp_path, syntax)
    whole, dice = file.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        file.write_bytes(whole + dice.bytes(500))
        assert code_of(tmp_path) in {"excess-bytes", "file-cut"}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("change", [signed, lambda one: one.add_new(PADDING, "OB", bytes(64))])
def test_a_file_cut_in_an_element_behind_the_pixels_is_refused(tmp_path, syntax, change):
    """16. File cut by one byte, or by more, behind its pixels -> refuse; cut between two elements it is whole."""
    bare = written(tmp_path / "bare", syntax).stat().st_size
    file = written(tmp_path / "cut", syntax, change)
    whole = file.read_bytes()
    assert len(whole) > bare
    for lost in (1, 30, 63, 64, 65, 66, *range(len(whole) - bare - 9, len(whole) - bare)):
        if 0 < lost < len(whole) - bare:
            file.write_bytes(whole[:-lost])
            assert code_of(tmp_path / "cut") in {"file-cut", "excess-bytes"}, lost
            assert not inspect(tmp_path / "cut", pixels=False).series[0].usable


@pytest.mark.parametrize("lost", [1, 30, 63, 70])
def test_a_cut_in_the_padding_says_so(tmp_path, lost):
    """16. ... and says how many bytes are there and how many were promised."""
    file = written(tmp_path, ExplicitVRLittleEndian, lambda one: one.add_new(PADDING, "OB", bytes(64)))
    file.write_bytes(file.read_bytes()[:-lost])
    assert code_of(tmp_path) == "file-cut"


def test_sequences_nested_without_end_behind_the_pixels_are_refused(tmp_path):
    """19. ... 400-deep sequence -> one finding."""
    file = written(tmp_path, ExplicitVRLittleEndian)
    opening = b"\xfa\xff\xfa\xffSQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    file.write_bytes(file.read_bytes() + opening * 400)
    assert code_of(tmp_path) == "excess-bytes"


def test_bytes_behind_deflated_data_are_refused(tmp_path):
    """16. ... excess bytes -> refuse; one byte makes an even length (PS3.5 A.5)."""
    file = written(tmp_path, DeflatedExplicitVRLittleEndian)
    whole = file.read_bytes()
    file.write_bytes(whole + b"\0" * (len(whole) % 2))
    assert code_of(tmp_path) == "read"
    file.write_bytes(whole + b"\xa5" * 99)
    assert code_of(tmp_path) == "excess-bytes"


@pytest.mark.parametrize(("name", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels_are_refused_by_their_name(tmp_path, name, kind):
    """A file with other pixels than Pixel Data is not cut: it is none that a CT scanner writes."""
    slices = series(ramp())
    values = np.frombuffer(slices[0].PixelData, np.int16)
    del slices[0].PixelData
    setattr(slices[0], name, values.astype(kind).tobytes())
    slices[0].BitsAllocated = 8 * np.dtype(kind).itemsize
    with pytest.raises(InputRefused, match=name) as caught:
        read(save(slices, tmp_path))
    assert caught.value.code == "float-pixels"
