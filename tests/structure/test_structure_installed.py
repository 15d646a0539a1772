"""Metrics that installed packages offer: found without being run, loaded by name, refused with their package's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilscope import phantoms, study
from soilscope import structure as st
from soilscope.errors import PlanError, UsageError
from soilscope.structure.blockwise import measure_blockwise
from soilscope.structure.installed import offers
from soilscope.structure.metric import TAKEN_FROM, metrics_named
from soilscope.study.plan import CorePlan, LearnPlan, Plan, RunPlan, StructurePlan, TargetPlan
from soilscope.study.steps.opened import open_core

MODULE = """
import numpy as np
from pathlib import Path

from soilscope.structure import Metric

Path(__file__).with_name("was-run").touch()


def _left(phase):
    left = phase.mask[:, :, : phase.mask.shape[2] // 2].sum(axis=(1, 2))
    return np.divide(left, phase.counts, out=np.full(len(left), np.nan), where=phase.counts > 0)


LEFT = Metric("left-half", "1", "share of the class in the left half of the slice", _left)
NOT_A_METRIC = 3
"""


def install(folder: Path, offered: str, package: str = "left-metrics", module: str = MODULE) -> None:
    """Lay a package as pip leaves it: a module, and its metadata with entry points."""
    name = package.replace("-", "_")
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[soilscope.metrics]\n{offered}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages are installed in; what is taken from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(st.METRICS)
    yield folder
    for name in set(st.METRICS) - before:
        del st.METRICS[name]
        TAKEN_FROM.pop(name, None)
    for module in [m for m in sys.modules if m.endswith("_metrics") and "left" in m]:
        del sys.modules[module]


def test_a_package_s_metric_is_listed_without_running_any_of_its_code(site):
    """Looking at what there is must be safe: a module is imported only when its metric is named."""
    install(site, "left-half = left_metrics:LEFT")
    assert [(offer.name, str(offer)) for offer in offers()] == [("left-half", "left-metrics 1.2")]
    metrics_named(["fraction"])
    assert not (site / "was-run").exists()
    metrics_named(["left-half"])
    assert (site / "was-run").exists()


def test_a_package_s_metric_is_measured_by_name_and_tables_say_whose_it_is(site):
    """A body of which the left half holds a quarter: the figure is 0.25, in both tables, with package and version beside it."""
    install(site, "left-half = left_metrics:LEFT")
    from soilscope.volume import Volume

    labels = np.zeros((3, 4, 8), np.uint8)
    labels[:, 0, 3:7] = 1
    core = Volume(np.zeros(labels.shape, np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    rule = st.ClusterRule(under=0)
    found = st.measure(core, labels=labels, names={1: "roots"}, metrics=["left-half"], rule=rule)
    assert found.slices["left_half"].tolist() == [0.25] * 3
    said = {metric["metric"]: metric.get("from") for metric in found.provenance["metrics"]}
    assert (said["left-half"], said["fraction"]) == ("left-metrics 1.2", None)
    assert st.target_profile(core, labels, "left-half", (1,), rule).tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("offered", "module", "said"),
    [
        ("other-name = left_metrics:LEFT", MODULE, "is the metric 'left-half'"),
        ("other-name = left_metrics:NOT_A_METRIC", MODULE, "is a int"),
        ("other-name = left_metrics:GONE", MODULE, "AttributeError"),
        ("other-name = left_metrics:LEFT", "import a_package_that_is_not_there", "a_package_that_is_not_there"),
    ],
)
def test_an_offer_that_is_no_metric_of_its_name_is_refused_with_its_package(site, offered, module, said):
    """What goes wrong in somebody's package is told with that package's name and version, never as a fault of the plan."""
    install(site, offered, module=module)
    with pytest.raises(UsageError) as refused:
        metrics_named(["other-name"])
    assert refused.value.code == "metric"
    assert "left-metrics 1.2" in str(refused.value)
    assert said in str(refused.value)


def test_two_packages_that_offer_one_name_are_refused(site):
    """Which of the two a figure came from would hang on the order of folders."""
    install(site, "left-half = left_metrics:LEFT")
    install(site, "left-half = my_left_metrics:LEFT", "my-left-metrics")
    with pytest.raises(UsageError) as refused:
        metrics_named(["left-half"])
    assert "left-metrics 1.2" in str(refused.value)
    assert "my-left-metrics 1.2" in str(refused.value)


def test_a_plan_that_names_what_nobody_offers_lists_what_there_is(site):
    """The offered metrics stand in the list, and the message says how one of the user's own comes in."""
    install(site, "left-half = left_metrics:LEFT")
    with pytest.raises(ValueError, match=r"right-half.*left-half.*entry points") as told:
        StructurePlan(metrics=("right-half",))
    assert not isinstance(told.value, PlanError)
    assert not (site / "was-run").exists()


RAISES = """
from soilscope.structure import Metric


def _broken(phase):
    return 1 / int(0 * phase.counts.sum())


LEFT = Metric("left-half", "1", "raises", core=_broken)
SLICES = Metric("right-half", "1", "raises", slices=_broken, sees="slice")
"""


def test_a_metric_that_raises_is_named_with_class_package_error_and_line(site):
    """In memory, slab by slab and as a target: whoever reads it knows which function to mend, and the fault is not ours."""
    install(site, "left-half = left_metrics:LEFT\nright-half = left_metrics:SLICES", module=RAISES)
    from soilscope.volume import Volume

    labels = np.ones((3, 4, 8), np.uint8)
    labels[:, :2] = 2
    core = Volume(np.zeros(labels.shape, np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    rule, made = st.ClusterRule(under=0), {"labels": labels, "names": {1: "roots", 2: "matrix"}}
    told = []
    for call in (
        lambda: st.measure(core, **made, metrics=["left-half"], rule=rule),
        lambda: measure_blockwise(core, **made, metrics=["right-half"], rule=rule),
        lambda: st.target_profile(core, labels, "right-half", (1, 2), rule),
    ):
        with pytest.raises(UsageError) as refused:
            call()
        assert refused.value.code == "metric"
        told.append(str(refused.value))
    for text in told:
        assert "of left-metrics 1.2 raised ZeroDivisionError" in text
        assert "division by zero (left_metrics.py, line 6)" in text
        assert "leave it out" in text
    assert told[0].startswith("the metric 'left-half' ")
    assert " on class 1 roots: " in told[0]
    assert all(text.startswith("the metric 'right-half' ") for text in told[1:])
    assert " on class 1: " in told[1]
    assert " on class 1+2: " in told[2]


def test_an_error_of_ours_is_not_laid_at_a_metric_s_door():
    """What comes with Soilscope and fails is our fault, and keeps its own error."""
    with pytest.raises(UsageError) as refused:
        st.METRICS["local-thickness"].total(np.ones((2, 2, 2), bool), None, (1.0, -1.0, 1.0))
    assert refused.value.code != "metric"


def test_the_command_measures_reports_and_learns_a_metric_of_an_installed_package(site, tmp_path):
    """With two workers, each a process of its own: slices, core, target, matrix, report; a new version measures again."""
    install(site, "left-half = left_metrics:LEFT")
    home = tmp_path / "study"
    for number, soil in enumerate(("sandy", "pine-forest")):
        phantoms.write(phantoms.make(soil, seed=number, shape=(16, 32, 32)), home / "scans" / soil)
    study.write_plan(
        home,
        Plan(
            name="mine",
            scheme="physical",
            cores=tuple(CorePlan(id=soil, path=f"scans/{soil}/dicom") for soil in ("sandy", "pine-forest")),
            structure=StructurePlan(
                metrics=("fraction", "left-half"), under=0, sensitivity="off", representative="off", erode="off"
            ),
            learn=LearnPlan(targets=(TargetPlan(target="left-half", of=(3,)),), width=0.125, image_size=32, epochs=1),
            run=RunPlan(workers=2),
        ),
    )
    ran = command(site, "run", str(home), "--json")
    assert ran["failed"] == 0
    slices = pd.read_csv(home / "tables" / "slices.csv")
    own = slices[(slices["core"] == "sandy") & (slices["class"].astype(str) == "3")]
    matrix_soil = open_core(home, study.read_plan(home), "sandy").labels == 3
    expected = matrix_soil[:, :, : matrix_soil.shape[2] // 2].sum(axis=(1, 2)) / matrix_soil.sum(axis=(1, 2))
    np.testing.assert_allclose(own["left_half"], expected)
    cores = pd.read_csv(home / "tables" / "cores.csv")
    assert set(cores.loc[cores["metric"] == "left-half", "core"]) == {"sandy", "pine-forest"}
    matrix = pd.read_csv(home / "tables" / "matrix.csv")
    assert set(matrix["target"]) == {"left-half-3"}
    assert len(matrix) == 4
    page = (home / "report.html").read_text(encoding="utf-8")
    assert ">left-half<" in page
    assert "left-half of class 3" in page
    assert "left-metrics 1.2" in page
    assert command(site, "run", str(home), "--json")["done"] == 0
    other = site / "left_metrics-1.2.dist-info" / "METADATA"
    other.write_text(other.read_text().replace("1.2", "1.3"))
    again = command(site, "run", str(home), "--until", "measure", "--json")
    assert again["done"] > 0


def command(site: Path, *arguments: str) -> dict:
    """Run the command in a process of its own, with the packages of ``site`` installed."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    call = "from soilscope.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, textwrap.indent(done.stdout + done.stderr, "  ")
    return json.loads(done.stdout.splitlines()[-1])
