"""Metrics of widths, distances and boxes in cores of any size: the figures they have in memory, and known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, ways
from scipy.ndimage import distance_transform_edt

from soilscope import structure as st
from soilscope.structure.blockwise import measure_blockwise
from soilscope.structure.fractal import BoxSlabs, box_counts, box_of
from soilscope.structure.value_counts import SliceCounts, ValueCounts
from soilscope.volume import Volume

ONE = {1: "pores"}


def core_of(mask, spacing=(1.0, 1.0, 1.0), valid=None):
    labels = mask.astype(np.uint8)
    window = np.ones(mask.shape, bool) if valid is None else valid
    return Volume(labels.astype(np.int16), window, spacing, "HU"), labels


def total(found, metric):
    return float(found.core[found.core.metric == metric].value.iloc[0])


@given(
    seed=some.integers(0, 9),
    slab=some.integers(1, 41),
    spacing=some.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.351, 0.351)]),
    cut=some.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_boxes_counted_slab_by_slab_are_those_of_the_whole(seed, slab, spacing, cut):
    mask = blobs((40, 44, 47), 0.3, 2.0, seed)
    window = np.ones(mask.shape, bool)
    if cut:
        window[:3] = window[-5:] = window[:, :2] = window[:, :, -4:] = False
        window[20, 20, 20] = False
    whole = box_counts(mask, spacing, window)
    assert len(whole.sizes_mm) >= 2
    boxes = BoxSlabs(box_of(window), spacing)
    for first in range(0, len(mask), slab):
        rows = slice(first, first + slab)
        boxes.add((mask & window)[rows], window[rows], first)
    found = boxes.counts()
    np.testing.assert_array_equal(found.whole, whole.whole)
    np.testing.assert_array_equal(found.share, whole.share)
    assert found.dimension == whole.dimension or (np.isnan(found.dimension) and np.isnan(whole.dimension))


def test_a_full_core_has_dimension_3_slab_by_slab():
    core, labels = core_of(np.ones((48, 40, 40), bool))
    found = measure_blockwise(core, labels=labels, names=ONE, metrics=["fractal-dimension"], ways=ways(7, 10**6))
    assert total(found, "fractal-dimension") == pytest.approx(3.0, abs=1e-9)


def test_distances_reach_across_the_whole_core_however_little_is_held_at_a_time():
    mask = np.zeros((60, 20, 24), bool)
    mask[2, 3, 4] = True  # farther from most voxels than any halo
    spacing = (0.5, 0.25, 0.3)
    core, labels = core_of(mask, spacing)
    found = measure_blockwise(
        core, labels=labels, names=ONE, metrics=["distance"], rule=st.ClusterRule(0), ways=ways(3, 2000)
    )
    away = distance_transform_edt(~mask, sampling=spacing)
    assert total(found, "distance") == pytest.approx(away[~mask].mean(), rel=1e-6)
    expected = [plane[plane > 0].mean() for plane in away]
    np.testing.assert_allclose(found.slices["distance_mm"], expected, rtol=1e-6)


def test_a_class_that_is_absent_has_no_distance_slab_by_slab():
    core, labels = core_of(np.zeros((20, 8, 8), bool))
    found = measure_blockwise(core, labels=labels, names=ONE, metrics=["distance"], ways=ways(3, 2000))
    assert np.isnan(total(found, "distance"))
    assert found.slices["distance_mm"].isna().all()


def test_the_wider_of_two_tubes_is_the_critical_diameter_slab_by_slab():
    y, x = np.indices((48, 80))
    tubes = ((y - 20) ** 2 + (x - 20) ** 2 < 5**2) | ((y - 24) ** 2 + (x - 55) ** 2 < 12**2)
    core, labels = core_of(np.broadcast_to(tubes, (50, 48, 80)).copy())
    found = measure_blockwise(
        core, labels=labels, names=ONE, metrics=["critical-diameter", "percolates"], ways=ways(6, 20_000)
    )
    assert total(found, "critical-diameter") == pytest.approx(24.0, abs=1.2)
    assert total(found, "percolates") == 1.0


def test_a_neck_decides_the_critical_diameter_wherever_the_seams_lie():
    y, x = np.indices((40, 40)) - 20
    wide, neck = y**2 + x**2 < 14**2, y**2 + x**2 < 6**2
    mask = np.broadcast_to(wide, (48, 40, 40)).copy()
    mask[23] = neck
    core, labels = core_of(mask)
    expected = st.critical_diameter(mask, core.spacing_mm)
    for slab in (1, 23, 24, 48):
        found = measure_blockwise(
            core, labels=labels, names=ONE, metrics=["critical-diameter"], ways=ways(slab, 30_000)
        )
        assert total(found, "critical-diameter") == expected


def test_medians_of_counted_values_are_numpys():
    values = (np.random.default_rng(0).integers(0, 40, 1001) / 7).astype(np.float32)
    for some_values in (values, values[:1000], values[:1], values[:2]):
        half = len(some_values) // 2
        counted = ValueCounts.of(some_values[:half]) + ValueCounts.of(some_values[half:])
        assert counted.number == len(some_values)
        assert counted.median() == np.median(some_values)
    assert np.isnan(ValueCounts().median())


def test_values_of_blocks_in_any_order_have_the_medians_of_the_slices():
    field = np.random.default_rng(1).integers(1, 9, (6, 10, 10)).astype(np.float32)
    labels = noise(field.shape, 0.6, 2).astype(np.uint8)
    found = SliceCounts(6)
    for z0, y0 in ((3, 5), (0, 0), (3, 0), (0, 5)):
        part = slice(z0, z0 + 3), slice(y0, y0 + 5)
        found.take(((z0, z0 + 3), (y0, y0 + 5), (0, 10)), labels[part], field[part], np.inf)
    profile, whole = found.medians(1)
    np.testing.assert_array_equal(profile, [np.median(f[m > 0]) for f, m in zip(field, labels, strict=True)])
    assert whole == np.median(field[labels > 0])


def test_a_core_of_several_blocks_has_its_median_diameter():
    mask = blobs((90, 60, 60), 0.3, 1.5, 4)
    core, labels = core_of(mask, (0.3, 0.2, 0.2))
    asked = {"labels": labels, "names": ONE, "metrics": ["median-diameter"]}
    found = measure_blockwise(core, **asked, ways=ways(9, 200_000))
    expected = st.measure(core, **asked)
    assert total(found, "median-diameter") == pytest.approx(total(expected, "median-diameter"), rel=1e-6)
    np.testing.assert_allclose(found.slices["median_diameter_mm"], expected.slices["median_diameter_mm"], rtol=1e-6)


def test_a_core_without_a_valid_voxel_has_the_figures_it_has_in_memory_which_are_no_zeros():
    """Nothing is known of it: a widest ball of 0 mm would say that something lies in the way."""
    core, labels = core_of(np.zeros((6, 5, 6), bool), valid=np.zeros((6, 5, 6), bool))
    metrics = ["fraction", "critical-diameter", "percolates", "local-thickness", "distance"]
    whole = st.measure(core, labels=labels, names=ONE, metrics=metrics)
    found = measure_blockwise(core, labels=labels, names=ONE, metrics=metrics, ways=ways(2, 10**6))
    for metric in metrics:
        np.testing.assert_equal(total(found, metric), total(whole, metric))
    assert np.isnan(total(found, "critical-diameter"))
