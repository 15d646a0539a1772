"""A scan that changed to something that is refused: what was made of it before stays, in the joined tables too."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from soilscope import phantoms, study
from soilscope.cli.app import app
from soilscope.study.core_plan import SoilPlan
from soilscope.study.plan import PLAN_FILE, CorePlan, Plan, StructurePlan

CORES = ("sandy", "arable")


def two_cores(**changed) -> Plan:
    cores = tuple(CorePlan(id=soil, path=f"scans/{soil}/dicom") for soil in CORES)
    asked = {"structure": StructurePlan(metrics=("fraction", "porosity")), **changed}
    return Plan(name="two", cores=cores, **asked)


@pytest.fixture
def measured(tmp_path):
    for soil in CORES:
        phantoms.write(phantoms.make(soil, shape=(10, 32, 32)), tmp_path / "scans" / soil)
    study.write_plan(tmp_path, two_cores())
    assert study.run(tmp_path, study.steps_until("measure")).failures == ()
    return tmp_path


def refuse(folder, soil="sandy") -> None:
    """Flip a bit in the pixels of one slice, and take another slice out: one is found by its digest, one is a gap."""
    files = sorted((folder / "scans" / soil / "dicom").iterdir())
    data = bytearray(files[4].read_bytes())
    data[-101] ^= 1
    files[4].write_bytes(data)
    files[6].unlink()


def replan(folder, plan) -> None:
    """Another plan in the place of the study's."""
    (folder / PLAN_FILE).unlink()
    study.write_plan(folder, plan)


def cores_in(folder, table="slices") -> set[str]:
    return set(pd.read_csv(folder / f"tables/{table}.csv")["core"])


def until_measure(folder):
    return study.run(folder, study.steps_until("measure"))


def test_the_rows_of_a_core_whose_scan_is_refused_now_stay_as_they_were(measured):
    before = {p.name: p.read_bytes() for p in (measured / "tables").iterdir() if p.name != "timings.csv"}
    refuse(measured)
    for _ in range(2):
        summary = until_measure(measured)
        (failure,) = summary.failures
        assert (failure.key, summary.done, summary.failed) == ("import:sandy", 0, 1)
        assert "stays" in str(failure)
        assert {p.name: p.read_bytes() for p in (measured / "tables").iterdir() if p.name != "timings.csv"} == before


def test_what_else_is_asked_of_such_a_core_is_measured_on_the_scan_as_it_was(measured):
    refuse(measured)
    more = StructurePlan(metrics=("fraction", "porosity", "euler-2d"))
    replan(measured, two_cores(structure=more))
    summary = until_measure(measured)
    assert [f.key for f in summary.failures] == ["import:sandy"]
    table = pd.read_csv(measured / "tables/cores.csv")
    assert set(table[table["metric"] == "euler-2d"]["core"]) == set(CORES)
    assert cores_in(measured) == set(CORES)


def test_where_the_plan_asks_for_another_import_too_nothing_of_the_core_stays(measured):
    """Rows of an import that nobody asks for any more must not stand beside those of the new one."""
    refuse(measured)
    replan(measured, two_cores(core=SoilPlan(top_mm=0.5)))
    summary = until_measure(measured)
    assert "import:sandy" in {f.key for f in summary.failures}
    assert cores_in(measured) == cores_in(measured, "cores") == {"arable"}


def test_several_changes_one_after_another_do_not_make_the_first_forgotten(measured):
    for _ in range(3):
        refuse(measured)
        assert [f.key for f in until_measure(measured).failures] == ["import:sandy"]
        assert cores_in(measured) == set(CORES)


def test_a_study_of_refused_cores_alone_is_refused_and_one_with_others_is_done_in_part(measured):
    """Exit codes 3 (input refused) and 4 (done in part) of the contract."""

    def ran() -> tuple[int, dict[str, int]]:
        done = CliRunner().invoke(app, ["run", str(measured), "--until", "measure", "--json"])
        return done.exit_code, json.loads(done.stdout.splitlines()[-1])

    refuse(measured)
    code, said = ran()
    assert (code, said["done"], said["failed"]) == (4, 0, 1)
    items = json.loads((measured / "ledger.json").read_text())["items"]
    assert said["skipped"] == sum("sandy" not in key for key in items)
    refuse(measured, "arable")
    code, said = ran()
    assert (code, said["skipped"], said["failed"]) == (3, 0, 2)


def test_a_study_whose_only_scan_is_refused_has_no_tables(tmp_path):
    """Where nothing was ever done, there is nothing to tell the time of either."""
    phantoms.write(phantoms.make("sandy", shape=(10, 32, 32)), tmp_path / "scans" / "sandy")
    sorted((tmp_path / "scans" / "sandy" / "dicom").iterdir())[6].unlink()
    study.write_plan(tmp_path, two_cores().model_copy(update={"cores": two_cores().cores[:1]}))
    assert next(failure.key for failure in until_measure(tmp_path).failures) == "import:sandy"
    assert list(tmp_path.glob("tables/*")) == []


def test_a_refused_mask_of_the_only_core_is_refused_as_its_scan_would_be(tmp_path):
    """Exit code 3 (input refused) where nothing is done beside what failed, 4 (done in part) where something is."""
    for soil in CORES:
        phantoms.write(phantoms.make(soil, shape=(10, 32, 32)), tmp_path / "scans" / soil)
    (tmp_path / "masks").mkdir()

    def mask(soil: str, planes: int) -> None:
        np.save(tmp_path / "masks" / f"{soil}.npy", np.ones((planes, 32, 32), np.uint8))

    def ran() -> tuple[int, dict]:
        done = CliRunner().invoke(app, ["run", str(tmp_path), "--until", "measure", "--json"])
        return done.exit_code, json.loads(done.stdout.splitlines()[0])

    masks = two_cores(labels="masks/{core}.npy", label_names={1: "soil"})
    masks = masks.model_copy(update={"cores": tuple(c.model_copy(update={"soil": "whole"}) for c in masks.cores)})
    study.write_plan(tmp_path, masks.model_copy(update={"cores": masks.cores[:1]}))
    for planes, code in ((9, 3), (10, 0), (9, 3)):
        mask("sandy", planes)
        assert ran()[0] == code
    replan(tmp_path, masks)
    mask("arable", 10)
    code, said = ran()
    assert (code, said["error"]["code"]) == (4, "done-in-part")
    assert said["error"]["files"] == ["sandy.npy"]
