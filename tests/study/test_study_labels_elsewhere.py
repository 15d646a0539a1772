"""Labels made elsewhere give the tables that the same classes give when the study makes them."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import soilscope as ss
from soilscope import study
from soilscope.classes import scheme
from soilscope.errors import InputRefused
from soilscope.study.plan import CorePlan, ObjectsPlan, Plan, StructurePlan, read_plan
from soilscope.study.steps import blocks
from soilscope.study.steps.classify import classify_core
from soilscope.volume import read_store

TABLES = (
    "slices", "cores", "horizons", "class_values", "representative", "pore_sizes", "retention", "fine_earth", "fine_earth_cores",
    "objects", "tube_lengths",
)  # fmt: skip
CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"),)
OBJECTS = (
    ObjectsPlan(name="roots", of=(2,), shape="tubes", at_least_mm=1.0),
    ObjectsPlan(name="stones", of=(5,), at_least_mm3=1.0),
)


@pytest.fixture(scope="module")
def both(scans, tmp_path_factory):
    """One study by a scheme, and one by its labels in a file."""
    made = []
    structure = StructurePlan(sensitivity="off", stones_mm3=1.0)
    names = dict(enumerate(scheme("physical").names, 1))
    for kind in ("own", "elsewhere"):
        folder = tmp_path_factory.mktemp(kind) / "study"
        shutil.copytree(scans / "scans", folder / "scans")
        plan = Plan(name="t", scheme="physical", cores=CORES, structure=structure, objects=OBJECTS)
        if kind == "elsewhere":
            scan = ss.read(folder / "scans" / "pine-forest-0" / "dicom")
            (folder / "masks").mkdir()
            np.save(folder / "masks" / "pine.npy", ss.classify(scan, "physical"))
            plan = plan.model_copy(update={"labels": "masks/{core}.npy", "label_names": names})
        study.write_plan(folder, plan)
        assert study.run(folder, ["import", "classify", "measure"]).failures == ()
        made.append(folder)
    return made


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_whether_classes_were_made_here_or_elsewhere(both, table):
    own, elsewhere = (pd.read_csv(folder / "tables" / f"{table}.csv") for folder in both)
    assert len(own)
    pd.testing.assert_frame_equal(own, elsewhere)


def test_provenance_says_which_classes_were_made_elsewhere(both):
    own, elsewhere = (json.loads((folder / "tables" / "provenance.json").read_text()) for folder in both)
    assert own["cores"]["pine"]["labels"] == "scheme"
    assert elsewhere["cores"]["pine"]["labels"] == "made elsewhere"
    assert elsewhere["cores"]["pine"]["scheme"] is None


OF_ANY_SIZE = ("slices", "cores", "horizons", "class_values", "objects", "fine_earth", "fine_earth_cores")


@pytest.fixture
def too_big(both, tmp_path, monkeypatch):
    """The study by labels again, with just too little memory to hold its core."""
    _, elsewhere = both
    shape = read_store(elsewhere / "cores" / "pine.zarr").shape
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: blocks.in_memory_gb(shape, 2) - 1e-6)
    folder = tmp_path / "study"
    for part in ("scans", "masks"):
        shutil.copytree(elsewhere / part, folder / part)
    study.write_plan(folder, read_plan(elsewhere).model_copy(update={"objects": OBJECTS[1:]}))
    return folder


def test_labels_made_elsewhere_have_the_same_tables_where_their_core_does_not_fit_into_memory(both, too_big):
    """Label volumes made elsewhere are measured exactly like our own classes: also slab by slab."""
    _, elsewhere = both
    summary = study.run(too_big, ["import", "classify", "measure"])
    assert summary.failures == ()
    assert "measure:_windows.pine" in dict(summary.declined)  # it was too large to be held whole
    for table in OF_ANY_SIZE:
        expected, found = (pd.read_csv(of / "tables" / f"{table}.csv") for of in (elsewhere, too_big))
        if table == "objects":
            expected = expected[expected["kind"] == "stones"].reset_index(drop=True)
        if table == "cores":
            expected, found = (frame[frame["metric"] != "local-thickness"] for frame in (expected, found))
        assert len(found)
        wide = [
            "local_thickness_mm",
            "width_mm",
        ]  # wider places than so little memory lets a block see are missing, and said
        expected, found = (frame.drop(columns=wide, errors="ignore") for frame in (expected, found))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6)
    own, told = (json.loads((of / "tables" / "provenance.json").read_text()) for of in (elsewhere, too_big))
    own, told = own["cores"]["pine"], told["cores"]["pine"]
    told["findings"] = [f for f in told["findings"] if f["code"] != "thickness-bound"]
    assert told == own


def test_a_core_taken_slab_by_slab_has_every_table_but_those_of_windows_and_tubes(both, too_big, monkeypatch):
    """Any size: pore sizes, retention, fine earth, objects and widths are there, with the numbers of the core in memory."""
    _, elsewhere = both
    monkeypatch.setattr(blocks, "in_memory_gb", lambda _shape, _itemsize: 1000.0)
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: 2.0)
    summary = study.run(too_big, ["import", "classify", "measure"])
    assert summary.failures == ()
    assert set(dict(summary.declined)) == {"measure:_windows.pine", "measure:_windows"}
    for table in sorted({*TABLES} - {"representative", "tube_lengths"}):
        expected, found = (pd.read_csv(of / "tables" / f"{table}.csv") for of in (elsewhere, too_big))
        if table == "objects":
            expected = expected[expected["kind"] == "stones"].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


def test_labels_are_refused_with_the_figure_where_scan_and_labels_do_not_fit_together(too_big, monkeypatch):
    """Too big is said with the figure, and with the key that raises the limit."""
    assert study.run(too_big, ["import"]).failures == ()
    monkeypatch.setattr("soilscope.structure.budget.BYTES_COMPARED", 10**6)
    with pytest.raises(InputRefused) as told:
        classify_core(too_big, read_plan(too_big), CORES[0], [].append)
    assert told.value.code == "memory-budget"
    assert re.search(r"needs \d+\.\d\d GB of memory, and 0\.\d\d GB may be used: raise memory_gb", str(told.value))
