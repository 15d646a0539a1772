"""What was found in a scan: the core's circles in a slice, its axis, top and bottom in two sections."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, Circle, Patch

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.grid import GREY, frame, inside, panel, window
from soilscope.types import BoolVolume, ValueVolume
from soilscope.volume import Volume

__all__ = ["found"]

SOIL, TUBE, AXIS = "#cc0077", "#1f8fd6", "#f2b400"
TOP, WIDEST, TALLEST = 0.35, 1.8, 4.2
"""Inches above the panels, and of the widest and tallest panel."""
NOTHING = "no cylinder found; all of the scan was kept"
LEAST_LABELLED = 0.6
"""In flatter sections the words would hide the soil; the axis says how deep it reaches."""


@style.styled
def found(scan: Volume, core: Volume) -> Figure:
    """The slice half-way down the soil, and the two vertical sections through the axis there; all axes in mm.

    Rows and columns count from the centre of the first voxel and depth from the upper side of the first slice, as the numbers in
    ``source["soil"]`` and in a plan's ``[core]`` table do.

    Parameters
    ----------
    scan : Volume
        As read.
    core : Volume
        The same grid with the soil found in it.

    Raises
    ------
    UsageError
        Code ``shape``: the two are on different grids.
    """
    if scan.shape != core.shape:
        raise UsageError("shape", f"scan {scan.shape} and core {core.shape} must be on one (z, y, x) grid.")
    z, y, x = _middle(core)
    size = [n * d for n, d in zip(scan.shape, scan.spacing_mm, strict=True)]
    width = min(WIDEST, TALLEST * size[2] / max(size[0], size[1]), TALLEST * size[1] / size[0])
    scale = width / max(size[1], size[2])
    tallest = scale * max(size[0], size[1])
    made = style.figure(TOP + tallest + 0.85, "none")
    lefts = (0.55, 0.55 + WIDEST + 0.75, 0.55 + 2 * WIDEST + 1.1)
    panels = [
        panel(made, lefts[0], TOP, scale * size[2], scale * size[1]),
        panel(made, lefts[1], TOP, scale * size[1], scale * size[0]),
        panel(made, lefts[2], TOP, scale * size[2], scale * size[0]),
    ]
    shown = window(scan.values, core.valid)
    dz, dy, dx = scan.spacing_mm
    masked = core.source.get("soil", {}).get("kind") == "masked"  # there is only padding to see outside
    see = inside if masked else lambda picture, _: picture
    _picture(panels[0], see(scan.values[z], core.valid[z]), core.valid[z], ((-0.5 * dy, dy), (-0.5 * dx, dx)), shown)
    _picture(
        panels[1],
        see(scan.values[:, :, x], core.valid[:, :, x]),
        core.valid[:, :, x],
        ((0.0, dz), (-0.5 * dy, dy)),
        shown,
    )
    _picture(panels[2], see(scan.values[:, y], core.valid[:, y]), core.valid[:, y], ((0.0, dz), (-0.5 * dx, dx)), shown)
    _circles(panels[0], core, z)
    _sections((panels[1], panels[2]), core, ("top", "bottom") if scale * size[0] >= LEAST_LABELLED else ())
    titles = (
        f"slice {z}, {scan.depth_mm[z]:.1f} mm deep",
        f"section, x = {x * dx:.1f} mm",
        f"section, y = {y * dy:.1f} mm",
    )
    for axes, title, across, down in zip(panels, titles, ("x", "y", "x"), ("y (mm)", "depth (mm)", ""), strict=True):
        axes.set_title(title)
        frame(axes, f"{across} (mm)", down)
    if handles := _legend(core):
        made.legend(handles=handles, loc="lower center", ncols=len(handles))
    elif "no-cylinder" in {finding.code for finding in core.findings}:
        made.text(0.5, 0.03, NOTHING, ha="center", va="bottom")
    return made


def _middle(core: Volume) -> tuple[int, int, int]:
    """The voxel on the axis half-way down the soil; the middle of the scan where no axis was found."""
    filled = np.flatnonzero(core.valid.any(axis=(1, 2)))
    z = int(filled[len(filled) // 2]) if filled.size else core.shape[0] // 2
    on_axis = core.axis_mm()
    if on_axis is None:
        return z, core.shape[1] // 2, core.shape[2] // 2
    at = [round(float(of[z]) / d) for of, d in zip(on_axis, core.spacing_mm[1:], strict=True)]
    return z, min(max(at[0], 0), core.shape[1] - 1), min(max(at[1], 0), core.shape[2] - 1)


def _picture(
    axes: Axes,
    values: ValueVolume,
    soil: BoolVolume,
    places: tuple[tuple[float, float], tuple[float, float]],
    shown: tuple[float, float],
) -> None:
    """Grey values with the soil's outline; ``places`` holds first border and spacing of rows and columns in mm."""
    (first, down), (left, across) = places
    rows, columns = values.shape
    extent = (left, left + columns * across, first + rows * down, first)
    axes.imshow(values, cmap=GREY, vmin=shown[0], vmax=shown[1], extent=extent)
    if soil.any() and not soil.all():
        y, x = first + (np.arange(rows) + 0.5) * down, left + (np.arange(columns) + 0.5) * across
        axes.contour(x, y, soil.astype(float), levels=[0.5], colors=SOIL, linewidths=1.2)


