"""Reading plane by plane gives what reading whole gives, in every format that allows it."""

from __future__ import annotations

import h5py
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from imagecodecs import png_encode

from soilscope.errors import InputRefused, UsageError
from soilscope.ingest import open_scan, options_of, read

sitk = pytest.importorskip("SimpleITK")

MM = (0.07, 0.06, 0.05)
SHAPE = (9, 12, 10)
FORMATS = ["tiff", "pages", "compressed", "imagej", "png", "npy", "fortran", "metaimage", "turned", "hdf5", "zarr"]


def values_of(dtype=np.uint16):
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 251).astype(dtype)


def written(folder, kind, values):
    if kind in ("tiff", "png"):
        for k, plane in enumerate(values):
            if kind == "tiff":
                tifffile.imwrite(folder / f"{k}.tif", plane)
            else:
                (folder / f"{k}.png").write_bytes(png_encode(plane))
        return folder
    path = folder / "core"
    if kind in ("pages", "compressed"):
        how = {"compression": "deflate"} if kind == "compressed" else {}
        tifffile.imwrite(path.with_suffix(".tif"), values, photometric="minisblack", **how)
    elif kind == "imagej":
        about = {"spacing": 0.07, "unit": "mm", "axes": "ZYX"}
        tifffile.imwrite(path.with_suffix(".tif"), values, imagej=True, resolution=(20, 1 / 0.06), metadata=about)
    elif kind == "npy":
        np.save(path, values)
    elif kind == "fortran":
        np.save(path, np.asfortranarray(values))
    elif kind == "hdf5":
        with h5py.File(path.with_suffix(".h5"), "w") as file:
            file.create_dataset("data", data=values, chunks=(4, 5, 10), compression="gzip")
    elif kind == "zarr":
        zarr.create_array(path.with_suffix(".zarr"), data=values, chunks=(4, 6, 5), fill_value=999)
    else:
        image = sitk.GetImageFromArray(values)
        image.SetSpacing(MM[::-1])
        if kind == "turned":
            image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, -1))
        sitk.WriteImage(image, str(path.with_suffix(".mhd")))
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_plane_by_plane_is_the_whole(tmp_path, kind):
    folder = written(tmp_path, kind, values_of())
    stated = None if kind in ("imagej", "metaimage", "turned") else MM
    whole = read(folder, spacing_mm=stated)
    with open_scan(folder, None, options_of(spacing_mm=stated)) as scan, scan.streamed(lambda *_: None) as large:
        planes = [large.plane(k) for k in range(whole.shape[0])]
        again, _ = large.plane(2)
    assert np.array_equal(np.stack([values for values, _ in planes]), whole.values)
    assert np.array_equal(np.stack([valid for _, valid in planes]), whole.valid)
    assert np.array_equal(again, whole.values[2])
    assert large.about.spacing_mm == whole.spacing_mm
    assert large.about.findings == whole.findings
    assert large.about.source == whole.source
    assert large.about.values.dtype == whole.values.dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint32, np.float32, np.float64, bool])
@pytest.mark.parametrize("units", ["grey", "HU"])
def test_values_of_every_type_are_converted_alike(tmp_path, dtype, units):
    values = values_of(np.float64) - (100.25 if np.dtype(dtype).kind == "f" else 0)
    values = values.astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[1, 2, 3], values[4] = np.inf, np.nan
    np.save(tmp_path / "core.npy", values)
    whole = read(tmp_path / "core.npy", spacing_mm=MM, units=units)
    options = options_of(units=units, spacing_mm=MM)
    with open_scan(tmp_path / "core.npy", None, options) as scan, scan.streamed(lambda *_: None) as large:
        planes = [large.plane(k) for k in range(len(values))]
    assert np.array_equal(np.stack([v for v, _ in planes]), whole.values)
    assert np.array_equal(np.stack([v for _, v in planes]), whole.valid)
    assert large.about.findings == whole.findings


def test_missing_chunks_are_masked_plane_by_plane(tmp_path):
    with h5py.File(tmp_path / "core.h5", "w") as file:
        data = file.create_dataset("data", shape=SHAPE, dtype=np.uint16, chunks=(4, 5, 10))
        data[:4, :5] = values_of()[:4, :5]
    options = options_of(spacing_mm=MM, on_gap="mark")
    whole = read(tmp_path / "core.h5", spacing_mm=MM, on_gap="mark")
    with open_scan(tmp_path / "core.h5", None, options) as scan, scan.streamed(lambda *_: None) as large:
        assert np.array_equal(np.stack([large.plane(k)[1] for k in range(SHAPE[0])]), whole.valid)
        assert large.about.findings == whole.findings


def test_a_damaged_slice_is_refused_by_name_on_the_way(tmp_path):
    written(tmp_path, "tiff", values_of())
    data = (tmp_path / "5.tif").read_bytes()
    with open_scan(tmp_path, None, options_of(spacing_mm=MM)) as scan:
        (tmp_path / "5.tif").write_bytes(data[:-40])  # once its header was read
        with pytest.raises(InputRefused) as caught, scan.streamed(lambda *_: None):
            pass
    assert caught.value.code == "file-cut"
    assert "5.tif" in caught.value.text


def test_formats_that_are_read_whole_say_so(tmp_path):
    nrrd.write(str(tmp_path / "core.nrrd"), values_of().T, {"spacings": [0.05, 0.06, 0.07]})
    with open_scan(tmp_path / "core.nrrd", None, options_of()) as scan:
        assert not scan.large
        with pytest.raises(UsageError), scan.streamed(lambda *_: None):
            pass
