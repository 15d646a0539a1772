"""A store written plane by plane is the store that is written whole, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from soilscope.findings import Finding
from soilscope.volume import Volume, outline, read_store, store, write_planes, write_store
from soilscope.volume.store import shard_slices


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((70, 530, 131), np.int16), ((5, 20, 30), np.float32), ((64, 128, 129), np.uint8), ((66, 257, 514), np.uint16)],
)
def test_planes_make_the_same_bytes_as_the_whole(tmp_path, shape, dtype):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, shape).astype(dtype)
    values[:, : shape[1] // 3] = 0
    valid = rng.random(shape) > 0.3
    volume = Volume(values, valid, (0.3, 0.2, 0.1), "grey", (Finding("a", "note", "b"),), "7", {"format": "test"})
    whole = write_store(tmp_path / "whole.zarr", volume)
    about = Volume(*outline(shape, np.dtype(dtype)), (0.3, 0.2, 0.1), "grey", volume.findings, "7", volume.source)
    assert write_planes(tmp_path / "planes.zarr", about, zip(values, valid, strict=True)) == whole
    assert np.array_equal(read_store(tmp_path / "planes.zarr").valid, valid)


@pytest.mark.parametrize(
    ("shape", "dtype", "slices"),
    [
        ((640, 512, 512), np.int16, 64),
        ((1024, 1024, 1024), np.uint16, 64),
        ((2048, 2048, 2048), np.uint16, 32),
        ((80, 2048, 2048), np.float32, 16),
        ((80, 4096, 4096), np.float32, 16),
        ((8, 9, 9), np.uint8, 64),
    ],
)
def test_a_shard_is_no_thicker_than_a_quarter_of_a_gigabyte_of_whole_slices(shape, dtype, slices):
    """2**28 bytes over the bytes of a slice, in whole chunks of 16; a chunk is the least, 64 slices the most."""
    assert shard_slices(shape, np.dtype(dtype)) == slices


def test_thin_shards_are_read_by_zarr_and_hold_the_same_bytes_either_way(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SLAB_BYTES", 33 * 140 * 150 * 4)
    values = np.random.default_rng(0).random((70, 140, 150), np.float32)
    valid = values > 0.2
    whole = Volume(values, valid, (0.3, 0.2, 0.1), "grey", core="7")
    about = Volume(*outline(values.shape, values.dtype), (0.3, 0.2, 0.1), "grey", core="7")
    digest = write_store(tmp_path / "whole.zarr", whole)
    assert write_planes(tmp_path / "planes.zarr", about, zip(values, valid, strict=True)) == digest
    for name, expected in (("0", values), ("1", values[:, ::2, ::2]), ("labels/valid/0", valid)):
        array = zarr.open_array(tmp_path / "whole.zarr" / name, mode="r")
        assert array.shards[0] == 32
        assert np.array_equal(array[...], expected)


def test_planes_that_fail_leave_nothing(tmp_path):
    def planes():
        yield np.zeros((20, 30), np.uint8), np.ones((20, 30), bool)
        raise OSError("the disk is gone")

    about = Volume(*outline((5, 20, 30), np.dtype(np.uint8)), (1, 1, 1), "grey")
    with pytest.raises(OSError, match="disk is gone"):
        write_planes(tmp_path / "a.zarr", about, planes())
    assert list(tmp_path.iterdir()) == []
