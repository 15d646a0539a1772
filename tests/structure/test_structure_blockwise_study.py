"""A study takes a core slab by slab where it does not fit, with the same tables; and says so where even that is too much."""

import json

import numpy as np
import pandas as pd
import pytest
from known_bodies import blobs
from pandas.testing import assert_frame_equal

from soilscope.core.density import Rod, fit_density
from soilscope.errors import InputRefused
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps import blocks
from soilscope.study.steps.classify import classify_core
from soilscope.study.steps.edges import find_edges, scheme_of
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.measure import core_provenance, measure_core, slice_table
from soilscope.volume import Volume, read_store, write_store

CORE = CorePlan(id="3243", path="scan")
SPACING = (0.25, 0.351, 0.351)
BANDS = {"name": "banded", "edges": (-1500, 0, 1400, 3000), "bands": ((-600, 500), (1000, 1900)), "units": "HU"}
OTSU = {"name": "found", "method": "otsu", "classes": 3}
DENSITIES = {"name": "by density", "method": "density", "edges": (0.0, 0.5, 1.8, 9.0)}


def too_big(monkeypatch):
    """Just too little memory to hold the core."""
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: blocks.in_memory_gb((50, 40, 40), 2) - 1e-6)


def study_of(folder, scheme, source=None, **more):
    shape = (50, 40, 40)
    rng = np.random.default_rng(0)
    hu = np.where(blobs(shape, 0.3), -900, rng.integers(300, 2500, shape)).astype(np.int16)
    y, x = np.indices(shape[1:]) - 19.5
    valid = np.broadcast_to(np.hypot(y, x) < 19, shape).copy()
    write_store(folder / "cores/3243.zarr", Volume(hu, valid, SPACING, "HU", core="3243", source=source or {}))
    return Plan(name="large", scheme=scheme, cores=(CORE,), **more)


def made(folder, plan, heard):
    classify_core(folder, plan, CORE, heard.append)
    measure_core(folder, plan, "3243", heard.append)
    parts = folder / "parts"
    summary = json.loads((parts / "classify/3243.json").read_text())
    tables = [pd.read_parquet(parts / f"measure/3243.{kind}.parquet") for kind in ("slices", "core")]
    return summary, tables, json.loads((parts / "measure/3243.json").read_text())


@pytest.mark.parametrize("scheme", ["physical", "script-2021", "otsu-3", OTSU, BANDS, BANDS | {"grows": "brighter"}])
def test_a_study_has_the_same_tables_where_a_core_does_not_fit(tmp_path, monkeypatch, scheme):
    plan = study_of(tmp_path, scheme)
    summary, tables, provenance = made(tmp_path, plan, [])
    heard = []
    too_big(monkeypatch)
    again, by_slabs, its_provenance = made(tmp_path, plan, heard)
    assert again == summary
    assert its_provenance.pop("scheme") == summary["scheme"]
    provenance.pop("scheme")
    assert its_provenance == provenance
    for one, other in zip(by_slabs, tables, strict=True):
        assert_frame_equal(one, other, rtol=1e-12, check_exact=False)
    said = [message[-1] for message in heard if message[0] == "progress"]
    assert any("thickness" in text for text in said)
    assert any("slices and seams" in text for text in said)


def test_a_study_refuses_a_core_that_does_not_fit_at_all_with_the_figure(tmp_path, monkeypatch):
    plan = study_of(tmp_path, "physical")
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: 0.1)
    with pytest.raises(InputRefused) as told:
        classify_core(tmp_path, plan, CORE, [].append)
    assert told.value.code == "memory-budget"
    assert "0.10 GB" in str(told.value)


def test_densities_and_objects_of_a_core_that_does_not_fit_are_those_of_one_that_does(tmp_path, monkeypatch):
    density = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    kinds = ({"name": "stones", "of": (3,), "at_least_mm3": 0.2}, {"name": "pores", "of": (1,)})
    plan = study_of(
        tmp_path,
        DENSITIES,
        {"density": density.as_dict()},
        core={"density": "coreCT", "density_volume": True},
        objects=kinds,
    )
    volume = tmp_path / "density/3243.tif"
    extra = [tmp_path / "parts/measure" / f"3243.{kind}.parquet" for kind in ("materials", "objects")]
    made(tmp_path, plan, [])
    held, densities = [pd.read_parquet(path) for path in extra], volume.read_bytes()
    for path in [*extra, volume]:
        path.unlink()
    too_big(monkeypatch)
    made(tmp_path, plan, [])
    for path, expected in zip(extra, held, strict=True):
        assert len(expected) > 0
        assert_frame_equal(pd.read_parquet(path), expected, rtol=1e-9, check_exact=False)
    assert volume.read_bytes() == densities


def test_edges_of_all_cores_are_found_without_holding_one(tmp_path, monkeypatch):
    plan = study_of(tmp_path, OTSU | {"over": "study"})
    monkeypatch.setattr(blocks, "memory_gb", lambda _plan: 0.1)
    find_edges(tmp_path, plan, Gathered(None, frozenset({"import:3243"}), {}, {}), [].append)
    expected = plan.scheme_value().resolve_for([read_store(tmp_path / "cores/3243.zarr")])
    assert scheme_of(tmp_path, plan) == expected


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"objects": ({"name": "biopores", "of": (1,), "shape": "tubes", "at_least_mm": 1.0},)}, "biopores"),
        ({"objects": ({"name": "litter", "of": (2,), "beside": (3,)},)}, "litter"),
    ],
)
def test_kinds_of_objects_that_need_the_whole_core_cost_no_other_table(tmp_path, monkeypatch, asked, named):
    """36. ... "too big" is said with the figure, and of what is too big alone."""
    stones = {"name": "stones", "of": (5,)}
    plan = study_of(tmp_path, **{"scheme": "physical", "objects": (*asked["objects"], stones)})
    too_big(monkeypatch)
    made(tmp_path, plan, [])
    (told,) = [f for f in core_provenance(tmp_path, "3243")["findings"] if f["code"] == "objects-not-blockwise"]
    estimate = blocks.tubes_gb if "shape" in asked["objects"][0] else blocks.in_memory_gb
    assert named in told["text"]
    assert "stones" not in told["text"]
    assert f"{estimate((50, 40, 40), 2):.2f} GB" in told["text"]
    assert named not in set(pd.read_parquet(tmp_path / "parts/measure/3243.objects.parquet")["kind"])
    assert len(slice_table(tmp_path, "3243"))
