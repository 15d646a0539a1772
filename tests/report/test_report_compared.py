"""Distances between cores and values of classes, as the report shows them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from made_up_results import made_up_cores

from soilscope.report.compared import MOST_PAIRS, Moved, comparison_of_profiles
from soilscope.report.values import value_table


def distances(cores: list[str]) -> pd.DataFrame:
    rows = []
    for number, (one, other) in enumerate(combinations(cores, 2)):
        for key, share in (("1", 0.01), ("2", 0.03), ("all", 0.02)):
            rows.append((one, other, key, f"class {key}", share * number, 0.1, 0.2, 1.0))
    columns = ["core", "other", "class", "name", "distance", "mean", "mean_other", "compared"]
    return pd.DataFrame(rows, columns=columns)


def test_the_two_cores_that_differ_most_lead_the_table_and_are_drawn():
    cores = [f"core {k}" for k in range(6)]
    slices = pd.concat([made_up_cores.slices_table(*made_up_cores.core(0, name)) for name in cores])
    shown = comparison_of_profiles(slices, cores, distances(cores))
    assert shown.table is not None
    assert shown.table.rows[0][:3] == ("core 4", "core 5", 0.02 * 14)
    assert len(shown.table.rows) == MOST_PAIRS
    assert f"The {MOST_PAIRS} pairs of 15" in shown.table.caption
    everyone, pair = shown.pictures
    assert "6 cores" in everyone.alt
    assert "core 4 and core 5" in pair.alt


def test_pairs_say_in_how_many_classes_they_are_farther_apart_than_moved_edges_carry_them():
    """Class 1 of the two cores: 0.10 to 0.20 and 0.25 to 0.30, apart; class 2: 0.4 to 0.6 and 0.5 to 0.7, not told apart."""
    slices = pd.concat([made_up_cores.slices_table(*made_up_cores.core(0, name)) for name in "ab"])
    spans = {("a", "1"): (0.10, 0.20), ("b", "1"): (0.25, 0.30), ("a", "2"): (0.4, 0.6), ("b", "2"): (0.5, 0.7)}
    rows = [(core, key, "fraction", low, high, 50.0) for (core, key), (low, high) in spans.items()]
    moved = pd.DataFrame(rows, columns=["core", "class", "metric", "low", "high", "shift"])
    band = slices.assign(porosity_low=slices["porosity"] - 0.01, porosity_high=slices["porosity"] + 0.01)
    known = Moved.of(moved, band, {"a": "HU", "b": "HU"})
    shown = comparison_of_profiles(slices, ["a", "b"], distances(["a", "b"]), moved=known)
    titles = [column.title for column in shown.table.columns]
    assert dict(zip(titles, shown.table.rows[0], strict=True))["beyond the edges"] == "1 of 2"
    assert "±50 HU" in shown.table.caption
    assert "Bands: what moving all edges between classes by ±50 HU makes of it" in shown.pictures[1].caption
    without = comparison_of_profiles(slices, ["a", "b"], distances(["a", "b"]))
    assert "beyond the edges" not in [column.title for column in without.table.columns]
    assert "Bands" not in without.pictures[1].caption
    assert Moved.of(None, band, {}) is None


def test_without_distances_profiles_are_drawn_and_with_one_core_nothing_is():
    slices = pd.concat([made_up_cores.slices_table(*made_up_cores.core(0, name)) for name in "ab"])
    shown = comparison_of_profiles(slices, ["a", "b"], None)
    assert (len(shown.pictures), shown.table) == (1, None)
    assert comparison_of_profiles(slices, ["a", "gone"], None).pictures == ()


def test_values_of_classes_stand_in_full_and_nothing_left_is_a_dash():
    values = pd.DataFrame(
        {
            "core": "a", "class": ["1", "2"], "name": ["air", "stone"], "voxels": [100, 40], "mean": [-912.4, 2512.6],
            "sd": [30.0, 12.3], "voxels_eroded": [25, 0], "mean_eroded": [-999.6, np.nan], "sd_eroded": [4.5, np.nan],
            "unit": "HU", "erode": 2,
        }
    )  # fmt: skip
    made = value_table("a", values)
    assert made is not None
    assert made.rows[0][2:] == ("−912", "30.0", "−1000", "4.50", 0.25)
    assert made.rows[1][4:] == (None, None, 0.0)
    assert "2 voxels of every class's rim are taken away" in made.caption
    assert value_table("another", values) is None
