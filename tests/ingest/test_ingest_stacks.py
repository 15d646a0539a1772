"""Stacks of single pictures: a slice that is not there must not go unnoticed."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read

SPACING = (0.1, 0.1, 0.1)


def stack(folder, names):
    folder.mkdir(exist_ok=True)
    for value, name in enumerate(names):
        tifffile.imwrite(folder / name, np.full((6, 5), value, np.uint8))
    return folder


def test_a_missing_picture_is_refused_with_its_neighbours(tmp_path):
    folder = stack(tmp_path / "core", [f"Bean 8bit image{k:04d}.tif" for k in range(12) if k != 7])
    with pytest.raises(InputRefused) as caught:
        read(folder, spacing_mm=SPACING)
    assert caught.value.code == "gap"
    assert "image0006.tif to Bean 8bit image0008.tif" in caught.value.text
    (series,) = inspect(folder, spacing_mm=SPACING).series
    assert not series.usable


@pytest.mark.parametrize(
    "names",
    [
        [f"slice_{k}.tif" for k in range(8, 14)],
        [f"core2_{k:03d}_of_20.tif" for k in range(0, 40, 5)],
        ["top.tif", "middle.tif", "bottom.tif", "below.tif"],
        [f"a{k}_b{9 - k}.tif" for k in range(6)],
    ],
)
def test_even_numbers_whatever_their_step_and_names_without_numbers_are_read(names, tmp_path):
    scan = read(stack(tmp_path / "core", names), spacing_mm=SPACING)
    assert scan.shape == (len(names), 6, 5)
