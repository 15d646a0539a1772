"""Cores without a tube end where their blurred edge is half way between soil and air; a tube that may be there is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.phantoms.scanner import Scanner
from soilscope.volume import Volume

WIDTH, DEPTH = 124, 40
SOILS = {"dense": (0.1, 1500.0, 60.0), "sandy": (0.2, 1100.0, 120.0), "loose": (0.4, 300.0, 150.0)}
"""Share of pores, and mean and spread of what lies between them, in HU."""


def standing_in_air(soil, radius, *, blur, noise, tilt=0.0, tube=(0.0, 0.0), size=1.8) -> tuple[Volume, np.ndarray]:
    """Soil with pores in a tube of (thickness in voxels, HU), drawn from 4 by 4 points a voxel and blurred; and where it lies."""
    rng, (pores, mean, spread) = np.random.default_rng(3), soil
    grains = [ndimage.gaussian_filter(rng.normal(size=(DEPTH, WIDTH, WIDTH)), size) for _ in range(2)]
    first, second = (g / g.std() for g in grains)
    hu = np.where(first < np.quantile(first, pores), -1000.0, mean + spread * second)
    middle, points = (WIDTH - 1) / 2, (np.arange(4 * WIDTH) + 0.5) / 4 - 0.5
    values, truth = np.empty(hu.shape), np.empty(hu.shape, bool)
    for k in range(DEPTH):
        x = middle + np.tan(np.radians(tilt)) * (k - DEPTH / 2)
        away = np.hypot((points - middle)[:, None], (points - x) * np.cos(np.radians(tilt)))
        within, body = ((away <= r).reshape(WIDTH, 4, WIDTH, 4).mean((1, 3)) for r in (radius, radius + tube[0]))
        values[k] = hu[k] * within + tube[1] * (body - within) - 1000 * (1 - body)
        truth[k] = (
            np.hypot((np.arange(WIDTH) - middle)[:, None], (np.arange(WIDTH) - x) * np.cos(np.radians(tilt))) <= radius
        )
    seen = ndimage.gaussian_filter(values, (blur, blur, blur), mode="nearest") + rng.normal(0, noise, hu.shape)
    scan = np.clip(np.rint(seen), -1024, 3071).astype(np.int16)
    return Volume(scan, np.ones(scan.shape, bool), (0.35, 0.35, 0.35), "HU"), truth


def told(core: Volume) -> dict[str, str]:
    return {f.code: f.text for f in core.findings}


def overlap(found, truth) -> float:
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize(
    ("radius", "blur", "noise", "tilt"), [(45.2, 0.9, 60, 0.0), (50.3, 1.4, 100, 4.0), (53.6, 1.9, 20, 1.0)]
)
def test_a_bare_core_ends_half_way_to_air_and_no_tube_is_made_up(soil, radius, blur, noise, tilt):
    """The outline at a fixed value lies outside of dense soil that is blurred, and its blurred edge is as calm as a wall."""
    scan, truth = standing_in_air(SOILS[soil], radius, blur=blur, noise=noise, tilt=tilt)
    found = find_core(scan)
    assert found.source["soil"]["wall"] is None
    assert "with no tube seen around it" in told(found)["cylinder"]
    assert overlap(found.valid, truth) >= 0.98


@pytest.mark.parametrize(
    ("seed", "width", "noise", "wall", "tilt", "offset"),
    [(4, 128, 20, (0.75, -126), 3.0, (0.5, -0.6)), (59, 160, 40, (0.75, -60), 0.0, (0.0, 0.0))],
)
def test_a_wall_thinner_than_its_blur_that_reads_little_is_not_all_taken_for_soil(
    seed, width, noise, wall, tilt, offset
):
    """Two voxels of wall, blurred by 1.7, look much like a bare core's edge: what remains in doubt is less than two per cent."""
    scanner = Scanner(blur_mm=0.6, noise_hu=noise, wall_mm=wall[0], wall_hu=wall[1], tilt_deg=tilt, offset_mm=offset)
    phantom = phantoms.make("compacted", seed, (24, width, width), scanner=scanner)
    scan = replace(phantom.volume, valid=np.ones(phantom.volume.shape, bool), findings=())
    assert overlap(find_core(scan).valid, phantom.truth > 0) >= 0.98


@pytest.mark.parametrize("wall", [20.0, 270.0])
def test_a_tube_that_even_soil_and_noise_hide_is_told(wall):
    """Soil of few pores in a tube of 2.8 voxels, 40 voxels across: where no wall is seen, a person is asked for the radius."""
    scan, _ = standing_in_air((0.02, 550.0, 60.0), 17.2, blur=1.5, noise=120, tube=(2.8, wall), size=1.5)
    found = find_core(scan)
    assert "radius_mm" in told(found)["wall-blurred"]


@pytest.mark.parametrize("tube", [(0.0, 0.0), (6.0, 400.0)])
def test_the_edge_of_a_grey_scan_is_found_beside_the_air_it_shows(tube):
    """Air reads 1000 here, and soil 26000."""
    scan, truth = standing_in_air(SOILS["dense"], 46.4, blur=1.2, noise=40, tube=tube)
    grey = ((scan.values.astype(float) + 1100) * 10).clip(0, 65535).astype(np.uint16)
    found = find_core(replace(scan, values=grey, units="grey"))
    assert found.source["soil"]["radius_mm"] / 0.35 == pytest.approx(46.4, abs=0.15)
    assert overlap(found.valid, truth) >= 0.99
