"""The words a report is made of: methods, caveats, outliers, findings."""

from __future__ import annotations

import re
from dataclasses import replace

import made_up_results
import made_up_study as study
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soilscope.findings import Finding
from soilscope.report import CoreResult, StudyResults, document
from soilscope.report.caveats import beaten, caveats, not_learnt, worse_than_mean
from soilscope.report.methods import methods
from soilscope.report.noticed import group_findings
from soilscope.report.outliers import by_chance, outliers, robust_z, score_table
from soilscope.report.references import METRIC_SOURCES, REFERENCES, cited
from soilscope.report.summary import summary
from soilscope.report.tables import class_table, horizon_table, models_table
from soilscope.report.words import ball_mm, target_title
from soilscope.structure import METRICS


def paper_core(name: str = "3243", units: str = "HU") -> CoreResult:
    return CoreResult(name, (400, 200, 200), (0.25, 0.351, 0.351), units, {"kind": "cylinder"}, 0.7, study.SCHEME)


def plain_results(**more: object) -> StudyResults:
    """A study without pictures: one paper-size core, and whatever is given."""
    columns = ["core", "slice", "depth_mm", "class", "name", "fraction", "porosity"]
    metrics = pd.DataFrame([("3243", "1", "fraction", 0.1, "1")], columns=["core", "class", "metric", "value", "unit"])
    given = {"settings": made_up_results.SETTINGS, "cores": (paper_core(),), **more}
    return StudyResults(
        "t", slices=pd.DataFrame(columns=columns), core_metrics=given.pop("core_metrics", metrics), **given
    )


def said(results: StudyResults) -> str:
    return "\n".join(f"{c.title}. {c.text}" for c in caveats(results))


def test_sixty_voxels_of_the_papers_scanner_are_a_ball_of_1_5_mm():
    # 60 x 0.25 x 0.351 x 0.351 = 1.848 mm³ = pi/6 d³
    assert ball_mm(60, (0.25, 0.351, 0.351)) == pytest.approx((6 * 1.84801 / np.pi) ** (1 / 3), rel=1e-5)
    text = said(plain_results())
    assert "0.25 × 0.351 × 0.351 mm (0.0308 mm³)" in text
    assert "a ball 1.5 mm across" in text
    assert "never total porosity" in text


def test_models_no_better_than_the_constant_are_called_by_name_as_having_learnt_nothing():
    results = plain_results(models=study.models_table(), cards=study.cards())
    assert not_learnt(results.models, results) == ["sand-1-porosity-2"]
    assert (
        "Some models have learnt nothing. Not or hardly better than a constant on their own test slices: sand-1-porosity-2."
        in said(results)
    )
    assert any("Nothing learnt" in w and "sand-1-porosity-2" in w for w in summary(results, {}).warnings)


def test_models_that_do_not_beat_the_best_baseline_are_named():
    models = study.models_table()
    wanted = list(models.loc[models["test_rmse"] >= models["baseline_rmse"], "model"])
    assert 0 < len(wanted) < len(models)
    assert beaten(models) == wanted
    text = said(plain_results(models=models, cards=study.cards()))
    assert all(name in text for name in wanted)


def test_a_test_error_equal_to_the_baseline_does_not_beat_it():
    models = study.models_table().assign(test_rmse=0.1, baseline_rmse=0.1)
    assert len(beaten(models)) == len(models)


def test_r2_below_zero_is_found_on_test_slices_alone():
    rows = [("m", 1.0, 9.0, "train"), ("m", 2.0, -9.0, "train"), ("m", 1.0, 1.1, "test"), ("m", 2.0, 2.1, "test")]
    good = pd.DataFrame(rows, columns=["model", "true", "predicted", "part"])
    assert worse_than_mean(good) == []
    assert worse_than_mean(good.assign(predicted=[1.0, 2.0, 2.0, 1.0])) == ["m"]


def test_when_all_models_beat_their_baselines_the_report_still_asks_for_shuffled_pixels():
    models = study.models_table().assign(test_rmse=0.001)
    text = said(plain_results(models=models, cards=study.cards()))
    assert "All 8 models beat" in text
    assert "shuffled pixels" in text


