"""Classes on a fine-earth basis: their shares of the soil that is no stone, slice by slice and of the whole core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from soilscope.structure.budget import check_clusters
from soilscope.structure.clusters import look_up
from soilscope.structure.labelled import checked_labels, slice_keys, union
from soilscope.structure.objects import ObjectRule, least_voxels
from soilscope.structure.porosity import Counts, label_counts, ratio, share
from soilscope.structure.seams import Seams, label_slab
from soilscope.structure.slabs import ClassSlabs, slab_bounds
from soilscope.structure.stones import stones
from soilscope.structure.ways import AS_FITS, Ways
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FINE_EARTH_COLUMNS", "STONE", "fine_earth", "fine_earth_blockwise", "fine_earth_of_core"]

_Counted = tuple[Counts, Counts, Counts, Counts]
STONE = ObjectRule(at_least_mm3=4.0 / 3.0 * np.pi)
"""Where fine earth ends by convention: the ball of 2 mm, 4.19 mm³."""
FINE_EARTH_COLUMNS = (
    "core", "slice", "depth_mm", "class", "name", "stone_fraction", "fraction", "fine_earth_fraction", "voxels",
    "voxels_stone", "voxels_fine_earth",
)  # fmt: skip


def fine_earth(
    volume: Volume, labels: LabelVolume, names: Mapping[int, str], of: Sequence[int], rule: ObjectRule = STONE
) -> pd.DataFrame:
    """Shares of every class in each slice, of the window and of its fine earth.

    Parameters
    ----------
    volume : Volume
        The core; only its valid voxels count.
    labels : uint8 array, shape (z, y, x)
    names : mapping of int to str
        The classes wanted, and what they are called.
    of : sequence of int
        The class that stones lie in, or several taken as one.
    rule : ObjectRule
        Bodies of at least ``at_least_mm3`` are stones; smaller grains of the class stay in the fine earth.

    Returns
    -------
    DataFrame
        :data:`FINE_EARTH_COLUMNS`, one row a slice and class:

        - ``stone_fraction``: stones / window;
        - ``fraction``: the class / window;
        - ``fine_earth_fraction``: the class without stones / window without stones; of the pores this is the imaged porosity of the
          fine earth, ``fraction / (1 - stone_fraction)``. NaN where a slice holds nothing but stone;
        - the voxels of the class (stones not counted), of all stones, and of the fine earth.

        Small clusters are not removed: shares add up to 1 over a scheme's classes.

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-values``.
    """
    inside = np.where(volume.valid, checked_labels(volume, labels), np.uint8(0))
    found = stones(union(inside, tuple(of)), volume.spacing_mm, rule, volume.valid)
    return _table(volume, names, _counted(inside, volume.valid, found, max(names, default=1)))


def fine_earth_blockwise(
    slabs: ClassSlabs, names: Mapping[int, str], of: Sequence[int], rule: ObjectRule = STONE, ways: Ways = AS_FITS
) -> pd.DataFrame:
    """The same of a core that need not fit into memory, with the same numbers whatever the slabs.

    Parameters
    ----------
    slabs : ClassSlabs
        The core's classes.
    names, of, rule
        As for :func:`fine_earth`.
    ways : Ways
        Memory, slabs, and who is told of the progress.

    Raises
    ------
    InputRefused
        Code ``memory-budget``: not even slab by slab, or more bodies than the memory holds.
    """
    about = slabs.source.about
    budget, depth = ways.budget(about), about.shape[0]
    seams = Seams(rule.neighbours, least_voxels(rule.at_least_mm3, about.spacing_mm))
    bounds = list(slab_bounds(depth, budget.slab))
    for first, end in bounds:
        ways.say(first, 2 * depth, "looking for stones")
        seams.add(union(slabs.read(first, end)[0], tuple(of)).view(np.uint8))
        check_clusters(seams.held, budget)
    bodies, counted = seams.closed(), []
    for slab, (first, end) in enumerate(bounds):
        ways.say(depth + first, 2 * depth, "fine earth")
        labels, valid = slabs.read(first, end)
        parts, number = label_slab(union(labels, tuple(of)).view(np.uint8), rule.neighbours)
        found = look_up(parts, bodies.of_slab(slab, number)[0] > 0)
        counted.append(_counted(labels, valid, found, max(names, default=1)))
    classes, area, rest, earth = (np.concatenate(of_all) for of_all in zip(*counted, strict=True))
    return _table(about, names, (classes, area, rest, earth))


def _counted(labels: LabelVolume, valid: BoolVolume, found: BoolVolume, most: int) -> _Counted:
    """Voxels of each class, of the window, of each class without stones, and of the fine earth; in each slice."""
    return *label_counts(labels, valid, most), *label_counts(labels, valid & ~found, most)


def _table(volume: Volume, names: Mapping[int, str], counted: _Counted) -> pd.DataFrame:
    import pandas as pd

    all_counts, area, rest, earth = counted
    frames = []
    for number, name in names.items():
        columns = slice_keys(volume, str(number), name) | {
            "stone_fraction": share(area - earth, area),
            "fraction": share(all_counts[:, number - 1], area),
            "fine_earth_fraction": share(rest[:, number - 1], earth),
            "voxels": rest[:, number - 1],
            "voxels_stone": area - earth,
            "voxels_fine_earth": earth,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)[list(FINE_EARTH_COLUMNS)]


def fine_earth_of_core(slices: pd.DataFrame) -> pd.DataFrame:
    """The same of whole cores, from the voxels of their slices: one row a core and class, without slice and depth.

    Parameters
    ----------
    slices : DataFrame
        As :func:`fine_earth` gives it.
    """
    import pandas as pd

    rows = []
    for (core, key, name), own in slices.groupby(["core", "class", "name"], sort=False):
        rest, stone, earth = (int(own[column].sum()) for column in ("voxels", "voxels_stone", "voxels_fine_earth"))
        # A class's stones are what it has beyond its fine earth: fractions of the window, times the window.
        window = (own["voxels_stone"] + own["voxels_fine_earth"]).to_numpy(float)
        whole = float(np.nansum(own["fraction"].to_numpy(float) * window))
        shares = (ratio(stone, stone + earth), ratio(whole, stone + earth), ratio(rest, earth))
        rows.append((core, key, name, *shares, rest, stone, earth))
    columns = [name for name in FINE_EARTH_COLUMNS if name not in ("slice", "depth_mm")]
    return pd.DataFrame(rows, columns=columns)
