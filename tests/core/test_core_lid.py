"""Slices of the tube's own material at an end of the soil."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from soilscope.core import CoreChoice, find_core
from soilscope.volume import Volume


def tube(
    lid: slice | None,
    wall: float,
    *,
    spread: float = 0.0,
    air_below: int = 0,
    thick: float = 6.0,
    blur: float = 0.7,
    noise: float = 30.0,
    lid_reads: float | None = None,
) -> tuple[Volume, np.ndarray]:
    """Uneven soil in a tube that reads ``wall``, a part of it replaced by a layer of that value; and where the soil is."""
    rng = np.random.default_rng(11)
    depth, width = 60, 96
    y, x = np.mgrid[:width, :width] - (width - 1) / 2
    away = np.hypot(y, x)
    grains = ndimage.gaussian_filter(rng.normal(size=(depth, width, width)), 1.5)
    soil = 400 + 300 * grains / grains.std()
    truth = np.broadcast_to(away < 30, soil.shape).copy()
    if lid is not None:
        soil[lid] = (wall if lid_reads is None else lid_reads) + spread * grains[lid] / grains.std()
        truth[lid] &= bool(spread)
    hu = np.where(away < 30, soil, np.where(away < 30 + thick, wall, -1000.0))
    if air_below:
        hu[-air_below:, away < 30], truth[-air_below:] = -1000, False
    hu = ndimage.gaussian_filter(hu, blur) + rng.normal(0, noise, hu.shape)
    values = np.rint(hu).clip(-1024, 3071).astype(np.int16)
    return Volume(values, np.ones(values.shape, bool), (0.5, 0.5, 0.5), "HU"), truth


def codes(core: Volume) -> set[str]:
    return {f.code for f in core.findings}


@pytest.mark.parametrize("wall", [120.0, 400.0, 1300.0])
@pytest.mark.parametrize(("lid", "air_below"), [(slice(-8, None), 0), (slice(0, 6), 0), (slice(-13, -5), 5)])
def test_a_lid_of_the_tube_s_material_is_no_soil(lid, air_below, wall):
    """A slice that reads what the wall does throughout is left out, also where its value is the soil's own, and told."""
    scan, truth = tube(lid, wall, air_below=air_below)
    core = find_core(scan)
    assert (core.valid & truth).sum() / (core.valid | truth).sum() >= 0.98
    text = next(f.text for f in core.findings if f.code == "lid")
    assert f"{6 if lid.start == 0 else 0} slices above and {0 if lid.start == 0 else 8} below" in text


def test_soil_without_a_lid_is_kept_and_nothing_is_told():
    scan, truth = tube(None, 400.0)
    core = find_core(scan)
    assert (core.valid & truth).sum() / (core.valid | truth).sum() >= 0.98
    assert not codes(core) & {"lid", "lid-possible"}


def test_a_layer_as_bright_as_the_tube_but_uneven_is_soil_and_told():
    """Its values differ more than half as much as the soil's: it may be soil, so it stays, and the finding says so."""
    scan, truth = tube(slice(-10, None), 400.0, spread=150.0)
    core = find_core(scan)
    assert (core.valid & truth).sum() / (core.valid | truth).sum() >= 0.98
    assert "lid-possible" in codes(core)
    assert "lid" not in codes(core)


def test_a_bottom_that_was_stated_is_followed_below_a_lid():
    scan, _ = tube(slice(-8, None), 120.0)
    core = find_core(scan, CoreChoice(bottom_mm=30.0))
    assert core.source["soil"]["bottom"] == 60
    assert "lid" not in codes(core)


@pytest.mark.parametrize("wall", [0.0, 100.0, 200.0])
@pytest.mark.parametrize(("thick", "blur"), [(4.3, 1.4), (4.0, 1.3), (3.0, 1.0)])
def test_a_lid_is_known_by_what_a_blurred_wall_reads_in_truth(thick, blur, wall):
    """Nowhere in a wall of three standard deviations of the blur or less is its own value seen; the lid shows it throughout."""
    scan, truth = tube(slice(-8, None), wall, thick=thick, blur=blur, noise=10.0)
    core = find_core(scan)
    assert (core.valid & truth).sum() / (core.valid | truth).sum() >= 0.98
    assert "lid" in codes(core)


@pytest.mark.parametrize("value", [420.0])
def test_even_slices_that_read_much_like_a_wall_thinner_than_its_blur_are_told(value):
    """A wall of two voxels blurred by 1.7 is read to some hundred HU: what differs by less from it may be a lid, and is kept."""
    scan, _ = tube(slice(-8, None), 300.0, thick=2.0, blur=1.7, noise=10.0, lid_reads=value)
    assert codes(find_core(scan)) & {"lid", "lid-possible"}
