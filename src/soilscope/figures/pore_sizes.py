"""Pore sizes of a core: how its pores are spread over diameters, and the suctions that empty them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import class_colour
from soilscope.figures.log_axis import diameters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HPA_TIMES_MM", "pore_sizes"]

HPA_TIMES_MM = 2.91
"""Suction in hPa times diameter in mm: ``4 sigma`` of water at 20 °C (0.07275 N/m) at contact angle 0."""
FIRST_CLASS = 0.5
"""The lowest class reaches down to 0, which a logarithmic axis has not: it is drawn from this share of its upper edge."""

HEAD_ROOM = 1.15
"""Height of an axis over its highest value: the word at the dashed line stands above all bars."""


@style.styled
def pore_sizes(sizes: pd.DataFrame, smallest_mm: float, d50_mm: float | None = None) -> Figure:
    """Volume of a core's pores over their diameter, by class and summed from the widest down.

    Parameters
    ----------
    sizes : DataFrame
        One core's rows of ``tables/pore_sizes.csv``: class, from_mm, to_mm, fraction (of the soil), rising.
    smallest_mm : float
        Diameter below which counts are incomplete, twice the voxel's longest edge; hatched.
    d50_mm : float, optional
        Diameter up to which half of the pores' volume lies; a dashed line.

    Returns
    -------
    Figure
        Left: fraction of the soil for each decade of diameter, so that areas under the steps are volumes on the logarithmic axis.
        Right: fraction of the soil in pores of at least this diameter, which is the most air they hold at the suction above, ``h =
        4 sigma / d`` (Young and Laplace, 20 °C, contact angle 0), in hPa.

    Raises
    ------
    UsageError
        Code ``no-rows``: the table is empty, or the pores have no volume or no diameter.
    """
    fraction = sizes["fraction"].to_numpy(float)
    if not len(sizes) or not np.isfinite(fraction).all() or not fraction.sum() > 0:
        raise UsageError(
            "no-rows", "a figure of pore sizes needs pores that have diameters; this core's table has none."
        )
    colour = class_colour(str(sizes["class"].iloc[0]))
    edges = np.append(sizes["from_mm"].to_numpy(float), sizes["to_mm"].to_numpy(float)[-1])
    edges[0] = edges[0] or FIRST_CLASS * edges[1]
    held = np.flatnonzero(fraction)
    span = min(edges[held[0]], smallest_mm) / 1.1, max(edges[held[-1] + 1], 1.2 * smallest_mm) * 1.1
    made = style.figure(2.9)
    left, right = made.subplots(1, 2)
    per_decade = fraction / np.diff(np.log10(edges))
    left.stairs(per_decade, edges, fill=True, color=colour, alpha=0.55)
    left.stairs(per_decade, edges, color=style.INK, linewidth=0.9)
    _cumulative(right, edges, fraction, smallest_mm, colour)
    left.set(ylabel="soil volume fraction per decade", ylim=(0, HEAD_ROOM * per_decade.max()))
    right.set(ylabel="soil fraction in wider pores", ylim=(0, HEAD_ROOM * fraction.sum()))
    for letter, axes in zip("ab", (left, right), strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
        _limits(axes, span, smallest_mm, d50_mm)
    return made


def _cumulative(
    axes: Axes, edges: NDArray[np.float64], fraction: NDArray[np.float64], least: float, colour: str
) -> None:
    """From the widest down; dotted where counts are incomplete."""
    wider = np.append(np.cumsum(fraction[::-1])[::-1], 0.0)
    seen = edges >= least * (1 - 1e-6)
    first = max(int(np.argmax(seen)), 0) if seen.any() else len(edges) - 1
    axes.plot(edges[: first + 1], wider[: first + 1], ":", color=style.INK, linewidth=1.1)
    axes.plot(
        edges[first:], wider[first:], "o-", color=colour, markersize=3.4, markeredgecolor=style.INK, markeredgewidth=0.5
    )


def _limits(axes: Axes, span: tuple[float, float], smallest_mm: float, d50_mm: float | None) -> None:
    diameters(axes, span, "diameter (mm)")
    axes.axvspan(span[0], smallest_mm, facecolor="#eeeeee", edgecolor="#d0d0d0", hatch="////", linewidth=0, zorder=0)
    if d50_mm is not None:
        axes.axvline(d50_mm, color=style.INK, linewidth=0.9, linestyle="--")
        near_end = np.log(span[1] / d50_mm) < 0.2 * np.log(span[1] / span[0])
        axes.annotate(
            "d50", (d50_mm, 0.93), (-3 if near_end else 3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right" if near_end else "left", fontsize=8, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
        )  # fmt: skip
    upper = axes.secondary_xaxis("top", functions=(_inverse, _inverse))
    diameters(upper, (HPA_TIMES_MM / span[1], HPA_TIMES_MM / span[0]), "suction that empties it (hPa)")


def _inverse(value: ArrayLike) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        made: NDArray[np.float64] = HPA_TIMES_MM / np.asarray(value, dtype=np.float64)
    return made
