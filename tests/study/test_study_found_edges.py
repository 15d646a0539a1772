"""Schemes whose edges are found reach the tables, and a pooled one is the same for all cores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.filters import threshold_multiotsu

from soilscope import study
from soilscope.study.plan import CorePlan, Plan, SchemePlan
from soilscope.study.steps.edges import PART
from soilscope.volume import read_store

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"), CorePlan(id="sand", path="scans/sandy-0/dicom"))


@pytest.fixture(scope="module")
def of_all_cores(scans, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pooled") / "study"
    shutil.copytree(scans / "scans", folder / "scans")
    scheme = SchemePlan(name="three", method="otsu", classes=3, over="study")
    study.write_plan(folder, Plan(name="t", scheme=scheme, cores=CORES))
    assert study.run(folder).failures == ()
    return folder


def test_one_set_of_thresholds_is_found_in_all_cores(of_all_cores):
    stores = [read_store(of_all_cores / "cores" / f"{core.id}.zarr") for core in CORES]
    pooled = np.concatenate([store.values[store.valid] for store in stores]).astype(float)
    held = json.loads((of_all_cores / "tables" / "provenance.json").read_text())["cores"]
    for core in CORES:
        edges = held[core.id]["scheme"]["edges"]
        np.testing.assert_allclose(edges[1:-1], threshold_multiotsu(pooled, classes=3, nbins=256), atol=1e-9)
        assert "2 cores together" in held[core.id]["scheme"]["source"]


def test_every_voxel_has_a_class_under_thresholds_of_all_cores(of_all_cores):
    shares = pd.read_csv(of_all_cores / "tables" / "slices.csv").groupby(["core", "slice"])["fraction"].sum()
    np.testing.assert_allclose(shares, 1.0)


def test_a_second_run_finds_no_edges_anew_and_another_number_of_classes_does(of_all_cores, tmp_path):
    assert study.run(of_all_cores).done == 0
    folder = tmp_path / "study"
    shutil.copytree(of_all_cores, folder)
    plan = (folder / "study.toml").read_text()
    assert plan.count("classes = 3") == 1
    (folder / "study.toml").write_text(plan.replace("classes = 3", "classes = 2"))
    todo = study.outlook(folder)
    assert "classify:_edges" in todo
    assert "import:pine" not in todo
    assert (folder / PART).exists()
