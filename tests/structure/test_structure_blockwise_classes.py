"""Classes of a core of any size: two thresholds an edge, and labels made elsewhere, are those of the core in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, ways
from scipy.ndimage import gaussian_filter
from skimage.filters import apply_hysteresis_threshold

from soilscope import structure as st
from soilscope.classes import Scheme, classify
from soilscope.errors import InputRefused
from soilscope.structure.blockwise import measure_blockwise
from soilscope.structure.budget import Budget
from soilscope.structure.grown import GrownLabels, class_slabs
from soilscope.structure.slabs import ArraySource
from soilscope.volume import Volume, write_store

SPACING = (0.25, 0.351, 0.351)
NAMES = {1: "pores", 2: "roots", 5: "stones"}


def banded(grows, bands=((-300, 200), (600, 1100))):
    edges = (-3000, *(sum(band) / 2 for band in bands), 5000)
    names = [f"c{k}" for k in range(len(edges) - 1)]
    return Scheme("banded", edges, tuple(names), "HU", bands=tuple(bands), grows=grows)


def wavy(seed, shape=(23, 18, 20)):
    """Values that cross both thresholds again and again, so that what grows does so across many slabs; a ragged window."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (2.0, 1.0, 1.0))
    hu = (300 + 900 * field / field.std()).astype(np.int16)
    valid = noise(shape, 0.97, seed)
    valid[0] = False
    return Volume(hu, valid, SPACING, "HU", core="3243")


@given(
    seed=some.integers(0, 99),
    slab=some.integers(1, 24),
    first=some.integers(0, 22),
    thick=some.integers(1, 23),
    grows=some.sampled_from(["brighter", "darker"]),
)
@settings(max_examples=40, deadline=None)
def test_what_lies_between_two_thresholds_goes_with_what_it_touches_whatever_the_slabs(seed, slab, first, thick, grows):
    core, scheme = wavy(seed), banded(grows)
    whole = classify(core, scheme)
    found = GrownLabels(ArraySource(core), scheme, Budget(slab, 9000))
    np.testing.assert_array_equal(found[0:23], whole)
    np.testing.assert_array_equal(found[first : first + thick], whole[first : first + thick])


def test_a_thread_through_the_whole_core_grows_from_its_one_strong_voxel_and_equals_scikit_image():
    hu = np.full((40, 9, 9), -500, np.int16)
    hu[:, 4, 4] = hu[3:20, 1, 1] = 500
    hu[37, 4, 4] = 2000
    core = Volume(hu, np.ones(hu.shape, bool), SPACING, "HU")
    scheme = banded("brighter", ((0, 1000),))
    found = class_slabs(ArraySource(core), scheme, None, Budget(4, 9000)).read(0, 40)[0]
    assert (found[:, 4, 4] == 2).all()
    assert (found == 2).sum() == 40
    np.testing.assert_array_equal(found == 2, apply_hysteresis_threshold(hu, 0, 1000))


@pytest.mark.parametrize("grows", ["brighter", "darker"])
def test_tables_of_a_core_with_bands_are_those_it_has_in_memory(tmp_path, grows):
    core, scheme = wavy(3), banded(grows)
    write_store(tmp_path / "core.zarr", core)
    metrics = ["fraction", "porosity", "clusters", "connection-3d", "euler-3d"]
    expected = st.measure(core, scheme, metrics=metrics, rule=st.ClusterRule(5))
    found = measure_blockwise(
        tmp_path / "core.zarr", scheme, metrics=metrics, rule=st.ClusterRule(5), ways=ways(4, 9000)
    )
    np.testing.assert_allclose(found.core["value"], expected.core["value"], rtol=1e-12)
    np.testing.assert_allclose(found.slices["fraction"], expected.slices["fraction"], rtol=1e-12)
    assert found.provenance == expected.provenance


def test_more_clusters_between_two_thresholds_than_memory_holds_are_refused():
    core = Volume(
        np.where(noise((12, 20, 20), 0.1), 500, -500).astype(np.int16), np.ones((12, 20, 20), bool), SPACING, "HU"
    )
    with pytest.raises(InputRefused) as told:
        GrownLabels(ArraySource(core), banded("brighter", ((0, 1000),)), Budget(4, 9000, clusters=50))
    assert told.value.code == "memory-budget"


def labelled(kind, tmp_path):
    """One label volume as other programs leave it: in memory, of wide numbers, on the disk."""
    labels = np.zeros((20, 15, 16), np.uint8)
    labels[blobs(labels.shape, 0.4)] = 1
    labels[blobs(labels.shape, 0.2, 1.5, 1)] = 5
    valid = noise(labels.shape, 0.95)
    core = Volume(labels.astype(np.int16), valid, SPACING, "HU", core="3243")
    if kind == "mapped":
        np.save(tmp_path / "labels.npy", labels)
        return core, labels, np.load(tmp_path / "labels.npy", mmap_mode="r")
    return core, labels, labels.astype(kind)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "mapped"])
def test_labels_made_elsewhere_are_measured_slab_by_slab_as_in_memory(tmp_path, kind):
    """Label volumes made elsewhere are measured exactly like our own classes: at any size, with the same findings."""
    core, labels, given_so = labelled(kind, tmp_path)
    asked = {"names": NAMES, "metrics": ["porosity", "clusters", "euler-3d"], "rule": st.ClusterRule(5)}
    expected = st.measure(core, labels=labels, **asked)
    found = measure_blockwise(core, labels=given_so, **asked, ways=ways(3, 9000))
    np.testing.assert_allclose(found.core["value"], expected.core["value"], rtol=1e-12)
    assert found.provenance == expected.provenance
    assert {"labels-outside", "class-empty"} <= {f["code"] for f in found.provenance["findings"]}


@pytest.mark.parametrize(
    ("spoilt", "names", "code"),
    [
        (lambda labels: labels[1:], NAMES, "labels-shape"),
        (lambda labels: labels, {1: "pores"}, "labels-names"),
        (lambda labels: np.where(np.arange(20)[:, None, None] == 17, 9, labels), NAMES, "labels-names"),
        (lambda labels: np.where(np.arange(20)[:, None, None] == 17, -1, labels.astype(int)), NAMES, "labels-values"),
        (lambda labels: np.where(np.arange(20)[:, None, None] == 17, 256, labels.astype(int)), NAMES, "labels-values"),
        (lambda labels: np.where(np.arange(20)[:, None, None] == 17, 0.5, labels), NAMES, "labels-values"),
        (lambda labels: labels.astype(str), NAMES, "labels-values"),
        (lambda labels: labels, {0: "none", 1: "pores", 5: "stones"}, "labels-names"),
    ],
)
def test_labels_that_do_not_fit_are_refused_slab_by_slab_with_the_same_code(tmp_path, spoilt, names, code):
    core, labels, _ = labelled("uint8", tmp_path)
    for measured in (st.measure, lambda *a, **k: measure_blockwise(*a, **k, ways=ways(3, 9000))):
        with pytest.raises(InputRefused) as told:
            measured(core, labels=spoilt(labels), names=names, metrics=[])
        assert told.value.code == code
        assert "0.5" not in str(told.value) or "(17, 0, 0)" in str(told.value)
