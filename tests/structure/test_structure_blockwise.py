"""A core measured slab by slab has the numbers it has in memory, whatever the slabs; what cannot be is said."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from known_bodies import blobs, noise, ways
from pandas.testing import assert_frame_equal
from scipy.ndimage import label

from soilscope import structure as st
from soilscope.classes import scheme
from soilscope.errors import InputRefused, UsageError
from soilscope.structure import ClusterRule
from soilscope.structure.blockwise import BLOCKWISE, Ways, measure_blockwise
from soilscope.structure.budget import Budget, check_clusters, in_memory_gb
from soilscope.structure.seams import Seams
from soilscope.structure.together import Together
from soilscope.volume import Volume, write_store

SPACING = (0.25, 0.351, 0.351)
ROOM_OF_A_SMALL_BLOCK = 60**3
NAMES = {1: "pores", 2: "roots", 3: "stones"}


def labelled_core(seed, shape=(19, 14, 17)):
    """Three classes, half of them noise, so that clusters of all sizes cross the seams; a few slices were never scanned."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, shape).astype(np.uint8)
    labels[blobs(shape, 0.6, 1.5, seed)] = 1
    labels[blobs(shape, 0.15, 1.5, seed + 1)] = 2
    valid = rng.random(shape) < 0.97
    valid[0] = valid[-2:] = False
    values = rng.integers(-1000, 2000, shape).astype(np.int16)
    return Volume(values, valid, SPACING, "HU", core="3243"), labels


def assert_same(found, expected):
    """Equal but for rounding; squared distances are in single precision."""
    single = ["distance_mm", "critical_diameter_mm", "median_diameter_mm"]
    for column in expected.slices:
        rtol = 1e-6 if column in single else 1e-12
        assert_frame_equal(found.slices[[column]], expected.slices[[column]], rtol=rtol, check_exact=False)
    of_distance = expected.core.metric.isin(["distance", "critical-diameter", "median-diameter"])
    assert_frame_equal(found.core[of_distance], expected.core[of_distance], rtol=1e-6, check_exact=False)
    assert_frame_equal(found.core[~of_distance], expected.core[~of_distance], rtol=1e-12, check_exact=False)
    assert found.provenance == expected.provenance


@given(
    seed=some.integers(0, 50),
    slab=some.integers(1, 20),
    block=some.integers(4600, 9000),
    neighbours=some.sampled_from([6, 18, 26]),
    under=some.sampled_from([0, 2, 9, 60]),
)
@settings(max_examples=12, deadline=None)
def test_whatever_the_slabs_the_numbers_are_those_of_the_whole_core(seed, slab, block, neighbours, under):
    core, labels = labelled_core(seed)
    asked = {"names": NAMES, "metrics": list(BLOCKWISE), "rule": ClusterRule(under, neighbours), "joined": [(1, 3)]}
    expected = st.measure(core, labels=labels, **asked)
    found = measure_blockwise(core, labels=labels, **asked, ways=ways(slab, block))
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["paper-2021", "script-2021", "physical"])
def test_a_store_read_slab_by_slab_has_the_numbers_of_the_core_in_memory(tmp_path, name):
    core, _ = labelled_core(7, (40, 30, 33))
    write_store(tmp_path / "core.zarr", core)
    expected = st.measure(core, name)
    found = measure_blockwise(tmp_path / "core.zarr", name, ways=ways(16, 40_000))
    assert_same(found, expected)
    assert found.provenance["scheme"] == scheme(name).resolve(core).as_dict()


@pytest.mark.parametrize("neighbours", [6, 18, 26])
@pytest.mark.parametrize("slab", [1, 3, 8])
def test_clusters_joined_across_seams_are_those_scipy_finds_in_the_whole(slab, neighbours):
    mask = noise((16, 18, 20), 0.25, 3)
    steps = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0) <= {6: 1, 18: 2, 26: 3}[neighbours]
    expected = np.sort(np.bincount(label(mask, steps)[0].ravel())[1:])
    seams = Seams(neighbours)
    for first in range(0, 16, slab):
        seams.add(mask[first : first + slab].astype(np.uint8))
    np.testing.assert_array_equal(np.sort(seams.closed().sizes[1][1:]), expected)


