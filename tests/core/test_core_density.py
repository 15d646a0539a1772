"""Densities: coreCT's own borders come out, rods are read where they stand, nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.core.density import PRESETS, Density, Rod, fit_density, measure_rods
from soilscope.errors import InputRefused, UsageError
from soilscope.volume import Volume

CORECT_SD = (77.6953, 14.1728, 39.2814, 45.4129)
"""Standard deviations of coreCT's default rods: air, water, colloidal silica, glass."""


def test_the_preset_gives_corects_borders_between_materials():
    """coreCT 1.3 cuts at the HU of the rods' densities on its line, plus or minus a rod's SD, in whole HU."""
    line = fit_density(PRESETS["coreCT"])
    start, slope = line.coefficients
    air, water, silica, glass = ((rod.density - start) / slope for rod in PRESETS["coreCT"])
    a, w, s, g = CORECT_SD
    borders = [air + a, water - w, water + w, silica + s, glass + g]
    assert [round(b) for b in borders] == [-818, 86, 114, 369, 1342]


def test_a_line_through_two_rods_is_exact_and_says_where_it_holds():
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    assert line.of(np.array([-1000, 0, 1650], np.int16)) == pytest.approx([0.0, 1.0, 2.65], abs=1e-6)
    assert line.holds == (-1000.0, 0.0)
    assert line.rmse == pytest.approx(0, abs=1e-12)


def test_a_parabola_through_three_rods_is_exact():
    rods = [Rod(str(v), 1.0 + 1e-3 * v + 1e-7 * v * v, float(v)) for v in (-1000, 0, 1500)]
    assert fit_density(rods, degree=2).coefficients == pytest.approx((1.0, 1e-3, 1e-7), rel=1e-6)


def test_residuals_are_what_the_line_misses():
    """Rods at -1, 0 and 1 with 0, 1.3 and 2 g/cm³: values over density have slope 13/13.4 (by hand, least squares)."""
    densities, values = np.array([0.0, 1.3, 2.0]), np.array([-1.0, 0.0, 1.0])
    off = densities - densities.mean()
    slope = (off @ values) / (off @ off)
    line = fit_density([Rod(str(k), d, v) for k, (d, v) in enumerate(zip(densities, values, strict=True))])
    assert line.residuals == pytest.approx(tuple(densities - (densities.mean() + values / slope)), abs=1e-12)


def test_density_is_never_negative_and_missing_is_nan():
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    values = np.array([[[-1024, 0], [500, -1000]]], np.int16)
    valid = np.array([[[True, True], [False, True]]])
    core = Volume(values, valid, (1.0, 1.0, 1.0), "HU")
    found = line.volume(core)
    assert found.dtype == np.float32
    assert found[valid] == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    assert np.isnan(found[~valid]).all()
    assert line.outside(core) == pytest.approx(1 / 3)
    assert "33.3% of the soil's voxels lie beyond" in line.finding(core).text


def test_rods_are_read_where_they_stand():
    """The rod's outer part is blurred; its inner 0.7 holds 777 HU, and the odd bubble does not matter to a median."""
    y, x = np.mgrid[:60, :60] * 0.5
    away = np.hypot(y - 10.0, x - 20.0)
    plane = np.where(away <= 3.0, 777, np.where(away <= 4.0, 300, -1000)).astype(np.int16)
    values = np.stack([plane] * 4)
    values[1, 20, 40] = -1000
    scan = Volume(values, np.ones(values.shape, bool), (0.5, 0.5, 0.5), "HU", core="c1")
    known = Rod("water", 1.0, 0.0)
    assert measure_rods(scan, [known, Rod("glass", 2.2, centre_mm=(10.0, 20.0), radius_mm=4.0)]) == (
        known,
        Rod("glass", 2.2, 777.0, (10.0, 20.0), 4.0),
    )
    with pytest.raises(InputRefused, match="c1: only 0 voxels lie within rod 'lost'") as caught:
        measure_rods(scan, [Rod("lost", 1.0, centre_mm=(90.0, 90.0), radius_mm=2.0)])
    assert caught.value.code == "rod-not-seen"


def with_rods(*values, noise=20.0) -> tuple[Volume, list[tuple[float, float]]]:
    """A scan of air with rods of 3 mm radius in a row, and where they stand."""
    places = [(6.0, 6.0 + 10.0 * k) for k in range(len(values))]
    y, x = np.mgrid[:30, : 24 + 25 * len(values)] * 0.4
    plane = np.full(y.shape, -1000.0)
    for value, (at_y, at_x) in zip(values, places, strict=True):
        plane[np.hypot(y - at_y, x - at_x) <= 3.0] = value
    seen = plane + np.random.default_rng(0).normal(0, noise, (20, *plane.shape))
    scan = Volume(np.rint(seen).astype(np.int16), np.ones(seen.shape, bool), (0.5, 0.4, 0.4), "HU", core="c1")
    return scan, places


