"""The plan file: round trip, and every mistake told at once."""

from __future__ import annotations

import pytest

from soilscope import study
from soilscope.errors import PlanError, UsageError
from soilscope.study.models import models
from soilscope.study.plan import CorePlan, EvaluatePlan, LearnPlan, ObjectsPlan, Plan, SchemePlan, TargetPlan, read_plan
from soilscope.study.write import plan_text

PLANS = {
    "named scheme": Plan(name="a", cores=(CorePlan(id="c1", path="x"),)),
    "edges": Plan(
        name='quote " and ü',
        scheme=SchemePlan(name="mine", edges=(-1025, -818, 86), names=("air", "roots")),
        cores=(CorePlan(id="c1", path="päth with spaces/x", spacing_mm=(0.5, 0.1, 0.1)), CorePlan(id="c2", path="y")),
        window=(400, 200, 200),
        learn=LearnPlan(targets=(TargetPlan(of=(2,)), TargetPlan(of=(1,), transfer_from=(2,)))),
        evaluate=EvaluatePlan(limit=0.1),
        objects=(
            ObjectsPlan(name="roots", of=(1,), shape="tubes", at_least_mm=1.0),
            ObjectsPlan(name="organic particles", of=(1,), at_least_mm3=2.5, beside=(2,)),
        ),
    ),
    "labels": Plan(
        name="b", labels="masks/{core}.tif", label_names={1: "roots"}, cores=(CorePlan(id="c1", path="x"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_written_plan_reads_back_equal(name, tmp_path):
    study.write_plan(tmp_path, PLANS[name])
    assert study.read_plan(tmp_path) == PLANS[name]


def test_a_plan_without_targets_shows_how_they_are_written(tmp_path):
    text = plan_text(PLANS["named scheme"])
    shown = text[text.index("# None is planned.") :].splitlines()[1:]
    study.write_plan(tmp_path, PLANS["named scheme"])
    with (tmp_path / "study.toml").open("a") as plan:
        plan.write("\n".join(line.removeprefix("# ") for line in shown if line.startswith("# ")))
    assert study.read_plan(tmp_path).learn.targets == (TargetPlan(of=(3,)), TargetPlan(of=(2,), transfer_from=(3,)))


def test_every_mistake_is_told_at_once_with_its_key_and_line(tmp_path):
    text = plan_text(PLANS["named scheme"])
    text = text.replace("limit = 0.04", "limit = -1").replace('scheme = "paper-2021"', 'scheme = "papper"')
    text = text.replace("width = 1.0", "widht = 1.0")
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(PlanError) as caught:
        study.read_plan(tmp_path)
    lines = text.splitlines()
    for key, line in (
        ("evaluate.limit", "limit = -1"),
        ("scheme", 'scheme = "papper"'),
        ("learn.widht", "widht = 1.0"),
    ):
        assert f"line {lines.index(line) + 1}: {key}:" in caught.value.text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (('id = "c1"', 'id = "../c1"'), "cannot name a folder"),
        (("under = 60", 'under = "many"'), "under"),
        (("seed = 0", "seed = "), "not TOML"),
        (("seed = 0", "seed = 0\nsede = 1"), "sede"),
    ],
)
def test_a_wrong_plan_is_refused_by_name(change, word, tmp_path):
    (tmp_path / "study.toml").write_text(plan_text(PLANS["named scheme"]).replace(*change))
    with pytest.raises(PlanError, match=word):
        study.read_plan(tmp_path)


def test_a_plan_is_never_overwritten(tmp_path):
    study.write_plan(tmp_path, PLANS["edges"])
    with pytest.raises(UsageError, match="there already"):
        study.write_plan(tmp_path, PLANS["labels"])
    assert study.read_plan(tmp_path) == PLANS["edges"]


def test_a_folder_without_a_plan_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(PlanError, match="soilscope init"):
        study.read_plan(tmp_path)
    (tmp_path / "scan.tif").touch()
    with pytest.raises(PlanError, match="soilscope init"):
        study.read_plan(tmp_path / "scan.tif")


def test_a_transfer_keeps_its_own_metrics_donor():
    """Another trained target of the same class must not become the donor by standing later in the plan."""
    learn = LearnPlan(
        targets=(
            TargetPlan(of=(3,)),
            TargetPlan(of=(2,), transfer_from=(3,)),
            TargetPlan(target="local-thickness", of=(3,)),
        )
    )
    plan = Plan(name="a", cores=(CorePlan(id="c1", path="x"),), learn=learn)
    assert [m.donor for m in models(plan) if m.donor] == ["c1.porosity-3"]


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    "lines",
    [
        "[measure]\nmemory_gb = {}",
        "[structure]\nstones_mm3 = {}",
        "[structure]\nrepresentative = {}",
        '[[objects]]\nname = "stones"\nof = [5]\nat_least_mm3 = {}',
        "[core]\nradius_mm = {}",
        "[evaluate]\nlimit = {}",
    ],
)
def test_a_number_that_is_none_is_a_mistake_with_its_line(tmp_path, lines, number):
    text = 'name = "a"\n[[cores]]\nid = "c"\npath = "x"\n' + lines.format(number) + "\n"
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=f"line {len(text.splitlines())}: ") as told:
        read_plan(tmp_path)
    assert told.value.code == "plan"


