"""Real scans: areas of a marsh core's materials, pore fractions of segmented rocks."""

import csv
import io
import zipfile

import numpy as np
import pytest
import tifffile

from soilscope import structure as st
from soilscope.classes import Scheme
from soilscope.volume import Volume

BORDERS = [-1025, -818, 86, 114, 369, 750, 1342, 3045]
MATERIALS = ["air", "RR", "water", "peat", "particulates", "sand", "rock_shell"]


def test_areas_of_the_marsh_core_equal_those_of_an_independent_program(real_data):
    from soilscope.ingest import read

    folder = real_data("marsh_core")
    with (folder / "materials_by_slice.csv").open(newline="") as lines:
        theirs = list(csv.DictReader(lines))
    core = read(folder / "dicom")
    scheme = Scheme.from_edges("marsh", BORDERS, MATERIALS)
    found = st.measure(core, scheme, metrics=[])
    assert len(theirs) == core.shape[0] == 16
    for material in MATERIALS:
        ours = found.slices[found.slices["name"] == material]["area_mm2"].to_numpy() / 100.0
        expected = np.array([float(row[f"{material}.cm2"]) for row in theirs])
        top_first = expected if abs(ours - expected).max() < abs(ours[::-1] - expected).max() else expected[::-1]
        np.testing.assert_allclose(ours, top_first, atol=1e-6)


@pytest.mark.parametrize(("name", "size", "share"), [("berea", 400, 0.19645), ("ketton", 256, 0.12686)])
def test_pore_fractions_of_segmented_rocks_are_the_published_ones(real_data, name, size, share):
    with zipfile.ZipFile(real_data("rocks") / f"{name}.zip") as archive:
        member = next(n for n in archive.namelist() if n.lower().endswith((".tif", ".tiff")))
        grains = tifffile.imread(io.BytesIO(archive.read(member)))
    assert grains.shape == (size,) * 3
    rock = Volume(grains, np.ones(grains.shape, bool), (0.003, 0.003, 0.003), "grey")
    pores = Scheme.from_edges("rock", [0, 128, 255], ["pore", "grain"], units="grey", closed="left")
    counts, area = st.class_counts(rock, pores)
    assert counts[:, 0].sum() / area.sum() == pytest.approx(share, abs=5e-6)


def test_the_pores_of_the_berea_sandstone_percolate_and_are_one_network(real_data):
    pores = np.load(real_data("rocks") / "berea_100_to_300.npz")["im"]
    assert st.fraction_profile(pores).mean() == pytest.approx(0.19872, abs=5e-6)
    assert st.percolates(pores)
    assert st.connection_probability(pores) > 0.9
    assert st.euler_number(pores) < 0
