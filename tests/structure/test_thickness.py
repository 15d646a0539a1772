"""Local thickness and critical diameter against geometry, brute force and PoreSpy."""

import numpy as np
import porespy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st_
from known_bodies import ball, blobs, tube, turned
from scipy.ndimage import distance_transform_edt

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure import painting, ridge
from soilscope.structure.distance import squared_distance

MEDICAL = (0.25, 0.351, 0.351)


def by_definition(mask, spacing):
    """Every ball painted into every voxel it holds, one after the other."""
    radius = distance_transform_edt(mask, sampling=spacing)
    places = np.indices(mask.shape).reshape(3, -1).T * np.array(spacing)
    found = np.zeros(mask.shape)
    for centre in np.argwhere(mask):
        r = radius[tuple(centre)]
        inside = ((places - centre * np.array(spacing)) ** 2).sum(axis=1) < r * r * (1 - 1e-9)
        inside = inside.reshape(mask.shape)
        found[inside] = np.maximum(found[inside], 2 * r)
    return found


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), MEDICAL, (2.0, 1.0, 0.5)])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.85, 0.95, 0.999])
def test_distances_equal_scipys_in_narrow_pores_and_in_wide_open_space(spacing, share):
    mask = blobs((23, 40, 71), share)
    expected = distance_transform_edt(mask, sampling=spacing)
    np.testing.assert_allclose(np.sqrt(squared_distance(mask, spacing)), expected, rtol=2e-6)


def test_distances_reach_across_rows_and_slices_without_a_wall():
    mask = np.zeros((50, 9, 40), bool)
    mask[:, 2:5] = True
    mask[25, 2:5, 7] = False
    np.testing.assert_allclose(
        np.sqrt(squared_distance(mask, MEDICAL)), distance_transform_edt(mask, MEDICAL), rtol=2e-6
    )


