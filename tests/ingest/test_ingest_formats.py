"""TIFF and PNG stacks, NIfTI, NRRD, npy, npz, raw: values, spacing, and what is refused."""

from __future__ import annotations

import io
import zipfile

import nibabel as nib
import nrrd
import numpy as np
import pytest
import tifffile
from dicom_files import ramp, save, series
from imagecodecs import png_encode

from soilscope.errors import InputRefused, SoilscopeError
from soilscope.ingest import inspect, read

sitk = pytest.importorskip("SimpleITK")

MM = (0.07, 0.06, 0.05)


def grey(dtype=np.uint16, shape=(4, 5, 6)):
    return (np.arange(np.prod(shape)).reshape(shape) * 2).astype(dtype)


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def codes(volume) -> set[str]:
    return {f.code for f in volume.findings}


def multi_page(path, values, **options):
    tifffile.imwrite(path, values, photometric="minisblack", **options)


def stack(folder, values, name="slice{}.tif"):
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(values):
        tifffile.imwrite(folder / name.format(k + 1), plane)
    return folder


def test_a_folder_of_slices_is_read_in_the_natural_order_of_its_names(tmp_path):
    values = grey(shape=(12, 5, 6))
    volume = read(stack(tmp_path, values, "my core {}.tif"), spacing_mm=MM)
    assert np.array_equal(volume.values, values)
    assert volume.units == "grey"
    assert volume.spacing_mm == MM
    assert "spacing-asserted" in codes(volume)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int16, np.uint32, np.float64])
def test_a_multi_page_file_keeps_its_values(tmp_path, dtype):
    values = grey(dtype)
    multi_page(tmp_path / "core.tif", values)
    volume = read(tmp_path / "core.tif", spacing_mm=MM)
    assert np.array_equal(volume.values, values)
    assert volume.values.dtype == {np.uint32: np.uint16, np.float64: np.float32}.get(dtype, dtype)


def test_wide_integers_that_do_not_fit_float32_are_told(tmp_path):
    values = grey(np.uint32)
    values[0, 0, 0] = 2**31 + 1
    multi_page(tmp_path / "core.tif", values)
    assert "values-rounded" in codes(read(tmp_path / "core.tif", spacing_mm=MM))


