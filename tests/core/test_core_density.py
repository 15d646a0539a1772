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
