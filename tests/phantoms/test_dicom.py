"""Phantoms as files: read back by pydicom, SimpleITK and nibabel, and nothing but the truth beside them."""

import json

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it

from soilscope import phantoms
from soilscope.errors import UsageError
from soilscope.files import digest_file, digest_folder
from soilscope.volume import Volume

SHAPE = (12, 40, 48)


@pytest.fixture(scope="module")
def phantom():
    return phantoms.make("pine-forest", seed=4, shape=SHAPE)


@pytest.fixture(scope="module")
def folder(phantom, tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "core"
    phantoms.write(phantom, out)
    return out


@pytest.fixture(scope="module")
def slices(folder):
    pydicom.config.settings.reading_validation_mode, before = (
        pydicom.config.RAISE,
        pydicom.config.settings.reading_validation_mode,
    )
    files = [pydicom.dcmread(path) for path in (folder / "dicom").iterdir()]
    for file in files:
        str(file)  # converts, and so validates, every element
    pydicom.config.settings.reading_validation_mode = before
    return sorted(files, key=lambda s: s.ImagePositionPatient[2])


def series(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "dicom")))
    return reader.Execute()


def test_the_folder_holds_what_is_promised_and_nothing_else(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["dicom", "truth.json", "truth.nii.gz"]
    assert sorted(p.name for p in (folder / "dicom").iterdir()) == [f"pine-forest-4-{k:04d}.dcm" for k in range(1, 13)]


def test_pydicom_reads_the_hu_that_were_written(phantom, slices):
    hu = [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    assert np.array_equal(hu, phantom.volume.values)


def test_simpleitk_reads_the_same_volume_and_spacing(phantom, folder):
    image = series(folder)
    assert np.array_equal(sitk.GetArrayFromImage(image), phantom.volume.values)
    assert image.GetSpacing() == pytest.approx((0.351, 0.351, 0.25), abs=1e-6)


def test_the_top_slice_comes_first_along_the_normal(slices):
    assert [s.InstanceNumber for s in slices] == list(range(1, 13))
    first = slices[0]
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    along = [np.dot(np.cross(row, column), np.array(s.ImagePositionPatient, float)) for s in slices]
    assert np.diff(along) == pytest.approx(0.25)
    assert first.ImagePositionPatient == [-47 / 2 * 0.351, -39 / 2 * 0.351, 0]


def test_the_tags_are_those_of_a_ct_series_in_hu(slices):
    for s in slices:
        assert s.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert s.SOPClassUID == s.file_meta.MediaStorageSOPClassUID == pydicom.uid.CTImageStorage
        assert s.SOPInstanceUID == s.file_meta.MediaStorageSOPInstanceUID
        assert (s.Modality, s.RescaleType, s.RescaleSlope, s.RescaleIntercept) == ("CT", "HU", 1, -1024)
        assert (s.BitsAllocated, s.BitsStored, s.HighBit, s.PixelRepresentation) == (16, 12, 11, 0)
        assert (s.SliceThickness, s.SpacingBetweenSlices, s.PixelSpacing) == (0.25, 0.25, [0.351, 0.351])
        assert (s.PatientID, s.GantryDetectorTilt) == ("pine-forest-4", 0)
        assert s.ManufacturerModelName == "Aquilion ONE"
        assert "no scanner has seen" in s.ImageComments
    assert len({s.SOPInstanceUID for s in slices}) == len(slices)
    assert len({(s.SeriesInstanceUID, s.FrameOfReferenceUID, s.StudyInstanceUID) for s in slices}) == 1


def test_the_truth_lies_on_the_series_in_mm(phantom, folder):
    scan, truth = series(folder), sitk.ReadImage(str(folder / "truth.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(truth), phantom.truth)
    for index in ((0, 0, 0), (47, 0, 0), (0, 39, 0), (47, 39, 11)):
        expected = scan.TransformIndexToPhysicalPoint(index)
        assert truth.TransformIndexToPhysicalPoint(index) == pytest.approx(expected, abs=1e-4)


def test_the_truth_is_stored_x_y_z_as_whole_numbers(phantom, folder):
    image = nibabel.load(folder / "truth.nii.gz")
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(image.dataobj), phantom.truth.transpose(2, 1, 0))
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert image.header.get_zooms() == pytest.approx((0.351, 0.351, 0.25))


def test_truth_json_says_what_can_be_counted(phantom, folder):
    told = json.loads((folder / "truth.json").read_text())
    assert (told["soil"], told["seed"], told["spacing_mm"]) == ("pine-forest", 4, [0.25, 0.351, 0.351])
    assert told["classes"][1] == {"value": 2, "name": "organic", "low_hu": -700, "high_hu": 200}
    area = (phantom.truth > 0).sum(axis=(1, 2))
    for c in told["classes"]:
        counted = (phantom.truth == c["value"]).sum(axis=(1, 2)) / area
        assert told["fractions"][c["name"]] == counted.tolist()


def test_slices_without_soil_have_no_fraction(tmp_path):
    scanner = phantoms.Scanner(headspace=(2, 0))
    phantoms.write(phantoms.make("sandy", shape=(6, 32, 32), scanner=scanner), tmp_path)
    pore = json.loads((tmp_path / "truth.json").read_text())["fractions"]["pore"]
    assert pore[:2] == [None, None]
    assert None not in pore[2:]


def test_the_same_phantom_gives_the_same_bytes_and_another_seed_other_identifiers(phantom, folder, tmp_path):
    phantoms.write(phantoms.make("pine-forest", seed=4, shape=SHAPE), tmp_path / "again")
    assert digest_folder(tmp_path / "again") == digest_folder(folder)
    phantoms.write(phantoms.make("pine-forest", seed=5, shape=SHAPE), tmp_path / "other")
    assert digest_file(tmp_path / "other" / "truth.nii.gz") != digest_file(folder / "truth.nii.gz")
    uids = {pydicom.dcmread(next((p / "dicom").iterdir())).SeriesInstanceUID for p in (folder, tmp_path / "other")}
    assert len(uids) == 2


def test_writing_again_replaces_the_series_whole(tmp_path):
    phantoms.write(phantoms.make("sandy", shape=(8, 32, 32)), tmp_path)
    phantoms.write(phantoms.make("sandy", shape=(5, 32, 32)), tmp_path)
    assert len(list((tmp_path / "dicom").iterdir())) == 5


def test_a_matched_core_is_a_series_like_any_other(tmp_path):
    matched = phantoms.make("matched-coarse", shape=(6, 32, 32))
    phantoms.write(matched, tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(series(tmp_path)), matched.volume.values)


def test_values_that_twelve_bits_cannot_hold_are_refused_and_nothing_is_published(tmp_path):
    good = phantoms.make("sandy", shape=(3, 32, 32))
    v = good.volume
    hot = Volume(np.full_like(v.values, 4000), v.valid, v.spacing_mm, "HU", core="hot")
    with pytest.raises(UsageError) as caught:
        phantoms.write(phantoms.Phantom(hot, good.truth, "sandy", 0), tmp_path / "hot")
    assert caught.value.code == "phantom-range"
    assert not (tmp_path / "hot").exists()
