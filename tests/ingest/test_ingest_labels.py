"""Masks made elsewhere, checked against the scan's grid (FAULTS 48)."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import tifffile
from dicom_files import ramp, save, series

from soilscope import measure
from soilscope.errors import InputRefused
from soilscope.ingest import read, read_labels
from soilscope.volume import Volume

sitk = pytest.importorskip("SimpleITK")


@pytest.fixture
def scan(tmp_path):
    return read(save(series(ramp()), tmp_path / "dicom"))


@pytest.fixture
def labels(scan):
    return (np.arange(scan.values.size).reshape(scan.shape) // 100 % 4).astype(np.uint8)


def refused(path, like, code) -> str:
    with pytest.raises(InputRefused) as caught:
        read_labels(path, like)
    assert caught.value.code == code
    return caught.value.text


def image(labels, scan):
    """The labels as another program would write them, aligned with the scan in mm."""
    made = sitk.GetImageFromArray(labels)
    grid = scan.source["grid"]
    made.SetSpacing(scan.spacing_mm[::-1])
    made.SetOrigin(grid["origin_mm"])
    made.SetDirection(np.column_stack([grid["row"], grid["column"], grid["down"]]).ravel())
    return made


@pytest.mark.parametrize("name", ["mask.tif", "mask.npy", "mask.nii.gz", "mask.nrrd", "folder"])
def test_a_mask_on_the_scans_grid_is_read(tmp_path, scan, labels, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        for k, plane in enumerate(labels):
            tifffile.imwrite(path / f"mask{k}.tif", plane)
    elif name == "mask.tif":
        tifffile.imwrite(path, labels, photometric="minisblack")
    elif name == "mask.npy":
        np.save(path, labels.astype(np.int64))
    else:
        sitk.WriteImage(image(labels, scan), str(path))
    found = read_labels(path, scan)
    assert np.array_equal(found, labels)
    assert found.dtype == np.uint8


def test_another_shape_is_refused_naming_both_grids(tmp_path, scan, labels):
    """48. Masks made elsewhere with another shape -> refuse, naming both grids."""
    np.save(tmp_path / "mask.npy", labels[:, :-1])
    text = refused(tmp_path / "mask.npy", scan, "labels-shape")
    assert "8 x 11 x 10" in text
    assert "8 x 12 x 10" in text
    np.save(tmp_path / "mask.npy", labels.transpose(2, 1, 0))
    assert "another order" in refused(tmp_path / "mask.npy", scan, "labels-shape")


def test_another_spacing_is_refused(tmp_path, scan, labels):
    """48. ... spacing -> refuse, naming both grids."""
    made = image(labels, scan)
    made.SetSpacing((0.3, 0.4, 0.6))
    sitk.WriteImage(made, str(tmp_path / "mask.nrrd"))
    text = refused(tmp_path / "mask.nrrd", scan, "labels-spacing")
    assert "0.6 x 0.4 x 0.3 mm" in text
    assert "0.5 x 0.4 x 0.3 mm" in text


def test_another_place_is_refused(tmp_path, scan, labels):
    """48. ... a grid that lies elsewhere -> refuse."""
    made = image(labels, scan)
    made.SetOrigin((0, 0, 0))
    sitk.WriteImage(made, str(tmp_path / "mask.nii"))
    refused(tmp_path / "mask.nii", scan, "labels-grid")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_that_fits_only_flipped_is_said_so(tmp_path, scan, labels, axis):
    """48. ... a mask that only fits flipped is said so, never flipped in silence."""
    valid = np.zeros(scan.shape, bool)
    valid[1:4, 2:5, 1:3] = True
    soil = Volume(scan.values, valid, scan.spacing_mm, "HU", source=scan.source)
    np.save(tmp_path / "mask.npy", np.flip((labels + 1) * valid, axis))
    assert f"along {'zyx'[axis]}" in refused(tmp_path / "mask.npy", soil, "labels-flipped")


@pytest.mark.parametrize("values", [-1, 300, 1.5])
def test_what_is_no_label_is_refused(tmp_path, scan, labels, values):
    """48. ... values that are no labels -> refuse."""
    wrong = labels.astype(np.float32)
    wrong[0, 0, 0] = values
    np.save(tmp_path / "mask.npy", wrong)
    refused(tmp_path / "mask.npy", scan, "labels-values")


def test_a_mask_of_the_cut_out_part_is_placed_by_its_millimetres(tmp_path, scan, labels):
    part = scan.crop(z=(2, 6), y=(1, 9))
    made = image(labels, scan)[:, 1:9, 2:6]
    sitk.WriteImage(made, str(tmp_path / "mask.nii.gz"))
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz", part), labels[2:6, 1:9])
    shifted = image(labels, scan)[:, 2:10, 2:6]
    sitk.WriteImage(shifted, str(tmp_path / "mask.nii.gz"))
    refused(tmp_path / "mask.nii.gz", part, "labels-grid")


def test_a_mask_without_orientation_keeps_its_array_order(tmp_path, scan, labels):
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), np.diag([0.3, 0.4, 0.5, 1.0])), tmp_path / "mask.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz", scan), labels)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_a_flipped_mask_of_a_scan_without_outline_is_told_by_its_values(tmp_path, axes):
    """48. ... a mask that only fits flipped is said so, although neither millimetres nor the soil tell."""
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.integers(1, 4, (4, 5, 6)), np.ones((5, 5, 5))).astype(np.uint8)
    values = (blobs * 300.0 + rng.normal(0, 120, blobs.shape)).astype(np.int16)
    scan = Volume(values, np.ones(values.shape, bool), (0.5, 0.4, 0.3), "HU")
    tifffile.imwrite(tmp_path / "mask.tif", blobs, photometric="minisblack")
    assert np.array_equal(read_labels(tmp_path / "mask.tif", scan), blobs)
    tifffile.imwrite(tmp_path / "mask.tif", np.flip(blobs, axes).copy(), photometric="minisblack")
    text = refused(tmp_path / "mask.tif", scan, "labels-flipped")
    assert " and ".join("zyx"[a] for a in axes) in text.replace("z, y and x", "z and y and x")
    assert text.count("20 x 25 x 30 voxels of 0.5 x 0.4 x 0.3 mm") == 2


def test_a_mask_that_explains_nothing_either_way_is_taken(tmp_path):
    """Roots of the matrix's grey: no flip explains the values, so none is suspected."""
    rng = np.random.default_rng(0)
    scan = Volume(rng.integers(0, 999, (20, 20, 20)).astype(np.int16), np.ones((20, 20, 20), bool), (1, 1, 1), "HU")
    labels = rng.integers(0, 3, (20, 20, 20)).astype(np.uint8)
    np.save(tmp_path / "mask.npy", labels)
    assert np.array_equal(read_labels(tmp_path / "mask.npy", scan), labels)


def test_values_without_a_name_and_another_shape_are_refused_alike_for_arrays_and_files(tmp_path, scan, labels):
    """48. ... more values than names -> refuse; one code, one meaning, whether a file or an array is given."""
    np.save(tmp_path / "mask.npy", labels)
    np.save(tmp_path / "short.npy", labels[1:])
    for given, code in ((labels, "labels-names"), (labels[1:], "labels-shape")):
        path = tmp_path / ("mask.npy" if code == "labels-names" else "short.npy")
        for one in (given, path):
            with pytest.raises(InputRefused) as caught:
                measure(scan, labels=one, names={1: "roots", 2: "stones"}, metrics=[])
            assert caught.value.code == code
            if code == "labels-shape":
                assert "7 x 12 x 10" in caught.value.text
                assert "8 x 12 x 10" in caught.value.text
