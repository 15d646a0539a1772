"""The schedule's rates, and the augmentations that keep a target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soilscope import errors
from soilscope.learn import Schedule
from soilscope.learn.augment import augmented, check_target, symmetry


@given(steps=st.integers(10, 3000), warm_up=st.floats(0, 0.5))
def test_the_rate_rises_in_a_line_and_falls_to_nearly_nothing(steps, warm_up):
    schedule = Schedule(warm_up=warm_up)
    rates = [schedule.factor(step, steps) for step in range(steps)]
    warm = max(1, round(warm_up * steps))
    assert max(rates) == pytest.approx(1.0)
    assert rates[:warm] == pytest.approx([(k + 1) / warm for k in range(warm)])
    assert all(a >= b for a, b in zip(rates[warm:], rates[warm + 1 :], strict=False))
    assert rates[-1] < 0.2


@pytest.mark.parametrize(
    ("width", "head", "rate"),
    [
        (0.125, "pooled", 1e-3),
        (0.125, "dense", 1e-3),
        (1.0, "pooled", 3e-4),
        (1.0, "pooled-dense", 3e-4),
        (1.0, "dense", 1e-4),
        (1.0, "flat", 1e-4),
    ],
)
def test_the_default_rate_follows_width_and_head(width, head, rate):
    assert Schedule().rate_for(width, head) == rate
    assert Schedule(learning_rate=0.5).rate_for(width, head) == 0.5


def test_every_mistake_in_a_schedule_is_told_at_once():
    with pytest.raises(errors.UsageError) as caught:
        Schedule(
            epochs=0, batch=0, learning_rate=float("nan"), warm_up=1.0, precision="fp8", augment="mixup", patience=0
        )
    for name in ("epochs", "batch", "learning_rate", "warm_up", "precision", "augment", "patience"):
        assert name in str(caught.value)


def test_the_eight_symmetries_are_all_different_and_keep_every_pixel():
    image = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    turned = [symmetry(image, k) for k in range(8)]
    assert len({t.tobytes() for t in turned}) == 8
    assert all(np.array_equal(np.sort(t, axis=None), np.sort(image, axis=None)) for t in turned)


@pytest.mark.parametrize("augment", ["symmetries", "rolls"])
def test_augmentation_keeps_each_channels_pixels(augment):
    rng = np.random.default_rng(0)
    images = rng.random((5, 3, 12, 12)).astype(np.float32)
    changed = augmented(images, augment, rng)
    flat = np.sort(changed.reshape(5, 3, -1), axis=-1)
    assert np.array_equal(flat, np.sort(images.reshape(5, 3, -1), axis=-1))
    assert not np.array_equal(augmented(images, augment, rng), augmented(images, augment, rng))


def test_images_that_are_not_square_keep_their_shape():
    rng = np.random.default_rng(0)
    images = rng.random((2, 3, 8, 12)).astype(np.float32)
    assert {augmented(images, "rolls", rng).shape for _ in range(20)} == {(2, 3, 8, 12)}


@pytest.mark.parametrize("target", ["local-thickness-1", "euler-2d-2", "connection-2d-5+6", "clusters-1"])
def test_rolls_are_refused_for_targets_that_a_seam_changes(target):
    with pytest.raises(errors.UsageError) as caught:
        check_target("rolls", target)
    assert caught.value.code == "rolls-change-target"


@pytest.mark.parametrize("target", ["porosity-2", "fraction-5+6"])
def test_rolls_are_allowed_for_shares(target):
    check_target("rolls", target)
