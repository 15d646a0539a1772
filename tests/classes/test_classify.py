"""Values to classes: exact at every edge, in every number type, by every named scheme."""

import numpy as np
import pytest

from soilscope.classes import SCHEMES, Scheme, classify, scheme
from soilscope.errors import InputRefused, UsageError
from soilscope.volume import Volume

INT16 = np.iinfo(np.int16)


def classes_of(values, chosen, units="HU", valid=None):
    values = np.asarray(values).reshape(1, 1, -1)
    valid = np.ones(values.shape, bool) if valid is None else np.asarray(valid, bool).reshape(values.shape)
    return classify(Volume(values, valid, (0.25, 0.351, 0.351), units), chosen).ravel().tolist()


def by_definition(value, chosen):
    """The class a scheme's definition gives, one comparison after the other."""
    number = len(chosen.names)
    for k, _, low, high in chosen.ranges():
        right = low < value <= high
        left = low <= value < high or (k == number and value == high)
        if right if chosen.closed == "right" else left:
            return k
    return 0


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_a_value_on_an_edge_or_beside_it_gets_the_class_of_the_definition(closed, dtype):
    edges = [0.0, 10.0, 20.5, 100.0, 255.0]
    chosen = Scheme.from_edges("mine", edges, units="grey", closed=closed)
    if np.dtype(dtype).kind == "f":
        beside = [np.nextafter(dtype(e), dtype(s)) for e in edges for s in (-1e9, 1e9)]
        values = np.array([*edges, *beside, 0.1, 99.99999, -7.0, 1e9], dtype)
    else:
        info = np.iinfo(dtype)
        around = {int(e) + step for e in edges for step in (-1, 0, 1)} | {info.min, info.max}
        values = np.array([v for v in sorted(around) if info.min <= v <= info.max], dtype)
    assert classes_of(values, chosen, "grey") == [by_definition(float(v), chosen) for v in values]


@pytest.mark.parametrize("closed", ["right", "left"])
def test_edges_between_two_single_precision_numbers_are_still_exact(closed):
    chosen = Scheme.from_edges("mine", [0.0, 0.1, 0.2, 0.7], units="grey", closed=closed)
    values = np.array([0.1, 0.2, 0.7], np.float32)
    values = np.concatenate([values, np.nextafter(values, np.float32(0)), np.nextafter(values, np.float32(1))])
    assert classes_of(values, chosen, "grey") == [by_definition(float(v), chosen) for v in values]


@pytest.mark.parametrize("closed", ["right", "left"])
def test_edges_beyond_what_the_number_type_can_hold_lose_nothing(closed):
    chosen = Scheme.from_edges("wide", [-1e6, -40000, 0, 40000, 1e6], closed=closed)
    values = np.array([INT16.min, -1, 0, 1, INT16.max], np.int16)
    assert classes_of(values, chosen) == [by_definition(int(v), chosen) for v in values]


def test_a_voxel_that_is_not_valid_or_not_a_number_is_in_no_class():
    chosen = Scheme.from_edges("mine", [0, 10], units="grey")
    assert classes_of(np.array([5, 5, np.nan], np.float32), chosen, "grey", valid=[1, 0, 1]) == [1, 0, 0]
    limited = Scheme("limited", (0.0, 10.0), ("a",), "HU", limit=(0.5, 10.0))
    assert classes_of(np.array([-5, np.nan, 99], np.float32), limited) == [1, 0, 1]


def test_paper_2021_has_six_classes_of_1024_closed_below_and_limits_values_to_its_range():
    values = np.array(
        [INT16.min, -2049, -2048, -1025, -1024, -1, 0, 1023, 1024, 2047, 2048, 3071, 3072, 4095, 4096, 4097, 9999],
        np.int16,
    )
    assert classes_of(values, "paper-2021") == [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6, 6]


def test_script_2021_cuts_the_limited_range_into_six_and_keeps_the_greatest_value():
    # Values from -3000 to 9000 are limited to [-1000, 3096]: bins of 4096 / 6, object1 = [-1000, -317] as in the scripts.
    values = np.array([-3000, -1000, -318, -317, 365, 366, 1047, 1048, 1730, 1731, 2413, 2414, 3096, 9000], np.int16)
    assert classes_of(values, "script-2021") == [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]


def test_script_2021_takes_the_cores_own_range_where_it_is_narrower():
    assert classes_of(np.array([0, 99, 100, 299, 300, 599, 600], np.int16), "script-2021") == [1, 1, 2, 3, 4, 6, 6]


def test_script_2021_fits_grey_values_and_does_not_limit_them():
    assert classes_of(np.array([0, 10000, 10001, 59999, 60000], np.uint16), "script-2021", "grey") == [1, 2, 2, 6, 6]


def test_physical_tells_air_organic_matrix_dense_matrix_and_stone_apart_and_is_open_above():
    values = np.array(
        [-2000, -1500, -1499, -1024, -700, -699, 200, 201, 1500, 1501, 2000, 2001, 3071, INT16.max], np.int16
    )
    assert classes_of(values, "physical") == [0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]
    assert SCHEMES["physical"].names == ("air", "organic", "matrix", "dense matrix", "stone")


@pytest.mark.parametrize("name", ["paper-2021", "physical"])
def test_schemes_in_hu_refuse_grey_values(name):
    with pytest.raises(InputRefused) as told:
        classes_of(np.array([0, 255], np.uint8), name, "grey")
    assert told.value.code == "units-mismatch"


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError) as told:
        scheme("paper-2022")
    assert told.value.code == "scheme-unknown"
    for name in SCHEMES:
        assert name in str(told.value)


def test_every_named_scheme_says_where_its_edges_come_from():
    for name, chosen in SCHEMES.items():
        assert chosen.name == name
        assert "doi:10." in chosen.source


def test_a_cropped_core_is_classed_like_the_whole_one():
    rng = np.random.default_rng(0)
    whole = Volume(
        rng.integers(-1024, 3072, (9, 11, 13)).astype(np.int16), rng.random((9, 11, 13)) < 0.8, (1, 1, 1), "HU"
    )
    cut = whole.crop(z=(2, 7), y=(1, 10), x=(3, 12))
    assert np.array_equal(classify(cut, "physical"), classify(whole, "physical")[2:7, 1:10, 3:12])


@pytest.mark.parametrize("soil", ["pine-forest", "matched-fine"])
def test_physical_classes_of_a_noise_free_phantom_are_its_truth_in_every_voxel(soil):
    from soilscope import phantoms

    made = phantoms.make(soil, seed=1, shape=(24, 48, 48), noise=False)
    assert made.volume.valid.any()
    inside = made.volume.valid & (made.truth > 0)
    assert np.array_equal(classify(made.volume, "physical")[inside], made.truth[inside])
