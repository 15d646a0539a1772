"""What each figure says, read back from its artists."""

from __future__ import annotations

from dataclasses import replace

import made_up_cores
import made_up_study as study
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from soilscope.errors import UsageError
from soilscope.figures.check import check, histogram
from soilscope.figures.colours import TEST
from soilscope.figures.comparison import comparison
from soilscope.figures.explanations import explanations
from soilscope.figures.matrix import matrix
from soilscope.figures.predicted import predicted, score
from soilscope.figures.profiles import profiles
from soilscope.figures.slices import slices
from soilscope.figures.style import OUTSIDE
from soilscope.figures.text import wrapped
from soilscope.figures.training import Curve, training


def one_target():
    return study.matrix_table().query("target == 'porosity-2'")


def test_a_profile_draws_the_tables_porosity_at_the_tables_depth():
    table = made_up_cores.slices_table(*made_up_cores.core())
    lines = [line for axes in profiles(table).axes for line in axes.lines]
    for line, (_, rows) in zip(lines, table.groupby("class", sort=False), strict=True):
        np.testing.assert_allclose(line.get_xdata(), rows["porosity"])
        np.testing.assert_allclose(line.get_ydata(), (np.arange(60) + 0.5) * 0.5)


def test_a_porosity_axis_never_runs_far_beyond_one():
    table = made_up_cores.slices_table(*made_up_cores.core()).assign(porosity=1.0)
    assert all(axes.get_xlim()[1] < 1.01 for axes in profiles(table).axes[1:])


def test_the_axis_of_a_porosity_that_never_changes_does_not_magnify_nothing():
    table = made_up_cores.slices_table(*made_up_cores.core()).assign(porosity=1.0)
    for axes in profiles(table).axes[1:]:
        assert axes.get_xlim()[0] < 0.95


def test_the_stack_of_classes_fills_the_slice():
    axes = profiles(made_up_cores.slices_table(*made_up_cores.core())).axes[0]
    right = max(path.vertices[:, 0].max() for band in axes.collections for path in band.get_paths())
    assert right == pytest.approx(1.0)


def test_joined_classes_have_a_profile_but_are_not_stacked_twice():
    table = made_up_cores.slices_table(*made_up_cores.core())
    joined = table[table["class"] == "4"].assign(**{"class": "4+5", "name": "dense"})
    made = profiles(pd.concat([table, joined]))
    assert len(made.axes[0].collections) == 5
    assert len(made.axes) == 1 + 6


def test_a_slice_picture_spans_the_cores_size_in_mm():
    volume, labels = made_up_cores.core()
    made = slices(volume, labels, made_up_cores.NAMES)
    extents = {tuple(np.round(image.get_extent(), 6)) for axes in made.axes for image in axes.images}
    assert (0.0, 67.2, 67.2, 0.0) in extents  # 96 pixels of 0.7 mm
    assert (0.0, 67.2, 30.0, 0.0) in extents  # 60 slices of 0.5 mm


def test_slices_are_titled_with_the_depth_of_their_centre():
    volume, labels = made_up_cores.core()
    made = slices(volume, labels, made_up_cores.NAMES, depths_mm=[3.3, 20.0])
    titles = [axes.get_title() for axes in made.axes if "deep" in axes.get_title()]
    assert titles == ["3.2 mm deep", "19.8 mm deep"]  # slices 6 and 39: (i + 0.5) * 0.5 mm = 3.25 and 19.75


@pytest.mark.parametrize("shape", [(12, 96, 96), (60, 96, 96), (240, 96, 96)])
def test_panels_keep_the_shape_of_the_core_and_stay_on_the_figure(shape):
    values = np.zeros(shape, np.int16)
    volume = replace(made_up_cores.core()[0], values=values, valid=np.ones(shape, bool))
    for made in (
        slices(volume, np.ones(shape, np.uint8), {1: "all"}),
        check(volume, np.ones(shape, np.uint8), {1: "all"}),
    ):
        made.canvas.draw()
        for axes in (a for a in made.axes if a.images and a.get_xlabel() == "x (mm)"):
            box = axes.get_window_extent()
            width, height = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
            assert box.height / box.width == pytest.approx(height / width, rel=0.35 if shape[0] == 12 else 0.02)
            assert 0 <= box.x0 < box.x1 <= made.bbox.width
            assert 0 <= box.y0 < box.y1 <= made.bbox.height


def test_the_histogram_counts_every_voxel_of_the_soil_once():
    volume, _ = made_up_cores.core()
    bins = np.arange(-1025, 3100, 5) - 0.5
    inside, outside = histogram(volume.values, volume.valid, bins)
    assert inside.sum() == volume.valid.sum()
    assert outside.sum() == (~volume.valid).sum()
    np.testing.assert_array_equal(inside, stats.binned_statistic(volume.values[volume.valid], None, "count", bins)[0])


