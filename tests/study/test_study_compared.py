"""Comparison of cores in a study: its table, the report's section, and what one core alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from soilscope import study
from soilscope.study.items import items
from soilscope.study.ledger import Ledger
from soilscope.study.plan import read_plan


def test_the_table_of_comparison_holds_the_mean_absolute_difference_of_fractions(finished):
    table = pd.read_csv(finished / "tables" / "comparison.csv", dtype={"class": str})
    assert list(table.columns) == ["core", "other", "class", "name", "distance", "mean", "mean_other", "compared"]
    slices = pd.read_csv(finished / "tables" / "slices.csv", dtype={"class": str})
    first, second = table["core"].iloc[0], table["other"].iloc[0]
    # Both cores have the same number of slices, so that slice stands beside slice.
    wide = slices.pivot_table(index="slice", columns=["core", "class"], values="fraction")
    single = [key for key in table["class"] if key != "all"]
    expected = [(wide[first, key] - wide[second, key]).abs().mean() for key in single]
    np.testing.assert_allclose(table["distance"].iloc[:-1], expected, atol=1e-12)
    assert table["distance"].iloc[-1] == pytest.approx(sum(expected) / 2)
    np.testing.assert_allclose(table["compared"], 1.0)


def test_the_report_shows_profiles_of_all_cores_and_of_the_two_that_differ_most(finished):
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "Distances between the profiles of two cores" in page
    for name in ("comparison.all", "comparison.pair"):
        assert (finished / "figures" / f"{name}.svg").read_text().startswith("<?xml")


def test_one_core_alone_is_compared_with_nothing(fresh):
    plan = read_plan(fresh)
    alone = plan.model_copy(update={"cores": plan.cores[:1]})
    assert "measure:_comparison" in {item.key for item in items(fresh, plan, Ledger.read(fresh))}
    assert "measure:_comparison" not in {item.key for item in items(fresh, alone, Ledger.read(fresh))}
    assert "measure:_comparison" in study.outlook(fresh)
