"""Training: it learns, it stops where it must, and the same plan gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_slices import pores

from soilscope import errors, learn
from soilscope.learn import Schedule, checkpoint, fitting, splits
from soilscope.learn.examples import FeatureExamples
from soilscope.learn.standing import Fitted

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
pytestmark = pytest.mark.learn

QUICK = Schedule(epochs=3)
SMALL = {"network": "small", "width": 0.125, "threads": 1}


def weights(model) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.module.state_dict().items()}


@pytest.fixture(scope="module")
def data():
    return pores(n=30)


@pytest.fixture(scope="module")
def quick(data):
    return learn.train(data, schedule=QUICK, **SMALL)


def test_a_narrow_network_beats_the_constant_threefold_on_an_easy_task():
    model = learn.train(pores(n=60), width=0.125, threads=1, schedule=Schedule(epochs=25))
    assert model.card["test_rmse"] < model.card["baselines"]["constant"] / 3


def test_permuted_targets_score_no_better_than_chance(data):
    """FAULTS 35: permuted targets score at chance."""
    mixed = replace(data, targets=np.random.default_rng(0).permutation(data.targets))
    model = learn.train(mixed, schedule=Schedule(epochs=10), split=splits.DepthBlocks(3, buffer_slices=2), **SMALL)
    assert model.card["test_rmse"] > 0.7 * float(np.std(mixed.targets))


def test_predictions_are_float64_in_the_targets_unit_and_score_as_the_card_says(data, quick):
    predicted = quick.predict(data.images)
    assert predicted.shape == (30,)
    assert predicted.dtype == np.float64
    rows, parts = splits.divide([data], splits.Random(), 0)
    assert quick.card["split"]["test"] == rows.names(parts.test)
    true = data.targets[parts.test]
    assert np.sqrt(np.mean((quick.predict(data.images[parts.test]) - true) ** 2)) == quick.card["test_rmse"]
    assert quick.predict(data.images[0]).shape == (1,)
    assert quick.predict(data.images[:0]).shape == (0,)


def test_the_card_says_what_was_done_and_is_plain_json(quick):
    card = json.loads(json.dumps(quick.card, allow_nan=False))
    assert card["network"] == {"kind": "small", "width": 0.125, "image_size": 32, "head": "pooled", "outputs": 1}
    assert card["baselines"].keys() == {"constant", "nearest_slice", "histogram"}
    assert (card["kind"], card["seed"], card["threads"], card["cores"], card["donor"]) == ("full", 0, 1, ["a"], None)
    assert [entry["epoch"] for entry in card["history"]] == [1, 2, 3]
    assert not set(card["split"]["train"]) & set(card["split"]["test"])
    assert card["dtype"] in ("bf16", "fp32")
    assert card["torch"] == torch.__version__
    assert any(finding["code"] == "random-split" for finding in card["findings"])


def test_channels_and_target_are_standardised_on_the_training_slices_alone(data):
    model = learn.train(data, schedule=QUICK, split=splits.DepthBlocks(3, buffer_slices=0), **SMALL)
    train = model.card["split"]["train"]
    assert model.card["target_mean"] == pytest.approx(data.targets[train].mean())
    assert model.card["target_sd"] == pytest.approx(data.targets[train].std())
    assert model.card["channel_mean"] == pytest.approx(data.images[train].mean(axis=(0, 2, 3), dtype=float), rel=1e-5)
    assert model.card["channel_sd"][:2] == pytest.approx(
        data.images[train].std(axis=(0, 2, 3), dtype=float)[:2], rel=1e-5
    )
    assert model.card["channel_sd"][2] == 1.0, "a channel that never varies is not divided by zero"


def test_several_cores_train_and_whole_cores_test():
    cores = [pores(n=12, core=name, seed=seed) for seed, name in enumerate("abc")]
    model = learn.train(cores, schedule=QUICK, split=splits.ByCore(("c",)), **SMALL)
    assert model.card["cores"] == ["a", "b"]
    assert model.card["split"]["test"] == [f"c:{k}" for k in range(12)]
    assert len(model.card["split"]["train"]) == 24


def test_the_progress_of_every_epoch_is_told(data):
    told = []
    learn.train(data, schedule=QUICK, progress=lambda *step: told.append(step), **SMALL)
    assert [(epoch, epochs) for epoch, epochs, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.isfinite(loss) for *_, loss in told)


class TestEarlyStopping:
    def test_it_ends_after_patience_and_returns_the_best_weights(self, data):
        schedule = Schedule(epochs=40, patience=2, validation=0.3, learning_rate=3e-2)
        model = learn.train(data, schedule=schedule, **SMALL)
        losses = [entry["validation"] for entry in model.card["history"]]
        best = int(np.argmin(losses)) + 1
        assert len(losses) < 40
        assert len(losses) == best + 2 == model.card["best_epoch"] + 2
        held = model.card["validation"]
        standard = (model.predict(data.images[held]) - data.targets[held]) / model.card["target_sd"]
        assert np.mean(standard**2) == pytest.approx(losses[best - 1], rel=1e-4)

    def test_the_validation_slices_are_training_slices_and_never_test_slices(self, data):
        model = learn.train(data, schedule=Schedule(epochs=1, patience=1), **SMALL)
        held = set(model.card["validation"])
        assert held
        assert held < set(model.card["split"]["train"])
        assert not held & set(model.card["split"]["test"])

    def test_too_few_slices_to_set_any_aside_are_refused(self):
        with pytest.raises(errors.LearningStopped) as caught:
            learn.train(pores(n=5), schedule=Schedule(patience=1), **SMALL)
        assert caught.value.code == "too-few-slices"


class TestNothingFinite:
    """FAULTS 33: NaN or infinity stops at that step with batch ids, and no NaN model is published."""

    def test_a_constant_target_stops_before_training(self, data):
        with pytest.raises(errors.LearningStopped, match="nothing to learn") as caught:
            learn.train(replace(data, targets=np.full(30, 0.4)), **SMALL)
        assert caught.value.code == "constant-target"

    def test_an_image_damaged_after_drawing_stops_with_its_number(self, data):
        spoilt = replace(data, images=data.images.copy())
        rows, parts = splits.divide([spoilt], splits.Random(), 0)
        spoilt.images[parts.train[3], 0, 4, 4] = np.nan
        with pytest.raises(errors.LearningStopped, match=rf"\b{rows.names(parts.train)[3]}\b") as caught:
            learn.train(spoilt, schedule=QUICK, **SMALL)
        assert caught.value.code == "not-finite"

    @pytest.mark.parametrize("which", ["inputs", "targets"])
    def test_a_batch_that_is_not_finite_stops_with_the_slices_in_it(self, which):
        arrays = {"inputs": np.ones((6, 4), np.float32), "targets": np.arange(6, dtype=np.float32)}
        arrays[which][4] = np.inf
        examples = FeatureExamples(arrays["inputs"], arrays["targets"], [f"core:{k}" for k in range(6)])
        module = torch.nn.Sequential(torch.nn.Linear(4, 1))
        before = module[0].weight.clone()
        with pytest.raises(errors.LearningStopped, match="core:4") as caught:
            fitting.fit(module, examples, None, fitting.Run(Schedule(epochs=1), 1e-3, "fp32", 0))
        assert caught.value.code == "not-finite"
        assert torch.equal(module[0].weight, before)

    def test_a_rate_that_blows_the_weights_up_stops(self, data):
        with pytest.raises(errors.LearningStopped) as caught:
            learn.train(data, schedule=Schedule(epochs=3, learning_rate=1e30), **SMALL)
        assert caught.value.code == "not-finite"

    def test_a_model_with_nan_weights_is_not_published(self, quick, tmp_path):
        quick.save(tmp_path / "good")
        spoilt = learn.load(tmp_path / "good")
        with torch.no_grad():
            spoilt.module.features[0].weight[0] = float("nan")
        with pytest.raises(errors.LearningStopped):
            spoilt.save(tmp_path / "bad")
        assert not (tmp_path / "bad").exists()

    def test_images_to_predict_must_be_finite(self, data, quick):
        images = data.images[:2].copy()
        images[1, 0, 0, 0] = np.inf
        with pytest.raises(errors.InputRefused) as caught:
            quick.predict(images)
        assert caught.value.code == "not-finite"


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 8, 8), (3, 3)])
def test_images_the_network_cannot_take_are_refused(quick, shape):
    with pytest.raises(errors.UsageError) as caught:
        quick.predict(np.zeros(shape, np.float32))
    assert caught.value.code == "image-shape"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"channels": "grey"}, "channels"),
        ({"target": "porosity-2"}, "targets"),
        ({"unit": "mm"}, "units"),
    ],
)
def test_cores_that_do_not_fit_together_are_refused(data, change, word):
    with pytest.raises(errors.UsageError, match=word):
        learn.train([data, replace(data, core="b", **change)], **SMALL)


def test_the_callers_torch_settings_come_back(data):
    torch.set_num_threads(2)
    learn.train(data, schedule=Schedule(epochs=1), **SMALL)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()


class Stop(Exception):
    pass


def stopping_after(last: int):
    def progress(epoch: int, epochs: int, loss: float) -> None:
        if epoch == last:
            raise Stop

    return progress


class TestSameBytes:
    """Bit for bit: two runs, two processes, and a run that was stopped and went on."""

    SCHEDULE = Schedule(epochs=4, patience=3, validation=0.2)

    @pytest.mark.parametrize("after", [1, 3])
    def test_a_stopped_training_goes_on_to_the_same_bytes(self, data, tmp_path, monkeypatch, after):
        monkeypatch.setattr(checkpoint, "LEAST_SHARE", 0.0)
        whole = learn.train(data, schedule=self.SCHEDULE, **SMALL)
        keep = tmp_path / "keep"
        with pytest.raises(Stop):
            learn.train(data, schedule=self.SCHEDULE, checkpoint=keep, progress=stopping_after(after), **SMALL)
        told = []
        resumed = learn.train(
            data, schedule=self.SCHEDULE, checkpoint=keep, progress=lambda epoch, *_: told.append(epoch), **SMALL
        )
        assert told == list(range(after + 1, 5)), "it went on where it stopped"
        assert weights(resumed) == weights(whole)
        assert resumed.card == whole.card

    def test_another_process_gives_the_same_files(self, data, quick, tmp_path):
        code = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from drawn_slices import pores\nfrom soilscope import learn\n"
            "learn.train(pores(n=30), schedule=learn.Schedule(epochs=3), network='small', width=0.125, threads=1).save(sys.argv[2])"
        )
        folder = Path(__file__).parent
        subprocess.run([sys.executable, "-c", code, str(folder), str(tmp_path / "there")], check=True)
        quick.save(tmp_path / "here")
        for name in ("weights.safetensors", "model.json"):
            assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()

    def test_the_seed_changes_the_weights(self, data, quick):
        assert weights(learn.train(data, schedule=QUICK, seed=1, **SMALL)) != weights(quick)

    def test_a_checkpoint_of_another_plan_is_not_used(self, data, tmp_path, quick):
        keep = tmp_path / "keep"
        learn.train(data, schedule=QUICK, seed=9, checkpoint=keep, **SMALL)
        assert weights(learn.train(data, schedule=QUICK, checkpoint=keep, **SMALL)) == weights(quick)

    @pytest.mark.parametrize("harm", ["cut", "flip", "json", "missing"])
    def test_a_damaged_checkpoint_is_dropped_and_said_so(self, data, tmp_path, quick, harm):
        """FAULTS 31."""
        keep = tmp_path / "keep"
        learn.train(data, schedule=QUICK, checkpoint=keep, **SMALL)
        tensors, state = keep / checkpoint.TENSORS, keep / checkpoint.STATE
        content = tensors.read_bytes()
        if harm == "cut":
            tensors.write_bytes(content[:-100])
        elif harm == "flip":
            tensors.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
        elif harm == "json":
            state.write_text("{")
        else:
            tensors.unlink()
        again = learn.train(data, schedule=QUICK, checkpoint=keep, **SMALL)
        assert weights(again) == weights(quick)
        assert [f["code"] for f in again.card["findings"]].count("checkpoint-damaged") == 1


def test_the_loop_returns_to_the_best_weights_even_without_stopping():
    """The best validation loss is kept by value, not by reference to weights that go on changing."""
    module = torch.nn.Linear(1, 1)
    state = Fitted(epoch=1)
    fitting._keep_best(module, state, 1.0)
    kept = module.weight.item()
    with torch.no_grad():
        module.weight.add_(1.0)
    assert state.best_weights is not None
    assert state.best_weights["weight"].item() == kept
