"""The plan's words on the core in the scan: its place, references, corrections, and densities."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from soilscope.core import CoreChoice
from soilscope.core.density import PRESETS, Density, Rod, fit_density
from soilscope.study.names import normal

__all__ = ["PlacePlan", "RodPlan", "SoilPlan"]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class PlacePlan(BaseModel):
    """Where the core lies, stated in place of what would be found."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    centre_mm: tuple[float, float] | None = None
    radius_mm: Positive | None = None
    top_mm: NotNegative | None = None
    bottom_mm: Positive | None = None
    tube: Annotated[int, Field(ge=1)] | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _together(self) -> PlacePlan:
        self.choice()
        return self

    def choice(self) -> CoreChoice:
        """The same as a value of :mod:`soilscope.core`."""
        return CoreChoice(self.centre_mm, self.radius_mm, self.top_mm, self.bottom_mm, self.tube, self.whole)


class RodPlan(BaseModel):
    """A material of known density: what it reads, or where it stands in every scan."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    density: NotNegative
    value: float | None = None
    centre_mm: tuple[float, float] | None = None
    radius_mm: Positive | None = None

    @model_validator(mode="after")
    def _known(self) -> RodPlan:
        self.rod()
        return self

    def rod(self) -> Rod:
        """The same as a value of :mod:`soilscope.core`."""
        return Rod(self.name, self.density, self.value, self.centre_mm, self.radius_mm)


class SoilPlan(PlacePlan):
    """The table ``[core]``: it holds for every core of the study."""

    correct: tuple[Literal["beam-hardening", "drift"], ...] = ()
    reference: str | tuple[float, float] | None = None
    density: Literal["coreCT", "rods"] | None = None
    density_degree: Annotated[int, Field(ge=1, le=3)] = 1
    density_volume: bool = False
    rods: tuple[RodPlan, ...] = ()

    @field_validator("reference")
    @classmethod
    def _spelled(cls, value: str | tuple[float, float] | None) -> str | tuple[float, float] | None:
        return normal(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _calibrated(self) -> SoilPlan:
        if (self.density == "rods") is not bool(self.rods):
            raise ValueError('density = "rods" and [[core.rods]] tables belong together: give both or neither')
        if self.density_volume and self.density is None:
            raise ValueError('density_volume needs a calibration: density = "coreCT", or "rods" with [[core.rods]]')
        if isinstance(self.reference, tuple) and not self.reference[0] > self.reference[1]:
            raise ValueError(f"reference {list(self.reference)} must be [wall, air] with a wall brighter than air")
        if self.density is not None and all(rod.value is not None for rod in self.rods):
            self.fitted(self.known_rods())
        return self

    def known_rods(self) -> tuple[Rod, ...]:
        """The preset's rods, or the plan's own."""
        return tuple(rod.rod() for rod in self.rods) if self.density == "rods" else PRESETS[str(self.density)]

    def fitted(self, rods: tuple[Rod, ...]) -> Density:
        """The calibration through rods whose values are known by now."""
        return fit_density(rods, self.density_degree, str(self.density))
