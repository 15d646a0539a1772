"""Further tables of a study: windows, pore sizes and retention, fine earth, lengths of tubes, each made where it is asked for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilscope import study
from soilscope.errors import PlanError
from soilscope.study.plan import CorePlan, MeasurePlan, ObjectsPlan, Plan, RunPlan, StructurePlan, read_plan
from soilscope.study.steps.further import FURTHER

CORES = (CorePlan(id="pine", path="scans/pine-forest-0/dicom"), CorePlan(id="sand", path="scans/sandy-0/dicom"))
TUBES = ObjectsPlan(name="roots", of=(2,), shape="tubes", at_least_mm=1.0)
STRUCTURE = StructurePlan(metrics=("fraction", "porosity"), sensitivity="off", erode="off", stones_mm3=1.0)


def run(scans: Path, folder: Path, **plan) -> study.Summary:
    shutil.copytree(scans / "scans", folder / "scans", dirs_exist_ok=True)
    given = {"scheme": "physical", "structure": STRUCTURE, "objects": (TUBES,)} | plan
    study.write_plan(folder, Plan(name="t", cores=CORES, run=RunPlan(workers=2), **given))
    return study.run(folder, ["import", "classify", "measure"])


@pytest.fixture(scope="module")
def further(scans, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("further") / "study"
    assert run(scans, folder).failures == ()
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / f"{name}.csv", dtype={"class": str})


def test_windows_of_every_core_class_and_metric_stand_in_their_table(further):
    found, cores = table(further, "representative"), table(further, "cores")
    assert set(found["core"]) == {"pine", "sand"}
    assert set(found["metric"]) == {"fraction", "surface-density"}
    whole = found[found["metric"] == "fraction"].drop_duplicates(["core", "class"]).set_index(["core", "class"])
    expected = cores[cores["metric"] == "fraction"].set_index(["core", "class"])["value"]
    pd.testing.assert_series_equal(whole["core_value"], expected[whole.index], check_names=False)


def test_windows_pores_and_lengths_say_how_far_they_are(further, tmp_path):
    """Progress for whatever takes over 2 s."""
    shutil.copytree(further, tmp_path / "study")
    told: list[tuple] = []
    for kind in FURTHER:
        kind.measure(tmp_path / "study", read_plan(further), "pine", told.append)
    words = {text: (done, of) for _, done, of, text in told}
    assert {"windows of class 2 of pine", "water retention of pine", "lengths of roots of pine"} <= words.keys()
    assert words["water retention of pine"] == (5, 5)
    done = [done for _, done, _, text in told if text.startswith("windows of class")]
    assert done == sorted(done)
    assert len(set(done)) > 2


def test_pore_sizes_and_retention_of_a_study_agree_with_the_porosity_of_its_pores(further):
    sizes, water, cores = (table(further, name) for name in ("pore_sizes", "retention", "cores"))
    assert set(sizes["name"]) == {"air"}
    solid = cores[(cores["metric"] == "porosity") & (cores["class"] == "1")].set_index("core")["value"]
    for core, own in sizes.groupby("core"):
        assert own["fraction"].sum() == pytest.approx(1 - solid[core], abs=1e-9)
        of_core = water[water["core"] == core]
        np.testing.assert_allclose(of_core["air_upper"] + of_core["water_lower"], 1 - solid[core], atol=1e-9)
        assert (np.diff(of_core["suction_cm"]) > 0).all()
        assert (np.diff(of_core["air_upper"]) >= 0).all()


def test_fine_earth_of_a_study_sums_to_one_in_slices_and_cores(further):
    slices, cores = table(further, "fine_earth"), table(further, "fine_earth_cores")
    np.testing.assert_allclose(slices.groupby(["core", "slice"])["fine_earth_fraction"].sum(min_count=1).dropna(), 1.0)
    np.testing.assert_allclose(cores.groupby("core")["fine_earth_fraction"].sum(), 1.0)
    fractions = table(further, "slices").set_index(["core", "class", "slice"])["fraction"]
    ours = slices.set_index(["core", "class", "slice"])["fraction"]
    pd.testing.assert_series_equal(ours.sort_index(), fractions.sort_index(), check_names=False)


def test_lengths_of_tubes_sum_to_those_of_their_objects(further):
    lengths, objects = table(further, "tube_lengths"), table(further, "objects")
    by_core = objects.groupby("core")["skeleton_mm"].sum()
    for core, own in lengths.groupby("core"):
        assert own["length_mm"].sum() == pytest.approx(by_core.get(core, 0.0), rel=1e-9)


def test_the_report_of_a_study_has_a_part_for_each_of_these_tables_and_keeps_its_figures(further, tmp_path):
    """Each core's pores, objects and stones are told on the page; the figures stand alone too and say what they show."""
    folder = tmp_path / "study"
    shutil.copytree(further, folder)
    assert study.run(folder).failures == ()
    page = (folder / "report.html").read_text(encoding="utf-8")
    for title in ("Pores and water", "Objects", "Stones and fine earth", "Representative volume"):
        assert page.count(f"<h4>{title}</h4>") == 2
    for name in (
        "pore_sizes",
        "retention",
        "objects",
        "tube_lengths",
        "fine_earth",
        "representative",
        "comparison",
        "horizons",
    ):
        assert f"tables/{name}.csv" in page
    number = int((table(folder, "objects")["core"] == "pine").sum())
    drawn = (folder / "figures" / "pine.objects.svg").read_text(encoding="utf-8")
    assert f"<title>Sizes of the objects of pine: {number} object" in drawn
    assert "<desc>Pore sizes of pine" in (folder / "figures" / "pine.pores.svg").read_text(encoding="utf-8")


