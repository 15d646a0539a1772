"""A study takes a core slab by slab where it does not fit, with the same tables; and says so where even that is too much."""

import json

import numpy as np
import pandas as pd
import pytest
from known_bodies import blobs
from pandas.testing import assert_frame_equal

from soilscope.errors import InputRefused
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps import blocks
from soilscope.study.steps.classify import classify_core
from soilscope.study.steps.measure import measure_core
from soilscope.volume import Volume, write_store

CORE = CorePlan(id="3243", path="scan")


def study_of(folder, scheme):
    shape = (50, 40, 40)
    rng = np.random.default_rng(0)
    hu = np.where(blobs(shape, 0.3), -900, rng.integers(300, 2500, shape)).astype(np.int16)
    y, x = np.indices(shape[1:]) - 19.5
    valid = np.broadcast_to(np.hypot(y, x) < 19, shape).copy()
    write_store(folder / "cores/3243.zarr", Volume(hu, valid, (0.25, 0.351, 0.351), "HU", core="3243"))
    return Plan(name="large", scheme=scheme, cores=(CORE,))


def made(folder, plan, heard):
    classify_core(folder, plan, CORE, heard.append)
    measure_core(folder, plan, "3243", heard.append)
    parts = folder / "parts"
    summary = json.loads((parts / "classify/3243.json").read_text())
    tables = [pd.read_parquet(parts / f"measure/3243.{kind}.parquet") for kind in ("slices", "core")]
    return summary, tables, json.loads((parts / "measure/3243.json").read_text())


@pytest.mark.parametrize("scheme", ["physical", "script-2021"])
def test_a_study_has_the_same_tables_where_a_core_does_not_fit(tmp_path, monkeypatch, scheme):
    plan = study_of(tmp_path, scheme)
    summary, tables, provenance = made(tmp_path, plan, [])
    heard = []
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: blocks.in_memory_gb((50, 40, 40), 2) - 1e-6)
    again, by_slabs, its_provenance = made(tmp_path, plan, heard)
    assert again == summary
    assert its_provenance.pop("scheme") == summary["scheme"]
    provenance.pop("scheme")
    assert its_provenance == provenance
    for one, other in zip(by_slabs, tables, strict=True):
        assert_frame_equal(one, other, rtol=1e-12, check_exact=False)
    said = [text for _, _, _, text in heard]
    assert any("thickness" in text for text in said)
    assert any("slices and seams" in text for text in said)


def test_a_study_refuses_a_core_that_does_not_fit_at_all_with_the_figure(tmp_path, monkeypatch):
    plan = study_of(tmp_path, "physical")
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: 0.1)
    with pytest.raises(InputRefused) as told:
        classify_core(tmp_path, plan, CORE, [].append)
    assert told.value.code == "memory-budget"
    assert "0.10 GB" in str(told.value)


def test_labels_made_elsewhere_need_the_core_in_memory_and_are_refused_where_it_does_not_fit(tmp_path, monkeypatch):
    plan = study_of(tmp_path, "physical").model_copy(update={"labels": "masks/{core}.tif", "label_names": {1: "roots"}})
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: 0.4)
    with pytest.raises(InputRefused) as told:
        measure_core(tmp_path, plan, "3243", [].append)
    assert told.value.code == "memory-budget"
    assert "labels" in str(told.value)
