"""The soil in a scan: exact without noise, within a pixel with it, and whole where there is no cylinder."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.core.choice import CoreChoice
from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.ingest import read
from soilscope.phantoms.scanner import Scanner
from soilscope.volume import Volume

CORECT_EDGES = (-1025, -818, 86, 114, 369, 750, 1342, 3045)
CORECT_NAMES = ("air", "RR", "water", "peat", "particulates", "sand", "rock_shell")
SOILS = ("pine-forest", "grassland", "sandy", "arable", "compacted")


def unfound(phantom) -> Volume:
    """The phantom's scan as a reader gives it: every voxel valid."""
    return replace(phantom.volume, valid=np.ones(phantom.volume.shape, bool), findings=())


def overlap(found, truth) -> float:
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


@pytest.mark.parametrize("shape", [(48, 64, 64), (24, 97, 96), (12, 200, 200), (12, 40, 40), (12, 32, 32)])
@pytest.mark.parametrize("soil", SOILS)
def test_without_noise_the_soil_is_exact(soil, shape):
    phantom = phantoms.make(soil, seed=1, shape=shape, noise=False)
    found = find_core(unfound(phantom))
    assert np.array_equal(found.valid, phantom.truth > 0)
    assert found.source["soil"]["kind"] == "cylinder"


def test_a_written_phantom_is_read_and_found_exactly(tmp_path):
    phantom = phantoms.make("pine-forest", seed=2, shape=(40, 80, 80), noise=False)
    phantoms.write(phantom, tmp_path)
    found = find_core(read(tmp_path / "dicom"))
    assert np.array_equal(found.valid, phantom.truth > 0)
    assert np.array_equal(found.values[found.valid], phantom.volume.values[found.valid])


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize("scanner", [Scanner(), Scanner(noise_hu=90), Scanner(blur_mm=0.35)])
def test_with_noise_centre_and_radius_are_within_a_pixel(soil, scanner):
    phantom = phantoms.make(soil, seed=3, shape=(24, 128, 128), scanner=scanner)
    found = find_core(unfound(phantom))
    truth = phantom.truth > 0
    soil_found = found.source["soil"]
    pixel = phantom.volume.spacing_mm[1]
    middle = (128 - 1) / 2 * pixel
    radius = np.sqrt(truth[0].sum() / np.pi) * pixel
    assert soil_found["centre_mm"] == pytest.approx([middle, middle], abs=pixel)
    assert soil_found["radius_mm"] == pytest.approx(radius, abs=pixel)
    assert overlap(found.valid, truth) > 0.98
    assert (soil_found["top"], soil_found["bottom"]) == (0, 24)


