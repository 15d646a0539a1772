"""Materials by slice: coreCT's areas, volumes and mean HU of the marsh core, and masses by the sum over voxels."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from soilscope.classes import Scheme, classify
from soilscope.core import find_core
from soilscope.core.density import PRESETS, Rod, fit_density
from soilscope.errors import UsageError
from soilscope.ingest import read
from soilscope.structure import materials
from soilscope.volume import Volume

EDGES = (-1025, -818, 86, 114, 369, 750, 1342, 3045)
NAMES = ("air", "RR", "water", "peat", "particulates", "sand", "rock_shell")


def test_the_marsh_cores_materials_are_corects(real_data):
    """Every cell of coreCT's table: area in cm², volume in cm³, and mean HU where a slice holds some of the material."""
    folder = real_data("marsh_core")
    core = find_core(read(folder / "dicom"))
    scheme = Scheme.from_edges("coreCT", EDGES, NAMES)
    names = dict(enumerate(NAMES, 1))
    table = materials(core, classify(core, scheme), names, fit_density(PRESETS["coreCT"]))
    with (folder / "materials_by_slice.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == core.shape[0]
    for name in NAMES:
        mine = table[table["name"] == name]
        for column, theirs in (("area_cm2", "cm2"), ("volume_cm3", "cm3"), ("mean_hu", "HU")):
            expected = [np.nan if r[f"{name}.{theirs}"] == "NA" else float(r[f"{name}.{theirs}"]) for r in rows]
            assert mine[column].to_numpy() == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_mass_is_volume_times_density_summed_over_voxels():
    """Two voxels of 2 mm³ with 1 and 3 g/cm³: 8 mg; the class that is not there has area 0, mass 0 and no mean."""
    values = np.array([[[0, 2000, -1000]]], np.int16)
    core = Volume(values, np.array([[[True, True, False]]]), (2.0, 1.0, 1.0), "HU", core="c")
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    table = materials(core, np.array([[[1, 1, 0]]], np.uint8), {1: "soil", 2: "none"}, line)
    soil, none = table.iloc[0], table.iloc[1]
    assert soil["mass_g"] == pytest.approx(8e-3)
    assert soil["density_g_cm3"] == pytest.approx(2.0)
    assert soil["mean_hu"] == 1000.0
    assert (none["area_cm2"], none["mass_g"]) == (0.0, 0.0)
    assert np.isnan(none["mean_hu"])


def test_without_a_calibration_there_are_no_masses_and_grey_is_called_grey():
    core = Volume(np.full((2, 3, 3), 9, np.uint8), np.ones((2, 3, 3), bool), (1.0, 1.0, 1.0), "grey")
    table = materials(core, np.ones((2, 3, 3), np.uint8), {1: "soil"})
    assert "mass_g" not in table
    assert table["mean_grey"].tolist() == [9.0, 9.0]


def test_labels_on_another_grid_are_refused():
    core = Volume(np.zeros((2, 3, 3), np.int16), np.ones((2, 3, 3), bool), (1.0, 1.0, 1.0), "HU")
    with pytest.raises(UsageError, match="one \\(z, y, x\\) grid"):
        materials(core, np.ones((2, 3, 4), np.uint8), {1: "soil"})
