"""The checks on heat maps, against scipy, scikit-learn and cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import NarrowVgg, Pooled, seeded
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from soilscope.errors import UsageError
from soilscope.explain import class_auc, grad_cam, randomised, rank_correlation, sanity


def with_ties(seed, shape=(17, 23)):
    return np.maximum(np.random.default_rng(seed).normal(size=shape), 0).round(1).astype(np.float32)


def test_rank_correlation_equals_scipys_with_ties():
    a, b = with_ties(0), with_ties(1) + with_ties(0)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-12)


def test_rank_correlation_with_an_even_map_is_unknown_and_not_zero():
    assert np.isnan(rank_correlation(np.ones((4, 4), np.float32), with_ties(0, (4, 4))))


def test_class_auc_equals_scikit_learns_with_ties_and_a_validity_mask():
    heat, mask, valid = with_ties(2), with_ties(3) > 0.3, with_ties(4) < 1
    assert class_auc(heat, mask, valid) == pytest.approx(roc_auc_score(mask[valid], heat[valid]), abs=1e-12)
    assert class_auc(heat, mask) == pytest.approx(roc_auc_score(mask.ravel(), heat.ravel()), abs=1e-12)


def test_class_auc_of_the_mask_itself_is_one_of_an_even_map_a_half_and_of_no_class_unknown():
    mask = with_ties(5) > 0
    assert class_auc(mask.astype(np.float32), mask) == 1
    assert class_auc(np.zeros(mask.shape, np.float32), mask) == 0.5
    assert np.isnan(class_auc(with_ties(6), np.zeros(mask.shape, bool)))
    with pytest.raises(UsageError):
        class_auc(with_ties(6), mask[:-1])


@pytest.mark.learn
def test_randomised_weights_leave_the_model_and_the_random_state_alone():
    module = seeded(NarrowVgg)
    before, dice = {k: v.clone() for k, v in module.state_dict().items()}, torch.get_rng_state()
    other = randomised(module, seed=4)
    assert torch.equal(dice, torch.get_rng_state())
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())
    assert all(
        not torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True) if a.ndim > 1
    )
    again = randomised(module, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), again.parameters(), strict=True))


def trained_on_a_cue():
    """A small network that has learnt how large the bright square is."""
    module = seeded(Pooled, seed=2)
    source = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(80):
        images, truth = cue_images(8, source)
        loss = torch.nn.functional.mse_loss(module(images)[:, 0], truth)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return module, source, float(loss.detach())


def cue_images(count, source):
    """Noise with one bright square of a random size; the target is its share of the image."""
    images = 0.3 * torch.randn((count, 3, 32, 32), generator=source)
    truth = torch.zeros(count)
    for n in range(count):
        side = int(torch.randint(4, 17, (1,), generator=source))
        y, x = (int(torch.randint(0, 32 - side, (1,), generator=source)) for _ in range(2))
        images[n, :, y : y + side, x : x + side] += 3
        truth[n] = side**2 / 32**2
    return images, truth


@pytest.mark.learn
def test_a_trained_network_finds_the_planted_cue_and_randomised_weights_draw_another_picture():
    """Fault 37: Grad-CAM on randomised weights differs from trained; on a planted cue it finds the cue."""
    module, source, loss = trained_on_a_cue()
    images, truth = cue_images(8, source)
    assert loss < 0.1 * float(truth.var())
    bright = images.mean(dim=1).numpy() > 1.5
    trained = [class_auc(grad_cam(module, i, "conv2"), m) for i, m in zip(images, bright, strict=True)]
    assert np.mean(trained) > 0.9
    assert min(trained) > 0.75
    result = sanity(module, images[0], "conv2")
    assert len(result.correlations) == 3
    assert max(abs(c) for c in result.correlations if np.isfinite(c)) < 0.9
    itself = rank_correlation(grad_cam(module, images[0], "conv2"), grad_cam(module, images[0], "conv2"))
    assert itself == pytest.approx(1)
