"""Two things that every scan of a core shows and that do not change from core to core: the tube's wall, and air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from soilscope.core.half import Cut
from soilscope.core.wall import distance_mm
from soilscope.core.wall_value import TubeWall, WallShape, wall_shape, wall_value
from soilscope.errors import InputRefused
from soilscope.volume import Volume

__all__ = ["References", "reference_profiles", "references"]

EDGE_PX = 1.5
"""Voxels nearer to an edge of the wall than this are blurred, and do not count."""

LEAST_WALL_PX = 1.0
"""What must be left of the wall between its blurred edges."""

AIR_FROM_PX = 3.0
AIR_TO = 1.25
"""Air is looked at from three voxels outside the tube to a quarter of its radius further out: beyond may lie a table."""

LEAST_VOXELS = 8
FROM_BLURS = 1.0
"""The wall is looked at from a standard deviation of the blur inside its inner edge on: the soil is a sixth there at most."""

SECTORS = 16
"""Parts of the circle in which the wall's value is taken; their median is that of the slice."""

LEAST_SEEN = 0.05
"""Spread that the usual profile must have where it is looked at, as a share of the wall's height above air."""

NO_SOIL = 1e-9
"""Keeps the fit solvable where without blur nothing of the soil is seen."""

LEAST_SLICES = 0.8
"""Share of the soil's slices in which a reference must be seen."""

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class References:
    """What wall and air read, in the scan's own units.

    ``highest`` is the most that the wall's mean profile reaches, where it was looked at; ``blur_mm`` the standard deviation of the
    scan's blur at its outer edge.
    """

    wall: float
    air: float
    highest: float | None = None
    blur_mm: float | None = None

    @property
    def hidden(self) -> float:
        """How far the wall's profile stays below its value, as a share of the height of the wall above air."""
        return 0.0 if self.highest is None else max(0.0, (self.wall - self.highest) / (self.wall - self.air))


def reference_profiles(scan: Volume, core: Volume) -> tuple[Profile | None, Profile | None]:
    """What the wall and the air around it read in each slice, arrays of shape (z,), NaN above and below the soil.

    Parameters
    ----------
    scan : Volume
        As read: ``valid`` is True wherever something was measured.
    core : Volume
        The same grid with the soil found in it.

    Returns
    -------
    wall, air
        None for what cannot be seen: no tube, a wall too thin, or no air beside it.

    Notes
    -----
    The air's is a median. The wall's is freed from the soil that the blur mixes with it, for the soil is another at every
    depth, and none at the ends. From the wall to the air around, a slice is ``c + g p(r) + s F((r_i - r) / blur)``: the core's
    mean profile p by a factor, and the soil's blurred edge. These are fitted in sixteen sectors, and the wall reads what the
    first two give where p is the wall's; the median of the sectors is free of what lies beside the tube in a few of them.
    """
    soil, tube = core.source.get("soil", {}), _tube(core)
    if tube is None:
        return None, None
    pixel = max(core.spacing_mm[1:])
    beside = (tube.outer + AIR_FROM_PX * pixel, AIR_TO * tube.outer + AIR_FROM_PX * pixel)
    found = np.full((2, scan.shape[0]), np.nan)
    planes = range(*tube.ends)
    for k in planes:
        away = _away(scan, core, tube, k)
        values = scan.values[k][(away >= beside[0]) & (away <= beside[1]) & scan.valid[k]]
        if values.size >= LEAST_VOXELS:
            found[1, k] = np.median(values)
    least = LEAST_SLICES * len(planes)
    if np.isfinite(found[1]).sum() < least:
        return None, None
    has_wall = soil.get("wall") is not None and tube.outer - tube.inner >= (2 * EDGE_PX + LEAST_WALL_PX) * pixel
    shape = wall_shape(scan, tube, float(np.nanmedian(found[1]))) if has_wall else None
    if shape is not None:
        for k in planes:
            found[0, k] = _wall_in(scan, core, tube, (k, shape))
    return found[0] if np.isfinite(found[0]).sum() >= least else None, found[1]


def _away(scan: Volume, core: Volume, tube: TubeWall, k: int) -> NDArray[np.float64]:
    """Distance of each voxel of a slice from the axis."""
    return _beside_cut(distance_mm(scan.shape[1:], (float(tube.y[k]), float(tube.x[k])), scan.spacing_mm[1:]), core, k)