def test_a_random_split_is_said_to_leak_and_a_split_by_depth_is_not():
    models = study.models_table()
    assert "Neighbouring slices are 0.25 mm apart" in said(plain_results(models=models, cards=study.cards()))
    honest = {k: {**c, "split": {**c["split"], "kind": "depth-blocks"}} for k, c in study.cards().items()}
    assert "Neighbouring slices" not in said(plain_results(models=models, cards=honest))


def test_the_in_sample_cells_are_counted_and_the_selection_is_called_optimistic():
    text = said(plain_results(matrix=study.matrix_table(), cover=study.cover_table()))
    assert "8 of 32 cells" in text
    assert "optimistic" in text


def test_a_study_that_learnt_nothing_because_nothing_ran_says_nothing_of_models():
    text = said(plain_results())
    for word in ("model", "Grad-CAM", "matrix", "split"):
        assert word not in text


def test_grey_values_and_relative_edges_are_warned_of():
    text = said(
        plain_results(cores=(paper_core("g", "grey"),), settings={"scheme": {**study.SCHEME, "relative": True}})
    )
    assert "g holds grey values, not HU" in text
    assert "not the same material in two cores" in text


def settings(**more):
    cores = [
        {
            "name": "a",
            "shape": (1, 1, 1),
            "spacing_mm": (0.25, 0.351, 0.351),
            "units": "HU",
            "soil": {"kind": "cylinder"},
        }
    ]
    return {**made_up_results.SETTINGS, "cores": cores, **more}


def test_methods_name_the_scheme_its_edges_and_the_rule():
    text = " ".join(methods(settings()))
    assert "scheme “physical”, in HU: 1 pore (−1025, −700]; 2 organic (−700, 200]" in text
    assert "Clusters under 60 voxels (6 neighbours" in text
    assert "1 − area fraction" in text


def test_methods_mention_no_step_that_did_not_run():
    text = " ".join(methods(settings()))
    for word in ("model", "VGG", "Grad-CAM", "cover", "RMSE", "AdamW"):
        assert word not in text


def test_methods_come_from_the_cards_of_the_models_that_ran():
    cards = list(study.cards().values())
    text = " ".join(methods(settings(cards=cards, matrix=True, cover=True, explained=["block1_conv2"], sign=-1)))
    assert "VGG16 (Simonyan & Zisserman 2015) at 0.125 of its width, pooled head, 64 × 64 pixels" in text
    assert "4 models started from random weights" in text
    assert "4 models kept the convolutions of a donor model" in text
    assert "chosen at random" in text
    assert "80 % of the slices in use train" in text
    assert "RMSE < 0.04" in text
    assert "pushes the prediction down" in text


@pytest.mark.parametrize(
    ("kind", "words", "augmented"),
    [
        ("full", "started from random weights", True),
        ("fine-tuned", "had all layers trained further", True),
        ("transfer", "only the last layers were trained", False),
    ],
)
def test_methods_name_augmentation_where_images_were_turned_and_not_where_features_were_kept(kind, words, augmented):
    cards = [{**card, "kind": kind} for card in study.cards().values()]
    (sentence,) = [text for text in methods(settings(cards=cards)) if words in text]
    assert ("augmentation: symmetries" in sentence) is augmented
    assert "8 epochs, batch 8" in sentence


def test_methods_of_mixed_models_give_each_kind_its_own_augmentation():
    text = " ".join(methods(settings(cards=list(study.cards().values()))))
    parts = re.split(r"(?=\d+ models )", text)
    told = {
        words: "augmentation" in part for words in ("random weights", "last layers") for part in parts if words in part
    }
    assert told == {"random weights": True, "last layers": False}


def test_only_what_was_used_is_cited():
    assert [r.key for r in cited(methods(settings()))] == ["Hildebrand & Rüegsegger 1997", "Wieland et al. 2021"]
    learnt = cited(methods(settings(cards=list(study.cards().values()))))
    assert "Simonyan & Zisserman 2015" in [r.key for r in learnt]


def test_every_metric_source_is_a_reference_and_belongs_to_a_metric():
    assert set(METRIC_SOURCES.values()) <= set(REFERENCES)
    assert set(METRIC_SOURCES) <= set(METRICS)


def test_every_doi_has_the_form_of_one():
    for reference in REFERENCES.values():
        assert reference.doi == "" or reference.doi.startswith("10.")
        assert reference.key.split()[-1] in reference.text  # the year