@pytest.mark.parametrize("tilt", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("noise", [False, True])
def test_a_leaning_core_off_centre_is_followed(tilt, noise):
    scanner = Scanner(tilt_deg=tilt, offset_mm=(1.0, -2.0))
    phantom = phantoms.make("arable", seed=4, shape=(48, 112, 112), noise=noise, scanner=scanner)
    found = find_core(unfound(phantom))
    truth = phantom.truth > 0
    assert overlap(found.valid, truth) > 0.98
    pixel = phantom.volume.spacing_mm[1]
    for k in (0, 24, 47):
        centre = np.argwhere(truth[k]).mean(axis=0) * pixel
        slices = found.source["soil"]["slices"]
        assert [slices["y_mm"][k], slices["x_mm"][k]] == pytest.approx(centre, abs=pixel)


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize("blur", [0.35, 0.6])
def test_a_leaning_core_of_96_voxels_is_found_through_a_wide_blur(soil, blur):
    phantom = phantoms.make(soil, seed=2, shape=(24, 96, 96), scanner=Scanner(tilt_deg=5.0, blur_mm=blur))
    assert overlap(find_core(unfound(phantom)).valid, phantom.truth > 0) >= 0.98


@pytest.mark.parametrize(("width", "blur", "told"), [(64, 0.6, True), (128, 0.6, False)])
def test_a_wall_that_the_blur_hides_in_a_narrow_core_is_told_unless_its_radius_is_stated(width, blur, told):
    """CONTRACT: what was assumed is said; a person who knows the tube need not trust the guess."""
    phantom = phantoms.make("compacted", seed=2, shape=(24, width, width), scanner=Scanner(blur_mm=blur, wall_mm=1.05))
    found = find_core(unfound(phantom))
    assert ("wall-blurred" in {f.code for f in found.findings}) == told
    pixel, area = phantom.volume.spacing_mm[1], float((phantom.truth[12] > 0).sum())
    radius = float(np.sqrt(area / np.pi) * pixel)
    stated = find_core(unfound(phantom), CoreChoice(radius_mm=radius))
    assert "wall-blurred" not in {f.code for f in stated.findings}
    assert overlap(stated.valid, phantom.truth > 0) >= 0.98


def test_headspace_is_left_out_and_told():
    phantom = phantoms.make("sandy", seed=5, shape=(50, 80, 80), noise=False, scanner=Scanner(headspace=(6, 4)))
    found = find_core(unfound(phantom))
    assert (found.source["soil"]["top"], found.source["soil"]["bottom"]) == (6, 46)
    assert np.array_equal(found.valid, phantom.truth > 0)
    assert "headspace" in {f.code for f in found.findings}


@pytest.mark.parametrize("soil", [s for s in phantoms.soils() if s.startswith("matched")])
@pytest.mark.parametrize("noise", [False, True])
def test_soil_up_to_the_border_is_kept_whole(soil, noise):
    phantom = phantoms.make(soil, seed=6, shape=(24, 64, 64), noise=noise)
    found = find_core(unfound(phantom))
    assert found.valid.all()
    assert found.source["soil"]["kind"] == "whole"
    assert "no-cylinder" in {f.code for f in found.findings}


def test_what_the_reader_masked_stays_masked():
    phantom = phantoms.make("arable", seed=7, shape=(24, 80, 80), noise=False)
    scan = unfound(phantom)
    scan.valid[11] = False
    found = find_core(scan)
    assert not found.valid[11].any()
    assert np.array_equal(found.valid[12], phantom.truth[12] > 0)


def test_a_table_beside_the_core_does_not_move_it():
    phantom = phantoms.make("arable", seed=8, shape=(24, 128, 128), scanner=Scanner(margin_mm=6.0))
    scan = unfound(phantom)
    scan.values[:, -8:-5, 20:108] = 300
    found = find_core(scan)
    assert overlap(found.valid, phantom.truth > 0) > 0.98


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize("gap", [0, 2, 6])
@pytest.mark.parametrize(("soil", "width"), [("arable", 96), ("sandy", 144)])
def test_a_table_right_across_the_picture_does_not_hide_the_core(soil, width, gap, curved):
    # As a patient's table lies under a core in a medical scanner: dense skins, light foam, over two corners of the picture.
    phantom = phantoms.make(soil, seed=8, shape=(24, width, width), scanner=Scanner(margin_mm=10.0))
    scan = unfound(phantom)
    solid = (scan.values > -440).any(axis=0)
    rows, columns = np.mgrid[:width, :width]
    upper = np.flatnonzero(solid.any(axis=1))[-1] + 1 + gap - (columns - width / 2) ** 2 / (1.5 * width) * curved
    scan.values[:, (rows >= upper + 4) & ~solid] = -900
    scan.values[:, (rows >= upper) & (rows < upper + 4) & ~solid] = -150
    found = find_core(scan)
    assert found.source["soil"]["kind"] == "cylinder"
    assert overlap(found.valid, phantom.truth > 0) >= 0.98


def cylinder(values_inside, air, wall, shape=(20, 90, 90), radius=30.0) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: shape[1], : shape[2]]
    away = np.hypot(y - 44.0, x - 47.0)
    plane = np.where(away <= radius, 1.0, np.where(away <= radius + 5, 2.0, 0.0))
    labels = np.broadcast_to(plane, shape)
    return np.select([labels == 1, labels == 2], [values_inside, wall], air), labels == 1


