"""The rivals: against arithmetic and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_slices import pores
from sklearn.linear_model import Ridge, RidgeCV

from soilscope.learn import Slices, baselines
from soilscope.learn.splits import ByCore, DepthBlocks, Division, Random, Rows, divide


def test_the_constant_is_the_training_mean():
    data = Slices(np.random.default_rng(0).random((4, 3, 8, 8)).astype(np.float32), np.array([1.0, 2.0, 3.0, 10.0]))
    parts = Division(np.array([0, 1, 2]), np.array([3]))
    assert baselines.scores([data], Rows.of([data]), parts)["constant"] == pytest.approx(8.0)


def test_the_nearest_slice_is_the_nearest_in_depth_and_the_upper_of_two():
    data = pores(n=7)
    parts = Division(np.array([0, 2, 6]), np.array([1, 3, 4, 5]))
    assert baselines.nearest_slice([data], Rows.of([data]), parts).tolist() == [0, 2, 2, 6]


def test_for_an_unseen_core_the_most_similar_image_is_copied():
    known, unseen = pores(n=12, core="a"), pores(n=12, core="b")
    blurred = Slices(unseen.images + np.float32(0.001), unseen.targets, "b", unseen.target, channels=unseen.channels)
    rows, parts = divide([known, blurred], ByCore(("b",)), 0)
    assert baselines.nearest_slice([known, blurred], rows, parts).tolist() == list(range(12))


def test_ridge_equals_scikit_learns_at_the_strength_its_leave_one_out_error_chooses():
    rng = np.random.default_rng(3)
    known, wanted = rng.random((40, 12)), rng.random((9, 12))
    targets = known @ rng.normal(size=12) + 0.3 * rng.normal(size=40)
    scale = np.square(known - known.mean(axis=0)).sum() / len(known)
    strengths = np.array(baselines.STRENGTHS) * scale
    peer = RidgeCV(alphas=strengths, scoring="neg_mean_squared_error").fit(known, targets)
    assert baselines.ridge(known, targets, wanted) == pytest.approx(peer.predict(wanted), rel=1e-7)


def test_the_leave_one_out_error_is_that_of_really_leaving_out():
    rng = np.random.default_rng(4)
    known = rng.random((15, 6))
    targets = known @ rng.normal(size=6) + 0.2 * rng.normal(size=15)
    scale = np.square(known - known.mean(axis=0)).sum() / len(known)
    errors = []
    for strength in baselines.STRENGTHS:
        model, out = Ridge(alpha=strength * scale), []
        for k in range(15):
            rest = np.arange(15) != k
            out.append(model.fit(known[rest], targets[rest]).predict(known[[k]])[0] - targets[k])
        errors.append(np.mean(np.square(out)))
    best = Ridge(alpha=baselines.STRENGTHS[int(np.argmin(errors))] * scale).fit(known, targets)
    assert baselines.ridge(known, targets, known) == pytest.approx(best.predict(known), rel=1e-7)


def test_ridge_on_features_that_never_vary_says_the_mean():
    assert baselines.ridge(np.ones((4, 3)), np.arange(4.0), np.zeros((2, 3))).tolist() == [1.5, 1.5]


def test_histograms_are_shares_of_the_core_pixels_and_count_equal_channels_once():
    images = np.random.default_rng(0).random((6, 1, 8, 8)).astype(np.float32).repeat(3, axis=1)
    valid = np.ones((6, 8, 8), bool)
    valid[:, :3] = False
    data = Slices(images, np.arange(6.0), valid=valid)
    _, parts = divide([data], Random(), 0)
    table = baselines.histograms([data], parts)
    assert table.shape == (6, 64)
    assert table.sum(axis=1) == pytest.approx(1.0)
    low, high = images[parts.train].min(), images[parts.train].max()
    row = parts.train[0]
    expected = np.histogram(images[row, 0][valid[row]], bins=64, range=(low, high))[0] / valid[row].sum()
    assert table[row] == pytest.approx(expected)


def test_a_target_that_is_linear_in_the_histogram_is_found_by_the_histogram_alone():
    data = pores(n=60)
    rows, parts = divide([data], DepthBlocks(buffer_slices=2), 0)
    found = baselines.scores([data], rows, parts)
    assert found["histogram"] < 0.1 * found["constant"]
    assert set(found) == {"constant", "nearest_slice", "histogram"}