def test_how_many_figures_lie_beyond_the_limit_by_chance_is_known():
    # Of very many cores median and MAD are those of the normal distribution itself.
    assert by_chance(10_001) == pytest.approx(2 * stats.norm.sf(3.5), abs=2.5e-4)
    few = [by_chance(n) for n in (5, 8, 15, 50)]
    assert few == sorted(few, reverse=True)
    # Of five, drawn apart from the product with scipy's own median absolute deviation.
    drawn = np.random.default_rng(7).normal(size=(40_000, 5))
    away = np.abs(drawn - np.median(drawn, axis=1, keepdims=True))
    beyond = away / stats.median_abs_deviation(drawn, axis=1, scale="normal")[:, None] > 3.5
    assert by_chance(5) == pytest.approx(beyond.mean(), abs=0.004)


def test_the_robust_z_equals_scipys_median_absolute_deviation():
    values = np.array([1.0, 2.0, 2.5, 3.0, 9.0, 2.2])
    expected = (values - np.median(values)) / stats.median_abs_deviation(values, scale="normal")
    np.testing.assert_allclose(robust_z(values), expected, rtol=1e-4)


def test_a_core_unlike_the_rest_is_marked_and_equal_cores_are_not():
    rows = [(f"c{k}", "1", "fraction", v, "1") for k, v in enumerate([0.10, 0.11, 0.12, 0.10, 0.11, 0.40])]
    rows += [(f"c{k}", "2", "fraction", 0.5, "1") for k in range(6)]
    table = pd.DataFrame(rows, columns=["core", "class", "metric", "value", "unit"])
    found = outliers(table)
    assert [(o.core, o.metric, o.value) for o in found] == [("c5", "fraction 1", 0.40)]
    assert found[0].median == pytest.approx(0.11)


def test_one_core_that_differs_from_equal_ones_is_marked_although_the_mad_is_zero():
    assert np.abs(robust_z(np.array([1.0, 1.0, 1.0, 1.0, 5.0])))[-1] > 3.5
    np.testing.assert_array_equal(robust_z(np.ones(6)), np.zeros(6))


def six_cores(values, low=None, high=None):
    """A metric of six cores, and the span moved edges give the last one."""
    rows = [(f"c{k}", "1", "fraction", v, "1") for k, v in enumerate(values)]
    table = pd.DataFrame(rows, columns=["core", "class", "metric", "value", "unit"])
    moved = table[table["core"] == "c5"].assign(low=low, high=high, shift=50.0)
    return table, moved


def test_a_difference_of_a_thousandth_is_not_marked_however_alike_the_others_are():
    """Five equal cores and one that differs by 0.1 % have an endless z; nothing stands out there."""
    table, _ = six_cores([0.5, 0.5, 0.5, 0.5, 0.5, 0.5005])
    assert score_table(table).abs().to_numpy().max() > 3.5
    assert outliers(table) == ()
    assert [o.core for o in outliers(six_cores([0.5, 0.5, 0.5, 0.5, 0.5, 0.51])[0])] == ["c5"]


def test_a_difference_that_moved_edges_make_too_is_not_marked():
    """A core at 0.40 among cores of 0.11 is no outlier where 50 HU more or less carry it down to 0.10; at 0.30 it still is."""
    values = [0.10, 0.11, 0.12, 0.10, 0.11, 0.40]
    assert outliers(*six_cores(values, 0.10, 0.45)) == ()
    assert [o.core for o in outliers(*six_cores(values, 0.30, 0.45))] == ["c5"]


def test_four_cores_are_too_few_to_mark_one():
    rows = [(f"c{k}", "1", "fraction", v, "1") for k, v in enumerate([0.1, 0.1, 0.1, 0.9])]
    table = pd.DataFrame(rows, columns=["core", "class", "metric", "value", "unit"])
    assert score_table(table).empty
    assert outliers(table) == ()


def test_missing_values_are_no_outliers():
    assert np.isnan(robust_z(np.array([1.0, np.nan, 1.1, 0.9, 1.2, 1.0]))[1])


