"""Sizes of a core's objects: how many are larger than a diameter, and how much of their volume lies below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.grid import legend_columns
from soilscope.figures.log_axis import diameters, round_numbers
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_KINDS", "object_sizes"]

MOST_KINDS = 8
LINES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.2, 1.4)), (0, (7, 1.6, 1.2, 1.6)))
"""Of the first, second, … kind of a class: drawn through, long dashes, dots, dashes and dots."""
MARKERS = "osD^vPX*"
MOST_MARKS = 40
"""Objects of a kind that are marked one by one."""
LONGEST_KIND = 24
"""Characters of a kind in the legend."""
MM3_IN_CM3 = 1000.0


@style.styled
def object_sizes(objects: pd.DataFrame, soil_mm3: float) -> Figure:
    """Sizes of the objects of one core, kind by kind.

    Parameters
    ----------
    objects : DataFrame
        One core's rows of ``tables/objects.csv``: kind, class, volume_mm3, diameter_mm; kinds beyond the eighth are left out.
    soil_mm3 : float
        Volume of the soil they were found in.

    Returns
    -------
    Figure
        Over the diameter of the ball of the object's volume (logarithmic). Left: number of objects of at least this diameter for
        each cm³ of soil (logarithmic); the last step is one object. Right: share of the kind's volume in objects of at most this
        diameter. Steps are the objects themselves, no classes of sizes. A kind has the colour of its class; the
        first kind of a class is drawn through, with full marks; others differ in dashes, in shape of the mark, and in its filling.

    Raises
    ------
    UsageError
        Code ``no-rows``: there is no object.
    """
    if objects.empty:
        raise UsageError("no-rows", "a figure of object sizes needs at least one object; this core has none.")
    table = objects.assign(kind=objects["kind"].astype(str), key=objects["class"].astype(str))
    kinds = list(dict.fromkeys(table["kind"]))[:MOST_KINDS]
    made = style.figure(2.9)
    left, right = made.subplots(1, 2)
    handles = []
    of_class: Counter[str] = Counter()
    for k, kind in enumerate(kinds):
        own = table[table["kind"] == kind].sort_values("diameter_mm")
        diameter = own["diameter_mm"].to_numpy(float)
        volume = own["volume_mm3"].to_numpy(float)
        key = str(own["key"].iloc[0])
        nth, colour = of_class[key], class_colour(key)
        of_class[key] += 1
        look: dict[str, Any] = {
            "color": colour, "linestyle": LINES[nth % len(LINES)], "linewidth": 1.3, "marker": MARKERS[k], "markersize": 4.2,
            "markerfacecolor": colour if nth % 2 == 0 else "white", "markeredgecolor": style.INK, "markeredgewidth": 0.5,
            "markevery": (len(own) - 1, -max(1, -(-len(own) // MOST_MARKS))),
        }  # fmt: skip
        larger = np.arange(len(own), 0, -1) / soil_mm3 * MM3_IN_CM3
        left.plot(diameter, larger, drawstyle="steps-pre", **look)
        right.plot(diameter, np.cumsum(volume) / volume.sum(), drawstyle="steps-post", **look)
        label = f"{plain(kind, LONGEST_KIND)} ({key}), n = {len(own)}"
        handles.append(Line2D([], [], label=label, **{**look, "markevery": None}))
    shown = table[table["kind"].isin(kinds)]["diameter_mm"].to_numpy(float)
    span = float(shown.min()) / 1.15, float(shown.max()) * 1.15
    each = MM3_IN_CM3 / soil_mm3
    most = max(int((table["kind"] == kind).sum()) for kind in kinds)
    left.set(yscale="log", ylim=(each / 1.3, each * most * 1.3), ylabel="objects at least so wide (1/cm³)")
    round_numbers(left.yaxis, left.get_ylim())
    right.set(ylabel="share of the kind's volume up to it", ylim=(0, 1.03))
    for letter, axes in zip("ab", (left, right), strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
        diameters(axes, span, "diameter of the ball of its volume (mm)")
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
    made.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles))
    return made
