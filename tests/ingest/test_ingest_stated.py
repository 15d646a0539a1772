"""What a file states about lengths, places and its own end is used, and what it leaves unsaid is not made up."""

from __future__ import annotations

import io
import tarfile

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK
import zarr

import soilscope as ss
from soilscope.errors import InputRefused

VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("um", 1e-3), ("cm", 10.0)])
def test_an_nrrds_own_unit_of_length_is_used(tmp_path, unit, mm):
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([2.0, 3.0, 4.0]),
        "space units": [unit] * 3,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES.transpose(2, 1, 0), header)
    volume = ss.read(tmp_path / "a.nrrd")
    np.testing.assert_allclose(volume.spacing_mm, [4 * mm, 3 * mm, 2 * mm])
    np.testing.assert_array_equal(volume.values, VALUES)


def test_the_units_of_plain_nrrd_spacings_are_used(tmp_path):
    nrrd.write(
        str(tmp_path / "a.nrrd"), VALUES.transpose(2, 1, 0), {"spacings": [500.0, 600.0, 1200.0], "units": ["um"] * 3}
    )
    np.testing.assert_allclose(ss.read(tmp_path / "a.nrrd").spacing_mm, [1.2, 0.6, 0.5])


def test_an_nrrd_in_an_unknown_unit_is_refused_by_its_word(tmp_path):
    nrrd.write(
        str(tmp_path / "a.nrrd"), VALUES.transpose(2, 1, 0), {"spacings": [1.0, 1.0, 1.0], "units": ["furlong"] * 3}
    )
    with pytest.raises(InputRefused, match="furlong") as caught:
        ss.read(tmp_path / "a.nrrd")
    assert caught.value.code == "spacing-missing"


@pytest.mark.parametrize("flips", [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)])
def test_a_nifti_placed_by_a_scanner_lies_as_simpleitk_has_it_at_any_origin(tmp_path, flips):
    image = nib.Nifti1Image(VALUES.transpose(2, 1, 0), np.diag([*(2.0 * f for f in flips), 1.0]))
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    nib.save(image, tmp_path / "a.nii")
    upright = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(tmp_path / "a.nii")), "LPS")
    np.testing.assert_array_equal(ss.read(tmp_path / "a.nii").values, SimpleITK.GetArrayFromImage(upright))


def test_a_nifti_without_a_place_keeps_its_order_and_says_so(tmp_path):
    image = nib.Nifti1Image(VALUES.transpose(2, 1, 0), None)
    image.header.set_zooms((2.0, 3.0, 4.0))
    image.header["qform_code"] = image.header["sform_code"] = 0
    nib.save(image, tmp_path / "a.nii")
    volume = ss.read(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.spacing_mm == (4.0, 3.0, 2.0)
    assert "orientation-unstated" in {finding.code for finding in volume.findings}


def test_a_level_without_a_scale_has_no_spacing_whatever_its_axes_units(tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    root.create_array("0", data=VALUES)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    with pytest.raises(InputRefused) as caught:
        ss.read(tmp_path / "a.zarr")
    assert caught.value.code == "spacing-missing"
    assert ss.read(tmp_path / "a.zarr", spacing_mm=(1, 1, 1)).shape == VALUES.shape


def _packed(mode: str) -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode=mode) as archive:
        for k in range(3):
            one = io.BytesIO()
            np.save(one, VALUES + k)
            info = tarfile.TarInfo(f"{k}.npy")
            info.size = one.tell()
            one.seek(0)
            archive.addfile(info, one)
    return kept.getvalue()


def test_a_flipped_checksum_behind_a_packed_tar_is_noticed(tmp_path):
    whole = _packed("w:gz")
    (tmp_path / "a.tar.gz").write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    with pytest.raises(InputRefused) as caught:
        ss.read(tmp_path / "a.tar.gz", series="0.npy", spacing_mm=(1, 1, 1))
    assert caught.value.code == "archive-damaged"


def test_a_tar_cut_between_two_members_is_noticed(tmp_path):
    whole = _packed("w:")
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        cut = archive.getmembers()[2].offset
    (tmp_path / "a.tar").write_bytes(whole[:cut])
    with pytest.raises(InputRefused) as caught:
        ss.read(tmp_path / "a.tar", series="0.npy", spacing_mm=(1, 1, 1))
    assert caught.value.code == "archive-damaged"
