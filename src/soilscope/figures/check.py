"""The check picture of a core: was the soil found, do the classes make sense, where do their edges fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import (
    class_patches,
    ends_inward,
    frame,
    grey_picture,
    inside,
    label_picture,
    legend_columns,
    outline,
    panel,
    scale_bar,
    unit_label,
    window,
)
from soilscope.figures.text import SUPERSCRIPT
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, ValueVolume
from soilscope.volume import Volume

__all__ = ["check", "histogram"]

BINS = 256
FLAT = 0.6
"""A core lower than this share of its width has wider sections."""
TOP, TALLEST = 0.3, 3.0
"""Inches above the panels, and of the tallest panel."""
WIDTH, FLAT_WIDTHS = 1.3, (1.1, 1.6)
"""Inches of a panel; of slices and of sections in a flat core."""
HISTOGRAM, LINE = 1.3, 0.19
"""Inches: height of the histogram, and of a line of the legend."""
CROWDED = 0.05
"""Edges nearer than this share of the axis have their numbers at two heights."""


@style.styled
def check(volume: Volume, labels: LabelVolume, classes: Mapping[int, str], edges: Sequence[float] = ()) -> Figure:
    """Soil outline on an axial and a vertical section, the classes there, and the histogram with the class edges.

    Parameters
    ----------
    volume : Volume
        The core with the soil found: ``valid`` is what the outline goes round.
    labels : uint8 array, shape (z, y, x)
        0 outside, 1..n the classes.
    classes : mapping of int to str
        Class number -> name.
    edges : sequence of float, optional
        The scheme's edges as they held for this core, in the volume's units; empty for classes made elsewhere.

    Raises
    ------
    UsageError
        Code ``shape``: labels are on another grid than the volume.
    """
    if labels.shape != volume.shape:
        raise UsageError("shape", f"labels {labels.shape} and volume {volume.shape} must be on one (z, y, x) grid.")
    places = _places(volume)
    upper = max(top + height for _, top, _, height in places)
    patches = class_patches(classes, bool((labels == 0).any()))
    lines = -(-(len(patches) + 2) // legend_columns(patches))
    made = style.figure(upper + 0.85 + HISTOGRAM + 0.5 + LINE * lines, "none")
    _soil([panel(made, *place) for place in places], volume, labels, classes)
    axes = panel(made, 0.65, upper + 0.85, style.WIDTH - 0.9, HISTOGRAM)
    counted = _histogram(axes, volume, classes, edges)
    made.legend(handles=[*patches, *counted], loc="lower center", ncols=legend_columns(patches))
    return made


def histogram(values: ValueVolume, valid: BoolVolume, bins: FloatProfile) -> tuple[FloatProfile, FloatProfile]:
    """Voxels a bin, (inside, outside) the core, counted slice by slice so that no copy of the volume is made."""
    inside = np.zeros(len(bins) - 1)
    outside = np.zeros(len(bins) - 1)
    for plane, mask in zip(values, valid, strict=True):
        inside += np.histogram(plane[mask], bins)[0]
        outside += np.histogram(plane[~mask], bins)[0]
    return inside, outside


def _places(volume: Volume) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) in inches of two axial panels and two sections in one row; sections are wider in a flat core."""
    z, y, x = (n * d for n, d in zip(volume.shape, volume.spacing_mm, strict=True))
    axial, section = (WIDTH, WIDTH) if z > FLAT * x else FLAT_WIDTHS
    width = min(axial, TALLEST / (y / x))
    across = min(section, TALLEST / (z / x))
    start = 0.65 + 2 * width + 0.85
    places = [(0.65 + k * (width + 0.15), TOP, width, width * y / x) for k in (0, 1)]
    return [*places, *((start + k * (across + 0.15), TOP, across, max(across * z / x, 0.25)) for k in (0, 1))]


