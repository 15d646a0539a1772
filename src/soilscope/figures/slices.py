"""Slices at several depths and a vertical section, each grey beside its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.grid import (
    class_patches,
    frame,
    grey_picture,
    inside,
    label_picture,
    legend_columns,
    panel,
    scale_bar,
    unit_label,
    window,
)
from soilscope.types import LabelVolume
from soilscope.volume import Volume

__all__ = ["slices"]

AXIAL = 4
"""Axial slices shown, evenly spaced over the soil's depth."""
LEFT, TOP, GAP, SECTION_GAP = 0.66, 0.3, 0.12, 0.7
"""Inches: left of the first panel, above it, between axial panels, between the two sections."""
ROOM = 5.62
"""Inches for panels; the grey scale stands at their right."""
TALLEST = 3.0
"""Inches: no panel is taller."""


@style.styled
def slices(
    volume: Volume, labels: LabelVolume, classes: Mapping[int, str], depths_mm: Sequence[float] | None = None
) -> Figure:
    """Axial slices and a vertical section through the middle, grey above, classes below.

    Parameters
    ----------
    volume : Volume
        The core.
    labels : uint8 array, shape (z, y, x)
        0 outside, 1..n the classes.
    classes : mapping of int to str
        Class number -> name.
    depths_mm : sequence of float, optional
        Depths shown; by default four, evenly spaced over the slices that hold soil.

    Raises
    ------
    UsageError
        Code ``shape``: labels are on another grid than the volume.
    """
    if labels.shape != volume.shape:
        raise UsageError("shape", f"labels {labels.shape} and volume {volume.shape} must be on one (z, y, x) grid.")
    chosen = _indices(volume, depths_mm)
    place = _Places.of(volume, len(chosen))
    made = style.figure(place.height, "none")
    shown = window(volume.values, volume.valid)
    image = _axial(made, place, volume, labels, classes, chosen, shown)
    _section(made, place, volume, labels, classes, shown)
    _keys(made, place, image, volume, class_patches(classes, bool((labels == 0).any())))
    return made


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the panels go, in inches from the upper left corner."""

    axial_width: float
    axial_height: float
    section_width: float
    section_height: float
    section_top: float
    legend_beside: bool
    height: float

    @classmethod
    def of(cls, volume: Volume, axial: int) -> _Places:
        z, y, x = (n * d for n, d in zip(volume.shape, volume.spacing_mm, strict=True))
        width = min((ROOM - GAP * (axial - 1)) / axial, TALLEST / (y / x))
        half = (ROOM - SECTION_GAP) / 2
        section = min(half, TALLEST / (z / x))
        height = max(section * z / x, 0.25)
        beside = section < half - 1.0
        top = TOP + 2 * width * y / x + GAP + 0.85
        return cls(width, width * y / x, section, height, top, beside, top + height + (0.5 if beside else 1.15))


def _axial(
    made: Figure,
    place: _Places,
    volume: Volume,
    labels: LabelVolume,
    classes: Mapping[int, str],
    chosen: list[int],
    shown: tuple[float, float],
) -> AxesImage:
    spacing = volume.spacing_mm[1:]
    for column, k in enumerate(chosen):
        left = LEFT + column * (place.axial_width + GAP)
        above = panel(made, left, TOP, place.axial_width, place.axial_height)
        image = grey_picture(above, inside(volume.values[k], volume.valid[k]), spacing, shown)
        above.set_title(f"{volume.depth_mm[k]:.1f} mm deep")
        frame(above, y="" if column else "y (mm)")
        scale_bar(above, volume.shape[2] * spacing[1])
        below = panel(made, left, TOP + place.axial_height + GAP, place.axial_width, place.axial_height)
        label_picture(below, labels[k], spacing, classes)
        frame(below, "x (mm)", "" if column else "y (mm)")
    return image


def _section(
    made: Figure,
    place: _Places,
    volume: Volume,
    labels: LabelVolume,
    classes: Mapping[int, str],
    shown: tuple[float, float],
) -> None:
    dz, dy, dx = volume.spacing_mm
    middle = volume.shape[1] // 2
    left = panel(made, LEFT, place.section_top, place.section_width, place.section_height)
    grey_picture(left, inside(volume.values[:, middle], volume.valid[:, middle]), (dz, dx), shown)
    frame(left, "x (mm)", "depth (mm)")
    left.set_title(f"section, y = {(middle + 0.5) * dy:.1f} mm")
    if place.section_height > 0.8:
        scale_bar(left, volume.shape[2] * dx)
    start = LEFT + place.section_width + SECTION_GAP
    right = panel(made, start, place.section_top, place.section_width, place.section_height)
    label_picture(right, labels[:, middle], (dz, dx), classes)
    frame(right, "x (mm)", "depth (mm)")
    right.set_title("classes there")


def _keys(made: Figure, place: _Places, image: AxesImage, volume: Volume, patches: list[Patch]) -> None:
    """The grey scale beside the grey row; the classes' legend beside a narrow section, or below a wide one."""
    bar = panel(made, LEFT + ROOM + 0.1, TOP, 0.1, place.axial_height)
    made.colorbar(image, cax=bar, label=unit_label(volume.units))
    if place.legend_beside:
        x = (LEFT + 2 * place.section_width + SECTION_GAP + 0.3) / style.WIDTH
        made.legend(handles=patches, loc="upper left", bbox_to_anchor=(x, 1 - place.section_top / place.height))
    else:
        made.legend(handles=patches, loc="lower center", ncols=legend_columns(patches))


def _indices(volume: Volume, depths_mm: Sequence[float] | None) -> list[int]:
    if depths_mm is not None:
        return [int(np.argmin(np.abs(volume.depth_mm - depth))) for depth in depths_mm]
    soil = np.flatnonzero(volume.valid.any(axis=(1, 2)))
    soil = soil if soil.size else np.arange(volume.shape[0])
    places = (np.arange(AXIAL) + 0.5) / AXIAL * len(soil)
    return [int(k) for k in dict.fromkeys(soil[places.astype(int)])]
