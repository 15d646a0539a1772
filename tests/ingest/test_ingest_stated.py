"""What a file states about lengths, places and its own end is used, and what it leaves unsaid is not made up."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK
import zarr
from dicom_files import ramp, save, series

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


@pytest.mark.parametrize("codes", [(0, 2), (0, 1), (1, 0), (1, 2), (2, 2)])
@pytest.mark.parametrize("away", [(False, False, False), (True, True, False), (True, False, True)])
def test_a_nifti_of_a_dicom_series_comes_out_as_the_series_does_whichever_way_it_is_stored(tmp_path, codes, away):
    """8. Twins of one series in LPS, in RAS (all axes rising) and in another order of storage lie as the series does."""
    stored = ramp()
    volume = ss.read(save(series(stored, origin=(-5, -6, 100)), tmp_path / "dicom"))
    values, affine = volume.values.transpose(2, 1, 0), np.diag([-0.3, -0.4, 0.5, 1.0])
    affine[:3, 3] = (5, 6, 100)
    for axis in [axis for axis, turned in enumerate(away) if turned]:
        affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
        affine[:3, axis] *= -1
        values = np.flip(values, axis)
    image = nib.Nifti1Image(np.ascontiguousarray(values), affine)
    image.set_qform(affine, code=codes[0])
    image.set_sform(affine, code=codes[1])
    nib.save(image, tmp_path / "a.nii")
    twin = ss.read(tmp_path / "a.nii")
    np.testing.assert_array_equal(twin.values, volume.values)
    np.testing.assert_allclose(twin.source["grid"]["origin_mm"], volume.source["grid"]["origin_mm"], atol=1e-4)


def test_voxel_sizes_and_nothing_more_do_not_say_how_a_nifti_lies(tmp_path):
    """What programs write that were handed an array: its order is kept, and the finding says what that would mean."""
    nib.save(nib.Nifti1Image(VALUES.transpose(2, 1, 0), np.diag([2.0, 3.0, 4.0, 1.0])), tmp_path / "a.nii")
    volume = ss.read(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.values, VALUES)
    (told,) = [f for f in volume.findings if f.code == "orientation-unstated"]
    assert "sform_code 2" in told.text
    assert "half a turn" in told.text


def paired(folder, kind=nib.Nifti1Pair, affine=(-2.0, -3.0, 4.0)):
    """A header and the file beside it that holds its values."""
    folder.mkdir(exist_ok=True)
    nib.save(kind(VALUES.transpose(2, 1, 0), np.diag([*affine, 1.0])), folder / "core.img")
    return folder / "core.hdr", folder / "core.img"


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_pair_is_one_scan(tmp_path, kind, packed):
    """Both files of a pair are one candidate, in a folder and in an archive, with the values nibabel reads."""
    head, data = paired(tmp_path / "pair", kind)
    place = tmp_path / "pair"
    if packed:
        place = tmp_path / "pair.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.write(head, head.name)
            archive.write(data, data.name)
    found = ss.inspect(place)
    assert [one.id for one in found.series] == ["core.hdr"]
    assert found.skipped == 0
    volume = ss.read(place)
    np.testing.assert_array_equal(volume.values, np.asarray(nib.load(head).dataobj).transpose(2, 1, 0))
    assert volume.spacing_mm == (4.0, 3.0, 2.0)
    np.testing.assert_array_equal(ss.read(head).values, volume.values)


@pytest.mark.parametrize(("change", "code"), [(-1, "file-cut"), (3, "excess-bytes")])
def test_values_of_a_pair_that_are_too_few_or_too_many_are_refused(tmp_path, change, code):
    """16. File cut by one byte; excess bytes -> refuse."""
    _, data = paired(tmp_path)
    whole = data.read_bytes()
    data.write_bytes(whole[:change] if change < 0 else whole + bytes(change))
    with pytest.raises(InputRefused, match=r"core\.(hdr|img)") as caught:
        ss.read(tmp_path)
    assert caught.value.code == code


def test_half_a_pair_is_refused_and_names_the_other(tmp_path):
    """The next step names the file that is needed."""
    head, data = paired(tmp_path)
    with pytest.raises(InputRefused, match=r"name core\.hdr") as caught:
        ss.read(data)
    assert caught.value.code == "nothing-readable"
    data.unlink()
    with pytest.raises(InputRefused, match=r"core\.img") as caught:
        ss.read(head)
    assert caught.value.code == "detached-data"


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


def nifti(path, kind=nib.Nifti1Image, pixdim=(0.5, 0.6, 1.2), qform=0, sform=0, slope=None):
    """VALUES with a stored voxel size (x, y, z), placed by a quaternion or a matrix or neither."""
    image = kind(VALUES.transpose(2, 1, 0), np.diag([0.5, 0.6, 1.2, 1.0]))
    image.set_qform(np.diag([-0.5, -0.6, 1.2, 1.0]), code=qform)
    image.set_sform(np.diag([-0.5, -0.6, 1.2, 1.0]), code=sform)
    nib.save(image, path)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    header = kind.header_class.from_fileobj(io.BytesIO(raw), check=False)
    header["pixdim"][1:4] = pixdim
    if slope is not None:
        header["srow_x"] = header["srow_y"] = header["srow_z"] = slope
    raw = header.binaryblock + raw[len(header.binaryblock) :]
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("pixdim", [(0, 0, 0), (0.5, 0.6, 0), (np.nan, 0.6, 1.2), (np.inf, 1, 1), (0.5, -0.6, 1.2)])
@pytest.mark.parametrize("qform", [0, 1])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_without_a_voxel_size_is_refused_until_one_is_given(tmp_path, capfd, pixdim, qform, name):
    """CONTRACT: no spacing in the file and none given is an error; nibabel's own 1 mm is never taken."""
    path = nifti(tmp_path / name, pixdim=pixdim, qform=qform)
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code == "spacing-missing"
    (listed,) = ss.inspect(path).series
    assert (listed.usable, listed.spacing_mm) == (False, None)
    volume = ss.read(path, spacing_mm=(1.2, 0.6, 0.5))
    assert volume.spacing_mm == (1.2, 0.6, 0.5)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert "spacing-asserted" in {f.code for f in volume.findings}
    assert "grid" not in volume.source
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_niftis_matrix_states_the_voxel_size_where_it_is_the_place(tmp_path, kind):
    volume = ss.read(nifti(tmp_path / "a.nii", kind, (0, 0, 0), sform=1))
    np.testing.assert_allclose(volume.spacing_mm, (1.2, 0.6, 0.5))
    np.testing.assert_array_equal(volume.values, VALUES)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_nifti_whose_matrix_is_none_is_refused_until_a_voxel_size_is_given(tmp_path, slope):
    path = nifti(tmp_path / "a.nii", sform=1, slope=slope)
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code == "spacing-missing"
    volume = ss.read(path, spacing_mm=(1.2, 0.6, 0.5))
    np.testing.assert_array_equal(volume.values, VALUES)
    assert "orientation-unstated" in {f.code for f in volume.findings}


