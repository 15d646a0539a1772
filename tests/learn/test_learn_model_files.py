"""Models on disk: what is sound comes back the same, what is not is refused unread."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from drawn_slices import pores

from soilscope import errors, learn
from soilscope.files import digest_file
from soilscope.learn.model import CARD, WEIGHTS

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
safetensors_torch = pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.learn


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "one"
    model = learn.train(pores(n=12), "small", 0.125, schedule=learn.Schedule(epochs=1), threads=1)
    model.save(folder)
    return folder, model


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


def rewrite(folder, tensors) -> None:
    """Weights changed together with their digest, as by someone who knows the format."""
    safetensors_torch.save_file(tensors, folder / WEIGHTS)
    card = json.loads((folder / CARD).read_text())
    card["weights"]["digest"] = digest_file(folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(card))


def test_a_model_comes_back_bit_for_bit(saved):
    folder, model = saved
    images = pores(n=5, seed=3).images
    back = learn.load(folder)
    assert np.array_equal(back.predict(images), model.predict(images))
    assert {k: v for k, v in back.card.items() if k not in ("format", "weights")} == json.loads(json.dumps(model.card))


def test_who_may_read_the_card_may_read_the_weights(saved):
    folder, _ = saved
    assert (folder / WEIGHTS).stat().st_mode == (folder / CARD).stat().st_mode


def test_saving_again_gives_the_same_bytes(saved, tmp_path):
    folder, _ = saved
    learn.load(folder).save(tmp_path / "again")
    for name in (CARD, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_folder_holds_weights_and_card_alone(saved):
    assert sorted(p.name for p in saved[0].iterdir()) == [CARD, WEIGHTS]


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_cut_weights_are_refused(copy, keep):
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content[:keep])
    with pytest.raises(errors.Damaged, match="digest") as caught:
        learn.load(copy)
    assert caught.value.code == "model-damaged"


def test_one_flipped_bit_in_the_weights_is_refused(copy):
    content = bytearray((copy / WEIGHTS).read_bytes())
    content[-5] ^= 4
    (copy / WEIGHTS).write_bytes(content)
    with pytest.raises(errors.Damaged):
        learn.load(copy)


def test_missing_weights_are_refused(copy):
    (copy / WEIGHTS).unlink()
    with pytest.raises(errors.Damaged, match="missing"):
        learn.load(copy)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format": "other"}'])
def test_a_card_that_is_none_is_refused(copy, text):
    (copy / CARD).write_text(text)
    with pytest.raises((errors.Damaged, errors.InputRefused)) as caught:
        learn.load(copy)
    assert caught.value.code in ("model-damaged", "not-a-model")


def test_nan_weights_are_refused_even_with_a_fitting_digest(copy):
    tensors = safetensors_torch.load_file(copy / WEIGHTS)
    tensors["features.0.bias"][0] = float("nan")
    rewrite(copy, tensors)
    with pytest.raises(errors.InputRefused, match=r"features\.0\.bias") as caught:
        learn.load(copy)
    assert caught.value.code == "not-finite"


@pytest.mark.parametrize("harm", ["missing", "extra", "shape", "type"])
def test_weights_of_another_architecture_are_refused(copy, harm):
    tensors = safetensors_torch.load_file(copy / WEIGHTS)
    if harm == "missing":
        tensors.pop("features.0.bias")
    elif harm == "extra":
        tensors["features.99.bias"] = torch.zeros(3)
    elif harm == "shape":
        tensors["features.0.bias"] = torch.zeros(3)
    else:
        tensors["features.0.bias"] = tensors["features.0.bias"].double()
    rewrite(copy, tensors)
    with pytest.raises(errors.InputRefused) as caught:
        learn.load(copy)
    assert caught.value.code == "wrong-architecture"


def test_a_card_of_an_unknown_network_is_refused(copy):
    card = json.loads((copy / CARD).read_text())
    card["network"]["kind"] = "resnet"
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(errors.InputRefused) as caught:
        learn.load(copy)
    assert caught.value.code == "wrong-architecture"


class Canary:
    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return (open, (self.file, "w"))


@pytest.mark.parametrize("name", [WEIGHTS, "weights.pt", "model.pkl", "weights.npy"])
def test_a_malicious_pickle_is_refused_unread(copy, tmp_path, name):
    """FAULTS 32: the canary file is not created."""
    canary = tmp_path / "canary"
    (copy / WEIGHTS).unlink()
    (copy / name).write_bytes(pickle.dumps(Canary(canary)))
    card = json.loads((copy / CARD).read_text())
    card["weights"]["digest"] = digest_file(copy / name)
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(errors.Damaged):
        learn.load(copy)
    assert not canary.exists()


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(errors.InputRefused) as caught:
        learn.load(tmp_path)
    assert caught.value.code == "not-a-model"


@pytest.mark.parametrize("name", ["network", "target", "cores", "channel_mean", "target_sd", "threads", "dtype"])
def test_a_card_that_leaves_out_what_a_prediction_needs_is_no_model(copy, name):
    card = json.loads((copy / CARD).read_text())
    del card[name]
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(errors.InputRefused, match=name) as caught:
        learn.load(copy)
    assert caught.value.code == "not-a-model"
