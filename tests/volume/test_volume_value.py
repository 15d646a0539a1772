"""A volume is one consistent, immutable value; cutting it moves neither a voxel nor a millimetre."""

import dataclasses

import numpy as np
import pytest

from soilscope import errors
from soilscope.findings import Finding, from_records, merge, to_records
from soilscope.volume import Volume

SHAPE = (6, 8, 10)


def volume(**changes):
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return Volume(
        **{"values": values, "valid": np.ones(SHAPE, bool), "spacing_mm": (0.5, 0.25, 0.2), "units": "HU", **changes}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid": np.ones((6, 8, 9), bool)},
        {"values": np.zeros((8, 10), np.int16), "valid": np.ones((8, 10), bool)},
        {"valid": np.ones(SHAPE, np.uint8)},
        {"spacing_mm": (0.0, 1.0, 1.0)},
        {"spacing_mm": (-1.0, 1.0, 1.0)},
        {"spacing_mm": (float("nan"), 1.0, 1.0)},
        {"spacing_mm": (float("inf"), 1.0, 1.0)},
        {"spacing_mm": (1.0, 1.0)},
        {"spacing_mm": 1.0},
        {"units": "hounsfield"},
    ],
)
def test_what_does_not_fit_together_is_no_volume(wrong):
    with pytest.raises(errors.UsageError) as caught:
        volume(**wrong)
    assert caught.value.code == "volume"


def test_a_volume_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        volume().units = "grey"


def test_depth_counts_slice_centres_from_the_top_in_mm():
    np.testing.assert_array_equal(volume().depth_mm, [0.25, 0.75, 1.25, 1.75, 2.25, 2.75])


def test_the_volume_of_a_voxel_is_the_product_of_its_sides():
    assert volume().voxel_mm3 == pytest.approx(0.5 * 0.25 * 0.2)


def test_a_crop_takes_exactly_the_voxels_of_its_box_and_says_so():
    whole = volume()
    part = whole.crop(z=(1, 4), x=(2, 10)).crop(y=(3, 5))
    np.testing.assert_array_equal(part.values, whole.values[1:4, 3:5, 2:10])
    assert part.spacing_mm == whole.spacing_mm
    assert part.source["crops"] == [[[1, 4], [0, 8], [2, 10]], [[0, 3], [3, 5], [0, 8]]]
    assert "crops" not in whole.source


@pytest.mark.parametrize("box", [{"z": (0, 7)}, {"y": (-1, 3)}, {"x": (4, 4)}, {"x": (5, 4)}])
def test_a_crop_outside_or_empty_is_refused_naming_the_axis_and_its_size(box):
    axis, (first, end) = next(iter(box.items()))
    with pytest.raises(
        errors.UsageError, match=f"{axis} range {first} to {end} .* 0 to {SHAPE['zyx'.index(axis)]}"
    ) as caught:
        volume().crop(**box)
    assert caught.value.code == "crop"


def test_the_inner_box_is_centred_on_what_is_valid():
    valid = np.zeros(SHAPE, bool)
    valid[1:5, 2:8, 3:9] = True
    np.testing.assert_array_equal(volume(valid=valid).inner((2, 2, 4)).values, volume().values[2:4, 4:6, 4:8])


def test_the_inner_box_of_the_paper_is_centred_in_a_scan_of_its_size():
    scan = Volume(np.zeros((640, 16, 16), np.int8), np.ones((640, 16, 16), bool), (1, 1, 1), "grey")
    assert scan.inner((400, 10, 10)).source["crops"] == [[[120, 520], [3, 13], [3, 13]]]


def test_the_inner_box_stays_inside_the_scan_when_the_core_lies_at_its_edge():
    valid = np.zeros(SHAPE, bool)
    valid[:, :2, 8:] = True
    np.testing.assert_array_equal(volume(valid=valid).inner((6, 4, 4)).values, volume().values[:, :4, 6:])


def test_an_inner_box_larger_than_the_scan_is_refused_naming_both():
    with pytest.raises(errors.UsageError, match=r"\(6, 9, 10\).*\(6, 8, 10\)"):
        volume().inner((6, 9, 10))


def test_findings_travel_once_each_in_the_order_they_came():
    a, b = (
        Finding("gap", "warning", "2 slices missing", ("x.dcm",)),
        Finding("top-assumed", "note", "first slice is the top"),
    )
    assert volume(findings=(a,)).with_findings(b, a).findings == (a, b)
    assert merge([a, b], [b], []) == (a, b)
    assert from_records(to_records([a, b])) == (a, b)