def _circles(axes: Axes, core: Volume, z: int) -> None:
    soil, on_axis = core.source.get("soil", {}), core.axis_mm()
    if on_axis is None:
        return
    middle = (float(on_axis[1][z]), float(on_axis[0][z]))
    if soil.get("wall") is not None:
        axes.add_patch(_tube(soil, middle))
    axes.plot(*middle, marker="+", color=AXIS, markersize=9, markeredgewidth=1.4)


def _tube(soil: dict[str, Any], middle: tuple[float, float]) -> Patch:
    """The outside of the tube: a circle, or its arc on the soil's side of the cut."""
    radius, cut = soil["outer_radius_mm"], soil.get("cut")
    if cut is None:
        return Circle(middle, radius, fill=False, color=TUBE, linewidth=1.2)
    y, x = cut["normal"]
    half = np.degrees(np.arccos(np.clip(cut["offset_mm"] / radius, -1.0, 1.0)))
    out = np.degrees(np.arctan2(y, x))
    return Arc(middle, 2 * radius, 2 * radius, theta1=out + half, theta2=out - half + 360, color=TUBE, linewidth=1.2)


def _sections(panels: tuple[Axes, Axes], core: Volume, named: tuple[str, ...]) -> None:
    """Axis, tube, top and bottom in the two sections; what is ``named`` is written beside its line."""
    soil, on_axis = core.source.get("soil", {}), core.axis_mm()
    if not soil or core.valid.all():
        return
    dz = core.spacing_mm[0]
    for number, (axes, of) in enumerate(zip(panels, on_axis or (None, None), strict=True)):
        for end, name, place in ((soil["top"], "top", "top"), (soil["bottom"], "bottom", "bottom")):
            axes.axhline(end * dz, color=SOIL, linewidth=0.9, linestyle="--")
            if name not in named:
                continue
            axes.annotate(
                f"{name} {end * dz:.1f}", (0.98, end * dz), xycoords=("axes fraction", "data"), ha="right", va=place,
                fontsize=7.5, color="white", bbox={"facecolor": SOIL, "pad": 1.2, "linewidth": 0},
            )  # fmt: skip
        if of is None:
            continue
        axes.plot(of, core.depth_mm, color=AXIS, linewidth=1.2, linestyle="-.")
        if soil.get("wall") is not None:
            for side in _sides(soil, number):
                axes.plot(of + side * soil["outer_radius_mm"], core.depth_mm, color=TUBE, linewidth=1.0)


def _sides(soil: dict[str, Any], number: int) -> list[int]:
    """On which sides of the axis the tube stands in the section along y (0) or x (1): of half a core, on the soil's alone."""
    cut = soil.get("cut")
    across = 0.0 if cut is None else cut["normal"][number] * soil["outer_radius_mm"]
    return [side for side in (-1, 1) if cut is None or side * across <= cut["offset_mm"]]


def _legend(core: Volume) -> list[Line2D]:
    soil = core.source.get("soil", {})
    if core.valid.all():  # there is no outline to explain
        return []
    handles = [Line2D([], [], color=SOIL, label="soil")]
    if core.axis_mm() is None:
        return handles
    if soil.get("wall") is not None:
        handles.append(Line2D([], [], color=TUBE, label="outside of the tube"))
    lean = f"axis, leaning {soil.get('tilt_deg', 0.0):.1f}°"
    return [*handles, Line2D([], [], color=AXIS, linestyle="-.", label=lean)]
