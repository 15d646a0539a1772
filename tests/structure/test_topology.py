"""Euler numbers against geometry and scikit-image."""

import numpy as np
import pytest
from known_bodies import ball, blobs, noise, torus, turned
from scipy import ndimage
from skimage.measure import euler_number as skimage_euler

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure.corners import corner_counts

SKIMAGE = {6: 1, 26: 3, 4: 1, 8: 2}


@pytest.mark.parametrize("neighbours", [6, 26])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ball(24, 10.0), 1),
        (ball(24, 10.0) & ~ball(24, 6.0), 2),
        (torus(31, 9.0, 4.0), 0),
        (np.zeros((4, 4, 4), bool), 0),
        (np.ones((4, 5, 6), bool), 1),
    ],
    ids=["ball", "hollow shell", "torus", "all void", "all solid"],
)
def test_known_bodies_have_their_euler_number(body, expected, neighbours):
    assert st.euler_number(body, neighbours) == expected


def test_two_voxels_touching_at_a_corner_are_two_objects_by_faces_and_one_by_corners():
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert st.euler_number(mask, 6) == 2
    assert st.euler_number(mask, 26) == 1


@pytest.mark.parametrize("neighbours", [6, 26])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8])
def test_the_euler_number_equals_scikit_images(share, neighbours):
    for mask in (noise((17, 18, 19), share), blobs((20, 21, 22), share, 1.5)):
        assert st.euler_number(mask, neighbours) == skimage_euler(mask, connectivity=SKIMAGE[neighbours])


@pytest.mark.parametrize("neighbours", [6, 26])
def test_the_euler_number_does_not_depend_on_how_the_core_lies(neighbours):
    mask = noise((12, 13, 14), 0.4)
    assert {st.euler_number(one, neighbours) for one in turned(mask)} == {st.euler_number(mask, neighbours)}


@pytest.mark.parametrize("neighbours", [6, 26])
def test_euler_numbers_of_joined_blocks_add_up_less_their_overlap(neighbours):
    mask = noise((20, 10, 11), 0.4)
    above, below, seam = mask[:11], mask[10:], mask[10:11]
    parts = st.euler_number(above, neighbours) + st.euler_number(below, neighbours) - st.euler_number(seam, neighbours)
    assert parts == st.euler_number(mask, neighbours)


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_euler_number_of_each_slice_equals_scikit_images(share, neighbours):
    mask = noise((9, 25, 31), share)
    expected = [skimage_euler(plane, connectivity=SKIMAGE[neighbours]) for plane in mask]
    assert st.euler_of_slices(mask, neighbours).tolist() == expected


@pytest.mark.parametrize(("neighbours", "flat"), [(26, 8), (6, 4)])
def test_euler_numbers_of_many_rows_of_runs_do_not_overflow(neighbours, flat):
    mask = np.zeros((3, 300, 5), bool)
    mask[:, ::2, ::2] = True  # 150 x 3 bars, each its own object
    assert st.euler_number(mask, neighbours) == 450
    assert st.euler_of_slices(mask, flat).tolist() == [450, 450, 450]


@pytest.mark.parametrize("shape", [(0, 4, 4), (3, 0, 4), (3, 4, 0)])
def test_an_empty_array_has_euler_number_0(shape):
    assert st.euler_number(np.zeros(shape, bool)) == 0
    assert st.euler_of_slices(np.zeros(shape, bool)).tolist() == [0] * shape[0]


def test_the_euler_number_of_a_slice_is_objects_minus_holes():
    plane = np.zeros((1, 9, 9), bool)
    plane[0, 1:4, 1:4] = plane[0, 5:8, 5:8] = True
    plane[0, 2, 2] = False
    assert st.euler_of_slices(plane).tolist() == [1]
    _, objects = ndimage.label(plane[0])
    assert objects == 2


def test_corner_patterns_are_all_counted_once():
    mask = noise((5, 6, 7), 0.5)
    counts = corner_counts(mask)
    assert counts.sum() == 6 * 7 * 8
    filled = np.array([bin(p).count("1") for p in range(256)])
    assert counts @ filled == 8 * mask.sum()


@pytest.mark.parametrize("wrong", [4, 8, 18])
def test_neighbours_without_an_euler_number_are_refused(wrong):
    with pytest.raises(UsageError):
        st.euler_number(np.ones((2, 2, 2), bool), wrong)