@pytest.mark.parametrize("spacing", [MEDICAL, (0.0607, 0.0607, 0.0607), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distances_to_one_far_wall_are_exact_along_every_axis(spacing, axis):
    mask = np.ones((3, 4, 700), bool)
    mask[..., 0] = False
    mask = np.moveaxis(mask, 2, axis)
    far = np.moveaxis(np.broadcast_to(np.arange(700) * spacing[axis], (3, 4, 700)), 2, axis)
    np.testing.assert_allclose(squared_distance(mask, spacing), far**2, rtol=5e-7)
    thick = st.local_thickness(mask, spacing)
    assert not thick[~mask].any()
    np.testing.assert_allclose(thick[mask], 2 * far.max(), rtol=1e-6)


def test_a_window_without_a_wall_has_no_distance():
    assert np.isinf(squared_distance(np.ones((3, 4, 5), bool), MEDICAL)).all()
    assert not squared_distance(np.zeros((3, 4, 5), bool), MEDICAL).any()
    assert squared_distance(np.zeros((0, 4, 5), bool), MEDICAL).shape == (0, 4, 5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), MEDICAL, (2.0, 1.0, 0.5), (0.37, 0.41, 1.13)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_local_thickness_equals_its_definition_in_every_voxel(spacing, share):
    mask = blobs((22, 23, 24), share)
    found = st.local_thickness(mask, spacing)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(mask, spacing), rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    shape=st_.tuples(st_.integers(1, 9), st_.integers(1, 12), st_.integers(1, 40)),
    spacing=st_.tuples(*[st_.floats(0.05, 2.0)] * 3),
    share=st_.floats(0.2, 0.99),
    seed=st_.integers(0, 999),
)
def test_local_thickness_equals_its_definition_whatever_the_window_and_the_voxel(shape, spacing, share, seed):
    mask = np.random.default_rng(seed).random(shape) < share
    mask[tuple(n // 2 for n in shape)] = False  # a wall somewhere: without one there is no distance
    np.testing.assert_allclose(st.local_thickness(mask, spacing), by_definition(mask, spacing), rtol=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.25, 0.5, 0.5), (1.0, 0.5, 0.5), MEDICAL])
def test_a_ball_and_a_tube_are_as_thick_as_they_are_whatever_the_voxels_shape(spacing):
    # The middle may lie between voxels on all three axes: half a voxel's diagonal is lost on either side, at worst.
    tolerance = np.sqrt(3.0) * max(spacing)
    for body in (ball(22, 8.0, spacing), tube(20, 22, 8.0, spacing)):
        inside = st.local_thickness(body, spacing)[body]
        assert inside.mean() == pytest.approx(16.0, abs=tolerance)
        assert inside.max() == pytest.approx(16.0, abs=tolerance)


@pytest.mark.parametrize("width", [2, 4, 6, 7])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slit_is_as_wide_as_it_is_within_a_voxel_along_every_axis(width, axis):
    spacing = (0.25, 0.5, 1.0)
    mask = np.zeros((24, 24, 24), bool)
    np.moveaxis(mask, axis, 0)[5 : 5 + width] = True
    found = np.unique(st.local_thickness(mask, spacing)[mask])
    assert len(found) == 1
    assert found[0] == pytest.approx(spacing[axis] * (width + width % 2))


@settings(max_examples=60, deadline=None)
@given(
    shape=st_.tuples(st_.integers(1, 9), st_.integers(1, 12), st_.integers(1, 40)),
    edges=st_.tuples(*[st_.sampled_from([0.0607, 0.25, 0.351, 0.5, 1.0, 1.7])] * 3),
    cubic=st_.booleans(),
    share=st_.floats(0.2, 0.999),
    seed=st_.integers(0, 999),
)
def test_local_thickness_equals_its_definition_where_no_ball_is_in_the_table_and_few_are_painted_at_a_time(
    shape, edges, cubic, share, seed
):
    spacing = (edges[0],) * 3 if cubic else edges
    mask = np.random.default_rng(seed).random(shape) < share
    mask[tuple(n // 2 for n in shape)] = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ridge, "LEAST_STEPS", 1)
        patch.setattr(ridge, "MOST_STEPS", 1)
        patch.setattr("soilscope.structure.small_balls.VOXELS", 0)
        patch.setattr(painting, "LEAST", 5)
        patch.setattr(painting, "SHARE", 10**9)
        np.testing.assert_allclose(st.local_thickness(mask, spacing), by_definition(mask, spacing), rtol=1e-5)


WALLS = {"flat": (0, 1, 0), "at 45 degrees": (0, 1, 1), "oblique": (0.5, 1, 0.3)}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), MEDICAL, (0.0607, 0.0607, 0.0607), (0.3, 0.2, 0.7)])
@pytest.mark.parametrize("wall", WALLS)
def test_local_thickness_equals_its_definition_beyond_a_hundred_voxels(spacing, wall):
    mask = np.tensordot(WALLS[wall], np.indices((3, 170, 5)), 1) > 2
    np.testing.assert_allclose(st.local_thickness(mask, spacing), by_definition(mask, spacing), rtol=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), MEDICAL, (0.0607, 0.0607, 0.0607), (0.25, 0.5, 0.5)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_behind_a_plane_wall_only_the_balls_farthest_from_it_are_kept(spacing, axis):
    # The ball around each voxel lies in that of the one behind it, to the window's end.
    away = np.square(np.arange(240) * spacing[axis]).astype(np.float32)
    squared = np.ascontiguousarray(np.moveaxis(np.broadcast_to(away[:, None, None], (240, 12, 12)), 0, axis))
    keep, kept = ridge.ridge(squared, spacing, None, 0.0)
    assert np.moveaxis(keep, axis, 0)[-1].all()
    assert kept.sum() == keep.sum() == 144


def test_halving_the_voxel_brings_the_thickness_of_a_tube_closer():
    errors = []
    for size in (2.0, 1.0, 0.5, 0.25):
        body = tube(8, 24, 8.0, (size,) * 3)  # the axis lies between voxels at every size, the worst case
        errors.append(abs(float(st.local_thickness(body, (size,) * 3)[body].mean()) - 16.0))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5


