"""The matrix of every model on every core, against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from soilscope import learn
from soilscope.errors import InputRefused, LearningStopped, UsageError
from soilscope.evaluate import cross, out_of_sample


@dataclass
class AlwaysSays:
    """A model that answers one number."""

    number: float
    target: str = "porosity-2"
    cores: tuple[str, ...] = ("A",)
    channels: str = "paper-2021"

    @property
    def card(self) -> dict[str, Any]:
        return {"target": self.target, "cores": list(self.cores), "channels": self.channels}

    def predict(self, images):
        return np.full(len(images), self.number)


class SaysTheMean:
    """A model that reads its answer off the image, so that a mix-up of slices would show."""

    card = {"target": "porosity-2", "cores": ["B"]}  # noqa: RUF012

    def predict(self, images):
        return images.mean(axis=(1, 2, 3))


@dataclass
class Core:
    """Slices of a core, as far as the matrix looks at them."""

    core: str
    targets: Any
    target: str = "porosity-2"
    channels: str = "paper-2021"
    images: Any = field(default=None)

    def __post_init__(self):
        self.targets = np.array(self.targets, float)
        filled = np.nan_to_num(self.targets)[:, None, None, None]
        self.images = np.broadcast_to(filled, (len(self.targets), 3, 4, 4)).astype(np.float32)


def cell(frame, model, core):
    (rmse,) = frame[(frame.model == model) & (frame.core == core)].rmse
    return rmse


def test_each_cell_is_the_root_of_the_mean_squared_error_worked_out_by_hand():
    """|0.5 - 0.1|, |0.5 - 0.9| -> 0.4; 0.3 and 0.1 off -> sqrt((0.09 + 0.01) / 2)."""
    frame = cross({"half": AlwaysSays(0.5)}, {"A": Core("A", [0.1, 0.9]), "B": Core("B", [0.2, 0.6])})
    assert list(frame.columns) == ["model", "core", "target", "rmse", "in_sample"]
    assert cell(frame, "half", "A") == pytest.approx(0.4, abs=1e-12)
    assert cell(frame, "half", "B") == pytest.approx(math.sqrt(0.05), abs=1e-12)


def test_slices_and_predictions_stay_together():
    frame = cross({"mean": SaysTheMean()}, {"A": Core("A", [0.1, 0.9, 0.4])})
    assert cell(frame, "mean", "A") < 1e-7


def test_the_in_sample_mark_covers_every_core_of_the_card_the_donors_included():
    transferred = AlwaysSays(0.5, cores=("A", "C"))
    frame = cross({"m": transferred}, {c: Core(c, [0.5]) for c in "ABC"})
    assert dict(zip(frame.core, frame.in_sample, strict=True)) == {"A": True, "B": False, "C": True}


def test_a_core_without_the_models_target_is_marked_absent_and_the_matrix_stays_complete():
    models = {"p2": AlwaysSays(0.5), "p3": AlwaysSays(0.5, target="porosity-3")}
    data = {1: Core("A", [0.5]), 2: Core("A", [0.5], target="porosity-3"), 3: Core("B", [0.5])}
    frame = cross(models, data)
    assert len(frame) == 4
    assert math.isnan(cell(frame, "p3", "B"))
    assert cell(frame, "p2", "B") == 0
    assert frame.target.tolist() == ["porosity-2", "porosity-2", "porosity-3", "porosity-3"]


def test_slices_without_a_target_are_left_out_and_a_core_without_any_is_absent():
    frame = cross({"m": AlwaysSays(0.5)}, {"A": Core("A", [0.3, np.nan]), "B": Core("B", [np.nan, np.nan])})
    assert cell(frame, "m", "A") == pytest.approx(0.2, abs=1e-12)
    assert math.isnan(cell(frame, "m", "B"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_refused_with_model_and_core(bad):
    """Fault 33: no NaN model is scored."""
    with pytest.raises(LearningStopped, match=r"'sick'.*'A'") as raised:
        cross({"sick": AlwaysSays(bad)}, {"A": Core("A", [0.1, 0.2])})
    assert raised.value.code == "not-finite"


def test_a_trained_model_with_a_broken_weight_is_refused_with_model_and_core():
    """Fault 33, on a real model: its own refusal comes back with the names that the matrix knows."""
    torch = pytest.importorskip("torch")
    source = np.random.default_rng(0)
    targets = source.uniform(0, 1, 16)
    images = source.normal(size=(16, 3, 32, 32)).astype(np.float32)
    data = learn.Slices(images, targets, core="A", target="porosity-2")
    model = learn.train(data, width=0.125, schedule=learn.Schedule(epochs=1), threads=1)
    expected = float(np.sqrt(np.mean((model.predict(images) - targets) ** 2)))
    assert cell(cross({"m": model}, {"A": data}), "m", "A") == pytest.approx(expected, rel=1e-9)
    with torch.no_grad():
        model.module.features[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(LearningStopped, match=r"'sick'.*'A'") as raised:
        cross({"sick": model}, {"A": data})
    assert raised.value.code == "not-finite"


def test_one_core_and_target_under_two_keys_is_refused():
    with pytest.raises(UsageError) as raised:
        cross({"m": AlwaysSays(0.5)}, {"a": Core("A", [0.5]), "b": Core("A", [0.6])})
    assert raised.value.code == "cell-twice"


def test_images_made_by_another_channel_rule_are_refused():
    with pytest.raises(InputRefused, match="script-2021") as raised:
        cross({"m": AlwaysSays(0.5)}, {"A": Core("A", [0.5], channels="script-2021")})
    assert raised.value.code == "channels-differ"


def test_the_out_of_sample_matrix_has_no_cell_a_model_was_trained_on():
    frame = cross({"a": AlwaysSays(0.5), "b": AlwaysSays(0.4, cores=("B",))}, {c: Core(c, [0.5]) for c in "AB"})
    left = out_of_sample(frame)
    assert list(zip(left.model, left.core, strict=True)) == [("a", "B"), ("b", "A")]


def test_no_cores_give_an_empty_matrix_with_its_columns():
    assert list(cross({"m": AlwaysSays(0.5)}, {}).columns) == ["model", "core", "target", "rmse", "in_sample"]
