"""Where the core lies: blurred ends, half cores, several tubes, what a person states, and the box around the axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.core import CoreChoice, find_core
from soilscope.errors import InputRefused, UsageError
from soilscope.phantoms.scanner import Scanner
from soilscope.volume import Volume

SOILS = ("pine-forest", "grassland", "sandy", "arable", "compacted")
PIXEL = 0.351


def scan_of(soil, shape=(32, 96, 96), *, noise=True, **scanner) -> tuple[Volume, np.ndarray]:
    """A phantom's scan as a reader gives it, and where its soil truly is."""
    phantom = phantoms.make(soil, seed=11, shape=shape, noise=noise, scanner=Scanner(**scanner))
    return replace(phantom.volume, valid=np.ones(shape, bool), findings=()), phantom.truth > 0


def overlap(found, truth) -> float:
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


def told(volume) -> dict[str, str]:
    return {f.code: f.text for f in volume.findings}


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize("tilt", [0.0, 2.0, 5.0])
def test_soil_between_blurred_ends_overlaps_the_truth(soil, tilt):
    """The region is held to an overlap of 0.98; one slice too many of 42 would already cost 0.024."""
    scan, truth = scan_of(soil, (52, 96, 96), tilt_deg=tilt, offset_mm=(1.0, -2.0), headspace=(6, 4))
    found = find_core(scan)
    assert overlap(found.valid, truth) >= 0.98
    assert (found.source["soil"]["top"], found.source["soil"]["bottom"]) == (6, 48)
    assert found.source["soil"]["tilt_deg"] == pytest.approx(tilt, abs=0.2)


@pytest.mark.parametrize("blur", [0.12, 0.35])
def test_blur_of_any_width_does_not_move_the_ends(blur):
    scan, _ = scan_of("arable", headspace=(7, 5), blur_mm=blur)
    soil = find_core(scan).source["soil"]
    assert (soil["top"], soil["bottom"]) == (7, 27)


@pytest.mark.parametrize("soil", SOILS)
def test_without_noise_the_ends_beside_headspace_are_exact(soil):
    scan, truth = scan_of(soil, (28, 64, 64), noise=False, headspace=(4, 3))
    assert np.array_equal(find_core(scan).valid, truth)


def halved(scan, truth, angle_deg, offset_mm, tilt_deg=0.0) -> tuple[Volume, np.ndarray]:
    """The part of a scan on one side of a plane along its axis, air on the other side."""
    depth, ny, nx = scan.shape
    y = (np.arange(ny) - (ny - 1) / 2)[:, None] * PIXEL
    x = (np.arange(nx) - (nx - 1) / 2)[None, :] * PIXEL
    lean = np.tan(np.deg2rad(tilt_deg)) * scan.spacing_mm[0] * (np.arange(depth) - (depth - 1) / 2)
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    side = np.stack([(y - shift) * cos + x * sin <= offset_mm for shift in lean])
    air = np.random.default_rng(0).normal(-1000, 40, scan.shape)
    return replace(scan, values=np.where(side, scan.values, air).astype(np.int16)), truth & side


@pytest.mark.parametrize(
    ("soil", "angle", "tilt"), [("pine-forest", 0, 0), ("sandy", 30, 3), ("arable", 180, 5), ("compacted", 77, 0)]
)
def test_half_a_core_is_found_up_to_its_flat_side(soil, angle, tilt):
    scan, truth = halved(*scan_of(soil, tilt_deg=tilt), angle, 1.0, tilt)
    found = find_core(scan)
    assert found.source["soil"]["kind"] == "half-cylinder"
    assert overlap(found.valid, truth) >= 0.98
    assert found.source["soil"]["cut"]["offset_mm"] == pytest.approx(1.0, abs=PIXEL)
    assert "half-core" in told(found)


@pytest.mark.parametrize(
    ("soil", "angle", "offset"), [("sandy", 45, 0.0), ("grassland", 135, -4.0), ("arable", 20, 5.0)]
)
def test_half_a_core_split_beside_its_axis_is_found(soil, angle, offset):
    """Of a core of 160 voxels' width split 4 mm short of its axis, along a diagonal, less than 0.6 of the outline is round."""
    scan, truth = halved(*scan_of(soil, (8, 160, 160)), angle, offset)
    found = find_core(scan)
    assert found.source["soil"]["kind"] == "half-cylinder"
    assert overlap(found.valid, truth) >= 0.98
    assert found.source["soil"]["cut"]["offset_mm"] == pytest.approx(offset, abs=PIXEL)


