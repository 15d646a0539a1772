"""The plan file: round trip, and every mistake told at once."""

from __future__ import annotations

import re

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


def test_a_plan_named_in_place_of_its_folder_is_told_the_folder(tmp_path):
    study.write_plan(tmp_path / "st", PLANS["edges"])
    with pytest.raises(PlanError, match=re.escape(f"named by its folder, {tmp_path / 'st'}")):
        study.read_plan(tmp_path / "st" / "study.toml")


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


CORE = '[[cores]]\nid = "a"\npath = "x"\n'
TOLD = {
    "a layer": (
        CORE + '[[learn.targets]]\nof = [2]\n[explain]\nlayers = ["conv99"]\n',
        ["line 8: explain.layers: vgg16 has no layer 'conv99'; there are block1_conv1, "],
    ),
    "a core's id": (CORE + CORE, ["line 6: cores 'a', id: 'a' stands more than once; core ids must differ"]),
    "an object's class": (
        CORE + '[[objects]]\nname = "stones"\nof = [9]\n',
        ["line 7: objects 'stones', of: there are no classes [9]; there are [1, 2, 3, 4, 5, 6]"],
    ),
    "label names": ('labels = "m/{core}.tif"\n' + CORE, ["line 2: labels: labels made elsewhere need label_names"]),
    "a calibration": (
        CORE + '[scheme]\nname = "d"\nmethod = "density"\nedges = [0, 1]\n',
        ["line 7: scheme.method: a scheme in g/cm³ needs a calibration"],
    ),
    "an unknown key": (
        CORE + "[structure]\nudner = 60\n",
        ["line 6: structure.udner: unknown key; did you mean `under`?"],
    ),
    "an entry without a name": (
        CORE + "[[objects]]\nof = [2]\n[[objects]]\nof = [3]\n",
        ["line 5: objects, entry 1, name: is missing", "line 7: objects, entry 2, name: is missing"],
    ),
    "of two kinds": (
        CORE + '[structure]\nsensitivity = "x"\n',
        ["line 6: structure.sensitivity: must be a valid number; or must be 'auto' or 'off', and is 'x'"],
    ),
    "too few": ("window = [1, 2]\n" + CORE, ["line 2: window: has too few entries"]),
    "what only all values make, beside single ones": (
        f'{CORE}{CORE}[evaluate]\nlimit = -1\n[[objects]]\nof = [9]\n[[objects]]\nname = "roots"\nof = [8]\n[run]\nworkers = "b"\n',
        [
            "line 6: cores 'a', id: 'a' stands",
            "line 9: evaluate.limit: must be greater than 0, and is -1",
            "line 10: objects, entry 1, name: is missing",
            "line 11: objects, entry 1, of: there are no classes [9]",
            "line 14: objects 'roots', of: there are no classes [8]",
            "line 16: run.workers: must be a valid integer, and is 'b'",
        ],
    ),
    "tables apart": (
        '[[objects]]\nname = "o"\nof = [2]\n' + CORE + '[[objects]]\nname = "p"\nof = [0]\n',
        ["line 10: objects 'p', of, entry 1: must be greater than or equal to 1, and is 0"],
    ),
    "own rules": (
        CORE + '[[objects]]\nname = "r"\nof = [2]\nshape = "tubes"\n',
        ["line 5: objects 'r': at_least_mm, a diameter, is needed for tubes"],
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_every_mistake_has_key_line_and_our_own_words(name, tmp_path):
    """A mistake is told with its key and line, and all mistakes at once; lists are counted from 1, or called by their name."""
    text, lines = TOLD[name]
    (tmp_path / "study.toml").write_text('name = "t"\n' + text, encoding="utf-8")
    with pytest.raises(PlanError) as told:
        read_plan(tmp_path)
    head, *found = told.value.text.splitlines()
    assert len(found) == len(lines), found
    assert all(mine in line for mine, line in zip(lines, found, strict=True)), found
    assert head.endswith(f" has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:")
    for theirs in ("Value error", "not permitted", "Input should", "the plan:", "[object-kind]"):
        assert theirs not in told.value.text


@pytest.mark.parametrize("layers", ['["block5_conv2"]', '["features.28", "features.30"]'])
def test_a_layer_of_the_network_may_have_heat_maps_by_either_name(layers, tmp_path):
    text = f'name = "t"\n{CORE}[[learn.targets]]\nof = [2]\n[explain]\nlayers = {layers}\n'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert read_plan(tmp_path).explain.layers


@pytest.mark.parametrize("name", ["vgg16", "vgg13", "vgg11", "small"])
def test_a_plan_that_names_no_layers_has_heat_maps_of_layers_its_network_has(name):
    """The last convolution of each block, as the network itself names them."""
    network = pytest.importorskip("soilscope.learn.network")
    pytest.importorskip("torch")
    plan = Plan(
        name="t", cores=(CorePlan(id="a", path="a"),), learn=LearnPlan(network=name, targets=(TargetPlan(of=(3,)),))
    )
    built = network.build(name, image_size=32, width=0.125)
    assert set(plan.explain.layers) <= set(network.layer_names(built))
    assert [layer.partition("_")[0] for layer in plan.explain.layers] == [
        f"block{b + 1}" for b in range(len(plan.explain.layers))
    ]


@pytest.mark.parametrize(
    ("wrong", "lines"),
    [
        ("window = [1, 2]\n", ["line 2: window", "line 9: cores"]),
        ("window = [-1, 0, 3]\n", ["line 2: window", "line 2: window", "line 9: cores"]),
        ('name2 = "x"\n', ["line 2: name2", "line 9: cores"]),
    ],
)
def test_a_mistake_in_one_value_hides_none_between_tables(tmp_path, wrong, lines):
    cores = '[[cores]]\nid = "a"\npath = "x"\n[[cores]]\npath = "y"\n\nid = "a"\n'
    (tmp_path / "study.toml").write_text(f'name = "t"\n{wrong}{cores}', encoding="utf-8")
    with pytest.raises(PlanError) as told:
        read_plan(tmp_path)
    found = told.value.text.splitlines()[1:]
    assert len(found) == len(lines), found
    assert all(line.strip().startswith(mine) for mine, line in zip(lines, found, strict=True)), found


def test_a_core_id_that_is_none_hides_no_other_that_stands_twice(tmp_path):
    cores = "".join(f'[[cores]]\nid = "{name}"\npath = "x"\n' for name in ("a/b", "a", "a"))
    (tmp_path / "study.toml").write_text(f'name = "t"\n{cores}', encoding="utf-8")
    with pytest.raises(PlanError) as told:
        read_plan(tmp_path)
    assert [line.split(":")[0].strip() for line in told.value.text.splitlines()[1:]] == ["line 3", "line 9"]
