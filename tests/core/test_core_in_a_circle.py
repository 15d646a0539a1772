"""A core in a grey scan whose corners were never scanned: air is seen along the edge of the scan circle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from soilscope import find_core
from soilscope.volume import Volume

SHAPE, HEAD = (24, 96, 96), 4
Y, X = np.indices(SHAPE[1:]) - 47.5
R = np.hypot(Y, X)
INNER = 34.5


def scan(air: float, tube: float) -> Volume:
    """Soil with pores in a tube of 16000, a headspace of four slices, and masked corners."""
    source = np.random.default_rng(0)
    clods = ndimage.gaussian_filter(source.standard_normal(SHAPE), 2)
    soil = np.where(clods < -clods.std(), air, 20000 + 2500 * clods / clods.std())
    soil[:HEAD] = air
    values = np.where(tube * INNER > R, soil, np.where(tube * 38.4 > R, 16000.0, air))
    values = ndimage.gaussian_filter(values, (0.7, 1, 1)) + source.normal(0, 800, SHAPE)
    inside = np.broadcast_to(R < 48, SHAPE)
    return Volume(
        np.where(inside, values, 0).round().clip(0).astype(np.uint16), inside.copy(), (0.1, 0.1, 0.1), "grey", ()
    )


@pytest.mark.parametrize("air", [1500.0, 5000.0, 9000.0, 12000.0])
def test_a_core_within_the_scan_circle_of_a_grey_volume_is_found(air):
    found = find_core(scan(air, 1.0))
    truth = np.broadcast_to(R < INNER, SHAPE).copy()
    truth[:HEAD] = False
    assert np.count_nonzero(found.valid & truth) / np.count_nonzero(found.valid | truth) >= 0.98
    assert found.source["soil"]["top"] == HEAD
    assert found.source["soil"]["radius_mm"] == pytest.approx(INNER / 10, abs=0.1)


def test_soil_up_to_the_scan_circle_of_a_grey_volume_is_kept_whole():
    whole = scan(5000.0, 2.0)
    assert np.array_equal(find_core(whole).valid, whole.valid)