def test_nothing_is_guessed_without_spacing(tmp_path):
    """CONTRACT: no spacing in the file and none given is an error."""
    folder = stack(tmp_path, grey())
    assert "nothing is guessed" in refused(folder, "spacing-missing")
    listed = inspect(folder).series[0]
    assert not listed.usable
    assert listed.shape == (4, 5, 6)
    assert [f.code for f in listed.findings] == ["spacing-missing"]
    assert inspect(folder, spacing_mm=MM).series[0].usable


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("micron", 1000), ("um", 1000), ("cm", 0.1)])
def test_imagej_calibration_is_the_spacing(tmp_path, unit, factor):
    dz, dy, dx = (s * factor for s in MM)
    about = {"spacing": dz, "unit": unit, "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "core.tif", grey(), imagej=True, resolution=(1 / dx, 1 / dy), metadata=about)
    assert read(tmp_path / "core.tif").spacing_mm == pytest.approx(MM, rel=1e-5)


def test_ome_physical_sizes_are_the_spacing(tmp_path):
    about = {"axes": "ZYX", "PhysicalSizeX": 50, "PhysicalSizeY": 60, "PhysicalSizeZ": 0.07, "PhysicalSizeZUnit": "mm"}
    tifffile.imwrite(tmp_path / "core.ome.tif", grey(), ome=True, metadata=about)
    assert read(tmp_path / "core.ome.tif").spacing_mm == pytest.approx(MM)


def test_print_resolution_is_no_spacing(tmp_path):
    multi_page(tmp_path / "core.tif", grey(), resolution=(300, 300), resolutionunit="INCH")
    refused(tmp_path / "core.tif", "spacing-missing")


def test_compressed_and_tiled_pages_are_read(tmp_path):
    values = grey(shape=(3, 64, 48))
    multi_page(tmp_path / "core.tif", values, compression="deflate", tile=(16, 16))
    assert np.array_equal(read(tmp_path / "core.tif", spacing_mm=MM).values, values)


def test_slices_of_two_sizes_are_refused(tmp_path):
    folder = stack(tmp_path, grey())
    tifffile.imwrite(folder / "slice3.tif", np.zeros((5, 7), np.uint16))
    assert "slice3.tif" in refused(folder, "mixed-size", spacing_mm=MM)


def test_a_colour_picture_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    refused(tmp_path, "colour", spacing_mm=MM)


def test_a_cut_tiff_is_refused(tmp_path):
    multi_page(tmp_path / "core.tif", grey(shape=(4, 50, 60)))
    data = (tmp_path / "core.tif").read_bytes()
    (tmp_path / "core.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputRefused) as caught:
        read(tmp_path / "core.tif", spacing_mm=MM)
    assert caught.value.code in {"file-cut", "file-damaged"}


def test_png_slices_are_a_stack(tmp_path):
    values = grey(shape=(11, 5, 6))
    for k, plane in enumerate(values):
        (tmp_path / f"{k}.png").write_bytes(png_encode(plane))
    assert np.array_equal(read(tmp_path, spacing_mm=MM).values, values)


def test_nan_is_masked_and_told(tmp_path):
    values = grey(np.float32)
    values[1, 2, 3] = np.nan
    multi_page(tmp_path / "core.tif", values)
    volume = read(tmp_path / "core.tif", spacing_mm=MM)
    assert np.array_equal(volume.valid, np.isfinite(values))
    assert np.isfinite(volume.values).all()
    assert "not-finite" in codes(volume)


def test_units_stated_by_the_user_are_recorded(tmp_path):
    values = grey(np.float32) - 50
    multi_page(tmp_path / "core.tif", values)
    volume = read(tmp_path / "core.tif", spacing_mm=MM, units="HU")
    assert volume.units == "HU"
    assert volume.values.dtype == np.int16
    assert np.array_equal(volume.values, values)
    assert "units-asserted" in codes(volume)
    multi_page(tmp_path / "core.tif", values * 1000)
    refused(tmp_path / "core.tif", "beyond-int16", spacing_mm=MM, units="HU")


def test_nifti_from_a_dicom_series_equals_it(tmp_path):
    stored = ramp()
    dicom = read(save(series(stored), tmp_path / "dicom"))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sorted(str(p) for p in (tmp_path / "dicom").iterdir()))
    image = sitk.Cast(reader.Execute(), sitk.sitkInt16)
    for name in ("core.nii.gz", "core.nii", "core.nrrd"):
        sitk.WriteImage(image, str(tmp_path / name))
        volume = read(tmp_path / name, units="HU")
        assert np.array_equal(volume.values, dicom.values)
        assert volume.spacing_mm == pytest.approx(dicom.spacing_mm, rel=1e-6)
        assert volume.source["grid"]["origin_mm"] == pytest.approx(dicom.source["grid"]["origin_mm"], abs=1e-3)


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, 1, 1), (-1, -1, -1), (1, -1, -1)])
def test_a_flipped_or_permuted_nifti_is_turned_by_its_affine(tmp_path, signs):
    values = grey(np.int16)
    xyz = values.transpose(2, 1, 0)
    affine = np.diag([-0.05, -0.06, 0.07, 1.0])
    affine[:3, 3] = (10, 20, 30)
    flipped = affine.copy()
    for axis, (sign, own) in enumerate(zip(signs, (-1, -1, 1), strict=True)):
        if sign != own:
            xyz = np.flip(xyz, axis)
            flipped[:3, 3] += flipped[:3, axis] * (xyz.shape[axis] - 1)
            flipped[:3, axis] *= -1
    nib.save(
        nib.Nifti1Image(np.ascontiguousarray(xyz.transpose(1, 0, 2)), flipped[:, [1, 0, 2, 3]]), tmp_path / "core.nii"
    )
    volume = read(tmp_path / "core.nii")
    assert np.array_equal(volume.values, values)
    assert volume.spacing_mm == pytest.approx(MM, rel=1e-6)


def test_a_nifti_without_orientation_keeps_its_array_order(tmp_path):
    values = grey(np.int16)
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), np.diag([0.05, 0.06, 0.07, 1.0])), tmp_path / "core.nii")
    volume = read(tmp_path / "core.nii")
    assert np.array_equal(volume.values, values)
    assert "orientation-unstated" in codes(volume)