@pytest.mark.parametrize("unit", [4, 7, 4 + 16])
def test_a_nifti_in_a_unit_nobody_knows_is_refused_until_a_voxel_size_is_given(tmp_path, unit):
    """CONTRACT: nothing is guessed; an asserted spacing is recorded. Bits beside those of the length are of the time."""
    path = nifti(tmp_path / "a.nii")
    raw = bytearray(path.read_bytes())
    raw[123] = unit  # xyzt_units (nifti1.h)
    path.write_bytes(raw)
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code == "spacing-missing"
    volume = ss.read(path, spacing_mm=(1.2, 0.6, 0.5))
    assert volume.spacing_mm == (1.2, 0.6, 0.5)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert {"length-unit-unknown", "spacing-asserted"} <= {f.code for f in volume.findings}


@pytest.mark.parametrize(("unit", "mm"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 1e-3), (2 + 56, 1.0)])
def test_the_units_of_length_nifti_knows_are_used_whatever_the_time_is_in(tmp_path, unit, mm):
    """nifti1.h: 1 is the metre, 2 the millimetre, 3 the micrometre; 0, which says nothing, is told and taken for mm as by ITK."""
    path = nifti(tmp_path / "a.nii")
    raw = bytearray(path.read_bytes())
    raw[123] = unit
    path.write_bytes(raw)
    volume = ss.read(path)
    np.testing.assert_allclose(volume.spacing_mm, np.multiply((1.2, 0.6, 0.5), mm), rtol=1e-6)
    assert ("length-unit-assumed" in {f.code for f in volume.findings}) == (unit == 0)