def test_a_grey_cylinder_is_found_by_its_contrast():
    rng = np.random.default_rng(1)
    inside = np.where(rng.random((20, 90, 90)) < 0.3, 12000, 30000)
    values, truth = cylinder(inside, 8000, 20000)
    noisy = np.clip(values + rng.normal(0, 400, values.shape), 0, 65535).astype(np.uint16)
    found = find_core(Volume(noisy, np.ones(noisy.shape, bool), (0.1, 0.1, 0.1), "grey"))
    assert found.source["soil"]["kind"] == "cylinder"
    assert found.source["soil"]["centre_mm"] == pytest.approx([4.4, 4.7], abs=0.1)
    assert found.source["soil"]["radius_mm"] == pytest.approx(3.0, abs=0.1)
    assert overlap(found.valid, truth) > 0.98


def test_a_core_without_a_tube_is_found_to_its_own_edge():
    rng = np.random.default_rng(2)
    inside = np.where(rng.random((20, 90, 90)) < 0.2, -900, 1000) + rng.normal(0, 30, (20, 90, 90))
    values, truth = cylinder(inside, -1000, -1000)
    found = find_core(Volume(values.astype(np.int16), np.ones(values.shape, bool), (0.2, 0.2, 0.2), "HU"))
    assert found.source["soil"]["wall"] is None
    assert found.source["soil"]["radius_mm"] == pytest.approx(6.0, abs=0.2)
    assert overlap(found.valid, truth) > 0.96


