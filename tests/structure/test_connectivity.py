"""Connection probability and percolation."""

import numpy as np
import pytest
from known_bodies import blobs, noise, turned
from scipy import ndimage

from soilscope import structure as st
from soilscope.errors import UsageError


def two_bodies():
    mask = np.zeros((5, 9, 5), bool)
    mask[1:4, 1:4, 1:4] = mask[1:4, 5:8, 1:4] = True
    return mask


def test_two_equal_bodies_have_a_connection_probability_of_one_half():
    assert st.connection_probability(two_bodies()) == 0.5


def test_one_body_is_connected_and_an_empty_mask_says_nothing():
    assert st.connection_probability(np.ones((3, 3, 3), bool)) == 1.0
    assert np.isnan(st.connection_probability(np.zeros((3, 3, 3), bool)))


def test_connection_probability_equals_its_definition_on_scipys_labels():
    mask = noise((20, 21, 22), 0.25)
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:].astype(float)
    assert st.connection_probability(mask) == pytest.approx((sizes**2).sum() / sizes.sum() ** 2, rel=1e-12)
    for one in turned(mask):
        assert st.connection_probability(one) == pytest.approx(st.connection_probability(mask), rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.9])
def test_the_connection_within_each_slice_equals_its_definition_on_scipys_labels(share):
    mask = noise((12, 33, 27), share)
    mask[3], mask[4] = False, True
    expected = []
    for plane in mask:
        labels, _ = ndimage.label(plane, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())[1:].astype(float)
        expected.append((sizes**2).sum() / sizes.sum() ** 2 if sizes.size else np.nan)
    np.testing.assert_allclose(st.connection_2d_profile(mask), expected, rtol=1e-12)


def test_parts_that_only_meet_in_another_slice_are_connected_in_3d_and_not_in_2d():
    bridge = np.zeros((2, 3, 5), bool)
    bridge[:, 1, 0] = bridge[:, 1, 4] = True
    bridge[1, 1] = True
    assert st.connection_profile(st.find_clusters(bridge)).tolist() == [1.0, 1.0]
    assert st.connection_2d_profile(bridge).tolist() == [0.5, 1.0]


def test_a_column_percolates_along_its_own_axis_only():
    mask = np.zeros((5, 6, 7), bool)
    mask[:, 2, 3] = True
    assert [st.percolates(mask, axis) for axis in (0, 1, 2)] == [True, False, False]
    mask[2, 2, 3] = False
    assert not st.percolates(mask)
    mask[2, 3, 3] = True  # now touching across edges only
    assert not st.percolates(mask, neighbours=6)
    assert st.percolates(mask, neighbours=18)


def test_the_percolating_share_counts_spanning_clusters_only():
    mask = np.zeros((4, 1, 5), bool)
    mask[:, 0, 0] = True
    mask[:2, 0, 2] = mask[2:, 0, 4] = True
    assert st.percolating_fraction(mask) == 0.5
    assert np.isnan(st.percolating_fraction(np.zeros_like(mask)))


def test_all_void_does_not_percolate_and_all_solid_does():
    assert not st.percolates(np.zeros((4, 4, 4), bool))
    assert st.percolates(np.ones((4, 4, 4), bool))


def test_an_axis_that_is_none_is_refused():
    with pytest.raises(UsageError) as told:
        st.percolates(blobs((6, 6, 6), 0.5), axis=3)
    assert told.value.code == "axis"


def test_the_connection_of_a_slice_through_the_core_equals_its_definition_on_scipys_labels():
    mask = noise((10, 20, 21), 0.3)
    mask[4] = False
    labels, _ = ndimage.label(mask)
    expected = []
    for plane in labels:
        sizes = np.bincount(plane[plane > 0]).astype(float)
        expected.append((sizes**2).sum() / sizes.sum() ** 2 if sizes.sum() else np.nan)
    np.testing.assert_allclose(st.connection_profile(st.find_clusters(mask)), expected, rtol=1e-12)
