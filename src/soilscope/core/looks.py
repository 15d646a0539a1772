"""The core of a scan larger than the memory, from two looks at it that fit.

The wide look (few slices, every row and column) says where the core lies in a slice, to the voxel; the tall one (every
slice, few rows and columns) says at which slice the soil begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.masked import outside_of_mask
from soilscope.core.wall import distance_mm
from soilscope.errors import InputRefused
from soilscope.findings import Finding, merge
from soilscope.types import BoolVolume
from soilscope.volume import Volume

__all__ = ["LargeCore", "core_of_looks"]

BY_FORMULA = ("cylinder", "masked", "whole")
"""Kinds of soil that each plane tells by itself; for others the nearest plane looked at stands for it."""

OF_ENDS = "headspace"
"""The finding that counts slices, which only the tall look can."""


@dataclass(frozen=True, slots=True)
class LargeCore:
    """Where the soil is.

    Parameters
    ----------
    soil : dict
        As in ``source["soil"]`` of :func:`soilscope.core.find_core`.
    findings : tuple of Finding
    top, bottom : int
        First slice of the soil and the one after its last.
    extent : ((first, end), (first, end))
        Rows and columns of the scan that hold soil in the slices looked at.
    """

    soil: dict[str, Any]
    findings: tuple[Finding, ...]
    top: int
    bottom: int
    extent: tuple[tuple[int, int], tuple[int, int]]
    _spacing_mm: tuple[float, float]
    _masks: BoolVolume
    _step: int
    _last: dict[tuple[float, float], NDArray[np.bool_]] = field(default_factory=dict)

    def inside(self, k: int, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True where plane k of the scan is soil, shape (y, x), given its values."""
        if not self.top <= k < self.bottom:
            return np.zeros(values.shape, np.bool_)
        kind = self.soil["kind"]
        if kind == "whole":
            return np.ones(values.shape, np.bool_)
        if kind == "masked":
            outside: NDArray[np.bool_] = ~outside_of_mask(values[None], float(self.soil["value"]))[0]
            return outside
        if kind == "cylinder":
            return self._disc(k, (values.shape[0], values.shape[1]))
        filled = np.flatnonzero(self._masks.any(axis=(1, 2)))
        nearest: NDArray[np.bool_] = self._masks[filled[np.argmin(np.abs(filled * self._step - k))]]
        return nearest

    def _disc(self, k: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The circle of plane k; that of the plane before is kept, for most cores stand upright."""
        at = self.soil["slices"]
        centre = (float(at["y_mm"][k]), float(at["x_mm"][k]))
        if centre not in self._last:
            self._last.clear()
            self._last[centre] = distance_mm(shape, centre, self._spacing_mm) <= at["radius_mm"][k]
        return self._last[centre]


def core_of_looks(tall: Volume, wide: Volume, wide_step: int, find: Callable[[Volume], Volume]) -> LargeCore:
    """Find the core in both looks and join what they say.

    Parameters
    ----------
    tall, wide : Volume
        See the module.
    wide_step : int
        The wide look holds every so many-th slice.
    find : function
        :func:`soilscope.core.find_core`, with whatever a person stated.

    Raises
    ------
    InputRefused
        Code ``no-soil``, and whatever ``find`` refuses.
    """
    seen, heights = find(wide), find(tall)
    soil = dict(seen.source["soil"])
    depth = tall.shape[0]
    filled = np.flatnonzero(heights.valid.any(axis=(1, 2)))
    if not filled.size or not seen.valid.any():
        raise InputRefused("no-soil", "no voxel of the scan is soil; look at `soilscope inspect`.")
    top, bottom = int(filled[0]), int(filled[-1]) + 1
    told = [f for f in seen.findings if f.code != OF_ENDS] + [f for f in heights.findings if f.code == OF_ENDS]
    if heights.source["soil"]["kind"] != soil["kind"]:
        text = (
            f"seen in few whole slices the soil is {soil['kind']!r}, seen in all slices at low resolution "
            f"{heights.source['soil']['kind']!r}; look at the montage of `soilscope inspect`."
        )
        told.append(Finding("core-unsure", "warning", text))
    text = (
        f"the scan is large: its core was found in {wide.shape[0]} whole slices, one in {wide_step}, and its top and bottom in all "
        f"slices with every {round(tall.spacing_mm[1] / wide.spacing_mm[1])}th row and column."
    )
    told.append(Finding("large-scan", "note", text))
    soil |= {"top": top, "bottom": bottom}
    if "slices" in soil:
        soil["slices"] = {name: _spread(along, depth, wide_step) for name, along in soil["slices"].items()}
    masks = seen.valid if soil["kind"] not in BY_FORMULA else seen.valid[:0]
    ends = _extent(seen.valid, 1), _extent(seen.valid, 2)
    return LargeCore(soil, merge(told), top, bottom, ends, wide.spacing_mm[1:], masks.copy(), wide_step)


def _extent(valid: BoolVolume, axis: int) -> tuple[int, int]:
    there = np.flatnonzero(valid.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(there[0]), int(there[-1]) + 1


def _spread(along: list[Any], depth: int, step: int) -> list[Any]:
    """One number a slice from one number a looked-at slice, along straight lines; beyond the last, as the line goes on."""
    known = np.asarray([np.nan if v is None else v for v in along], dtype=np.float64)
    good = np.flatnonzero(np.isfinite(known))
    if good.size < 2:
        return [None if not good.size else round(float(known[good[0]]), 4)] * depth
    k = np.arange(depth) / step
    values = np.interp(k, good, known[good])
    last = good[-1]
    beyond = k > last
    values[beyond] = known[last] + (k[beyond] - last) * (known[last] - known[good[-2]]) / (last - good[-2])
    return [round(float(v), 4) for v in values]
