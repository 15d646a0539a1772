"""Values of classes on eroded labels: the known value of a blurred ball, the window's border, and nothing left."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from soilscope.errors import UsageError
from soilscope.structure.erosion import VALUE_COLUMNS, class_values, eroded, pooled_values
from soilscope.volume import Volume

SPACING = (0.25, 0.351, 0.351)


def scan(values, valid=None) -> Volume:
    values = np.asarray(values, np.float32)
    return Volume(values, np.ones(values.shape, bool) if valid is None else valid, SPACING, "HU", core="ball")


def test_a_blurred_ball_has_its_value_on_eroded_labels_and_too_low_a_plain_mean():
    z, y, x = np.ogrid[-16:17, -16:17, -16:17]
    blurred = ndimage.gaussian_filter(np.where(z**2 + y**2 + x**2 <= 144, 1000.0, 0.0), 1.0)
    labels = np.where(blurred > 500, 2, 1).astype(np.uint8)
    whole = pooled_values(class_values(scan(blurred), labels, {1: "air", 2: "stone"}, by=4)).set_index("class")
    assert whole.loc["2", "mean"] < 960
    assert whole.loc["2", "mean_eroded"] == pytest.approx(1000.0, abs=1.0)
    assert whole.loc["1", "mean"] > 5
    assert whole.loc["1", "mean_eroded"] == pytest.approx(0.0, abs=1.0)
    assert whole.loc["2", "sd_eroded"] < 1.0 < whole.loc["2", "sd"]


def test_erosion_is_scipys_with_a_cube_once_for_each_voxel_and_class():
    labels = np.random.default_rng(0).integers(0, 3, (4, 4, 4)).repeat(6, 0).repeat(6, 1).repeat(6, 2).astype(np.uint8)
    valid = np.ones(labels.shape, bool)
    for by in (1, 2):
        found = eroded(labels, valid, by)
        for k in (1, 2):
            cube = ndimage.binary_erosion(labels == k, np.ones((3, 3, 3)), iterations=by, border_value=1)
            np.testing.assert_array_equal(found == k, cube)
        assert (found > 0).any()


def test_what_lies_outside_the_window_erodes_nothing_and_a_hole_in_the_labels_does():
    labels, valid = np.ones((5, 9, 9), np.uint8), np.ones((5, 9, 9), bool)
    valid[:, :, 5:] = False
    np.testing.assert_array_equal(eroded(labels, valid, 2), valid)
    labels[2, 4, 2] = 0
    assert not eroded(labels, valid, 1)[1:4, 3:6, 1:4].any()


def test_means_of_slices_are_numpys_and_nan_where_nothing_is_left():
    rng = np.random.default_rng(1)
    values = rng.normal(1000, 50, (3, 12, 12))
    labels = np.ones((3, 12, 12), np.uint8)
    labels[:, 5, 5] = 2  # one voxel wide: erosion leaves nothing of it
    labels[0, :, :6] = 3
    table = class_values(scan(values), labels, {1: "soil", 2: "root", 3: "stone"}, by=1)
    assert tuple(table.columns) == VALUE_COLUMNS
    row = table[(table["class"] == "3") & (table["slice"] == 0)].iloc[0]
    assert row["mean"] == pytest.approx(values[0][labels[0] == 3].mean(), abs=1e-3)
    assert row["sd"] == pytest.approx(values[0][labels[0] == 3].std(), abs=1e-3)
    thin = table[table["class"] == "2"]
    assert (thin["voxels_eroded"] == 0).all()
    assert thin["mean_eroded"].isna().all()
    assert thin["mean"].notna()[1:].all()
    assert table[(table["class"] == "3") & (table["slice"] > 0)]["mean"].isna().all()
    whole = pooled_values(table).set_index("class")
    assert whole.loc["1", "mean"] == pytest.approx(values[labels == 1].mean(), abs=1e-3)
    assert whole.loc["1", "sd"] == pytest.approx(values[labels == 1].std(), abs=1e-3)
    assert whole.loc["2", "voxels_eroded"] == 0
    assert np.isnan(whole.loc["2", "sd_eroded"])


def test_erosion_by_less_than_nothing_is_refused():
    with pytest.raises(UsageError) as refused:
        eroded(np.ones((2, 2, 2), np.uint8), np.ones((2, 2, 2), bool), -1)
    assert refused.value.code == "erode"
