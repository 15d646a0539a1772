"""A plan as a list of items, in an order in which each comes after what it needs.

An item's recipe is the digest of its own part of the plan, its inputs, the software, and the recipes that really made
what it builds on. So a changed plan changes the recipes of what depends on it and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from soilscope._version import __version__
from soilscope.files import digest_json
from soilscope.study.layout import Layout
from soilscope.study.ledger import Ledger
from soilscope.study.models import ModelPlan, models, targets
from soilscope.study.plan import CorePlan, Plan, plan_values
from soilscope.study.steps import (
    classify,
    compared,
    edges,
    evaluate,
    explain,
    further,
    imports,
    materials,
    measure,
    moved,
    objects,
    pictures,
    report,
    train,
    transfer,
    values,
)

__all__ = ["STEPS", "Item", "items"]

STEPS = ("import", "classify", "measure", "train", "transfer", "evaluate", "explain", "report")


GATHERED = (
    "measure:_windows",
    "measure:_pores",
    "measure:_fine_earth",
    "measure:_lengths",
    "measure:_horizons",
    "measure:_comparison",
    "measure:_sensitivity",
    "measure:_values",
    "transfer:_table",
    "evaluate:",
    "explain:",
)
"""What the report shows as far as it could be made."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do.

    Parameters
    ----------
    key : str
        ``<step>:<name>``.
    own : str
        Digest of its own part of the plan, its inputs and the software.
    outputs : tuple of str
        Files and folders it publishes, below the study.
    call, subject
        The function that does it, called with (study, plan, subject, send).
    needs : tuple of str
        Keys of the items that must be done before.
    after : tuple of str
        Keys of the items whose results are gathered, as far as they could be made: one refused core must not cost the
        tables of all others. The recipe says which are missing.
    grows : bool
        Whether it is also made of what there is each time one of those is done, so that nobody waits for the last.
    """

    key: str
    own: str
    outputs: tuple[str, ...]
    call: Callable[..., Any]
    subject: Any
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    grows: bool = False

    def recipe(self, made: Mapping[str, str]) -> str:
        """Digest of everything it is made from, given the recipes of what is there."""
        return digest_json([self.own, {key: made.get(key) for key in (*self.needs, *self.after)}])

    @property
    def step(self) -> str:
        """The step it belongs to."""
        return self.key.partition(":")[0]

    @property
    def name(self) -> str:
        """Its name within the step."""
        return self.key.partition(":")[2]


@dataclass(frozen=True, slots=True)
class _Do:
    """What doing an item means: a function, its subject, and what it publishes."""

    call: Callable[..., Any]
    subject: Any
    outputs: Sequence[str]
    grows: bool = False


class _Builder:
    """Collects items by key."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def add(self, key: str, own: Any, do: _Do, needs: Sequence[str] = (), after: Sequence[str] = ()) -> str:
        digest = digest_json([key, __version__, own])
        self.items[key] = Item(
            key, digest, tuple(do.outputs), do.call, do.subject, tuple(needs), tuple(after), do.grows
        )
        return key


def items(study: Path, plan: Plan, ledger: Ledger) -> list[Item]:
    """All items of a plan, in an order in which each comes after what it needs."""
    build = _Builder()
    tables = _structure(build, study, plan, ledger)
    if plan.learn.targets:
        _learning(build, plan)
    drawn = [_drawing(build, plan, core.id) for core in plan.cores]
    gathered = [*drawn, *(key for key in build.items if key.startswith(GATHERED))]
    build.add("report:_page", plan_values(plan), _Do(report.write_report, None, [Layout.report]), [tables], gathered)
    return list(build.items.values())


def _structure(build: _Builder, study: Path, plan: Plan, ledger: Ledger) -> str:
    rule = [
        plan.structure.under,
        plan.structure.neighbours,
        measure.metrics(plan),
        plan.joined,
        plan.core.density_volume,
        plan.model_dump(mode="json", include={"objects"}),
        *measure.packages(plan).values(),
    ]
    measured, found = [], []
    if edges.pooled(plan):
        imported = [f"import:{core.id}" for core in plan.cores]
        do = _Do(edges.find_edges, None, [edges.PART])
        found = [build.add("classify:_edges", plan.model_dump(mode="json", include={"scheme"}), do, after=imported)]
    for core in imports.reference_first(plan):
        own = [
            core.model_dump(mode="json", exclude={"path"}),
            ledger.input_digest(core.id, study / core.path),
            plan.window,
            plan.core.model_dump(mode="json", exclude={"density_volume"}),
        ]
        read = _Do(imports.import_core, core, imports.outputs(core.id))
        kept = build.add(f"import:{core.id}", own, read, imports.needs(plan, core))
        cut = _Do(classify.classify_core, core, classify.outputs(plan, core.id))
        classes = build.add(f"classify:{core.id}", _classes(study, plan, core, ledger), cut, [kept, *found])
        made = [
            *measure.outputs(core.id),
            *materials.outputs(plan, core.id),
            *objects.outputs(plan.object_kinds, core.id),
        ]
        numbers = _Do(measure.measure_core, core.id, made)
        measured.append(build.add(f"measure:{core.id}", rule, numbers, [classes]))
    _moved(build, plan, measured)
    _values(build, plan)
    _further(build, plan)
    tables = [
        *Layout.slices,
        Layout.cores,
        Layout.provenance,
        *materials.table(plan),
        *objects.table(plan.object_kinds),
    ]
    return build.add("measure:_tables", None, _Do(measure.join_tables, None, tables, grows=True), after=measured)