def test_marsh_core_areas_equal_corects(real_data):
    folder = real_data("marsh_core")
    found = find_core(read(folder / "dicom"))
    assert found.source["soil"]["kind"] == "masked"
    with (folder / "materials_by_slice.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    _, dy, dx = found.spacing_mm
    for plane, valid, row in zip(found.values, found.valid, rows, strict=True):
        inside = plane[valid]
        for name, low, high in zip(CORECT_NAMES, CORECT_EDGES, CORECT_EDGES[1:], strict=False):
            area = np.count_nonzero((inside > low) & (inside <= high)) * dy * dx / 100
            assert area == pytest.approx(float(row[f"{name}.cm2"]), abs=1e-6)
        assert valid.sum() * dy * dx / 100 == pytest.approx(float(row["tot.cm2"]), abs=1e-6)


def test_ceiling_voxels_inside_a_masked_core_stay():
    values = np.full((3, 20, 20), 3071, np.int16)
    values[:, 4:16, 4:16] = 500
    values[:, 8:10, 8:10] = 3071
    found = find_core(Volume(values, np.ones(values.shape, bool), (1.0, 1.0, 1.0), "HU"))
    assert found.valid.sum() == 3 * 12 * 12
    assert found.valid[:, 8:10, 8:10].all()


@pytest.mark.parametrize("soil", ["sandy", "arable"])
@pytest.mark.parametrize("noise", [False, True])
def test_a_gap_kept_as_a_masked_plane_does_not_hide_the_tube(tmp_path, soil, noise):
    phantom = phantoms.make(soil, seed=3, shape=(12, 64, 64), noise=noise)
    phantoms.write(phantom, tmp_path)
    whole = find_core(read(tmp_path / "dicom"))
    sorted((tmp_path / "dicom").iterdir())[4].unlink()
    found = find_core(read(tmp_path / "dicom", on_gap="mark"))
    truth = phantom.truth > 0
    truth[4] = False
    assert overlap(found.valid, truth) > (0.98 if noise else 1 - 1e-12)
    pixel = phantom.volume.spacing_mm[1]
    assert found.source["soil"]["radius_mm"] == pytest.approx(whole.source["soil"]["radius_mm"], abs=pixel / 4)


def ends(volume) -> dict[str, Finding]:
    return {f.code: f for f in volume.findings if f.code in ("at-floor", "at-ceiling")}


def test_marsh_cores_ceiling_is_told_of_the_soil_and_not_of_its_mask(real_data):
    folder = real_data("marsh_core") / "dicom"
    scan = read(folder)
    found = find_core(scan)
    assert "48.05%" in ends(scan)["at-ceiling"].text
    # The mask is everything at the ceiling that reaches the border of its slice: in pydicom's own numbers.
    planes = [pydicom.dcmread(p).pixel_array.astype(int) - 1024 for p in folder.iterdir()]
    parts = [ndimage.label(plane == 3071) for plane in planes]
    outside = [np.isin(part, np.setdiff1d([part[0], part[-1], part[:, 0], part[:, -1]], [0])) for part, _ in parts]
    soil = sum(int((~mask).sum()) for mask in outside)
    inside = sum(int(((plane == 3071) & ~mask).sum()) for plane, mask in zip(planes, outside, strict=True))
    assert inside / soil < 0.01
    told = ends(found).get("at-ceiling")
    if inside:
        assert f"{inside / soil:.2%} of the soil's" in told.text or f"{inside} of the soil's {soil}" in told.text
    else:
        assert told is None


@pytest.mark.parametrize(("side", "severity", "share"), [(2, "warning", "2.78% of the soil's"), (0, None, None)])
def test_the_share_at_the_ceiling_is_that_of_the_soil_once_a_mask_is_known(side, severity, share):
    values = np.full((3, 20, 20), 3071, np.int16)
    values[:, 4:16, 4:16] = np.arange(144).reshape(12, 12)
    values[:, 8 : 8 + side, 8 : 8 + side] = 3071  # 4 of 144 pixels
    scan = Volume(values, np.ones(values.shape, bool), (1.0, 1.0, 1.0), "HU")
    told = Finding("at-ceiling", "warning", "64.00% of the voxels are at the highest value, 3071 HU.")
    found = ends(find_core(scan.with_findings(told))).get("at-ceiling")
    assert (None if found is None else found.severity) == severity
    assert found is None or share in found.text


def test_air_around_a_core_does_not_count_as_soil_at_the_floor():
    phantom = phantoms.make("sandy", seed=5, shape=(12, 80, 80), noise=False)
    scan = unfound(phantom).with_findings(Finding("at-floor", "note", "30.00% of the voxels are at the lowest value."))
    truth = phantom.truth > 0
    count, total = (scan.values[truth] == scan.values.min()).sum(), truth.sum()
    told = ends(find_core(scan)).get("at-floor")
    assert count / total < 0.3
    assert (told is None) == (count == 0)
    assert told is None or f"{count / total:.2%}" in told.text or f"{count} of the soil's {total}" in told.text


def test_the_soil_stack_is_whole(real_data):
    found = find_core(read(real_data("soil_stack") / "tif", spacing_mm=(0.0607,) * 3))
    assert found.valid.all()
    assert "no-cylinder" in {f.code for f in found.findings}


def test_reading_a_phantom_with_a_gap_still_refuses(tmp_path):
    phantom = phantoms.make("sandy", seed=9, shape=(12, 48, 48), noise=False)
    phantoms.write(phantom, tmp_path)
    slices = sorted((tmp_path / "dicom").iterdir())
    slices[5].unlink()
    with pytest.raises(InputRefused) as caught:
        read(tmp_path / "dicom")
    assert caught.value.code == "gap"


@pytest.mark.parametrize(
    ("soil", "shape"),
    [*((soil, (24, 96, 96)) for soil in SOILS), ("compacted", (64, 128, 128)), ("pine-forest", (64, 128, 128))],
)
def test_what_was_narrowed_before_is_kept_as_it_is(soil, shape):
    """The last two hold a ring of stones, and litter, that look like a tube and like air."""
    phantom = phantoms.make(soil, shape=shape, noise=False)
    for narrowed in (phantom.volume, find_core(unfound(phantom))):
        np.testing.assert_array_equal(find_core(narrowed).valid, phantom.truth > 0)


@pytest.mark.parametrize(("soil", "tilt_deg"), [("grassland", 0), ("pine-forest", 5)])
def test_a_blur_of_six_tenths_of_a_millimetre_hides_no_end(soil, tilt_deg):
    scanner = Scanner(blur_mm=0.6, tilt_deg=tilt_deg, headspace=(9, 7))
    phantom = phantoms.make(soil, shape=(60, 240, 240), scanner=scanner)
    found, truth = find_core(unfound(phantom)), phantom.truth > 0
    there = np.flatnonzero(truth.any(axis=(1, 2)))
    assert abs(found.source["soil"]["top"] - there[0]) <= 1
    assert abs(found.source["soil"]["bottom"] - 1 - there[-1]) <= 1
    assert (found.valid & truth).sum() / (found.valid | truth).sum() >= 0.98


@pytest.mark.parametrize(
    ("soil", "width", "seed", "headspace"),
    [
        ("grassland", 128, 120, (0, 6)),
        ("compacted", 128, 156, (4, 6)),
        ("grassland", 200, 124, (4, 8)),
        ("compacted", 200, 160, (0, 8)),
    ],
)
def test_a_blur_of_nine_tenths_of_a_millimetre_adds_no_slice_at_an_end(soil, width, seed, headspace):
    """Blurred by three and a half slices, the first slice of air reads 0.44 of the soil; noise and uneven soil lift some of it over
    half."""
    scanner = Scanner(blur_mm=0.9, headspace=headspace, noise_hu=80)
    found = find_core(unfound(phantoms.make(soil, seed=seed, shape=(40, width, width), scanner=scanner))).source["soil"]
    assert (found["top"], found["bottom"]) == (headspace[0], 40 - headspace[1])


@pytest.mark.parametrize("noise", [20, 100])
@pytest.mark.parametrize("pores", [0.25, 0.5])
@pytest.mark.parametrize("blur", [0.6, 1.0])
def test_uneven_porous_soil_ends_where_its_blurred_edge_is_half_way(blur, pores, noise):
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:40, :110, :110]
    away = np.hypot(y - 54.5, x - 54.5) * 0.4
    texture = ndimage.gaussian_filter(rng.normal(size=away.shape), 2.0)
    soil = np.where(texture < np.quantile(texture, pores), -900, 500 + 80 * texture / texture.std())
    truth = (away < 15) & (z >= 8) & (z < 33)
    sharp = np.where(truth, soil, np.where((away >= 15) & (away < 18), 100, -1000))
    values = ndimage.gaussian_filter(sharp.astype(float), (blur / 0.5, blur / 0.4, blur / 0.4)) + rng.normal(
        0, noise, away.shape
    )
    found = find_core(Volume(np.rint(values).astype(np.int16), np.ones(values.shape, bool), (0.5, 0.4, 0.4), "HU"))
    assert (found.source["soil"]["top"], found.source["soil"]["bottom"]) == (8, 33)


