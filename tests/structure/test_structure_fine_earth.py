"""Fine earth: shares of the soil that is no stone, of bodies counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, ways
from pandas.testing import assert_frame_equal

from soilscope import structure as st
from soilscope.structure import ObjectRule
from soilscope.structure.fine_earth import fine_earth_blockwise
from soilscope.structure.slabs import ArraySource, ClassSlabs
from soilscope.volume import Volume

NAMES = {1: "pores", 2: "matrix", 3: "stone"}


def stony():
    """Ten slices of 20 x 20: a stone of 200 voxels in the upper five, a grain of 8 below, pores over a tenth of what is left."""
    labels = np.full((10, 20, 20), 2, np.uint8)
    labels[:5, :4, :10] = 3  # 40 voxels a slice: a tenth of it
    labels[7:9, 15:17, 15:17] = 3
    labels[:, 10:12, :18] = 1  # 36 a slice
    return Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU", core="made"), labels


def test_fine_earth_leaves_stones_out_of_the_window_and_grains_in_it():
    volume, labels = stony()
    found = st.fine_earth(volume, labels, NAMES, (3,), ObjectRule(at_least_mm3=50)).set_index(["class", "slice"])
    assert found.loc[("1", 0), ["stone_fraction", "fraction", "fine_earth_fraction"]].tolist() == pytest.approx(
        [40 / 400, 36 / 400, 36 / 360]
    )
    assert found.loc[("3", 0), ["fraction", "fine_earth_fraction"]].tolist() == pytest.approx([40 / 400, 0.0])
    assert found.loc[("3", 7), ["stone_fraction", "fraction", "fine_earth_fraction"]].tolist() == pytest.approx(
        [0.0, 4 / 400, 4 / 400]
    )
    sums = found.groupby("slice")["fine_earth_fraction"].sum()
    np.testing.assert_allclose(sums, 1.0)


def test_fine_earth_of_the_core_is_counted_and_not_the_mean_of_slices():
    volume, labels = stony()
    slices = st.fine_earth(volume, labels, NAMES, (3,), ObjectRule(at_least_mm3=50))
    core = st.fine_earth_of_core(slices).set_index("class")
    assert core.loc["1", "fine_earth_fraction"] == pytest.approx(360 / 3800)
    assert core.loc["1", "fine_earth_fraction"] != pytest.approx(
        slices.loc[slices["class"] == "1", "fine_earth_fraction"].mean(), rel=1e-4
    )
    assert core["stone_fraction"].tolist() == pytest.approx([200 / 4000] * 3)
    assert core.loc["3", ["fraction", "fine_earth_fraction"]].tolist() == pytest.approx([208 / 4000, 8 / 3800])


def test_fine_earth_is_unknown_where_a_slice_is_all_stone_or_lies_outside_the_window():
    labels = np.full((3, 6, 6), 3, np.uint8)
    labels[1] = 2
    valid = np.ones(labels.shape, bool)
    valid[2] = False
    volume = Volume(labels.astype(np.int16), valid, (1.0, 1.0, 1.0), "HU", core="made")
    found = st.fine_earth(volume, labels, NAMES, (3,), ObjectRule(at_least_mm3=30)).set_index(["class", "slice"])
    assert np.isnan(found.loc[("2", 0), "fine_earth_fraction"])
    assert found.loc[("2", 0), "stone_fraction"] == 1.0
    assert found.loc[("2", 1), "fine_earth_fraction"] == 1.0
    assert np.isnan(found.loc[("2", 2), ["stone_fraction", "fraction", "fine_earth_fraction"]].astype(float)).all()


def test_fine_earth_porosity_agrees_with_the_function_on_masks():
    volume, labels = stony()
    rule = ObjectRule(at_least_mm3=50)
    stones = st.stones(labels == 3, (1, 1, 1), rule)
    table = st.fine_earth(volume, labels, NAMES, (3,), rule)
    pores = table.loc[table["class"] == "1", "fine_earth_fraction"].to_numpy()
    np.testing.assert_allclose(pores, st.fine_earth_porosity(labels == 1, stones))


@given(seed=some.integers(0, 99), slab=some.integers(1, 24), least=some.sampled_from([0.0, 0.3, 2.0]))
@settings(max_examples=25, deadline=None)
def test_fine_earth_slab_by_slab_is_that_of_the_whole_core(seed, slab, least):
    """Counts equal to the in-memory ones whatever the chunks: stones that cross seams are whole stones."""
    labels = np.random.default_rng(seed).integers(0, 4, (23, 13, 14)).astype(np.uint8)
    labels[blobs(labels.shape, 0.3, 1.5, seed)] = 3
    valid = noise(labels.shape, 0.95, seed)
    volume = Volume(labels.astype(np.int16), valid, (0.25, 0.351, 0.351), "HU", core="made")
    rule = ObjectRule(at_least_mm3=least)
    expected = st.fine_earth(volume, labels, NAMES, (3,), rule)
    found = fine_earth_blockwise(ClassSlabs(ArraySource(volume), None, labels), NAMES, (3,), rule, ways(slab, 9000))
    assert_frame_equal(found, expected)
