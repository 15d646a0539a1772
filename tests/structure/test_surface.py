"""Surface area density."""

from itertools import pairwise, product

import numpy as np
import pytest
from known_bodies import ball, blobs, grid, noise, turned

from soilscope import structure as st
from soilscope.structure.lines import DIRECTIONS, CornerTables, end_counts, lines_of
from soilscope.structure.surface import direction_weights, shares_of_sphere


@pytest.mark.parametrize("radius", [8.0, 20.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 0.7), (1.0, 0.5, 0.5), (2.0, 1.0, 1.0)])
def test_a_ball_has_its_surface_whatever_the_voxels_shape(radius, spacing):
    body = ball(2 * radius + 10, radius, spacing)
    window_mm3 = body.size * float(np.prod(spacing))
    found = st.surface_area_density(body, spacing) * window_mm3
    assert found == pytest.approx(4 * np.pi * radius**2, rel=0.03 if radius == 20 else 0.05)


def test_an_ellipsoid_in_non_cubic_voxels_has_its_surface_and_volume():
    spacing, (a, b, c) = (0.25, 0.351, 0.351), (9.0, 6.0, 4.0)
    z, y, x = grid((90, 50, 40), spacing)
    body = (z / a) ** 2 + (y / b) ** 2 + (x / c) ** 2 < 1
    voxel = float(np.prod(spacing))
    assert body.sum() * voxel == pytest.approx(4 / 3 * np.pi * a * b * c, rel=0.005)
    u, v = np.meshgrid(
        (np.arange(2000) + 0.5) * np.pi / 2000, (np.arange(2000) + 0.5) * 2 * np.pi / 2000, indexing="ij"
    )
    area = np.sin(u) * np.sqrt(
        (b * c * np.sin(u) * np.cos(v)) ** 2 + (a * c * np.sin(u) * np.sin(v)) ** 2 + (a * b * np.cos(u)) ** 2
    )
    expected = area.sum() * (np.pi / 2000) * (2 * np.pi / 2000)
    assert st.surface_area_density(body, spacing) * body.size * voxel == pytest.approx(expected, rel=0.03)


def test_where_the_window_cuts_a_class_the_cut_is_no_surface():
    assert st.surface_area_density(np.ones((6, 7, 8), bool), (1, 1, 1)) == 0.0
    body = ball(50, 20.0)
    half = st.surface_area_density(body[:25], (1, 1, 1)) * body[:25].size
    assert half == pytest.approx(2 * np.pi * 400, rel=0.05)
    valid = np.zeros(body.shape, bool)
    valid[:25] = True
    assert st.surface_area_density(body, (1, 1, 1), valid) * valid.sum() == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 0.7)])
def test_small_windows_have_on_average_the_surface_and_outline_of_the_large_one(spacing):
    mask = blobs((96, 96, 96), 0.4)
    edges = range(0, 96, 12)
    boxes = [tuple(slice(k, k + 12) for k in at) for at in product(edges, edges, edges)]
    for figure in (st.surface_area_density, lambda m, s: st.perimeter_density(m, s).mean()):
        assert np.mean([figure(mask[box], spacing) for box in boxes]) == pytest.approx(figure(mask, spacing), rel=0.02)


def test_a_narrow_round_window_has_on_average_the_surface_of_its_soil():
    mask = blobs((60, 120, 120), 0.4)
    _, y, x = grid((60, 30, 30))
    window = y**2 + x**2 < 8**2
    parts = [(slice(None), slice(b, b + 30), slice(c, c + 30)) for b in range(0, 120, 15) for c in range(0, 120, 15)]
    parts = [part for part in parts if mask[part].shape == window.shape]
    found = [st.surface_area_density(mask[part], (1, 1, 1), window) for part in parts]
    assert np.mean(found) == pytest.approx(st.surface_area_density(mask, (1, 1, 1)), rel=0.03)


@pytest.mark.parametrize("size", [44, 50, 80])
def test_a_ball_s_surface_in_mm2_does_not_hang_on_how_much_room_is_around_it(size):
    found = st.surface_area_density(ball(size, 20.0), (1, 1, 1)) * size**3
    assert found == pytest.approx(4 * np.pi * 400, rel=0.005)


def test_crossings_and_steps_are_those_of_lines_followed_one_by_one():
    mask, window = noise((7, 8, 9), 0.4), noise((7, 8, 9), 0.8, seed=1)
    found = lines_of(CornerTables.of(mask & window, window), end_counts(mask & window, window))
    for k, step in enumerate(np.array(DIRECTIONS)):
        met = length = 0.0
        for start in np.argwhere(window):
            if not _inside(window, start - step) and _inside(window, start + step):
                line = [start]
                while _inside(window, line[-1] + step):
                    line.append(line[-1] + step)
                split = [mask[tuple(a)] != mask[tuple(b)] for a, b in pairwise(line)]
                met += sum(split) + split[0] / 2 + split[-1] / 2
                length += len(line)
        assert (found[0][k], found[1][k]) == (met, length)


def _inside(window, place):
    return bool((place >= 0).all() and (place < window.shape).all() and window[tuple(place)])


def test_a_window_one_voxel_wide_has_no_surface_to_tell():
    assert np.isnan(st.surface_area_density(noise((1, 8, 8), 0.5), (1, 1, 1)))
    assert np.isnan(st.perimeter_density(noise((2, 1, 8), 0.5), (1, 1, 1))).all()


def test_a_class_and_the_rest_of_the_window_share_their_surface():
    mask, valid = noise((9, 10, 11), 0.4), noise((9, 10, 11), 0.8, seed=1)
    one = st.surface_area_density(mask & valid, (1, 2, 3), valid)
    other = st.surface_area_density(~mask & valid, (1, 2, 3), valid)
    assert one == pytest.approx(other, rel=1e-12)


def test_the_surface_does_not_depend_on_how_the_core_lies():
    mask = noise((10, 10, 10), 0.4)
    found = [st.surface_area_density(one, (1, 1, 1)) for one in turned(mask)]
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


def test_the_weights_of_cubic_voxels_are_those_published_for_13_directions():
    # Legland, Kiêu & Devaux 2007, table 2: shares of the sphere for axes, face diagonals and body diagonals.
    weights = np.sort(direction_weights((1.0, 1.0, 1.0)))
    np.testing.assert_allclose(weights[:4], 2 * 0.03519563978232, rtol=1e-6)
    np.testing.assert_allclose(weights[4:10], 2 * 0.03698062787608, rtol=1e-6)
    np.testing.assert_allclose(weights[10:], 2 * 0.04577789120476, rtol=1e-6)


@pytest.mark.parametrize("spacing", [(0.5, 1.0, 1.0), (1.0, 0.5, 2.0), (1.43, 1.0, 1.0), (1.0, 0.25, 0.25)])
def test_weights_of_other_voxels_are_right_over_all_orientations_and_wrong_by_least(spacing):
    """Mean area of evenly spread planes is exact; the mean square error is below that of shares of the sphere."""
    rng = np.random.default_rng(0)
    normals = rng.standard_normal((200_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    units = np.asarray(DIRECTIONS) * np.asarray(spacing)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    seen = 2 * np.abs(normals @ units.T)
    ours, shares = (seen @ weights(spacing) for weights in (direction_weights, shares_of_sphere))
    assert ours.mean() == pytest.approx(1.0, abs=0.003)
    assert np.square(ours - 1).mean() < 0.7 * np.square(shares - 1).mean()


def test_an_empty_window_has_no_density():
    assert np.isnan(st.surface_area_density(np.ones((2, 2, 2), bool), (1, 1, 1), np.zeros((2, 2, 2), bool)))
