"""Distance, Euler density, outline, anisotropy and fractal dimension against geometry, scipy, scikit-image and PoreSpy."""

import numpy as np
import porespy
import pytest
from known_bodies import ball, blobs, grid, noise, tube, turned
from scipy.ndimage import distance_transform_edt
from skimage.measure import euler_number, perimeter_crofton

from soilscope import structure as st
from soilscope.errors import UsageError

CUBIC = (1.0, 1.0, 1.0)
MEDICAL = (0.25, 0.351, 0.351)
PROFILES = {
    "perimeter-density": st.perimeter_density,
    "distance": st.distance_profile,
    "fractal-dimension-2d": st.fractal_dimension_of_slices,
    "anisotropy-2d": st.anisotropy_of_slices,
}
TOTALS = {"euler-3d-open": st.euler_density, "fractal-dimension": st.fractal_dimension, "anisotropy": st.anisotropy}


def round_window(shape):
    _, y, x = grid(shape)
    window = np.hypot(y, x) < 0.45 * shape[1]
    window[0] = False
    return window


@pytest.mark.parametrize("spacing", [CUBIC, MEDICAL])
def test_distances_to_the_class_are_scipys_inside_the_window(spacing):
    mask, window = blobs((20, 30, 40), 0.1), round_window((20, 30, 40))
    expected = distance_transform_edt(~(mask & window), sampling=spacing)
    found = st.distance_to_class(mask, spacing, window)
    np.testing.assert_allclose(found[window], expected[window], rtol=2e-6)
    assert np.isnan(found[~window]).all()
    for z, value in enumerate(st.distance_profile(mask, spacing, window)):
        rest = window[z] & ~mask[z]
        assert np.isnan(value) if not rest.any() else value == pytest.approx(expected[z][rest].mean(), rel=1e-5)
    rest = window & ~mask
    assert st.METRICS["distance"].total(mask, window, spacing) == pytest.approx(expected[rest].mean(), rel=1e-5)


def test_a_plane_of_pores_has_its_mean_distance():
    mask = np.zeros((11, 6, 6), bool)
    mask[5] = True
    assert st.METRICS["distance"].total(mask, None, (0.5, 1, 1)) == pytest.approx(0.5 * 3)
    np.testing.assert_allclose(st.distance_profile(mask, (0.5, 1, 1))[:5], 0.5 * np.arange(5, 0, -1))


@pytest.mark.parametrize("neighbours", [6, 26])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_euler_density_of_bodies_away_from_the_border_is_scikit_images(neighbours, share):
    for mask in (np.pad(noise((12, 13, 14), share), 1), np.pad(blobs((14, 15, 16), share), 1)):
        places = float(np.prod(np.array(mask.shape) - 1))
        expected = euler_number(mask, connectivity={6: 1, 26: 3}[neighbours])
        assert st.euler_density(mask, CUBIC, None, neighbours) * places == pytest.approx(expected, abs=1e-9)


def test_the_euler_density_does_not_close_what_the_window_cuts():
    through = tube(20, 20, 6.0)
    assert st.euler_number(through) == 1
    assert st.euler_density(through, CUBIC) == pytest.approx(0.0, abs=1e-15)
    window = np.zeros((20, 20, 20), bool)
    window[5:15] = True
    assert st.euler_density(through, CUBIC, window) == pytest.approx(0.0, abs=1e-15)
    assert st.euler_density(np.ones((5, 5, 5), bool), CUBIC) == pytest.approx(0.0, abs=1e-15)


def test_small_windows_have_on_average_the_euler_density_of_the_large_one():
    mask = noise((60, 60, 60), 0.15)
    large = st.euler_density(mask, CUBIC)
    small = [st.euler_density(mask[z : z + 11], CUBIC) for z in range(0, 50, 10)]
    assert np.mean(small) == pytest.approx(large, rel=0.05)
    closed = np.mean([st.euler_number(mask[z : z + 11]) / mask[:11].size for z in range(0, 50, 10)])
    assert abs(np.mean(small) - large) < abs(closed - large)


