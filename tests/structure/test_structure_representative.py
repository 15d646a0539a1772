"""Representative volume: spreads between windows that probability and geometry know."""

import numpy as np
import porespy
import pytest
from known_bodies import grid, noise

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure import ClusterRule, WindowRule
from soilscope.structure.windows import box_shape, box_sizes, centred_box, place_boxes
from soilscope.volume import Volume

NAMES = {1: "pores"}
EVERYTHING = ClusterRule(0)


def core(mask, spacing=(1.0, 1.0, 1.0), valid=None):
    window = np.ones(mask.shape, bool) if valid is None else valid
    return Volume(mask.astype(np.int16), window, spacing, "HU", core="made")


def curve(mask, windows, metric="fraction", spacing=(1.0, 1.0, 1.0), valid=None):
    volume = core(mask, spacing, valid)
    return st.representative_volume(
        volume, labels=mask.astype(np.uint8), names=NAMES, metrics=[metric], rule=EVERYTHING, windows=windows
    )


def test_of_an_uncorrelated_field_the_spread_of_the_fraction_falls_with_the_root_of_the_volume():
    share = 0.3
    found = curve(noise((96, 96, 96), share), WindowRule(sizes_mm=(4, 8, 12, 16), at_most=400))
    expected = np.sqrt(share * (1 - share) / found["voxels"].to_numpy(float))
    windows = found["windows"].to_numpy(float)
    assert windows.tolist() == [400, 400, 400, 6**3]
    # The standard error of a standard deviation is 1 / sqrt(2 (n - 1)) of it.
    np.testing.assert_array_less(np.abs(found["sd"] / expected - 1), 4 / np.sqrt(2 * (windows - 1)))
    np.testing.assert_allclose(found["mean"], share, atol=0.02)
    slope = np.polyfit(np.log(found["voxels"].to_numpy(float)), np.log(found["sd"].to_numpy(float)), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)  # over a factor of 64 in volume
    reached = np.sqrt((1 - share) / share) / 0.1  # sqrt(V) at which sd / mean is the tolerance: V = 233, an edge of 6.2
    assert found["representative_mm"].iloc[0] == 8.0 > np.cbrt(reached**2)


def test_a_periodic_structure_is_representative_at_its_period_exactly():
    period = 8
    z, y, x = np.indices((64, 64, 64))
    mask = (z % period < 3) & (y % period < 5) & (x % period < 6)
    found = curve(mask, WindowRule(sizes_mm=(6, 8, 16), at_most=100)).set_index("edge_mm")
    assert found.loc[6.0, "sd"] > 0.05
    assert found.loc[[8.0, 16.0], "sd"].tolist() == [0.0, 0.0]
    assert found.loc[8.0, "mean"] == pytest.approx(3 * 5 * 6 / period**3, rel=1e-12)
    assert found["representative_mm"].unique().tolist() == [8.0]
    assert found["core_value"].unique().tolist() == pytest.approx([3 * 5 * 6 / period**3], rel=1e-12)


def test_a_core_of_two_layers_never_comes_to_rest_but_does_at_one_depth():
    mask = noise((64, 64, 64), 0.5)
    mask[32:] &= noise((32, 64, 64), 0.2, seed=1)  # a tenth
    found = curve(mask, WindowRule(sizes_mm=(8, 16, 32), at_most=512))
    assert found["representative_mm"].isna().all()
    # Half the windows read 0.5 and half 0.1: sd over mean is 0.2 / 0.3, and for n windows n / (n - 1) of its square.
    windows = found["windows"].to_numpy(float)
    np.testing.assert_allclose(found["spread"], 2 / 3 * np.sqrt(windows / (windows - 1)), rtol=0.03)
    assert (found["spread_within"] < 0.1).all()


def test_the_figure_in_a_window_is_that_of_the_window_cut_out_by_hand():
    mask = noise((24, 24, 24), 0.4)
    found = curve(mask, WindowRule(sizes_mm=(12,)), metric="surface-density")
    parts = [mask[z:z + 12, y:y + 12, x:x + 12] for z in (0, 12) for y in (0, 12) for x in (0, 12)]  # fmt: skip
    by_hand = [st.surface_area_density(part, (1, 1, 1)) for part in parts]
    assert found["mean"].item() == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert found["sd"].item() == pytest.approx(np.std(by_hand, ddof=1), rel=1e-9)
    assert found["centred"].item() == pytest.approx(
        st.surface_area_density(mask[6:18, 6:18, 6:18], (1, 1, 1)), rel=1e-12
    )


