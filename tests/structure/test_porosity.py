"""Fractions and porosity of slices."""

import numpy as np
import porespy
import pytest
from known_bodies import noise

from soilscope import structure as st
from soilscope.classes import SCHEMES, Scheme, classify
from soilscope.errors import UsageError
from soilscope.structure.porosity import TILE, label_counts
from soilscope.volume import Volume


def test_porosity_is_one_minus_the_solid_share_of_the_valid_area():
    solid = np.zeros((4, 2, 2), bool)
    solid[0, 0, 0] = solid[1] = solid[2, 0] = True
    valid = np.ones((4, 2, 2), bool)
    valid[2, 0, 0] = False
    valid[3] = False
    found = st.porosity_profile(solid, valid)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [0.75, 0.0, 1 - 1 / 3, np.nan])


def test_porosity_equals_porespys_profile_of_the_void():
    solid = noise((30, 40, 50), 0.3)
    np.testing.assert_allclose(
        st.porosity_profile(solid), porespy.metrics.porosity_profile(~solid, axis=0).porosity, atol=1e-14
    )


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize("shape", [(3, 7, 5), (2, 100, 3 * TILE // 100)])
def test_class_counts_straight_from_values_equal_those_of_the_labels(name, shape):
    rng = np.random.default_rng(1)
    volume = Volume(rng.integers(-3000, 5000, shape).astype(np.int16), rng.random(shape) < 0.7, (1, 1, 1), "HU")
    labels = classify(volume, name)
    counts, area = st.class_counts(volume, SCHEMES[name])
    number = len(SCHEMES[name].names)
    assert np.array_equal(counts, [np.bincount(plane.ravel(), minlength=number + 1)[1:] for plane in labels])
    assert np.array_equal(area, volume.valid.sum(axis=(1, 2)))
    again, _ = label_counts(labels, volume.valid, number)
    assert np.array_equal(again, counts)


def test_class_counts_of_edges_below_the_number_type_are_right():
    values = np.array([[[0, 5, 255]]], np.uint8)
    volume = Volume(values, np.ones(values.shape, bool), (1, 1, 1), "grey")
    counts, _ = st.class_counts(volume, Scheme.from_edges("low", [-10, -5, 5, 300], units="grey"))
    assert counts.tolist() == [[0, 2, 1]]


@pytest.mark.parametrize(("shape", "wanted"), [((0, 4, 4), []), ((2, 0, 4), [np.nan, np.nan]), ((0, 0, 0), [])])
def test_no_slices_have_an_empty_profile(shape, wanted):
    empty = np.zeros(shape, bool)
    for profile in (st.porosity_profile(empty), st.porosity_profile(empty, empty), st.fraction_profile(empty)):
        assert profile.dtype == np.float64
        np.testing.assert_array_equal(profile, wanted)


def test_a_mask_that_is_no_mask_is_refused():
    for wrong in (np.zeros((3, 3), bool), np.full((2, 2, 2), 7), np.full((2, 2, 2), "a")):
        with pytest.raises(UsageError) as told:
            st.porosity_profile(wrong)
        assert told.value.code == "mask"
    with pytest.raises(UsageError):
        st.porosity_profile(np.zeros((2, 2, 2), bool), np.ones((2, 2, 3), bool))


def test_zeros_and_ones_of_any_number_type_are_a_mask():
    """A mask from another program often comes as floats: the figure is that of the same mask as bool."""
    mask = np.random.default_rng(0).random((3, 5, 7)) < 0.4
    for kind in (np.uint8, np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(st.porosity_profile(mask.astype(kind)), st.porosity_profile(mask))


@pytest.mark.parametrize(("other", "said"), [(0.5, "0.5"), (np.nan, "nan"), (-1.0, "-1.0"), (2.0, "2.0")])
def test_a_value_that_is_neither_0_nor_1_is_named_with_how_many_there_are(other, said):
    """Whoever passes grey values as a mask sees which, and is told to compare first."""
    mask = np.zeros((2, 3, 4), np.float32)
    mask[1, :2, 0] = other
    with pytest.raises(UsageError) as told:
        st.porosity_profile(mask)
    assert told.value.code == "mask"
    assert f"float32: 2 of its 24 values are neither, such as {said}. Compare first" in str(told.value)


@pytest.mark.parametrize("wrong", [1.0, None, (1.0, 1.0), (1.0, 0.0, 1.0), "0.5"])
def test_a_spacing_that_is_not_three_lengths_is_refused_with_their_order(wrong):
    """One number for cubic voxels is the usual slip: the message says what is wanted, in which order and unit."""
    with pytest.raises(UsageError) as told:
        st.local_thickness(np.ones((3, 3, 3), bool), wrong)
    assert told.value.code == "spacing"
    assert "(dz, dy, dx) in mm" in str(told.value)
