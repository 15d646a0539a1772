"""Clusters, and the removal of small ones."""

import numpy as np
import porespy
import pytest
from known_bodies import blobs, noise, turned
from scipy import ndimage

from soilscope import structure as st
from soilscope.errors import UsageError

NEIGHBOURHOOD = {6: 1, 18: 2, 26: 3}


def block_of_60():
    mask = np.zeros((8, 9, 10), bool)
    mask[2:5, 2:6, 2:7] = True
    return mask


def test_a_block_of_60_voxels_stays_under_60_and_goes_under_61():
    block = block_of_60()
    assert np.array_equal(st.remove_small_clusters(block, under=60), block)
    assert not st.remove_small_clusters(block, under=61).any()


def test_two_voxels_touching_at_a_corner_are_two_clusters_by_faces_and_one_by_corners():
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert st.find_clusters(mask, 6).number == 2
    assert st.find_clusters(mask, 18).number == 2
    assert st.find_clusters(mask, 26).number == 1
    assert st.remove_small_clusters(mask, under=2, neighbours=26).sum() == 2
    assert not st.remove_small_clusters(mask, under=2, neighbours=6).any()


@pytest.mark.parametrize(("neighbours", "conn"), [(6, "min"), (26, "max")])
@pytest.mark.parametrize("mask", [noise((40, 41, 42), 0.25), blobs((50, 40, 45), 0.2, 1.0)], ids=["noise", "blobs"])
def test_removal_equals_porespys_voxel_by_voxel(mask, neighbours, conn):
    expected = porespy.filters.trim_small_clusters(mask, min_size=59, conn=conn)
    assert 0 < expected.sum() < mask.sum()
    assert np.array_equal(st.remove_small_clusters(mask, 60, neighbours), expected)


@pytest.mark.parametrize("neighbours", [6, 18, 26])
def test_numbers_and_sizes_equal_scipys(neighbours):
    mask = noise((30, 31, 32), 0.2)
    labels, number = ndimage.label(mask, ndimage.generate_binary_structure(3, NEIGHBOURHOOD[neighbours]))
    found = st.find_clusters(mask, neighbours)
    assert found.number == number
    assert sorted(found.sizes[1:]) == sorted(np.bincount(labels.ravel())[1:])
    assert found.sizes.sum() == mask.size


def test_removal_does_not_depend_on_how_the_core_lies():
    mask = blobs((24, 24, 24), 0.15, 1.0)
    kept = st.remove_small_clusters(mask)
    assert 0 < kept.sum() < mask.sum()
    for one, expected in zip(turned(mask), turned(kept), strict=True):
        assert np.array_equal(st.remove_small_clusters(one), expected)


def test_the_mask_given_stays_as_it_is():
    mask = noise((10, 10, 10), 0.1)
    before = mask.copy()
    kept = st.remove_small_clusters(mask, under=1)
    kept[:] = False
    st.remove_small_clusters(mask)
    assert np.array_equal(mask, before)


def test_the_largest_cluster_holds_its_share():
    mask = np.zeros((1, 1, 10), bool)
    mask[0, 0, [0, 2, 3, 4, 6, 7]] = True
    assert st.largest_fraction(st.find_clusters(mask)) == 0.5
    assert np.isnan(st.largest_fraction(st.find_clusters(np.zeros_like(mask))))


@pytest.mark.parametrize("wrong", [{"under": -1}, {"neighbours": 8}, {"neighbours": 4}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as told:
        st.ClusterRule(**wrong)
    assert told.value.code == "cluster-rule"
    with pytest.raises(UsageError):
        st.remove_small_clusters(block_of_60(), **wrong)


@pytest.mark.parametrize("fill", [False, True])
def test_all_void_and_all_solid_are_fine(fill):
    mask = np.full((5, 6, 7), fill)
    assert np.array_equal(st.remove_small_clusters(mask), mask)
