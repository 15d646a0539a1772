"""What is no scan, or says something odd of itself, is refused or told as what it is."""

from __future__ import annotations

import tarfile
import zipfile

import numpy as np
import pytest
import tifffile
from dicom_files import ramp, save, series, slice_dataset
from pydicom.uid import SegmentationStorage

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read


def refused(path, code, **options) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value


def scout(place: float, uid: str, **tags):
    plane = ramp(1)[0]
    return slice_dataset(plane, (0, 0, place), series=uid, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **tags)


def test_two_scouts_alone_are_refused_as_scouts(tmp_path):
    """4. ... the scout is never picked: of two, none can be chosen, and nobody is asked to."""
    save([scout(100, "1.2.1"), scout(200, "1.2.2")], tmp_path)
    error = refused(tmp_path, "scout")
    assert set(error.files) == {"000.dcm", "001.dcm"}
    assert "choose one" not in error.text
    assert error.text.count("export") == 1


def test_two_scans_of_no_ct_alone_are_refused_as_such(tmp_path):
    """10. Modality ≠ CT -> refuse; nothing is gained by choosing among them."""
    save([*series(ramp(), series="1.2.1", Modality="MR"), *series(ramp(), series="1.2.2", Modality="MR")], tmp_path)
    assert "grey" in refused(tmp_path, "not-ct").text


def segmentation():
    """A mask of one bit a pixel, as programs for marking scans write it: sound, and no image of CT values."""
    dataset = slice_dataset(ramp(1)[0], (0, 0, 100), series="1.2.9", SOPClassUID=SegmentationStorage, Modality="SEG")
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.PixelData = np.packbits(ramp(1)[0] % 2).tobytes() + b"\0"
    return dataset


def test_a_mask_of_one_bit_a_pixel_is_told_as_what_it_is(tmp_path):
    """10. Modality ≠ CT ... -> refuse, as what it is; nothing about it is damaged, and the scan beside it is read."""
    folder = save([segmentation()], tmp_path / "alone")
    text = refused(folder, "nothing-readable").text
    assert "1 of Segmentation Storage, not a scan" in text
    (listed,) = inspect(folder).series
    assert (listed.refusal.code, listed.is_scan) == ("not-an-image", False)
    assert "modality SEG (Segmentation Storage; 000.dcm)" in listed.refusal.text
    beside = save([*series(ramp()), segmentation()], tmp_path / "beside")
    volume = read(beside)
    assert volume.shape == ramp().shape
    assert "damaged-beside" not in {f.code for f in volume.findings}


def test_bits_that_hold_no_ct_value_are_told_in_words_that_hold(tmp_path):
    """13. ... 12-in-16: a CT slice of one bit a pixel is one that was damaged."""
    files = series(ramp(1), BitsAllocated=1, BitsStored=1, HighBit=0)
    text = refused(save(files, tmp_path), "bits").text
    assert "1 bit stored up to bit 0 of 1 allocated, where a CT value has 8, 16 or 32 allocated" in text


def test_an_empty_file_is_named_where_a_slice_is_missing(tmp_path):
    """1. One interior slice removed -> refuse; 17. a zero-length file in its place is named with the gap."""
    folder = save(series(ramp()), tmp_path / "scan")
    (folder / "004.dcm").write_bytes(b"")
    error = refused(folder, "gap")
    assert "004.dcm" in error.text
    assert error.files == ("003.dcm", "005.dcm", "004.dcm")
    assert inspect(folder).skipped == 1
    (folder / "004.dcm").rename(tmp_path / "004.dcm")
    assert "004.dcm" not in refused(tmp_path, "gap").text


@pytest.mark.parametrize("how", ["zip", "tar"])
@pytest.mark.parametrize("below", ["", "deep/"])
def test_stacks_have_the_same_ids_in_a_folder_and_in_its_archive(tmp_path, how, below):
    """Reading a folder and reading the archive of it give the same volume, chosen by the same id."""
    folder = tmp_path / "two"
    (folder / below).mkdir(parents=True)
    planes = ramp().astype(np.uint16)
    for k, plane in enumerate(planes):
        tifffile.imwrite(folder / below / f"a_{k:02d}.tif", plane)
        tifffile.imwrite(folder / below / f"b_{k:02d}.tif", plane + 1)
    path = tmp_path / f"two.{how}"
    files = sorted(p for p in folder.rglob("*.tif"))
    if how == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(tmp_path))
    else:
        with tarfile.open(path, "w") as archive:
            archive.add(folder, "two")
    mm = (0.5, 0.4, 0.3)
    ids = [one.id for one in inspect(folder, mm).series]
    assert len(ids) == 2
    assert [one.id for one in inspect(path, mm).series] == ids
    for one in ids:
        assert np.array_equal(
            read(path, series=one, spacing_mm=mm).values, read(folder, series=one, spacing_mm=mm).values
        )


def test_no_stored_bit_is_refused(tmp_path):
    """13. ... 12-in-16 with high bits -> exact HU; of no stored bit at all there is no value."""
    error = refused(save(series(ramp(), BitsStored=0), tmp_path), "bits")
    assert "0 bits stored" in error.text
    assert error.files == ("000.dcm",)


@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL", "PALETTE COLOR"])
def test_one_value_a_pixel_that_is_said_to_be_a_colour_is_refused(tmp_path, kind):
    error = refused(save(series(ramp(), PhotometricInterpretation=kind), tmp_path), "photometric")
    assert kind in error.text
    assert error.files == ("000.dcm",)


@pytest.mark.parametrize("tags", [{"PhotometricInterpretation": None}, {"BitsStored": None}, {"HighBit": None}])
def test_what_is_not_said_of_pixels_is_what_it_mostly_is(tmp_path, tags):
    stored = ramp()
    assert np.array_equal(read(save(series(stored, **tags), tmp_path)).values, stored.astype(int) - 1024)


def test_a_slope_that_makes_all_values_one_is_told(tmp_path):
    """11. RescaleSlope ... zero -> refuse; one so small that nothing is left of the scan is told."""
    volume = read(save(series(ramp(), RescaleSlope="1e-9"), tmp_path))
    told = [f for f in volume.findings if f.code == "one-value"]
    assert [f.severity for f in told] == ["warning"]
    assert "-1024 HU" in told[0].text
    assert "one-value" not in {f.code for f in read(save(series(ramp()), tmp_path)).findings}


@pytest.mark.parametrize(("units", "severity"), [("grey", "note"), ("HU", "warning")])
def test_the_units_of_the_files_are_told_as_a_word_where_others_are_stated(tmp_path, units, severity):
    """10. units not HU (RescaleType US) -> refuse; override named and stamped on every output."""
    save(series(ramp(), RescaleType="US"), tmp_path)
    (told,) = [f for f in read(tmp_path, units=units).findings if f.code == "units-asserted"]
    assert told.severity == severity
    assert "the files say US" in told.text
    assert "[" not in told.text
