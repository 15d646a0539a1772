"""The plan's [core] table: places, corrections, grey scales and densities reach the stores, tables and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from soilscope import phantoms, study
from soilscope.core.density import PRESETS, fit_density
from soilscope.errors import PlanError
from soilscope.phantoms.scanner import Scanner
from soilscope.study.core_plan import PlacePlan, RodPlan, SoilPlan
from soilscope.study.plan import CorePlan, Plan, SchemePlan
from soilscope.study.write import plan_text
from soilscope.volume import read_store

SCANNER = Scanner(wall_mm=2.8, headspace=(3, 2))
UNTIL_MEASURED = study.steps_until("measure")


def made(folder: Path, cores, **plan) -> study.Summary:
    study.write_plan(folder, Plan(name="t", cores=tuple(cores), **plan))
    return study.run(folder, UNTIL_MEASURED)


def found_codes(folder: Path, core: str) -> dict[str, str]:
    provenance = json.loads((folder / "tables" / "provenance.json").read_text(encoding="utf-8"))
    return {f["code"]: f["text"] for f in provenance["cores"][core]["findings"]}


@pytest.fixture(scope="module")
def hu_scan(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hu")
    phantoms.write(phantoms.make("sandy", seed=4, shape=(24, 64, 64), scanner=SCANNER), folder)
    return folder / "dicom"


def test_what_is_asked_of_a_core_is_done_and_told_everywhere(hu_scan, tmp_path):
    asked = SoilPlan(correct=("drift",), density="coreCT", density_volume=True)
    cores = [CorePlan(id="a", path=str(hu_scan)), CorePlan(id="b", path=str(hu_scan), core=PlacePlan(top_mm=2.0))]
    study.write_plan(tmp_path, Plan(name="t", cores=tuple(cores), scheme="physical", core=asked))
    assert study.run(tmp_path).failures == ()
    told = found_codes(tmp_path, "b")
    assert {"core-asserted", "drift-corrected", "drift", "beam-hardening", "density-calibration"} <= set(told)
    assert "core-asserted" not in found_codes(tmp_path, "a")
    assert "of the scheme physical" in told["drift"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "top_mm stated in the plan" in page
    assert "Corrected in the soil" in page
    assert (tmp_path / "figures" / "a.core.svg").exists()
    assert study.run(tmp_path).done == 0


def test_masses_add_up_to_the_density_volume(hu_scan, tmp_path):
    """Mass over all classes of `physical` is the density volume's sum times the voxel, 0.25 x 0.351 x 0.351 mm³, in g."""
    plan = {"scheme": "physical", "core": SoilPlan(density="coreCT", density_volume=True)}
    assert made(tmp_path, [CorePlan(id="a", path=str(hu_scan))], **plan).failures == ()
    table = pd.read_csv(tmp_path / "tables" / "materials.csv")
    densities = tifffile.imread(tmp_path / "density" / "a.tif")
    core = read_store(tmp_path / "cores" / "a.zarr")
    assert densities.shape == core.shape
    line = fit_density(PRESETS["coreCT"]).coefficients
    expected = np.maximum(line[0] + line[1] * core.values[core.valid], 0)
    assert densities[core.valid] == pytest.approx(expected, abs=1e-4)
    assert np.isnan(densities[~core.valid]).all()
    assert table["mass_g"].sum() == pytest.approx(np.nansum(densities.astype(float)) * 0.25 * 0.351**2 / 1000, rel=1e-5)
    slices = pd.read_csv(tmp_path / "tables" / "slices.csv")
    assert table["area_cm2"].to_numpy() * 100 == pytest.approx(slices["area_mm2"].to_numpy())


