"""Real scans, against what others say of them."""

from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read, read_labels

sitk = pytest.importorskip("SimpleITK")

LOSSLESS = [
    "ImplicitTransferSyntax",
    "BigEndian",
    "Deflated",
    "RLE",
    "JPEGLSLossless",
    "JPEG2000LosslessOnly",
    ".57.",
    ".70.",
]
LOSSY_HU = [("JPEG2000TransferSyntax", 5), ("JPEGLSLossy", 1), ("JPEGProcess2_4", 36)]


def syntax_file(folder, part):
    return next(p for p in sorted(folder.iterdir()) if part in p.name and "fragmented" not in p.name)


def test_marsh_core_geometry_is_its_header(real_data):
    folder = real_data("marsh_core")
    volume = read(folder / "dicom")
    with (folder / "slice_headers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert volume.shape == (16, 512, 512)
    assert volume.spacing_mm == pytest.approx((0.625, 0.244141, 0.244141), abs=1e-9)
    assert volume.source["grid"]["origin_mm"] == pytest.approx(
        [float(v) for v in rows[0]["ImagePositionPatient"].split()]
    )
    codes = {f.code: f for f in volume.findings}
    assert "48.05%" in codes["at-ceiling"].text
    assert "3071" in codes["at-ceiling"].text
    assert "slices-missing" in codes
    assert "rescale-type-absent" in codes


def test_marsh_core_hu_is_pydicoms(real_data):
    folder = real_data("marsh_core") / "dicom"
    volume = read(folder)
    slices = sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: d.ImagePositionPatient[2])
    assert np.array_equal(volume.values, np.stack([d.pixel_array.astype(int) - 1024 for d in slices]))


def test_thigh_dicom_equals_its_nifti_voxel_for_voxel(real_data):
    folder = real_data("thigh_ct")
    dicom = read(folder / "dicom")
    nifti = read(folder / "nifti" / "image" / "image.nii.gz", units="HU")
    assert np.array_equal(dicom.values, nifti.values)
    assert dicom.spacing_mm == pytest.approx(nifti.spacing_mm, rel=1e-6)
    assert nifti.source["grid"]["origin_mm"] == pytest.approx(dicom.source["grid"]["origin_mm"], abs=1e-3)
    raw = np.asarray(nib.load(folder / "nifti" / "image" / "image.nii.gz").dataobj)
    assert np.array_equal(dicom.values, raw.transpose(2, 1, 0))


def test_thigh_mask_lies_on_its_scan(real_data):
    folder = real_data("thigh_ct")
    labels = read_labels(folder / "nifti" / "mask" / "mask.nii.gz", read(folder / "dicom"))
    raw = np.asarray(nib.load(folder / "nifti" / "mask" / "mask.nii.gz").dataobj)
    assert np.array_equal(labels, raw.transpose(2, 1, 0))
    assert labels.any()


SOUND = ["marsh_core/dicom", "thigh_ct/dicom/image", "overlap_series"]
SINGLE = ["dicom_odd/CT_small.dcm", "dicom_syntaxes/LittleEndianExplicit"]


def grid_of(volume):
    """Origin, directions of x, y and z as columns, as SimpleITK gives them."""
    grid = volume.source["grid"]
    return grid["origin_mm"], np.column_stack([grid["row"], grid["column"], grid["down"]])


