"""DICOM values: HU without wrap, padding, damaged and compressed files (FAULTS 10 to 20)."""

from __future__ import annotations

import io
import shutil
import struct
import warnings
import zlib

import numpy as np
import pydicom
import pytest
from dicom_files import ramp, save, series, slice_dataset
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    RLELossless,
)
from scipy import ndimage

from soilscope.errors import InputRefused
from soilscope.ingest import decode, inspect, part10, read


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def finding(volume, code):
    return next(f for f in volume.findings if f.code == code)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"Modality": "MR"}, "not-ct"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "not-ct"),
        ({"RescaleType": "US"}, "units-not-hu"),
    ],
)
def test_what_is_not_hu_is_refused_unless_the_units_are_stated(tmp_path, tags, code):
    """10. Modality ≠ CT, or units not HU (RescaleType US, MR in CT class, secondary capture) -> refuse; override stamped."""
    folder = save(series(ramp(), **tags), tmp_path)
    assert 'units="grey"' in refused(folder, code)
    volume = read(folder, units="grey")
    assert volume.units == "grey"
    assert any(f.code == "units-asserted" for f in volume.findings)


def test_absent_rescale_type_means_hu_and_is_told(tmp_path):
    """10. RescaleType absent in CT Image Storage means HU: read, with a finding."""
    volume = read(save(series(ramp(), RescaleType=None), tmp_path))
    assert volume.units == "HU"
    assert finding(volume, "rescale-type-absent")


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_absent_rescale_is_refused(tmp_path, tag):
    """11. RescaleSlope or Intercept absent -> refuse; never stored values as HU (probe: pydicom silent)."""
    files = series(ramp())
    delattr(files[5], tag)
    text = refused(save(files, tmp_path), "rescale-missing")
    assert "005.dcm" in text
    assert tag in text


def test_zero_slope_is_refused(tmp_path):
    """11. ... zero -> refuse."""
    refused(save(series(ramp(), RescaleSlope=0), tmp_path), "rescale-invalid")


def test_nan_slope_is_refused(tmp_path):
    """11. ... NaN -> refuse."""
    folder = save(series(ramp(), RescaleSlope="1.125"), tmp_path)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"1.125 ", b"NaN   "))
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code in {"rescale-invalid", "file-damaged"}


def test_modality_lut_is_refused(tmp_path):
    """11. ... or a ModalityLUT present -> refuse."""
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType, item.LUTData = [2, 0, 16], "HU", b"\0\0\1\0"
    refused(save(series(ramp(), ModalityLUTSequence=Sequence([item])), tmp_path), "modality-lut")


def test_each_slice_uses_its_own_slope_and_intercept(tmp_path):
    """12. Slope/intercept differing per slice -> each slice its own; result equals the analytic HU."""
    stored = ramp()
    files = series(stored)
    slopes, intercepts = np.linspace(0.5, 2.25, 8), np.arange(-1000, -600, 50)
    for one, a, b in zip(files, slopes, intercepts, strict=True):
        one.RescaleSlope, one.RescaleIntercept = float(a), int(b)
    volume = read(save(files, tmp_path))
    expected = np.rint(stored * slopes[:, None, None] + intercepts[:, None, None])
    assert np.array_equal(volume.values, expected)
    assert finding(volume, "hu-rounded")


def test_values_beyond_int16_are_clipped_and_told_never_wrapped(tmp_path):
    """13. Stored int16 at 32767 -> no wrap; clipped share reported."""
    stored = ramp()
    stored[0, 0, :2] = 32767, -32768
    inside = read(save(series(stored, RescaleIntercept=0), tmp_path / "a"))
    assert inside.values[0, 0, :2].tolist() == [32767, -32768]
    beyond = read(save(series(stored, RescaleIntercept=1024), tmp_path / "b"))
    assert beyond.values[0, 0, :2].tolist() == [32767, -32768 + 1024]
    assert finding(beyond, "hu-clipped").severity == "warning"


@pytest.mark.parametrize(("slope", "intercept"), [(1, -99999), (1, 99999), (1e9, -1024), (-1e9, 0), (1e-12, -40000)])
def test_slope_and_intercept_that_leave_no_values_are_refused(tmp_path, slope, intercept):
    """11. RescaleSlope or Intercept ... that make no HU -> refuse, from the headers alone."""
    files = series(ramp(), RescaleIntercept=intercept, RescaleSlope=slope)
    assert "000.dcm" in refused(save(files, tmp_path), "rescale-invalid")
    assert not inspect(tmp_path).series[0].usable