def test_grey_cores_come_to_the_reference_cores_scale(tmp_path):
    """One core scanned twice, with half the gain and another offset: on the reference's scale values agree to rounding (gain 2,
    so 1, and 1 more for the medians), and fractions to what lies within 2 grey values of an edge."""
    phantom = phantoms.make("arable", seed=2, shape=(20, 72, 72), scanner=SCANNER)
    grey = (phantom.volume.values.astype(float) + 1100) * 8
    for name, values in (("first", grey), ("second", grey / 2 + 700)):
        np.save(tmp_path / f"{name}.npy", np.rint(values).astype(np.uint16))
    cores = [
        CorePlan(id=c, path=f"{c}.npy", units="grey", spacing_mm=(0.25, 0.351, 0.351)) for c in ("second", "first")
    ]
    scheme = SchemePlan(name="grey", edges=(0, 4000, 14000, 65535), units="grey")
    summary = made(tmp_path, cores, scheme=scheme, core=SoilPlan(reference="first"))
    assert [str(f.error) for f in summary.failures] == []
    first, second = (read_store(tmp_path / "cores" / f"{c}.zarr") for c in ("first", "second"))
    assert np.array_equal(first.valid, second.valid)
    assert np.abs(first.values.astype(int) - second.values)[first.valid].max() <= 4
    assert second.values.dtype == np.uint16
    assert "gain" in found_codes(tmp_path, "second")["rescaled"]
    table = pd.read_csv(tmp_path / "tables" / "slices.csv").pivot_table(
        index=["slice", "class"], columns="core", values="fraction"
    )
    assert table["first"].to_numpy() == pytest.approx(table["second"].to_numpy(), abs=2e-3)


def test_a_reference_that_cannot_be_imported_costs_only_those_that_need_it(tmp_path):
    np.save(tmp_path / "soil.npy", np.random.default_rng(0).integers(100, 200, (8, 20, 20)).astype(np.uint16))
    cores = [CorePlan(id=c, path="soil.npy", units="grey", spacing_mm=(1, 1, 1)) for c in ("a", "b")]
    summary = made(tmp_path, cores, scheme="script-2021", core=SoilPlan(reference="b"))
    errors = {f.key: f.error.code for f in summary.failures}
    assert errors["import:b"] == "no-references"
    assert errors["import:a"] == "waits"


def test_rods_of_the_plan_are_read_in_every_scan(tmp_path):
    phantom = phantoms.make("sandy", seed=4, shape=(16, 72, 72), scanner=Scanner(margin_mm=4.0))
    y, x = np.mgrid[:72, :72] * 0.351
    for centre, value in (((2.0, 2.0), -1000), ((2.0, 23.0), 0)):
        phantom.volume.values[:, np.hypot(y - centre[0], x - centre[1]) <= 1.8] = value
    phantoms.write(phantom, tmp_path / "scan")
    rods = (
        RodPlan(name="air", density=0.0, centre_mm=(2.0, 2.0), radius_mm=1.8),
        RodPlan(name="water", density=1.0, centre_mm=(2.0, 23.0), radius_mm=1.8),
    )
    summary = made(tmp_path, [CorePlan(id="a", path="scan/dicom")], core=SoilPlan(density="rods", rods=rods))
    assert summary.failures == ()
    assert read_store(tmp_path / "cores" / "a.zarr").source["density"]["coefficients"] == pytest.approx([1.0, 0.001])


PLANS = {
    "place": SoilPlan(centre_mm=(1.0, 2.0), radius_mm=3.0),
    "scale": SoilPlan(reference=(20000.0, 5000.0), correct=("beam-hardening", "drift")),
    "rods": SoilPlan(density="rods", rods=(RodPlan(name="air", density=0.0, value=-1000), RodPlan(name="w", density=1, value=0))),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_with_a_core_table_reads_back_equal(name, tmp_path):
    cores = (CorePlan(id="c", path="x", core=PlacePlan(tube=2, bottom_mm=9.5)), CorePlan(id="d", path="y"))
    plan = Plan(name="a", cores=cores, core=PLANS[name])
    study.write_plan(tmp_path, plan)
    assert study.read_plan(tmp_path) == plan


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("whole = true\nradius_mm = 3", "leave out radius_mm"),
        ("radius_mm = -1", "greater than 0"),
        ('correct = ["rings"]', "beam-hardening"),
        ('density = "rods"', "belong together"),
        ("density_volume = true", "needs a calibration"),
        ("reference = [5000, 20000]", "wall brighter than air"),
        ('reference = "nobody"', "names none of the cores"),
        ('density = "coreCT"\ndensity_degree = 9', "less than or equal to 3"),
    ],
)
def test_a_core_table_that_cannot_be_is_told_before_anything_runs(table, words, tmp_path):
    text = plan_text(Plan(name="a", cores=(CorePlan(id="c", path="x"),)))
    head, rest = text.split("[core]\n")
    changed = f"{head}[core]\n{table}\n\n[structure]{rest.split('[structure]')[1]}"
    (tmp_path / "study.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(PlanError, match=words):
        study.read_plan(tmp_path)
