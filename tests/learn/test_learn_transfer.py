"""Transfer: the convolutions stay, the dense layers learn, the donor is left alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from drawn_slices import pores

from soilscope import errors, learn
from soilscope.learn import Schedule, network, splits
from soilscope.learn.transfer import FeatureScale, fold

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
pytestmark = pytest.mark.learn

HEADS = ["pooled", "pooled-dense", "dense"]


def weights(model) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.module.state_dict().items()}


@pytest.fixture(scope="module", params=HEADS)
def donor(request):
    return learn.train(pores(n=30), "small", 0.125, request.param, Schedule(epochs=8), threads=1)


@pytest.fixture(scope="module")
def squared():
    data = pores(n=30, core="b", seed=4)
    return replace(data, targets=data.targets**2, target="other-1")


@pytest.fixture(scope="module")
def taught(donor, squared):
    return learn.transfer(donor, squared, threads=1)


def test_the_convolutions_are_bit_identical_and_the_dense_layers_new(donor, taught):
    before, after = weights(donor), weights(taught)
    assert before.keys() == after.keys()
    assert all(before[name] == after[name] for name in before if name.startswith("features"))
    assert all(before[name] != after[name] for name in before if name.startswith("classifier"))


def test_the_new_target_is_learnt(taught):
    assert taught.card["test_rmse"] < taught.card["baselines"]["constant"] / 2


def test_the_donor_stays_as_it_was(donor, squared):
    before, card = weights(donor), copy.deepcopy(donor.card)
    learn.transfer(donor, squared, fine_tune=True, schedule=Schedule(epochs=2), threads=1)
    assert weights(donor) == before
    assert donor.card == card


def test_the_card_names_the_donor_and_counts_its_cores_as_trained_on(donor, taught):
    card = taught.card
    assert card["cores"] == ["a", "b"]
    assert card["kind"] == "transfer"
    assert card["donor"]["target"] == "porosity-1"
    assert card["donor"]["identity"] == donor.card["identity"]
    assert card["channel_mean"] == donor.card["channel_mean"]
    assert card["target"] == "other-1"
    assert card["split"]["kind"] == "random"


def test_the_saved_weights_are_complete(taught, squared, tmp_path):
    taught.save(tmp_path / "m")
    back = learn.load(tmp_path / "m")
    assert np.array_equal(back.predict(squared.images), taught.predict(squared.images))


def test_fine_tuning_changes_every_layer_and_goes_on_from_the_head(donor, squared):
    model = learn.transfer(donor, squared, fine_tune=True, schedule=Schedule(epochs=20), threads=1)
    before, after = weights(donor), weights(model)
    assert all(before[name] != after[name] for name in before if name.endswith("weight"))
    assert model.card["kind"] == "fine-tuned"
    assert [entry["epoch"] for entry in model.card["history"]] == list(range(1, 24))
    assert model.card["history"][20]["loss"] < 1.0, "fine-tuning starts from the trained head, not from nothing"


def test_transfer_twice_gives_the_same_bytes(donor, squared, taught):
    again = learn.transfer(donor, squared, threads=1)
    assert weights(again) == weights(taught)
    assert again.card == taught.card


@pytest.mark.parametrize("head", HEADS)
def test_the_folded_head_on_raw_features_equals_the_head_on_scaled_ones(head):
    rng = np.random.default_rng(0)
    module = network.build("small", image_size=32, width=0.125, head=head, seed=3).double()
    inputs = module.classifier[0].in_features
    table = (5.0 + 3.0 * rng.random((20, inputs))).astype(np.float32)
    scale = FeatureScale.of(table)
    assert scale.mean == pytest.approx(table.mean(axis=0, dtype=float))
    assert scale.sd == pytest.approx((table - scale.mean).std())
    with torch.no_grad():
        scaled = module.classifier(torch.from_numpy((table - scale.mean) / scale.sd))
        fold(module.classifier, scale)
        folded = module.classifier(torch.from_numpy(table).double())
    # the folded weights are kept in float32, so the two agree to its precision
    assert folded.numpy() == pytest.approx(scaled.numpy(), abs=2e-5 * float(scaled.abs().max()) + 1e-6)


def test_features_are_what_the_convolutions_and_the_pooling_give(donor, squared):
    table = learn.features(donor, squared.images)
    with torch.no_grad():
        expected = donor.module.avgpool(donor.module.features(donor.inputs(squared.images))).flatten(1).numpy()
    assert table.shape == expected.shape
    assert table.dtype == np.float32
    tolerance = (
        2e-2 if donor.card["dtype"] == "bf16" else 1e-4
    )  # of the largest: each layer rounds all it sums to so many digits
    assert table == pytest.approx(expected, rel=tolerance, abs=tolerance * float(expected.max()))


def test_early_stopping_works_on_cached_features(donor, squared):
    schedule = Schedule(epochs=200, patience=2, validation=0.3, learning_rate=0.05)
    model = learn.transfer(donor, squared, schedule=schedule, threads=1)
    assert len(model.card["history"]) == model.card["best_epoch"] + 2 < 200


@pytest.mark.parametrize("change", ["channels", "size"])
def test_slices_drawn_unlike_the_donors_are_refused(donor, squared, change):
    other = replace(squared, channels="grey") if change == "channels" else pores(n=10, size=48)
    with pytest.raises(errors.UsageError) as caught:
        learn.transfer(donor, other)
    assert caught.value.code == "transfer-mismatch"


def test_a_constant_new_target_is_refused(donor, squared):
    with pytest.raises(errors.LearningStopped) as caught:
        learn.transfer(donor, replace(squared, targets=np.zeros(30)))
    assert caught.value.code == "constant-target"


def test_an_honest_split_can_be_asked_for(donor):
    cores = [pores(n=12, core=name, seed=seed) for seed, name in ((5, "p"), (6, "q"))]
    model = learn.transfer(donor, cores, split=splits.ByCore(("q",)), schedule=Schedule(epochs=2), threads=1)
    assert model.card["cores"] == ["a", "p"]
    assert all(name.startswith("q:") for name in model.card["split"]["test"])


def test_the_scores_from_cached_features_are_those_of_the_finished_model(taught, squared):
    for side in ("train", "test"):
        rows = taught.card["split"][side]
        error = np.sqrt(np.mean((taught.predict(squared.images[rows]) - squared.targets[rows]) ** 2))
        assert taught.card[f"{side}_rmse"] == pytest.approx(error, rel=1e-2 if taught.card["dtype"] == "bf16" else 1e-4)
