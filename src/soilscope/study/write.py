"""Write a plan as ``study.toml``: every key that matters, each with the sentence that explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from soilscope.errors import UsageError
from soilscope.files import write_text
from soilscope.study.plan import PLAN_FILE, Plan

__all__ = ["plan_text", "write_plan"]

ABOUT = {
    "name": "The study's name, as it stands on the report.",
    "seed": "Random splits, first weights and the order of slices come from this number.",
    "scheme": 'Classes: "paper-2021", "script-2021", "physical", "otsu", or a [scheme] table with name, edges, names, units.',
    "labels": "Classes made elsewhere (ilastik, nnU-Net, Fiji, Slicer) take the scheme's place:",
    "memory_gb": "Memory that classifying or measuring a core may take, in GB; a core that needs more is taken slab by slab:",
    "window": '"all" keeps every slice and the whole soil; [400, 200, 200] is the paper\'s inner box of (z, y, x) voxels.',
    "core": "The core in the scan is found; centre_mm, radius_mm, top_mm, bottom_mm, tube or whole = true state it instead.",
    "correct": 'Even out artefacts of the scan: "beam-hardening", "drift". They are measured and reported in any case.',
    "density_volume": "true writes density/CORE.tif in g/cm³ as well.",
    "density_degree": 'With density = "coreCT", or "rods" and [[core.rods]], tables/materials.csv holds masses.',
    "under": "Clusters of a class under so many voxels are removed before porosity.",
    "neighbours": "Voxels belong to one cluster through 6 faces, 18 with edges, 26 with corners.",
    "sensitivity": 'How far edges are moved to see what hangs on them: a number, "auto" (50 HU, or a grey step), or "off".',
    "sensitivity_metrics": "What is measured again with the edges moved, three times.",
    "erode": 'Voxels taken from every class\'s rim before the mean of its values is taken (tables/class_values.csv), or "off".',
    "representative": 'How much windows of one size may differ (SD over mean) for that size to be representative, or "off".',
    "representative_metrics": "What is taken in those windows.",
    "pores": 'Classes whose sizes and water retention are taken; "auto" takes those called air, pores or voids.',
    "stones": 'Classes that stones lie in, set apart from the fine earth; "auto" takes those called stone, gravel or rock.',
    "stones_mm3": "Smaller bodies of them are no stones: a ball of 2 mm.",
    "metrics": "Leave out for the default set.",
    "network": '"vgg16" at width 1.0 is the paper\'s; a width of 0.25 or 0.125 trains in minutes on a laptop.',
    "channels": 'How a slice becomes three channels: "paper-2021", "script-2021", "windows", "grey".',
    "image_size": "Slices are resampled to so many pixels a side.",
    "patience": "Stop after so many epochs without a lower loss on a part of the training slices kept aside for this.",
    "split": '"random" is the paper\'s and leaks between neighbouring slices; "depth-blocks" holds whole layers back.',
    "threads": "Threads of one training. They change the last digits of a model; workers (below) never do.",
    "targets": "Each target is learnt on each core; with transfer_from only the dense layers are, on that target's convolutions.",
    "limit": "A model covers a core when its RMSE there is below this.",
    "layers": "Heat maps are made for these convolutional layers.",
    "sign": "-1 shows what lowers the prediction (a class lowers its own porosity), 1 what raises it.",
    "slices": "Slices a model shows heat maps of.",
    "workers": "Processes at a time.",
}


EXAMPLE = ("[[learn.targets]]", "of = [3]", "[[learn.targets]]", "of = [2]", "transfer_from = [3]")
"""Of targets, in a plan that has none."""


def plan_text(plan: Plan) -> str:
    """The plan as commented TOML; reading it back gives an equal plan."""
    values = plan.model_dump(mode="json")
    cores, learn = values.pop("cores"), values["learn"]
    targets, objects = learn.pop("targets"), values.pop("objects")
    lines = [
        "# The plan of a Soilscope study. `soilscope run` does what is missing; change a line and only what depends on it"
    ]
    lines += ["# is done again.", ""]
    tables = {key: value for key, value in values.items() if isinstance(value, dict) and key != "label_names"}
    for key, value in values.items():
        if key not in tables:
            lines += _entry(key, value)
    if plan.labels is None:
        lines += [
            f"# {ABOUT['labels']}",
            '# labels = "masks/{core}.tif"',
            '# label_names = { 1 = "roots", 2 = "stones" }',
        ]
    if plan.measure.memory_gb is None:
        lines += [f"# {ABOUT['memory_gb']}", "# measure.memory_gb = 4"]
    for core in cores:
        lines += ["", "[[cores]]", *_plain(core)]
    for key, table in tables.items():
        if not any(_entry(name, value) for name, value in table.items()):
            continue  # nothing but defaults that are not written
        lines += ["", *([f"# {ABOUT[key]}"] if key in ABOUT else []), f"[{key}]"]
        for name, value in table.items():
            lines += _entry(name, value)
    lines += [""] if objects else []
    for kind in objects:
        lines += ["[[objects]]", *_plain(kind)]
    lines += ["", f"# {ABOUT['targets']}"]
    if not targets:
        lines += [
            '# None is planned. Two that PyTorch (the extra "learn") is needed for:',
            *(f"# {line}" for line in EXAMPLE),
        ]
    for target in targets:
        lines += ["[[learn.targets]]", *_plain(_asked(target)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _entry(key: str, value: Any) -> list[str]:
    if value is None or value == []:  # an empty list would stand in the way of [[tables]] of that name
        return []
    comment = [f"# {ABOUT[key]}"] if key in ABOUT else []
    return [*comment, f"{key} = {_value(value)}"]


def _plain(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]


def _asked(target: dict[str, Any]) -> dict[str, Any]:
    """A target's keys; what only a transfer has is left out of a full training."""
    return target if target["transfer_from"] is not None else {k: v for k, v in target.items() if k != "fine_tune"}


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def write_plan(study: str | Path, plan: Plan) -> Path:
    """Publish a new ``study.toml``.

    Raises
    ------
    UsageError
        Code ``plan-exists``: a plan somebody may have edited is never overwritten.
    """
    not_planned(Path(study))
    path = Path(study) / PLAN_FILE
    write_text(path, plan_text(plan))
    return path


def not_planned(study: Path) -> None:
    """Refuse a study that has a plan.

    Raises
    ------
    UsageError
        Code ``plan-exists``.
    """
    path = study / PLAN_FILE
    if path.exists():
        raise UsageError("plan-exists", f"{path} is there already; edit it, or choose another folder.", [path])
