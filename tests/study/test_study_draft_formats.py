"""`init` takes a scan in any format: stores and headers are scans, and a file's default data set is picked."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import soilscope as ss
from soilscope import phantoms, study
from soilscope.cli.app import app
from soilscope.errors import InputRefused
from soilscope.study import Asked

MM = (0.3, 0.2, 0.2)
VALUES = (np.arange(4 * 5 * 6).reshape(4, 5, 6) + 1).astype(np.uint16)


def store(root, missing=False):
    axes = [{"name": a, "type": "space", "unit": "millimeter"} for a in "zyx"]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(MM)}]}]
    group = zarr.create_group(root, zarr_format=3)
    group.create_array("0", data=VALUES * (0 if missing else 1), chunks=(4, 5, 3))
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}


def test_each_store_in_a_folder_is_a_core(tmp_path):
    for name in ("a", "b"):
        store(tmp_path / "cores" / f"{name}.zarr")
    plan = study.draft_plan(tmp_path / "study", tmp_path / "cores")
    assert [core.id for core in plan.cores] == ["a", "b"]
    one = study.draft_plan(tmp_path / "study", tmp_path / "cores" / "a.zarr")
    assert [core.id for core in one.cores] == ["a"]


def test_scans_of_hu_and_of_grey_values_are_told_apart_by_name(tmp_path):
    """10. ... units not HU: no scheme fits both, and the refusal names which are which."""
    for name in ("a", "c"):
        store(tmp_path / "cores" / f"{name}.zarr")
    phantoms.write(phantoms.make("sandy", seed=1, shape=(8, 32, 32)), tmp_path / "cores" / "b")
    with pytest.raises(InputRefused) as caught:
        study.draft_plan(tmp_path / "study", tmp_path / "cores")
    assert caught.value.code == "units-mixed"
    assert "some scans hold HU (b) and some grey values (a, c); make a study of each kind" in caught.value.text


def test_a_store_with_chunks_missing_is_taken_only_to_be_marked(tmp_path):
    store(tmp_path / "a.zarr", missing=True)
    with pytest.raises(InputRefused) as caught:
        study.draft_plan(tmp_path / "study", tmp_path / "a.zarr")
    assert caught.value.code == "chunks-missing"
    plan = study.draft_plan(tmp_path / "study", tmp_path / "a.zarr", Asked(on_gap="mark"))
    assert plan.cores[0].on_gap == "mark"


def test_the_default_data_set_of_a_file_is_the_scan(tmp_path):
    with h5py.File(tmp_path / "core7.h5", "w") as file:
        file["entry/flat"] = VALUES
        file["entry/data/volume"] = VALUES
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "data"
        file["entry/data"].attrs["signal"] = "volume"
    plan = study.draft_plan(tmp_path / "study", tmp_path / "core7.h5", Asked(spacing_mm=MM))
    (core,) = plan.cores
    assert (core.id, core.series) == ("core7", "core7.h5:/entry/data/volume")


@pytest.mark.parametrize("said", [":/entry/wet", ":entry/wet"])
def test_a_scan_in_a_file_is_named_behind_a_colon_as_everywhere_else(tmp_path, said):
    """24. ... the whole id of a data set stands in place of the path in `init` as in `read` and `inspect`."""
    file = tmp_path / "core7.h5"
    with h5py.File(file, "w") as held:
        held["entry/dry"], held["entry/wet"] = VALUES, VALUES[::-1]
    words = ["--cores", f"{file}{said}", "--spacing-mm", "0.3,0.2,0.2"]
    ran = CliRunner().invoke(app, ["init", str(tmp_path / "s"), *words, "--json"])
    assert json.loads(ran.stdout)["cores"] == ["core7"]
    (core,) = study.read_plan(tmp_path / "s").cores
    assert (core.path, core.series) == (str(file), "core7.h5:/entry/wet")
    assert not study.run(tmp_path / "s", study.steps_until("import")).failures
    np.testing.assert_array_equal(ss.read(tmp_path / "s/cores/core7.zarr").values, VALUES[::-1])


@pytest.mark.parametrize(
    ("said", "code"), [("core7.h5:/entry/none", "no-such-series"), ("core8.h5:/entry/wet", "not-found")]
)
def test_what_is_not_in_a_file_is_refused_by_its_name(tmp_path, said, code):
    with h5py.File(tmp_path / "core7.h5", "w") as held:
        held["entry/wet"] = VALUES
    with pytest.raises(InputRefused) as caught:
        study.draft_plan(tmp_path / "s", tmp_path / said, Asked(spacing_mm=MM))
    assert caught.value.code == code
    assert not (tmp_path / "s").exists()


def test_digests_of_a_scan_in_a_file_are_those_of_the_file(tmp_path):
    """46. ... digests of the inputs are kept from the first `inspect`; a file that changed since is named and refused."""
    file, record = tmp_path / "core7.h5", tmp_path / "seen.json"
    with h5py.File(file, "w") as held:
        held["wet"] = VALUES
    assert study.write_digests(record, tmp_path / "core7.h5:/wet") == 1
    assert study.check_digests(record, tmp_path / "core7.h5:/wet") == study.check_digests(record, file) == 1
    with h5py.File(file, "a") as held:
        held["wet"][0, 0, 0] += 1
    with pytest.raises(InputRefused, match=r"core7\.h5"):
        study.check_digests(record, tmp_path / "core7.h5:/wet")