def placed(densities, places) -> list[Rod]:
    return [Rod(f"{d:g}", d, centre_mm=at, radius_mm=3.0) for d, at in zip(densities, places, strict=True)]


@pytest.mark.parametrize(
    ("densities", "values"),
    [
        ((0.0012, 1.0, 1.5, 2.0), (-1000, -997, 600, 1100)),  # water's place holds air
        ((0.0012, 1.0, 1.5, 2.0), (-1000, -1000, 600, 1100)),
        ((0.0012, 1.0, 1.5, 2.0), (-1000, 600, 0, 1100)),  # two places exchanged
        ((1.0, 2.0), (0, -1000)),
        ((0.0012, 1.0), (-1000, -998)),
        ((1.0, 1.5, 2.0), (-1000, -999, -998)),
    ],
)
def test_rods_of_which_a_denser_one_reads_no_more_are_refused(densities, values):
    scan, places = with_rods(*values)
    with pytest.raises(InputRefused, match=r"c1: rod .* values must rise with density") as caught:
        measure_rods(scan, placed(densities, places))
    assert caught.value.code == "rods-alike"


def test_a_rod_whose_place_is_4_mm_off_is_named():
    scan, places = with_rods(-1000, 0, 600, 1100)
    off = [places[0], (places[1][0] - 4.5, places[1][1]), *places[2:]]
    with pytest.raises(InputRefused, match=r"rod '1' of 1 g/cm³ reads -\d+\.\d at \[1.5, 16.0\] mm") as caught:
        measure_rods(scan, placed((0.0012, 1.0, 1.5, 2.0), off))
    assert caught.value.code == "rods-alike"


@pytest.mark.parametrize("noise", [0.0, 20.0, 150.0])
@pytest.mark.parametrize(
    ("densities", "values"),
    [
        ((0.0012, 1.0, 2.2), (-1000, 0, 900)),  # a response that bends: honest
        ((0.0012, 1.0, 2.2), (-1000, 0, 2200)),
        ((1.0, 1.23, 2.2), (64, 272, 1345)),
        ((0.0012, 1.05, 1.0, 1.4), (-1000, -35, 0, 365)),  # polystyrene and water
        ((0.0012, 1.0), (-1000, 0)),
        ((1.0, 1.23), (64, 272)),
    ],
)
def test_honest_rods_are_not_refused(densities, values, noise):
    scan, places = with_rods(*values, noise=noise)
    assert [rod.value for rod in measure_rods(scan, placed(densities, places))] == pytest.approx(
        values, abs=max(1, noise / 8)
    )


def test_a_misfit_beyond_what_published_rods_leave_is_a_warning():
    """A line through three rods of which the middle one is 300 HU too high misses it by a fifth of a g/cm³ (least squares by hand:
    0.3 times 2/3)."""
    scan = Volume(np.zeros((1, 2, 2), np.int16), np.ones((1, 2, 2), bool), (1.0, 1.0, 1.0), "HU")
    fit = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 300.0), Rod("glass", 2.0, 1000.0)])
    assert max(map(abs, fit.residuals)) == pytest.approx(0.2, abs=1e-9)
    note, warning = fit.findings(scan)
    assert (note.code, note.severity) == ("density-calibration", "note")
    assert (warning.code, warning.severity) == ("density-misfit", "warning")
    assert "misses rod 'water' (1 g/cm³ at 300.0) by -0.20 g/cm³" in warning.text
    assert [f.code for f in fit_density(PRESETS["coreCT"]).findings(scan)] == ["density-calibration"]


def test_a_calibration_reads_back_from_its_plain_values():
    line = fit_density(PRESETS["coreCT"], name="coreCT")
    assert Density.from_dict(line.as_dict()) == line


@pytest.mark.parametrize(
    ("rods", "degree", "words"),
    [
        ([Rod("a", 1.0, 0.0)], 1, "at least 2 rods"),
        ([Rod("a", 1.0, 0.0), Rod("b", 2.0, 0.0)], 1, "of its own"),
        ([Rod("a", 1.0, 0.0), Rod("b", 1.0, 5.0)], 1, "of its own"),
        ([Rod("a", 2.0, 0.0), Rod("b", 1.0, 5.0)], 1, "falls somewhere"),
        ([Rod("a", 1.0, 0.0), Rod("b", 2.0, centre_mm=(1, 1), radius_mm=1)], 1, "of its own"),
        ([Rod(str(k), k, float(k)) for k in range(5)], 4, "degree 4"),
    ],
)
def test_rods_that_make_no_calibration_are_refused(rods, degree, words):
    with pytest.raises(UsageError, match=words) as caught:
        fit_density(rods, degree)
    assert caught.value.code == "rods"


def test_a_rod_needs_a_value_or_a_place():
    with pytest.raises(UsageError, match="either what it reads"):
        Rod("water", 1.0)