def _wall_in(scan: Volume, core: Volume, tube: TubeWall, of: tuple[int, WallShape]) -> float:
    """What the wall reads in one slice; NaN where too little of it is seen."""
    (k, shape), pixel = of, max(scan.spacing_mm[1:])
    away = _away(scan, core, tube, k)
    first = tube.inner + FROM_BLURS * shape.blur
    rows, columns = np.nonzero((away >= first) & (away <= shape.outer + AIR_FROM_PX * pixel) & scan.valid[k])
    if not rows.size:
        return float("nan")
    far = away[rows, columns]
    usual = (np.interp(far, shape.radius, shape.mean) - shape.air) / (shape.wall - shape.air)
    soil = ndtr((tube.inner - far) / shape.blur)
    y, x = rows * scan.spacing_mm[1] - tube.y[k], columns * scan.spacing_mm[2] - tube.x[k]
    sector = np.minimum((np.arctan2(y, x) / (2 * np.pi) + 0.5) * SECTORS, SECTORS - 1).astype(int)
    seen = scan.values[k][rows, columns].astype(np.float64) - shape.air
    parts = (np.ones(far.size), usual, soil)
    left = np.array([[np.bincount(sector, a * b, SECTORS) for b in parts] for a in parts]).transpose(2, 0, 1)
    right = np.array([np.bincount(sector, a * seen, SECTORS) for a in parts]).T
    number = left[:, 0, 0]
    left[:, 2, 2] += NO_SOIL * number
    spread = left[:, 1, 1] - left[:, 0, 1] ** 2 / np.maximum(number, 1)
    enough = (number >= LEAST_VOXELS) & (spread >= number * LEAST_SEEN**2)
    if not enough.any():
        return float("nan")
    found = np.linalg.solve(left[enough], right[enough][:, :, None])[:, :, 0]
    return shape.air + float(np.median(found[:, 0] + found[:, 1]))


def _beside_cut(away: NDArray[np.float64], core: Volume, k: int) -> NDArray[np.float64]:
    """Distances from the axis, NaN on the far side of half a core, where neither wall nor air means anything."""
    cut, on_axis = core.source["soil"].get("cut"), core.axis_mm()
    if cut is None or on_axis is None:
        return away
    y = np.arange(away.shape[0]) * core.spacing_mm[1] - on_axis[0][k]
    x = np.arange(away.shape[1]) * core.spacing_mm[2] - on_axis[1][k]
    across = (y * cut["normal"][0])[:, None] + (x * cut["normal"][1])[None, :]
    margin = AIR_FROM_PX * max(core.spacing_mm[1:])
    return np.where(across <= cut["offset_mm"] - margin, away, np.nan)


def references(scan: Volume, core: Volume) -> References:
    """The wall's value without its blur, and the air's median over all slices.

    Raises
    ------
    InputRefused
        Code ``no-references``: no tube was found, or no air beside it, or the blur is as wide as the wall, so that grey values
        cannot be brought to one scale.
    """
    _, air = reference_profiles(scan, core)
    reads_air = None if air is None else float(np.nanmedian(air))
    tube = _tube(core)
    has_tube = tube is not None and core.source["soil"].get("wall") is not None
    if has_tube and tube is not None and reads_air is not None:
        value = wall_value(scan, tube, reads_air)
        if value is None:
            raise InputRefused(
                "no-references",
                f"{core.core}: the tube's wall ({tube.outer - tube.inner:.2f} mm) is hidden by the scan's blur, which mixes it "
                "with soil and air throughout, so its own value cannot be told and grey values not be brought to a common scale; "
                "leave out reference in the plan's [core] table, or scan with smaller voxels.",
            )
        found = References(value.value, reads_air, value.highest, value.blur_mm)
    else:
        missing = [
            name for name, seen in (("a tube's wall", has_tube), ("air around the tube", air is not None)) if not seen
        ]
        raise InputRefused(
            "no-references",
            f"{core.core}: {' and '.join(missing)} cannot be seen in the scan, so its grey values cannot be brought to a common "
            "scale; leave out reference in the plan's [core] table, or look at the core with `soilscope inspect --core`.",
        )
    if not found.wall > found.air:
        raise InputRefused(
            "no-references",
            f"{core.core}: the wall reads {found.wall:g} and the air {found.air:g}; a scale needs a wall brighter than air.",
        )
    return found


def _tube(core: Volume) -> TubeWall | None:
    """The tube that was found, None without one."""
    soil, on_axis = core.source.get("soil", {}), core.axis_mm()
    if on_axis is None or "outer_radius_mm" not in soil:
        return None
    cut = soil.get("cut")
    split = None if cut is None else Cut(float(cut["normal"][0]), float(cut["normal"][1]), float(cut["offset_mm"]))
    radii = float(soil["radius_mm"]), float(soil["outer_radius_mm"])
    y, x = (np.asarray(one, dtype=np.float64) for one in on_axis)
    return TubeWall(y, x, *radii, (int(soil["top"]), int(soil["bottom"])), split)
