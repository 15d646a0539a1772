"""Distances between the class profiles of two cores."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.errors import UsageError
from soilscope.structure.compare import ClassProfiles, profile_distance


def profiles(pores, spacing=0.5, classes=("1", "2")) -> ClassProfiles:
    pores = np.asarray(pores, float)
    depth = (np.arange(len(pores)) + 0.5) * spacing
    return ClassProfiles(classes, np.stack([pores, 1 - pores], axis=1), depth, spacing)


def test_a_core_is_at_no_distance_from_itself_and_from_itself_in_finer_slices():
    coarse = profiles([0.1, 0.5, 0.3])
    fine = profiles(np.repeat([0.1, 0.5, 0.3], 7), spacing=0.5 / 7)
    for other in (coarse, fine):
        found = profile_distance(coarse, other)
        np.testing.assert_allclose((*found.distance, found.all), 0.0, atol=1e-12)
        assert found.compared == pytest.approx(1.0)


def test_two_even_cores_lie_apart_by_the_difference_of_their_fractions():
    found = profile_distance(profiles([0.1] * 9), profiles([0.25] * 4, spacing=2.0))
    np.testing.assert_allclose(found.distance, [0.15, 0.15])
    assert found.all == pytest.approx(0.15)
    assert found.mean[0] == pytest.approx(0.1)
    assert found.mean_other[0] == pytest.approx(0.25)


def test_opposite_ramps_have_equal_means_and_half_their_range_between_them():
    down = (np.arange(1000) + 0.5) / 1000
    found = profile_distance(profiles(down), profiles(down[::-1]))
    assert found.mean[0] == pytest.approx(found.mean_other[0])
    assert found.distance[0] == pytest.approx(0.5)  # the integral of |2t - 1| from 0 to 1


def test_slices_without_soil_count_neither_as_difference_nor_as_depth():
    gap = profiles([np.nan, 0.2, np.nan, 0.2, np.nan])
    found = profile_distance(gap, profiles([0.3, 0.3, 0.3]))
    assert found.distance[0] == pytest.approx(0.1)
    assert found.compared == pytest.approx(2 / 3)
    assert gap.height_mm == pytest.approx(1.5)
    nothing = profile_distance(profiles([np.nan, np.nan]), profiles([0.3]))
    assert np.isnan(nothing.all)
    assert nothing.compared == 0.0


def test_classes_of_one_core_alone_are_left_out_and_none_in_common_is_refused():
    found = profile_distance(profiles([0.2], classes=("1", "2")), profiles([0.4], classes=("2", "3")))
    assert found.classes == ("2",)
    assert found.distance[0] == pytest.approx(abs(0.8 - 0.4))
    with pytest.raises(UsageError, match="none in common") as refused:
        profile_distance(profiles([0.2], classes=("1", "2")), profiles([0.2], classes=("3", "4")))
    assert refused.value.code == "no-common-class"