@pytest.mark.parametrize("blur_mm", [0.3, 0.5])
@pytest.mark.parametrize("soil", ["compacted", "arable", "sandy"])
def test_blur_does_not_move_the_flat_side_of_half_a_core(soil, blur_mm):
    """A fixed value lies outside of dense soil that is blurred: at 0.5 mm by half a voxel and more."""
    scan, truth = halved(*scan_of(soil, noise=False), 30, 0.0)
    blurred = ndimage.gaussian_filter(scan.values.astype(float), [blur_mm / s for s in scan.spacing_mm])
    noisy = (blurred + np.random.default_rng(1).normal(0, 50, scan.shape)).round().astype(np.int16)
    found = find_core(replace(scan, values=noisy))
    assert found.source["soil"]["cut"]["offset_mm"] == pytest.approx(0.0, abs=0.25 * PIXEL)
    assert overlap(found.valid, truth) >= 0.98


def test_a_core_that_reaches_beyond_the_picture_is_no_half_core():
    scan, truth = scan_of("arable")
    found = find_core(scan.crop(x=(12, 96)))
    assert found.source["soil"]["kind"] == "cylinder"
    assert overlap(found.valid, truth[:, :, 12:]) >= 0.98


def two_tubes(gap_voxels) -> tuple[Volume, np.ndarray, np.ndarray]:
    """Two cores in one scan, side by side: the scan, and the soil of each."""
    first, truth = scan_of("arable", (20, 72, 72))
    second, other = scan_of("sandy", (20, 72, 72), tilt_deg=2.0)
    less = slice(None, 72 - gap_voxels)
    values = np.concatenate([first.values[:, :, less], second.values[:, :, ::-1][:, :, less][:, :, ::-1]], axis=2)
    width = 72 - gap_voxels
    left, right = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
    left[:, :, :width], right[:, :, width:] = truth[:, :, less], other[:, :, gap_voxels:]
    return replace(first, values=values, valid=np.ones(values.shape, bool)), left, right


def test_several_tubes_are_refused_with_the_place_of_each():
    scan, *_ = two_tubes(0)
    with pytest.raises(InputRefused) as caught:
        find_core(scan)
    assert caught.value.code == "several-cores"
    middle = 71 / 2 * PIXEL
    assert f"1: centre ({middle:.1f}, {middle:.1f}) mm" in caught.value.text
    assert f"2: centre ({middle:.1f}, {middle + 72 * PIXEL:.1f}) mm" in caught.value.text


@pytest.mark.parametrize("gap_voxels", [0, 4])
def test_each_of_several_tubes_can_be_named_even_where_they_touch(gap_voxels):
    """With four columns taken from each side the two walls run into each other."""
    scan, *truths = two_tubes(gap_voxels)
    for number, truth in enumerate(truths, 1):
        found = find_core(scan, CoreChoice(tube=number))
        assert overlap(found.valid, truth) >= 0.98
        assert f"tube {number} was taken" in told(found)["tube-chosen"]


def test_a_tube_that_is_not_there_is_refused():
    scan, *_ = two_tubes(0)
    with pytest.raises(InputRefused, match="tube 3 was asked for, but the scan holds 2 tubes"):
        find_core(scan, CoreChoice(tube=3))


@pytest.mark.parametrize("wall_mm", [1.2, 2.8, 4.0])
def test_thin_and_thick_walls_are_told_from_soil(wall_mm):
    """From a twelfth to more than a quarter of the outer radius."""
    scan, truth = scan_of("arable", wall_mm=wall_mm)
    assert overlap(find_core(scan).valid, truth) >= 0.98


def test_rods_beside_the_tube_are_no_cores():
    scan, truth = scan_of("arable", margin_mm=8.0)
    y, x = np.mgrid[:96, :96]
    for centre, value in (((8, 8), 60), ((8, 86), 1300), ((87, 8), -1000)):
        scan.values[:, np.hypot(y - centre[0], x - centre[1]) <= 5] = value
    assert overlap(find_core(scan).valid, truth) >= 0.98


