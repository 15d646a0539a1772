"""Which metrics the report shows: all that were measured, those the plan asked for first; windows; edges of each core's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from made_up_results import made_up_cores, results

from soilscope import structure as st
from soilscope.classes import otsu_scheme
from soilscope.report import document, render
from soilscope.report.compared import comparison_of_profiles
from soilscope.report.tables import class_table, further_table
from soilscope.report.values import value_table
from soilscope.report.windows import window_table
from soilscope.report.words import unit_of

NAMES = {"1": "air", "2": "stone"}
MEASURED = (
    "fraction",
    "porosity",
    "area",
    "clusters",
    "local-thickness",
    "connection-3d",
    "euler-3d",
    "wide-share",
    "left-share",
)


def metrics(names=MEASURED) -> pd.DataFrame:
    rows = [("a", key, name, number + int(key) / 10, "1") for number, name in enumerate(names) for key in NAMES]
    return pd.DataFrame(rows, columns=["core", "class", "metric", "value", "unit"])


def core():
    return replace(results().cores[0], name="a")


def test_a_user_s_own_metrics_stand_beside_the_classes():
    table = class_table(core(), metrics(), NAMES)
    assert [column.title for column in table.columns][3:] == ["fraction", "porosity", "wide-share", "left-share"]
    assert table.rows[1][5] == MEASURED.index("wide-share") + 0.2


def test_what_comes_with_soilscope_stands_beside_the_classes_by_a_rule_that_the_caption_states():
    """Of metrics that anybody can ask for, the usual ones come first, whatever the plan's order; the caption says so."""
    asked = ("fraction", "porosity", "cluster-volume", "percolates", "clusters", "local-thickness")
    table = class_table(core(), metrics(asked), NAMES)
    assert [column.title for column in table.columns][3:] == ["fraction", "porosity", "local-thickness", "clusters"]
    assert "fraction, porosity, your own, then the usual ones" in table.caption
    assert [row[0] for row in further_table(core(), metrics(asked), NAMES).rows] == ["cluster-volume", "percolates"]
    assert "further" not in class_table(core(), metrics(asked[:2]), NAMES).caption


def test_every_unit_of_volume_is_written_with_its_exponent():
    """mm³ beside mm²: no unit of a metric is left with a plain digit."""
    assert [unit_of(unit) for unit in ("mm3", "mm2", "1/mm3")] == ["mm³", "mm²", "1/mm³"]
    assert not any(unit_of(metric.unit).rstrip("1").endswith(("2", "3")) for metric in st.METRICS.values())


def test_one_voxel_has_no_spread():
    """Of a single voxel left by erosion there is a mean and no standard deviation; a dash is no measured 0."""
    row = {"core": "a", "class": "1", "name": "air", "unit": "HU", "erode": 1}
    row |= {"voxels": 2, "mean": 5.0, "sd": 0.0, "voxels_eroded": 1, "mean_eroded": 5.0, "sd_eroded": 0.0}
    (shown,) = value_table("a", pd.DataFrame([row])).rows
    assert shown[2:6] == ("5.00", "0", "5.00", None)


def test_every_other_metric_has_a_row_of_its_own_below():
    table = further_table(core(), metrics(), NAMES)
    assert [row[0] for row in table.rows] == ["area", "clusters", "local-thickness", "connection-3d", "euler-3d"]
    assert [column.title for column in table.columns] == ["metric", "unit", "1 air", "2 stone"]
    assert table.rows[4][2:] == (6.1, 6.2)
    assert further_table(core(), metrics(MEASURED[:2]), NAMES) is None


def test_no_measured_metric_is_missing_from_the_page():
    given = results()
    more = metrics().assign(core=given.cores[0].name)
    page = render(document(replace(given, core_metrics=pd.concat([given.core_metrics, more]))))
    assert all(f">{name}<" in page for name in MEASURED)


def windows(reached: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "core": "a", "class": "1", "name": "air", "metric": "fraction", "unit": "1", "edge_mm": [3.0, 6.0, 12.0],
            "share": [0.001, 0.008, 0.064], "placed": [32, 16, 2], "windows": [32, 16, 2], "spread": [0.5, 0.09, 0.01], "mean": 0.3,
            "spread_within": [0.4, 0.05, np.nan], "tolerance": 0.1, "least": 8, "representative_mm": reached,
        }
    )  # fmt: skip


def test_the_report_says_from_which_window_on_a_figure_is_representative_or_that_it_is_not_reached():
    reached, not_reached = (window_table("a", windows(edge)) for edge in (6.0, np.nan))
    assert reached.rows == (("1 air", "fraction", 6.0, 0.008, 6.0, 16, 0.09, 0.05),)
    assert not_reached.rows[0][2:4] == ("not reached", None)
    assert "One core is one place" in reached.caption
    assert window_table("b", windows(6.0)) is None
    assert window_table("a", None) is None


def test_a_class_that_no_window_holds_is_not_too_small_a_core():
    """The spread of nothing is no number, at whatever size."""
    absent = windows(np.nan).assign(spread=np.nan, mean=[0.0, 0.0, np.nan])
    assert window_table("a", absent).rows[0][2:6] == ("nothing there", None, 6.0, 16)


def test_what_only_small_windows_hold_is_too_rare_and_not_nothing():
    """A figure that is drawn at some size is not "0 in all windows", as the words for nothing have it."""
    rare = windows(np.nan).assign(spread=[5.7, np.nan, np.nan], mean=[1.6e-4, 0.0, 0.0])
    table = window_table("a", rare)
    assert table.rows[0][2:6] == ("too rare", None, 6.0, 16)
    assert "“Too rare”: it is 0 in all windows of the largest judged size" in table.caption
    assert "“Nothing there”: the figure is 0 in all windows of every size" in table.caption


def test_where_edges_are_each_core_s_own_the_comparison_says_so():
    given = results()
    own = replace(given, settings={**given.settings, "scheme": otsu_scheme(3).as_dict()})
    assert "differ from core to core" in document(own).comparison.text
    assert "differ from core to core" not in document(given).comparison.text
    slices = pd.concat([made_up_cores.slices_table(*made_up_cores.core(0, name)) for name in "ab"])
    rows = [("a", "b", key, "", 0.1, 0.1, 0.2, 1.0) for key in ("1", "all")]
    distances = pd.DataFrame(
        rows, columns=["core", "other", "class", "name", "distance", "mean", "mean_other", "compared"]
    )
    shown = comparison_of_profiles(slices, ["a", "b"], distances, own_edges=" Edges differ.")
    assert all(picture.caption.endswith(" Edges differ.") for picture in shown.pictures)
    assert shown.table.caption.endswith(" Edges differ.")