def test_a_plan_without_pores_stones_tubes_and_windows_has_no_such_items(scans, tmp_path):
    folder = tmp_path / "plain"
    bare = StructurePlan(metrics=("fraction",), sensitivity="off", erode="off", representative="off")
    assert run(scans, folder, scheme="paper-2021", structure=bare, objects=()).failures == ()
    made = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert made == {"slices", "cores", "horizons", "comparison", "timings"}


def test_a_core_that_does_not_fit_has_no_windows_and_says_so(scans, tmp_path):
    folder = tmp_path / "small"
    asked = StructurePlan(metrics=("fraction",), sensitivity="off", erode="off", pores=(), stones=())
    summary = run(scans, folder, structure=asked, objects=(), measure=MeasurePlan(memory_gb=0.451))
    assert summary.failures == ()
    told = dict(summary.declined)["measure:_windows.pine"]
    assert re.search(
        r"need the whole of core 'pine' in memory \(0\.\d\d GB of memory needed, 0\.45 GB may be used\)", told
    )
    assert not (folder / "tables" / "representative.csv").exists()
    plan = folder / "study.toml"
    plan.write_text(plan.read_text().replace("memory_gb = 0.451", "memory_gb = 4"))
    assert study.run(folder, ["measure"]).declined == ()
    assert (folder / "tables" / "representative.csv").exists()


def test_another_tolerance_takes_windows_anew_and_measures_nothing_else(further, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(further, folder)
    text = (folder / "study.toml").read_text()
    assert text.count("representative = 0.1\n") == 1
    (folder / "study.toml").write_text(text.replace("representative = 0.1\n", "representative = 0.2\n"))
    assert study.outlook(folder, ["measure"]) == [
        "measure:_windows.pine", "measure:_windows.sand", "measure:_windows",
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "wrong"), [("pores", "[9]"), ("stones", "[5, 5]")])
def test_pores_and_stones_that_are_no_classes_are_told_with_the_plan_s_mistakes(tmp_path, key, wrong):
    text = f'name = "t"\nscheme = "physical"\n[[cores]]\nid = "a"\npath = "x"\n[structure]\n{key} = {wrong}\n'
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(PlanError, match=rf"line 7: structure\.{key}: classes"):
        read_plan(tmp_path)
