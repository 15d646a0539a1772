"""Labels made elsewhere give the tables that the same classes give when the study makes them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import soilscope as ss
from soilscope import study
from soilscope.classes import scheme
from soilscope.study.plan import CorePlan, ObjectsPlan, Plan, StructurePlan

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