def test_the_check_picture_draws_each_edge_inside_the_range_on_a_logarithmic_scale():
    volume, labels = made_up_cores.core()
    made = check(volume, labels, made_up_cores.NAMES, made_up_cores.EDGES)
    axes = next(a for a in made.axes if "voxels per" in a.get_ylabel())
    assert axes.get_yscale() == "log"
    assert [line.get_xdata()[0] for line in axes.lines] == [-700.0, 200.0, 1500.0, 2000.0]


def test_the_outline_follows_the_soils_border():
    volume, labels = made_up_cores.core()
    axes = check(volume, labels, made_up_cores.NAMES).axes[0]
    border = np.concatenate([path.vertices for path in axes.collections[-1].get_paths()])
    radius = np.hypot(*(border - 33.6).T)  # centre of 96 pixels of 0.7 mm
    assert np.abs(radius - made_up_cores.RADIUS * 0.7).max() < 0.7  # within one pixel


def test_the_matrix_frames_the_cells_in_sample_and_writes_every_error():
    cells = one_target()
    axes = matrix(cells, study.LIMIT).axes[0]
    frames = [p for p in axes.patches if isinstance(p, Rectangle)]
    assert {(round(p.get_x() + 0.46), round(p.get_y() + 0.44)) for p in frames} == {(k, k) for k in range(4)}
    assert len(axes.texts) == len(cells)
    bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
    assert len(bold) == (cells["rmse"] < study.LIMIT).sum()


def test_a_cell_without_a_value_is_a_dash():
    cells = one_target().copy()
    cells.loc[cells.index[1], "rmse"] = np.nan
    assert matrix(cells).axes[0].texts[1].get_text() == "–"


def test_a_large_matrix_has_dots_instead_of_numbers():
    cells = pd.DataFrame(
        [(f"m{i}", f"c{j}", 0.01 * (1 + i + j), i == j) for i in range(32) for j in range(32)],
        columns=["model", "core", "rmse", "in_sample"],
    )
    axes = matrix(cells, 0.1).axes[0]
    assert not axes.texts
    assert len(axes.lines) == (cells["rmse"] < 0.1).sum()


def test_training_curves_stand_beside_the_constant_and_the_best_baseline():
    axes = training([Curve("a", "mm", [3.0, 1.0], [], 0.9, 1.5, 0.7)]).axes[0]
    levels = {line.get_label(): line.get_ydata()[0] for line in axes.lines}
    assert levels["constant, test slices"] == 1.5
    assert levels["best baseline, test slices"] == 0.7
    assert levels["finished model, test slices"] == 0.9
    assert axes.get_ylabel() == "RMSE (mm)"


def test_the_scores_equal_scikit_learns():
    rng = np.random.default_rng(1)
    true, guess = rng.normal(size=50), rng.normal(size=50)
    rmse, r2 = score(true, guess)
    assert rmse == pytest.approx(root_mean_squared_error(true, guess))
    assert r2 == pytest.approx(r2_score(true, guess))


def test_predictions_tell_test_from_training_slices_and_name_the_rivals():
    table = study.predictions_table()
    table = table[table["model"] == table["model"].iloc[0]]
    axes = predicted(table, {table["model"].iloc[0]: {"constant": 0.05, "nearest_slice": 0.02}}, {}).axes[0]
    counts = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    assert counts == {"1:1": 2, "training slices": 48, "test slices": 12}
    assert "R²" in axes.texts[0].get_text()
    assert "constant 0.050" in axes.texts[0].get_text()


def test_heat_maps_are_not_rescaled():
    heat = np.linspace(0, 0.004, 400).reshape(20, 20).astype(np.float32)
    made = explanations(
        np.zeros((20, 20), np.float32), {"block1_conv1": heat, "none": np.full((20, 20), np.nan, np.float32)}
    )
    overlay = made.axes[1].images[-1]
    np.testing.assert_array_equal(np.asarray(overlay.get_array()), heat)
    assert overlay.norm.vmax == pytest.approx(0.004)
    assert any("no influence" in text.get_text() for axes in made.axes for text in axes.texts)


