"""Headers that hold something else than they should: the refusal shows what, and what the scan can do without is told."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import ramp, save, series
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read

HU = ramp() - 1024
SLOPE, INTERCEPT = 0x00281053, 0x00281052
SPACING, POSITION, ORIENTATION = 0x00280030, 0x00200032, 0x00200037
NUMBER, ACQUISITION, THICKNESS, VOLTAGE, FRAMES = 0x00200013, 0x00200012, 0x00180050, 0x00180060, 0x00280008
KINDS = {NUMBER: "IS", ACQUISITION: "IS", FRAMES: "IS"}


def written(folder, tag, value: bytes, *, which=range(8), syntax=ExplicitVRLittleEndian):
    """A series in some of whose slices an element holds these very bytes."""
    slices = series(ramp())
    for k, one in enumerate(slices):
        one.file_meta.TransferSyntaxUID = syntax
        if k in which:
            raw = value + b" " * (len(value) % 2)
            one._dict[Tag(tag)] = RawDataElement(Tag(tag), KINDS.get(tag, "DS"), len(raw), raw, 0, False, True)
    return save(slices, folder)


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    found = inspect(path, stated=None, **{k: v for k, v in options.items() if k == "spacing_mm"})
    assert code in {f.code for one in found.series for f in one.findings}
    return caught.value.text


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("tag", [SLOPE, INTERCEPT])
@pytest.mark.parametrize("value", ["1,5", "abc", "1\\2"])
def test_a_slope_that_is_no_number_is_refused_as_it_is_written(tmp_path, syntax, tag, value):
    """11. RescaleSlope or Intercept ... -> refuse, naming the file, the tag, what it holds and the next step."""
    text = refused(written(tmp_path, tag, value.encode(), which=[3], syntax=syntax), "rescale-invalid")
    assert text.startswith("003.dcm")
    assert f'"{value}"' in text
    assert f"(0028,{tag & 0xFFFF:04X})" in text
    assert "Export the scan again" in text
    with pytest.raises(InputRefused, match="is no number"):
        read(tmp_path, units="grey")


@pytest.mark.parametrize("value", [b"MUELLER, Hans 1953", "Schröder".encode("latin-1"), b"1\x1b[2J", b"9,9" * 60])
def test_what_is_no_number_and_might_be_a_name_is_not_shown(tmp_path, value):
    """39. PatientName ... canaries -> in no report, store, log, traceback."""
    text = refused(written(tmp_path, SLOPE, value), "rescale-invalid")
    assert "not shown" in text
    assert not any(part in text for part in ("MUELLER", "Hans", "1953", "Schr", "\x1b", "9,99"))


def test_a_pixel_spacing_with_commas_is_refused_as_it_is_written_until_one_is_stated(tmp_path):
    """7. ... the refusal names the value and the next step."""
    folder = written(tmp_path, SPACING, b"0,4\\0,4")
    text = refused(folder, "spacing-missing")
    assert "000.dcm" in text
    assert 'PixelSpacing (0028,0030) is written as "0,4\\0,4"' in text
    assert "--spacing-mm" in text
    volume = read(folder, spacing_mm=(0.5, 0.4, 0.3))
    assert np.array_equal(volume.values, HU)
    assert "tag-unreadable" in {f.code for f in volume.findings}


@pytest.mark.parametrize(("tag", "value"), [(POSITION, "-5\\-6\\1O0"), (ORIENTATION, "1\\0\\0\\0\\eins\\0")])
def test_a_place_that_is_no_number_is_refused(tmp_path, tag, value):
    """6. Nothing is guessed of where a slice lies."""
    text = refused(written(tmp_path, tag, value.encode(), which=[2]), "position-missing")
    assert text.startswith("002.dcm")
    assert f"(0020,{tag & 0xFFFF:04X})" in text


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("tag", [NUMBER, ACQUISITION, THICKNESS, VOLTAGE])
@pytest.mark.parametrize("which", [range(8), [4]])
def test_a_number_the_scan_can_do_without_may_be_none(tmp_path, syntax, tag, which):
    """9. Position orders slices; an InstanceNumber that is no number is told and not used."""
    volume = read(written(tmp_path, tag, b"abc", which=which, syntax=syntax))
    assert np.array_equal(volume.values, HU)
    (told,) = [f for f in volume.findings if f.code == "tag-unreadable"]
    assert '"abc"' in told.text
    assert len(told.files) == len(which)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Rows", 0, "Rows (0028,0010) is 0"),
        ("Columns", None, "Columns (0028,0011) is absent"),
        ("NumberOfFrames", -2, "-2"),
    ],
)
def test_a_picture_without_pixels_is_damaged_and_not_too_large(tmp_path, name, value, said):
    """19. What the header claims is named as it is."""
    slices = series(ramp())
    if value is None:
        delattr(slices[3], name)
    else:
        setattr(slices[3], name, value)
    text = refused(save(slices, tmp_path), "file-damaged")
    assert text.startswith("003.dcm")
    assert said in text
    assert "limit" not in text


def test_a_slope_of_zero_is_refused_with_a_next_step_whatever_the_units(tmp_path):
    """11. RescaleSlope ... zero -> refuse."""
    slices = series(ramp())
    slices[2].RescaleSlope = 0
    folder = save(slices, tmp_path)
    for units in (None, "grey"):
        assert "copy it again" in refused(folder, "rescale-invalid", **({} if units is None else {"units": units}))


def test_an_empty_modality_lut_sequence_is_none(tmp_path):
    """11. A ModalityLUT present -> refuse; a sequence without an item holds none."""
    slices = series(ramp())
    for one in slices:
        one.ModalityLUTSequence = Sequence([])
    assert np.array_equal(read(save(slices, tmp_path)).values, HU)
    slices[0].ModalityLUTSequence = Sequence([Dataset()])
    refused(save(slices, tmp_path), "modality-lut")


def test_sequences_within_sequences_are_refused_in_words(tmp_path):
    """19. 400-deep sequence -> one finding, which says what is wrong and not what a parser calls it."""
    folder = save(series(ramp()), tmp_path)
    data = (folder / "000.dcm").read_bytes()
    at = data.index(b"\x20\x00\x0e\x00UI")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    (folder / "000.dcm").write_bytes(data[:at] + opening * 2000 + data[at:])
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code in {"file-damaged", "file-cut"}
    assert "Error" not in caught.value.text


@pytest.mark.parametrize("tag", ["FrameOfReferenceUID", "StudyInstanceUID"])
@pytest.mark.parametrize("mixed", [lambda k: k % 2, lambda k: k // 4])
def test_slices_of_two_frames_of_reference_are_kept_apart(tmp_path, tag, mixed):
    """5. ... split or refuse, never interleaved: positions in two frames of reference cannot be compared (PS3.3 C.7.4.1)."""
    slices = series(ramp(), InstanceNumber=None, AcquisitionNumber=None)
    for k, one in enumerate(slices):
        setattr(one, tag, f"1.2.3.{1 + mixed(k)}")
    folder = save(slices, tmp_path)
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code == "ambiguous-series"
    assert caught.value.text.count("4 x 12 x 10") == 2
    listed = inspect(folder).series
    for part, one in enumerate(listed):
        volume = read(folder, series=one.id)
        assert np.array_equal(volume.values, HU[[k for k in range(8) if mixed(k) == part]])
        (told,) = [f.text for f in volume.findings if f.code == "series-split"]
        assert ("2 frames of reference" if tag.startswith("Frame") else "2 studies") in told


def test_a_slice_that_names_no_frame_of_reference_belongs_to_the_others(tmp_path):
    slices = series(ramp(), FrameOfReferenceUID="1.2.3", StudyInstanceUID="1.2.4")
    del slices[3].FrameOfReferenceUID
    slices[5].StudyInstanceUID = ""
    assert np.array_equal(read(save(slices, tmp_path)).values, HU)


@pytest.mark.parametrize("tag", ["FrameOfReferenceUID", "StudyInstanceUID"])
def test_slices_each_in_a_frame_of_reference_of_its_own_are_refused_together(tmp_path, tag):
    """5. ... a faulty export is one refusal, not as many scans as there are slices."""
    slices = series(ramp())
    for k, one in enumerate(slices):
        setattr(one, tag, f"1.2.3.{k}")
    assert "8 slices" in refused(save(slices, tmp_path), "mixed-reference")


def test_several_tube_voltages_in_one_scan_are_told(tmp_path):
    """The same soil has another HU at another tube voltage."""
    slices = series(ramp(), KVP=120)
    assert "kvp-differs" not in {f.code for f in read(save(slices, tmp_path / "one")).findings}
    for one in slices[6:]:
        one.KVP = 140
    (told,) = [f for f in read(save(slices, tmp_path / "two")).findings if f.code == "kvp-differs"]
    assert told.severity == "warning"
    assert "120 kV in 6 slices" in told.text
    assert "140 kV in 2 slices (006.dcm first)" in told.text


@pytest.mark.parametrize("kernel", ["", None])
def test_a_slice_that_names_no_kernel_belongs_to_the_others(tmp_path, kernel):
    """4. Two kernels are two candidates; one slice without any is none."""
    slices = series(ramp())
    slices[3].ConvolutionKernel = kernel
    volume = read(save(slices, tmp_path))
    assert np.array_equal(volume.values, HU)
    (told,) = [f for f in volume.findings if f.code == "kernel-absent"]
    assert told.files == ("003.dcm",)