def test_local_thickness_lies_above_porespys_whole_radii_by_about_a_voxel():
    # PoreSpy paints whole radii only, so its diameters are lower by up to 2, and more in the caps its balls do not reach.
    mask = blobs((50, 50, 50), 0.4, 3.0)
    difference = (st.local_thickness(mask, (1, 1, 1)) - 2 * porespy.filters.local_thickness(mask))[mask]
    assert difference.min() > -1e-5
    assert np.median(difference) < 2.0
    assert 0.0 < difference.mean() < 1.2


@pytest.mark.parametrize("radius", [3.0, 5.5, 8.0, 10.6, 12.0, 16.0])
@pytest.mark.parametrize("across", ["ball", "tube"])
@pytest.mark.parametrize(
    "middle", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.2, 0.7, 0.4)], ids=["in a voxel", "at a corner", "anywhere"]
)
def test_balls_and_tubes_are_met_no_worse_than_by_porespy(radius, across, middle):
    # Their diameters are known. In voxels on either side of a ball's middle PoreSpy's median may be right to the voxel, but it
    # leaves caps behind that read a voxel or two: what counts is the error over all voxels of the body.
    places = np.indices((int(2 * radius) + 10,) * 3) - (int(radius) + 4)
    off = [place - shift for place, shift in zip(places, middle, strict=True)]
    body = sum(o**2 for o in (off if across == "ball" else off[1:])) <= radius**2
    ours = st.local_thickness(body, (1, 1, 1))[body] - 2 * radius
    theirs = 2 * porespy.filters.local_thickness(body)[body] - 2 * radius
    assert np.sqrt((ours**2).mean()) <= np.sqrt((theirs**2).mean())
    assert abs(ours).max() <= abs(theirs).max()


def test_local_thickness_turns_with_the_core():
    mask = blobs((18, 18, 18), 0.4)
    expected = turned(st.local_thickness(mask, (1, 1, 1)))
    for one, wanted in zip(turned(mask), expected, strict=True):
        np.testing.assert_allclose(st.local_thickness(one, (1, 1, 1)), wanted, rtol=1e-6)


def test_no_void_and_no_wall_are_told_apart():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert not st.local_thickness(empty, (1, 1, 1)).any()
    assert np.isnan(st.local_thickness(full, (1, 1, 1))).all()
    assert st.critical_diameter(empty, (1, 1, 1)) == 0.0
    assert np.isnan(st.critical_diameter(full, (1, 1, 1)))


@pytest.mark.parametrize(("size", "tolerance"), [(31, 1.2), (30, 1.5)], ids=["axis in a voxel", "axis between voxels"])
def test_of_two_spanning_tubes_the_wider_gives_the_critical_diameter(size, tolerance):
    both = np.concatenate([tube(30, size, 5.0), tube(30, size, 12.0)], axis=2)
    assert st.critical_diameter(both, (1, 1, 1)) == pytest.approx(24.0, abs=tolerance)
    assert st.critical_diameter(both[:, :, :size], (1, 1, 1)) == pytest.approx(10.0, abs=tolerance)


def test_an_8_mm_tube_in_non_cubic_voxels_has_its_diameter_within_a_voxel_and_a_half():
    assert st.critical_diameter(tube(10, 12, 4.0, MEDICAL), MEDICAL) == pytest.approx(8.0, abs=1.5 * 0.351)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_neck_sets_the_critical_diameter_along_every_axis(axis):
    duct = np.zeros((30, 20, 20), bool)
    duct[:, 4:16, 4:16] = True
    duct[14:16] = False
    duct[14:16, 7:13, 7:13] = True
    turned_duct = np.moveaxis(duct, 0, axis)
    assert st.critical_diameter(turned_duct, (1, 1, 1), axis=axis) == pytest.approx(6.0)
    closed = duct.copy()
    closed[14] = False
    assert st.critical_diameter(np.moveaxis(closed, 0, axis), (1, 1, 1), axis=axis) == 0.0


@pytest.mark.parametrize("wrong", [(1, 1), (0, 1, 1), (1, np.nan, 1), (-1, 1, 1)])
def test_a_spacing_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError) as told:
        st.local_thickness(blobs((5, 5, 5), 0.5), wrong)
    assert told.value.code == "spacing"