def test_the_outline_of_square_pixels_is_scikit_images():
    mask = np.pad(blobs((6, 50, 60), 0.3), ((0, 0), (3, 3), (3, 3)))
    expected = [perimeter_crofton(plane, directions=4) for plane in mask]
    found = st.perimeter_density(mask, (1, 0.2, 0.2)) * mask[0].size * 0.04
    # Theirs takes the lines through four corners that hold one pixel each for lines without an outline; ours leaves them out.
    np.testing.assert_allclose(found, np.array(expected) * 0.2, rtol=2 / mask[0].size)


@pytest.mark.parametrize("spacing", [(1, 0.25, 0.25), (1, 0.2, 0.3), (1, 0.4, 0.2)])
def test_a_disc_has_its_outline_and_a_cut_is_none(spacing):
    disc = tube(3, 16, 6.0, spacing)
    mm2 = disc[0].size * spacing[1] * spacing[2]
    np.testing.assert_allclose(st.perimeter_density(disc, spacing) * mm2, 2 * np.pi * 6, rtol=0.03)
    window = np.zeros(disc.shape, bool)
    window[:, : disc.shape[1] // 2] = True
    np.testing.assert_allclose(st.perimeter_density(disc, spacing, window) * mm2 / 2, np.pi * 6, rtol=0.05)
    assert not st.perimeter_density(np.ones((2, 5, 6), bool), spacing).any()


@pytest.mark.parametrize("stretch", [(1, 1, 1), (2, 1, 1), (1, 1, 3)])
def test_a_stretched_ball_has_the_anisotropy_of_its_stretch(stretch):
    found = st.intercept_tensor(ball(60, 20.0), stretch)
    assert found.degree == pytest.approx(1 - (min(stretch) / max(stretch)) ** 2, abs=0.02)
    ratios = found.lengths_mm / found.lengths_mm[-1]
    np.testing.assert_allclose(ratios, sorted(stretch, reverse=True), rtol=0.06)
    if max(stretch) > 1:
        assert abs(found.axes[0][np.argmax(stretch)]) == pytest.approx(1, abs=1e-6)
    found = st.anisotropy_of_slices(tube(2, 60, 20.0), stretch)
    plane = stretch[1:]
    np.testing.assert_allclose(found, 1 - (min(plane) / max(plane)) ** 2, atol=0.04)


def test_layers_and_tubes_are_anisotropic_all_the_way():
    layers = np.zeros((64, 20, 20), bool)
    layers[(np.arange(64) // 4) % 2 == 0] = True
    found = st.intercept_tensor(layers, (0.5, 1, 1))
    assert found.degree == pytest.approx(1.0)
    assert found.lengths_mm[2] == pytest.approx(
        63 * 0.5 / 15
    )  # 15 surfaces on the way from the first centre to the last
    assert np.isinf(found.lengths_mm[:2]).all()
    upright = st.intercept_tensor(tube(30, 40, 10.0), CUBIC)
    assert upright.degree == pytest.approx(1.0)
    assert abs(upright.axes[0][0]) == pytest.approx(1)


def test_mean_intercepts_are_line_lengths_over_crossings_counted_one_by_one():
    mask, window = noise((7, 8, 9), 0.4), noise((7, 8, 9), 0.9, seed=1)
    found = st.mean_intercepts(mask, (1, 2, 3), window)
    from soilscope.structure.lines import DIRECTIONS

    for k, step in enumerate(DIRECTIONS):
        pairs = crossings = 0
        for start in np.ndindex(mask.shape):
            end = tuple(np.add(start, step))
            if all(0 <= e < n for e, n in zip(end, mask.shape, strict=True)) and window[start] and window[end]:
                pairs += 1
                crossings += mask[start] != mask[end]
        assert found[k] == pytest.approx(pairs * np.linalg.norm(np.multiply(step, (1, 2, 3))) / crossings, rel=1e-9)


def sponge(times):
    """Menger's, of 3**times voxels."""
    body, cell = np.ones((1, 1, 1), bool), np.ones((3, 3, 3), bool)
    cell[1, 1, :] = cell[1, :, 1] = cell[:, 1, 1] = False
    for _ in range(times):
        body = np.kron(body, cell)
    return body


def test_known_bodies_have_their_fractal_dimension():
    plane, line = np.zeros((64, 64, 64), bool), np.zeros((64, 64, 64), bool)
    plane[30], line[:, 30, 11] = True, True
    assert st.fractal_dimension(plane, CUBIC) == pytest.approx(2, abs=1e-9)
    assert st.fractal_dimension(line, CUBIC) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(st.fractal_dimension_of_slices(np.ones((2, 64, 64), bool), CUBIC), 2)
    assert st.box_counts(sponge(4), CUBIC, sizes_mm=[1, 3, 9, 27]).dimension == pytest.approx(
        np.log(20) / np.log(3), abs=1e-9
    )


def test_boxes_are_cubes_in_mm_whatever_the_voxels_shape():
    fine = sponge(3)
    coarse = st.box_counts(fine, CUBIC, sizes_mm=[1, 3, 9])
    doubled = st.box_counts(np.repeat(fine, 2, axis=0), (0.5, 1, 1), sizes_mm=[1, 3, 9])
    np.testing.assert_allclose(doubled.share, coarse.share)
    assert doubled.dimension == pytest.approx(coarse.dimension, rel=1e-12)


def test_the_windows_border_is_no_structure_to_boxes():
    window = round_window((64, 64, 64))
    full = st.box_counts(np.ones(window.shape, bool), CUBIC, window)
    assert full.dimension == pytest.approx(3, abs=1e-9)
    assert (full.share == 1).all()


def test_box_counts_are_porespys_plus_the_boxes_that_are_full():
    mask = blobs((64, 64, 64), 0.3)
    peer = porespy.metrics.boxcount(mask, bins=[2, 4, 8, 16])
    found = st.box_counts(mask, CUBIC, sizes_mm=peer.size)
    full = [mask.reshape(64 // n, n, 64 // n, n, 64 // n, n).all(axis=(1, 3, 5)).sum() for n in peer.size]
    np.testing.assert_allclose(found.share * found.whole, np.array(peer.count) + full)


def test_boxes_that_are_none_are_refused_and_too_few_sizes_say_nothing():
    with pytest.raises(UsageError) as told:
        st.box_counts(np.ones((8, 8, 8), bool), CUBIC, sizes_mm=[1.0, 0.0])
    assert told.value.code == "boxes"
    assert np.isnan(st.fractal_dimension(np.ones((8, 8, 8), bool), CUBIC))


@pytest.mark.parametrize("name", [*PROFILES, *TOTALS])
def test_a_core_turned_over_has_the_same_figures(name):
    mask = blobs((40, 40, 40), 0.35)
    found = [st.METRICS[name].total(one, None, CUBIC) for one in turned(mask)[: -1 if name in PROFILES else None]]
    np.testing.assert_allclose(found, found[0], rtol=2e-6)


@pytest.mark.parametrize("name", [*PROFILES, *TOTALS])
def test_a_metric_is_the_function_of_its_name_and_sees_the_window_only(name):
    mask, window = blobs((64, 60, 62), 0.3), round_window((64, 60, 62))
    other = mask ^ (noise(mask.shape, 0.5) & ~window)  # another world outside the window
    metric = st.METRICS[name]
    if name in PROFILES:
        expected = PROFILES[name](mask, MEDICAL, window)
        np.testing.assert_array_equal(
            metric.profile(other, window, MEDICAL), np.where(window.any((1, 2)), expected, np.nan)
        )
        assert np.isnan(metric.profile(other, window, MEDICAL)[0])
    else:
        assert metric.total(other, window, MEDICAL) == TOTALS[name](mask, MEDICAL, window)


@pytest.mark.parametrize("name", ["perimeter-density", "distance", "surface-density", "median-diameter", "anisotropy"])
def test_halving_the_voxel_brings_a_figure_closer_to_the_one_before(name):
    """A ball of 6 mm: each refinement moves the figure less than the one before, or by under 1 %."""
    at = [st.METRICS[name].total(ball(16, 6.0, (s, s, 2 * s)), None, (s, s, 2 * s)) for s in (1.0, 0.5, 0.25)]
    assert abs(at[2] - at[1]) < max(abs(at[1] - at[0]), 0.01 * at[2])


def test_clusters_have_their_mean_volume():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, :4] = mask[4:6, 4:6, 4:6] = True
    assert st.METRICS["cluster-volume"].total(mask, None, (0.5, 1, 1)) == pytest.approx(3.0)
