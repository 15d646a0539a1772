"""Stacks of single pictures: a slice that is not there must not go unnoticed."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile

from soilscope import study
from soilscope.errors import InputRefused
from soilscope.ingest import inspect, open_scan, options_of, read

SPACING = (0.1, 0.1, 0.1)


def stack(folder, names, shape=(6, 5)):
    """Slices that hold their place in the list of names."""
    folder.mkdir(exist_ok=True)
    for value, name in enumerate(names):
        plane = np.full(shape, value, np.uint8)
        if name.endswith(".png"):
            (folder / name).write_bytes(imagecodecs.png_encode(plane))
        else:
            tifffile.imwrite(folder / name, plane)
    return folder


def test_a_missing_picture_is_refused_with_its_neighbours(tmp_path):
    folder = stack(tmp_path / "core", [f"Bean 8bit image{k:04d}.tif" for k in range(12) if k != 7])
    with pytest.raises(InputRefused) as caught:
        read(folder, spacing_mm=SPACING)
    assert caught.value.code == "gap"
    text = "1 slice missing between z = 0.6 and 0.8 mm (number 7, between Bean 8bit image0006.tif and Bean 8bit image0008.tif)"
    assert caught.value.text.startswith(text)
    assert 'on_gap="mark" (--on-gap mark)' in caught.value.text
    (series,) = inspect(folder, spacing_mm=SPACING).series
    assert not series.usable


@pytest.mark.parametrize(
    "names",
    [
        [f"slice_{k}.tif" for k in range(8, 14)],
        [f"core2_{k:03d}_of_20.tif" for k in range(0, 40, 5)],
        ["top.tif", "middle.tif", "bottom.tif", "below.tif"],
        [f"a{k}_b{9 - k}.tif" for k in range(6)],
    ],
)
def test_even_numbers_whatever_their_step_and_names_without_numbers_are_read(names, tmp_path):
    scan = read(stack(tmp_path / "core", names), spacing_mm=SPACING)
    assert scan.shape == (len(names), 6, 5)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_missing_pictures_become_masked_planes_where_that_is_asked_for(ending, tmp_path):
    """1. ... with `on_gap=mark` a masked plane, spacing unchanged."""
    folder = stack(tmp_path / "core", [f"slice_{k:03d}.{ending}" for k in (10, 20, 30, 60, 70, 90)])
    scan = read(folder, spacing_mm=(0.25, 0.1, 0.1), on_gap="mark")
    assert scan.spacing_mm == (0.25, 0.1, 0.1)
    here = [0, 1, 2, 5, 6, 8]
    assert scan.shape == (9, 6, 5)
    np.testing.assert_array_equal(scan.valid, np.isin(np.arange(9), here)[:, None, None] & np.ones((6, 5), bool))
    np.testing.assert_array_equal(scan.values[here], np.arange(6)[:, None, None] * np.ones((6, 5)))
    (found,) = [f for f in scan.findings if f.code == "gap"]
    assert found.severity == "warning"
    assert found.text == (
        f"2 slices missing between z = 0.5 and 1.25 mm (numbers 40 to 50, between slice_030.{ending} and slice_060.{ending}); "
        f"1 slice missing between z = 1.5 and 2.0 mm (number 80, between slice_070.{ending} and slice_090.{ending}); "
        "kept as masked planes."
    )
    assert "not-finite" not in {f.code for f in scan.findings}


def test_without_a_voxel_size_a_gap_is_told_by_its_numbers(tmp_path):
    folder = stack(tmp_path / "core", [f"s{k}.tif" for k in (1, 2, 4)])
    (series,) = inspect(folder).series
    assert series.refusal.text.startswith("1 slice missing (number 3, between s2.tif and s4.tif)")


def test_read_plane_by_plane_a_marked_gap_is_the_same_as_in_memory(tmp_path):
    """Whether a scan fits the memory changes nothing of what is read."""
    folder = stack(tmp_path / "core", [f"s{k}.tif" for k in (1, 2, 3, 5, 6)])
    scan = read(folder, spacing_mm=SPACING, on_gap="mark")
    options = options_of(spacing_mm=SPACING, on_gap="mark")
    with open_scan(folder, None, options) as opened, opened.streamed(lambda _done, _of: None) as large:
        planes = [large.plane(k) for k in range(6)]
        assert large.about.findings == scan.findings
        assert large.about.source["input_digest"] == scan.source["input_digest"]
    np.testing.assert_array_equal(np.stack([values for values, _ in planes]), scan.values)
    np.testing.assert_array_equal(np.stack([valid for _, valid in planes]), scan.valid)


def test_numbers_that_rise_by_part_of_their_step_are_refused_marked_or_not(tmp_path):
    folder = stack(tmp_path / "core", [f"s{k}.tif" for k in (0, 10, 20, 25, 35)])
    for on_gap in ("refuse", "mark"):
        with pytest.raises(InputRefused, match=r"rise by 10, but by 5 from s20\.tif to s25\.tif") as caught:
            read(folder, spacing_mm=SPACING, on_gap=on_gap)
        assert caught.value.code == "unequal-spacing"
        assert caught.value.files == ("s20.tif", "s25.tif")


def test_a_study_is_made_of_a_stack_whose_gap_is_to_be_marked(tmp_path):
    """`init --on-gap mark` takes what `read(on_gap="mark")` takes, and writes it into the plan."""
    folder = stack(tmp_path / "core", [f"s{k}.tif" for k in (1, 2, 3, 5, 6)])
    with pytest.raises(InputRefused, match="number 4"):
        study.draft_plan(tmp_path / "study", folder, study.Asked(spacing_mm=SPACING))
    plan = study.draft_plan(tmp_path / "study", folder, study.Asked(spacing_mm=SPACING, on_gap="mark"))
    assert [core.on_gap for core in plan.cores] == ["mark"]


def ids(folder):
    return {one.id: one.shape for one in inspect(folder, SPACING).series}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([f"{c}_{k:03d}.tif" for c in "ab" for k in range(5)], {"a_": range(5), "b_": range(5, 10)}),
        ([f"core{c}_{k}.tif" for c in (1, 2) for k in range(5)], {"core1_": range(5), "core2_": range(5, 10)}),
        (
            [f"{k:03d}_core{c}.tif" for k in range(5) for c in (1, 2)],
            {"#_core1": range(0, 10, 2), "#_core2": range(1, 10, 2)},
        ),
        (
            [f"s{k}_{c}.tif" for k in range(3) for c in ("raw", "rec")],
            {"s#_raw": range(0, 6, 2), "s#_rec": range(1, 6, 2)},
        ),
        ([*(f"s{k}.tif" for k in range(5)), "s_overview.tif"], {"s": range(5), "s_overview.tif": [5]}),
        ([f"s{k}.{e}" for e in ("tif", "png") for k in range(5)], {"s.tif": range(5), "s.png": range(5, 10)}),
    ],
)
def test_several_stacks_in_one_folder_are_listed_apart_and_read_by_their_ids(names, found, tmp_path):
    """4. ... listed as separate candidates; ambiguity refuses and asks for the id."""
    folder = stack(tmp_path / "both", names)
    assert ids(folder) == {one: (len(mine), 6, 5) for one, mine in found.items()}
    with pytest.raises(InputRefused) as caught:
        read(folder, spacing_mm=SPACING)
    assert caught.value.code == "ambiguous-series"
    for one, mine in found.items():
        assert f"{one} (" in caught.value.text
        assert read(folder, one, spacing_mm=SPACING).values[:, 0, 0].tolist() == list(mine)


@pytest.mark.parametrize(
    "names",
    [
        [f"z{k / 2:.1f}.tif" for k in range(2, 20)],
        [f"z{k / 10:.1f}.tif" for k in range(0, 40)],
        [f"part{k // 5}_{k:03d}.tif" for k in range(20)],
        [f"IMG_2024010{1 + k // 6}_{k:04d}.tif" for k in range(12)],
        ["1f.tif", "2c.tif", "3e.tif", "a4.tif", "b9.tif"],
    ],
)
def test_one_stack_counted_by_several_numbers_stays_one(names, tmp_path):
    scan = read(stack(tmp_path / "core", names), spacing_mm=SPACING)
    assert scan.values[:, 0, 0].tolist() == list(range(len(names)))


def test_stacks_below_a_folder_are_called_after_it(tmp_path):
    stack(tmp_path / "one", ["s1.tif", "s2.tif"])
    stack(tmp_path / "two", ["s1.tif", "s2.tif", "b1.tif", "b2.tif"])
    assert set(ids(tmp_path)) == {"one", "two/s", "two/b"}


def test_one_stack_has_slices_of_one_size(tmp_path):
    folder = stack(tmp_path / "core", ["s1.tif", "s2.tif"])
    stack(folder, ["s3.tif"], (6, 6))
    with pytest.raises(InputRefused) as caught:
        read(folder, spacing_mm=SPACING)
    assert caught.value.code == "mixed-size"