def test_the_diamond_of_the_finished_model_is_drawn_whole():
    made = training([Curve(name, "1", [0.1 / (1 + k) for k in range(40)], [], 0.03, 0.05, 0.02) for name in "abcd"])
    made.canvas.draw()
    marker = next(line for line in made.axes[0].lines if line.get_label() == "finished model, test slices")
    across, up = made.axes[0].transData.transform(marker.get_xydata()[0])
    blue = (np.array(mpl.colors.to_rgb(TEST)) * 255).round()
    picture = np.asarray(made.canvas.buffer_rgba())[..., :3]
    middle = np.array([picture.shape[0] - up, across]) - 0.5
    found = np.argwhere((np.abs(picture - blue) < 8).all(axis=-1))
    rows, columns = found[(np.abs(found - middle) < 12).all(axis=1)].T  # of this diamond, and not of its neighbours'
    reach = np.array([[rows.min(), columns.min()], [rows.max(), columns.max()]]) - middle
    np.testing.assert_allclose(-reach[0], reach[1], atol=1.9)  # pixels, of a reach of five
    assert len(rows) > 30  # of a square of 5 points, 100 dots an inch


def test_a_lone_cell_is_not_drawn_as_the_worst():
    for error, limit in ((0.021, 0.04), (0.021, None), (0.5, 0.04), (0.0, 0.04)):
        cells = pd.DataFrame([("m", "c", error, True)], columns=["model", "core", "rmse", "in_sample"])
        image = matrix(cells, limit).axes[0].images[0]
        assert image.norm.vmin == 0
        assert image.norm(error) <= 0.6


@pytest.mark.parametrize(("limit", "there"), [(0.04, True), (4.0, False), (0.001, False)])
def test_the_legend_shows_the_limits_line_only_where_it_is_drawn(limit, there):
    made = matrix(one_target(), limit)
    bar = made.axes[1]
    low, high = bar.get_ylim()
    drawn = [line for line in bar.lines if line.get_color() == "#cc0077" and low <= line.get_ydata()[0] <= high]
    entry = made.legends[0].get_patches()[1]
    assert bool(drawn) is there
    assert (entry.get_facecolor()[3] > 0) is there
    assert f"{limit:g}" in made.legends[0].get_texts()[1].get_text()


def test_a_core_that_stands_out_has_its_name_framed():
    fractions = pd.DataFrame(
        [(f"c{k}", "1", "pore", 1.0) for k in range(6)], columns=["core", "class", "name", "fraction"]
    )
    scores = pd.DataFrame({"fraction 1": [0.1, -0.2, 8.0, 0.0, np.nan, -9.0]}, index=[f"c{k}" for k in range(6)])
    for marked, wanted in (((), ["c2", "c5"]), (("c0",), ["c0", "c2", "c5"])):
        labels = comparison(fractions, scores, marked=marked).axes[0].get_yticklabels()
        assert [label.get_text() for label in labels if label.get_bbox_patch() is not None] == wanted
    assert not any(label.get_bbox_patch() for label in comparison(fractions).axes[0].get_yticklabels())


def test_a_score_beyond_the_limit_whose_difference_is_a_trifle_is_not_framed():
    """The page names some cores as standing out; the figure frames those and no others."""
    fractions = pd.DataFrame(
        [(f"c{k}", "1", "pore", 1.0) for k in range(6)], columns=["core", "class", "name", "fraction"]
    )
    scores = pd.DataFrame({"fraction 1": [0.1, -0.2, 8.0, 0.0, np.nan, -9.0]}, index=[f"c{k}" for k in range(6)])
    bars, cells, *_ = comparison(fractions, scores, framed={("c5", "fraction 1"), ("c0", "fraction 1")}).axes
    assert [label.get_text() for label in bars.get_yticklabels() if label.get_bbox_patch() is not None] == ["c5"]
    assert [round(p.get_y() + 0.43) for p in cells.patches] == [5]


def test_a_core_far_from_the_others_is_framed():
    fractions = pd.DataFrame(
        [(f"c{k}", "1", "pore", 1.0) for k in range(6)], columns=["core", "class", "name", "fraction"]
    )
    scores = pd.DataFrame({"fraction 1": [0.1, -0.2, 8.0, 0.0, np.nan, -9.0]}, index=[f"c{k}" for k in range(6)])
    axes = comparison(fractions, scores).axes[1]
    assert sorted(round(p.get_y() + 0.43) for p in axes.patches) == [2, 5]


@pytest.mark.parametrize(
    "draw", [lambda: profiles(pd.DataFrame()), lambda: matrix(pd.DataFrame()), lambda: training([])]
)
def test_nothing_to_draw_is_said_so(draw):
    with pytest.raises(UsageError, match="no-rows"):
        draw()


def test_labels_on_another_grid_are_refused():
    volume, labels = made_up_cores.core()
    with pytest.raises(UsageError, match="shape"):
        slices(volume, labels[1:], made_up_cores.NAMES)


