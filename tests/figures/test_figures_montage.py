"""The montage shows every slice it is given, in millimetres, with the soil outlined."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.figures import style
from soilscope.figures.montage import Section, montage
from soilscope.volume import Volume


def picked(count=7, outlined=True):
    rng = np.random.default_rng(0)
    values = rng.integers(-1000, 2000, (count, 40, 60)).astype(np.int16)
    y, x = np.mgrid[-20:20, -30:30]
    valid = np.broadcast_to(y**2 + x**2 < 15**2, values.shape).copy() if outlined else np.ones(values.shape, bool)
    return Volume(values, valid, (1.0, 0.5, 0.25), "HU")


def pictures(made):
    return [axes for axes in made.axes if axes.images]


@pytest.mark.parametrize("count", [1, 4, 7, 12])
def test_every_slice_has_a_panel_in_millimetres(count):
    made = montage(picked(count), [k + 0.5 for k in range(count)], "core 7")
    panels = pictures(made)
    assert len(panels) == count
    assert [p.get_title() for p in panels] == [f"{k + 0.5:.3g} mm deep" for k in range(count)]
    assert all(p.images[0].get_extent() == [0.0, 15.0, 20.0, 0.0] for p in panels)
    assert any("HU" in axes.get_ylabel() for axes in made.axes)


def test_the_outline_is_drawn_where_soil_was_told_from_the_rest():
    outlined = pictures(montage(picked(4), range(4), "a"))
    plain = pictures(montage(picked(4, outlined=False), range(4), "a"))
    assert all(len(p.collections) > len(q.collections) for p, q in zip(outlined, plain, strict=True))


def test_a_section_stands_below_with_its_depth():
    volume = picked(8)
    section = Section(volume.values[:, 20], volume.valid[:, 20], (1.0, 0.25), 10.25)
    made = montage(volume, range(8), "a", section)
    last = pictures(made)[-1]
    assert last.images[0].get_extent() == [0.0, 15.0, 8.0, 0.0]
    assert "10.2 mm" in last.get_title(loc="left")
    assert style.as_png(made) == style.as_png(montage(volume, range(8), "a", section))
