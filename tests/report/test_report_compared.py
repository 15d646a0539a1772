"""Distances between cores and values of classes, as the report shows them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from made_up_results import made_up_cores

from soilscope.report.compared import MOST_PAIRS, comparison_of_profiles
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
