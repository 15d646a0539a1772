"""What holds of every metric there is: how a core lies in its array, its units, its window, and how fine its voxels are."""

import numpy as np
import pytest
from known_bodies import blobs

from soilscope import structure as st

SPACING = (0.5, 0.8, 1.1)
POWER = {"1": 0, "mm": 1, "mm2": 2, "mm3": 3, "1/mm": -1, "1/mm2": -2, "1/mm3": -3, "mm2/mm3": -1}
NAMES = list(st.METRICS)
IN_SLICES = [name for name in NAMES if st.METRICS[name].slices is not None]


@pytest.fixture(scope="module")
def soil():
    """A class that percolates, and a window that is neither whole nor even."""
    mask = blobs((40, 36, 44), 0.4, 2.0)
    _, y, x = np.indices(mask.shape)
    valid = np.hypot(y - 17.5, (x - 21.5) * 0.8) < 17
    valid[:3] = False
    return mask, valid


def figures(name, mask, valid, spacing=SPACING):
    metric = st.METRICS[name]
    return metric.total(mask, valid, spacing), metric.profile(mask, valid, spacing)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flip_changes_no_figure_of_any_metric(soil, name, axis):
    total, profile = figures(name, *soil)
    flipped_total, flipped = figures(name, *(np.flip(one, axis) for one in soil))
    assert flipped_total == pytest.approx(total, rel=1e-5, nan_ok=True)
    if profile is not None:
        np.testing.assert_allclose(flipped[::-1] if axis == 0 else flipped, profile, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_quarter_turn_about_the_core_s_axis_changes_no_figure_of_any_metric(soil, name):
    total, profile = figures(name, *soil)
    dz, dy, dx = SPACING
    turned_total, turned = figures(name, *(np.rot90(one, axes=(1, 2)) for one in soil), (dz, dx, dy))
    assert turned_total == pytest.approx(total, rel=1e-5, nan_ok=True)
    if profile is not None:
        np.testing.assert_allclose(turned, profile, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_core_twice_as_large_has_figures_as_its_unit_says(soil, name):
    total, profile = figures(name, *soil)
    factor = 2.0 ** POWER[st.METRICS[name].unit]
    larger_total, larger = figures(name, *soil, tuple(2.0 * s for s in SPACING))
    assert larger_total == pytest.approx(factor * total, rel=1e-5, nan_ok=True)
    if profile is not None:
        np.testing.assert_allclose(larger, factor * profile, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_outside_the_window_changes_no_figure_of_any_metric(soil, name):
    mask, valid = soil
    total, profile = figures(name, mask, valid)
    for other in (mask | ~valid, mask & valid):
        other_total, found = figures(name, other, valid)
        assert other_total == pytest.approx(total, rel=1e-9, nan_ok=True)
        if profile is not None:
            np.testing.assert_allclose(found, profile, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_slices_outside_the_window_are_missing_and_an_empty_window_says_nothing(soil, name):
    mask, valid = soil
    profile = st.METRICS[name].profile(mask, valid, SPACING)
    if profile is not None:
        assert np.isnan(profile[:3]).all()
        assert (
            np.isfinite(profile[3:]).any() or name == "fractal-dimension-2d"
        )  # the window is too narrow for three sizes
    nothing = np.zeros_like(valid)
    assert np.isnan(st.METRICS[name].total(mask, nothing, SPACING))


CONVERGE = {"fractal-dimension": 0.1, "fractal-dimension-2d": 0.1, "anisotropy": 0.1, "anisotropy-2d": 0.1}
"""Largest change at the last halving, as a share: more of ratios, and most of slopes, whose smallest boxes shrink too."""
BODIES = [((9.1, 8.3, 7.6), 4.1), ((10.4, 15.2, 14.7), 4.6), ((22.3, 9.4, 15.8), 4.4), ((15.7, 20.1, 8.9), 3.6)]


def sampled(step):
    """Balls and an upright pore through a box of 24 x 24 x 24 mm, in voxels of a size."""
    centres = [(np.arange(round(24 / step)) + 0.5) * step] * 3
    z, y, x = np.meshgrid(*centres, indexing="ij")
    inside = np.hypot(y - 18.3, x - 19.2) < 2.3 + 0 * z
    for (a, b, c), radius in BODIES:
        inside |= (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 < radius**2
    return inside


@pytest.fixture(scope="module")
def refined():
    return [(step, sampled(step)) for step in (1.0, 0.5, 0.25)]


@pytest.mark.parametrize("name", NAMES)
def test_halving_the_voxel_twice_brings_every_metric_to_rest(refined, name):
    coarse, middle, fine = (st.METRICS[name].total(mask, None, (step,) * 3) for step, mask in refined)
    last, before = abs(fine - middle), abs(middle - coarse)
    assert np.isfinite(fine)
    assert last <= CONVERGE.get(name, 0.05) * abs(fine) + 1e-12
    # The coarsest voxels leave fewer than three sizes of boxes for a fractal dimension.
    assert last <= before + 0.02 * abs(fine) or (np.isnan(coarse) and name.startswith("fractal"))


@pytest.mark.parametrize("name", IN_SLICES)
def test_halving_the_voxel_changes_no_metric_s_mean_over_slices_much(refined, name):
    profiles = [st.METRICS[name].profile(mask, None, (step,) * 3) for step, mask in refined[1:]]
    middle, fine = (float(np.nanmean(profile)) for profile in profiles)
    assert fine == pytest.approx(middle, rel=2 * CONVERGE.get(name, 0.05))
