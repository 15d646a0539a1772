"""Profiles of several cores: small multiples on the same axes, and two cores as a paper prints them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from soilscope.errors import UsageError
from soilscope.figures.contrast import contrast
from soilscope.figures.multiples import multiples
from soilscope.figures.style import as_svg


def slices_of(core: str, pores: np.ndarray, dz: float = 0.5) -> pd.DataFrame:
    depth = (np.arange(len(pores)) + 0.5) * dz
    frames = [
        pd.DataFrame(
            {"core": core, "depth_mm": depth, "class": key, "name": name, "fraction": share, "porosity": 1 - share}
        )
        for key, name, share in (("1", "pore", pores), ("2", "matrix", 1 - pores), ("1+2", "all", np.ones(len(pores))))
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def two() -> pd.DataFrame:
    return pd.concat([slices_of("deep", np.linspace(0.1, 0.3, 40)), slices_of("shallow", np.full(10, 0.5))])


def test_small_multiples_share_both_axes_and_reach_the_deepest_bottom(two):
    panels = multiples(two, ["deep", "shallow"]).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["deep", "shallow"]
    for panel in panels:
        assert panel.get_xlim() == (0, 1)
        assert panel.get_ylim() == (20.0, 0.0)
        assert len(panel.collections) == 2  # joined classes are counted already


def test_thirty_two_cores_fit_on_one_page():
    cores = [f"core-{k}" for k in range(32)]
    made = multiples(pd.concat([slices_of(core, np.full(8, 0.2)) for core in cores]), cores)
    assert len(made.axes) == 32
    assert made.get_size_inches()[1] <= 9.7
    assert as_svg(made) == as_svg(made)


def test_two_cores_are_drawn_row_by_row_with_one_scale_a_class(two):
    made = contrast(two, ["deep", "shallow"])
    grid = np.array(made.axes).reshape(2, 2)
    for column in range(2):
        assert grid[0, column].get_xlim() == grid[1, column].get_xlim()
    assert all(panel.get_ylim()[1] == 0 < panel.get_ylim()[0] for panel in made.axes)
    np.testing.assert_allclose(grid[1, 0].lines[0].get_xdata(), 0.5)
    np.testing.assert_allclose(grid[0, 1].lines[0].get_xdata(), np.linspace(0.1, 0.3, 40))
    assert [panel.get_title(loc="left") for panel in grid[0]] == ["1 pore", "2 matrix"]


@pytest.mark.parametrize("classes", [2, 5, 8])
def test_an_axis_of_porosity_ends_at_numbers_that_stand_below_their_ticks(classes):
    """The least and the greatest tick enclose all values, both are written, centred, and no number runs into another's."""
    rng = np.random.default_rng(classes)
    share = {str(k + 1): np.sort(rng.random(60) * 0.8 * rng.random()) for k in range(classes)}
    frames = [slices_of(core, pores)[:60].assign(**{"class": key}) for core in "ab" for key, pores in share.items()]
    made = contrast(pd.concat(frames), ["a", "b"])
    made.canvas.draw()
    for row in np.array(made.axes).reshape(2, classes):
        written = [[label for label in axes.get_xticklabels() if label.get_text()] for axes in row]
        for axes, labels in zip(row, written, strict=True):
            ticks, porosity = axes.get_xticks(), axes.lines[0].get_xdata()
            assert ticks[0] <= porosity.min() <= porosity.max() <= ticks[-1]
            assert [float(labels[k].get_text()) for k in (0, -1)] == pytest.approx([ticks[0], ticks[-1]])
            assert 0 <= ticks[0] < ticks[-1] <= 1
            for label in labels:
                box, at = label.get_window_extent(), axes.transData.transform((float(label.get_text()), 0))[0]
                assert (box.x0 + box.x1) / 2 == pytest.approx(at, abs=1)
        boxes = [label.get_window_extent() for labels in written for label in labels]
        assert all(left.x1 + 2 < right.x0 for left, right in itertools.pairwise(boxes))


def test_the_depth_axis_of_two_cores_ends_at_the_bottom_of_the_deepest(two):
    """40 slices of 0.5 mm end at 20 mm, and 20 is written there."""
    panel = contrast(two, ["deep", "shallow"]).axes[0]
    assert panel.get_ylim() == (20.0, 0.0)
    assert 20.0 in panel.get_yticks()


def test_bands_of_moved_edges_lie_behind_the_profiles_they_belong_to(two):
    """Each core's own band, in its class's column, inside the column's scale; a core without one has none."""
    low, high = two["porosity"] - 0.07, two["porosity"] + 0.02
    band = two.assign(porosity_low=low, porosity_high=high)[two["core"] == "deep"]
    grid = np.array(contrast(two, ["deep", "shallow"], band=band).axes).reshape(2, 2)
    for column, key in enumerate("12"):
        own = band[band["class"] == key]
        drawn = grid[0, column].collections[0].get_paths()[0].vertices
        assert drawn[:, 0].min() == pytest.approx(own["porosity_low"].min())
        assert drawn[:, 0].max() == pytest.approx(own["porosity_high"].max())
        first, last = grid[0, column].get_xlim()
        assert first <= drawn[:, 0].min() < drawn[:, 0].max() <= last
        assert not grid[1, column].collections


@pytest.mark.parametrize("draw", [multiples, contrast])
def test_a_core_without_rows_is_named(two, draw):
    with pytest.raises(UsageError, match="nowhere") as refused:
        draw(two, ["deep", "nowhere"])
    assert refused.value.code == "no-rows"