def test_nrrd_spacings_without_a_space(tmp_path):
    values = grey()
    nrrd.write(str(tmp_path / "core.nrrd"), values.transpose(2, 1, 0), {"spacings": [0.05, 0.06, 0.07]})
    volume = read(tmp_path / "core.nrrd")
    assert np.array_equal(volume.values, values)
    assert volume.spacing_mm == pytest.approx(MM)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("LIST\np0.raw\np1.raw", "over several files"),
        ("p%d.raw 0 1 1", "over several files"),
        ("core.raw", "needs core.raw beside it"),
    ],
)
def test_a_detached_nrrd_whose_values_are_not_in_one_file_beside_it_is_refused_with_the_reason(tmp_path, named, words):
    head = "NRRD0004\ntype: uint16\ndimension: 3\nsizes: 4 3 2\nspacings: 1 1 1\nendian: little\nencoding: raw\ndata file: "
    (tmp_path / "core.nhdr").write_text(f"{head}{named}\n")
    for k in range(2):
        (tmp_path / f"p{k}.raw").write_bytes(bytes(24))
    with pytest.raises(InputRefused, match=words) as caught:
        read(tmp_path / "core.nhdr")
    assert caught.value.code == "detached-data"


@pytest.mark.parametrize("ending", ["nhdr", "mhd"])
def test_a_file_beside_its_header_may_be_named_with_a_dot_and_a_slash(tmp_path, ending):
    """As Teem's unu writes it."""
    values = grey()
    (tmp_path / "core.raw").write_bytes(values.tobytes())
    sizes = " ".join(map(str, values.shape[::-1]))
    head = {
        "nhdr": f"NRRD0004\ntype: uint16\ndimension: 3\nsizes: {sizes}\nspacings: 0.05 0.06 0.07\nendian: little\nencoding: raw\n"
        "data file: ./core.raw\n",
        "mhd": f"NDims = 3\nDimSize = {sizes}\nElementType = MET_USHORT\nElementSpacing = 0.05 0.06 0.07\n"
        "ElementDataFile = ./core.raw\n",
    }[ending]
    (tmp_path / f"core.{ending}").write_text(head)
    volume = read(tmp_path / f"core.{ending}")
    assert np.array_equal(volume.values, values)
    assert volume.spacing_mm == pytest.approx(MM)


def test_a_detached_nrrd_may_not_reach_elsewhere(tmp_path):
    (tmp_path / "core.nrrd").write_text(
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: ../../etc/passwd\n\n"
    )
    refused(tmp_path / "core.nrrd", "detached-data", spacing_mm=MM)


def test_numpy_files(tmp_path):
    values = grey()
    np.save(tmp_path / "core.npy", values)
    np.savez_compressed(tmp_path / "cores.npz", a=values, b=values > 9)
    assert np.array_equal(read(tmp_path / "core.npy", spacing_mm=MM).values, values)
    refused(tmp_path / "core.npy", "spacing-missing")
    refused(tmp_path / "cores.npz", "ambiguous-series", spacing_mm=MM)
    for named in ("cores.npz:b", "b"):
        assert np.array_equal(read(tmp_path / "cores.npz", series=named, spacing_mm=MM).values, values > 9)


@pytest.mark.parametrize("named", [None, "im", "core.npz", "core.npz:im"])
def test_the_only_array_of_an_npz_file_has_its_own_name_too(tmp_path, named):
    np.savez(tmp_path / "core.npz", im=grey())
    assert np.array_equal(read(tmp_path / "core.npz", series=named, spacing_mm=MM).values, grey())
    for other in ("i", "core.npz:", "other.npz:im", ":im"):
        refused(tmp_path / "core.npz", "no-such-series", series=other, spacing_mm=MM)


@pytest.mark.parametrize("packing", ["npy", "npz", "zip"])
@pytest.mark.parametrize("excess", [1, 240])
def test_bytes_behind_an_array_are_refused(tmp_path, packing, excess):
    """16. ... excess bytes -> refuse."""
    stream = io.BytesIO()
    np.save(stream, grey())
    name = {"npy": "core.npy", "npz": "cores.npz", "zip": "core.zip"}[packing]
    for more, code in ((b"", None), (bytes(excess), "excess-bytes")):
        if packing == "npy":
            (tmp_path / name).write_bytes(stream.getvalue() + more)
        else:
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                archive.writestr("core.npy", stream.getvalue() + more)
        if code is None:
            assert np.array_equal(read(tmp_path / name, spacing_mm=MM).values, grey())
        else:
            assert str(240 + excess) in refused(tmp_path / name, code, spacing_mm=MM)