def test_a_stated_place_is_taken_and_told():
    """Slices belong to the soil where their middle lies between top and bottom: 4 to 15 of 0.25 mm for 1 to 4 mm."""
    scan, _ = scan_of("sandy")
    found = find_core(scan, CoreChoice(centre_mm=(16.0, 17.0), radius_mm=8.0, top_mm=1.0, bottom_mm=4.0))
    y, x = np.arange(96)[:, None] * PIXEL, np.arange(96)[None, :] * PIXEL
    expected = np.zeros(scan.shape, bool)
    expected[4:16] = np.hypot(y - 16.0, x - 17.0) <= 8.0
    assert np.array_equal(found.valid, expected)
    assert "centre_mm = [16, 17], radius_mm = 8, top_mm = 1, bottom_mm = 4" in told(found)["core-asserted"]


def test_a_stated_radius_keeps_the_axis_that_is_found():
    scan, _ = scan_of("sandy", tilt_deg=4.0)
    whole, narrow = find_core(scan), find_core(scan, CoreChoice(radius_mm=6.0))
    assert narrow.source["soil"]["slices"]["y_mm"] == whole.source["soil"]["slices"]["y_mm"]
    assert narrow.source["soil"]["radius_mm"] == 6.0
    assert (narrow.valid & ~whole.valid).sum() == 0


def test_the_whole_scan_can_be_stated_to_be_soil():
    scan, _ = scan_of("sandy")
    found = find_core(scan, CoreChoice(whole=True))
    assert found.valid.all()
    assert list(told(found)) == ["core-asserted"]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"whole": True, "radius_mm": 3.0}, "leave out radius_mm"),
        ({"radius_mm": 0.0}, "above 0"),
        ({"tube": 0}, "numbered from 1"),
        ({"top_mm": 5.0, "bottom_mm": 5.0}, "above bottom_mm"),
        ({"centre_mm": (99.0, 1.0)}, "outside the scan"),
        ({"top_mm": 99.0}, "below the scan"),
        ({"radius_mm": float("inf")}, "finite numbers of mm; these are not all: radius_mm = inf"),
        ({"bottom_mm": float("nan")}, "finite"),
        ({"centre_mm": (float("nan"), 8.0), "radius_mm": 3.0}, "finite"),
        ({"centre_mm": (0.7, 0.7), "radius_mm": 1.0}, "nothing but air within radius_mm = 1 "),
        ({"centre_mm": (8.25, 8.25), "radius_mm": 0.01}, "nothing but air"),
    ],
)
def test_a_place_that_cannot_be_is_refused(stated, words):
    scan, _ = scan_of("sandy", (16, 48, 48))
    with pytest.raises(UsageError, match=words) as caught:
        find_core(scan, CoreChoice(**stated))
    assert caught.value.code == "core-asked"


def test_something_in_air_that_is_no_cylinder_is_warned_of():
    values = np.full((12, 60, 60), -1000, np.int16)
    values[:, 8:20, 10:50] = 900
    values[:, 20:52, 10:18] = 900
    found = find_core(Volume(values, np.ones(values.shape, bool), (0.5, 0.5, 0.5), "HU"))
    [finding] = [f for f in found.findings if f.code == "no-cylinder"]
    assert finding.severity == "warning"
    assert "centre_mm" in finding.text


@pytest.mark.parametrize("tilt", [0.0, 5.0])
def test_the_inner_box_lies_around_the_axis(tilt):
    scan, _ = scan_of("arable", tilt_deg=tilt, offset_mm=(0.0, 3.51), headspace=(6, 2))
    found = find_core(scan)
    box = found.crop(z=(6, 30)).inner((12, 21, 21))
    crops = np.asarray(box.source["crops"])
    z, y, x = crops[-1] + [[6, 6], [0, 0], [0, 0]]
    lean = np.tan(np.deg2rad(tilt)) * 0.25 * (np.mean(z) - 0.5 - 31 / 2) / PIXEL
    assert z.tolist() == [12, 24]
    assert np.mean(y) - 0.5 == pytest.approx(95 / 2 + lean, abs=0.6)
    assert np.mean(x) - 0.5 == pytest.approx(95 / 2 + 10, abs=0.6)
    assert box.valid.all()


def test_an_inner_box_wider_than_the_soil_says_so():
    """A square of side 2 r around a circle of radius r lies outside it with 1 - pi/4 of its area."""
    y, x = np.mgrid[:81, :81] - 40
    inside = np.broadcast_to(np.hypot(y, x) <= 40.0, (4, 81, 81))
    box = Volume(np.zeros(inside.shape, np.int16), inside.copy(), (1.0, 1.0, 1.0), "HU").inner((4, 81, 81))
    [finding] = box.findings
    assert finding.code == "window-beyond-soil"
    assert float(finding.text.split("%")[0]) == pytest.approx(100 * (1 - np.pi / 4), abs=2)
