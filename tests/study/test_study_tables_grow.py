"""Tables grow core by core: nobody waits for the last core to see the first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from soilscope import files, study
from soilscope.study.plan import CorePlan, Plan, StructurePlan
from soilscope.study.work import Nobody

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"), CorePlan(id="sand", path="scans/sandy-0/dicom"))
GROWING = ("slices", "cores", "class_values", "sensitivity", "representative", "pore_sizes")
SOURCE = Path(__file__).parents[2] / "src"

KILLED = """
    import os, signal, sys
    from soilscope import study
    from soilscope.study.work import Nobody

    class Kill(Nobody):
        def finished(self, key, error):
            if key == "measure:pine":
                os.kill(os.getpid(), signal.SIGKILL)

    study.run(sys.argv[1], ["import", "classify", "measure"], watcher=Kill())
"""


class Reads(Nobody):
    """Reads the tables each time an item of measuring ends."""

    def __init__(self, folder: Path):
        self.folder, self.seen = folder, {}

    def finished(self, key, error):
        assert error is None
        there = {}
        for name in GROWING:
            path = self.folder / "tables" / f"{name}.csv"
            if path.exists():
                there[name] = list(dict.fromkeys(pd.read_csv(path, dtype={"class": str})["core"]))
        self.seen[key] = there


def planned(scans: Path, folder: Path) -> Path:
    shutil.copytree(scans / "scans", folder / "scans")
    quick = StructurePlan(metrics=("fraction", "porosity"), representative_metrics=("fraction",))
    study.write_plan(folder, Plan(name="t", scheme="physical", cores=CORES, structure=quick))
    return folder


def digests(folder: Path) -> dict[str, str]:
    made = (folder / "tables").iterdir()
    return {path.name: files.digest_file(path) for path in made if path.name != "timings.csv"}


@pytest.fixture(scope="module")
def grown(scans, tmp_path_factory):
    """A study that ran in one go, and what its tables held on the way."""
    folder = planned(scans, tmp_path_factory.mktemp("grown") / "study")
    reads = Reads(folder)
    assert study.run(folder, ["import", "classify", "measure"], watcher=reads).failures == ()
    return folder, reads.seen


def test_the_rows_of_a_core_can_be_read_when_it_is_measured(grown):
    """Results appear in the study as they are done: after the first core its rows are there, after the second both."""
    seen = grown[1]
    assert seen["measure:pine"] == {"slices": ["pine"], "cores": ["pine"]}
    assert seen["measure:sand"] == {"slices": ["pine", "sand"], "cores": ["pine", "sand"]}


def test_further_tables_grow_with_every_core_too(grown):
    seen = grown[1]
    assert seen["measure:_values.pine"]["class_values"] == ["pine"]
    assert seen["measure:_sensitivity.pine"]["sensitivity"] == ["pine"]
    assert seen["measure:_windows.pine"]["representative"] == ["pine"]
    assert seen["measure:_pores.pine"]["pore_sizes"] == ["pine"]


def test_a_kill_between_two_cores_leaves_the_first_ones_rows_and_the_same_tables_in_the_end(grown, scans, tmp_path):
    """26. kill -9 after the first core: its rows stand there whole, no table is reported damaged, and the end is the same bytes."""
    folder = planned(scans, tmp_path / "study")
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(folder)]
    killed = subprocess.run(script, env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert set(pd.read_csv(folder / "tables" / "slices.csv")["core"]) == {"pine"}
    assert study.verify(folder) == []
    assert study.run(folder, ["import", "classify", "measure"]).failures == ()
    assert digests(folder) == digests(grown[0])


def test_a_changed_plan_makes_the_tables_anew_and_the_ledger_knows_them(grown, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(grown[0], folder)
    plan = folder / "study.toml"
    plan.write_text(plan.read_text().replace("under = 60", "under = 2"))
    reads = Reads(folder)
    assert study.run(folder, ["import", "classify", "measure"], watcher=reads).failures == ()
    assert reads.seen["measure:pine"]["cores"] == ["pine"]
    assert study.verify(folder) == []
    assert study.outlook(folder, ["import", "classify", "measure"]) == []
