"""Splits: nothing is ever on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from drawn_slices import pores
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from soilscope import errors
from soilscope.learn import Slices
from soilscope.learn.splits import ByCore, DepthBlocks, Division, Random, Rows, divide, named


def rows_of(*counts: int, step: int = 1) -> Rows:
    core = np.concatenate([np.full(n, f"core{k}") for k, n in enumerate(counts)])
    return Rows(core, np.concatenate([np.arange(n) * step for n in counts]))


@given(n=st.integers(2, 300), share=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_the_random_split_uses_every_slice_once_at_the_share_asked_for(n, share, seed):
    parts = Random(share).divide(rows_of(n), seed)
    assert sorted([*parts.train, *parts.test]) == list(range(n))
    assert abs(len(parts.train) - share * n) <= 1


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(5, 120), min_size=1, max_size=3),
    blocks=st.integers(2, 8),
    buffer=st.integers(0, 12),
    step=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_depth_blocks_keep_training_slices_further_away_than_the_buffer(counts, blocks, buffer, step, seed):
    rows = rows_of(*counts, step=step)
    parts = DepthBlocks(blocks, test_blocks=1, buffer_slices=buffer).divide(rows, seed)
    assume(len(parts.train))
    for core in set(rows.core):
        train, test = (rows.index[side[rows.core[side] == core]] for side in (parts.train, parts.test))
        if len(train) and len(test):
            assert np.abs(train[:, None] - test[None, :]).min() > buffer
            assert test.max() - test.min() <= np.ceil(step * max(counts) / blocks)


@pytest.mark.parametrize("split", [Random(), DepthBlocks(), ByCore(("core1",))], ids=lambda s: s.kind)
def test_the_same_seed_gives_the_same_split(split):
    rows = rows_of(60, 50)
    first, second = split.divide(rows, 3), split.divide(rows, 3)
    assert np.array_equal(first.train, second.train)
    assert np.array_equal(first.test, second.test)


@pytest.mark.parametrize("split", [Random(), DepthBlocks(8)], ids=lambda s: s.kind)
def test_another_seed_gives_another_split(split):
    rows = rows_of(60)
    assert len({tuple(split.divide(rows, seed).test) for seed in range(6)}) > 1


def test_by_core_keeps_whole_cores_out():
    rows = rows_of(6, 5, 4)
    parts = ByCore(("core1",)).divide(rows, 0)
    assert set(rows.core[parts.test]) == {"core1"}
    assert len(parts.test) == 5
    assert set(rows.core[parts.train]) == {"core0", "core2"}


def test_a_test_core_that_is_not_there_is_named():
    with pytest.raises(errors.UsageError, match="core9"):
        ByCore(("core9",)).divide(rows_of(5), 0)


@dataclass(frozen=True)
class Leaky:
    kind: str = "leaky"

    def divide(self, rows: Rows, seed: int) -> Division:
        return Division(np.arange(len(rows)), np.array([2]))


def test_a_split_with_a_slice_on_both_sides_is_refused_by_its_number():
    with pytest.raises(errors.UsageError, match=r"\[2\]") as caught:
        divide([pores(n=5)], Leaky(), 0)
    assert caught.value.code == "split-leaks"


def test_a_copy_of_a_training_core_under_another_name_is_refused():
    with pytest.raises(errors.UsageError, match="b:0") as caught:
        divide([pores(n=5, core="a"), pores(n=5, core="b")], ByCore(("b",)), 0)
    assert caught.value.code == "split-leaks"


def test_the_same_slice_twice_is_refused():
    with pytest.raises(errors.UsageError) as caught:
        divide([pores(n=5, seed=0), pores(n=5, seed=1)], Random(), 0)
    assert caught.value.code == "slice-twice"


def test_a_buffer_that_leaves_no_training_slice_is_refused():
    with pytest.raises(errors.LearningStopped) as caught:
        divide([pores(n=10)], DepthBlocks(5, buffer_slices=20), 0)
    assert caught.value.code == "too-few-slices"


@pytest.mark.parametrize(
    "make",
    [lambda: Random(1.0), lambda: DepthBlocks(3, 3), lambda: DepthBlocks(buffer_slices=-1), lambda: named("k-fold")],
)
def test_splits_that_make_no_sense_are_refused(make):
    with pytest.raises(errors.UsageError) as caught:
        make()
    assert caught.value.code == "split"


def test_flat_images_are_not_taken_for_copies():
    def flat(core: str) -> Slices:
        return Slices(np.zeros((3, 3, 8, 8), np.float32), np.arange(3.0), core=core)

    _, parts = divide([flat("a"), flat("b")], ByCore(("b",)), 0)
    assert parts.test.tolist() == [3, 4, 5]
