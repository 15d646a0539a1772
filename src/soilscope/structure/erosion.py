"""Mean and spread of the values in each class, on labels eroded so that partial volume does not bias them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.classes.loops import over_slabs
from soilscope.errors import UsageError
from soilscope.progress import stages, told
from soilscope.structure.labelled import slice_keys
from soilscope.types import BoolVolume, LabelVolume
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VALUE_COLUMNS", "class_values", "eroded", "pooled_values"]

VALUE_COLUMNS = (
    "core", "slice", "depth_mm", "class", "name", "voxels", "mean", "sd", "voxels_eroded", "mean_eroded", "sd_eroded",
    "unit", "erode",
)  # fmt: skip


def eroded(labels: LabelVolume, valid: BoolVolume, by: int) -> LabelVolume:
    """Labels without the rim of every class.

    Parameters
    ----------
    labels : uint8 array, shape (z, y, x)
        1..n the classes, 0 for none.
    valid : bool array, shape (z, y, x)
        The window. What lies outside it erodes nothing: a voxel at the window's border stays if all its neighbours inside are
        of its class. A blurred border to the tube's wall is therefore not taken away.
    by : int
        Voxels; a label stays where all voxels of the box of ``2 by + 1`` voxels a side around it that lie in the window are of
        its class, so that at least so many voxels go in every direction. Voxels are counted, not mm.

    Returns
    -------
    uint8 array, shape (z, y, x)
        0 where nothing is left.

    Raises
    ------
    UsageError
        Codes ``shape`` and ``erode``: the grids differ, or ``by`` is negative.
    """
    if labels.shape != valid.shape:
        raise UsageError("shape", f"labels {labels.shape} and window {valid.shape} must be on one (z, y, x) grid.")
    if by < 0:
        raise UsageError("erode", f"labels are eroded by a number of voxels, 0 or more, not {by}.")
    inside = np.where(valid, labels, 0)
    if by == 0:
        return inside
    out = np.empty_like(inside)

    def work(first: int, end: int) -> None:
        start = max(0, first - by)
        around, own = slice(start, end + by), slice(first - start, end - start)
        out[first:end] = _without_rims(inside[around], valid[around], 2 * by + 1)[own]

    over_slabs(work, len(out))
    return out


def _without_rims(inside: LabelVolume, valid: BoolVolume, size: int) -> LabelVolume:
    """Labels of the window where all of a box are alike; beyond the first and last slice is as outside the window."""
    # Outside the window stands what neither the greatest nor the least label of a box is changed by.
    greatest = ndimage.maximum_filter(inside, size, mode="constant", cval=0)
    least = ndimage.minimum_filter(np.where(valid, inside, 255).astype(inside.dtype), size, mode="constant", cval=255)
    return np.where((greatest == inside) & (least == inside), inside, 0).astype(inside.dtype)


def class_values(volume: Volume, labels: LabelVolume, names: Mapping[int, str], by: int = 1) -> pd.DataFrame:
    """Mean and standard deviation of the values in every class of every slice, plain and on eroded labels.

    Parameters
    ----------
    volume : Volume
        Only its valid voxels count.
    labels : uint8 array, shape (z, y, x)
    names : mapping of int to str
        The classes wanted, and what they are called.
    by : int
        Voxels that :func:`eroded` takes away.

    Returns
    -------
    DataFrame
        The columns :data:`VALUE_COLUMNS`, one row a slice and class; mean and sd in ``unit`` ("HU" or "grey"), the sd over voxels
        (divisor n). NaN where a class has no voxel, or where erosion leaves none.

    Notes
    -----
    A voxel on the border of a body holds a mixture, so the plain mean is drawn towards what lies around: of a ball in air it is too
    low. Eroded values lack that bias where ``by`` is more than the width of the blur, and describe the cores of thick bodies alone:
    ``voxels_eroded / voxels`` says how much that is.

    Raises
    ------
    UsageError
        Codes ``shape`` and ``erode``.
    """
    import pandas as pd

    rims, *halves = stages(2, 1, 1)
    with rims:
        kept = eroded(labels, volume.valid, by)
    found = []
    for half, of in zip(halves, (np.where(volume.valid, labels, 0), kept), strict=True):
        with half:
            found.append(_moments(volume, of, max(names, default=0)))
    plain, rid = found
    frames = []
    for number, name in names.items():
        columns = slice_keys(volume, str(number), name)
        for end, (count, mean, sd) in (("", plain), ("_eroded", rid)):
            columns |= {f"voxels{end}": count[:, number], f"mean{end}": mean[:, number], f"sd{end}": sd[:, number]}
        frames.append(pd.DataFrame(columns | {"unit": volume.units, "erode": by}))
    return pd.concat(frames, ignore_index=True)[list(VALUE_COLUMNS)]


def pooled_values(values: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over all voxels of a core's classes, from those of its slices.

    Parameters
    ----------
    values : DataFrame
        As :func:`class_values` gives it.

    Returns
    -------
    DataFrame
        core, class, name, voxels, mean, sd, voxels_eroded, mean_eroded, sd_eroded, unit, erode: one row a core and class.
    """
    import pandas as pd

    keys = ["core", "class", "name", "unit", "erode"]
    rows = []
    for key, own in values.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        for end in ("", "_eroded"):
            row |= _pooled(own, end)
        rows.append(row)
    return pd.DataFrame(rows, columns=[name for name in VALUE_COLUMNS if name not in ("slice", "depth_mm")])


def _pooled(own: pd.DataFrame, end: str) -> dict[str, float]:
    some = own[own[f"voxels{end}"] > 0]
    count, mean, sd = (some[f"{name}{end}"].to_numpy(float) for name in ("voxels", "mean", "sd"))
    if not len(some):
        return {f"voxels{end}": 0, f"mean{end}": np.nan, f"sd{end}": np.nan}
    middle = float(np.average(mean, weights=count))
    spread = float(np.sqrt(np.average(sd**2 + (mean - middle) ** 2, weights=count)))
    return {f"voxels{end}": int(count.sum()), f"mean{end}": middle, f"sd{end}": spread}


def _moments(volume: Volume, labels: LabelVolume, most: int) -> Sequence[NDArray[Any]]:
    """Voxels, mean and standard deviation of each label in each slice, shape (z, labels)."""
    made = np.full((3, len(labels), max(most, int(labels.max(initial=0))) + 1), np.nan)
    for k, (plane, of) in enumerate(zip(volume.values, labels, strict=True)):
        told(k / len(labels))
        inside = of > 0
        values, classes = plane[inside].astype(np.float64), of[inside]
        count = np.bincount(classes, minlength=made.shape[2])
        some = count > 0
        made[0, k] = count
        made[1, k, some] = np.bincount(classes, values, made.shape[2])[some] / count[some]
        # In two passes: sums of squares of values round 1000 HU would cost half the digits.
        squares = np.bincount(classes, (values - made[1, k][classes]) ** 2, made.shape[2])
        made[2, k, some] = np.sqrt(squares[some] / count[some])
    return made[0].astype(np.int64), made[1], made[2]
