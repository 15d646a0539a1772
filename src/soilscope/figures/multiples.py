"""Small multiples: the class profiles of many cores, all on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from soilscope.figures import style
from soilscope.figures.grid import class_patches, ends_inward, legend_columns
from soilscope.figures.profiles import bottom_mm, check_cores, stacked_classes
from soilscope.figures.text import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["multiples"]

COLUMNS = 8
PANEL_INCHES = 1.45
TALLEST = 9.5
TITLE_CHARACTERS = 130
"""Of all titles of a row together."""


@style.styled
def multiples(slices: pd.DataFrame, cores: Sequence[str]) -> Figure:
    """The classes' stacked area fractions over depth, one panel a core.

    Parameters
    ----------
    slices : DataFrame
        core, depth_mm, class, name, fraction; joined classes are left out.
    cores : sequence of str
        Cores in the order of the panels.

    Returns
    -------
    Figure
        Depth in mm runs downwards from 0 to the deepest core's bottom in all panels; a shorter core leaves the rest white.

    Raises
    ------
    UsageError
        Code ``no-rows``: a core is not in the table, or none was named.
    """
    named = slices["core"].astype(str)
    check_cores("small multiples", named, cores)
    columns = min(len(cores), COLUMNS)
    rows = -(-len(cores) // columns)
    inches = 2.6 if rows == 1 else PANEL_INCHES
    made = style.figure(min(TALLEST, rows * inches + 0.75))
    grid = made.add_gridspec(rows, columns)
    panels = [made.add_subplot(grid[k // columns, k % columns]) for k in range(len(cores))]
    deepest = max(bottom_mm(slices[named == core]) for core in cores)
    for k, (axes, core) in enumerate(zip(panels, cores, strict=True)):
        stacked_classes(axes, slices[named == core])
        axes.set(xlim=(0, 1), ylim=(deepest, 0))
        axes.set_title(plain(core, TITLE_CHARACTERS // columns), loc="left", fontsize=8)
        ends_inward(axes, 2)
        axes.tick_params(labelleft=k % columns == 0, labelbottom=k + columns >= len(cores))
    made.supylabel("depth (mm)", fontsize=8.5)
    made.supxlabel("area fraction", fontsize=8.5)
    handles = class_patches(_names(slices), outside=False)
    made.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles))
    return made


def _names(slices: pd.DataFrame) -> dict[int, str]:
    pairs = zip(slices["class"].astype(str), slices["name"].astype(str), strict=True)
    return {int(key): name for key, name in sorted(dict(pairs).items()) if "+" not in key}
