"""The plan of a study: ``study.toml``, read with every mistake told at once."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from soilscope.classes import SCHEMES, Scheme, otsu_scheme
from soilscope.classes import scheme as named_scheme
from soilscope.errors import PlanError, UsageError
from soilscope.structure import METRICS, ObjectKind
from soilscope.structure.metric import take_installed, there_are
from soilscope.structure.representative import REPRESENTATIVE_METRICS
from soilscope.study.core_plan import PlacePlan, SoilPlan
from soilscope.study.learn_plan import LearnPlan, Strict, TargetPlan
from soilscope.study.names import MOST_BYTES, MOST_CHARACTERS, is_core_name, normal
from soilscope.study.plan_checks import check_between, ends_of_blocks
from soilscope.study.plan_mistakes import told

__all__ = ["PLAN_FILE", "CorePlan", "LearnPlan", "Plan", "TargetPlan", "read_plan"]

PLAN_FILE = "study.toml"
Voxels = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
CALLED = {
    "pores": {"air", "pore", "pores", "macropores", "void", "voids"},
    "stones": {"stone", "stones", "gravel", "rock", "rocks"},
}
"""Names by which a scheme's classes are taken for pores and stones where the plan does not say."""


class CorePlan(Strict):
    """One core: its name, where its scan lies, and what the files do not say."""

    id: str
    path: str
    series: str | None = None
    units: Literal["HU", "grey"] | None = None
    spacing_mm: tuple[Positive, Positive, Positive] | None = None
    on_gap: Literal["refuse", "mark"] = "refuse"
    length_mm: Positive | None = None
    soil: Literal["find", "whole"] = "find"
    core: PlacePlan | None = None

    @field_validator("id")
    @classmethod
    def _usable(cls, value: str) -> str:
        name = normal(value)
        if not is_core_name(name):
            raise ValueError(
                f"{value!r} cannot name a folder: letters and digits of any script, '.', '-', '_' and '+' only, a letter or digit "
                f"first, {MOST_CHARACTERS} at most ({MOST_BYTES} bytes), no name that Windows keeps for a device"
            )
        return name


class SchemePlan(Strict):
    """Classes by edges given, or found in the values, in place of a named scheme."""

    name: str
    method: Literal["edges", "otsu", "density"] = "edges"
    edges: tuple[float, ...] | None = None
    classes: Annotated[int, Field(ge=2, le=5)] | None = None
    names: tuple[str, ...] | None = None
    units: Literal["HU", "grey"] = "HU"
    closed: Literal["left", "right"] = "right"
    over: Literal["core", "study"] = "core"
    bands: tuple[tuple[float, float], ...] = ()
    grows: Literal["darker", "brighter"] = "darker"

    @model_validator(mode="after")
    def _enough(self) -> SchemePlan:
        if self.method == "otsu":
            if self.classes is None or self.edges is not None or self.bands:
                raise ValueError('method = "otsu" finds the edges: give classes (2 to 5), and neither edges nor bands')
        elif self.edges is None or self.classes is not None or self.over != "core":
            raise ValueError(f'method = "{self.method}" needs edges, and neither classes nor over')
        self.value()
        return self

    def value(self) -> Scheme:
        """The scheme as a value."""
        if self.method == "otsu":
            return otsu_scheme(self.classes or 2, self.names, self.name)
        made = Scheme.from_edges(self.name, self.edges or (), self.names, self.units, self.closed)
        if self.method == "density":
            return replace(made, units=None, method="density")
        return replace(made, bands=self.bands, grows=self.grows)


class StructurePlan(Strict):
    """What is measured, and the rule for small clusters."""

    metrics: tuple[str, ...] | None = None
    under: Annotated[int, Field(ge=0)] = 60
    neighbours: Literal[6, 18, 26] = 6
    sensitivity: Positive | Literal["auto", "off"] = "auto"
    sensitivity_metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("fraction", "porosity")
    erode: Annotated[int, Field(ge=1, le=20)] | Literal["off"] = 1
    representative: Positive | Literal["off"] = 0.1
    representative_metrics: Annotated[tuple[str, ...], Field(min_length=1)] = REPRESENTATIVE_METRICS
    pores: tuple[Annotated[int, Field(ge=1, le=255)], ...] | Literal["auto"] = "auto"
    stones: tuple[Annotated[int, Field(ge=1, le=255)], ...] | Literal["auto"] = "auto"
    stones_mm3: Positive = 4.19

    @field_validator("metrics", "sensitivity_metrics", "representative_metrics")
    @classmethod
    def _known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        take_installed(value or ())
        unknown = sorted(set(value or ()) - set(METRICS))
        if unknown:
            raise ValueError(
                f"unknown metrics {unknown}; there are {there_are()}; one of your own comes with a package that offers it (entry "
                "points “soilscope.metrics”, see docs/write-a-metric.md), or is registered by a script that calls "
                "soilscope.study.run"
            )
        return value


