"""What a plan says of learning: targets, network and schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from soilscope.learn import channels, network
from soilscope.structure import targets as structure_targets
from soilscope.structure.metric import take_installed

__all__ = ["LearnPlan", "Strict", "TargetPlan"]

Positive = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """A table of the plan: unknown keys are mistakes, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TargetPlan(Strict):
    """What a model learns: a per-slice metric of one class, or of several joined."""

    target: str = "porosity"
    of: tuple[Annotated[int, Field(ge=1)], ...]
    transfer_from: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    fine_tune: bool = False

    @field_validator("target")
    @classmethod
    def _known(cls, value: str) -> str:
        take_installed([value])
        if value not in structure_targets():
            raise ValueError(f"unknown target {value!r}; there are {sorted(structure_targets())}")
        return value

    @model_validator(mode="after")
    def _only_transfers_are_tuned(self) -> TargetPlan:
        if self.fine_tune and self.transfer_from is None:
            raise ValueError("fine_tune goes on from a transfer; name the classes it starts from in transfer_from")
        return self


class LearnPlan(Strict):
    """How models are trained."""

    targets: tuple[TargetPlan, ...] = ()
    network: str = "vgg16"
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    head: Literal["pooled", "pooled-dense", "dense", "flat"] = "pooled-dense"
    channels: str = "paper-2021"
    image_size: Annotated[int, Field(ge=32)] | None = None
    epochs: Annotated[int, Field(ge=1)] = 20
    transfer_epochs: Annotated[int, Field(ge=1)] = 60
    batch: Annotated[int, Field(ge=1)] = 8
    learning_rate: Positive | None = None
    augment: Literal["symmetries", "rolls", "none"] = "symmetries"
    patience: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    split: Literal["random", "depth-blocks"] = "random"
    threads: Annotated[int, Field(ge=1)] = 1

    @field_validator("network")
    @classmethod
    def _known_network(cls, value: str) -> str:
        if value not in network.BLOCKS:
            raise ValueError(f"unknown network {value!r}; there are {sorted(network.BLOCKS)}")
        return value

    @field_validator("channels")
    @classmethod
    def _known_channels(cls, value: str) -> str:
        if value not in channels.CHANNELS:
            raise ValueError(f"unknown channels {value!r}; there are {sorted(channels.CHANNELS)}")
        return value

    @model_validator(mode="after")
    def _donors(self) -> LearnPlan:
        for target in self.targets:
            if target.transfer_from is not None:
                self.donor_of(target)
        return self

    def donor_of(self, target: TargetPlan) -> TargetPlan:
        """The trained target whose convolutions a transfer keeps: of the named classes, and of its own metric if there is one.

        Raises
        ------
        ValueError
            None is trained, or several of other metrics are.
        """
        trained = [t for t in self.targets if t.transfer_from is None]
        fitting = [t for t in trained if t.of == target.transfer_from]
        chosen = [t for t in fitting if t.target == target.target] or fitting
        if len(chosen) != 1:
            there = [f"{t.target} of {list(t.of)}" for t in trained]
            raise ValueError(
                f"transfer_from {list(target.transfer_from or ())} names {len(chosen)} of the trained targets {there}"
            )
        return chosen[0]
