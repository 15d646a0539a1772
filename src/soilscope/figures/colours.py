"""Colours: a class keeps its colour in every figure; all sets can be told apart by colour-blind eyes."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

import numpy as np
from matplotlib.colors import ListedColormap, to_hex, to_rgb

from soilscope.figures.style import OUTSIDE

__all__ = ["ASIDE", "CLASS_COLOURS", "FIT", "HEAT", "TEST", "TRAIN", "class_colour", "class_map"]

CLASS_COLOURS = ("#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#0072b2", "#f0e442", "#555555")
"""Okabe and Ito's set (jfly.uni-koeln.de/color), ordered so that pores are blue, organic matter green, and stones red to purple."""
TRAIN = "#8c8c8c"
TEST = "#0072b2"
ASIDE = "#009e73"
FIT = "#d55e00"
HEAT = "inferno"
_GOLDEN = 0.618033988749895


def class_colour(identifier: int | str) -> str:
    """Colour of a class by its number; joined classes ("5+6") get the mean of theirs.

    Beyond the eight of the set, hues follow the golden ratio.

    Examples
    --------
    >>> class_colour(1), class_colour("1")
    ('#56b4e9', '#56b4e9')
    """
    members = [int(part) for part in str(identifier).split("+")]
    return str(to_hex(np.mean([to_rgb(_single(k)) for k in members], axis=0)))


def class_map(identifiers: Iterable[int]) -> ListedColormap:
    """Colour map for a label picture: 0 is outside, then the classes 1 to the highest given."""
    highest = max(identifiers, default=1)
    return ListedColormap([OUTSIDE, *(class_colour(k) for k in range(1, highest + 1))])


def _single(number: int) -> str:
    if 1 <= number <= len(CLASS_COLOURS):
        return CLASS_COLOURS[number - 1]
    hue = (number * _GOLDEN) % 1.0
    return str(to_hex(colorsys.hls_to_rgb(hue, 0.45, 0.55)))
