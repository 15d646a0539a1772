"""The quick walk of ordinary headers says what pydicom says, or nothing."""

from __future__ import annotations

import io
import random
from dataclasses import astuple
from pathlib import Path

import pydicom
import pytest
from dicom_files import ramp, save, series, slice_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from soilscope.ingest import part10, plain
from soilscope.ingest.headers import Headers, read_headers

SYNTAXES = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian}
TEXT_ELEMENTS = (
    "Manufacturer", "ConvolutionKernel", "ImageType", "Modality", "AcquisitionTime", "SpecificCharacterSet", "RescaleType",
    "SeriesInstanceUID", "ImageComments", "LossyImageCompression",
)  # fmt: skip
NUMBER_ELEMENTS = (
    "RescaleSlope", "InstanceNumber", "ImagePositionPatient", "SliceThickness", "AcquisitionNumber", "KVP", "PixelSpacing",
    "NumberOfFrames", "ExposureTime",
)  # fmt: skip
TEXTS = st.text("AB b\\é1.-_\0", max_size=12)
NUMBERS = st.one_of(
    st.integers(-5000, 5000).map(str),
    st.floats(-1e6, 1e6).map(lambda v: f"{v:.6g}"),
    st.sampled_from(["", " 1", "1 ", "+.5e1", "NaN", "1\\2", "1,5", "1_0", "0x1", "1e999", "٣"]),
)


def both(path: Path, monkeypatch_context) -> tuple[Headers, Headers]:
    """What is read with the quick walk, and without it."""
    quick = read_headers([path])
    with monkeypatch_context() as patch:
        patch.setattr(part10, "walk", lambda head, size: None)
        return quick, read_headers([path])


def answered(path: Path) -> bool:
    data = path.read_bytes()
    return plain.walk(data, len(data)) is not None


def written(dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def same(quick: Headers, slow: Headers) -> bool:
    """Compared as text, in which NaN equals NaN."""
    return told(quick) == told(slow)


def told(headers: Headers) -> str:
    broken = [(b.path, b.error.code, b.error.text, b.series_uid) for b in headers.broken]
    return repr(([astuple(one) for one in headers.slices], broken, headers.no_image))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_ordinary_file_is_walked_and_read_as_pydicom_reads_it(tmp_path, monkeypatch, syntax):
    dataset = slice_dataset(
        ramp()[0], (1.5, -2, 3), KVP="120", ExposureTime=500, SpiralPitchFactor=0.9, ImagesInAcquisition=8,
        ConvolutionKernel=["I31f", "3"], AcquisitionTime="120000.5", ImageComments="Simulated by Soilscope",
        PixelPaddingValue=-2000,
    )  # fmt: skip
    (tmp_path / "a.dcm").write_bytes(written(dataset, syntax))
    assert answered(tmp_path / "a.dcm")
    quick, slow = both(tmp_path / "a.dcm", monkeypatch.context)
    assert same(quick, slow)
    assert quick.slices[0].kernel == "I31f\\3"
    assert quick.slices[0].padding == -2000
    assert quick.slices[0].tags["Simulated"]


def test_a_header_longer_than_the_first_reading_is_walked_too(tmp_path, monkeypatch):
    dataset = slice_dataset(ramp()[0], (1, 2, 3))
    dataset.private_block(0x0009, "MAKER", create=True).add_new(1, "OB", b"\1\2" * 20_000)
    (tmp_path / "a.dcm").write_bytes(written(dataset, "explicit"))
    monkeypatch.setattr(part10.pydicom, "dcmread", None)
    assert len(read_headers([tmp_path / "a.dcm"]).slices) == 1


@pytest.mark.parametrize("kind", ["open sequence", "Big Endian", "no preamble", "cut", "excess", "compressed"])
def test_what_is_out_of_the_ordinary_is_left_to_pydicom(tmp_path, kind):
    dataset = slice_dataset(ramp()[0], (1, 2, 3))
    if kind == "open sequence":
        dataset.ReferencedImageSequence = [pydicom.Dataset()]
        dataset["ReferencedImageSequence"].is_undefined_length = True
    if kind == "compressed":
        dataset.compress("1.2.840.10008.1.2.5")
        save([dataset], tmp_path)
        data = (tmp_path / "000.dcm").read_bytes()
    else:
        data = written(dataset, "explicit")
    if kind == "Big Endian":
        data = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")
    data = {"no preamble": data[132:], "cut": data[:-2], "excess": data + b"\0" * 4}.get(kind, data)
    assert plain.walk(data, len(data)) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.dictionaries(st.sampled_from(TEXT_ELEMENTS), TEXTS),
    numbers=st.dictionaries(st.sampled_from(NUMBER_ELEMENTS), NUMBERS),
    syntax=st.sampled_from(sorted(SYNTAXES)),
)
def test_any_values_are_read_as_pydicom_reads_them(tmp_path, monkeypatch, texts, numbers, syntax):
    dataset = slice_dataset(ramp()[0], (1, 2, 3))
    data = written(dataset, syntax)
    for name, value in (texts | numbers).items():
        data = _with_raw(data, name, value.encode("utf-8"), explicit=syntax == "explicit")
    (tmp_path / "a.dcm").write_bytes(data)
    assert same(*both(tmp_path / "a.dcm", monkeypatch.context))


def _with_raw(data: bytes, name: str, value: bytes, *, explicit: bool) -> bytes:
    """The file with one element's bytes replaced, or added where it belongs, whatever they are."""
    value += b" " * (len(value) % 2)
    tag = pydicom.datadict.tag_for_keyword(name)
    kind = pydicom.datadict.dictionary_VR(tag).encode()
    packed = tag.to_bytes(4, "big")
    packed = packed[1::-1] + packed[:1:-1]
    size = len(value).to_bytes(2 if explicit else 4, "little")
    element = packed + (kind + size if explicit else size) + value
    at = 144 + int.from_bytes(data[140:144], "little")
    while True:
        here = int.from_bytes(data[at : at + 2], "little") << 16 | int.from_bytes(data[at + 2 : at + 4], "little")
        head = 12 if explicit and data[at + 4 : at + 6] in plain.LONG else 8
        length = data[at + head - 4 : at + head] if head == 12 or not explicit else data[at + 6 : at + 8]
        end = at + head + int.from_bytes(length, "little")
        if here >= tag:
            return data[:at] + element + data[end if here == tag else at :]
        at = end


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_mutated_headers_are_read_as_pydicom_reads_them(tmp_path, monkeypatch, syntax):
    """Bytes of headers changed, removed and repeated: one answer, whoever gives it."""
    source = random.Random(7)
    whole = written(series(ramp(), PixelPaddingValue=-2000)[3], syntax)
    header = len(whole) - 240
    walked = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(source.randint(1, 2)):
            at = source.randrange(header)
            change = source.choice([0, 0, 0, 0, 1, 2])
            if change == 0:
                data[at] = source.choice([0, 1, 0x20, 0x2E, 0x30, 0x5C, 0xFF, source.randrange(256)])
            elif change == 1:
                del data[at : at + source.choice([1, 2, 8])]
            else:
                data[at:at] = data[at : at + source.choice([1, 2, 8])]
        (tmp_path / "a.dcm").write_bytes(data)
        walked += answered(tmp_path / "a.dcm")
        assert same(*both(tmp_path / "a.dcm", monkeypatch.context)), data.hex()
    assert walked > 40
