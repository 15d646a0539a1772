"""The greedy selection, against covers worked out by hand and the paper's Table 2."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from soilscope.errors import UsageError
from soilscope.evaluate import greedy_cover, out_of_sample, uncovered

FIT, MISS = 0.03, 0.05
TABLE_2 = {"3243": 15, "3064": 4, "3237": 4, "3087": 3, "3078": 2, "3182": 1, "3086": 1, "3242": 1, "3066": 1}


def matrix_of(errors, target="porosity-2", own=()):
    rows = [
        (model, core, target, rmse, (model, core) in own) for model, row in errors.items() for core, rmse in row.items()
    ]
    return pd.DataFrame(rows, columns=["model", "core", "target", "rmse", "in_sample"])


def rows_of(cover):
    return list(cover.itertuples(index=False, name=None))


def test_the_model_that_fits_most_cores_comes_first_and_takes_them_away():
    """By hand: a fits 1 2 3; of the rest b fits 4 5 (its 3 is taken); c's 5 is taken; nobody fits 6."""
    errors = {
        "a": {"1": 0.01, "2": 0.02, "3": 0.03, "4": 0.2, "5": 0.2, "6": 0.2},
        "b": {"1": 0.2, "2": 0.2, "3": 0.03, "4": 0.01, "5": 0.039, "6": 0.3},
        "c": {"1": 0.2, "2": 0.2, "3": 0.2, "4": 0.2, "5": 0.01, "6": 0.1},
    }
    cover = greedy_cover(matrix_of(errors), limit=0.04)
    assert list(cover.columns) == ["target", "order", "model", "covered", "cores"]
    assert rows_of(cover) == [("porosity-2", 1, "a", 3, "1;2;3"), ("porosity-2", 2, "b", 2, "4;5")]


def test_greedy_may_need_more_models_than_the_least_possible():
    """Chvátal's example: x and y would cover all six, greedy takes the one with four first and needs three."""
    sets = {"x": "123", "y": "456", "wide": "1245"}
    errors = {name: {core: FIT if core in fits else MISS for core in "123456"} for name, fits in sets.items()}
    cover = greedy_cover(matrix_of(errors))
    assert [(row.model, row.covered) for row in cover.itertuples()] == [("wide", 4), ("x", 1), ("y", 1)]


def test_a_tie_goes_to_the_lower_mean_error_and_then_to_the_name():
    errors = {
        "late": {"1": 0.02, "2": 0.02, "3": MISS},
        "early": {"1": 0.03, "2": 0.03, "3": MISS},
        "z": {"1": MISS, "2": MISS, "3": 0.01},
        "y": {"1": MISS, "2": MISS, "3": 0.01},
    }
    assert greedy_cover(matrix_of(errors)).model.tolist() == ["late", "y"]


def test_the_mean_error_of_a_tie_counts_only_the_newly_covered_cores():
    """Both of the second round cover one core; "first" is far worse elsewhere, which must not matter."""
    errors = {
        "big": {"1": 0.01, "2": 0.01, "3": MISS},
        "first": {"1": 9.0, "2": 9.0, "3": 0.01},
        "second": {"1": MISS, "2": MISS, "3": 0.02},
    }
    assert greedy_cover(matrix_of(errors)).model.tolist() == ["big", "first"]


def test_the_limit_itself_does_not_cover():
    errors = {"a": {"1": 0.04, "2": np.nextafter(0.04, 0)}}
    assert rows_of(greedy_cover(matrix_of(errors), limit=0.04)) == [("porosity-2", 1, "a", 1, "2")]


def test_the_order_of_the_rows_does_not_matter():
    source = np.random.default_rng(5)
    errors = {f"m{m}": {f"c{c}": float(source.uniform(0.02, 0.08)) for c in range(12)} for m in range(12)}
    frame = matrix_of(errors)
    shuffled = frame.sample(frac=1, random_state=3)
    assert rows_of(greedy_cover(frame)) == rows_of(greedy_cover(shuffled))


