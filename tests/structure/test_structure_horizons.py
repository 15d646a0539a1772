"""Horizons: a step profile's borders to the slice, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.errors import UsageError
from soilscope.structure.horizons import LEAST_STEP, find_horizons, profile_step

DZ = 0.25


def steps(layers, noise=0.0, seed=0):
    """Shares of three classes, constant in each (slices, shares) layer."""
    shares = np.concatenate([np.tile(np.asarray(share, float), (number, 1)) for number, share in layers])
    shares = shares + np.random.default_rng(seed).normal(0, noise, shares.shape) if noise else shares
    return shares, (np.arange(len(shares)) + 0.5) * DZ


LAYERS = [(80, (0.6, 0.3, 0.1)), (120, (0.2, 0.7, 0.1)), (200, (0.1, 0.5, 0.4))]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_borders_of_a_step_profile_are_found_in_mm(noise):
    found = find_horizons(*steps(LAYERS, noise), DZ)
    assert [h.top_mm for h in found] == pytest.approx([0.0, 20.0, 50.0], abs=DZ * (4 if noise else 0.001))
    assert found[-1].bottom_mm == pytest.approx(100.0)
    assert [h.bottom_mm for h in found[:-1]] == [h.top_mm for h in found[1:]]


def test_a_horizon_tells_its_shares_and_in_how_much_of_the_soil_it_differs():
    found = find_horizons(*steps(LAYERS), DZ)
    np.testing.assert_allclose([h.shares for h in found], [share for _, share in LAYERS])
    assert np.isnan(found[0].step)
    assert [h.step for h in found[1:]] == pytest.approx([0.4, 0.3])  # half of 0.4 + 0.4 and of 0.1 + 0.2 + 0.3
    assert found[0].explained == pytest.approx(1.0)


def test_a_thin_layer_is_found_although_one_border_alone_explains_little():
    found = find_horizons(*steps([(190, (0.2, 0.8, 0.0)), (20, (0.9, 0.1, 0.0)), (190, (0.2, 0.8, 0.0))]), DZ)
    assert [h.top_mm for h in found] == pytest.approx([0.0, 47.5, 52.5])


def test_an_even_core_is_one_horizon_whatever_its_noise():
    for noise in (0.0, 0.03):
        assert len(find_horizons(*steps([(400, (0.3, 0.3, 0.4))], noise), DZ)) == 1


def test_a_border_smaller_than_a_soils_unevenness_is_none():
    small = LEAST_STEP * 0.8
    assert len(find_horizons(*steps([(200, (0.3, 0.7, 0.0)), (200, (0.3 + small, 0.7 - small, 0.0))]), DZ)) == 1
    large = LEAST_STEP * 1.2
    assert len(find_horizons(*steps([(200, (0.3, 0.7, 0.0)), (200, (0.3 + large, 0.7 - large, 0.0))]), DZ)) == 2


def test_slices_without_a_value_are_left_out_and_depths_stay_true():
    shares, depth = steps(LAYERS)
    shares[:10] = np.nan
    found = find_horizons(shares, depth, DZ)
    assert [h.top_mm for h in found] == pytest.approx([2.5, 20.0, 50.0])
    assert found[0].slices == 70


def test_a_steady_change_makes_few_horizons_and_nothing_makes_none():
    share = np.linspace(0, 1, 400)
    assert len(find_horizons(np.stack([share, 1 - share], axis=1), (np.arange(400) + 0.5) * DZ, DZ)) == 3
    assert find_horizons(np.full((5, 2), np.nan), np.arange(5) + 0.5, 1.0) == ()
    assert len(find_horizons(np.array([[0.5, 0.5]]), np.array([0.5]), 1.0)) == 1


def test_the_distance_of_shares_is_the_part_of_the_soil_that_is_of_another_class():
    assert profile_step([1, 0], [0, 1]) == 1.0
    assert profile_step([0.25, 0.75], [0.25, 0.75]) == 0.0


def test_shares_with_the_classes_first_are_refused_with_both_shapes():
    shares, depth = np.full((2, 40), 0.5), np.arange(40) + 0.5
    with pytest.raises(UsageError, match=r"\(2, 40\).*40 depths") as told:
        find_horizons(shares, depth, 1.0)
    assert told.value.code == "horizons"
