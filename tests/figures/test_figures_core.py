"""The picture of the found core: circle, axis, top and bottom stand where they were found, in mm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import Arc, Circle

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.errors import UsageError
from soilscope.figures.core import found
from soilscope.figures.style import as_svg
from soilscope.phantoms.scanner import Scanner


@pytest.fixture(scope="module")
def leaning():
    scanner = Scanner(tilt_deg=4.0, headspace=(6, 4), offset_mm=(0.0, 2.0))
    phantom = phantoms.make("sandy", seed=1, shape=(40, 72, 72), noise=False, scanner=scanner)
    scan = replace(phantom.volume, valid=np.ones(phantom.truth.shape, bool))
    return scan, find_core(scan)


def test_circle_axis_top_and_bottom_stand_where_they_were_found(leaning):
    scan, core = leaning
    axial, along_y, along_x = found(scan, core).axes
    soil = core.source["soil"]
    [circle] = [p for p in axial.patches if isinstance(p, Circle)]
    middle = [soil["slices"][name][21] for name in ("x_mm", "y_mm")]
    assert circle.center == pytest.approx(middle)
    assert circle.radius == soil["outer_radius_mm"]
    for axes, name in ((along_y, "y_mm"), (along_x, "x_mm")):
        ends = sorted({float(line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 2})
        assert ends == [6 * 0.25, 36 * 0.25]
        assert any(np.array_equal(line.get_xdata(), soil["slices"][name]) for line in axes.lines)


def test_lengths_count_from_the_first_voxels_centre_and_depth_from_the_top(leaning):
    axial, along_y, _ = found(*leaning).axes
    assert axial.images[0].get_extent() == pytest.approx([-0.5 * 0.351, 71.5 * 0.351, 71.5 * 0.351, -0.5 * 0.351])
    assert along_y.images[0].get_extent() == pytest.approx([-0.5 * 0.351, 71.5 * 0.351, 40 * 0.25, 0.0])


def test_a_scan_without_a_core_is_drawn_without_circle():
    phantom = phantoms.make("matched-fine", seed=1, shape=(8, 32, 32))
    made = found(phantom.volume, find_core(phantom.volume))
    assert not any(isinstance(p, Circle) for p in made.axes[0].patches)
    assert made.legends == [], "a legend of lines that are not drawn"
    assert [text.get_text() for text in made.texts] == ["no cylinder found; all of the scan was kept"]
    assert not any(axes.lines for axes in made.axes)


def test_the_tube_of_half_a_core_is_drawn_on_the_soil_s_side_alone(leaning):
    """A core cut at x > axis: the circle's arc runs over the other side, and the section across shows one wall."""
    scan, core = leaning
    soil = {**core.source["soil"], "kind": "half-cylinder", "cut": {"normal": [0.0, 1.0], "offset_mm": 0.0}}
    made = found(scan, replace(core, source={**core.source, "soil": soil}))
    [arc] = [p for p in made.axes[0].patches if isinstance(p, Arc)]
    assert (arc.theta1, arc.theta2) == pytest.approx((90, 270))
    for axes, name, sides in ((made.axes[1], "y_mm", (-1, 1)), (made.axes[2], "x_mm", (-1,))):
        middle = np.asarray(soil["slices"][name])
        walls = [
            side
            for side in (-1, 1)
            for line in axes.lines
            if np.array_equal(line.get_xdata(), middle + side * soil["outer_radius_mm"])
        ]
        assert tuple(walls) == sides


def test_ticks_stand_at_round_numbers():
    phantom = phantoms.make("matched-fine", seed=1, shape=(8, 88, 88))
    for axes in found(phantom.volume, find_core(phantom.volume)).axes:
        for ticks in (axes.get_xticks(), axes.get_yticks()):
            step = float(ticks[1] - ticks[0])
            assert round(step / 10 ** np.floor(np.log10(step)), 6) in (1, 2, 2.5, 5)


def test_the_picture_is_the_same_every_time(leaning):
    assert as_svg(found(*leaning)) == as_svg(found(*leaning))


def test_scan_and_core_must_share_a_grid(leaning):
    scan, core = leaning
    with pytest.raises(UsageError, match="one \\(z, y, x\\) grid"):
        found(scan, core.crop(z=(0, 9)))
