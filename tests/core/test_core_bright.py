"""A dense wall around porous soil stands above it, and blur hides what it reads: its radii come from the fit of its edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from soilscope.core import find_core
from soilscope.volume import Volume

PIXEL = 0.4


def tube_of_peat(inner, thick, wall, *, blur, noise, tilt=0.0, seed=0) -> tuple[Volume, np.ndarray]:
    """Peat of -80 HU, a third of it pores, in a tube; edges drawn from 4 by 4 points a voxel, and 5 slices of air at both ends."""
    rng, depth, width = np.random.default_rng(seed), 44, int(2 * (inner + thick)) + 22
    grains = [ndimage.gaussian_filter(rng.normal(size=(depth, width, width)), size) for size in (1.5, 4.0)]
    fine, coarse = (g / g.std() for g in grains)
    peat = np.where(fine > 0.5, -960.0, -80 + 90 * coarse)
    middle, points = (width - 1) / 2, (np.arange(4 * width) + 0.5) / 4 - 0.5
    values, truth = np.full(peat.shape, -1000.0), np.zeros(peat.shape, bool)
    for k in range(depth):
        x = middle + np.tan(np.radians(tilt)) * (k - depth / 2)
        away = np.hypot((points - middle)[:, None], points - x)
        within, body = ((away < r).reshape(width, 4, width, 4).mean((1, 3)) for r in (inner, inner + thick))
        filled = 5 <= k < depth - 5
        values[k] += ((peat[k] if filled else -1000.0) + 1000) * within + (wall + 1000) * (body - within)
        truth[k] = filled & (np.hypot((np.arange(width) - middle)[:, None], np.arange(width) - x) < inner)
    values = ndimage.gaussian_filter(values, (0.6 * blur, blur, blur)) + rng.normal(0, noise, values.shape)
    scan = np.clip(np.rint(values), -1024, 3071).astype(np.int16)
    return Volume(scan, np.ones(scan.shape, bool), (PIXEL, PIXEL, PIXEL), "HU"), truth


@pytest.mark.parametrize(
    ("tube", "blur", "noise", "tilt"),
    [
        ((33.3, 2.6, 500.0), 1.4, 70, 2.0),
        ((33.3, 3.0, 1100.0), 1.2, 30, 0.0),
        ((44.0, 3.2, 300.0), 1.4, 25, 4.0),
        ((49.6, 2.5, 700.0), 1.3, 40, 0.0),
        ((56.2, 3.0, 1200.0), 1.4, 70, 3.0),
    ],
)
def test_a_dense_wall_thinner_than_its_blur_does_not_narrow_porous_soil(tube, blur, noise, tilt):
    """Half way up to what the blurred ridge reaches lies most of a voxel too far in, which half way up to the wall does not."""
    scan, truth = tube_of_peat(*tube, blur=blur, noise=noise, tilt=tilt)
    found = find_core(scan)
    soil = found.source["soil"]
    assert np.count_nonzero(found.valid & truth) / np.count_nonzero(found.valid | truth) >= 0.98
    assert soil["radius_mm"] / PIXEL == pytest.approx(tube[0], abs=0.35)
    assert soil["outer_radius_mm"] / PIXEL == pytest.approx(tube[0] + tube[1], abs=0.35)
    assert soil["wall"] == pytest.approx(tube[2], rel=0.35)


def test_a_bright_wall_that_shows_its_plateau_is_measured_by_its_ring_as_well():
    """The ring is half way up to a plateau, which needs no fit; the outline alone would lie most of a voxel outside the tube."""
    scan, truth = tube_of_peat(30.0, 7.0, 1200.0, blur=1.0, noise=30)
    found = find_core(scan)
    assert np.count_nonzero(found.valid & truth) / np.count_nonzero(found.valid | truth) >= 0.98
    assert found.source["soil"]["wall"] == pytest.approx(1200, abs=10)
    assert found.source["soil"]["outer_radius_mm"] / PIXEL == pytest.approx(37.0, abs=0.2)


def test_a_narrow_core_whose_thin_bright_wall_leaves_its_radius_uncertain_is_told():
    for tube, told in (((14.0, 2.6, 1400.0), True), ((30.0, 7.0, 1200.0), False)):
        scan, _ = tube_of_peat(*tube, blur=1.4, noise=80)
        assert ("wall-blurred" in {f.code for f in find_core(scan).findings}) == told
