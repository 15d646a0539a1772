"""A store written plane by plane is the store that is written whole, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.findings import Finding
from soilscope.volume import Volume, outline, read_store, write_planes, write_store


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


def test_planes_that_fail_leave_nothing(tmp_path):
    def planes():
        yield np.zeros((20, 30), np.uint8), np.ones((20, 30), bool)
        raise OSError("the disk is gone")

    about = Volume(*outline((5, 20, 30), np.dtype(np.uint8)), (1, 1, 1), "grey")
    with pytest.raises(OSError, match="disk is gone"):
        write_planes(tmp_path / "a.zarr", about, planes())
    assert list(tmp_path.iterdir()) == []