def test_a_pickle_is_refused_unread(tmp_path):
    """32. Malicious pickle under any extension (.npy object) -> refused unread; canary file is not created."""

    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    np.save(tmp_path / "core.npy", np.array([[[Canary()]]], dtype=object), allow_pickle=True)
    (tmp_path / "canary").unlink(missing_ok=True)
    refused(tmp_path / "core.npy", "pickle", spacing_mm=MM)
    assert not (tmp_path / "canary").exists()


def test_raw_needs_its_exact_size(tmp_path):
    values = grey()
    values.astype(">u2").tofile(tmp_path / "core.raw")
    volume = read(tmp_path / "core.raw", shape=(4, 5, 6), dtype=">u2", spacing_mm=MM)
    assert np.array_equal(volume.values, values)
    assert volume.values.dtype == np.uint16
    text = refused(tmp_path / "core.raw", "raw-size", shape=(4, 5, 7), dtype=">u2", spacing_mm=MM)
    assert "240 bytes" in text


def test_a_raw_file_s_number_type_is_written_in_any_way_numpy_knows(tmp_path):
    grey().astype("<u2").tofile(tmp_path / "core.raw")
    for dtype in ("uint16", "<u2", np.uint16, np.dtype("<u2"), "H", "ushort"):
        volume = read(tmp_path / "core.raw", shape=(4, 5, 6), dtype=dtype, spacing_mm=MM)
        assert np.array_equal(volume.values, grey())
    swapped = read(tmp_path / "core.raw", shape=(4, 5, 6), dtype=np.dtype(">u2"), spacing_mm=MM)
    assert np.array_equal(swapped.values, grey().byteswap())
    assert "'shorty'" in refused(tmp_path / "core.raw", "dtype", shape=(4, 5, 6), dtype="shorty", spacing_mm=MM)
    refused(tmp_path / "core.raw", "dtype", shape=(4, 5, 6), dtype=np.complex64, spacing_mm=MM)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"shape": (4, 5, 6)}, "dtype is missing"),
        ({"dtype": "u2"}, "shape is missing"),
        ({}, "shape and dtype are missing"),
    ],
)
def test_a_raw_file_says_what_is_missing_and_how_it_is_given(tmp_path, given, missing):
    """11. Refusals name the next step: in Python, and for the command."""
    grey().tofile(tmp_path / "core.raw")
    with pytest.raises(SoilscopeError, match=missing) as caught:
        read(tmp_path / "core.raw", spacing_mm=MM, **given)
    assert caught.value.code == ("raw" if given else "nothing-readable")
    assert 'read(path, shape=(z, y, x), dtype="uint16", spacing_mm=(dz, dy, dx))' in caught.value.text
    assert "ElementDataFile" in caught.value.text
    (tmp_path / "core.mhd").write_text(
        "NDims = 3\nDimSize = 6 5 4\nElementType = MET_USHORT\nElementSpacing = 0.05 0.06 0.07\nElementDataFile = core.raw\n"
    )
    assert np.array_equal(read(tmp_path / "core.mhd").values, grey())


def test_four_axes_are_refused(tmp_path):
    np.save(tmp_path / "core.npy", np.zeros((2, 3, 4, 5)))
    refused(tmp_path / "core.npy", "shape", spacing_mm=MM)


def test_the_input_digest_follows_the_content_not_the_names(tmp_path):
    one = read(save(series(ramp()), tmp_path / "a"))
    files = sorted((tmp_path / "a").iterdir())
    (tmp_path / "b").mkdir()
    for k, file in enumerate(files):
        (tmp_path / "b" / f"z{9 - k}.dcm").write_bytes(file.read_bytes())
    assert read(tmp_path / "b").source["input_digest"] == one.source["input_digest"]
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"\1")
    assert read(tmp_path / "a").source["input_digest"] != one.source["input_digest"]