def test_a_cover_of_random_matrices_covers_each_fitted_core_once_and_never_grows():
    source = np.random.default_rng(11)
    for _ in range(20):
        errors = {f"m{m}": {f"c{c}": float(source.uniform(0, 0.2)) for c in range(9)} for m in range(6)}
        frame = matrix_of(errors)
        cover = greedy_cover(frame)
        cores = [core for joined in cover.cores for core in joined.split(";")]
        assert sorted(cores) == sorted(frame[frame.rmse < 0.04].core.unique())
        assert (cover.covered.diff().dropna() <= 0).all()
        assert sorted(cores + uncovered(frame).core.tolist()) == [f"c{c}" for c in range(9)]


def test_a_matrix_of_32_cores_built_from_table_2_gives_table_2_back():
    """Wieland et al. 2021, table 2: nine models cover 15, 4, 4, 3, 2, 1, 1, 1 and 1 of 32 cores."""
    names = [f"core{i:02d}" for i in range(sum(TABLE_2.values()))]
    groups, start = {}, 0
    for model, count in TABLE_2.items():
        groups[model], start = set(names[start : start + count]), start + count
    errors = {model: {core: FIT if core in group else MISS for core in names} for model, group in groups.items()}
    errors["3999"] = {core: FIT if core in names[10:14] else MISS for core in names}  # fits four of the first one's
    cover = greedy_cover(matrix_of(errors), limit=0.04)
    assert cover.covered.tolist() == list(TABLE_2.values())
    assert cover.covered.sum() == 32
    assert cover.model.tolist()[0] == "3243"
    assert set(cover.model) == set(TABLE_2)


def test_each_target_has_a_cover_of_its_own_that_counts_from_one():
    frame = pd.concat([
        matrix_of({"m3": {"1": FIT, "2": MISS}, "n3": {"1": MISS, "2": FIT}}, target="porosity-3"),
        matrix_of({"m2": {"1": FIT, "2": FIT}}, target="porosity-2"),
    ])  # fmt: skip
    assert [(r.target, r.order, r.model) for r in greedy_cover(frame).itertuples()] == [
        ("porosity-2", 1, "m2"), ("porosity-3", 1, "m3"), ("porosity-3", 2, "n3"),
    ]  # fmt: skip


def test_an_absent_cell_covers_nothing_and_its_core_is_told_as_uncovered():
    frame = matrix_of({"a": {"1": 0.01, "2": math.nan, "3": 0.06}, "b": {"1": 0.02, "2": math.nan, "3": 0.05}})
    assert rows_of(greedy_cover(frame)) == [("porosity-2", 1, "a", 1, "1")]
    left = uncovered(frame)
    assert left.core.tolist() == ["2", "3"]
    assert left.best_model.tolist() == ["", "b"]
    assert math.isnan(left.rmse[0])
    assert left.rmse[1] == 0.05


def test_leaving_out_in_sample_cells_can_change_the_cover():
    frame = matrix_of({"a": {"1": 0.01, "2": MISS}, "b": {"1": 0.02, "2": 0.01}}, own={("a", "1"), ("b", "2")})
    assert greedy_cover(frame).covered.tolist() == [2]
    assert rows_of(greedy_cover(out_of_sample(frame))) == [("porosity-2", 1, "b", 1, "1")]


def test_nothing_covered_gives_an_empty_cover_with_its_columns():
    cover = greedy_cover(matrix_of({"a": {"1": MISS}}))
    assert len(cover) == 0
    assert list(cover.columns) == ["target", "order", "model", "covered", "cores"]


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
def test_a_limit_that_is_no_positive_number_is_refused(limit):
    with pytest.raises(UsageError) as raised:
        greedy_cover(matrix_of({"a": {"1": FIT}}), limit=limit)
    assert raised.value.code == "limit"


def test_a_table_that_is_no_matrix_is_refused_by_column_and_by_double():
    good = matrix_of({"a": {"1": FIT}})
    with pytest.raises(UsageError, match="in_sample"):
        greedy_cover(good.drop(columns="in_sample"))
    with pytest.raises(UsageError, match="twice"):
        greedy_cover(pd.concat([good, good]))


def test_a_core_whose_name_holds_the_joining_sign_is_refused():
    with pytest.raises(UsageError) as raised:
        greedy_cover(matrix_of({"a": {"1;2": FIT}}))
    assert raised.value.code == "core-name"
