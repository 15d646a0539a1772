"""`init` takes a scan in any format: stores and headers are scans, and a file's default data set is picked."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from soilscope import study
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
