"""What follows from a changed input that was accepted, and what `init` writes for the machine it runs on."""

from __future__ import annotations

import os
import tomllib

import pandas as pd
from dicom_files import save, series
from typer.testing import CliRunner

from soilscope import phantoms, study
from soilscope.cli.app import app
from soilscope.study.plan import PLAN_FILE, CorePlan, LearnPlan, Plan


def begun(folder, *cores) -> None:
    """A study without models of some phantoms, measured."""
    for seed, core in enumerate(cores):
        phantoms.write(phantoms.make("sandy", seed=seed, shape=(10, 32, 32)), folder / core)
    plan = Plan(
        name="s",
        scheme="paper-2021",
        cores=tuple(CorePlan(id=core, path=str(folder / core / "dicom")) for core in cores),
        learn=LearnPlan(targets=()),
    )
    study.write_plan(folder / "s", plan)
    study.keep_inputs(folder / "s", plan)


def test_what_depends_on_an_accepted_input_reruns_and_nothing_else(tmp_path):
    """29. Resume with changed ... input -> that step and its dependants rerun."""
    begun(tmp_path, "one", "two")
    assert not study.run(tmp_path / "s", study.steps_until("measure")).failures
    before = pd.read_csv(tmp_path / "s/tables/slices.csv")
    phantoms.write(phantoms.make("sandy", seed=7, shape=(10, 32, 32)), tmp_path / "other")
    files, others = (sorted((tmp_path / name / "dicom").iterdir()) for name in ("one", "other"))
    for file, other in zip(files, others, strict=True):
        file.write_bytes(other.read_bytes())
    refused = study.run(tmp_path / "s", study.steps_until("measure"))
    assert {f.error.code for f in refused.failures} >= {"input-changed"}
    accepted = study.accept_inputs(tmp_path / "s", study.read_plan(tmp_path / "s"))
    assert len(accepted) == 10
    rerun = {key for key in study.outlook(tmp_path / "s") if key.partition(":")[0] in ("import", "classify", "measure")}
    assert {"import:one", "classify:one", "measure:one", "measure:_tables"} <= rerun
    assert not any(key.endswith("two") for key in rerun)
    assert not study.run(tmp_path / "s", study.steps_until("measure")).failures
    after = pd.read_csv(tmp_path / "s/tables/slices.csv")
    same = before["core"] == "two"
    pd.testing.assert_frame_equal(after[same], before[same])
    assert not after[~same].equals(before[~same])


def test_init_of_one_core_plans_with_all_processors_and_of_several_with_one_each(tmp_path, monkeypatch):
    """One core is learnt by as many threads as there are processors; several cores are spread over workers instead."""
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    scan = phantoms.make("sandy", shape=(10, 32, 32)).volume.values.astype("int16") + 1024
    for name in ("one/a", "two/a", "two/b"):
        save(series(scan), tmp_path / name)
    for cores, threads, workers in (("one", 6, 1), ("two", 1, 2)):
        ran = CliRunner().invoke(app, ["init", str(tmp_path / f"s-{cores}"), "--cores", str(tmp_path / cores)])
        assert ran.exit_code == 0
        plan = tomllib.loads((tmp_path / f"s-{cores}" / PLAN_FILE).read_text())
        assert plan["learn"]["threads"] == threads
        assert plan.get("run", {}).get("workers", 1) == workers
