"""Profiles over depth: the porosity of each class taken as the solid, and how the classes share a slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import ends_inward
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.transforms import Affine2DBase

__all__ = ["BAND", "LEAST_SPAN", "bottom_mm", "check_cores", "profiles", "stacked_classes"]

ROW_INCHES = 1.9
MOST_PANELS = 12
"""More classes than this are left to the tables; the shared stack shows all of them."""
BAND = 0.3
"""Opacity of a band."""
NARROW = 11
"""Characters of numbers that fit under a panel."""
TITLE = 22
"""Characters of a panel's title."""
LEAST_SPAN = 0.02
"""A porosity axis spans at least this, so that an even profile looks even."""
BAR_POINTS = 2.6
"""Height of the bar of the class's colour over a panel, whatever the panel's own height."""
TITLE_PAD = BAR_POINTS + 3.8
"""Points from the panel to the title's baseline: brackets reach some two points below it."""
CONSTANT_SPAN = 0.2
"""What the axis of a porosity that never changes, such as an absent class's, spans."""


@style.styled
def profiles(
    slices: pd.DataFrame,
    ranges: Mapping[str, str] | None = None,
    band: pd.DataFrame | None = None,
    horizons_mm: Sequence[float] = (),
) -> Figure:
    """Porosity of every class over depth, and the classes' stacked area fractions.

    Parameters
    ----------
    slices : DataFrame
        One core's rows of the slices table: depth_mm, class, name, fraction, porosity. Rows of joined classes are drawn as
        profiles but not stacked, their area being counted already.
    ranges : mapping of class to str, optional
        What values make each class, written under its name, such as ``{"3": "[0, 1024) HU"}``.
    band : DataFrame, optional
        class, depth_mm, porosity_low, porosity_high: drawn behind each profile (:mod:`soilscope.structure.sensitivity`).
    horizons_mm : sequence of float
        Depths of dashed lines across all panels (:mod:`soilscope.structure.horizons`).

    Returns
    -------
    Figure
        Depth in mm runs downwards in all panels. Porosity is ``1 - area fraction`` of the class after small clusters were
        removed (Wieland et al. 2021, figures 7 and 8, doi:10.1098/rsos.201275); the stack is before.

    Raises
    ------
    UsageError
        Code ``no-rows``: the table is empty.
    """
    if slices.empty:
        raise UsageError("no-rows", "a profile needs the rows of one core in the slices table; there are none.")
    classes = list(dict.fromkeys(slices["class"].astype(str)))
    shown = classes[:MOST_PANELS]
    columns = min(len(shown), 3 if len(shown) <= 6 else 4)
    rows = -(-len(shown) // columns)
    made = style.figure(max(2, rows) * ROW_INCHES + 0.5)
    grid = made.add_gridspec(rows, columns + 1, width_ratios=[1.25, *[1] * columns])
    stack = made.add_subplot(grid[:, 0])
    stacked_classes(stack, slices)
    stack.set(xlabel="area fraction (all classes)", ylabel="depth (mm)", title="classes")
    ends_inward(stack, 2)
    for k, identifier in enumerate(shown):
        axes = made.add_subplot(grid[k // columns, 1 + k % columns], sharey=stack)
        _profile(axes, slices[slices["class"].astype(str) == identifier], identifier, _of(band, identifier))
        title = plain(f"{identifier} {slices.loc[slices['class'].astype(str) == identifier, 'name'].iloc[0]}", TITLE)
        axes.set_title(
            "\n".join(filter(None, (title, (ranges or {}).get(identifier)))), loc="left", fontsize=8, pad=TITLE_PAD
        )
        axes.tick_params(labelleft=k % columns == 0)
        axes.set_xlabel("porosity")
    for axes in made.axes:
        for depth in horizons_mm:
            axes.axhline(depth, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
    return made


def _of(band: pd.DataFrame | None, identifier: str) -> pd.DataFrame | None:
    return None if band is None else band[band["class"].astype(str) == identifier].sort_values("depth_mm")


def stacked_classes(axes: Axes, slices: pd.DataFrame) -> None:
    """Area fractions of one core's classes stacked over depth, 0 to 1, depth downwards; joined classes are left out."""
    classes = [key for key in dict.fromkeys(slices["class"].astype(str)) if "+" not in key]
    table = slices.assign(key=slices["class"].astype(str)).pivot_table(
        index="depth_mm", columns="key", values="fraction"
    )
    depth = table.index.to_numpy(float)
    base = np.zeros(len(depth))
    for identifier in classes:
        width = table[identifier].to_numpy(float) if identifier in table else np.zeros(len(depth))
        axes.fill_betweenx(depth, base, base + width, color=class_colour(identifier), linewidth=0)
        base = base + width
    step = float(np.median(np.diff(depth))) if len(depth) > 1 else 1.0
    axes.set(xlim=(0, 1), ylim=(depth.max() + step / 2, depth.min() - step / 2))


def _profile(axes: Axes, rows: pd.DataFrame, identifier: str, band: pd.DataFrame | None) -> None:
    rows = rows.sort_values("depth_mm")
    porosity = rows["porosity"].to_numpy(float)
    axes.plot(porosity, rows["depth_mm"].to_numpy(float), color=class_colour(identifier))
    axes.add_patch(_swatch(axes, identifier))
    if band is not None:
        low, high = (band[name].to_numpy(float) for name in ("porosity_low", "porosity_high"))
        colour = class_colour(identifier)
        axes.fill_betweenx(band["depth_mm"].to_numpy(float), low, high, color=colour, alpha=BAND, linewidth=0)
        porosity = np.concatenate([porosity, low, high])
    finite = porosity[np.isfinite(porosity)]
    if finite.size:
        span = float(np.ptp(finite))
        middle, half = (finite.max() + finite.min()) / 2, max(span, LEAST_SPAN if span else CONSTANT_SPAN) * 0.55
        # No porosity lies beyond 0 or 1; the line itself needs a little room there.
        axes.set_xlim(max(middle - half, -0.03 * half), min(middle + half, 1 + 0.03 * half))
    ends_inward(axes, 3, NARROW)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def _swatch(axes: Axes, identifier: str) -> Rectangle:
    """A bar of the class's colour under the panel's title: a thin line alone is a poor sample of a colour."""
    inches_above = axes.figure.dpi_scale_trans + ScaledTranslation(0, 1, cast("Affine2DBase", axes.transAxes))
    place = blended_transform_factory(axes.transAxes, inches_above)
    return Rectangle(
        (0, 0), 1, BAR_POINTS / 72, transform=place, color=class_colour(identifier), clip_on=False, linewidth=0
    )


def bottom_mm(rows: pd.DataFrame) -> float:
    """Depth of the lower border of a core's last slice, from the depths of its slices' centres."""
    depths = np.unique(rows["depth_mm"].to_numpy(float))
    return float(depths[-1] + (np.median(np.diff(depths)) / 2 if len(depths) > 1 else depths[-1]))


def check_cores(what: str, held: Iterable[str], cores: Sequence[str]) -> None:
    """Some cores are asked for, and the table holds all of them.

    Raises
    ------
    UsageError
        Code ``no-rows``: a core is not in the table, or none was named.
    """
    missing = sorted({*cores} - {*held})
    if missing or not cores:
        raise UsageError("no-rows", f"{what} need rows of cores in the slices table; {missing} have none.")
