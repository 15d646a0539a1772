"""Values of classes in a study: the table, whatever the memory, and another erosion."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilscope import study
from soilscope.study.plan import CorePlan, MeasurePlan, Plan, StructurePlan, read_plan
from soilscope.study.steps.blocks import large_core

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"),)
STRUCTURE = StructurePlan(metrics=("fraction", "porosity"), sensitivity="off", erode=2)


def run(scans: Path, folder: Path, memory_gb: float | None) -> Path:
    shutil.copytree(scans / "scans", folder / "scans")
    made = Plan(name="t", scheme="physical", cores=CORES, structure=STRUCTURE, measure=MeasurePlan(memory_gb=memory_gb))
    study.write_plan(folder, made)
    assert study.run(folder, ["import", "classify", "measure"]).failures == ()
    return folder


@pytest.fixture(scope="module")
def valued(scans, tmp_path_factory) -> Path:
    return run(scans, tmp_path_factory.mktemp("valued") / "study", None)


def test_a_core_taken_slab_by_slab_has_the_same_class_values(valued, scans, tmp_path):
    small = run(scans, tmp_path / "small", 0.451)
    assert large_core(small, read_plan(small), "pine") is not None
    whole, slabs = (pd.read_csv(at / "tables" / "class_values.csv", dtype={"class": str}) for at in (valued, small))
    pd.testing.assert_frame_equal(whole, slabs)
    assert len(whole) == 24 * 5
    assert (whole["voxels_eroded"] < whole["voxels"]).any()


def test_class_values_count_the_voxels_that_fractions_count(valued):
    values = pd.read_csv(valued / "tables" / "class_values.csv", dtype={"class": str})
    slices = pd.read_csv(valued / "tables" / "slices.csv", dtype={"class": str})
    both = values.merge(slices, on=["slice", "class"])
    share = both["voxels"] / both.groupby("slice")["voxels"].transform("sum")
    np.testing.assert_allclose(share, both["fraction"])
    assert (values["erode"] == 2).all()


def test_another_erosion_takes_values_anew_and_nothing_else_is_measured(valued, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(valued, folder)
    text = (folder / "study.toml").read_text()
    assert text.count("erode = 2") == 1
    (folder / "study.toml").write_text(text.replace("erode = 2", "erode = 1"))
    assert study.outlook(folder, ["measure"]) == ["measure:_values.pine", "measure:_values"]
    (folder / "study.toml").write_text(text.replace("erode = 2", 'erode = "off"'))
    assert study.outlook(folder, ["measure"]) == []