def _moved(build: _Builder, plan: Plan, measured: list[str]) -> None:
    """Sensitivity of each core and its table, and the tables of horizons and of distances between cores."""
    build.add("measure:_horizons", None, _Do(moved.join_horizons, None, [Layout.horizons]), after=measured)
    if len(measured) > 1:
        build.add("measure:_comparison", None, _Do(compared.compare_cores, None, [Layout.comparison]), after=measured)
    if plan.structure.sensitivity == "off":
        return
    own = [plan.structure.sensitivity, plan.structure.sensitivity_metrics]
    keys = []
    for core in (core.id for core in plan.cores):
        do = _Do(moved.move_edges, core, moved.outputs(core))
        keys.append(build.add(moved.key(core), own, do, [f"measure:{core}"]))
    join = _Do(moved.join_sensitivity, [core.id for core in plan.cores], [Layout.sensitivity], grows=True)
    build.add("measure:_sensitivity", None, join, after=keys)


def _values(build: _Builder, plan: Plan) -> None:
    """Mean and spread of each class's values, core by core, and their table."""
    if plan.structure.erode == "off":
        return
    cores = [core.id for core in plan.cores]
    keys = []
    for core in cores:
        do = _Do(values.measure_values, core, values.outputs(core))
        keys.append(build.add(values.key(core), plan.structure.erode, do, [f"measure:{core}"]))
    join = _Do(values.join_values, cores, [Layout.class_values], grows=True)
    build.add("measure:_values", None, join, after=keys)


def _further(build: _Builder, plan: Plan) -> None:
    """The further tables that the plan asks for, core by core."""
    cores = [core.id for core in plan.cores]
    for kind in further.wanted(plan):
        keys = []
        for core in cores:
            do = _Do(kind.measure, core, kind.outputs(core))
            own = [kind.own(plan), plan.measure.memory_gb]  # what did not fit into the memory is tried again with more
            keys.append(build.add(kind.key(core), own, do, [f"measure:{core}"]))
        build.add(kind.joined_key, None, _Do(kind.join, cores, list(kind.tables), grows=True), after=keys)


def _drawing(build: _Builder, plan: Plan, core: str) -> str:
    do = _Do(pictures.draw_core, core, pictures.outputs(core))
    asked = plan.structure
    shown = [] if asked.sensitivity == "off" else [moved.key(core)]
    shown += [] if asked.representative == "off" else [further.REPRESENTATIVE.key(core)]
    return build.add(f"report:{core}", [asked.sensitivity, asked.representative], do, [f"measure:{core}", *shown])


def _classes(study: Path, plan: Plan, core: CorePlan, ledger: Ledger) -> Any:
    if plan.labels is None:
        return plan.scheme if isinstance(plan.scheme, str) else plan.scheme.model_dump(mode="json")
    return [ledger.input_digest(f"labels {core.id}", classify.labels_path(study, plan, core.id)), plan.label_names]


def _learning(build: _Builder, plan: Plan) -> None:
    recipes = {
        "train": _learning_recipe(plan, {"targets", "transfer_epochs"}),
        "transfer": _learning_recipe(plan, {"targets"}),
    }
    chosen = models(plan)
    for model in chosen:
        needs = [f"measure:{model.core}"] + ([f"train:{model.donor}"] if model.donor else [])
        call = train.train_model if model.donor is None else transfer.transfer_model
        own = [recipes[model.key.partition(":")[0]], model.target.model_dump(mode="json")]
        build.add(model.key, own, _Do(call, model, [Layout.model(model.name)]), needs)
    trained = [key for key in build.items if key.startswith(("train:", "transfer:"))]
    build.add("transfer:_table", None, _Do(transfer.models_table, chosen, [Layout.models]), after=trained)
    _evaluation(build, plan, chosen)


def _evaluation(build: _Builder, plan: Plan, chosen: list[ModelPlan]) -> None:
    measured = [f"measure:{core.id}" for core in plan.cores]
    cells = []
    for model in chosen:
        do = _Do(evaluate.evaluate_model, model, [Layout.part("evaluate", f"{model.name}.json")])
        cells.append(build.add(f"evaluate:{model.name}", None, do, [model.key], after=measured))
    join = _Do(evaluate.join_matrix, chosen, [Layout.matrix, Layout.cover])
    matrix = build.add("evaluate:_matrix", plan.evaluate.limit, join, after=cells)
    explained = plan.explain.model_dump(mode="json")
    for name in targets(plan):
        do = _Do(explain.explain_target, name, [Layout.part("explain", f"{name}.npz")])
        build.add(f"explain:{name}", explained, do, [matrix], after=measured)


def _learning_recipe(plan: Plan, without: set[str]) -> list[Any]:
    return [plan.seed, plan.learn.model_dump(mode="json", exclude=without), _torch_version()]


def _torch_version() -> str | None:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None
