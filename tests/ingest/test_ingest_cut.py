"""A file that ends within its header: what its last element says is not known (FAULTS 16)."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from dicom_files import ramp, save, series
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read
from soilscope.ingest.headers import read_headers

PLANES, ROWS, COLUMNS = 4, 3, 4
UID = "1.2.826.0.1.3680043.8.498.12345678901234567890"
ENCODINGS = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big": ExplicitVRBigEndian}


def scan(folder, syntax: str = "explicit"):
    """Few small slices whose series UID stays a valid one when it is shortened."""
    slices = series(ramp(PLANES, ROWS, COLUMNS), series=UID)
    for one in slices:
        buffer = io.BytesIO()
        one.file_meta.TransferSyntaxUID = ENCODINGS[syntax]
        if syntax == "big":
            one.PixelData = one.PixelData[::-1]
        pydicom.dcmwrite(buffer, one, enforce_file_format=True)
        folder.mkdir(exist_ok=True)
        (folder / f"{one.InstanceNumber:03d}.dcm").write_bytes(buffer.getvalue())
    return folder


@pytest.mark.parametrize(("syntax", "place"), [("explicit", 2), ("explicit", 4), ("implicit", 4), ("big", 4)])
def test_a_slice_cut_at_any_byte_refuses_the_scan_by_its_name(tmp_path, syntax, place):
    """16. File cut in header, in pixels, by one byte -> refuse, whichever byte of a slice is its last."""
    folder = scan(tmp_path / "scan", syntax)
    file = folder / f"{place:03d}.dcm"
    whole = file.read_bytes()
    for size in range(1, len(whole)):
        file.write_bytes(whole[:size])
        with pytest.raises(InputRefused) as caught:
            read(folder, on_gap="mark")
        assert caught.value.code in ("file-cut", "file-damaged"), size
        assert caught.value.files == (file.name,), size
    file.write_bytes(whole)
    assert read(folder).shape == (PLANES, ROWS, COLUMNS)


def test_a_cut_identifier_is_not_taken_for_another_one(tmp_path):
    """16. ... a series UID or storage class cut short names nothing; the whole ones before it stay known."""
    file = scan(tmp_path / "scan") / "001.dcm"
    whole = file.read_bytes()
    after = whole.index(UID.encode()) + len(UID)
    file.write_bytes(whole[: after - 3])
    (broken,) = read_headers([file]).broken
    assert (broken.error.code, broken.series_uid) == ("file-cut", None)
    file.write_bytes(whole[: after + 20])
    (broken,) = read_headers([file]).broken
    assert (broken.error.code, broken.series_uid) == ("file-cut", UID)


def test_a_cut_slice_of_a_known_other_series_leaves_the_scan_readable(tmp_path):
    folder = scan(tmp_path / "scan")
    other = save(series(ramp(1, ROWS, COLUMNS), series="1.2.3"), tmp_path / "other") / "000.dcm"
    (folder / "other.dcm").write_bytes(other.read_bytes()[:-1])
    np.testing.assert_array_equal(read(folder).values, ramp(PLANES, ROWS, COLUMNS).astype(int) - 1024)


def test_a_sound_object_without_any_element_of_an_image_is_not_cut(tmp_path):
    """17. ... DICOMDIR in the folder -> skipped; so is one under another name, whose data set names no class."""
    folder = scan(tmp_path / "scan")
    listing = Dataset()
    listing.file_meta = FileMetaDataset()
    listing.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    listing.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    listing.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    listing.FileSetID = "CORES"
    listing.save_as(folder / "listing.dcm", enforce_file_format=True)
    assert [s.usable for s in inspect(folder).series if s.shape] == [True]
    assert read(folder).shape == (PLANES, ROWS, COLUMNS)
