"""docs/plan.md names every key of a plan with its default, and no key that there is not."""

import json
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from soilscope.study import core_plan, plan

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "plan.md"
TABLES = {"": plan.Plan, "[scheme]": plan.SchemePlan, "[[cores]]": plan.CorePlan, "[core]": core_plan.SoilPlan,
          "[[core.rods]]": core_plan.RodPlan, "[structure]": plan.StructurePlan,
          "[[objects]]": plan.ObjectsPlan, "[measure]": plan.MeasurePlan, "[learn]": plan.LearnPlan,
          "[[learn.targets]]": plan.TargetPlan, "[evaluate]": plan.EvaluatePlan, "[explain]": plan.ExplainPlan,
          "[run]": plan.RunPlan}  # fmt: skip


def documented():
    """(table, key) -> default as written, from the document's headings and rows."""
    rows, table = {}, ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"^## (?:`(.+)`|.*)$", line):
            table = heading.group(1) or ""
        elif row := re.match(r"^\| `(\w+)` \| (.+?) \|", line):
            rows[table, row.group(1)] = row.group(2)
    return rows


def defaults():
    """(table, key) -> default as a plan writes it; sub-tables are tables of their own."""
    found = {}
    for table, model in TABLES.items():
        for key, field in model.model_fields.items():
            if isinstance(field.default, BaseModel) or key in ("cores", "targets", "rods", "objects"):
                continue
            found[table, key] = shown(field.default)
    return found


def shown(default):
    if default is PydanticUndefined:
        return "needed"
    return "none" if default is None else f"`{json.dumps(default)}`"


def test_the_reference_of_the_plan_is_the_plan():
    assert documented() == defaults()