def test_padding_outside_the_soil_is_drawn_in_the_legends_grey_and_not_as_stone():
    volume, labels = made_up_cores.core()
    padded = replace(volume, values=np.where(volume.valid, volume.values, 3071).astype(np.int16))
    for axes in slices(padded, labels, made_up_cores.NAMES).axes:
        for image in axes.images:
            data = np.ma.asarray(image.get_array())
            if image.get_cmap().name == "gray":
                corner = image.cmap(image.norm(data))[0, 0]
                assert mpl.colors.to_hex(corner) == OUTSIDE
                assert data.max() < 3071


def test_a_scans_own_mask_is_neutral_in_the_check_picture_and_a_found_cylinder_is_not():
    volume, labels = made_up_cores.core()
    masked = replace(volume, source={"soil": {"kind": "masked"}})
    hidden = [
        np.ma.is_masked(check(v, labels, made_up_cores.NAMES).axes[0].images[0].get_array()) for v in (volume, masked)
    ]
    assert hidden == [False, True]


def test_numbers_at_the_ends_of_a_porosity_axis_stand_inside_it():
    table = made_up_cores.slices_table(*made_up_cores.core()).assign(porosity=1.0)
    for axes in profiles(table).axes[1:]:
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        assert float(labels[-1].get_text()) == 1
        assert labels[-1].get_horizontalalignment() == "right"


def test_an_axis_of_porosities_ends_with_the_porosities():
    true = np.linspace(0.5, 1.0, 20)
    rows = pd.DataFrame({"model": "m", "true": true, "predicted": true, "part": "test"})
    axes = predicted(rows, {"m": {"constant": 0.1}}, {"m": "1"}).axes[0]
    assert axes.get_xlim()[1] < 1.05


def test_a_class_is_titled_with_its_range():
    table = made_up_cores.slices_table(*made_up_cores.core())
    titles = [axes.get_title(loc="left") for axes in profiles(table, {"2": "(-700, 200] HU"}).axes]
    assert "2 organic\n(-700, 200] HU" in titles
    assert "3 matrix" in titles


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 7])
def test_the_bar_of_a_classs_colour_lies_under_its_title_and_covers_none_of_it(classes):
    """Whatever the panels' height, the bar touches its panel and ends below the title with its range."""
    table = made_up_cores.slices_table(*made_up_cores.core())
    table = pd.concat([table[table["class"] == "1"].assign(**{"class": str(k + 1)}) for k in range(classes)])
    made = profiles(table, {str(k + 1): f"({k}, {k + 1}] HU" for k in range(classes)})
    drawn = made.canvas.get_renderer()
    for axes in made.axes[1:]:
        (bar,) = (patch.get_window_extent(drawn) for patch in axes.patches)
        (title,) = (text.get_window_extent(drawn) for text in axes.findobj(Text) if " HU" in text.get_text())
        assert bar.y0 == pytest.approx(axes.get_window_extent(drawn).y1)
        assert 2 < bar.height * 72 / made.dpi < 4
        assert title.y0 >= bar.y1


def test_the_band_of_moved_edges_and_the_horizons_are_drawn_at_their_places():
    table = made_up_cores.slices_table(*made_up_cores.core())
    band = table[["class", "depth_mm"]].assign(
        porosity_low=table["porosity"] - 0.05, porosity_high=table["porosity"] + 0.02
    )
    made = profiles(table, band=band, horizons_mm=(12.5,))
    for axes, (_, rows) in zip(made.axes[1:], table.groupby("class", sort=False), strict=True):
        corners = axes.collections[0].get_paths()[0].vertices
        assert corners[:, 0].min() == pytest.approx(rows["porosity"].min() - 0.05)
        assert corners[:, 0].max() == pytest.approx(rows["porosity"].max() + 0.02)
    assert all(12.5 in [line.get_ydata()[0] for line in axes.lines] for axes in made.axes)


@pytest.mark.parametrize("epochs", [1, 2, 3, 40])
def test_training_curves_have_whole_epochs_at_their_ticks(epochs):
    made = training([Curve("m", "1", [0.5] * epochs)])
    ticks = made.axes[0].get_xticks()
    assert np.array_equal(ticks, np.round(ticks))


def test_a_long_name_s_last_character_does_not_stand_alone():
    assert wrapped("pine-forest.mean-radius-3", 24) == "pine-forest.\nmean-radius-3"
    assert wrapped("short-name", 24) == "short-name"
    assert wrapped("a" * 60, 24) == "a" * 24 + "\n" + "a" * 23 + "…"


def test_every_tick_of_a_profile_has_a_number_and_every_panel_says_porosity():
    table = made_up_cores.slices_table(*made_up_cores.core())
    made = profiles(table.assign(porosity=np.resize([0.9921, 0.9999], len(table))))
    assert [axes.get_xlabel() for axes in made.axes[1:]] == ["porosity"] * table["class"].nunique()
    for axes in made.axes:
        assert all(label.get_text() for label in axes.get_xticklabels())
