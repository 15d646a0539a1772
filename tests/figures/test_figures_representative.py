"""The figure of representative windows shows what its table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from soilscope.errors import UsageError
from soilscope.figures.colours import class_colour
from soilscope.figures.representative import representative
from soilscope.report.cores import _windows


def curves() -> pd.DataFrame:
    edge = np.array([3.0, 6.0, 12.0, 24.0])
    rows = []
    for key, name, spread in (("1", "pores", 0.8), ("2", "matrix", 0.3), ("1+2", "both", 0.1)):
        for metric, unit in (("fraction", "1"), ("surface-density", "mm2/mm3")):
            spreads = spread * (edge / 3.0) ** -1.5
            frame = pd.DataFrame(
                {"edge_mm": edge, "spread": spreads, "mean": 0.3, "placed": [32, 32, 16, 2], "least": 8}
            )
            frame["representative_mm"] = 12.0 if key == "2" else np.nan
            rows.append(
                frame.assign(
                    **{"class": key, "name": name, "metric": metric, "unit": unit, "core_value": 0.31, "tolerance": 0.1}
                )
            )
    return pd.concat(rows, ignore_index=True)


def test_the_figure_of_windows_has_a_column_a_metric_and_a_line_a_class():
    made = representative(curves())
    upper, lower = made.axes[:2], made.axes[2:]
    assert [axes.get_title(loc="left") for axes in upper] == ["fraction", "surface-density (mm²/mm³)"]
    colours = {line.get_color() for line in lower[0].lines if len(line.get_xdata()) == 4}
    assert {class_colour(1), class_colour(2)} <= colours
    assert class_colour("1+2") not in colours
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["1 pores", "2 matrix"]


def test_the_figure_of_windows_rings_the_representative_size_and_leaves_unjudged_marks_open():
    lower = representative(curves()).axes[2]
    rings = [line for line in lower.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert [line.get_xdata().tolist() for line in rings] == [[12.0]]
    open_marks = [line for line in lower.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in open_marks] == [[24.0], [24.0]]
    assert any(np.allclose(line.get_ydata(), 0.1) and line.get_linestyle() == "--" for line in lower.lines)


def marks_told(table: pd.DataFrame) -> list[str]:
    return [text.get_text().partition(":")[0] for text in representative(table).legends[1].get_texts()]


def test_the_figure_of_windows_says_what_filled_and_hollow_marks_and_rings_mean_where_they_are():
    """Hollow is no ring: sizes that are not judged, in both rows, told apart in the picture and in the caption."""
    table = curves()
    assert marks_told(table) == ["filled", "hollow", "black ring"]
    assert marks_told(table.assign(representative_mm=np.nan)) == ["filled", "hollow"]
    assert marks_told(table.assign(placed=32)) == ["filled", "black ring"]
    upper = representative(table).axes[0]
    open_marks = [line for line in upper.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in open_marks] == [[24.0], [24.0]]
    caption = _windows("a", table).caption
    for words in (
        "Filled marks: sizes of which at least 8 windows fit",
        "Hollow marks: fewer fit",
        "A black ring round",
    ):
        assert words in caption


def test_no_words_of_the_figure_of_windows_cover_one_another():
    made = representative(curves())
    draw = FigureCanvasAgg(made).get_renderer()
    made.canvas.draw()
    words = [*made.legends, *(axes.xaxis.label for axes in made.axes if axes.get_xlabel())]
    boxes = [word.get_window_extent(draw) for word in words]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_no_mark_lies_beyond_the_axes_also_where_windows_hardly_differ():
    table = curves()
    table.loc[table["edge_mm"] == 24.0, "spread"] = 0.0009
    lower = representative(table).axes[2]
    low, high = lower.get_ylim()
    marks = [line.get_ydata() for line in lower.lines if line.get_marker() not in ("None", "")]
    assert all(((low < ys) & (ys < high)).all() for ys in marks)


def test_a_spread_of_nothing_can_be_drawn_and_no_rows_are_refused():
    still = curves().assign(spread=0.0)
    assert representative(still).axes
    with pytest.raises(UsageError) as refused:
        representative(curves().iloc[:0])
    assert refused.value.code == "no-rows"