@pytest.mark.parametrize(
    ("soil", "width", "blur"),
    [
        ("pine-forest", 64, 0.35),
        ("arable", 64, 0.35),
        ("arable", 128, 0.6),
        ("grassland", 128, 0.6),
        ("sandy", 128, 0.6),
    ],
)
def test_a_wall_thinner_than_the_blur_does_not_widen_the_soil(soil, width, blur):
    """A wall of three voxels blurred by one or two shows no level of its own; its inner edge is where the soil's unevenness is half
    of what it is further in."""
    phantom = phantoms.make(soil, seed=12, shape=(12, width, width), scanner=Scanner(blur_mm=blur))
    found, truth = find_core(unfound(phantom)), phantom.truth > 0
    pixel = phantom.volume.spacing_mm[1]
    radius = np.sqrt(truth[0].sum() / np.pi) * pixel
    assert found.source["soil"]["radius_mm"] == pytest.approx(radius, abs=0.5 * pixel)
    assert overlap(found.valid, truth) >= 0.98


@pytest.mark.parametrize("name", ["compacted", "grassland", "pine-forest"])
def test_in_a_small_scan_whose_blur_hides_the_wall_the_soil_s_unevenness_tells_its_radius(name):
    """A tube of three voxels, blurred by 1.7: the ring that is looked at holds enough soil to know its unevenness by."""
    core = phantoms.make(name, seed=0, shape=(24, 64, 64), scanner=Scanner(blur_mm=0.6))
    found = find_core(replace(core.volume, valid=np.ones(core.truth.shape, bool)))
    true, own = (np.sqrt(np.count_nonzero(mask[12]) / np.pi) for mask in (core.truth > 0, found.valid))
    assert own == pytest.approx(true, abs=0.25)