def test_small_clusters_are_removed_from_the_core_and_not_by_the_windows_cuts():
    mask = np.zeros((24, 24, 24), bool)
    mask[:, 11:13, 11:13] = True  # a rod of 96 voxels, cut into eight pieces of 12 by windows of 12
    volume, labels = core(mask), mask.astype(np.uint8)
    found = st.representative_volume(
        volume,
        labels=labels,
        names=NAMES,
        metrics=["porosity"],
        rule=ClusterRule(60),
        windows=WindowRule(sizes_mm=(12,)),
    )
    assert found["mean"].item() == pytest.approx(1 - 96 / 24**3, rel=1e-12)


def test_windows_of_a_cylinder_lie_wholly_in_it_and_do_not_overlap():
    _, y, x = grid((60, 80, 80))
    valid = np.hypot(y, x) <= 39
    for edge in (8, 20, 26):
        boxes = place_boxes(valid, (edge,) * 3, WindowRule(at_most=1000))
        taken = np.zeros(valid.shape, int)
        for box in boxes:
            taken[box] += 1
        assert len(boxes) >= 8 or edge == 26
        assert taken.max() == 1
        assert not taken[~valid].any()
        assert taken.sum() == len(boxes) * edge**3
    # Three by three boxes of 26 would leave only the middle one inside: the lattice of two by two holds four.
    assert len(place_boxes(valid, (26, 26, 26), WindowRule())) == 2 * 4


@pytest.mark.parametrize("fit", [33, 36, 48, 64, 150])
def test_no_window_is_drawn_twice(fit):
    """Where a few more windows fit than are measured as well; all depths have their share."""
    for seed in range(20):
        boxes = place_boxes(np.ones((4 * fit, 4, 4), bool), (4, 4, 4), WindowRule(seed=seed))
        depths = [box[0].start for box in boxes]
        assert len(set(depths)) == 32
        assert np.diff(depths).max() <= 2 * 4 * -(-fit // 32)


def test_windows_are_cubes_in_mm_whatever_the_voxels_shape():
    spacing = (0.25, 0.351, 0.351)
    assert box_shape(10.0, spacing) == (40, 28, 28)
    valid = np.ones((200, 140, 140), bool)
    sizes = box_sizes(valid, spacing, WindowRule())
    assert sizes[0] == pytest.approx(8 * 0.351)
    assert sizes[-1] <= 140 * 0.351 < sizes[-1] * np.sqrt(2)
    assert centred_box(valid, box_shape(sizes[0], spacing)) == (slice(94, 105), slice(66, 74), slice(66, 74))


def test_where_fewer_windows_fit_than_asked_for_nothing_is_judged():
    found = curve(noise((16, 16, 16), 0.5), WindowRule(sizes_mm=(8, 16)))
    assert found["placed"].tolist() == [8, 1]
    assert np.isnan(found["sd"].iloc[1])
    judged = curve(noise((16, 16, 16), 0.5), WindowRule(tolerance=10.0, sizes_mm=(16,)))
    assert judged["representative_mm"].isna().all()


def test_windows_without_the_class_count_and_keep_a_size_from_being_called_representative():
    mask = np.zeros((16, 16, 16), bool)
    mask[1:6, 1:6, 1:6] = True
    found = curve(mask, WindowRule(tolerance=10.0, sizes_mm=(8,)), metric="local-thickness")
    assert found[["placed", "windows"]].iloc[0].tolist() == [8, 1]
    assert found["representative_mm"].isna().all()


def test_a_core_smaller_than_the_smallest_window_has_no_rows_and_no_error():
    assert curve(noise((5, 5, 5), 0.5), WindowRule()).empty
    assert curve(noise((9, 9, 9), 0.5), WindowRule(), valid=np.zeros((9, 9, 9), bool)).empty


@pytest.mark.parametrize("wrong", [{"tolerance": 0.0}, {"least": 1}, {"at_most": 4}, {"sizes_mm": (3.0, 2.0)}])
def test_a_rule_for_windows_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as refused:
        WindowRule(**wrong)
    assert refused.value.code == "window-rule"


def test_fractions_in_windows_are_those_of_porespys_rev_porosity_in_the_same_windows():
    mask = noise((48, 40, 44), 0.3)
    windows = WindowRule(sizes_mm=(10,), at_most=20)
    boxes = place_boxes(np.ones(mask.shape, bool), (10, 10, 10), windows)
    theirs = np.asarray(porespy.metrics.rev_porosity(mask, slices=list(boxes)).porosity, dtype=np.float64)
    found = curve(mask, windows)
    assert len(theirs) == found["windows"].item() == 20
    assert found["mean"].item() == pytest.approx(theirs.mean(), rel=1e-12)
    assert found["sd"].item() == pytest.approx(theirs.std(ddof=1), rel=1e-9)
