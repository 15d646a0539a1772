"""What lies outside the circle a grey volume was reconstructed in is masked on reading, and nothing else is (FAULTS 14)."""

from __future__ import annotations

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from scipy import ndimage

from soilscope.ingest import open_scan, options_of, read, read_labels
from soilscope.ingest.neighbours import Watch
from soilscope.volume import Volume

MM = (0.1, 0.1, 0.1)
SHAPE = (9, 64, 64)


def away(height: int = 64, width: int = 64) -> np.ndarray:
    """Distance of every pixel from the middle of a slice, in halves of its sides: 1 at the sides."""
    y, x = ((np.arange(n) - (n - 1) / 2) / (n / 2) for n in (height, width))
    return np.hypot(y[:, None], x[None, :])


def soil(shape=SHAPE, low: int = 4000, high: int = 30000) -> np.ndarray:
    """Values of soil up to the border: uneven, and noisy."""
    source = np.random.default_rng(3)
    clods = ndimage.gaussian_filter(source.standard_normal(shape), 2)
    values = 16000 + 30000 * clods + source.normal(0, 800, shape)
    return np.clip(values, low, high).round()


def cut(outside: float, dtype=np.uint16, radius: float = 1.0, shape=SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Such soil with one value outside a circle, and where that is."""
    values, ring = soil(shape).astype(dtype), away(*shape[1:]) > radius
    values[:, ring] = outside
    return values, np.broadcast_to(ring, shape)


def told(volume) -> list[str]:
    return [f.text for f in volume.findings if f.code == "scan-circle"]


def tiffs(path, values):
    path.mkdir()
    for k, plane in enumerate(values):
        tifffile.imwrite(path / f"{k}.tif", plane)


def in_hdf5(path, values):
    with h5py.File(path, "w") as file:
        file.create_dataset("scan", data=values, chunks=(4, 16, 64), compression="gzip")


WRITTEN = {
    "tiffs": tiffs,
    "pages.tif": lambda path, values: tifffile.imwrite(path, values, photometric="minisblack"),
    "scan.nii.gz": lambda path, values: nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), np.eye(4)), path),
    "scan.npy": np.save,
    "scan.raw": lambda path, values: values.tofile(path),
    "scan.h5": in_hdf5,
    "scan.zarr": lambda path, values: zarr.create_array(path, data=values, chunks=(4, 16, 64)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_outside_of_the_circle_of_a_grey_volume_is_masked_in_every_format(tmp_path, name):
    """14. ... undeclared ring -> masked before rescale and excluded from classes and porosity."""
    values, ring = cut(0)
    WRITTEN[name](tmp_path / name, values)
    stated = {"spacing_mm": MM} | ({"shape": SHAPE, "dtype": "<u2"} if name.endswith("raw") else {})
    volume = read(tmp_path / name, **stated)
    assert np.array_equal(volume.valid, ~ring)
    assert np.array_equal(volume.values[~ring], values[~ring])
    assert told(volume) == [
        f"{ring.mean():.1%} of the voxels lie outside the scan circle (an undeclared constant) and are masked."
    ]
    assert not {"at-floor", "not-finite"} & {f.code for f in volume.findings}
    with open_scan(tmp_path / name, None, options_of(**stated)) as scan:
        if scan.chosen.planes is not None:
            with scan.streamed(lambda *_: None) as large:
                planes = [large.plane(k) for k in range(SHAPE[0])]
                assert large.about.findings == volume.findings
                assert np.array_equal(large.tall.valid, volume.valid)
                assert np.array_equal(large.wide.valid, volume.valid)
            assert np.array_equal([values for values, _ in planes], volume.values)
            assert np.array_equal([valid for _, valid in planes], volume.valid)


@pytest.mark.parametrize(
    ("outside", "dtype", "radius", "units"),
    [
        pytest.param(65535, np.uint16, 1.0, None, id="the highest value"),
        pytest.param(16000, np.uint16, 1.0, None, id="a value that soil has as well"),
        pytest.param(16000, np.float32, 0.95, None, id="a smaller circle, with lower and higher values in it"),
        pytest.param(-1, np.int32, 1.0, None, id="the only value that does not fit uint16"),
        pytest.param(-100000, np.int32, 1.0, "HU", id="no HU at all"),
        pytest.param(-3024, np.int16, 0.8, "HU", id="no scanner measures it"),
        pytest.param(0.1, np.float64, 1.0, None, id="the only value that float32 rounds"),
    ],
)
def test_the_value_outside_the_circle_may_be_any(tmp_path, outside, dtype, radius, units):
    """14. ... masked before rescale: what was never scanned decides neither number type nor refusal."""
    values, ring = cut(outside, dtype, radius)
    np.save(tmp_path / "scan.npy", values)
    volume = read(tmp_path / "scan.npy", spacing_mm=MM, units=units)
    assert np.array_equal(volume.valid, ~ring)
    assert np.array_equal(volume.values[~ring], values[~ring])
    assert told(volume)
    assert not {"values-rounded", "beyond-int16", "hu-rounded"} & {f.code for f in volume.findings}
    assert volume.values.dtype == (np.int16 if units else np.float32 if np.dtype(dtype).kind == "f" else np.uint16)


def test_the_outside_of_an_ellipse_that_fills_the_picture_is_masked(tmp_path):
    values, ring = cut(0, shape=(9, 48, 80))
    np.save(tmp_path / "scan.npy", values)
    assert np.array_equal(read(tmp_path / "scan.npy", spacing_mm=MM).valid, ~ring)


def test_a_slice_that_jumps_is_told_beside_the_outside_of_the_circle(tmp_path):
    """The mean and spread of a slice are those of what lies within."""
    values, ring = cut(0)
    values[4] = np.where(ring[4], 0, values[4] // 2)
    np.save(tmp_path / "scan.npy", values)
    volume = read(tmp_path / "scan.npy", spacing_mm=MM)
    assert told(volume)
    assert "(slice 4, counted from 0)" in next(f.text for f in volume.findings if f.code == "slice-jump")


def test_statistics_without_the_outside_are_those_of_the_inside():
    values, ring = cut(7)
    every, inside = Watch(), Watch()
    for plane, out in zip(values, ring, strict=True):
        every.add(plane, np.ones(plane.shape, bool))
        inside.add(plane, ~out)
    every.leave_out(ring[0], 7.0)
    assert every.voxels == inside.voxels
    np.testing.assert_allclose(every.mean, inside.mean, rtol=1e-12)
    np.testing.assert_allclose(every.spread, inside.spread, rtol=1e-12)


def test_the_outside_of_a_circle_of_even_air_around_a_tube_is_masked(tmp_path):
    air = 3000 + np.random.default_rng(5).normal(0, 300, SHAPE)
    ring = np.broadcast_to(away() > 1, SHAPE)
    np.save(tmp_path / "scan.npy", np.where(ring, 0, np.where(away() < 0.7, soil(), air).round()).astype(np.uint16))
    assert np.array_equal(read(tmp_path / "scan.npy", spacing_mm=MM).valid, ~ring)


def tube(radius: float) -> np.ndarray:
    """Eight-bit values of soil in a tube, blurred, in air that was clipped to 0."""
    r = away()
    values = np.where(r < radius, 17000, -3000)
    values = np.where(r < 0.85 * radius, soil(), values)
    blurred = ndimage.gaussian_filter(values, (0, 1.2, 1.2)) + np.random.default_rng(5).normal(0, 300, SHAPE)
    return np.clip(blurred / 120, 0, 255).astype(np.uint8)


def classes(count: int) -> np.ndarray:
    found = np.random.default_rng(6).integers(1, count + 1, SHAPE).astype(np.uint8)
    found[:, away() > 1] = 0
    return found


def one_voxel_off() -> np.ndarray:
    values, _ = cut(0)
    values[4, 1, 1] = 1
    values[4, 0, 0] = 1
    return values


def pores_clipped() -> np.ndarray:
    values, ring = cut(0)
    return np.where(ring | (values < 14000), 0, values)


SOUND = {
    "a tube in clipped air": lambda: tube(0.8),
    "one nearly as wide as the picture": lambda: tube(0.98),
    "one as wide as the picture": lambda: tube(1.0),
    "one cut by the sides": lambda: tube(1.02),
    "a drawing": lambda: (away() < 1)[None].repeat(9, 0).astype(np.uint8) * 255,
    "classes": lambda: classes(6),
    "a circle of soil drawn smaller": lambda: cut(0, radius=0.8)[0],
    "a corner of another value in one slice": one_voxel_off,
    "pores at the same end of the range": pores_clipped,
    "soil up to the corners": soil,
    "one value": lambda: np.full(SHAPE, 9, np.uint16),
    "a circle beside the middle": lambda: np.roll(cut(0, radius=0.9)[0], 4, 2),
    "a square": lambda: np.pad(soil((9, 56, 56)).astype(np.uint16), ((0, 0), (4, 4), (4, 4))),
}


@pytest.mark.parametrize("name", SOUND)
def test_where_the_evidence_is_not_plain_nothing_is_masked(tmp_path, name):
    """Saturated air, classes and drawings are no outside of a scan circle."""
    values = SOUND[name]()
    np.save(tmp_path / "scan.npy", values)
    volume = read(tmp_path / "scan.npy", spacing_mm=MM)
    assert volume.valid.all()
    assert np.array_equal(volume.values, values)
    assert not told(volume)


def test_labels_are_never_masked(tmp_path):
    """48. Masks made elsewhere: what stands around a circle of many classes is a class too."""
    values = np.random.default_rng(6).integers(1, 100, SHAPE).astype(np.uint8)
    values[:, away() > 1] = 200
    np.save(tmp_path / "labels.npy", values)
    assert told(read(tmp_path / "labels.npy", spacing_mm=MM))
    scan = Volume(soil().astype(np.uint16), np.ones(SHAPE, bool), MM, "grey", ())
    assert np.array_equal(read_labels(tmp_path / "labels.npy", scan), values)


def test_planes_that_are_marked_as_missing_say_nothing_of_the_circle(tmp_path):
    values, ring = cut(0)
    for k in (0, 1, 2, 4, 5, 6, 7, 8):
        tifffile.imwrite(tmp_path / f"{k}.tif", values[k])
    volume = read(tmp_path, spacing_mm=MM, on_gap="mark")
    there = np.arange(9) != 3
    assert np.array_equal(volume.valid, ~ring & there[:, None, None])
    assert told(volume) == [
        f"{8 / 9 * ring.mean():.1%} of the voxels lie outside the scan circle (an undeclared constant) and are masked."
    ]