def test_a_scan_that_is_mostly_clipped_is_told_to_be_no_measurement(tmp_path):
    """13. ... clipped share reported."""
    clipped = finding(read(save(series(ramp() + 1, RescaleSlope=100), tmp_path / "most")), "hu-clipped")
    assert clipped.text.startswith("623 voxels (64.90%)")  # stored 338 to 960
    assert "most of the scan" in clipped.text
    few = finding(read(save(series(ramp() + 1, RescaleSlope=40), tmp_path / "few")), "hu-clipped")
    assert few.text.startswith("116 voxels")  # stored 845 to 960
    assert "most of the scan" not in few.text


def test_unsigned_zero_is_exact(tmp_path):
    """13. uint16 at 0 -> exact HU."""
    stored = ramp().astype(np.uint16)
    stored[0, 0, 1] = 40000
    volume = read(save(series(stored), tmp_path))
    assert volume.values[0, 0, 0] == -1024
    assert volume.values[0, 0, 1] == 32767
    assert volume.values[0, 0, 2] == 2 - 1024


@pytest.mark.parametrize("signed", [False, True])
def test_garbage_and_overlay_bits_are_dropped(tmp_path, signed):
    """13. 12-in-16 with high garbage bits, overlay bits -> exact HU, no wrap."""
    true = ramp().astype(np.int32) - (2000 if signed else 0)
    dirty = ((true & 0x0FFF) | 0xA000).astype(np.uint16)
    files = series(dirty, BitsStored=12, HighBit=11, PixelRepresentation=int(signed), RescaleIntercept=0)
    assert np.array_equal(read(save(files, tmp_path)).values, true)


def test_values_not_in_the_lowest_bits_are_shifted(tmp_path):
    """13. High bit above the stored bits -> exact HU."""
    files = series((ramp().astype(np.uint16) << 4) | 0x7, BitsStored=12, HighBit=15, RescaleIntercept=0)
    assert np.array_equal(read(save(files, tmp_path)).values, ramp())


@pytest.mark.parametrize("declared", [-2000, 63536])
def test_padding_is_masked_by_stored_value(tmp_path, declared):
    """14. Padding −2000 signed, 63536 mis-signed -> masked before rescale; padding tested on *stored* values."""
    stored = ramp()
    stored[:, :3, :3] = -2000
    files = series(stored)
    for one in files:
        one.add_new((0x0028, 0x0120), "US" if declared > 0 else "SS", declared)
    volume = read(save(files, tmp_path))
    assert np.array_equal(volume.valid, stored != -2000)
    assert (volume.values[~volume.valid] == -32768).all()
    assert finding(volume, "padding")


def test_padding_range_is_masked(tmp_path):
    """14. ... range limit -> masked."""
    files = series(ramp())
    for one in files:
        one.add_new((0x0028, 0x0120), "SS", 100)
        one.add_new((0x0028, 0x0121), "SS", 110)
    volume = read(save(files, tmp_path))
    assert np.array_equal(volume.valid, (ramp() < 100) | (ramp() > 110))


def test_undeclared_ring_outside_the_scan_circle_is_masked(tmp_path):
    """14. ... undeclared −3024 ring -> masked and excluded from classes and porosity."""
    y, x = np.mgrid[-8:9, -8:9]
    ring = y**2 + x**2 > 64
    stored = np.where(ring, -2000, 1000 + y).astype(np.int16)[None].repeat(4, 0)
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.valid, np.broadcast_to(~ring, volume.shape))
    assert (volume.values[~volume.valid] == -32768).all()
    assert np.array_equal(volume.values[volume.valid], (stored - 1024)[volume.valid])
    assert finding(volume, "scan-circle")


@pytest.mark.parametrize("centre", [(0, 0), (-5, 3), (9, 9)])
@pytest.mark.parametrize("radius", [16, 20, 22.4])
def test_a_scan_circle_beside_the_middle_or_larger_than_the_picture_is_masked(tmp_path, centre, radius):
    """14. ... undeclared −3024 ring, in a picture that shows part of it, down to four voxels in the corners."""
    y, x = np.mgrid[-16:17, -16:17]
    ring = np.hypot(y - centre[0], x - centre[1]) > radius
    stored = np.where(ring, -2000, 1000 + y).astype(np.int16)[None].repeat(4, 0)
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.valid, np.broadcast_to(~ring, volume.shape))


def test_a_value_met_inside_the_scan_circle_stays_valid(tmp_path):
    """The outside of a circle reaches the border; the same value inside it is a measurement, however odd."""
    y, x = np.mgrid[-16:17, -16:17]
    ring = np.hypot(y, x) > 16
    stored = np.where(ring, -2000, 1000 + y).astype(np.int16)[None].repeat(4, 0)
    inside = [(16, 16), (16, 17), (20, 5), (3, 14)]
    for row, column in inside:
        stored[:, row, column] = -2000
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.valid, np.broadcast_to(~ring, volume.shape))
    assert all((volume.values[:, row, column] == -3024).all() for row, column in inside)