@pytest.mark.parametrize("name", SOUND)
def test_simpleitk_reads_the_same_voxels_and_geometry(real_data, name):
    """In millimetres: GDCM orders slices along the normal of their rows and columns, which a flipped row turns over."""
    folder = real_data(name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    volume = read(folder)
    origin, directions = grid_of(volume)
    theirs, normal = sitk.GetArrayFromImage(image), np.reshape(image.GetDirection(), (3, 3))
    first = image.GetOrigin()
    if np.dot(normal[:, 2], directions[:, 2]) < 0:
        first = image.TransformIndexToPhysicalPoint((0, 0, image.GetSize()[2] - 1))
        theirs, normal = theirs[::-1], normal * (1, 1, -1)
    assert np.array_equal(volume.values[volume.valid], theirs[volume.valid])
    assert volume.spacing_mm == pytest.approx(image.GetSpacing()[::-1], abs=1e-6)
    assert origin == pytest.approx(first, abs=1e-3)
    assert np.allclose(directions, normal, atol=1e-6)


@pytest.mark.parametrize("name", SINGLE)
def test_simpleitk_reads_the_same_single_slices(real_data, name):
    folder = real_data(name.split("/")[0])
    file = syntax_file(folder, name.split("/")[1])
    image, volume = sitk.ReadImage(str(file)), read(file)
    assert np.array_equal(volume.values[volume.valid], sitk.GetArrayFromImage(image)[volume.valid])
    assert volume.spacing_mm[1:] == pytest.approx(image.GetSpacing()[1::-1], abs=1e-6)
    assert grid_of(volume)[0] == pytest.approx(image.GetOrigin(), abs=1e-3)


@pytest.mark.parametrize("name", ["image/image.nii.gz", "mask/mask.nii.gz"])
def test_nibabel_and_simpleitk_read_the_same_nifti(real_data, name):
    file = real_data("thigh_ct") / "nifti" / name
    volume, image = read(file), nib.load(file)
    assert np.array_equal(volume.values, np.asarray(image.dataobj).transpose(2, 1, 0))
    assert volume.spacing_mm == pytest.approx(image.header.get_zooms()[::-1], rel=1e-6)
    theirs = sitk.ReadImage(str(file))
    assert np.array_equal(volume.values, sitk.GetArrayFromImage(theirs))
    origin, directions = grid_of(volume)
    assert origin == pytest.approx(theirs.GetOrigin(), abs=1e-3)
    assert np.allclose(directions, np.reshape(theirs.GetDirection(), (3, 3)), atol=1e-5)
    ras = np.diag([-1, -1, 1]) @ directions * volume.spacing_mm[::-1]
    assert np.allclose(ras, image.affine[:3, :3], atol=1e-4)


def test_simpleitk_reads_the_same_nrrd(real_data):
    file = next(real_data("dicom_odd").rglob("*.nrrd"))
    volume, image = read(file), sitk.ReadImage(str(file))
    assert np.array_equal(volume.values, sitk.GetArrayFromImage(image))
    assert volume.spacing_mm == pytest.approx(image.GetSpacing()[::-1], rel=1e-6)
    assert grid_of(volume)[0] == pytest.approx(image.GetOrigin(), abs=1e-3)


@pytest.mark.parametrize("name", ["fibres/100_fiberform.tif", "fibres/small_weave.tif", "fibres/polymer_slice.tif"])
def test_tifffile_reads_the_same_pages(real_data, name):
    file = real_data(name)
    theirs = tifffile.imread(file)
    assert np.array_equal(read(file, spacing_mm=(0.001,) * 3).values, theirs.reshape(-1, *theirs.shape[-2:]))


def test_tifffile_reads_the_same_stack(real_data):
    files = sorted((real_data("soil_stack") / "tif").iterdir())
    theirs = np.stack([tifffile.imread(p) for p in files])
    assert np.array_equal(read(real_data("soil_stack"), spacing_mm=(0.0607,) * 3).values, theirs)


@pytest.mark.parametrize("ending", ["mhd", "mha", "nii.gz", "nrrd"])
def test_a_real_scan_written_by_simpleitk_is_read_back(real_data, tmp_path, ending):
    """The thigh again, in each format of ITK: the DICOM series' voxels, spacing and place."""
    reader = sitk.ImageSeriesReader()
    folder = real_data("thigh_ct/dicom/image")
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    sitk.WriteImage(sitk.Cast(reader.Execute(), sitk.sitkInt16), str(tmp_path / f"thigh.{ending}"), useCompression=True)
    dicom, volume = read(folder), read(tmp_path / f"thigh.{ending}", units="HU")
    assert np.array_equal(volume.values, dicom.values)
    assert volume.spacing_mm == pytest.approx(dicom.spacing_mm, rel=1e-6)
    assert grid_of(volume)[0] == pytest.approx(grid_of(dicom)[0], abs=1e-3)


def test_overlapping_slices_are_no_gap(real_data):
    volume = read(real_data("overlap_series"))
    assert volume.shape == (3, 512, 512)
    assert volume.spacing_mm[0] == pytest.approx(1.0, abs=1e-6)
    codes = {f.code for f in volume.findings}
    assert "padding" in codes
    assert not codes & {"gap", "slices-apart"}
    assert volume.values[volume.valid].min() >= -1024


@pytest.mark.parametrize("part", LOSSLESS)
def test_lossless_syntaxes_equal_the_reference(real_data, part):
    folder = real_data("dicom_syntaxes")
    reference = read(syntax_file(folder, "LittleEndianExplicit"))
    volume = read(syntax_file(folder, part))
    assert np.array_equal(volume.values, reference.values)
    assert np.array_equal(volume.valid, reference.valid)


@pytest.mark.parametrize(("part", "hu"), LOSSY_HU)
def test_lossy_syntaxes_are_close_and_told(real_data, part, hu):
    folder = real_data("dicom_syntaxes")
    reference = read(syntax_file(folder, "LittleEndianExplicit"))
    volume = read(syntax_file(folder, part))
    both = volume.valid & reference.valid
    assert np.abs(volume.values[both].astype(int) - reference.values[both]).max() <= hu
    assert "lossy" in {f.code for f in volume.findings}


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"])
def test_what_cannot_be_decoded_is_refused_by_syntax(real_data, uid):
    with pytest.raises(InputRefused) as caught:
        read(syntax_file(real_data("dicom_syntaxes"), uid))
    assert caught.value.code == "syntax-unsupported"
    assert uid in caught.value.text


def test_soil_stack_needs_a_spacing(real_data):
    folder = real_data("soil_stack")
    with pytest.raises(InputRefused) as caught:
        read(folder / "tif")
    assert caught.value.code == "spacing-missing"
    volume = read(folder, spacing_mm=(0.0607,) * 3)
    assert (volume.shape, volume.units, volume.values.dtype) == ((100, 500, 500), "grey", np.uint8)
    assert inspect(folder).skipped == 1


def test_fibres(real_data):
    folder = real_data("fibres")
    mm = (0.001,) * 3
    fibre = read(folder / "100_fiberform.tif", spacing_mm=mm)
    assert fibre.shape == (100, 100, 100)
    assert 0.1 < np.mean(fibre.values >= 90) < 0.3
    assert read(folder / "small_weave.tif", spacing_mm=mm).shape == (150, 150, 150)
    negative = read(folder / "polymer_slice.tif", spacing_mm=mm)
    assert negative.values.dtype == np.float32
    assert negative.values.min() < 0
    raw = read(folder / "polymer3d_8bit_128x128x128.raw", shape=(128, 128, 128), dtype="u1", spacing_mm=mm)
    assert raw.shape == (128, 128, 128)


def test_rocks_from_zip_and_npz_agree(real_data):
    folder = real_data("rocks")
    mm = (0.001,) * 3
    berea = read(folder / "berea.zip", spacing_mm=mm)
    small = read(folder / "berea_100_to_300.npz", spacing_mm=mm)
    assert np.mean(berea.values == 0) == pytest.approx(0.19645, abs=5e-6)
    assert np.array_equal(small.values == 1, berea.values[100:300, 100:300, 100:300] == 0)


def test_odd_files(real_data):
    folder = real_data("dicom_odd")
    small = read(folder / "CT_small.dcm")
    assert small.shape == (1, 128, 128)
    assert small.spacing_mm == pytest.approx((5, 0.661468, 0.661468))
    twins = [read(folder / "multiframe_twin" / part, units="grey") for part in ("image", "multiframe")]
    assert np.array_equal(twins[0].values, twins[1].values)
    assert twins[0].spacing_mm == twins[1].spacing_mm
    with pytest.raises(InputRefused) as caught:
        read(folder / "eCT_Supplemental.dcm")
    assert caught.value.code == "units-not-hu"
