"""A scan at a glance: evenly spaced slices in millimetres and grey values, with the soil that was found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from soilscope.figures import style
from soilscope.figures.grid import frame, grey_picture, outline, panel, scale_bar, unit_label, window
from soilscope.types import BoolVolume, ValueVolume
from soilscope.volume import Volume

__all__ = ["Section", "montage"]

COLUMNS = 4
LEFT, TOP, GAP, ROOM = 0.68, 0.38, 0.17, 5.6
"""Inches: left of the first panel, above it, between panels, and for all panels of a row."""
TITLE = 0.22
"""Inches above each row of panels."""
TALLEST = 3.2


@dataclass(frozen=True, slots=True)
class Section:
    """A vertical cut, shape (z, x): values, soil, (dz, dx) in mm, and where it lies in y, in mm."""

    values: ValueVolume
    soil: BoolVolume
    spacing_mm: tuple[float, float]
    y_mm: float


@style.styled
def montage(picked: Volume, depths_mm: Sequence[float], title: str, section: Section | None = None) -> Figure:
    """Slices in rows of four, the soil outlined where it was found, and a vertical section below.

    Parameters
    ----------
    picked : Volume
        The slices shown; ``valid`` is the soil, and where all of it is valid nothing is outlined.
    depths_mm : sequence of float
        Depth of each slice's centre below the top of the scan.
    title : str
    section : Section, optional
    """
    count, rows, columns = picked.shape
    _, dy, dx = picked.spacing_mm
    ratio = rows * dy / (columns * dx)
    width = min((ROOM - GAP * (COLUMNS - 1)) / COLUMNS, TALLEST / ratio)
    height = width * ratio
    lines = -(-count // COLUMNS)
    below = TOP + lines * (height + TITLE + GAP)
    tall = 0.0 if section is None else _section_size(section)[1] + TITLE + 0.75
    made = style.figure(below + max(tall, 0.45), "none")
    made.text(LEFT / style.WIDTH, 1 - 0.2 / made.get_size_inches()[1], title, fontsize=9.5, va="top")
    shown = window(picked.values, picked.valid)
    image = None
    for k in range(count):
        row, column = divmod(k, COLUMNS)
        top = TOP + row * (height + TITLE + GAP) + TITLE
        axes = panel(made, LEFT + column * (width + GAP), top, width, height)
        image = grey_picture(axes, picked.values[k], (dy, dx), shown)
        outline(axes, picked.valid[k], (dy, dx))
        axes.set_title(f"{depths_mm[k]:.3g} mm deep", fontsize=8, pad=3)
        last = k + COLUMNS >= count
        frame(axes, "x (mm)" if last else "", "" if column else "y (mm)")
        if k == 0:
            scale_bar(axes, columns * dx)
    if section is not None:
        _draw_section(made, below + TITLE + 0.25, section, shown)
    if image is not None:
        _grey_bar(made, image, picked, height)
    return made


def _grey_bar(made: Figure, image: AxesImage, picked: Volume, height: float) -> None:
    bar = panel(made, LEFT + ROOM + 0.12, TOP + TITLE, 0.1, max(height, 1.0))
    made.colorbar(image, cax=bar, label=unit_label(picked.units))


def _section_size(section: Section) -> tuple[float, float]:
    depth, across = (n * d for n, d in zip(section.values.shape, section.spacing_mm, strict=True))
    width = min(ROOM, TALLEST * across / depth)
    return width, max(width * depth / across, 0.25)


def _draw_section(made: Figure, top: float, section: Section, shown: tuple[float, float]) -> None:
    width, height = _section_size(section)
    axes: Axes = panel(made, LEFT, top, width, height)
    step = _thinned(section.values.shape)
    values: NDArray[np.generic] = section.values[:: step[0], :: step[1]]
    spacing = section.spacing_mm[0] * step[0], section.spacing_mm[1] * step[1]
    grey_picture(axes, values, spacing, shown)
    outline(axes, section.soil[:: step[0], :: step[1]], spacing)
    axes.set_title(f"vertical section at y = {section.y_mm:.3g} mm", fontsize=8, pad=3, loc="left")
    frame(axes, "x (mm)", "depth (mm)")


def _thinned(shape: tuple[int, ...]) -> tuple[int, int]:
    """Pixels that no page can show are left out."""
    return max(1, shape[0] // 1500), max(1, shape[1] // 1500)