def in_a_bright_tube(width, radius, wall, *, blur=0.0, noise=0.0, tilt=0.0, depth=24) -> tuple[Volume, np.ndarray]:
    """Uneven soil of 300 HU with pores in a tube of (voxels, HU), leaning along y, voxels as deep as they are wide."""
    rng, (thick, level) = np.random.default_rng(0), wall
    z, y, x = np.mgrid[:depth, :width, :width]
    middle = (width - 1) / 2
    away = np.hypot(y - middle - np.tan(np.radians(tilt)) * (z - depth / 2), x - middle)
    soil = np.where(rng.random(away.shape) < 0.1, -950, rng.normal(300, 80, away.shape))
    values = np.select([away < radius, away < radius + thick], [soil, level], -1000.0)
    if blur:
        values = ndimage.gaussian_filter(values, (0, blur, blur))
    values += rng.normal(0, noise, values.shape)
    scan = np.clip(values, -1024, 3071).astype(np.int16)
    return Volume(scan, np.ones(scan.shape, bool), (0.5, 0.5, 0.5), "HU"), away < radius


@pytest.mark.parametrize("tilt", [0.0, 5.0])
@pytest.mark.parametrize("noise", [0.0, 20.0])
@pytest.mark.parametrize("wall", [(2, 1500), (3, 1500), (3, 3000), (2, 300)])
@pytest.mark.parametrize(("width", "radius"), [(64, 24), (96, 36), (128, 52)])
def test_a_bright_sharp_wall_is_told_from_the_soil_and_from_air(width, radius, wall, noise, tilt):
    """The outline of a bright wall, halfway from air to soil, lies outside the wall: what is beyond it is air and no tube."""
    scan, truth = in_a_bright_tube(width, radius, wall, noise=noise, tilt=tilt)
    found = find_core(scan)
    soil = found.source["soil"]
    assert overlap(found.valid, truth) >= 0.98
    assert soil["radius_mm"] == pytest.approx(radius / 2, abs=0.5)
    assert soil["centre_mm"] == pytest.approx([(width - 1) / 4] * 2, abs=0.5)
    assert soil["wall"] == pytest.approx(wall[1], abs=60)


@pytest.mark.parametrize(("wall", "tilt"), [((3, 1500), 0.0), ((2, 3000), 4.0), ((5, 3000), 0.0), ((5, 1500), 0.0)])
@pytest.mark.parametrize("noise", [0.0, 20.0])
@pytest.mark.parametrize(("width", "radius"), [(56, 18), (96, 30), (160, 70)])
def test_a_bright_blurred_wall_is_told_from_the_soil(width, radius, wall, tilt, noise):
    """Its values differ from each other as much as the soil's do; it is known by standing above the soil all round."""
    scan, truth = in_a_bright_tube(width, radius, wall, noise=noise, tilt=tilt, blur=0.7)
    assert overlap(find_core(scan).valid, truth) >= 0.98


@pytest.mark.parametrize("radius", [14, 24, 60])
@pytest.mark.parametrize("brightened", [100, 400, 1000])
def test_a_rim_brightened_by_beam_hardening_is_no_wall(radius, brightened):
    """It brightens over many voxels, and a wall within one or two."""
    width = 2 * radius + 16
    y, x = np.mgrid[:width, :width] - (width - 1) / 2
    away = np.broadcast_to(np.hypot(y, x), (20, width, width))
    values = np.where(away < radius, 900 + brightened * (away / radius) ** 2, -1000.0)
    values += np.random.default_rng(0).normal(0, 40, values.shape)
    found = find_core(Volume(values.astype(np.int16), np.ones(values.shape, bool), (1.0, 0.5, 0.5), "HU"))
    assert found.source["soil"]["wall"] is None
    assert overlap(found.valid, away < radius) >= 0.9


