"""The matched family: no histogram can tell its members apart, their structure can."""

from functools import cache

import numpy as np
import pytest
from porespy.filters import local_thickness
from scipy import ndimage

from soilscope import phantoms

SHAPE = (48, 64, 64)
MEMBERS = tuple(name for name in phantoms.soils() if name.startswith("matched-"))


@cache
def member(name, seed=0, noise=True):
    return phantoms.make(name, seed, SHAPE, noise)


@cache
def thickness_profile(name, seed=0):
    """Mean local thickness of the pores of each slice, in voxels (PoreSpy), shape (z,)."""
    pore = member(name, seed).truth == 1
    thickness = local_thickness(pore, sizes=25)
    return np.array([t[p].mean() for t, p in zip(thickness, pore, strict=True)])


def sorted_slices(phantom):
    return np.sort(phantom.volume.values.reshape(len(phantom.truth), -1), axis=1)


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("name", MEMBERS)
def test_every_slice_of_every_member_and_seed_holds_the_same_grey_values(name, noise):
    expected = sorted_slices(member("matched-fine"))[0]
    for seed in (0, 1):
        assert (sorted_slices(member(name, seed, noise)) == expected).all()


@pytest.mark.parametrize("name", MEMBERS)
def test_the_whole_box_is_soil_and_each_slice_has_the_same_fractions(name):
    phantom = member(name)
    assert phantom.truth.min() == 1
    assert phantom.volume.valid.all()
    for share in phantoms.fractions(phantom.truth).values():
        assert len(set(share)) == 1
        assert share[0] > 0.02


@pytest.mark.parametrize("name", MEMBERS)
def test_the_truth_of_a_noisy_member_is_its_own_hu_cut_at_the_class_edges(name):
    phantom = member(name)
    for value, _, low_hu, high_hu in phantom.classes:
        inside = (phantom.volume.values > low_hu) & (phantom.volume.values <= high_hu)
        assert np.array_equal(phantom.truth == value, inside)


def test_a_noisy_member_keeps_the_structure_of_its_sharp_twin():
    """Blur and noise move pore borders by a fraction of a voxel, and no pore."""
    noisy, sharp = member("matched-coarse").truth == 1, member("matched-coarse", noise=False).truth == 1
    assert (noisy & sharp).sum() / sharp.sum() > 0.85


def test_coarse_pores_are_wider_than_fine_ones():
    assert thickness_profile("matched-coarse").mean() > 1.25 * thickness_profile("matched-fine").mean()


def test_connected_pores_form_fewer_and_larger_clusters_than_isolated_ones():
    def gamma(name):
        labels, _ = ndimage.label(member(name).truth == 1)
        sizes = np.bincount(labels.ravel())[1:].astype(float)
        return (sizes**2).sum() / sizes.sum() ** 2

    assert gamma("matched-connected") > 3 * gamma("matched-isolated")


@pytest.mark.parametrize("name", ["matched-fine", "matched-mixed"])
def test_pore_size_drifts_over_depth_far_more_than_it_jumps_between_slices(name):
    profile = thickness_profile(name)
    assert profile.std() > 3 * np.diff(profile).std()
    assert profile.max() > 1.4 * profile.min()


def test_each_seed_drifts_in_its_own_way():
    one, other = thickness_profile("matched-fine", 0), thickness_profile("matched-fine", 1)
    assert np.abs(one - other).mean() > 0.1 * one.mean()
