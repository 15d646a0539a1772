"""The methods name the software that took part, and none that did not."""

from __future__ import annotations

import re
from importlib import metadata

import numpy as np
import tifffile

from soilscope import study
from soilscope.study.plan import CorePlan, Plan, StructurePlan


def named(folder):
    """Software that a report names."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    return dict(re.findall(r"([\w-]+) (\d[\w.+]*)", re.search(r"<p>Software: (.*?)</p>", page)[1]))


def test_a_study_of_dicom_that_learns_names_what_read_measured_and_learnt(finished):
    software = named(finished)
    assert {"soilscope", "pydicom", "edt", "connected-components-3d", "ruptures", "torch"} <= software.keys()
    assert not {"tifffile", "nibabel", "h5py", "scikit-image"} & software.keys()
    assert software["pydicom"] == metadata.version("pydicom")


def test_a_study_of_tiff_without_models_distances_or_horizons_names_none_of_theirs(tmp_path):
    scan = tmp_path / "scan"
    scan.mkdir()
    for k, plane in enumerate(np.random.default_rng(0).integers(0, 255, (8, 24, 24), dtype=np.uint8)):
        tifffile.imwrite(scan / f"{k:03d}.tif", plane)
    core = CorePlan(id="a", path="scan", spacing_mm=(0.1, 0.1, 0.1), soil="whole")
    asked = StructurePlan(metrics=("fraction", "porosity"), sensitivity="off", representative="off", erode="off")
    study.write_plan(tmp_path, Plan(name="grey", scheme="otsu", cores=(core,), structure=asked))
    assert study.run(tmp_path).failures == ()
    software = named(tmp_path)
    assert {"soilscope", "tifffile", "scikit-image"} <= software.keys()
    assert not {"pydicom", "torch", "edt", "h5py"} & software.keys()