class ObjectsPlan(Strict):
    """A kind of objects that gets a size table."""

    name: Annotated[str, Field(min_length=1)]
    of: Annotated[tuple[Annotated[int, Field(ge=1, le=255)], ...], Field(min_length=1)]
    shape: Literal["any", "tubes"] = "any"
    at_least_mm3: Annotated[float, Field(ge=0)] = 0.0
    at_least_mm: Annotated[float, Field(ge=0)] = 0.0
    elongation: Positive = 3.0
    beside: tuple[Annotated[int, Field(ge=1, le=255)], ...] = ()
    shell_voxels: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _whole(self) -> ObjectsPlan:
        try:
            self.value()
        except UsageError as error:
            raise ValueError(error.text) from error
        return self

    def value(self) -> ObjectKind:
        """The kind as a value."""
        return ObjectKind(**self.model_dump())


class MeasurePlan(Strict):
    """How much memory classifying and measuring a core may take; changes no result."""

    memory_gb: Positive | None = None


class EvaluatePlan(Strict):
    """When a model counts as covering a core."""

    limit: Positive = 0.04


class ExplainPlan(Strict):
    """Which heat maps are made."""

    layers: tuple[str, ...] = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
    slices: Annotated[int, Field(ge=1, le=20)] = 2
    sign: Literal[-1, 1] = -1


class RunPlan(Strict):
    """How the work is spread; changes no result."""

    workers: Annotated[int, Field(ge=1)] = 1


class Plan(Strict):
    """A whole study."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    scheme: str | SchemePlan = "paper-2021"
    labels: str | None = None
    label_names: dict[Annotated[int, Field(ge=1, le=255)], str] | None = None
    window: Literal["all"] | tuple[Voxels, Voxels, Voxels] = "all"
    cores: tuple[CorePlan, ...]
    core: SoilPlan = SoilPlan()
    structure: StructurePlan = StructurePlan()
    objects: tuple[ObjectsPlan, ...] = ()
    measure: MeasurePlan = MeasurePlan()
    learn: LearnPlan = LearnPlan()
    evaluate: EvaluatePlan = EvaluatePlan()
    explain: ExplainPlan = ExplainPlan()
    run: RunPlan = RunPlan()

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, value: str | SchemePlan) -> str | SchemePlan:
        if isinstance(value, str) and value not in SCHEMES:
            raise ValueError(
                f"unknown scheme {value!r}; there are {sorted(SCHEMES)}, or give edges in a [scheme] table"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Plan:
        if "layers" not in self.explain.model_fields_set:
            own = self.explain.model_copy(update={"layers": ends_of_blocks(self.learn.network)})
            object.__setattr__(self, "explain", own)  # the default is of the network that was chosen
        check_between(self, (info.context or {}).get("unsure", ()))
        return self

    @property
    def object_kinds(self) -> tuple[ObjectKind, ...]:
        """Kinds of objects that get size tables."""
        return tuple(kind.value() for kind in self.objects)

    def place_of(self, core: CorePlan) -> PlacePlan:
        """Where a core was stated to lie: its own table, or the study's."""
        return self.core if core.core is None else core.core

    def scheme_value(self) -> Scheme | None:
        """The scheme as a value; None where labels made elsewhere take its place."""
        if self.labels is not None:
            return None
        if isinstance(self.scheme, str):
            return named_scheme(self.scheme)
        return self.scheme.value()

    def classes_of(self, key: Literal["pores", "stones"]) -> tuple[int, ...]:
        """The classes that are pores, or stones: those the plan names, or those that are called so; maybe none."""
        asked = self.structure.pores if key == "pores" else self.structure.stones
        if asked != "auto":
            return asked
        scheme = self.scheme_value()
        names = self.names() or {} if scheme is None else {value: name for value, name, *_ in scheme.ranges()}
        return tuple(value for value, name in names.items() if name.lower() in CALLED[key])

    def names(self) -> dict[int, str] | None:
        """Names of labels made elsewhere, by value."""
        return None if self.label_names is None else dict(self.label_names)

    @property
    def class_numbers(self) -> set[int]:
        """Numbers of the classes there are."""
        scheme = self.scheme_value()
        return set(self.label_names or ()) if scheme is None else {value for value, *_ in scheme.ranges()}

    @property
    def joined(self) -> tuple[tuple[int, ...], ...]:
        """Joined classes some target asks for, such as (5, 6)."""
        wanted = [t.of for t in self.learn.targets if len(t.of) > 1]
        return tuple(dict.fromkeys(wanted))


def read_plan(folder: Path) -> Plan:
    """Read ``study.toml`` of a study folder.

    Raises
    ------
    PlanError
        Code ``plan``: missing, not TOML, or wrong; every mistake at once, each with its key and line.
    """
    path = Path(folder) / PLAN_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.parent.is_file() and path.parent.name == PLAN_FILE:
            text = f"{folder} is the plan itself: a study is named by its folder, {path.parent.parent}."
        else:
            text = f"there is no {PLAN_FILE} in {folder}; `soilscope init` writes one."
        raise PlanError("plan", text, [path]) from error
    except UnicodeDecodeError as error:
        raise PlanError("plan", f"{path} is not UTF-8 text: {error}.", [path]) from error
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(text)
        return Plan.model_validate(values)
    except tomllib.TOMLDecodeError as error:
        raise PlanError("plan", f"{path} is not TOML: {error}.", [path]) from error
    except ValidationError as error:
        raise PlanError("plan", told(path, text, values, Plan, error), [path]) from error


def plan_values(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values, what changes no result left out."""
    return plan.model_dump(mode="json", exclude={"run", "measure"})
