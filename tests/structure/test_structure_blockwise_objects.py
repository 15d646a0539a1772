"""Objects and found edges of cores of any size are those of the core in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, ways
from pandas.testing import assert_frame_equal

from soilscope import structure as st
from soilscope.classes import Scheme, otsu_scheme
from soilscope.core.density import PRESETS, fit_density
from soilscope.errors import InputRefused, OutputRefused
from soilscope.structure.large_objects import objects_blockwise
from soilscope.structure.scratch import Room
from soilscope.structure.slabs import ArraySource, ClassSlabs, resolved, resolved_for
from soilscope.volume import Volume

SPACING = (0.25, 0.351, 0.3)


def core_with_bodies(seed, shape=(22, 18, 20)):
    labels = np.zeros(shape, np.uint8)
    labels[blobs(shape, 0.2, 1.2, seed)] = 1
    labels[noise(shape, 0.02, seed)] = 2
    valid = np.ones(shape, bool)
    valid[:2] = valid[:, :, -1] = False
    valid[9, 5:9] = False
    return Volume(labels.astype(np.int16), valid, SPACING, "HU", core="3243"), labels


@given(
    seed=some.integers(0, 30),
    slab=some.integers(1, 22),
    block=some.integers(8000, 12000),
    of=some.sampled_from([(1,), (1, 2)]),
    least=some.sampled_from([0.0, 0.3, 5 * 0.25 * 0.351 * 0.3]),
)
@settings(max_examples=15, deadline=None)
def test_objects_found_slab_by_slab_are_those_of_the_whole_core(seed, slab, block, of, least):
    core, labels = core_with_bodies(seed)
    kind = st.ObjectKind("bodies", of, at_least_mm3=least)
    expected = st.objects_in(core, labels, kind)
    found = objects_blockwise(ClassSlabs(ArraySource(core), None, labels), kind, ways(slab, block))
    assert_frame_equal(found, expected, rtol=1e-9, check_exact=False)


def test_a_rod_through_all_slabs_has_its_length_volume_and_depth():
    labels = np.zeros((40, 9, 9), np.uint8)
    labels[3:37, 4, 4] = 1
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (0.5, 0.5, 0.5), "HU")
    slabs = ClassSlabs(ArraySource(core), None, labels)
    (rod,) = objects_blockwise(slabs, st.ObjectKind("rods", (1,)), ways(4, 5000)).to_dict("records")
    assert rod["volume_mm3"] == 34 * 0.5**3
    assert rod["depth_mm"] == pytest.approx(20 * 0.5)
    assert rod["length_mm"] == pytest.approx(17.0, rel=0.04)  # the diagonal of its outer faces is a little more
    assert not rod["touches_border"]


def test_objects_that_end_at_a_seam_and_empty_slabs_are_whole():
    labels = np.zeros((12, 6, 6), np.uint8)
    labels[0:4, 1, 1] = 1  # ends with the first slab
    labels[8:12, 3, 3] = 1  # begins with the third
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    kind = st.ObjectKind("rods", (1,))
    found = objects_blockwise(ClassSlabs(ArraySource(core), None, labels), kind, ways(4, 5000))
    assert_frame_equal(found, st.objects_in(core, labels, kind), rtol=1e-9, check_exact=False)


def test_a_class_without_objects_gives_an_empty_table_with_all_columns():
    core, labels = core_with_bodies(0)
    kind = st.ObjectKind("stones", (9,))
    found = objects_blockwise(ClassSlabs(ArraySource(core), None, labels), kind, ways(4, 9000))
    assert list(found.columns) == list(st.KIND_COLUMNS)
    assert len(found) == 0


def test_more_objects_than_memory_holds_are_refused_with_the_figure():
    core, labels = core_with_bodies(0)
    slabs = ClassSlabs(ArraySource(core), None, labels)
    with pytest.raises(InputRefused) as told:
        objects_blockwise(slabs, st.ObjectKind("crumbs", (2,)), ways(4, 50))
    assert told.value.code == "memory-budget"
    assert "crumbs" in str(told.value)
    assert "at_least_mm3" in str(told.value)


def test_temporary_files_that_do_not_fit_onto_the_disk_are_refused_before_they_are_written(tmp_path):
    room = Room(tmp_path, (10**6, 10**6, 10**6))
    with pytest.raises(OutputRefused) as told, room.array():
        pass
    assert told.value.code == "disk-space"
    assert "1000000000.00 GB" in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("thick", [1, 7, 50])
def test_thresholds_found_slab_by_slab_are_those_of_the_whole_core(classes, thick):
    rng = np.random.default_rng(classes)
    values = rng.choice([100, 900, 1700, 2500], (23, 12, 12)) + rng.normal(0, 90, (23, 12, 12))
    core = Volume(values.astype(np.uint16), rng.random(values.shape) < 0.9, SPACING, "grey", core="a")
    other = Volume((values * 1.1).astype(np.uint16), np.ones(values.shape, bool), SPACING, "grey", core="b")
    scheme = otsu_scheme(classes)
    assert resolved(scheme, ArraySource(core), thick) == scheme.resolve(core)
    both = resolved_for(scheme, [(ArraySource(core), thick), (ArraySource(other), 5)])
    assert both == scheme.resolve_for([core, other])


def test_edges_in_densities_are_those_of_the_whole_core():
    rng = np.random.default_rng(0)
    values = rng.integers(-900, 2500, (20, 9, 9)).astype(np.int16)
    density = fit_density(PRESETS["coreCT"], 1)
    core = Volume(values, np.ones(values.shape, bool), SPACING, "HU", source={"density": density.as_dict()})
    edges = (0.0, 0.5, 1.5, 9.0)
    scheme = Scheme("by density", edges, ("light", "middle", "dense"), None, method="density")
    assert resolved(scheme, ArraySource(core), 3) == scheme.resolve(core)


@pytest.mark.parametrize("value", [0, 7])
def test_a_core_of_one_value_has_no_threshold_slab_by_slab_either(value):
    values = np.full((9, 4, 4), value, np.uint16)
    core = Volume(values, np.ones(values.shape, bool), SPACING, "grey")
    with pytest.raises(InputRefused) as told:
        resolved(otsu_scheme(2), ArraySource(core), 2)
    assert told.value.code == "no-range"
