"""A core that did not fit into memory is measured whole as soon as it does, and until then nothing is done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from soilscope import study
from soilscope.study.plan import CorePlan, MeasurePlan, Plan, StructurePlan
from soilscope.study.run import outlook
from soilscope.study.steps import blocks

STEPS = ["import", "classify", "measure"]
CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"),)
STRUCTURE = StructurePlan(metrics=("fraction", "porosity"), representative_metrics=("fraction",))
ENOUGH, WIDER, LITTLE = 8.0, 0.47, 0.451


def planned(scans: Path, folder: Path) -> Path:
    shutil.copytree(scans / "scans", folder / "scans")
    study.write_plan(folder, Plan(name="t", scheme="physical", cores=CORES, structure=STRUCTURE))
    return folder


def tables(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "tables").iterdir()) if p.name != "timings.csv"}


def test_what_a_core_lacks_for_want_of_memory_is_made_once_there_is_enough(scans, tmp_path, monkeypatch):
    """36. ... the same results; what memory happened to be free at the first run decides nothing for good."""
    monkeypatch.setattr(blocks, "available_gb", lambda: ENOUGH)
    whole = planned(scans, tmp_path / "whole")
    held = study.run(whole, STEPS)
    assert held.failures == ()

    later = planned(scans, tmp_path / "later")
    monkeypatch.setattr(blocks, "available_gb", lambda: LITTLE)
    first = study.run(later, STEPS)
    assert first.failures == ()
    assert "measure:_windows.pine" in dict(first.declined)
    assert not (later / "tables" / "representative.csv").exists()
    assert outlook(later, STEPS) == []
    assert study.run(later, STEPS).done == 0

    monkeypatch.setattr(blocks, "available_gb", lambda: ENOUGH)
    assert {"measure:pine", "measure:_windows.pine"} <= set(outlook(later, STEPS))
    again = study.run(later, STEPS)
    assert (again.failures, again.declined) == ((), held.declined)
    assert tables(later) == tables(whole)
    assert study.run(later, STEPS).done == 0


def test_a_core_that_was_held_whole_stays_so_when_less_memory_is_free(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "available_gb", lambda: ENOUGH)
    folder = planned(scans, tmp_path / "study")
    assert study.run(folder, STEPS).failures == ()
    monkeypatch.setattr(blocks, "available_gb", lambda: LITTLE)
    assert study.run(folder, STEPS).done == 0
    assert len(pd.read_csv(folder / "tables" / "representative.csv"))
    assert not any("whole_gb" in item for item in json.loads((folder / "ledger.json").read_text())["items"].values())


def test_a_thickness_that_memory_did_not_let_see_is_measured_once_there_is_more(scans, tmp_path):
    """36. ... the same results: of one plan, whatever was measured with less memory before."""
    structure = StructurePlan(
        metrics=("local-thickness",), sensitivity_metrics=("local-thickness",), representative="off"
    )
    tabled, missing = {}, {}
    for way, budgets in {"at once": (WIDER,), "after less": (LITTLE, WIDER), "less again": (WIDER, LITTLE)}.items():
        folder = tmp_path / way.replace(" ", "-")
        shutil.copytree(scans / "scans", folder / "scans")
        for budget in budgets:
            plan = Plan(
                name="t", scheme="physical", cores=CORES, structure=structure, measure=MeasurePlan(memory_gb=budget)
            )
            (folder / study.PLAN_FILE).unlink(missing_ok=True)
            study.write_plan(folder, plan)
            assert study.run(folder, STEPS).failures == ()
            thickness = pd.read_csv(folder / "tables" / "cores.csv").query("metric == 'local-thickness'")
            missing.setdefault(budget, []).append(int(thickness["value"].isna().sum()))
        assert study.run(folder, STEPS).done == 0
        tabled[way] = tables(folder)
    assert missing[LITTLE][0] > missing[WIDER][0]
    for name in ("cores.csv", "slices.csv", "sensitivity.csv"):
        assert tabled["at once"][name] == tabled["after less"][name] == tabled["less again"][name], name
