"""Lengths along middle lines: of tubes whose length geometry knows, whatever the voxel and however they lie."""

from itertools import pairwise

import numpy as np
import pytest
from known_bodies import ball, blobs, grid

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure import ObjectKind
from soilscope.structure.thinning import thinned
from soilscope.volume import Volume

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 1.0, 1.0), (1.0, 0.5, 0.5), (0.5, 0.702, 0.702)]
SIZE = 60.0


def tubes_along(points, radius, spacing):
    """All voxels within a radius of a line through points (z, y, x) in mm."""
    shape, scale = [round(SIZE / s) for s in spacing], np.array(spacing)
    out = np.zeros(shape, bool)
    for a, b in zip(np.array(points[:-1], float), np.array(points[1:], float), strict=True):
        low = np.floor((np.minimum(a, b) - radius) / scale).astype(int).clip(0)
        high = np.minimum(shape, np.ceil((np.maximum(a, b) + radius) / scale).astype(int) + 1)
        places = np.moveaxis(np.indices(high - low), 0, -1) + low
        along = np.clip(((places * scale - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
        near = np.linalg.norm(places * scale - a - along[..., None] * (b - a), axis=-1) < radius
        out[tuple(slice(i, j) for i, j in zip(low, high, strict=True))] |= near
    return out


def along(points):
    return float(sum(np.linalg.norm(np.subtract(a, b)) for a, b in pairwise(points)))


TURNS = np.linspace(0, 4 * np.pi, 100)
HELIX = [(10 + 40 * a / (4 * np.pi), 30 + 12 * np.cos(a), 30 + 12 * np.sin(a)) for a in TURNS]
STRAIGHT = [(10, 30, 30), (50, 30, 30)]
TILTED = [(10, 15, 15), (45, 45, 40)]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("points", [STRAIGHT, TILTED, HELIX], ids=["straight", "tilted", "helix"])
def test_a_tube_s_skeleton_is_as_long_as_its_axis_from_tip_to_tip(points, spacing):
    radius = 3.0
    found = st.find_skeleton(tubes_along(points, radius, spacing), spacing)
    assert found.total_mm == pytest.approx(along(points) + 2 * radius, rel=0.03)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_ring_s_skeleton_is_its_circumference_and_a_fork_s_the_sum_of_its_arms(spacing):
    circle = [(30, 30 + 18 * np.cos(a), 30 + 18 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 80)]
    assert st.find_skeleton(tubes_along(circle, 3, spacing), spacing).total_mm == pytest.approx(36 * np.pi, rel=0.02)
    arms = [[(30, 30, 30), end] for end in ((52, 30, 30), (12, 48, 30), (12, 12, 30))]
    fork = np.logical_or.reduce([tubes_along(arm, 3, spacing) for arm in arms])
    expected = sum(along(arm) + 3 for arm in arms)
    assert st.find_skeleton(fork, spacing).total_mm == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_tube_that_runs_through_the_window_is_as_long_as_the_window(spacing):
    found = st.find_skeleton(tubes_along([(-20, 30, 30), (90, 30, 30)], 5, spacing), spacing)
    assert found.total_mm == pytest.approx(SIZE, rel=1e-6)


def test_halving_the_voxel_changes_a_bent_tube_s_length_by_less_than_2_percent():
    lengths = [st.find_skeleton(tubes_along(HELIX, 3, (s, s, s)), (s, s, s)).total_mm for s in (1.0, 0.5)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.02)


def test_bumps_of_a_third_of_the_radius_make_no_length():
    smooth = tubes_along(STRAIGHT, 6, (1.0, 1.0, 1.0))
    rough = smooth.copy()
    rough[30, 22:25, 30] = rough[20:22, 30, 35:39] = rough[40, 30, 22:25] = True
    assert st.find_skeleton(rough, (1, 1, 1)).total_mm == pytest.approx(
        st.find_skeleton(smooth, (1, 1, 1)).total_mm, rel=0.02
    )


def test_nothing_has_no_skeleton_and_a_ball_s_is_about_its_diameter():
    nothing = st.find_skeleton(np.zeros((8, 8, 8), bool), (1, 1, 1))
    assert (nothing.total_mm, len(nothing.places)) == (0.0, 0)
    assert st.find_skeleton(ball(30, 10.0), (1, 1, 1)).total_mm == pytest.approx(20, rel=0.1)
    assert np.isfinite(st.find_skeleton(np.ones((8, 8, 8), bool), (1, 1, 1)).total_mm)


def test_lengths_by_diameter_belong_to_the_tubes_of_that_diameter_and_sum_to_all():
    thin, wide = [(10, 15, 15), (50, 15, 15)], [(12, 40, 40), (48, 40, 40)]
    mask = tubes_along(thin, 2.5, (1, 1, 1)) | tubes_along(wide, 6.0, (1, 1, 1))
    skeleton = st.find_skeleton(mask, (1, 1, 1))
    found = st.length_classes(skeleton, (1, 1, 1), float(mask.size), [0, 8, 16])
    assert found["length_mm"].tolist() == pytest.approx([45, 48], rel=0.04)
    assert found["length_mm"].sum() == pytest.approx(skeleton.total_mm, rel=1e-12)
    assert found["length_density"].tolist() == pytest.approx((found["length_mm"] / mask.size).tolist(), rel=1e-12)
    with pytest.raises(UsageError, match="rising"):
        st.length_classes(skeleton, (1, 1, 1), 1.0, [3, 2])


def test_objects_that_are_tubes_carry_the_length_of_their_own_lines():
    points = [(10, 30, 14), (30, 30, 30), (50, 30, 14)]  # bent: its extent is shorter than its line
    mask = tubes_along(points, 3, (1, 1, 1)) | tubes_along([(10, 52, 50), (50, 52, 50)], 3, (1, 1, 1))
    volume = Volume(mask.astype(np.int16), np.ones(mask.shape, bool), (1.0, 1.0, 1.0), "HU", core="made")
    kind = ObjectKind("roots", (1,), "tubes", at_least_mm=4.0)
    table = st.objects_in(volume, mask.astype(np.uint8), kind).sort_values("skeleton_mm")
    assert table["skeleton_mm"].tolist() == pytest.approx([46, along(points) + 6], rel=0.06)
    assert table["length_mm"].iloc[1] < 0.92 * table["skeleton_mm"].iloc[1]
    by_diameter = st.tube_lengths_in(volume, mask.astype(np.uint8), kind)
    assert by_diameter["length_mm"].sum() == pytest.approx(table["skeleton_mm"].sum(), rel=1e-9)
    any_shape = st.objects_in(volume, mask.astype(np.uint8), ObjectKind("bodies", (1,)))
    assert any_shape["skeleton_mm"].isna().all()


def straight(spacing, length, diameter, middle, along, flat):
    """A tube about any axis, its ends cut off or round; the middle in mm from that of the array."""
    shape = [round(64 / s) for s in spacing]
    place = [a - b for a, b in zip(grid(shape, spacing), middle, strict=True)]
    far = sum(a * b for a, b in zip(place, along, strict=True))
    across = sum(a * a for a in place) - far**2
    if flat:
        return (across <= diameter**2 / 4) & (np.abs(far) <= length / 2)
    return across + np.maximum(np.abs(far) - length / 2, 0) ** 2 <= diameter**2 / 4


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("diameter", [4.0, 6.0, 8.0, 9.0])
def test_a_tube_about_an_axis_between_voxels_is_as_long_as_it_is(axis, diameter):
    along = np.eye(3)[axis]
    for flat, length in ((True, 40.0), (False, 40.0 + diameter)):
        body = straight(
            (1.0, 1.0, 1.0), 40.0, diameter, (0, 0, 0), along, flat
        )  # an even array: its middle lies between voxels
        assert st.find_skeleton(body, (1, 1, 1)).total_mm == pytest.approx(length, abs=1.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.714, 1.0, 1.0), (1.0, 0.5, 0.5)])
def test_tubes_at_any_place_between_voxels_and_of_any_direction_are_as_long_as_they_are(spacing):
    rng = np.random.default_rng(0)
    for tilt in [0.0, 2.0, 15.0, 30.0, 90.0] * 4:
        tilt, turn = np.deg2rad(tilt), rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(tilt), np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn)])
        diameter = rng.uniform(4.3, 10)
        body = straight(spacing, 40.0, diameter, rng.uniform(-0.5, 0.5, 3), along, flat=False)
        assert st.find_skeleton(body, spacing).total_mm == pytest.approx(40 + diameter, rel=0.03)


