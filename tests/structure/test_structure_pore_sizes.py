"""Pore size distribution and its suctions against geometry, PoreSpy and Young-Laplace."""

import numpy as np
import porespy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, tube, ways
from pandas.testing import assert_frame_equal

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure.large_pores import pores_blockwise
from soilscope.structure.slabs import ArraySource, ClassSlabs
from soilscope.volume import Volume

CUBIC = (1.0, 1.0, 1.0)


def two_slits():
    """Slits of 4 and 8 voxels, whose local thickness is exact; 4 + 8 of 40 voxels."""
    mask = np.zeros((40, 12, 12), bool)
    mask[5:9] = mask[20:28] = True
    return mask


def test_two_slits_have_their_share_in_their_own_class():
    found = st.pore_sizes(two_slits(), CUBIC, edges_mm=[0, 3, 5, 7, 9]).frame()
    assert found["share"].tolist() == pytest.approx([0, 1 / 3, 0, 2 / 3])
    assert found["fraction"].tolist() == pytest.approx([0, 0.1, 0, 0.2])
    assert found["finer"].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert found["volume_mm3"].sum() == two_slits().sum()


def test_a_diameter_on_an_edge_belongs_to_the_class_above():
    found = st.pore_sizes(two_slits(), CUBIC, edges_mm=[0, 4, 8, 12]).frame()
    assert found["share"].tolist() == pytest.approx([0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("spacing", [CUBIC, (0.25, 0.351, 0.351)])
def test_default_classes_hold_the_whole_class_and_begin_at_the_voxel(spacing):
    mask = blobs((30, 31, 32), 0.3)
    found = st.pore_sizes(mask, spacing)
    assert found.volume_mm3.sum() == pytest.approx(mask.sum() * np.prod(spacing))
    np.testing.assert_allclose(np.diff(found.edges_mm), max(spacing))
    assert found.smallest_mm == 2 * max(spacing)
    doubled = st.pore_sizes(mask, tuple(2 * s for s in spacing))
    np.testing.assert_allclose(doubled.volume_mm3, 8 * found.volume_mm3)
    np.testing.assert_allclose(doubled.edges_mm, 2 * found.edges_mm)


def test_the_distribution_is_porespys_over_the_same_thickness():
    mask = blobs((40, 40, 40), 0.35)
    thickness = st.local_thickness(mask, CUBIC)
    edges = np.linspace(0, float(thickness.max()) / 2 + 0.1, 8)
    peer = porespy.metrics.pore_size_distribution(thickness / 2, bins=edges, log=False)
    found = st.pore_sizes(mask, CUBIC, edges_mm=2 * edges).frame()
    np.testing.assert_allclose(found["share"], np.array(peer.pdf) * np.array(peer.bin_widths), atol=1e-4)


def test_the_median_diameter_halves_the_volume():
    mask = two_slits()
    assert st.METRICS["median-diameter"].total(mask, None, CUBIC) == 8.0
    profile = st.METRICS["median-diameter"].profile(mask, None, CUBIC)
    assert profile[6] == 4.0
    assert profile[22] == 8.0
    assert np.isnan(profile[0])


def test_no_pores_and_no_wall_have_no_distribution():
    nothing = st.pore_sizes(np.zeros((5, 5, 5), bool), CUBIC).frame()
    assert not nothing["volume_mm3"].any()
    assert nothing["share"].isna().all()
    open_space = st.pore_sizes(np.ones((5, 5, 5), bool), CUBIC).frame()
    assert open_space["volume_mm3"].isna().all()
    assert st.water_retention(np.ones((5, 5, 5), bool), CUBIC)["air_upper"].isna().all()


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(UsageError) as told:
        st.pore_sizes(two_slits(), CUBIC, edges_mm=edges)
    assert told.value.code == "edges"


def test_suction_and_diameter_follow_young_and_laplace():
    # 4 x 0.07275 N/m / (998.2 kg/m3 x 9.80665 m/s2 x 1e-3 m) = 0.0297 m
    assert st.suction_of_diameter(1.0) == pytest.approx(2.97, abs=0.005)
    assert st.suction_of_diameter(0.03) == pytest.approx(99, abs=0.3)
    assert st.diameter_at_suction(st.suction_of_diameter(0.7)) == pytest.approx(0.7)
    assert st.suction_of_diameter(0.351) == pytest.approx(8.5, abs=0.1)  # where a medical scanner ends


def test_a_suction_empties_the_wider_slit_first():
    spacing = (0.5, 0.5, 0.5)  # slits of 2 and 4 mm
    suctions = [0.5, st.suction_of_diameter(4.0), 1.0, st.suction_of_diameter(2.0), 5.0]
    found = st.water_retention(two_slits(), spacing, suctions_cm=suctions)
    assert found["air_upper"].tolist() == pytest.approx([0, 0.2, 0.2, 0.3, 0.3])
    assert found["water_lower"].tolist() == pytest.approx([0.3, 0.1, 0.1, 0, 0])
    assert found["resolved"].tolist() == [True, True, True, True, False]


def test_default_suctions_rise_to_two_voxels_and_the_window_counts():
    mask, window = tube(10, 40, 8.0), np.zeros((10, 40, 40), bool)
    window[:, 5:35, 5:35] = True
    found = st.water_retention(mask, CUBIC, window)
    assert found["suction_cm"].is_monotonic_increasing
    assert found["diameter_mm"].iloc[-1] == pytest.approx(2.0)
    assert found["air_upper"].iloc[-1] == pytest.approx(mask.sum() / window.sum())
    assert found["resolved"].all()


@pytest.mark.parametrize("suctions", [[0.0], [-1.0, 2.0], [float("nan")]])
def test_suctions_that_are_none_are_refused(suctions):
    with pytest.raises(UsageError) as told:
        st.water_retention(two_slits(), CUBIC, suctions_cm=suctions)
    assert told.value.code == "suctions"


def test_default_edges_hold_the_widest_place_also_where_it_is_a_whole_multiple_of_the_voxel():
    spacing = (0.25, 0.351, 0.351)
    mask = np.zeros((40, 20, 40), bool)
    mask[:, 8:13, :] = True  # a slit, five voxels of 0.351 mm wide
    found = st.pore_sizes(mask, spacing)
    assert found.volume_mm3.sum() == pytest.approx(found.class_mm3, rel=1e-12)
    assert found.class_mm3 == pytest.approx(mask.sum() * np.prod(spacing), rel=1e-12)


@given(seed=some.integers(0, 99), slab=some.integers(1, 30), under=some.sampled_from([0, 9]))
@settings(max_examples=15, deadline=None)
def test_sizes_and_retention_slab_by_slab_are_those_of_the_whole_core(seed, slab, under):
    """Counts equal to the in-memory ones whatever the chunks."""
    mask, valid = blobs((30, 24, 26), 0.35, 1.5, seed), noise((30, 24, 26), 0.98, seed)
    spacing, rule = (0.5, 0.4, 0.4), st.ClusterRule(under)
    volume = Volume(mask.astype(np.int16), valid, spacing, "HU", core="made")
    pores = st.remove_small_clusters(mask & valid, under)
    slabs = ClassSlabs(ArraySource(volume), None, np.where(mask, 3, 2).astype(np.uint8))
    sizes, water = pores_blockwise(slabs, (3,), rule, ways(slab, 30_000))
    assert_frame_equal(sizes.frame(), st.pore_sizes(pores, spacing, valid).frame(), rtol=1e-6)
    assert_frame_equal(water, st.water_retention(pores, spacing, valid), rtol=1e-6)


def test_a_pore_wider_than_a_block_may_see_has_no_distribution_and_says_up_to_where_it_saw():
    mask = np.zeros((60, 40, 40), np.uint8)
    mask[:, 2:38, 2:38] = 1
    volume = Volume(mask.astype(np.int16), np.ones(mask.shape, bool), CUBIC, "HU")
    seen = pores_blockwise(ClassSlabs(ArraySource(volume), None, mask), (1,), st.ClusterRule(0), ways(8, 20_000))
    assert isinstance(seen, float)
    assert 2.0 < seen < 36.0