def painted(width, tube, soil, *, blur, noise, depth=48, ends=(0, 0), tilt=0.0, long=True) -> tuple[Volume, np.ndarray]:
    """A tube of (inner radius, thickness in voxels, HU) around the soil, edges drawn from 4 by 4 points a voxel, then blurred.

    ``soil`` names its texture; above and below it lie ``ends`` slices of air, in the tube where that is ``long``.
    """
    rng, (inner, thick, level) = np.random.default_rng(5), tube
    grains = [ndimage.gaussian_filter(rng.normal(size=(depth, width, width)), size) for size in (1.2, 3.0)]
    fine, coarse = (g / g.std() for g in grains)
    hu = {
        "fine": np.where(fine < -1.3, -950, 350 + 150 * fine),
        "half pores": np.where(fine < 0, -970, 500.0),
        "aggregates": np.where(coarse < -0.5, -950, 550.0),
        "stones": np.where(coarse > 1.2, 1700, np.where(fine < -1.2, -950, 300.0)),
    }[soil]
    middle, points = (width - 1) / 2, (np.arange(4 * width) + 0.5) / 4 - 0.5
    values, truth = np.empty(hu.shape), np.zeros(hu.shape, bool)
    for k in range(depth):
        x = middle + np.tan(np.radians(tilt)) * (k - depth / 2)
        away = np.hypot((points - middle)[:, None], points - x)
        within, body = ((away <= r).reshape(width, 4, width, 4).mean((1, 3)) for r in (inner, inner + thick))
        filled = ends[0] <= k < depth - ends[1]
        wall = level if filled or long else -1000.0
        values[k] = (hu[k] if filled else -1000) * within + wall * (body - within) - 1000 * (1 - body)
        truth[k] = filled & (np.hypot((np.arange(width) - middle)[:, None], np.arange(width) - x) <= inner)
    values = ndimage.gaussian_filter(values, (0.5 * blur, blur, blur), mode="nearest") + rng.normal(0, noise, hu.shape)
    scan = np.clip(np.rint(values), -1024, 3071).astype(np.int16)
    return Volume(scan, np.ones(scan.shape, bool), (0.4, 0.4, 0.4), "HU"), truth


@pytest.mark.parametrize("soil", ["fine", "half pores", "aggregates"])
@pytest.mark.parametrize(
    ("tube", "blur", "noise", "tilt"),
    [
        ((30.3, 3.0, 250.0), 1.6, 120, 0.0),
        ((34.2, 6.6, -60.0), 2.2, 60, 2.0),
        ((27.6, 8.5, 180.0), 2.0, 40, 5.0),
    ],
)
def test_a_blurred_tube_that_reads_what_soil_does_is_measured_by_its_blurred_edges(soil, tube, blur, noise, tilt):
    """Three tubes of 66 to 82 voxels; at these widths a third of a voxel all around is two per cent of the soil."""
    scan, truth = painted(96, tube, soil, blur=blur, noise=noise, tilt=tilt)
    found = find_core(scan)
    assert overlap(found.valid, truth) >= 0.98
    assert found.source["soil"]["radius_mm"] / 0.4 == pytest.approx(tube[0], abs=0.35)
    assert found.source["soil"]["outer_radius_mm"] / 0.4 == pytest.approx(tube[0] + tube[1], abs=0.35)


@pytest.mark.parametrize("soil", ["fine", "half pores", "aggregates"])
@pytest.mark.parametrize("ends", [(10, 0), (6, 8)])
def test_slices_of_air_beyond_a_short_tube_do_not_hide_its_wall(soil, ends):
    """The tube ends where the soil does: rings taken through the air beyond it would be as uneven in the wall as in the soil."""
    scan, truth = painted(96, (38.0, 3.5, 120.0), soil, blur=0.7, noise=60, ends=ends, long=False)
    found = find_core(scan)
    assert overlap(found.valid, truth) >= 0.98
    assert found.source["soil"]["wall"] == pytest.approx(120, abs=60)


@pytest.mark.parametrize("soil", ["fine", "half pores", "stones"])
@pytest.mark.parametrize("ends", [(1, 0), (0, 2), (1, 1), (2, 1)])
def test_headspace_that_blur_fills_up_to_the_end_of_the_scan_is_no_soil(soil, ends):
    """Blurred by one slice, the first slice of air reads 0.31 of the soil beside it, and no slice is seen that is plain air."""
    scan, truth = painted(96, (38.0, 5.0, 120.0), soil, blur=2.0, noise=60, ends=ends)
    found = find_core(scan)
    assert (found.source["soil"]["top"], found.source["soil"]["bottom"]) == (ends[0], 48 - ends[1])
    assert overlap(found.valid, truth) >= 0.98


def test_an_uncertain_radius_is_told_with_its_wall_and_a_certain_one_is_not():
    for tube, blur, told in (((20.0, 2.0, 350.0), 2.3, True), ((40.0, 6.0, 120.0), 0.7, False)):
        scan, _ = painted(104, tube, "fine", blur=blur, noise=100)
        assert ("wall-blurred" in {f.code for f in find_core(scan).findings}) == told
