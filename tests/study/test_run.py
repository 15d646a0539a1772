"""A run does what is missing and nothing else; what it publishes is what the contract names."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from soilscope import files, study
from soilscope.errors import Busy, InputRefused, UsageError
from soilscope.study.plan import PLAN_FILE

pytestmark = pytest.mark.learn


def contents(folder: Path) -> dict[str, str]:
    """Digest of every table but the timings, every weight and every store file."""
    wanted = [p for place in ("tables", "models", "cores") for p in (folder / place).rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): files.digest_file(p) for p in wanted if p.name != "timings.csv"}


def change_plan(folder: Path, old: str, new: str) -> None:
    text = (folder / PLAN_FILE).read_text()
    assert old in text
    (folder / PLAN_FILE).write_text(text.replace(old, new))


def test_a_second_run_does_nothing(copied):
    before = contents(copied)
    summary = study.run(copied)
    assert (summary.done, summary.failed) == (0, 0)
    assert summary.skipped == len(json.loads((copied / "ledger.json").read_text())["items"])
    assert contents(copied) == before
    assert study.outlook(copied) == []


def test_the_outputs_are_those_the_contract_names(finished):
    models = {f"{core}.{target}" for core in ("pine-forest-0", "sandy-0") for target in ("porosity-3", "porosity-5+6")}
    models |= {f"{core}.porosity-2.from-porosity-3" for core in ("pine-forest-0", "sandy-0")}
    assert {p.name for p in (finished / "models").iterdir()} == models
    for name in models:
        assert {p.name for p in (finished / "models" / name).iterdir()} == {"weights.safetensors", "model.json"}
    assert {p.name for p in (finished / "cores").iterdir()} == {"pine-forest-0.zarr", "sandy-0.zarr"}
    slices = pd.read_csv(finished / "tables/slices.csv", dtype={"class": str})
    assert list(slices.columns)[:3] == ["core", "slice", "depth_mm"]
    assert {"class", "fraction", "porosity"} <= set(slices.columns)
    pd.testing.assert_frame_equal(
        slices, pd.read_parquet(finished / "tables/slices.parquet"), check_dtype=False, check_exact=True
    )
    assert {"core", "class", "metric", "value", "unit"} <= set(pd.read_csv(finished / "tables/cores.csv").columns)
    table = pd.read_csv(finished / "tables/models.csv")
    assert list(table.columns) == [
        "model",
        "core",
        "target",
        "kind",
        "split",
        "train_rmse",
        "test_rmse",
        "baseline_rmse",
        "train_slices",
        "test_slices",
    ]
    assert (table["test_slices"] > 0).all()
    assert set(table["kind"]) == {"full", "transfer"}
    matrix = pd.read_csv(finished / "tables/matrix.csv")
    assert list(matrix.columns) == ["model", "core", "target", "rmse", "in_sample"]
    assert len(matrix) == len(models) * 2
    assert list(pd.read_csv(finished / "tables/cover.csv").columns) == ["target", "order", "model", "covered", "cores"]
    assert list(pd.read_csv(finished / "tables/timings.csv").columns) == ["step", "item", "seconds", "peak_mb"]
    assert (finished / "report.html").stat().st_size > 10_000
    assert list((finished / "figures").glob("*.svg"))


def test_a_picture_says_what_it_shows_and_what_was_found_in_its_core(finished):
    """Every output carries the findings: an SVG in its description, which programs for drawings show."""
    place = "{http://www.w3.org/2000/svg}"
    for name in ("core", "check", "profiles", "slices"):
        drawing = ElementTree.parse(finished / "figures" / f"pine-forest-0.{name}.svg").getroot()
        assert drawing.findtext(f"{place}title")
        assert "warning simulated: these slices were simulated" in drawing.findtext(f"{place}desc")
    assert "RMSE" in ElementTree.parse(finished / "figures" / "matrix.porosity-3.svg").getroot().findtext(
        f"{place}desc"
    )


def test_fractions_sum_to_one_and_depth_rises_by_the_slice_spacing(finished):
    slices = pd.read_csv(finished / "tables/slices.csv", dtype={"class": str})
    single = slices[~slices["class"].str.contains("+", regex=False)]
    sums = single.groupby(["core", "slice"])["fraction"].sum()
    assert sums.between(1 - 1e-12, 1 + 1e-12).all()
    depth = slices.groupby("core")["depth_mm"].unique()["sandy-0"]
    assert depth == pytest.approx([0.125 + 0.25 * i for i in range(24)])


def test_in_sample_is_true_on_the_models_own_core_alone(finished):
    matrix = pd.read_csv(finished / "tables/matrix.csv")
    own = matrix["model"].str.split(".").str[0] == matrix["core"]
    assert (matrix["in_sample"] == own).all()


def test_one_scan_under_two_names_is_not_unseen(fresh):
    """35. Leakage: a copy of one core is not scored as a core that the model has not seen."""
    shutil.copytree(fresh / "scans/sandy-0/dicom", fresh / "scans/again")
    change_plan(fresh, "scans/pine-forest-0/dicom", "scans/again")
    assert study.run(fresh, study.steps_until("evaluate")).failures == ()
    matrix = pd.read_csv(fresh / "tables/matrix.csv")
    assert matrix["in_sample"].all()
    assert len(matrix) == 12


def test_a_changed_limit_redoes_the_cover_and_what_shows_it(copied):
    change_plan(copied, "limit = 0.04", "limit = 0.4")
    todo = study.outlook(copied)
    assert {key.partition(":")[0] for key in todo} <= {"evaluate", "explain", "report"}
    assert "evaluate:_matrix" in todo
    assert not any(key.startswith("evaluate:") and key != "evaluate:_matrix" for key in todo)
    assert study.run(copied).done == len(todo)


def test_touching_timestamps_reruns_nothing(copied):
    for path in copied.rglob("*.dcm"):
        os.utime(path, (1, 1))
    assert study.run(copied).done == 0


def test_changed_scan_bytes_redo_that_core_and_no_other(copied):
    victim = sorted((copied / "scans/sandy-0/dicom").glob("*.dcm"))[5]
    data = bytearray(victim.read_bytes())
    data[-1001] ^= 1
    victim.write_bytes(data)
    todo = study.outlook(copied)
    assert "import:sandy-0" in todo
    assert "train:sandy-0.porosity-3" in todo
    assert not any(key.partition(":")[2].startswith("pine") and key.partition(":")[0] != "evaluate" for key in todo)


def test_a_lost_output_is_made_again_with_the_same_bytes(copied):
    before = contents(copied)
    shutil.rmtree(copied / "models/sandy-0.porosity-3")
    (copied / "tables/slices.csv").unlink()
    shutil.rmtree(copied / "cores/sandy-0.zarr")
    summary = study.run(copied)
    assert (summary.done, summary.failed) == (3, 0)
    assert contents(copied) == before


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("cores/sandy-0.zarr/0/c/0/0/0", "import:sandy-0"),
        ("models/sandy-0.porosity-3/weights.safetensors", "train:sandy-0.porosity-3"),
        ("tables/slices.csv", "measure:_tables"),
    ],
)
def test_an_output_that_was_cut_is_made_again_with_the_same_bytes(copied, place, key):
    before = contents(copied)
    os.truncate(copied / place, (copied / place).stat().st_size - 1)
    assert study.outlook(copied) == [key]
    assert study.run(copied).done == 1
    assert contents(copied) == before


def test_a_ledger_without_sizes_holds_as_before(copied):
    content = json.loads((copied / "ledger.json").read_text())
    for record in content["items"].values():
        del record["sizes"]
    (copied / "ledger.json").write_text(json.dumps(content))
    assert study.outlook(copied) == []


def test_a_refused_core_costs_its_own_items_and_no_others(fresh):
    sorted((fresh / "scans/sandy-0/dicom").glob("*.dcm"))[5].unlink()
    summary = study.run(fresh, study.steps_until("measure"))
    first = summary.failures[0]
    assert first.key == "import:sandy-0"
    assert isinstance(first.error, InputRefused)
    assert first.error.code == "gap"
    assert set(pd.read_csv(fresh / "tables/slices.csv")["core"]) == {"pine-forest-0"}
    assert not (fresh / "cores/sandy-0.zarr").exists()


def test_a_study_being_run_is_busy_for_others(copied):
    with files.lock(copied / "run"), pytest.raises(Busy) as caught:
        study.run(copied)
    assert caught.value.exit_code == 5


def test_an_unknown_step_is_refused_with_the_list():
    with pytest.raises(UsageError, match="import, classify, measure"):
        study.steps_until("trane")


def test_more_workers_change_no_byte(fresh, finished):
    change_plan(fresh, "workers = 1", "workers = 2")
    assert study.run(fresh).failed == 0
    assert contents(fresh) == contents(finished)


def test_verify_is_silent_on_a_sound_study(finished):
    assert study.verify(finished) == []


@pytest.mark.parametrize("place", ["cores/sandy-0.zarr/0/c/0/0/0", "models/sandy-0.porosity-3/weights.safetensors"])
def test_verify_names_what_a_flipped_bit_changed(copied, place):
    data = bytearray((copied / place).read_bytes())
    data[len(data) // 2] ^= 4
    (copied / place).write_bytes(data)
    found = study.verify(copied)
    assert [f.severity for f in found] == ["refuse"]
    assert place.startswith(found[0].files[0])


def test_labels_made_elsewhere_take_the_schemes_place(fresh):
    """Fractions are those of the label volume, on the scan's own grid; the scan's values are not classified."""
    text = (fresh / PLAN_FILE).read_text().replace('scheme = "paper-2021"\n', "")
    names = '{ 1 = "pore", 2 = "organic", 3 = "matrix", 4 = "dense", 5 = "stone" }'
    text = text.replace("[[cores]]", f'labels = "scans/{{core}}/truth.nii.gz"\nlabel_names = {names}\n\n[[cores]]', 1)
    (fresh / PLAN_FILE).write_text(text.partition("[[learn.targets]]")[0])
    summary = study.run(fresh)
    assert [str(f.error) for f in summary.failures] == []
    slices = pd.read_csv(fresh / "tables/slices.csv", dtype={"class": str})
    truth = json.loads((fresh / "scans/sandy-0/truth.json").read_text())["fractions"]["pore"]
    mine = slices[(slices["core"] == "sandy-0") & (slices["name"] == "pore")].sort_values("slice")["fraction"]
    assert mine.tolist() == pytest.approx(
        truth, abs=0.02
    )  # the soil found in a noisy scan may differ by a ring of voxels
    assert "truth.nii.gz" in (fresh / "report.html").read_text()


@pytest.mark.parametrize("other", ["shape", "spacing", "grid", "flipped"])
def test_labels_on_another_grid_are_refused_with_both_grids_before_anything_is_imported(fresh, other):
    """48. Masks made elsewhere with another shape, spacing, flip ... -> refuse, naming both grids; nothing published."""
    import nibabel as nib

    image = nib.load(fresh / "scans/sandy-0/truth.nii.gz")
    values, affine = image.get_fdata().astype("uint8"), image.affine.copy()
    if other == "shape":
        values = values[:, :, 2:]
    elif other == "spacing":
        affine[:3, :3] *= 1.1
    elif other == "grid":
        affine[2, 3] += 3.0
    else:
        values = values[:, :, ::-1]
    nib.save(nib.Nifti1Image(values, affine), fresh / "short.nii.gz")
    text = (fresh / PLAN_FILE).read_text()
    text = text.replace("[[cores]]", 'labels = "short.nii.gz"\nlabel_names = { 1 = "pore" }\n\n[[cores]]', 1)
    (fresh / PLAN_FILE).write_text(text.partition("[[learn.targets]]")[0])
    summary = study.run(fresh, study.steps_until("classify"))
    refused = {f.key: f.error for f in summary.failures if not f.waits}
    assert set(refused) == {"import:sandy-0", "import:pine-forest-0"}
    assert refused["import:sandy-0"].code == f"labels-{other}"
    told = refused["import:sandy-0"].text
    if other == "grid":
        assert "starts 12.0, 0.0, 0.0 voxels (z, y, x) away from the scan's first voxel" in told.replace("-", "")
    else:
        own = {"shape": "22 x 48 x 48 voxels of 0.25 x", "spacing": "24 x 48 x 48 voxels of 0.275 x"}
        assert own.get(other, "turned over along z.") in told
        assert "the scan 24 x 48 x 48 voxels of 0.25 x" in told
    assert not list(fresh.glob("cores/*"))


def test_a_changed_transfer_redoes_no_full_training(copied):
    change_plan(copied, "transfer_epochs = 3", "transfer_epochs = 4")
    todo = study.outlook(copied)
    assert {key.partition(":")[0] for key in todo} <= {"transfer", "evaluate", "explain", "report"}
    assert sum(key.startswith("transfer:") and "porosity-2" in key for key in todo) == 2


def test_a_report_on_phantoms_says_that_they_are_simulated(finished):
    assert "simulated by Soilscope" in (finished / "report.html").read_text()
