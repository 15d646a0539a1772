"""Figures of pore and object sizes show what their tables say, on axes with round numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from soilscope.errors import UsageError
from soilscope.figures.colours import class_colour
from soilscope.figures.log_axis import round_steps
from soilscope.figures.object_sizes import object_sizes
from soilscope.figures.pore_sizes import HPA_TIMES_MM, pore_sizes
from soilscope.structure import pore_sizes as measured_sizes
from soilscope.structure.retention import GRAVITY, WATER_DENSITY, suction_of_diameter


def two_tubes() -> pd.DataFrame:
    """Two square ducts of 3 and 9 voxels of 0.5 mm through a block."""
    mask = np.zeros((20, 40, 40), bool)
    mask[:, 3:6, 3:6] = True
    mask[:, 20:29, 20:29] = True
    made = measured_sizes(mask, (0.5, 0.5, 0.5)).frame()
    return made.assign(**{"class": "1", "core": "a", "name": "air"})


def test_the_area_under_the_steps_is_the_pores_share_of_the_soil():
    """On a logarithmic axis a step's area is height times its width in decades: together the volume of all pores."""
    sizes = two_tubes()
    steps = next(p for p in pore_sizes(sizes, 1.0).axes[0].patches if hasattr(p, "get_data") and not p.get_fill())
    heights, edges, _ = steps.get_data()
    assert np.isclose((heights * np.diff(np.log10(edges))).sum(), (9 + 81) / 1600)
    assert class_colour(1) in {line.get_color() for line in pore_sizes(sizes, 1.0).axes[1].lines}


def test_the_curve_is_the_fraction_of_the_soil_in_pores_at_least_so_wide():
    """Nothing is wider than the wide duct, all pores are wider than nothing, and between the ducts only the wide one is left."""
    curve = next(line for line in pore_sizes(two_tubes(), 1.0).axes[1].lines if line.get_marker() == "o")
    at = dict(zip(np.round(curve.get_xdata(), 6), curve.get_ydata(), strict=True))
    assert np.isclose(at[1.0], 90 / 1600)
    assert np.isclose(at[2.5], 81 / 1600, rtol=0.06)  # corners of the wide duct are as narrow as the other one
    assert curve.get_ydata()[-1] == 0.0


def test_the_suction_above_the_axis_is_that_of_the_tables_in_hpa():
    """1 cm of water at 20 °C is 0.979 hPa; at 0.5 mm both say the same."""
    hpa_per_cm = WATER_DENSITY * GRAVITY / 100.0 / 100.0
    assert np.isclose(HPA_TIMES_MM / 0.5, suction_of_diameter(0.5) * hpa_per_cm, rtol=1e-4)


@pytest.mark.parametrize("tallest", range(1, 9))
def test_the_word_at_the_median_diameter_covers_no_bar_and_no_curve(tallest):
    """Wherever the tallest bar stands, its top can be read: the word and its white ground lie above everything drawn."""
    edges = 0.35 * np.arange(10)
    share = np.full(9, 0.004)
    share[tallest] = 0.06
    sizes = pd.DataFrame({"class": "1", "from_mm": edges[:-1], "to_mm": edges[1:], "fraction": share})
    made = pore_sizes(sizes, 0.7, (edges[tallest] + edges[tallest + 1]) / 2)
    made.canvas.draw()
    for axes, highest in zip(
        made.axes, ((share / np.diff(np.log10([0.175, *edges[1:]]))).max(), share.sum()), strict=True
    ):
        (word,) = (text for text in axes.texts if text.get_text() == "d50")
        assert word.get_bbox_patch().get_window_extent().y0 > axes.transData.transform((1, highest))[1]
        assert word.get_window_extent().y1 < axes.get_window_extent().y1


def test_pores_without_volume_or_diameter_have_no_figure():
    """An empty panel would look like a measurement."""
    for fraction in (0.0, np.nan):
        with pytest.raises(UsageError) as refused:
            pore_sizes(two_tubes().assign(fraction=fraction), 1.0)
        assert refused.value.code == "no-rows"
    with pytest.raises(UsageError):
        object_sizes(objects().iloc[:0], 1000.0)


def objects() -> pd.DataFrame:
    diameter = np.array([1.0, 2.0, 4.0])
    volume = np.pi / 6 * diameter**3
    stones = pd.DataFrame({"kind": "stones", "class": "5", "diameter_mm": diameter, "volume_mm3": volume})
    roots = stones.assign(kind="roots", **{"class": "2"}).iloc[1:]
    return pd.concat([stones, roots.assign(kind="litter"), roots], ignore_index=True)


def test_objects_are_counted_for_each_cm3_and_their_volumes_add_up_to_one():
    """Three stones in 2 cm³ are 1.5 for each cm³ at the smallest; the largest holds 64 of 73 parts of the volume."""
    number, share = object_sizes(objects(), 2000.0).axes
    assert number.lines[0].get_ydata().tolist() == [1.5, 1.0, 0.5]
    assert np.allclose(share.lines[0].get_ydata(), [1 / 73, 9 / 73, 1.0])


def test_kinds_of_one_class_share_its_colour_and_differ_in_line_and_mark():
    """Colours belong to classes in every figure; without colour, lines and marks still tell kinds apart."""
    made = object_sizes(objects(), 2000.0)
    stones, litter, roots = made.axes[0].lines
    assert [line.get_color() for line in (stones, litter, roots)] == [class_colour(k) for k in (5, 2, 2)]
    assert stones.get_linestyle() == litter.get_linestyle() == "-"
    assert roots.get_linestyle() == "--"
    assert litter.get_marker() != roots.get_marker()
    assert litter.get_markerfacecolor() == class_colour(2)
    assert roots.get_markerfacecolor() == "white"
    texts = [text.get_text() for text in made.legends[0].get_texts()]
    assert texts == ["stones (5), n = 3", "litter (2), n = 2", "roots (2), n = 2"]


@pytest.mark.parametrize("span", [(0.3, 6.0), (0.02, 60.0), (0.6, 0.95), (1.1, 1.9), (1e-5, 1e3)])
def test_an_axis_has_a_few_round_numbers_inside_its_span(span):
    """However short or long the axis is, two numbers of at most two digits stand on it, and never too many to be read."""
    steps = round_steps(*span)
    assert 2 <= len(steps) <= 9
    assert all(span[0] <= step <= span[1] for step in steps)
    assert all(float(f"{step:.1e}") == step for step in steps)
