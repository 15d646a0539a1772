"""Grad-CAM maps laid over the slice they explain, one a layer, each with its own scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from soilscope.errors import UsageError
from soilscope.figures import style
from soilscope.figures.colours import HEAT
from soilscope.figures.grid import frame, grey_picture, panel, scale_bar
from soilscope.figures.text import number, plain
from soilscope.types import FloatImage

__all__ = ["explanations"]

COLUMNS = 3
LEFT, TOP, GAP, BAR = 0.55, 0.3, 0.75, 0.08
MOST_CLEAR = 0.9
"""Opacity where a map is highest; it falls to nothing at zero, so that the slice shows through."""


@style.styled
def explanations(
    image: FloatImage,
    maps: Mapping[str, FloatImage],
    spacing_mm: tuple[float, float] | None = None,
    corner_mm: tuple[float, float] = (0.0, 0.0),
) -> Figure:
    """The slice, and the same slice under each layer's map.

    Parameters
    ----------
    image : float array, shape (y, x)
        The slice.
    maps : mapping of layer name to float array, shape (y, x)
        Grad-CAM maps on the slice's grid, not rescaled: each has a colour bar of its own, for the size of a map says nothing
        against another layer's. All NaN: the layer has no influence.
    spacing_mm : (dy, dx), optional
        Pixel size; axes are in pixels without it.
    corner_mm : (y, x)
        Where the picture begins in the core, so that its axes are those of the core's other pictures.

    Raises
    ------
    UsageError
        Code ``no-rows``: no map; ``shape``: a map is on another grid than the slice.
    """
    if not maps:
        raise UsageError("no-rows", "a figure of explanations needs at least one map.")
    for layer, heat in maps.items():
        if heat.shape != image.shape:
            raise UsageError(
                "shape", f"the map of {layer} {heat.shape} and the slice {image.shape} must be on one (y, x) grid."
            )
    spacing = spacing_mm or (1.0, 1.0)
    x, y = image.shape[1] * spacing[1], image.shape[0] * spacing[0]
    columns = min(COLUMNS, len(maps) + 1)
    rows = -(-(len(maps) + 1) // columns)
    width = min(1.6, (style.WIDTH - LEFT) / columns - GAP)
    height = width * y / x
    made = style.figure(TOP + rows * (height + 0.35) + 0.35, "none")
    top, left = corner_mm if spacing_mm else (0.0, 0.0)
    extent = (left, left + x, top + y, top)
    finite = image[np.isfinite(image)]
    shown = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    unit = "mm" if spacing_mm else "pixels"
    for k, layer in enumerate(["", *maps]):
        row, column = divmod(k, columns)
        axes = panel(made, LEFT + column * (width + GAP), TOP + row * (height + 0.35), width, height)
        grey_picture(axes, image, spacing, shown).set_extent(extent)
        axes.set_title(plain(layer, 24) or "the slice", fontsize=8.5)
        frame(axes, f"x ({unit})" if k + columns > len(maps) else "", "" if column else f"y ({unit})")
        if layer:
            _lay_over(made, axes, maps[layer], extent)
        elif spacing_mm:
            scale_bar(axes, x)
    return made


def _lay_over(made: Figure, axes: Axes, heat: FloatImage, extent: tuple[float, float, float, float]) -> None:
    """Draw a map over its slice, with a colour bar; where there is nothing to draw, say why."""
    highest = float(np.nanmax(heat, initial=0.0, where=np.isfinite(heat)))
    if not highest > 0:
        said = "no push\nthis way" if np.isfinite(heat).any() else "no influence:\nno map"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", bbox={"facecolor": "white"})
        return
    norm, colours = Normalize(0.0, highest), _clear_to_strong()
    axes.imshow(np.nan_to_num(heat), cmap=colours, norm=norm, extent=extent)
    place = axes.get_position()
    beside = made.add_axes((place.x1 + 0.06 / style.WIDTH, place.y0, BAR / style.WIDTH, place.height))
    bar = made.colorbar(ScalarMappable(norm, colours), cax=beside)
    beside.set_facecolor("#808080")
    beside.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))  # so that one digit says each tick exactly
    beside.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, 1 if v < 1e-4 else 2)))
    beside.tick_params(labelsize=7)
    bar.outline.set_linewidth(0.5)


def _clear_to_strong() -> ListedColormap:
    """The heat colours, clear at zero: what is not lit up stays the slice."""
    colours = colormaps[HEAT](np.linspace(0.15, 1.0, 256))
    colours[:, 3] = MOST_CLEAR * np.linspace(0.0, 1.0, 256) ** 0.7
    return ListedColormap(colours)
