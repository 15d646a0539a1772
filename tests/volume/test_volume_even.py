"""A mask of nothing but True behaves like any other array, and shares its memory with nobody."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soilscope.volume.even import BLOCK_BYTES, all_true


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 50), (5, 1024, 1024), (7, 1000, 999), (0, 4, 4)])
def test_a_mask_of_any_size_is_true_everywhere_and_writable(shape):
    mask = all_true(shape)
    assert mask.shape == shape
    assert mask.dtype == np.bool_
    assert mask.flags.c_contiguous
    assert mask.flags.writeable
    assert mask.all()


def test_what_is_written_shows_at_its_own_place_alone():
    """Two blocks apart lie the same bytes of memory, until one of them is written to."""
    mask, other = all_true((9, 1024, 1024)), all_true((9, 1024, 1024))
    mask[2, 3, 4] = False
    mask[4] = False
    expected = np.ones(mask.shape, bool)
    expected[2, 3, 4] = expected[4] = False
    assert np.array_equal(mask, expected)
    assert other.all()
    assert all_true(mask.shape).all()


def test_a_part_of_a_mask_outlives_the_whole():
    mask = all_true((9, 1024, 1024))
    mask[8, 0, 0] = False
    part = mask[8]
    del mask
    gc.collect()
    assert np.count_nonzero(part) == part.size - 1


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory is saved where the system has memfd_create")
def test_a_mask_takes_no_memory_until_it_is_changed():
    """64 blocks take the room of none; one voxel changed takes a page or two."""
    code = f"""
from soilscope.volume.even import all_true
def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
all_true((1, 1024, {BLOCK_BYTES // 256}))
before = held()
mask = all_true((64, 1024, {BLOCK_BYTES // 1024}))
mask[10, 0, 0] = False
assert int(mask.sum()) == mask.size - 1
print(held() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert int(done.stdout) < 8 * BLOCK_BYTES // 1024
