"""The check picture of a core: was the soil found, do the classes make sense, where do their edges fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import (
    class_patches,
    frame,
    grey_picture,
    label_picture,
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
"""A core lower than this share of its width has its sections one above the other."""
TOP, TALLEST = 0.3, 3.0
"""Inches above the panels, and of the tallest panel."""
CROWDED = 0.025
"""Edges nearer than this share of the axis have their numbers on either side."""


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
    made = style.figure(upper + 3.2, "none")
    _soil([panel(made, *place) for place in places], volume, labels, classes)
    _histogram(panel(made, 0.65, upper + 0.75, style.WIDTH - 0.75, 1.55), volume, classes, edges)
    handles = class_patches(classes, bool((labels == 0).any()))
    made.legend(handles=handles, loc="lower center", ncols=min(5, len(handles)))
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
    """(left, top, width, height) in inches of two axial panels and two sections: beside them, or stacked in a flat core."""
    z, y, x = (n * d for n, d in zip(volume.shape, volume.spacing_mm, strict=True))
    if z > FLAT * x:
        width = min(1.35, TALLEST / (z / x), TALLEST / (y / x))
        lefts = [0.65, 0.65 + width + 0.15, 0.65 + 2 * width + 0.85, 0.65 + 3 * width + 1.0]
        return [(left, TOP, width, width * (y if k < 2 else z) / x) for k, left in enumerate(lefts)]
    width, section = 1.5, min(2.5, 1.5 / (z / x))
    height = max(section * z / x, 0.25)
    axial = [(0.65 + k * 1.65, TOP, width, width * y / x) for k in (0, 1)]
    return [*axial, (4.5, TOP, section, height), (4.5, TOP + height + 0.35, section, height)]


def _soil(panels: list[Axes], volume: Volume, labels: LabelVolume, classes: Mapping[int, str]) -> None:
    dz, dy, dx = volume.spacing_mm
    soil = np.flatnonzero(volume.valid.any(axis=(1, 2)))
    z = int(soil[len(soil) // 2]) if soil.size else volume.shape[0] // 2
    y = volume.shape[1] // 2
    shown = window(volume.values, volume.valid)
    grey_picture(panels[0], volume.values[z], (dy, dx), shown)
    outline(panels[0], volume.valid[z], (dy, dx))
    label_picture(panels[1], labels[z], (dy, dx), classes)
    grey_picture(panels[2], volume.values[:, y], (dz, dx), shown)
    outline(panels[2], volume.valid[:, y], (dz, dx))
    label_picture(panels[3], labels[:, y], (dz, dx), classes)
    titles = (
        f"{volume.depth_mm[z]:.1f} mm deep",
        "classes there",
        f"section, y = {(y + 0.5) * dy:.1f} mm",
        "classes there",
    )
    flat = volume.shape[0] * dz <= FLAT * volume.shape[2] * dx
    for k, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        axes.set_title(title)
        frame(axes, "" if flat and k == 2 else "x (mm)", ("y (mm)", "", "depth (mm)", "depth (mm)" if flat else "")[k])
        if k < 2 or not flat:
            scale_bar(axes, volume.shape[2] * dx)


def _histogram(axes: Axes, volume: Volume, classes: Mapping[int, str], edges: Sequence[float]) -> None:
    bins, step = _bins(volume)
    counts, left_out = histogram(volume.values, volume.valid, bins)
    axes.stairs(counts, bins, fill=True, color="#8a8a8a", label="soil", zorder=2)
    if left_out.any():
        axes.stairs(left_out, bins, color=style.INK, linewidth=0.8, linestyle=":", label="outside", zorder=3)
    axes.set_yscale("log")
    axes.set(xlim=(bins[0], bins[-1]), ylim=(0.7, max(float(counts.max()), 1.0) * 6))
    _edges(axes, classes, edges)
    unit = "HU" if volume.units == "HU" else "grey value"
    axes.set(xlabel=unit_label(volume.units), ylabel=f"voxels per {unit if step == 1 else f'{step:.4g} {unit}'}")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: "10" + str(round(np.log10(v))).translate(SUPERSCRIPT)))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.0)


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
    """Bands in the classes' colours behind the counts, a line and a number at each edge."""
    first, last = axes.get_xlim()
    for number, low, high in zip(classes, edges[:-1], edges[1:], strict=False):
        left, right = max(low, first), min(high, last)
        if right > left:
            axes.axvspan(left, right, color=class_colour(number), alpha=0.25, linewidth=0, zorder=0)
            axes.axvspan(left, right, ymin=0.97, color=class_colour(number), linewidth=0, zorder=1)
    inside = [edge for edge in edges if first < edge < last]
    for k, edge in enumerate(inside):
        axes.axvline(edge, color=style.INK, linewidth=0.9, zorder=4)
        crowded = edge - (inside[k - 1] if k else first) < CROWDED * (last - first)
        axes.annotate(
            f"{edge:.4g}".replace("-", "−"), (edge, 0.95), xytext=(1.5 if crowded else -1.5, 0), textcoords="offset points",
            xycoords=("data", "axes fraction"), fontsize=7.5, rotation=90, va="top", ha="left" if crowded else "right", zorder=5,
        )  # fmt: skip