def in_a_circle(outside, radius=31.5, tube=24.0, shape=(6, 64, 64)):
    """Stored values: uneven soil in a tube in noise-free air, a scan circle around it; and where that circle is."""
    y, x = np.mgrid[: shape[1], : shape[2]] - np.array([(n - 1) / 2 for n in shape[1:]])[:, None, None]
    away = np.broadcast_to(np.hypot(y, x), shape)
    soil = np.random.default_rng(0).integers(-900, 1500, shape)
    return np.where(away > radius, outside, np.where(away < tube, soil, -1000) + 1024), away <= radius


@pytest.mark.parametrize(
    ("outside", "kind"),
    [(-32768, "i2"), (63536, "u2"), (0, "u2"), (-1, "i2"), (4095, "u2"), (32767, "i2"), (24 - 50, "i2"), (1000, "u2")],
)
def test_an_undeclared_constant_just_outside_the_scan_circle_is_masked_whatever_it_reads(tmp_path, outside, kind):
    """14. ... the circle that fits into the picture tells it, where its value could be a measurement."""
    stored, inside = in_a_circle(outside)
    volume = read(save(series(stored.astype(kind)), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert np.array_equal(volume.values[inside], (stored - 1024)[inside])
    assert (volume.values[~inside] == -32768).all()
    assert finding(volume, "scan-circle")
    assert not {"hu-clipped", "at-ceiling"} & {f.code for f in volume.findings}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("radius", [23.5, 27.0, 31.5])
@pytest.mark.parametrize(("outside", "kind"), [(0, "u2"), (-1, "i2"), (4095, "u2"), (24 - 50, "i2"), (1000, "u2")])
def test_the_outside_of_the_scan_circle_is_masked_in_a_picture_that_is_no_square_as_well(
    tmp_path, outside, kind, radius, turned
):
    """14. ... a picture cut to a rectangle, whose circle fits into it, or shows whole along its longer side."""
    stored, inside = in_a_circle(outside, radius, 18.0, (6, 48, 64))
    if turned:
        stored, inside = (one.transpose(0, 2, 1) for one in (stored, inside))
    volume = read(save(series(np.ascontiguousarray(stored).astype(kind)), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert np.array_equal(volume.values[inside], (stored - 1024)[inside])
    assert finding(volume, "scan-circle")


@pytest.mark.parametrize(
    ("outside", "radius", "tube"),
    [
        pytest.param(24, 23.5, 23.5, id="noise-free air around a tube as high as the picture"),
        pytest.param(24, 28.0, 28.0, id="noise-free air around a tube cut above and below"),
        pytest.param(24, 20.0, 20.0, id="noise-free air around a tube"),
        pytest.param(4095, 20.0, 18.0, id="a mask at the ceiling drawn around a core"),
        pytest.param(4095, 36.0, 18.0, id="a circle that the picture shows nowhere whole"),
        pytest.param(24, 23.5, 18.0, id="nothing but air around"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_constant_in_a_picture_that_is_no_square_may_be_measured(tmp_path, outside, radius, tube, turned):
    stored, _ = in_a_circle(outside, radius, tube, (6, 48, 64))
    stored = np.ascontiguousarray(stored.transpose(0, 2, 1) if turned else stored)
    volume = read(save(series(stored.astype("i2")), tmp_path))
    assert volume.valid.all()
    assert np.array_equal(volume.values, stored - 1024)


@pytest.mark.parametrize("spoilt", ["bands", "beside the middle", "a corner"])
def test_a_constant_around_no_circle_of_a_rectangle_stays_valid(tmp_path, spoilt):
    stored, _ = in_a_circle(4095, 23.5, 18.0, (6, 48, 64))
    if spoilt == "bands":
        stored = in_a_circle(4095, 99.0, 18.0, (6, 48, 64))[0]
        stored[:, :, :8] = stored[:, :, -8:] = 4095
    elif spoilt == "a corner":
        stored[:, 0, 0] = 500
    else:
        stored = np.roll(stored, 5, axis=2)
    assert read(save(series(stored.astype("i2")), tmp_path)).valid.all()


def in_noisy_air(radius, outside, count=10, width=80, air=-1000):
    """Stored values: a core in noisy air that the scanner cuts off at -1024 HU, a scan circle; and where that circle is."""
    y, x = np.mgrid[:width, :width] - (width - 1) / 2
    away = np.hypot(y, x)
    noise = np.random.default_rng(5).normal(0, 1, (count, width, width))
    hu = np.where(away < 22, 400 + 100 * noise, air + 20 * noise)
    stored = np.clip(np.rint(hu), -1024, 3071).astype(np.int16) + 1024
    stored[:, away > radius] = outside
    return stored, np.broadcast_to(away <= radius, stored.shape)


@pytest.mark.parametrize("radius", [40.0, 39.2, 36.0])
@pytest.mark.parametrize("outside", [0, 24, 1000])
def test_the_outside_of_the_scan_circle_is_told_from_all_slices_together(tmp_path, radius, outside):
    """14. ... a constant near air too, round noisy air, a little within the picture: masked in every slice alike."""
    stored, inside = in_noisy_air(radius, outside)
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert np.array_equal(volume.values[inside], (stored - 1024)[inside])
    assert "slice-jump" not in {f.code for f in volume.findings}


def soil_to_the_circle(outside, blur=0.0, noise=25.0, air=-1000, radius=40.0):
    """HU of soil with pores that fills the scan circle, values cut off at -1024 HU; and where that circle is."""
    rng, shape, width = np.random.default_rng(8), (6, 80, 80), 80
    y, x = np.mgrid[:width, :width] - (width - 1) / 2
    inside = np.broadcast_to(np.hypot(y, x) <= radius, shape)
    grains = ndimage.gaussian_filter(rng.normal(0, 1, shape), (0, 2, 2))
    hu = np.where(grains < np.quantile(grains, 0.15), air, 900 + 800 * grains)
    hu = np.where(inside, hu, air)
    hu = ndimage.gaussian_filter(hu, (0, blur, blur)) + noise * rng.normal(0, 1, shape)
    if outside is not None:
        hu = np.where(inside, hu, outside)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16), inside


@pytest.mark.parametrize("outside", [-1024, -1000])
@pytest.mark.parametrize("blur", [0.5, 1.0])
@pytest.mark.parametrize("noise", [10.0, 50.0])
def test_a_constant_like_air_outside_a_circle_full_of_soil_is_masked(tmp_path, outside, blur, noise):
    """14. ... where soil reaches the scan circle too: its own air has noise, and the step at the circle is sharp."""
    hu, _ = soil_to_the_circle(None, blur, noise, radius=99.0)
    _, inside = soil_to_the_circle(None)
    volume = read(save(series(np.where(inside, hu, outside).astype("i2") + 1024), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert np.array_equal(volume.values[inside], hu[inside])
    assert finding(volume, "scan-circle")


@pytest.mark.parametrize("blur", [0.0, 0.3])
@pytest.mark.parametrize("air", [-1000, -1040])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_the_air_of_pores_and_around_a_core_as_wide_as_the_picture_stays_valid_without_noise(
    tmp_path, blur, air, noise
):
    """A core that touches the sides of the picture, in the very air that its pores hold: a phantom, or air cut off at -1024 HU."""
    if noise and air != -1040:
        air = -1060  # in noise, air is one value only where it is cut off
    hu, _ = soil_to_the_circle(None, blur, noise, air)
    volume = read(save(series(hu + 1024), tmp_path))
    assert volume.valid.all()
    assert np.array_equal(volume.values, hu)


def test_a_ceiling_outside_a_circle_nearly_as_wide_as_the_picture_is_masked(tmp_path):
    stored, inside = in_noisy_air(39.2, 4095)
    assert np.array_equal(read(save(series(stored), tmp_path)).valid, inside)


def test_a_damaged_slice_does_not_bring_back_the_outside_of_the_scan_circle(tmp_path):
    """The circle is the scan's: it is masked in the one slice as well that does not hold the constant."""
    stored, inside = in_noisy_air(39.2, 0)
    stored[4] = np.random.default_rng(6).integers(0, 4000, stored[4].shape)
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert np.array_equal(volume.values[inside], (stored - 1024)[inside])


def test_the_ends_of_a_scan_are_those_of_what_is_inside_its_circle(tmp_path):
    """The share at the lowest value counts no voxel outside the circle, although the first count saw them."""
    stored, inside = in_noisy_air(39.2, 0)
    share = np.count_nonzero(stored[inside] == 0) / np.count_nonzero(inside)
    assert f"{share:.2%} of the voxels" in finding(read(save(series(stored), tmp_path)), "at-floor").text


@pytest.mark.parametrize("blur", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("reach", [22, 37])
def test_air_cut_off_by_the_scanner_around_a_tube_stays_valid(tmp_path, blur, reach):
    """Air at -1024 HU in every slice is as constant as a scan circle's outside, but ends at a body, blurred or not."""
    y, x = np.mgrid[:80, :80] - 39.5
    away = np.hypot(y, x)
    tube = np.where(away < reach - 3, 600.0, np.where(away < reach, 100.0, -1300.0))
    tube = ndimage.gaussian_filter(tube, blur) if blur else tube
    noise = np.random.default_rng(7).normal(0, 40, (10, 80, 80))
    stored = np.clip(np.rint(tube + noise), -1024, 3071).astype(np.int16) + 1024
    assert np.count_nonzero(stored[:, away > reach + 8]) == 0
    assert read(save(series(stored), tmp_path)).valid.all()


@pytest.mark.parametrize(("outside", "kind"), [(-32768, "i2"), (63536, "u2")])
def test_what_no_scanner_measures_is_masked_outside_a_smaller_circle_too(tmp_path, outside, kind):
    stored, inside = in_a_circle(outside, radius=28.0)
    volume = read(save(series(stored.astype(kind)), tmp_path))
    assert np.array_equal(volume.valid, inside)


def test_the_outside_of_the_scan_circle_may_be_uneven_below_vacuum(tmp_path):
    """14. −3024 to −3014 HU, no one value: all of it below vacuum, and just outside a circle."""
    stored, inside = in_a_circle(-2000)
    stored = np.where(inside, stored, stored + np.random.default_rng(1).integers(0, 10, stored.shape))
    volume = read(save(series(stored.astype("i2")), tmp_path))
    assert np.array_equal(volume.valid, inside)


@pytest.mark.parametrize(
    ("outside", "radius", "tube"),
    [
        pytest.param(24, 28.0, 28.0, id="noise-free air around a tube"),
        pytest.param(24, 31.5, 31.5, id="noise-free air around a tube as wide as the picture"),
        pytest.param(0, 31.5, 31.5, id="the lowest value around such a tube"),
        pytest.param(4095, 28.0, 24.0, id="a mask at the ceiling drawn around a core"),
        pytest.param(24, 31.5, 24.0, id="nothing but air around"),
    ],
)
def test_a_constant_that_may_be_air_or_a_drawn_mask_stays_valid(tmp_path, outside, radius, tube):
    stored, _ = in_a_circle(outside, radius, tube)
    volume = read(save(series(stored.astype("i2")), tmp_path))
    assert volume.valid.all()
    assert np.array_equal(volume.values, stored - 1024)


@pytest.mark.parametrize("spoilt", ["corner", "square", "slice"])
def test_a_constant_not_in_the_shape_of_a_circle_s_outside_stays_valid(tmp_path, spoilt):
    stored, _ = in_a_circle(4095)
    if spoilt == "corner":
        stored[:, 0, 0] = 500
    elif spoilt == "square":
        stored[:, :, :6] = 4095
    else:
        stored[:] = 4095
    volume = read(save(series(stored.astype("i2")), tmp_path))
    assert volume.valid.all()


def test_the_same_value_inside_the_scan_circle_is_measured(tmp_path):
    """A stone at the ceiling is a stone, whether or not the outside of the circle holds the ceiling too."""
    stored, inside = in_a_circle(4095)
    stored[:, 30:34, 30:34] = 4095
    volume = read(save(series(stored.astype("u2")), tmp_path))
    assert np.array_equal(volume.valid, inside)
    assert (volume.values[:, 30:34, 30:34] == 3071).all()


@pytest.mark.parametrize("low", [-4000, -2000])
def test_noise_has_no_scan_circle(tmp_path, low):
    """14. Only what was never scanned is masked: one corner of noise below vacuum is none."""
    stored = np.random.default_rng(3).integers(low, 4000, (6, 20, 20)).astype(np.int16)
    for k, (row, column) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)]):
        stored[k, row, column] = -2000
    stored[4, [0, 0, -1], [0, -1, 0]] = -2000
    volume = read(save(series(stored), tmp_path))
    assert volume.valid.all()
    assert np.array_equal(volume.values, stored - 1024)
    assert "scan-circle" not in {f.code for f in volume.findings}


def test_air_in_the_corners_stays_valid(tmp_path):
    stored = ramp()
    stored[:, :4, :4] = 24  # -1000 HU
    assert read(save(series(stored), tmp_path)).valid.all()


def test_voxels_at_the_ceiling_are_told(tmp_path):
    """Limits of geometry: 12-bit scanners clip at 3071 HU; report the share of voxels at the ceiling."""
    stored = ramp()
    stored[:, :6] = 4095
    assert "50.00%" in finding(read(save(series(stored), tmp_path)), "at-ceiling").text


@pytest.mark.parametrize("order", [range(40), range(39, -1, -1)])
def test_voxels_at_an_end_are_counted_in_whatever_slice_they_lie(tmp_path, order):
    """The ends of the scan are told from all slices that reach them, wherever they lie among those that do not."""
    stored = np.full((40, 10, 10), 1500, np.uint16)
    stored += (np.arange(100, dtype=np.uint16) % 7).reshape(10, 10)  # no slice is even
    for k, step in enumerate(order):
        stored[k, 0, 0], stored[k, 0, 1] = 1000 - step, 2000 + step
    stored[[3, 20, 38], 1:5] = 4095  # 40 of 100 voxels in 3 of 40 slices
    stored[[3, 20, 38], 5:6] = 0
    volume = read(save(series(stored), tmp_path))
    assert "3.00%" in finding(volume, "at-ceiling").text
    assert "0.75%" in finding(volume, "at-floor").text


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    """15. JPEG2000/JPEG-LS/RLE with the decoder absent -> refuse, naming transfer syntax and the install line."""
    folder = save(_compressed(series(ramp()), JPEG2000Lossless, b"\xff\x4f\xff\x51" + b"\0" * 40), tmp_path)

    class Absent:
        is_available = False

    monkeypatch.setattr(decode, "get_decoder", lambda syntax: Absent())
    text = refused(folder, "decoder-missing")
    assert "1.2.840.10008.1.2.4.90" in text
    assert "pip install" in text


def test_lossy_compression_is_told(tmp_path):
    """15. ... lossy flag (0028,2110) -> finding."""
    files = series(ramp(), LossyImageCompression="01")
    volume = read(save(files, tmp_path))
    assert finding(volume, "lossy").severity == "warning"
    assert "8 slices were compressed with loss; their values" in finding(volume, "lossy").text
    for one in files[1:]:
        one.LossyImageCompression = "00"
    assert "1 slice was compressed with loss; its values" in finding(read(save(files, tmp_path)), "lossy").text


def test_rle_gives_the_stored_values(tmp_path):
    """15. RLE reads as its uncompressed twin."""
    files = series(ramp())
    for one in files:
        one.compress(RLELossless)
    assert np.array_equal(read(save(files, tmp_path)).values, ramp().astype(int) - 1024)


def _compressed(files, syntax, stream):
    for one in files:
        one.file_meta.TransferSyntaxUID = syntax
        one.PixelData = encapsulate([stream])
        one["PixelData"].is_undefined_length = True
        one["PixelData"].VR = "OB"
    return files


@pytest.mark.parametrize("cut", ["header", "pixels", "one byte"])
def test_a_cut_file_is_refused(tmp_path, cut):
    """16. File cut in header, in pixels, by one byte -> refuse (probe: header cut reads as 2 elements)."""
    folder = save(series(ramp()), tmp_path)
    file = folder / "003.dcm"
    whole = file.read_bytes()
    file.write_bytes(whole[: {"header": 420, "pixels": len(whole) - 100, "one byte": len(whole) - 1}[cut]])
    assert "003.dcm" in refused(folder, "file-cut")
    assert not inspect(folder).series[0].usable


@pytest.mark.parametrize("where", ["inside", "behind"])
def test_excess_bytes_are_refused(tmp_path, where):
    """16. ... excess bytes -> refuse (probe: excess becomes 2 frames)."""
    files = series(ramp())
    if where == "inside":
        files[2].PixelData += files[2].PixelData
    folder = save(files, tmp_path)
    if where == "behind":
        with (folder / "002.dcm").open("ab") as stream:
            stream.write(b"\0" * 240)
    assert "002.dcm" in refused(folder, "pixel-length" if where == "inside" else "excess-bytes")


def test_trailing_padding_element_is_legal(tmp_path):
    files = series(ramp())
    files[0].add_new((0xFFFC, 0xFFFC), "OB", b"\0" * 64)
    assert read(save(files, tmp_path)).shape == (8, 12, 10)


def test_directory_files_are_skipped_and_counted(tmp_path):
    """17. Zero-length file, Thumbs.db, JPEG, text, DICOMDIR in the folder -> skipped and *counted*."""
    folder = save(series(ramp()), tmp_path)
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 600)
    (folder / "notes.txt").write_text("core 7")
    directory = Dataset()
    directory.file_meta = slice_dataset(ramp()[0], (0, 0, 0)).file_meta
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.FileSetID = "A"
    directory.DirectoryRecordSequence = Sequence([_leading_to("..", "..", "etc", "passwd")])
    directory.save_as(folder / "DICOMDIR", enforce_file_format=True)
    found = inspect(folder)
    assert found.skipped == 5
    assert len(found.series) == 1
    assert "5 files" in finding(read(folder), "skipped").text


def _leading_to(*parts):
    item = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom knows that these are no legal names
        item.ReferencedFileID = list(parts)
    return item


def test_nothing_readable_is_refused(tmp_path):
    """17. ... no readable slice at all -> refuse."""
    (tmp_path / "notes.txt").write_text("core 7")
    refused(tmp_path, "nothing-readable")


def test_dicomdir_leads_nowhere(tmp_path):
    """18. DICOMDIR whose ReferencedFileID is absolute, `..`, or a link -> ignored; only found files are read."""
    save(series(ramp(), series="9.9"), tmp_path / "outside")
    inner = save(series(ramp()), tmp_path / "scan")
    directory = Dataset()
    directory.file_meta = slice_dataset(ramp()[0], (0, 0, 0)).file_meta
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.DirectoryRecordSequence = Sequence([_leading_to("..", "outside", "000.dcm")])
    directory.save_as(inner / "DICOMDIR", enforce_file_format=True)
    assert len(inspect(inner).series) == 1


def test_a_deflate_bomb_is_refused(tmp_path, monkeypatch):
    """19. Deflate bomb -> one finding within the time and memory cap (pydicom #2330)."""
    buffer = io.BytesIO()
    one = slice_dataset(ramp()[0], (0, 0, 0))
    one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(buffer, one, enforce_file_format=True)
    data = buffer.getvalue()
    end = 144 + struct.unpack("<I", data[140:144])[0]
    monkeypatch.setattr(part10, "MOST_INFLATED_BYTES", 1 << 24)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(squeeze.compress(b"\0" * (1 << 20)) for _ in range(17)) + squeeze.flush()
    (tmp_path / "bomb.dcm").write_bytes(data[:end] + body)
    refused(tmp_path, "too-large")


def deflated(one, path) -> int:
    """Writes a data set deflated; returns the file's size."""
    one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    one.save_as(path, enforce_file_format=True)
    return path.stat().st_size


@pytest.mark.parametrize("where", ["before the pixels", "after the pixels", "no pixels"])
def test_a_deflate_bomb_beside_the_pixels_is_refused_by_its_ratio(tmp_path, where):
    """19. Deflate bomb; limits for ... expansion ratio (probe: a 61 kB deflated file inflates to 63 MB)."""
    one = slice_dataset(ramp()[0], (0, 0, 0))
    one.add_new((0x0009, 0x0010), "LO", "ACME")
    tag = (0xFFFC, 0xFFFC) if where == "after the pixels" else (0x0009, 0x1001)
    one.add_new(tag, "OB", bytes(63_000_000))
    if where == "no pixels":
        del one.PixelData, one.Rows, one.Columns
        one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    size = deflated(one, tmp_path / "bomb.dcm")
    assert size < 70_000
    text = refused(tmp_path, "too-large")
    assert f"bomb.dcm has {size} bytes and inflates to 63" in text
    assert not any(s.usable for s in inspect(tmp_path).series)


def test_pixels_of_a_deflated_file_beyond_any_slice_are_refused_by_their_ratio(tmp_path):
    """19. ... as compressed frames are: up to 64 MB always, beyond that a hundred times the file's size."""
    deflated(slice_dataset(np.zeros((6000, 6000), np.int16), (0, 0, 0)), tmp_path / "bomb.dcm")
    refused(tmp_path, "too-large")


def test_a_blank_slice_and_a_long_header_are_no_bomb(tmp_path):
    """19. An honest deflated file is read: blank slices shrink a thousandfold."""
    for k, one in enumerate(series(np.zeros((3, 2000, 2000), np.int16))):
        one.add_new((0x0009, 0x0010), "LO", "ACME")
        one.add_new((0x0009, 0x1001), "OB", bytes(900_000))
        size = deflated(one, tmp_path / f"{k}.dcm")
        assert size * 800 < 8_000_000
    assert (read(tmp_path).values == -1024).all()


def test_deflated_series_reads_as_its_plain_twin(tmp_path):
    """19. An honest deflated file is read."""
    files = series(ramp())
    for one in files:
        one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert np.array_equal(read(save(files, tmp_path)).values, ramp().astype(int) - 1024)


def test_a_claim_of_huge_size_is_refused(tmp_path):
    """19. ... 60 000² rows -> one finding."""
    files = series(ramp(), Rows=60000, Columns=60000)
    refused(save(files, tmp_path), "too-large")


@pytest.mark.parametrize("length", ["stated", "open"])
def test_deep_nesting_neither_hangs_nor_crashes(tmp_path, length):
    """19. ... 400-deep sequence -> one finding, whether its length is stated or not."""
    folder = save(series(ramp()), tmp_path)
    item = b""
    for _ in range(400):
        inner, outer = (len(item), len(item) + 8) if length == "stated" else (0xFFFFFFFF, 0xFFFFFFFF)
        ends = b"" if length == "stated" else struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        head = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, outer) + struct.pack("<HHI", 0xFFFE, 0xE000, inner)
        item = head + item + ends
    data = (folder / "000.dcm").read_bytes()
    end = 144 + struct.unpack("<I", data[140:144])[0]
    (folder / "000.dcm").write_bytes(data[:end] + item + data[end:])
    assert "000.dcm" in refused(folder, "file-damaged")


@pytest.mark.parametrize("kind", ["JPEG 2000", "JPEG"])
def test_a_code_stream_that_contradicts_its_header_is_refused_before_decoding(tmp_path, kind):
    """19. JPEG 2000 SIZ or JPEG SOF sizes that contradict Rows x Columns are refused *before* decoding."""
    if kind == "JPEG 2000":
        stream = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 60000, 60000, 0, 0) + b"\0" * 40
        files = _compressed(series(ramp()), JPEG2000Lossless, stream)
    else:
        stream = b"\xff\xd8\xff\xc1" + struct.pack(">HBHHB", 11, 12, 60000, 60000, 1) + b"\1\x11\0" + b"\0" * 40
        files = _compressed(series(ramp()), JPEGExtended12Bit, stream)
    assert "60000 x 60000" in refused(save(files, tmp_path), "codestream-size")


def test_enhanced_multi_frame_equals_its_classic_twin(tmp_path):
    """20. Enhanced multi-frame CT -> same volume as its classic twin, or refuse by name."""
    stored = ramp()
    classic = read(save(series(stored), tmp_path / "classic"))
    one = slice_dataset(stored[0], (0, 0, 0), SOPClassUID=EnhancedCTImageStorage)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope",
                 "RescaleIntercept", "RescaleType"):  # fmt: skip
        delattr(one, name)
    order = [3, 0, 7, 1, 2, 6, 5, 4]
    one.NumberOfFrames = 8
    one.PixelData = stored[order].tobytes()
    one.SharedFunctionalGroupsSequence = Sequence(
        [
            _item(
                PlaneOrientationSequence=_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
                PixelMeasuresSequence=_item(PixelSpacing=[0.4, 0.3], SliceThickness=0.5),
                PixelValueTransformationSequence=_item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"),
            )
        ]
    )
    one.PerFrameFunctionalGroupsSequence = Sequence(
        [_item(PlanePositionSequence=_item(ImagePositionPatient=[-5, -6, 100 + 0.5 * k])) for k in order]
    )
    frames = read(save([one], tmp_path / "enhanced"))
    assert np.array_equal(frames.values, classic.values)
    assert frames.spacing_mm == classic.spacing_mm
    one.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 0.25
    assert "slices-apart" in {f.code for f in read(save([one], tmp_path / "every second")).findings}
    del one.PerFrameFunctionalGroupsSequence
    refused(save([one], tmp_path / "bare"), "multi-frame")


def _item(**tags):
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, Sequence([value]) if isinstance(value, Dataset) else value)
    return item


@pytest.mark.parametrize("written", ["no preamble", "implicit", "big endian"])
def test_encodings_give_the_same_volume(tmp_path, written):
    """9. Bit-identical whatever the file's encoding: no preamble, implicit VR, big endian."""
    files = series(ramp())
    folder = save(files, tmp_path)
    straight = read(folder)
    for k, one in enumerate(files):
        file = folder / f"{k:03d}.dcm"
        if written == "no preamble":
            file.write_bytes(file.read_bytes()[132:])
        elif written == "implicit":
            one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
            one.save_as(file, enforce_file_format=True)
        else:
            one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
            one.PixelData = ramp()[k].astype(">i2").tobytes()
            pydicom.dcmwrite(file, one, implicit_vr=False, little_endian=False, enforce_file_format=False)
    assert np.array_equal(read(folder).values, straight.values)


def test_a_file_without_its_meta_group_is_read(tmp_path):
    folder = save(series(ramp()), tmp_path)
    for file in folder.iterdir():
        data = file.read_bytes()
        file.write_bytes(data[144 + struct.unpack("<I", data[140:144])[0] :])
    assert np.array_equal(read(folder).values, ramp().astype(int) - 1024)


@pytest.mark.parametrize("first", [{}, {"SpecificCharacterSet": "ISO_IR 100"}, {"ImageType": ["ORIGINAL"] * 30}])
@pytest.mark.parametrize("mark", [b"", bytes(128) + b"DICM"])
@pytest.mark.parametrize("encoding", ["implicit little", "explicit little", "explicit big"])
def test_a_data_set_alone_is_read_in_every_encoding(tmp_path, encoding, mark, first):
    """9. Bit-identical whatever the file's encoding: no file meta group, with preamble or without (PS3.5 7.1, 7.3)."""
    implicit, little = encoding.startswith("implicit"), encoding.endswith("little")
    for k, one in enumerate(series(ramp(), **first)):
        one.PixelData = ramp()[k].astype("<i2" if little else ">i2").tobytes()
        del one.file_meta
        one.save_as(tmp_path / f"{k}", implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        (tmp_path / f"{k}").write_bytes(mark + (tmp_path / f"{k}").read_bytes())
    assert np.array_equal(read(tmp_path).values, ramp().astype(int) - 1024)
    assert inspect(tmp_path).skipped == 0


def test_damage_in_another_series_does_not_matter_but_is_told(tmp_path):
    folder = save(series(ramp()), tmp_path)
    other = save(series(ramp(), series="1.9"), tmp_path / "b")
    for file in other.iterdir():
        data = file.read_bytes()
        file.write_bytes(data[:-3])
    volume = read(folder)
    assert volume.shape == (8, 12, 10)
    assert finding(volume, "other-series")
    shutil.rmtree(other)
    assert not [f for f in read(folder).findings if f.code == "other-series"]
