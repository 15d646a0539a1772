"""How far long work is: shares rise, come out whole, and a stop is heard in the middle of a loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from soilscope import structure as st
from soilscope.classes.loops import aside, over_slabs
from soilscope.progress import part, stages, telling, told
from soilscope.structure.kinds import objects_in
from soilscope.structure.tubes import _smoothed
from soilscope.volume import Volume

SOURCE = Path(__file__).parents[1] / "src"


class Heard:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def __call__(self, done, of, what):
        self.told.append((done, of, what))

    @property
    def shares(self):
        return [done / of for done, of, _ in self.told]


def test_stages_lead_from_one_end_of_the_work_to_the_other_in_proportion():
    heard = Heard()
    with telling(heard, "work", (1, 2), 4):
        first, second = stages(1, 3)
        with first:
            told(0.5)
        with second, part(0.0, 0.5):
            told(1.0)
    assert [done for done, _, _ in heard.told] == pytest.approx([1, 1.125, 1.25, 1.625, 2, 2])
    assert {(of, what) for _, of, what in heard.told} == {(4, "work")}


def test_loops_without_a_share_of_their_own_never_take_what_comes_after_them():
    """A small loop before the stages of a work does not claim the whole: what follows still moves."""
    heard = Heard()
    with telling(heard, "work", (0, 1), 1):
        over_slabs(lambda _first, _end: None, 64)
        before = heard.shares[-1]
        (rest,) = stages(1)
        with rest:
            told(0.5)
    assert before < 0.75
    assert before < heard.shares[-3] < 1 == heard.shares[-1]


def test_nobody_listening_changes_nothing():
    with stages(1)[0]:
        told(0.5)


@pytest.fixture(scope="module")
def rooted():
    """A core with tubes, a crack and balls in a block of matrix, in voxels that are not cubic."""
    rng = np.random.default_rng(3)
    labels = np.ones((70, 60, 60), np.uint8)
    z, y, x = np.indices(labels.shape)
    for cy, cx in ((15, 15), (40, 22), (30, 47)):
        labels[(y - cy) ** 2 + (x - cx - 0.1 * z) ** 2 <= 16] = 2
    labels[:, 50:53] = 2
    labels[ndimage.gaussian_filter(rng.standard_normal(labels.shape), 2) > 0.25] = 2
    values = labels.astype(np.int16) * 100
    return Volume(values, np.ones(labels.shape, np.bool_), (0.5, 0.35, 0.35), "grey", core="a"), labels


def test_measuring_tells_its_share_between_classes_too(rooted):
    """Progress for whatever takes long: shares rise to 1, and no metric of a class is a leap of its own."""
    volume, labels = rooted
    heard = Heard()
    st.measure(volume, labels=labels, names={1: "matrix", 2: "pores"}, metrics=list(st.METRICS), say=heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[0] == 0
    assert heard.shares[-1] == pytest.approx(1)
    assert max(b - a for a, b in pairwise(heard.shares)) < 1 / len(st.METRICS)
    assert {"class 1, local-thickness", "class 2, distance"} <= {what for _, _, what in heard.told}


def test_tubes_and_their_lengths_tell_their_share(rooted):
    """Tubes take longest of all objects: their bar moves through smoothing, painting and thinning."""
    volume, labels = rooted
    heard = Heard()
    with telling(heard, "tubes", (0, 1), 1):
        objects_in(volume, labels, st.ObjectKind("tubes", (2,), shape="tubes", at_least_mm=1.0))
    assert heard.shares == sorted(heard.shares)
    assert max(b - a for a, b in pairwise(heard.shares)) < 0.25


def test_smoothing_slab_by_slab_is_scipys_gaussian_filter_to_the_bit(rooted):
    solid = (rooted[1] == 2).astype(np.float32)
    expected = ndimage.gaussian_filter(solid, [1.4, 3.0, 2.2], mode="nearest", truncate=3.0)
    np.testing.assert_array_equal(_smoothed(solid, [1.4, 3.0, 2.2]), expected)


@pytest.mark.parametrize("by", [1, 2, 40])
def test_labels_eroded_slab_by_slab_are_those_eroded_as_a_whole(rooted, by):
    labels = rooted[1]
    valid = np.hypot(*(np.indices(labels.shape)[1:] - 29.5)) < 28
    inside, size = np.where(valid, labels, 0), 2 * by + 1
    most = ndimage.maximum_filter(inside, size, mode="constant", cval=0)
    least = ndimage.minimum_filter(np.where(valid, labels, 255), size, mode="constant", cval=255)
    np.testing.assert_array_equal(
        st.eroded(labels, valid, by), np.where((most == inside) & (least == inside), inside, 0)
    )


def test_what_goes_wrong_aside_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 / 0)


def test_a_stop_in_a_loop_cancels_the_slabs_that_are_not_begun():
    """Ctrl-C in the middle of a loop over a large volume ends it with the slabs at work, not with all of them."""
    begun, stop = [], threading.Event()

    def work(first, end):
        begun.append(first)
        if len(begun) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        stop.wait(0.05)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            over_slabs(work, 2048)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(begun) < 32


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_is_heard_while_another_library_is_at_work(number, code):
    """Thinning a large body is one call of scikit-image: Ctrl-C and SIGTERM end the process in the middle of it.

    The mask takes far longer to thin than the process may take to end: it ends before it could say that it was done.
    """
    script = """
        import signal
        import sys
        import numpy as np
        from scipy import ndimage
        from soilscope.cli.stopping import hear_stops
        from soilscope.classes.loops import aside
        from skimage.morphology import skeletonize
        hear_stops()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        noise = np.random.default_rng(0).standard_normal((60, 60, 60)).astype(np.float32)
        mask = np.tile(ndimage.gaussian_filter(noise, 2, mode="wrap") > 0, (4, 6, 6))
        print("begun", flush=True)
        try:
            aside(lambda: skeletonize(mask, method="lee"))
        except KeyboardInterrupt:
            sys.exit(130)
        print("done", flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert child.stdout.readline() == "begun\n"
    threading.Event().wait(0.5)
    child.send_signal(number)
    rest, _ = child.communicate(timeout=60)
    assert (child.returncode, rest) == (code, "")