@pytest.mark.parametrize(
    ("objects", "word"),
    [
        ([{"name": "roots", "of": [2], "shape": "tubes"}], "at_least_mm"),
        ([{"name": "roots", "of": []}], "of"),
        ([{"name": "stones", "of": [9]}], "classes \\[9\\]"),
        ([{"name": "stones", "of": [6]}, {"name": "stones", "of": [5]}], "more than once"),
    ],
)
def test_objects_that_cannot_be_looked_for_are_refused(objects, word):
    with pytest.raises(ValueError, match=word):
        Plan.model_validate({"name": "a", "cores": [{"id": "c", "path": "x"}], "objects": objects})


@pytest.mark.parametrize(
    ("learn", "word"),
    [
        ({"targets": [{"of": [9]}]}, "classes \\[9\\]"),
        ({"targets": [{"of": [2], "transfer_from": [3]}]}, "transfer_from"),
        ({"network": "vgg17"}, "unknown network"),
        ({"channels": "purple"}, "unknown channels"),
    ],
)
def test_what_cannot_be_learnt_is_told_before_anything_runs(learn, word):
    with pytest.raises(ValueError, match=word):
        Plan.model_validate({"name": "a", "cores": [{"id": "c1", "path": "x"}], "learn": learn})


def test_label_names_must_be_numbered():
    with pytest.raises(ValueError, match="label_names"):
        Plan.model_validate(
            {"name": "a", "labels": "m.tif", "label_names": {"pore": "1"}, "cores": [{"id": "c1", "path": "x"}]}
        )


def test_fine_tuning_stands_only_with_transfers(tmp_path):
    with pytest.raises(ValueError, match="transfer_from"):
        TargetPlan(of=(2,), fine_tune=True)
    targets = (TargetPlan(of=(3,)), TargetPlan(of=(2,), transfer_from=(3,), fine_tune=True))
    text = plan_text(Plan(name="x", cores=(CorePlan(id="a", path="a"),), learn=LearnPlan(targets=targets)))
    assert text.count("fine_tune") == 1


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"method": "otsu"}, "classes"),
        ({"method": "otsu", "classes": 2, "edges": (0, 1)}, "neither edges"),
        ({"edges": (0, 1, 2), "over": "study"}, "over"),
        ({"method": "density"}, "needs edges"),
        ({"edges": (0, 1, 2), "bands": ((5, 6),)}, "bands"),
    ],
)
def test_a_scheme_that_cannot_be_found_is_told_when_the_plan_is_read(table, word):
    with pytest.raises(ValueError, match=word):
        SchemePlan(name="x", **table)


def test_densities_need_a_calibration_in_the_plan():
    scheme = SchemePlan(name="x", method="density", edges=(0, 1, 2))
    with pytest.raises(ValueError, match="calibration"):
        Plan(name="a", scheme=scheme, cores=(CorePlan(id="c", path="x"),))
