"""What air reads in a scan, and the value that parts it from whatever lies in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.volume import Volume

__all__ = ["air_of", "corners_of", "level_of", "levels_of", "seen_air"]

AIR_HU = -1000.0
SOLID_HU = -440.0
"""Halfway from air (-1000 HU) to the plastic of a tube (120 HU); what is heavier is no air."""

CORNER_SHARE = 0.04
"""Side of the four corner blocks in which a core in air shows nothing but air, as a share of the slice's width."""

AIR_IN_CORNERS = 0.95
CONTRAST = 4.0
"""In grey scans the middle must differ from the corners by this many times the corners' own spread."""

RIM_VOXELS = 3
"""How far from the edge of what was scanned air is looked for where the corners were not scanned."""


def level_of(vol: Volume) -> float | None:
    """The value that parts air from the body, or None where the corners of the slices are no air."""
    return levels_of(vol)[0]


def air_of(vol: Volume) -> float:
    """Value of air: known in HU, seen in the corners of grey scans."""
    return levels_of(vol)[1]


def levels_of(vol: Volume) -> tuple[float | None, float]:
    """The value that parts air from the body (None where the corners of the slices are no air), and the value of air."""
    corners, body = _looked_through(vol)
    seen = [corner for corner in corners if corner.size]
    if vol.units == "HU":
        # Air is known here, and two corners of it are enough: a table may lie in the others.
        empty = [np.mean(corner < SOLID_HU) >= AIR_IN_CORNERS for corner in seen]
        return (SOLID_HU if 2 * sum(empty) >= len(seen) else None), AIR_HU
    if not seen:
        return None, AIR_HU
    pooled = np.concatenate(seen)
    air = float(np.median(pooled))
    level = (air + body) / 2
    spread = float(np.std(pooled))
    if body - air <= CONTRAST * spread or np.mean(pooled < level) < AIR_IN_CORNERS:
        return None, air
    return level, air


def _looked_through(vol: Volume) -> tuple[list[NDArray[Any]], float]:
    """Valid values in each of the four corners of all slices, and the mean of the middle third of grey slices, in one pass."""
    ny, nx = vol.shape[1:]
    blocks: list[list[NDArray[Any]]] = []
    total, seen = 0.0, 0
    for plane, ok in zip(vol.values, vol.valid, strict=True):
        blocks.append(_of_plane(plane, ok))
        if vol.units != "HU":
            middle = plane[ny // 3 : ny - ny // 3, nx // 3 : nx - nx // 3]
            total += float(middle.sum(dtype=np.float64))
            seen += middle.size
    found = [np.concatenate(corner) for corner in zip(*blocks, strict=True)]
    if vol.units != "HU" and not any(corner.size for corner in found):
        found = [_within_rim(vol)]
    return found, total / max(seen, 1)


def _within_rim(vol: Volume) -> NDArray[Any]:
    """Valid values along the edge of what is valid, where the corners are masked as a scan circle's outside is."""
    scanned = np.asarray(vol.valid.any(axis=0), np.bool_)
    rim = scanned & ~ndimage.binary_erosion(scanned, iterations=RIM_VOXELS)
    return np.concatenate([plane[rim & ok] for plane, ok in zip(vol.values, vol.valid, strict=True)])


def corners_of(vol: Volume) -> NDArray[Any]:
    """Valid values in the corners of all slices."""
    return np.concatenate([block for pair in zip(vol.values, vol.valid, strict=True) for block in _of_plane(*pair)])


def _of_plane(plane: NDArray[Any], ok: NDArray[np.bool_]) -> list[NDArray[Any]]:
    side = max(2, int(CORNER_SHARE * min(plane.shape)))
    ends = (slice(None, side), slice(-side, None))
    return [plane[r, c][ok[r, c]] for r in ends for c in ends]


def seen_air(vol: Volume) -> float:
    """What the air in the corners reads; scanners are some tens of HU off, and the lowest value they keep is no air."""
    corners = corners_of(vol)
    return float(np.median(corners)) if corners.size else air_of(vol)
