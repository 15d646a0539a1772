"""Edges found in the values, given in g/cm³, and bands with hysteresis: equal to scikit-image's and to arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.filters import apply_hysteresis_threshold, threshold_multiotsu, threshold_otsu

import soilscope as ss
from soilscope.classes import Scheme, classify, otsu_scheme
from soilscope.core.density import Rod, fit_density
from soilscope.errors import InputRefused, UsageError
from soilscope.volume import Volume

SPACING = (0.25, 0.351, 0.351)


def core(values, valid=None, units="HU", source=None):
    values = np.asarray(values)
    valid = np.ones(values.shape, bool) if valid is None else valid
    return Volume(values, valid, SPACING, units, source=source or {})


def three_materials(seed=0, shift=0):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(mean, sd, n) for mean, sd, n in ((-900, 80, 4000), (300, 150, 3000), (1500, 200, 5000))]
    values = rng.permutation(np.concatenate(parts)).reshape(12, 25, 40) + shift
    return np.rint(values).astype(np.int16)


def test_otsus_threshold_is_scikit_images_on_the_valid_voxels_alone():
    values, valid = three_materials(), np.random.default_rng(1).random((12, 25, 40)) < 0.6
    found = otsu_scheme(2).resolve(core(values, valid))
    assert found.edges[1] == pytest.approx(threshold_otsu(values[valid].astype(float), nbins=256), abs=1e-9)
    wanted = np.where(valid, 1 + (values > found.edges[1]), 0)
    np.testing.assert_array_equal(ss.classify(core(values, valid), "otsu"), wanted)


@pytest.mark.parametrize("classes", [3, 4])
def test_several_thresholds_are_scikit_images_and_every_valid_voxel_has_a_class(classes):
    values = three_materials()
    found = otsu_scheme(classes).resolve(core(values))
    peer = threshold_multiotsu(values.astype(float), classes=classes, nbins=256)
    np.testing.assert_allclose(found.edges[1:-1], peer, atol=1e-9)
    labels = classify(core(values), otsu_scheme(classes))
    np.testing.assert_array_equal(labels, 1 + np.digitize(values, peer, right=True))


def test_thresholds_of_all_cores_together_are_those_of_their_pooled_voxels():
    one, other = three_materials(0), three_materials(1, shift=250)
    found = otsu_scheme(3).resolve_for([core(one), core(other)])
    pooled = np.concatenate([one.ravel(), other.ravel()]).astype(float)
    np.testing.assert_allclose(found.edges[1:-1], threshold_multiotsu(pooled, classes=3, nbins=256), atol=1e-9)
    assert found.resolve(core(one)).edges == found.edges
    assert "2 cores" in found.source


def test_a_core_of_one_value_has_no_threshold():
    with pytest.raises(InputRefused) as told:
        classify(core(np.zeros((2, 2, 2), np.int16)), "otsu")
    assert told.value.code == "no-range"
    with pytest.raises(UsageError) as asked:
        otsu_scheme(9)
    assert asked.value.code == "scheme"


def test_of_whole_numbers_scikit_image_takes_other_bins_and_of_the_same_as_floats_ours():
    """What the documents say of scikit-image: one bin a whole number, whatever ``nbins`` is; of floats 256, and our thresholds."""
    values = three_materials()
    found = otsu_scheme(3).resolve(core(values)).edges[1:-1]
    np.testing.assert_allclose(found, threshold_multiotsu(values.astype(float), 3))
    whole = threshold_multiotsu(values, 3)
    np.testing.assert_array_equal(whole, threshold_multiotsu(values, 3, nbins=64))
    assert not np.allclose(found, whole)


@pytest.mark.parametrize("source", ["", "Our rods, 2024", "Our rods, 2024."])
def test_what_was_found_follows_the_stated_source_as_a_sentence_of_its_own(source):
    """No two sentences run into each other, and no full stop stands twice or alone."""
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    values = np.random.default_rng(0).integers(-1000, 3000, (2, 9, 9)).astype(np.int16)
    scheme = replace(by_density(0.0, 0.35, 4.0), source=source)
    held = scheme.resolve(core(values, source={"density": line.as_dict()}))
    assert held.source.startswith(
        "Our rods, 2024. Edges of 0, 0.35, 4 g/cm³" if source else "Edges of 0, 0.35, 4 g/cm³"
    )


def by_density(*edges):
    return Scheme("by density", edges, tuple(f"c{k}" for k in range(1, len(edges))), None, method="density")


def test_edges_in_g_per_cm3_cut_where_the_calibration_reads_them():
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])  # density = 1 + HU / 1000
    values = np.arange(-1000, 2001, dtype=np.int16).reshape(1, 1, -1)
    held = by_density(0.0, 0.35, 1.25, 4.0).resolve(core(values, source={"density": line.as_dict()}))
    assert held.edges[1:3] == pytest.approx((-650.0, 250.0))
    labels = classify(core(values), held)[0, 0]
    np.testing.assert_array_equal(np.bincount(labels), [0, 351, 900, 1750])  # -1000..-650, -649..250, 251..2000


def test_edges_on_a_curve_are_where_the_curve_reads_them():
    rods = [Rod(name, density, value) for name, density, value in
            (("air", 0.0, -900.0), ("water", 1.0, 50.0), ("silica", 1.3, 300.0), ("glass", 2.2, 1345.0))]  # fmt: skip
    curve = fit_density(rods, degree=2)
    values = np.arange(-900, 1346, dtype=np.int16).reshape(1, 1, -1)
    held = by_density(0.0, 0.8, 2.0, 3.0).resolve(core(values, source={"density": curve.as_dict()}))
    poly = np.polynomial.Polynomial(curve.coefficients)
    np.testing.assert_allclose(poly(np.array(held.edges[1:3])), [0.8, 2.0], atol=1e-9)


def test_densities_that_no_voxel_reaches_leave_empty_classes():
    line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    volume = core(np.array([[[-500, 0, 500]]], np.int16), source={"density": line.as_dict()})
    labels = classify(volume, by_density(0.0, 0.1, 0.2, 1.2, 5.0, 6.0))
    assert labels.tolist() == [[[3, 3, 4]]]


def test_a_core_without_calibration_refuses_densities():
    with pytest.raises(InputRefused) as told:
        classify(core(three_materials()), by_density(0.0, 1.0, 2.0))
    assert told.value.code == "no-density"


def banded(bands, grows):
    inner = [sum(band) / 2 for band in bands]
    edges = (-5000.0, *inner, 5000.0)
    return Scheme("banded", edges, tuple("abcd"[: len(edges) - 1]), "HU", bands=tuple(bands), grows=grows)


def test_what_grows_brighter_is_scikit_images_hysteresis():
    values = three_materials()
    labels = classify(core(values), banded([(100.0, 1400.0)], "brighter"))
    np.testing.assert_array_equal(labels == 2, apply_hysteresis_threshold(values, 100, 1400))


def test_what_grows_darker_is_the_same_of_the_negated_values():
    values = three_materials()
    labels = classify(core(values), banded([(-700.0, 400.0)], "darker"))
    # value <= t is -value > -t - 1 for whole numbers
    np.testing.assert_array_equal(labels == 1, apply_hysteresis_threshold(-values, -401, 699))


def test_bands_without_width_are_plain_edges_and_two_bands_make_three_classes():
    values, valid = three_materials(), np.random.default_rng(2).random((12, 25, 40)) < 0.7
    plain = Scheme.from_edges("plain", [-5000, -300, 900, 5000])
    for grows in ("darker", "brighter"):
        narrow = classify(core(values, valid), banded([(-300.0, -300.0), (900.0, 900.0)], grows))
        np.testing.assert_array_equal(narrow, classify(core(values, valid), plain))
        wide = classify(core(values, valid), banded([(-600.0, 0.0), (600.0, 1200.0)], grows))
        sure = (values <= -600) | ((values > 0) & (values <= 600)) | (values > 1200)
        np.testing.assert_array_equal(wide[sure], narrow[sure])
        assert (wide != narrow).any()


@pytest.mark.parametrize("bands", [[(10.0, 20.0)], [(-10.0, -5.0)], [(-1.0, 1.0), (2.0, 3.0)]])
def test_bands_that_do_not_lie_round_their_edges_are_refused(bands):
    with pytest.raises(UsageError) as told:
        Scheme("x", (-100.0, 0.0, 100.0), ("a", "b"), "HU", bands=tuple(bands))
    assert told.value.code == "scheme"


@pytest.mark.parametrize(
    "made", [otsu_scheme(3), by_density(0.0, 1.0), banded([(-1.0, 1.0)], "brighter"), ss.Scheme.from_edges("e", [0, 1])]
)
def test_a_scheme_comes_back_from_its_plain_values(made):
    assert Scheme.from_dict(made.as_dict()) == made


def test_edges_move_by_what_is_asked_and_stay_in_order():
    mine = Scheme.from_edges("mine", [-1000, -980, 0, 3000])
    assert mine.shifted(50).edges == (-1000.0, -930.0, 50.0, 3000.0)
    assert mine.shifted(-50).edges == (-1080.0, -1030.0, -50.0, 3000.0)
