"""One look for all figures, and saving that gives the same bytes every time.

Figures are made with matplotlib's objects, never with pyplot's global state. Text is never read as mathematics, so that
a core called ``$x^`` is drawn as it is written.
"""

from __future__ import annotations

import base64
import functools
import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from soilscope.errors import UsageError
from soilscope.files import write_bytes

__all__ = [
    "DPI",
    "INK",
    "OUTSIDE",
    "WIDTH",
    "as_pdf",
    "as_png",
    "as_svg",
    "figure",
    "look",
    "save",
    "styled",
]

WIDTH = 7.2
"""Inches: two columns of a journal; on the report's page a point is then some 1.6 screen pixels."""
DPI = 200
"""Twice what a screen shows at the figure's size on the page, so that pictures stay crisp when printed."""
LAYOUT_PASSES = 2
"""The second corrects what the first could only guess: tick labels change with an axis's length."""
EMBEDDED_DPI = 160
"""Of grey pictures inside an SVG: one embedded pixel a screen pixel, so that 32 cores still make a modest page."""
INK = "#222222"
OUTSIDE = "#dddddd"
"""Neutral: outside the core, or nothing to say."""

_P = ParamSpec("_P")
_LOCK = threading.RLock()
# What belongs to the machine or to a window, not to the look of a figure.
_NOT_LOOK = (
    "backend",
    "interactive",
    "toolbar",
    "keymap",
    "webagg",
    "tk",
    "macosx",
    "timezone",
    "datapath",
    "figure.hooks",
)
_LOOK: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same letters on every machine
    "text.hinting": "none",  # text is as wide at every resolution, so that what fits when laid out fits when saved
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and edited
    "svg.hashsalt": "soilscope",
    "pdf.fonttype": 42,
    "image.interpolation": "auto",
    "path.simplify": True,
}
_NO_GLYPH = r"(?s).*[Gg]lyph .* missing from"
_EMBEDDED = re.compile(r"(data:image/png;base64,)\s*([A-Za-z0-9+/=\s]+)")
_SVG_METADATA: dict[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_PDF_METADATA: dict[str, None] = dict.fromkeys(("CreationDate", "Creator", "Producer"))


@contextmanager
def look() -> Iterator[None]:
    """Hold matplotlib's settings at ours, whatever the user's matplotlibrc says; one thread at a time."""
    defaults = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(_NOT_LOOK)}
    with _LOCK, mpl.rc_context({**defaults, **_LOOK}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", _NO_GLYPH
        )  # a core may be called in any script; SVG and page keep its letters
        yield


def styled(make: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Run a figure function under :func:`look`, then settle its layout once.

    Matplotlib's constrained layout moves the axes a little at every drawing; left on, a figure saved twice would differ.
    """

    @functools.wraps(make)
    def under_look(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with look():
            made = make(*args, **kwargs)
            engine = made.get_layout_engine()
            if engine is not None:
                for _ in range(LAYOUT_PASSES):
                    engine.execute(made)
                made.set_layout_engine("none")
            return made

    return under_look


def figure(height: float, layout: Literal["constrained", "none"] = "constrained") -> Figure:
    """An empty figure of the page's width and ``height`` inches, with its canvas; ``"none"`` leaves all places to the caller."""
    engine = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04) if layout == "constrained" else None
    made = Figure(figsize=(WIDTH, height), layout=engine)
    FigureCanvasAgg(made)
    return made


def as_svg(made: Figure) -> str:
    """The figure as SVG text: no date, no address, the same bytes for the same figure.

    Text stays text; pictures of grey values and classes are embedded as the smallest lossless PNG.
    """
    stream = io.StringIO()
    with look():
        made.savefig(stream, format="svg", dpi=EMBEDDED_DPI, metadata=_SVG_METADATA)
    text = re.sub(r"<!DOCTYPE[^>]*>\s*", "", stream.getvalue(), count=1)
    text = _EMBEDDED.sub(lambda found: found[1] + _smallest(found[2]), text)
    # Verdana has DejaVu's widths where DejaVu is not installed.
    return text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def _smallest(encoded: str) -> str:
    """A base64 PNG again, as grey values or a palette where that loses nothing: a third of the bytes."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as opened:
        picture = opened.convert("RGBA")
    if picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
        red, green, blue = picture.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            picture = red
        elif (colours := picture.getcolors(256)) is not None:
            indexed = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(colours))
            picture = indexed if indexed.convert("RGB").tobytes() == picture.tobytes() else picture
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def as_png(made: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG bytes."""
    return _saved(made, format="png", dpi=dpi, metadata={"Software": None})


def as_pdf(made: Figure) -> bytes:
    """The figure as PDF bytes, without date."""
    return _saved(made, format="pdf", metadata=_PDF_METADATA)


def save(made: Figure, path: Path) -> str:
    """Publish the figure as ``.svg``, ``.pdf`` or ``.png``; returns the file's digest.

    Raises
    ------
    UsageError
        Code ``figure-format``: another suffix.
    Busy, OutputRefused
        See :func:`soilscope.files.publish`.
    """
    path = Path(path)
    writers: dict[str, Callable[[Figure], bytes]] = {
        ".svg": lambda f: as_svg(f).encode(),
        ".pdf": as_pdf,
        ".png": as_png,
    }
    if path.suffix.lower() not in writers:
        raise UsageError(
            "figure-format", f"{path.name}: figures are saved as {', '.join(writers)}, not {path.suffix!r}."
        )
    return write_bytes(path, writers[path.suffix.lower()](made))


def _saved(made: Figure, **how: Any) -> bytes:
    stream = io.BytesIO()
    with look():
        made.savefig(stream, **how)
    return stream.getvalue()
