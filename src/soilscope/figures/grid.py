"""Pictures of slices in millimetres: extents, windows, grey panels, class panels and scale bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from soilscope.figures import style
from soilscope.figures.colours import class_colour, class_map
from soilscope.figures.text import plain
from soilscope.types import BoolVolume, LabelVolume, Units, ValueVolume

__all__ = [
    "GREY",
    "class_patches",
    "ends_inward",
    "frame",
    "grey_picture",
    "inside",
    "label_picture",
    "legend_columns",
    "outline",
    "panel",
    "scale_bar",
    "unit_label",
    "window",
]

WINDOW_PERCENT = (0.5, 99.5)
MOST_SAMPLES = 2_000_000
"""Voxels that percentiles are taken from, evenly spaced; more would not move them by a grey level."""
LOW = 0.75
"""Inches: the label of a lower axis is written across."""
NEAR_END = 0.06
"""A tick nearer to an axis's end than this share of it has its number turned inward."""
LONGEST_CLASS = 34
"""Characters of a class in a legend: its number, name and range."""
LEGEND_CHARACTERS = 110
"""Fit beside each other in a figure's width."""
_NICE = (1, 2, 5)
GREY = colormaps["gray"].with_extremes(bad=style.OUTSIDE)


def unit_label(units: Units) -> str:
    """Axis label for values of these units."""
    return "CT number (HU)" if units == "HU" else "grey value"


def window(values: ValueVolume, valid: BoolVolume) -> tuple[float, float]:
    """The range shown as black to white: the 0.5 and 99.5 percentiles of the valid voxels."""
    inside = values[valid]
    if inside.size == 0:
        inside = values.ravel()
    inside = inside[:: max(1, inside.size // MOST_SAMPLES)]
    low, high = np.percentile(inside, WINDOW_PERCENT)
    return float(low), float(high) if high > low else float(low) + 1.0


def grey_picture(
    axes: Axes, picture: ValueVolume, spacing: tuple[float, float], shown: tuple[float, float], top: float = 0.0
) -> AxesImage:
    """Draw a slice or section in grey; ``spacing`` is (row, column) in mm, ``top`` the first row's upper edge in mm.

    What is masked in the picture (:func:`inside`) is drawn in the neutral grey that the legend calls "outside".
    """
    return axes.imshow(picture, cmap=GREY, vmin=shown[0], vmax=shown[1], extent=_extent(picture, spacing, top))


def inside(picture: ValueVolume, valid: BoolVolume) -> ValueVolume:
    """A slice or section without what is not soil: a padding value there would be read as air or stone."""
    return np.ma.masked_array(picture, ~valid)


def label_picture(
    axes: Axes, picture: LabelVolume, spacing: tuple[float, float], classes: Mapping[int, str]
) -> AxesImage:
    """Draw classes in their colours, outside in neutral grey."""
    highest = max(classes, default=1)
    return axes.imshow(
        picture,
        cmap=class_map(classes),
        vmin=-0.5,
        vmax=highest + 0.5,
        interpolation="nearest",
        extent=_extent(picture, spacing, 0.0),
    )


def outline(axes: Axes, mask: BoolVolume, spacing: tuple[float, float]) -> None:
    """Draw a mask's border: magenta on white, to be seen on any grey."""
    if not mask.any() or mask.all():
        return
    y = (np.arange(mask.shape[0]) + 0.5) * spacing[0]
    x = (np.arange(mask.shape[1]) + 0.5) * spacing[1]
    axes.contour(x, y, mask.astype(float), levels=[0.5], colors="white", linewidths=2.4)
    axes.contour(x, y, mask.astype(float), levels=[0.5], colors="#cc0077", linewidths=1.1)


def scale_bar(axes: Axes, width_mm: float) -> None:
    """A bar of a round length, about a quarter of the picture's width, labelled in mm, on a white field."""
    length = _round_length(width_mm / 3.5)
    bar = AnchoredSizeBar(
        axes.transData, length, f"{length:g} mm", "lower left", pad=0.25, sep=2, borderpad=0.3, color="black",
        size_vertical=width_mm / 60, fontproperties=FontProperties(size=7.5),
    )  # fmt: skip
    bar.patch.set(alpha=0.85, linewidth=0)
    axes.add_artist(bar)


def panel(made: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's upper left corner: pictures keep their shape and their common scale."""
    all_width, all_height = made.get_size_inches()
    return made.add_axes((left / all_width, 1 - (top + height) / all_height, width / all_width, height / all_height))


ROUND = [1, 2, 2.5, 5, 10]
"""Steps between ticks, times a power of ten."""


def frame(axes: Axes, x: str = "", y: str = "") -> None:
    """Few ticks, a full frame, and tick labels only where there is an axis label."""
    inches = axes.get_window_extent().height / axes.figure.dpi
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=ROUND))
    axes.yaxis.set_major_locator(MaxNLocator(4 if inches > 0.8 else 1, steps=ROUND))
    axes.set(xlabel=x, ylabel=y)
    if y and inches < LOW:
        axes.set_ylabel(y.replace(" (", "\n("), rotation=0, ha="right", va="center", fontsize=7.5)
    axes.tick_params(labelbottom=bool(x), labelleft=bool(y), length=2.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)


def ends_inward(axes: Axes, most: int, characters: int = 99) -> None:
    """At most ``most`` intervals on the x axis; numbers at its ends stand inside it, where no neighbour and no border cuts them.

    Of numbers that together have more than ``characters``, only the first and the last have ticks: none stands without a number.
    """
    first, last = axes.get_xlim()
    ticks = [t for t in MaxNLocator(most).tick_values(first, last) if first <= t <= last]
    form = ScalarFormatter(useOffset=False)
    form.set_axis(axes.xaxis)
    written = form.format_ticks(ticks) if ticks else []
    if sum(map(len, written)) > characters:
        ticks, written = [ticks[0], ticks[-1]], [written[0], written[-1]]
    axes.set_xticks(ticks, written)
    for tick, label in zip(ticks, axes.get_xticklabels(), strict=True):
        share = (tick - first) / (last - first)
        label.set_horizontalalignment("left" if share < NEAR_END else "right" if share > 1 - NEAR_END else "center")


def class_patches(classes: Mapping[int, str], outside: bool) -> list[Patch]:
    """Legend entries for classes, with one for what lies outside the core if there is any."""
    patches = [
        Patch(facecolor=class_colour(k), label=plain(f"{k} {name}", LONGEST_CLASS)) for k, name in classes.items()
    ]
    return [*patches, Patch(facecolor=style.OUTSIDE, label="outside")] if outside else patches


def legend_columns(handles: Sequence[Artist]) -> int:
    """Columns of a legend below a figure: fewer where names are long."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    return max(1, min(5, len(handles), LEGEND_CHARACTERS // (longest + 6)))


def _extent(
    picture: np.ndarray[Any, Any], spacing: tuple[float, float], top: float
) -> tuple[float, float, float, float]:
    rows, columns = picture.shape
    return 0.0, columns * spacing[1], top + rows * spacing[0], top


def _round_length(near: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer than ``near``."""
    power = 10.0 ** np.floor(np.log10(near))
    return float(max(step * power for step in _NICE if step * power <= near * (1 + 1e-9)))
