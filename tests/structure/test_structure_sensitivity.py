"""Moved edges: how far figures go is known where the histogram is."""

from __future__ import annotations

import numpy as np
import pytest
from known_bodies import ways

from soilscope.classes import Scheme
from soilscope.structure import ClusterRule, measure
from soilscope.structure.blockwise import measure_blockwise
from soilscope.structure.sensitivity import default_shift, grey_step, sensitivity
from soilscope.volume import Volume

ALL_KEPT = ClusterRule(under=1)
SCHEME = Scheme.from_edges("three", [-1, 300, 700, 1000])


def ramp(units="HU"):
    """Each value from 0 to 999 once a slice: every HU that an edge moves is a thousandth of a slice."""
    values = np.tile(np.arange(1000, dtype=np.int16).reshape(1, 25, 40), (4, 1, 1))
    return Volume(values, np.ones(values.shape, bool), (0.5, 0.2, 0.2), units, core="ramp")


@pytest.fixture(scope="module")
def moved():
    core = ramp()
    return sensitivity(lambda scheme: measure(core, scheme, metrics=["fraction"], rule=ALL_KEPT), SCHEME, 50.0)


def test_a_class_that_ends_at_a_moved_edge_moves_by_the_voxels_the_edge_passes(moved):
    rows = moved.core[moved.core["metric"] == "fraction"].set_index("class")
    assert rows.loc["1", ["low", "value", "high"]].tolist() == pytest.approx([0.251, 0.301, 0.351])
    assert rows.loc["3", ["low", "value", "high"]].tolist() == pytest.approx([0.249, 0.299, 0.349])


def test_a_class_between_two_edges_keeps_its_share_of_an_even_histogram(moved):
    rows = moved.core[moved.core["metric"] == "fraction"].set_index("class")
    assert rows.loc["2", ["low", "value", "high"]].tolist() == pytest.approx([0.4, 0.4, 0.4])


def test_the_band_of_a_profile_is_the_same_of_each_slice(moved):
    band = moved.slices[moved.slices["class"] == "1"]
    assert band["slice"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(band["porosity_low"], 1 - 0.351)
    np.testing.assert_allclose(band["porosity_high"], 1 - 0.251)


def test_every_figure_lies_within_its_band_and_says_by_how_much_edges_moved(moved):
    known = moved.core.dropna(subset=["value"])
    assert ((known["low"] <= known["value"]) & (known["value"] <= known["high"])).all()
    assert set(moved.core["shift"]) == {50.0}


def test_pores_that_moved_edges_make_wider_than_memory_lets_a_block_see_have_no_bounds():
    # A pore of radius 4 voxels; with edges 50 HU higher what is around it belongs to it, out to 24.
    y, x = np.ogrid[:60, :60]
    away = np.hypot(y - 30, x - 30)
    plane = np.where(away <= 4, 100, np.where(away <= 24, 330, 800)).astype(np.int16)
    core = Volume(np.tile(plane, (40, 1, 1)), np.ones((40, 60, 60), bool), (0.2, 0.2, 0.2), "HU", core="widened")
    asked = {"metrics": ["fraction", "local-thickness"], "rule": ALL_KEPT}
    whole = sensitivity(lambda scheme: measure(core, scheme, **asked), SCHEME, 50.0).core
    small = sensitivity(
        lambda scheme: measure_blockwise(core, scheme, **asked, ways=ways(7, 70_000)), SCHEME, 50.0
    ).core
    rows = [table.set_index(["class", "metric"]).loc["1"] for table in (whole, small)]
    assert rows[0].loc["local-thickness", "high"] == pytest.approx(48 * 0.2, rel=0.03)
    assert rows[1].loc["local-thickness", "value"] == pytest.approx(rows[0].loc["local-thickness", "value"])
    assert rows[1].loc["local-thickness", ["low", "high"]].isna().all()
    assert rows[1].loc["fraction", ["low", "high"]].tolist() == pytest.approx(
        rows[0].loc["fraction", ["low", "high"]].tolist()
    )


def test_a_grey_scans_edges_move_by_a_hundredth_of_its_range():
    assert default_shift("grey", (0.0, 999.0)) == pytest.approx(9.99)
    assert default_shift("HU", (0.0, 999.0)) == 50.0


def _slab(values):
    values = np.asarray(values)
    return values, np.ones(values.shape, bool)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_scan_of_few_grey_values_has_its_edges_moved_past_one_at_least(dtype):
    counts = np.arange(38)
    grey = np.round(30 + 225 / 37 * counts).astype(
        dtype
    )  # 6 apart, now and then 7, as an 8-bit scan stretched to its ends
    step = grey_step([_slab(grey[:20].reshape(1, 4, 5)), _slab(grey[20:].reshape(2, 3, 3))])
    assert step == 7.0
    shift = default_shift("grey", (30.0, 255.0), step)
    for edge in np.arange(45.0, 240.0, 0.5):
        assert (grey > edge - shift).sum() > (grey > edge).sum() > (grey > edge + shift).sum()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.arange(1000.0).reshape(4, 10, 25) ** 2, "more values than a hundredth of the range tells apart"),
        (np.array([[[0, 255], [255, 0]]]), "cut into two already"),
        (np.zeros((0, 3, 3)), "no slice"),
    ],
)
def test_a_scan_without_grey_steps_has_none(values, why):
    assert grey_step([_slab(values)]) == 0.0, why


def test_values_outside_the_soil_are_no_grey_steps():
    values, valid = _slab(np.arange(120.0).reshape(3, 5, 8))
    valid &= values % 6 == 0
    assert grey_step([(values, valid)]) == 6.0