def test_findings_are_told_once_gravest_first_with_all_places():
    gap = Finding("gap", "warning", "2 slices missing.", ("a.dcm",))
    groups = group_findings(
        {
            "": [],
            "c1": [Finding("top", "note", "Top assumed."), gap],
            "c2": [Finding("top", "note", "Top assumed."), gap],
            "c3": [gap],
        }
    )
    assert [(g.severity, g.code, g.texts) for g in groups] == [
        ("warning", "gap", ("2 slices missing.",)),
        ("note", "top", ("Top assumed.",)),
    ]
    assert groups[0].where == ("c1: a.dcm", "c2: a.dcm", "c3: a.dcm")
    assert groups[1].where == ("c1", "c2")


def test_targets_are_named_with_their_classes():
    assert (
        target_title("log-connection-2d-1", {"1": "pore"})
        == "logarithm of the connection probability in the slice of class 1 (pore)"
    )
    assert target_title("porosity-5+6", {}) == "porosity of classes 5 + 6"


def test_the_first_screen_names_cores_scheme_results_and_warnings():
    results = plain_results(
        cores=(replace(paper_core(), name="a"), replace(paper_core(), name="b")),
        models=study.models_table(),
        matrix=study.matrix_table(),
        cover=study.cover_table(),
        cards=study.cards(),
        findings=(Finding("gap", "warning", "2 slices are missing."),),
    )
    first = summary(results, {"2": "organic"})
    assert first.facts[0].value == "2: a and b"
    assert "1 of 4 models beats every baseline" in first.results[1]
    assert "2 models together cover 4 of 4 cores at RMSE < 0.04" in first.results[1]
    assert "2 slices are missing." in first.warnings


def test_a_limit_that_a_constant_keeps_too_is_said_to_be_no_test():
    cards = {
        name: {**card, "baselines": {**card["baselines"], "constant": 0.05}} for name, card in study.cards().items()
    }
    chosen = str(study.cover_table()["model"].iloc[0])
    cards[chosen]["baselines"]["constant"] = 0.01
    results = plain_results(
        models=study.models_table(), matrix=study.matrix_table(), cover=study.cover_table(), cards=cards
    )
    assert f"That limit is no test of {chosen}: on the same test slices" in " ".join(summary(results, {}).results)


def test_a_class_called_object_is_explained_by_its_range_on_the_first_screen():
    classes = next(fact.value for fact in document(plain_results()).summary.facts if fact.name == "classes")
    scheme = plain_results().settings["scheme"]
    assert all(f"{k} {name} " in classes for k, name in enumerate(scheme["names"], 1))
    assert "HU" in classes


def test_the_table_of_models_says_how_many_slices_tested_them():
    models, cards = study.models_table(), study.cards()
    table = models_table(models, cards)
    column = [c.title for c in table.columns].index("test slices")
    wanted = [len(cards[name]["split"]["test"]) for name in models["model"]]
    assert [row[column] for row in table.rows] == wanted


def test_how_far_moved_edges_carry_a_figure_stands_beside_it_and_the_farthest_among_the_caveats():
    rows = [("3243", str(k), f"object{k}", "fraction", 0.3, 0.3 - k / 100, 0.3, "1", 50.0) for k in (1, 2)]
    names = ["core", "class", "name", "metric", "value", "low", "high", "unit", "shift"]
    moved = pd.DataFrame(rows, columns=names)
    metrics = pd.DataFrame([("3243", "1", "fraction", 0.3, "1")], columns=["core", "class", "metric", "value", "unit"])
    table = class_table(paper_core(), metrics, {"1": "object1"}, moved)
    assert "0.290 to 0.300" in table.rows[0]
    assert "±50 HU" in table.caption
    assert "object2 in 3243 from 0.30 to between 0.28 and 0.30" in said(plain_results(sensitivity=moved))


def test_horizons_stand_with_their_core_in_mm():
    rows = [("3243", 1, 0.0, 20.0, 20.0, 80, np.nan, 0.9, 0.6), ("3243", 2, 20.0, 50.0, 30.0, 120, 0.4, 0.9, 0.2)]
    names = ["core", "horizon", "top_mm", "bottom_mm", "thickness_mm", "slices", "step", "explained", "fraction_1"]
    table = horizon_table("3243", pd.DataFrame(rows, columns=names), {"1": "object1"})
    assert [row[1:3] for row in table.rows] == [("0.00", "20.00"), ("20.00", "50.00")]
    assert table.rows[1][-1] == 0.2
    assert "90%" in table.caption
    assert horizon_table("other", pd.DataFrame(rows, columns=names), {}) is None
