"""The first and the last slice of a window are no walls: what lies beyond them was not scanned, or is no core."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from known_bodies import ways

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.structure.blockwise import measure_blockwise
from soilscope.structure.large_objects import objects_blockwise
from soilscope.structure.slabs import ArraySource, ClassSlabs
from soilscope.volume import Volume

METRICS = ["local-thickness", "median-diameter", "critical-diameter", "distance", "percolates"]
FIRST, END = 5, 35


def tube():
    """A tube of radius 5 voxels through a scan of 40 slices, of which 30 are the core's."""
    y, x = np.ogrid[:60, :60]
    labels = np.broadcast_to(np.where((y - 30) ** 2 + (x - 30) ** 2 <= 25, 1, 2), (40, 60, 60)).astype(np.uint8)
    valid = np.zeros(labels.shape, bool)
    valid[FIRST:END] = True
    return Volume(labels.astype(np.int16), valid, (0.5, 0.25, 0.25), "grey", core="tube"), labels


def in_memory(core, labels):
    return st.measure(core, labels=labels, names={1: "pore", 2: "solid"}, metrics=METRICS)


def slab_by_slab(core, labels):
    asked = {"names": {1: "pore", 2: "solid"}, "metrics": METRICS}
    return measure_blockwise(core, labels=labels, **asked, ways=ways(7, 70_000))


@pytest.mark.parametrize("measured", [in_memory, slab_by_slab])
def test_a_tube_is_as_wide_in_a_window_as_in_the_cropped_scan(measured):
    core, labels = tube()
    cropped = core.crop(z=(FIRST, END), y=(0, 60), x=(0, 60))
    found, expected = measured(core, labels), in_memory(cropped, labels[FIRST:END])
    pore, whole = (one.core[one.core["class"] == "1"].set_index("metric")["value"] for one in (found, expected))
    np.testing.assert_allclose(pore, whole, rtol=1e-6)
    rows = [one.slices[one.slices["class"] == "1"] for one in (found, expected)]
    inside = rows[0][rows[0]["slice"].between(FIRST, END - 1)]
    for name in ("local_thickness_mm", "median_diameter_mm"):
        np.testing.assert_allclose(inside[name], rows[1][name], rtol=1e-6)
    assert pore["critical-diameter"] == pytest.approx(2.5, abs=0.3)
    assert pore["percolates"] == 1.0


def test_pore_sizes_and_retention_end_with_the_window_too():
    core, labels = tube()
    pores, spacing = labels == 1, core.spacing_mm
    found, expected = st.pore_sizes(pores, spacing, core.valid), st.pore_sizes(pores[FIRST:END], spacing)
    pd.testing.assert_frame_equal(found.frame(), expected.frame())
    water = st.water_retention(pores, spacing, core.valid), st.water_retention(pores[FIRST:END], spacing)
    pd.testing.assert_frame_equal(*water)


OBJECTS = {
    "any": st.ObjectKind("bodies", (1,)),
    "tubes": st.ObjectKind("tubes", (1,), shape="tubes", at_least_mm=1.0),
    "beside": st.ObjectKind("particles", (1,), beside=(2,)),
}


def of_any_shape_slab_by_slab(core, labels, kind):
    return objects_blockwise(ClassSlabs(ArraySource(core), None, labels), kind, ways(7, 70_000))


@pytest.mark.parametrize(
    ("kind", "found_by"),
    [*((kind, st.objects_in) for kind in OBJECTS), ("any", of_any_shape_slab_by_slab)],
    ids=[*OBJECTS, "any, slab by slab"],
)
def test_objects_and_their_lines_end_with_the_window_too(kind, found_by):
    core, labels = tube()
    cropped = core.crop(z=(FIRST, END), y=(0, 60), x=(0, 60))
    found = found_by(core, labels, OBJECTS[kind])
    expected = st.objects_in(cropped, labels[FIRST:END], OBJECTS[kind])
    assert len(expected) == 1
    found["depth_mm"] -= FIRST * core.spacing_mm[0]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, check_exact=False)
    assert found["width_mm"].item() == pytest.approx(2.5, abs=0.3)


def test_a_shallow_core_of_wide_pores_has_no_shells_at_its_ends():
    # Three slices of organic matter, right through the core: no ball of theirs ends at the core's first or last slice.
    window = np.zeros((9, 40, 40), bool)
    window[3:6] = True
    dense = window.copy()
    dense[:, :, 5:] = False
    organic = window & ~dense
    kept = st.without_shells(organic, dense, (1, 1, 1), window)
    np.testing.assert_array_equal(kept[3:6], st.without_shells(organic[3:6], dense[3:6], (1, 1, 1)))
    np.testing.assert_array_equal(kept, organic)


def test_a_window_without_a_slice_has_no_widths():
    core, labels = tube()
    nowhere = Volume(core.values, np.zeros(core.shape, bool), core.spacing_mm, "grey", core="none")
    assert in_memory(nowhere, labels).core.set_index("metric")["value"].drop("percolates").isna().all()
    for kind in OBJECTS.values():
        assert not len(st.objects_in(nowhere, labels, kind))


@pytest.mark.parametrize("name", ["class", "slice", "../evil", "", "1st", "with space"])
def test_a_metric_is_not_called_what_no_column_or_file_can_be(name):
    with pytest.raises(UsageError, match="cannot be called"):
        st.register(st.Metric(name, "1", "x", slices=lambda p: p.counts * 1.0))


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_suctions_and_diameters_are_positive(wrong):
    for reading in (st.diameter_at_suction, st.suction_of_diameter):
        with pytest.raises(UsageError, match="positive"):
            reading(wrong)