def test_small_clusters_within_a_slab_are_forgotten_at_once_and_the_others_are_counted_whole():
    mask = noise((64, 40, 40), 0.08, 1)
    mask[10:50, 20, 20] = True
    seams = Seams(6, under=30)
    for first in range(0, 64, 16):
        seams.add(mask[first : first + 16].astype(np.uint8))
    every = np.bincount(label(mask)[0].ravel())[1:]
    np.testing.assert_array_equal(np.sort(seams.closed().sizes[1][1:]), np.sort(every[every >= 30]))
    assert seams.held < 0.25 * len(every)  # those in the eight slices at ends of slabs


def test_more_clusters_than_memory_holds_are_refused_with_the_figure():
    with pytest.raises(InputRefused) as told:
        check_clusters(10**9, Budget.of((1024, 1024, 1024), 2, 2.0))
    assert told.value.code == "memory-budget"
    assert "40.00 GB" in str(told.value)


def test_a_wide_pore_gets_a_halo_as_wide_as_it_needs():
    labels = np.zeros((200, 60, 60), np.uint8)
    z, y, x = np.indices(labels.shape)
    labels[(z - 25) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 < 24**2] = 1  # three times the first halo
    labels[blobs(labels.shape, 0.1) & (labels == 0)] = 2
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    asked = {"labels": labels, "names": {1: "hollow", 2: "pores"}, "metrics": ["local-thickness"]}
    found = measure_blockwise(core, **asked, ways=ways(7, 500_000))
    assert_same(found, st.measure(core, **asked))


def test_a_block_with_a_place_too_wide_for_it_is_halved_until_it_sees_the_walls():
    labels = np.zeros((96, 96, 96), np.uint8)
    z, y, x = np.indices(labels.shape) - 47
    labels[z**2 + y**2 + x**2 < 8**2] = 1  # its halo and a whole block do not fit into the room together
    labels[blobs(labels.shape, 0.1) & (labels == 0)] = 2
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    asked = {"labels": labels, "names": {1: "hollow", 2: "pores"}, "metrics": ["local-thickness"]}
    found = measure_blockwise(core, **asked, ways=ways(16, ROOM_OF_A_SMALL_BLOCK))
    assert_same(found, st.measure(core, **asked))


def test_thickness_beyond_what_memory_lets_a_block_see_is_missing_and_said():
    labels = np.zeros((60, 40, 40), np.uint8)
    labels[:, 2:38, 2:38] = 1
    labels[:, 2:38, 19:21] = 2
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (1.0, 1.0, 1.0), "HU")
    asked = {"labels": labels, "names": {1: "wide", 2: "slit"}, "metrics": ["local-thickness"]}
    found = measure_blockwise(core, **asked, ways=ways(8, 20_000))
    expected = st.measure(core, **asked)
    mine, theirs = (t.core[t.core.metric == "local-thickness"].value.to_numpy() for t in (found, expected))
    assert np.isnan(mine[0])
    assert mine[1] == pytest.approx(theirs[1], rel=1e-12)
    (told,) = [f for f in found.provenance["findings"] if f["code"] == "thickness-bound"]
    assert "wide" in told["text"]
    assert "memory" in told["text"]


def of_my_own(sees):
    """The share of each slice's class that lies in its first row; nothing but the slice is needed for it."""
    return st.Metric(
        "first-row", "1", "share in the first row", lambda p: p.mask[:, 0].sum(axis=1) / p.counts.clip(1), sees=sees
    )


def test_a_metric_of_my_own_that_sees_one_slice_has_the_same_figures_slab_by_slab(monkeypatch):
    monkeypatch.setitem(st.METRICS, "first-row", of_my_own("slice"))
    core, labels = labelled_core(1)
    asked = {"labels": labels, "names": NAMES, "metrics": ["first-row"]}
    assert_same(measure_blockwise(core, **asked, ways=ways(5, 9000)), st.measure(core, **asked))


def test_a_metric_of_my_own_that_may_see_the_whole_core_is_missing_and_said(monkeypatch):
    monkeypatch.setitem(st.METRICS, "first-row", of_my_own("core"))
    core, labels = labelled_core(1)
    found = measure_blockwise(core, labels=labels, names=NAMES, metrics=["first-row"], ways=ways(5, 9000))
    assert found.core[found.core.metric == "first-row"].value.isna().all()
    assert any(f["code"] == "not-blockwise" and "first-row" in f["text"] for f in found.provenance["findings"])