def test_what_nibabel_mends_in_a_header_is_a_finding(tmp_path, capfd):
    path = nifti(tmp_path / "a.nii")
    raw = bytearray(path.read_bytes())
    raw[254:256] = (77).to_bytes(2, "little")  # sform_code (nifti1.h): no code of the standard
    path.write_bytes(raw)
    (told,) = [f for f in ss.read(path).findings if f.code == "header-mended"]
    assert "sform_code 77" in told.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "fields",
    [
        {"spacings": [np.nan, 0.6, 1.2]},
        {"spacings": [0.5, 0.6, 0.0]},
        {"spacings": [0.5, -0.6, 1.2]},
        {},
        {"space": "left-posterior-superior", "space directions": np.diag([0.5, 0.6, 0.0])},
    ],
)
def test_an_nrrd_without_a_voxel_size_is_refused_until_one_is_given(tmp_path, fields):
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES.transpose(2, 1, 0), fields)
    with pytest.raises(InputRefused) as caught:
        ss.read(tmp_path / "a.nrrd")
    assert caught.value.code == "spacing-missing"
    volume = ss.read(tmp_path / "a.nrrd", spacing_mm=(1.2, 0.6, 0.5))
    np.testing.assert_array_equal(volume.values, VALUES)


@pytest.mark.parametrize("line", ["", "ElementSpacing = 0 0 0\n", "ElementSpacing = nan 1 1\n"])
def test_a_metaimage_without_a_voxel_size_is_refused_until_one_is_given(tmp_path, line):
    head = f"NDims = 3\nDimSize = 6 5 4\n{line}ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(head.encode() + VALUES.astype("<i2").tobytes())
    with pytest.raises(InputRefused) as caught:
        ss.read(tmp_path / "a.mha")
    assert caught.value.code == "spacing-missing"
    volume = ss.read(tmp_path / "a.mha", spacing_mm=(1.2, 0.6, 0.5))
    np.testing.assert_array_equal(volume.values, VALUES)


@pytest.mark.parametrize("excess", [1, VALUES.nbytes])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("packed", [False, True])
def test_bytes_behind_the_values_are_refused(tmp_path, name, excess, packed):
    """16. ... excess bytes -> refuse, alone and in an archive."""
    folder = tmp_path / "scan"
    folder.mkdir()
    path = folder / name
    if ".nii" in name:
        nifti(path)
    else:
        nrrd.write(str(path), VALUES.transpose(2, 1, 0), {"spacings": [0.5, 0.6, 1.2], "encoding": "raw"})
    held = folder / "a.raw" if path.suffix == ".nhdr" else path
    whole = zipped(folder) if packed else folder
    np.testing.assert_array_equal(ss.read(whole).values, VALUES)
    raw = held.read_bytes()
    held.write_bytes(
        gzip.compress(gzip.decompress(raw) + bytes(excess)) if path.suffix == ".gz" else raw + bytes(excess)
    )
    with pytest.raises(InputRefused) as caught:
        ss.read(zipped(folder) if packed else folder)
    assert caught.value.code == "excess-bytes"


def zipped(folder):
    return Path(shutil.make_archive(str(folder), "zip", folder))
