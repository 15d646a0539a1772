"""What every figure has in common: labels with units, class colours, text as text, the same bytes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from functools import cache
from xml.etree import ElementTree

import made_up_cores
import made_up_study as study
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Patch
from PIL import Image

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.check import check
from soilscope.figures.colours import CLASS_COLOURS, class_colour
from soilscope.figures.comparison import comparison
from soilscope.figures.explanations import explanations
from soilscope.figures.matrix import matrix
from soilscope.figures.object_sizes import object_sizes
from soilscope.figures.pore_sizes import pore_sizes
from soilscope.figures.predicted import predicted
from soilscope.figures.profiles import profiles
from soilscope.figures.slices import slices
from soilscope.figures.training import Curve, training

CARDS = study.cards()
HOSTILE = '<script>alert(1)</script> $x^2 {{7*7}} "\u202eevil'


@cache
def core():
    return made_up_cores.core()


def fractions():
    rows = [(c, str(k), n, 0.2) for c in study.CORES for k, n in made_up_cores.NAMES.items()]
    return pd.DataFrame(rows, columns=["core", "class", "name", "fraction"])


def heat_maps():
    rng = np.random.default_rng(3)
    return {"block1_conv2": rng.random((40, 40)).astype(np.float32), "block5_conv3": np.zeros((40, 40), np.float32)}


def bodies():
    diameter = np.geomspace(1.0, 9.0, 12)
    kinds = {"kind": ["stones", HOSTILE] * 6, "class": ["5", "2"] * 6}
    return pd.DataFrame({**kinds, "diameter_mm": diameter, "volume_mm3": np.pi / 6 * diameter**3})


def pores():
    edges = 0.35 * np.arange(10)
    return pd.DataFrame({"class": "1", "from_mm": edges[:-1], "to_mm": edges[1:], "fraction": [0.0, *[0.01] * 8]})


FIGURES = {
    "object sizes": lambda: object_sizes(bodies(), 5000.0),
    "pore sizes": lambda: pore_sizes(pores(), 0.7, 1.9),
    "profiles": lambda: profiles(made_up_cores.slices_table(*core())),
    "slices": lambda: slices(*core(), made_up_cores.NAMES),
    "check": lambda: check(*core(), made_up_cores.NAMES, made_up_cores.EDGES),
    "matrix": lambda: matrix(study.matrix_table().query("target == 'porosity-2'"), study.LIMIT),
    "training": lambda: training([Curve("a", "mm", [3.0, 1.0, 0.5], [2.0, 1.1, 0.9], 0.8, 1.5, 0.7)]),
    "predicted": lambda: predicted(
        study.predictions_table().query("target == 'local-thickness-1'"),
        {name: card["baselines"] for name, card in CARDS.items()},
        {name: card["unit"] for name, card in CARDS.items()},
    ),
    "explanations": lambda: explanations(np.eye(40, dtype=np.float32), heat_maps(), (0.35, 0.35)),
    "comparison": lambda: comparison(
        fractions(), pd.DataFrame({"fraction 1": [0.0, 1.0, -1.0, 5.0]}, index=list(study.CORES))
    ),
}


@pytest.fixture(params=FIGURES, scope="module")
def named(request):
    return request.param, FIGURES[request.param]()


def test_the_same_figure_made_twice_gives_the_same_svg(named):
    name, made = named
    assert style.as_svg(made) == style.as_svg(FIGURES[name]())


@pytest.mark.parametrize("name", ["matrix", "explanations"])
def test_a_figure_saves_to_the_same_bytes_in_every_format_and_when_saved_again(name, tmp_path):
    made, again = FIGURES[name](), FIGURES[name]()
    style.as_svg(made)
    for suffix in (".svg", ".pdf", ".png"):
        first, second = style.save(made, tmp_path / f"first{suffix}"), style.save(again, tmp_path / f"second{suffix}")
        assert first == second
        assert (tmp_path / f"first{suffix}").stat().st_size > 1000


def test_an_svg_holds_no_date_no_address_and_no_machine(named):
    text = style.as_svg(named[1])
    assert not re.findall(r"https?://(?!www\.w3\.org/)[^\"' ]*", text)
    assert not re.search(r"20\d\d-\d\d-\d\d|dc:date|Matplotlib v", text)
    ElementTree.fromstring(text)


def test_text_in_an_svg_stays_text(named):
    assert "<text" in style.as_svg(named[1])


def test_every_axis_label_names_a_unit_or_a_quantity_without_one(named):
    unitless = (
        "porosity",
        "fraction",
        "RMSE",
        "epoch",
        "core",
        "model",
        "true",
        "predicted",
        "robust z",
        "voxels per",
        "share of",
    )
    labels = [text for axes in named[1].axes for text in (axes.get_xlabel(), axes.get_ylabel()) if text]
    assert labels
    for label in labels:
        assert re.search(r"\((mm|HU|hPa|1/cm³)\)", label) or any(word in label for word in unitless), label


@pytest.mark.parametrize("name", ["profiles", "slices", "check"])
def test_depth_in_mm_runs_downwards(name):
    deep = [axes for axes in FIGURES[name]().axes if "depth" in axes.get_ylabel()]
    assert deep
    for axes in deep:
        assert "(mm)" in axes.get_ylabel()
        bottom, top = axes.get_ylim()
        assert bottom > top >= 0


def test_no_letter_is_smaller_than_seven_points_at_the_page_width(named):
    named[1].canvas.draw()
    sizes = [text.get_fontsize() for text in named[1].findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert min(sizes) >= 7.0


def test_no_label_reaches_beyond_the_figure_at_any_resolution(named):
    name, made = named[0], FIGURES[named[0]]()
    for dpi in (72, 160, 200):  # of an SVG's text, of its pictures, of a PNG
        with style.look():
            made.set_dpi(dpi)
            made.canvas.draw()
        for text in [label for axes in made.axes for label in (axes.xaxis.label, axes.yaxis.label) if label.get_text()]:
            box = text.get_window_extent()
            assert box.x0 >= 0, (name, dpi, text.get_text())
            assert box.x1 <= made.bbox.width, (name, dpi, text.get_text())


def test_a_class_has_one_colour_in_every_figure():
    wanted = class_colour(2)
    lines = [to_hex(line.get_color()) for axes in FIGURES["profiles"]().axes for line in axes.lines]
    assert wanted in lines
    drawn = {name: FIGURES[name]() for name in ("slices", "check", "comparison")}
    for name, made in drawn.items():
        called = {
            text.get_text(): to_hex(handle.get_facecolor())
            for legend in made.legends
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
            if isinstance(handle, Patch)
        }
        assert called["2 organic"] == wanted, name
    shown = [axes for axes in drawn["slices"].axes if axes.images]
    assert any(
        wanted in map(to_hex, np.unique(i.cmap(i.norm(i.get_array())).reshape(-1, 4), axis=0))
        for a in shown
        for i in a.images
    )


def test_the_class_colours_can_be_told_apart_by_colour_blind_eyes():
    """Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1, in linear RGB; distance in CIELAB."""
    from skimage.color import rgb2lab

    deficient = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    srgb = np.array([mpl.colors.to_rgb(c) for c in CLASS_COLOURS])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    for matrix_ in (np.eye(3), *map(np.array, deficient.values())):
        seen = np.clip(linear @ matrix_.T, 0, 1)
        back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = rgb2lab(back[None])[0]
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
        assert apart.min() > 10  # a just noticeable difference is about 2.3


def test_joined_classes_and_classes_beyond_the_set_have_a_colour():
    assert class_colour("5+6") not in CLASS_COLOURS
    assert len({class_colour(k) for k in range(1, 41)}) == 40


def test_hostile_names_are_drawn_as_they_are_written():
    volume, labels = core()
    names = {**made_up_cores.NAMES, 2: HOSTILE}
    cells = study.matrix_table().query("target == 'porosity-2'").replace({"core": {"pine-1": HOSTILE}})
    for made in (slices(volume, labels, names), matrix(cells)):
        text = style.as_svg(made)
        root = ElementTree.fromstring(text)
        assert not [e for e in root.iter() if e.tag.endswith("script")]
        assert "&lt;script&gt;" in text
        assert "\u202e" not in text


def test_embedded_pictures_lose_nothing(monkeypatch):
    volume, labels = core()
    made = slices(volume, labels, made_up_cores.NAMES)
    small = style.as_svg(made)
    monkeypatch.setattr(style, "_smallest", lambda encoded: encoded)
    large = style.as_svg(made)

    def pictures(text):
        import base64

        found = re.findall(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", text)
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGBA")) for code in found]

    assert len(small) < 0.8 * len(large)
    assert len(pictures(small)) > 5
    for one, other in zip(pictures(small), pictures(large), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_users_own_matplotlib_settings_change_nothing():
    before = style.as_svg(FIGURES["training"]())
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path", "text.parse_math": True}):
        assert style.as_svg(FIGURES["training"]()) == before


def test_pyplot_is_never_imported():
    code = (
        "import sys; from soilscope.figures import check, comparison, explanations, matrix, predicted, profiles, slices, training;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UsageError, match="figure-format"):
        style.save(FIGURES["training"](), tmp_path / "figure.bmp")
    assert not list(tmp_path.iterdir())