def test_every_metric_that_comes_with_soilscope_has_figures_of_cores_of_any_size():
    """Skeletons are the exception where there are any: a body's skeleton hangs on all of it."""
    assert {name for name in st.METRICS if name not in BLOCKWISE} == set()


def test_too_big_is_refused_with_the_figure_before_the_work_starts():
    with pytest.raises(InputRefused) as told:
        Budget.of((4000, 9000, 9000), 2, 1.0)
    assert told.value.code == "memory-budget"
    assert "1.00 GB" in str(told.value)
    assert f"{in_memory_gb((4000, 9000, 9000), 2):.2f} GB" in str(told.value)


@pytest.mark.parametrize("memory_gb", [0.6, 1.0, 2.0, 8.0])
def test_slabs_and_blocks_grow_with_the_budget_and_stay_within_it(memory_gb):
    cut = Budget.of((1024, 1024, 1024), 2, memory_gb)
    assert 2 <= cut.slab <= 64
    assert cut.slab * 1024 * 1024 * 22 < memory_gb * 1e9
    assert cut.block * 36 < memory_gb * 1e9


def test_without_classes_nothing_is_measured():
    core, labels = labelled_core(1)
    with pytest.raises(UsageError) as told:
        measure_blockwise(core, labels=labels)
    assert told.value.code == "classes"


def test_progress_is_told_and_an_interrupt_ends_the_work_and_leaves_no_file(tmp_path):
    core, labels = labelled_core(2)
    heard = []

    def stop(done, of, what):
        heard.append((done, of, what))
        if what == "thickness":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_blockwise(core, labels=labels, names=NAMES, ways=Ways(slab=4, block=9000, folder=tmp_path, say=stop))
    assert {what for *_, what in heard} == {"clusters", "slices and seams", "thickness"}
    assert all(0 <= done <= of for done, of, _ in heard)
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_lie_beside_the_store_or_where_they_are_told_to_and_nowhere_else(tmp_path, monkeypatch):
    """Disk full at every write, $TMPDIR unused: a core without a store needs a folder for what is too large for the memory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    core, labels = labelled_core(2)
    asked = {"labels": labels, "names": NAMES, "metrics": ["local-thickness", "distance"]}
    write_store(tmp_path / "core.zarr", core)
    held = [
        measure_blockwise(tmp_path / "core.zarr", **asked, ways=Ways(slab=4, block=9000)),
        measure_blockwise(core, **asked, ways=Ways(slab=4, block=9000, folder=tmp_path)),
    ]
    assert_frame_equal(held[0].core, held[1].core)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["core.zarr"]
    with pytest.raises(UsageError) as told:
        measure_blockwise(core, **asked, ways=Ways(slab=4, block=9000))
    assert told.value.code == "temporary-folder"
    assert "Ways(folder=...)" in str(told.value)


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from soilscope.errors import OutputRefused
from soilscope.structure.scratch import Room
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with Room(Path(sys.argv[1]), (50, 40, 40)).array() as scratch:
        for _ in range(50):
            scratch.append(np.ones((1, 40, 40), np.uint8))
except OutputRefused as error:
    print(error.code)
"""


def test_a_disk_that_is_full_at_a_write_of_a_temporary_file_is_said_so(tmp_path):
    """Disk full at every write -> refuse, nothing left."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "cannot-write\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_classes_at_once_have_the_clusters_and_thickness_each_has_alone():
    core, labels = labelled_core(5, (24, 25, 26))
    together = Together(labels, core.valid, SPACING, ClusterRule(5, 6))
    for value in NAMES:
        mask = (labels == value) & core.valid
        kept, removed = together.phases(value)
        alone = st.remove_small_clusters(mask, 5, 6)
        np.testing.assert_array_equal(kept.mask, mask)
        np.testing.assert_array_equal(removed.mask, alone)
        np.testing.assert_array_equal(removed.clusters.labels, st.find_clusters(alone).labels)
        np.testing.assert_array_equal(removed.clusters.sizes, st.find_clusters(alone).sizes)
        filled = np.flatnonzero(core.valid.any(axis=(1, 2)))
        inner = slice(filled[0], filled[-1] + 1)
        np.testing.assert_allclose(removed.thickness[inner], st.local_thickness(alone[inner], SPACING), rtol=1e-6)
        assert not np.delete(removed.thickness, np.r_[inner], axis=0).any()
