"""Sensitivity and horizons in a study: their tables, and what is done again when the plan changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilscope import classify, study
from soilscope.classes import scheme
from soilscope.study.plan import CorePlan, Plan
from soilscope.volume import read_store

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"), CorePlan(id="sand", path="scans/sandy-0/dicom"))


@pytest.fixture(scope="module")
def measured(scans, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("moved") / "study"
    shutil.copytree(scans / "scans", folder / "scans")
    study.write_plan(folder, Plan(name="t", scheme="physical", cores=CORES))
    assert study.run(folder).failures == ()
    return folder


def test_the_table_of_sensitivities_holds_what_moved_edges_give(measured):
    table = pd.read_csv(measured / "tables" / "sensitivity.csv", dtype={"class": str})
    assert list(table.columns) == ["core", "class", "name", "metric", "value", "low", "high", "unit", "shift"]
    assert set(table["metric"]) == {"fraction", "porosity"}
    pine = read_store(measured / "cores" / "pine.zarr")
    shares = []
    for by in (-50.0, 0.0, 50.0):
        labels = classify(pine, scheme("physical").shifted(by))
        shares.append(np.bincount(labels[pine.valid], minlength=6)[1:] / pine.valid.sum())
    rows = table[(table["core"] == "pine") & (table["metric"] == "fraction")].sort_values("class")
    np.testing.assert_allclose(rows["value"], shares[1])
    np.testing.assert_allclose(rows["low"], np.min(shares, axis=0))
    np.testing.assert_allclose(rows["high"], np.max(shares, axis=0))


def test_horizons_cover_each_core_from_top_to_bottom(measured):
    table = pd.read_csv(measured / "tables" / "horizons.csv")
    for core, rows in table.groupby("core"):
        assert rows["top_mm"].iloc[0] == 0.0, core
        assert rows["bottom_mm"].iloc[-1] == pytest.approx(24 * 0.25)
        np.testing.assert_allclose(rows["top_mm"].iloc[1:], rows["bottom_mm"].iloc[:-1])
        np.testing.assert_allclose(rows.filter(like="fraction_").sum(axis=1), 1.0)


def test_another_shift_measures_no_core_anew_and_off_moves_nothing(measured, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(measured, folder)
    plan = (folder / "study.toml").read_text()
    assert plan.count('sensitivity = "auto"') == 1
    (folder / "study.toml").write_text(plan.replace('sensitivity = "auto"', "sensitivity = 20.0"))
    todo = study.outlook(folder)
    assert {"measure:_sensitivity.pine", "measure:_sensitivity", "report:pine", "report:_page"} <= set(todo)
    assert "measure:pine" not in todo
    (folder / "study.toml").write_text(plan.replace('sensitivity = "auto"', 'sensitivity = "off"'))
    assert not [key for key in study.outlook(folder) if "sensitivity" in key]