def _soil(panels: list[Axes], volume: Volume, labels: LabelVolume, classes: Mapping[int, str]) -> None:
    dz, dy, dx = volume.spacing_mm
    soil = np.flatnonzero(volume.valid.any(axis=(1, 2)))
    z = int(soil[len(soil) // 2]) if soil.size else volume.shape[0] // 2
    y = volume.shape[1] // 2
    shown = window(volume.values, volume.valid)
    grey_picture(panels[0], _seen(volume, volume.values[z], volume.valid[z]), (dy, dx), shown)
    outline(panels[0], volume.valid[z], (dy, dx))
    label_picture(panels[1], labels[z], (dy, dx), classes)
    grey_picture(panels[2], _seen(volume, volume.values[:, y], volume.valid[:, y]), (dz, dx), shown)
    outline(panels[2], volume.valid[:, y], (dz, dx))
    label_picture(panels[3], labels[:, y], (dz, dx), classes)
    titles = (
        f"{volume.depth_mm[z]:.1f} mm deep",
        "classes there",
        f"section, y = {(y + 0.5) * dy:.1f} mm",
        "classes there",
    )
    for k, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        axes.set_title(title)
        frame(axes, "x (mm)", ("y (mm)", "", "depth (mm)", "")[k])
        if k < 2:
            scale_bar(axes, volume.shape[2] * dx)


def _seen(volume: Volume, picture: ValueVolume, valid: BoolVolume) -> ValueVolume:
    """The scan as it is, so that wall and surroundings can be judged; where the scan itself masks them there is only padding."""
    return inside(picture, valid) if volume.source.get("soil", {}).get("kind") == "masked" else picture


def _histogram(axes: Axes, volume: Volume, classes: Mapping[int, str], edges: Sequence[float]) -> list[Artist]:
    """Voxels by value; returns what its legend has to name."""
    bins, step = _bins(volume)
    counts, left_out = histogram(volume.values, volume.valid, bins)
    named: list[Artist] = [axes.stairs(counts, bins, fill=True, color="#8a8a8a", label="voxels of the soil", zorder=2)]
    if left_out.any():
        axes.stairs(left_out, bins, color=style.INK, linewidth=0.8, linestyle=":", zorder=3)
        named.append(Line2D([], [], color=style.INK, linewidth=0.8, linestyle=":", label="voxels outside"))
    axes.set_yscale("log")
    axes.set(xlim=(bins[0], bins[-1]), ylim=(0.7, max(float(counts.max()), 1.0) * 6))
    _edges(axes, classes, edges)
    unit = "HU" if volume.units == "HU" else "grey value"
    axes.set(xlabel=unit_label(volume.units), ylabel=f"voxels per {unit if step == 1 else f'{step:.4g} {unit}'}")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: "10" + str(round(np.log10(v))).translate(SUPERSCRIPT)))
    ends_inward(axes, 8)
    return named


def _bins(volume: Volume) -> tuple[FloatProfile, float]:
    """Bin edges over the soil's range and their width: whole numbers wide for whole values, so that none is favoured."""
    inside = volume.values[volume.valid] if volume.valid.any() else volume.values
    low, high = float(inside.min()), float(inside.max())
    if np.issubdtype(volume.values.dtype, np.integer):
        step = max(1.0, float(np.ceil((high - low + 1) / BINS)))
        return low - 0.5 + step * np.arange(int(np.ceil((high - low + 1) / step)) + 1, dtype=np.float64), step
    step = (high - low) / BINS or 1.0
    return low + step * np.arange(BINS + 1, dtype=np.float64), step


def _edges(axes: Axes, classes: Mapping[int, str], edges: Sequence[float]) -> None:
    """Bands in the classes' colours behind the counts, a line at each edge and its number above the axes."""
    first, last = axes.get_xlim()
    for number, low, high in zip(classes, edges[:-1], edges[1:], strict=False):
        left, right = max(low, first), min(high, last)
        if right > left:
            axes.axvspan(left, right, color=class_colour(number), alpha=0.25, linewidth=0, zorder=0)
            axes.axvspan(left, right, ymin=0.97, color=class_colour(number), linewidth=0, zorder=1)
    between = [edge for edge in edges if first < edge < last]
    lifted = False
    for k, edge in enumerate(between):
        axes.axvline(edge, color=style.INK, linewidth=0.9, zorder=4)
        lifted = k > 0 and not lifted and edge - between[k - 1] < CROWDED * (last - first)
        share = (edge - first) / (last - first)
        axes.annotate(
            f"{edge:.4g}".replace("-", "−"), (edge, 1.0), xytext=(0, 12 if lifted else 3), textcoords="offset points",
            xycoords=("data", "axes fraction"), fontsize=7.5, va="bottom",
            ha="left" if share < CROWDED / 2 else "right" if share > 1 - CROWDED / 2 else "center",
        )  # fmt: skip
