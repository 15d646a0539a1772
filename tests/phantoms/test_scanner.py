"""The scanner: where cylinder and soil are, and what blur, noise and clipping do to them."""

from dataclasses import replace

import numpy as np
import pytest

from soilscope import phantoms
from soilscope.errors import UsageError
from soilscope.phantoms.fields import Grid, generator, grain
from soilscope.phantoms.scanner import SPACING_MM, place, scan

DY = 0.351


def distance_px(shape, centre=None):
    """Of each voxel's centre from the axis, shape (y, x)."""
    y, x = np.indices(shape[1:])
    cy, cx = ((shape[1] - 1) / 2, (shape[2] - 1) / 2) if centre is None else centre
    return np.hypot(y - cy, x - cx)


@pytest.mark.parametrize("shape", [(4, 64, 64), (4, 65, 80), (4, 24, 24)])
def test_soil_is_what_lies_within_the_radius_of_the_middle(shape):
    phantom = phantoms.make("grassland", shape=shape, noise=False)
    radius_px = phantom.volume.source["phantom"]["radius_mm"] / DY
    assert np.array_equal(phantom.truth > 0, np.broadcast_to(distance_px(shape) <= radius_px, shape))


@pytest.mark.parametrize("soil", ["pine-forest", "grassland"])
def test_a_sharp_wall_is_one_constant_ring_in_air_and_no_soil_looks_like_it(soil):
    phantom = phantoms.make(soil, shape=(12, 64, 64), noise=False)
    where = phantom.volume.source["phantom"]
    r = np.broadcast_to(distance_px(phantom.truth.shape) * DY, phantom.truth.shape)
    wall = (r > where["radius_mm"]) & (r <= where["radius_mm"] + where["wall_mm"])
    assert where["wall_mm"] >= 3 * DY * (1 - 1e-9)
    assert np.array_equal(phantom.volume.values == 120, wall)
    assert (phantom.volume.values[~wall & (phantom.truth == 0)] == -1000).all()
    assert not wall[:, [0, -1]].any()
    assert not wall[:, :, [0, -1]].any()


def test_a_paper_size_core_is_twelve_centimetres_wide():
    cylinder = place(Grid((640, 512, 512), SPACING_MM), phantoms.Scanner())
    assert 2 * cylinder.radius_mm == pytest.approx(120, abs=DY)
    assert cylinder.wall_mm == 5


def test_headspace_is_air_inside_the_wall_and_has_no_truth():
    scanner = phantoms.Scanner(headspace=(3, 2))
    phantom = phantoms.make("sandy", shape=(12, 64, 64), noise=False, scanner=scanner)
    empty = [0, 1, 2, 10, 11]
    assert [k for k in range(12) if not phantom.truth[k].any()] == empty
    inside = distance_px(phantom.truth.shape) * DY <= phantom.volume.source["phantom"]["radius_mm"]
    assert (phantom.volume.values[empty][:, inside] == -1000).all()
    assert (phantom.volume.values[0] == 120).any()
    assert phantoms.fractions(phantom.truth)["pore"][:3] == [None, None, None]


def test_a_tilted_axis_moves_by_its_tangent():
    scanner = phantoms.Scanner(tilt_deg=5, offset_mm=(0.0, DY))
    truth = phantoms.make("compacted", shape=(41, 80, 80), noise=False, scanner=scanner).truth > 0
    centre = np.array([np.argwhere(plane).mean(axis=0) for plane in truth])
    drift = np.tan(np.deg2rad(5)) * 0.25 * (np.arange(41) - 20) / DY
    assert centre[:, 0] == pytest.approx(39.5 + drift, abs=0.1)
    assert centre[:, 1] == pytest.approx(np.full(41, 40.5), abs=0.1)


def test_headspace_that_leaves_no_soil_is_refused():
    with pytest.raises(UsageError) as caught:
        phantoms.make("sandy", shape=(4, 64, 64), scanner=phantoms.Scanner(headspace=(2, 2)))
    assert caught.value.code == "phantom-shape"


def uniform(hu, shape=(24, 64, 64)):
    return np.full(shape, hu, np.int16), Grid(shape, SPACING_MM)


def test_the_noise_has_the_scanner_s_strength_and_its_neighbours_are_alike():
    sharp, grid = uniform(500)
    noise = scan(sharp, phantoms.Scanner(noise_hu=40), grid, generator(0, "sandy", "noise")) - 500.0
    assert noise.std() == pytest.approx(40, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=1.5)
    along_x = np.corrcoef(noise[:, :, :-1].ravel(), noise[:, :, 1:].ravel())[0, 1]
    # white noise smoothed by sigma s has autocorrelation exp(-h² / 4 s²)
    assert along_x == pytest.approx(np.exp(-((DY / 0.25) ** 2) / 4), abs=0.05)


def test_blur_without_noise_keeps_the_mean_and_spreads_a_point_by_its_width():
    sharp, grid = uniform(0, (25, 41, 41))
    sharp[12, 20, 20] = 3000
    seen = scan(sharp, phantoms.Scanner(blur_mm=0.5, noise_hu=0), grid, generator(0, "sandy", "noise")).astype(float)
    x = (np.arange(41) - 20) * DY
    profile = seen[12, 20]
    assert np.sqrt((profile * x**2).sum() / profile.sum()) == pytest.approx(0.5, rel=0.1)
    assert seen.sum() == pytest.approx(3000, rel=0.05)


def test_the_border_is_neither_bright_nor_dark_after_blurring():
    sharp, grid = uniform(777)
    seen = scan(sharp, phantoms.Scanner(noise_hu=0), grid, generator(0, "sandy", "noise"))
    assert (seen == 777).all()


def test_a_scanner_of_twelve_bits_saturates():
    for hu in (-1024, 3071):
        sharp, grid = uniform(hu, (4, 32, 32))
        seen = scan(sharp, phantoms.Scanner(noise_hu=60), grid, generator(0, "sandy", "noise"))
        assert -1024 <= seen.min() <= seen.max() <= 3071
        assert (seen == hu).mean() == pytest.approx(0.5, abs=0.1)


def test_partial_volume_shows_at_the_borders_of_pores():
    scanner = replace(phantoms.Scanner(), noise_hu=0)
    phantom = phantoms.make("arable", shape=(24, 64, 64), scanner=scanner)
    pore = phantom.volume.values[phantom.truth == 1]
    assert (pore > -700).mean() > 0.1


def test_grain_is_white_and_nearly_normal_and_does_not_depend_on_the_slab():
    whole = grain(5, (8, 64, 64), 0, 8)
    assert np.array_equal(grain(5, (8, 64, 64), 3, 6), whole[3:6])
    assert whole.mean() == pytest.approx(0, abs=0.03)
    assert whole.std() == pytest.approx(1, rel=0.03)
    assert np.corrcoef(whole[:, :, :-1].ravel(), whole[:, :, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.03)
