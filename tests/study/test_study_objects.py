"""Objects in a study: the table the plan asks for, and that nothing else is done again for it."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from soilscope import classify, study
from soilscope.study.plan import CorePlan, ObjectsPlan, Plan, StructurePlan
from soilscope.volume import read_store

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"), CorePlan(id="sand", path="scans/sandy-0/dicom"))
STONES = ObjectsPlan(name="stones", of=(5,), at_least_mm3=1.0)
POM = ObjectsPlan(name="organic particles", of=(2,), beside=(5,))


def plan(*objects: ObjectsPlan) -> Plan:
    quick = StructurePlan(metrics=("fraction", "porosity"), sensitivity="off")
    return Plan(name="t", scheme="physical", cores=CORES, structure=quick, objects=objects)


def test_a_plan_with_objects_gets_their_table_and_one_without_gets_none(scans, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(scans / "scans", folder / "scans")
    study.write_plan(folder, plan())
    assert study.run(folder).failures == ()
    path = folder / "tables" / "objects.csv"
    assert not path.exists()

    (folder / "study.toml").unlink()
    study.write_plan(folder, plan(STONES, POM))
    todo = set(study.outlook(folder))
    assert {"measure:pine", "measure:sand", "measure:_tables", "report:_page"} <= todo
    assert not {key for key in todo if key.startswith(("import:", "classify:"))}
    assert study.run(folder).failures == ()

    table = pd.read_csv(path, dtype={"class": str})
    assert set(table["core"]) <= {"pine", "sand"}
    assert set(table["kind"]) <= {"stones", "organic particles"}
    pine = read_store(folder / "cores" / "pine.zarr")
    bodies, _ = ndimage.label(classify(pine, "physical") == 5, ndimage.generate_binary_structure(3, 3))
    sizes = np.bincount(bodies.ravel())[1:] * np.prod(pine.spacing_mm)
    rows = table[(table["core"] == "pine") & (table["kind"] == "stones")]
    assert sorted(rows["volume_mm3"]) == pytest.approx(sorted(sizes[sizes >= 1.0]))
    assert len(rows) > 0, "the soil has stones"