def test_tubes_bent_between_voxels_are_as_long_as_they_are():
    turns = np.linspace(0, np.pi, 60)
    for z, y, x in ((30, 30, 30), (30.5, 30.5, 30.5), (30.5, 30, 30.5)):
        points = [(z, y + 18 * np.cos(a), x + 18 * np.sin(a)) for a in turns]
        found = st.find_skeleton(tubes_along(points, 3.0, (1.0, 1.0, 1.0)), (1, 1, 1))
        assert found.total_mm == pytest.approx(along(points) + 6, rel=0.03)


def test_the_lines_lie_where_scikit_image_s_do_where_those_are_not_eaten():
    from skimage.morphology import skeletonize

    mask = tubes_along(STRAIGHT, 3, (1.0, 1.0, 1.0))
    found = {tuple(place) for place in thinned(mask, 3.0).tolist()}
    assert found >= {tuple(place) for place in np.argwhere(skeletonize(mask, method="lee")).tolist()}
    assert {place[1:] for place in found} == {(30, 30)}
    between = straight((1.0, 1.0, 1.0), 40.0, 6.0, (0, 0, 0), (1, 0, 0), flat=True)
    assert not skeletonize(between, method="lee").any()
    assert len(thinned(between, 3.0)) >= 34


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_thinning_keeps_bodies_loops_and_cavities(share):
    mask = np.pad(blobs((40, 40, 40), share), 1)
    lines = np.zeros_like(mask)
    lines[tuple(thinned(mask, 8.0).T)] = True
    assert not (lines & ~mask).any()
    assert st.find_clusters(lines, 26).number == st.find_clusters(mask, 26).number
    assert st.euler_number(lines, 26) == st.euler_number(mask, 26)
