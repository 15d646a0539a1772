"""Write a core store plane by plane: the same bytes as :func:`soilscope.volume.write_store`, never holding the volume."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from soilscope.files import publish
from soilscope.types import BoolVolume, Shape, ValueVolume
from soilscope.volume.scan import Volume
from soilscope.volume.store import SHARD, SMALLEST_LEVEL, create_array, describe, fill_of, finish

__all__ = ["outline", "write_planes"]

Plane = tuple[NDArray[Any], NDArray[np.bool_]]


def outline(shape: Shape, dtype: np.dtype[Any]) -> tuple[ValueVolume, BoolVolume]:
    """Values and mask of a volume whose voxels are elsewhere: right in shape and number type, and no memory taken."""
    return np.broadcast_to(np.zeros((), dtype), shape), np.broadcast_to(np.ones((), np.bool_), shape)


def write_planes(path: Path, about: Volume, planes: Iterable[Plane]) -> str:
    """Publish a store from planes in order; returns the digest of its manifest.

    Parameters
    ----------
    path : path
    about : Volume
        The volume, with arrays that may be :func:`outline`.
    planes : iterable of (values, valid)
        Shape (y, x) each, as many as the volume has slices.

    Raises
    ------
    Busy, OutputRefused
        See :func:`soilscope.files.publish`.
    """
    with publish(Path(path)) as partial:
        root = zarr.create_group(partial, zarr_format=3)
        levels = _levels(about.shape)
        values = [
            create_array(root, str(n), _level(about.shape, n), about.values.dtype, fill_of(about))
            for n in range(levels)
        ]
        mask = describe(root, about, levels)
        valid = [create_array(mask, str(n), _level(about.shape, n), np.dtype(np.uint8), 0) for n in range(levels)]
        _fill(values, valid, about, planes)
        return finish(partial)


def _levels(shape: Shape) -> int:
    levels = 1
    while max(_level(shape, levels - 1)[1:]) > SMALLEST_LEVEL:
        levels += 1
    return levels


def _level(shape: Shape, n: int) -> Shape:
    z, y, x = shape
    for _ in range(n):
        y, x = -(-y // 2), -(-x // 2)
    return z, y, x


def _fill(values: list[Any], valid: list[Any], about: Volume, planes: Iterable[Plane]) -> None:
    """Collect planes to slabs one shard thick; the mask is kept packed, eight voxels a byte."""
    depth, rows, columns = about.shape
    slab = np.empty((min(SHARD[0], depth), rows, columns), about.values.dtype)
    packed = np.empty((len(slab), rows, -(-columns // 8)), np.uint8)
    first, held = 0, 0
    for plane, ok in planes:
        slab[held], packed[held] = plane, np.packbits(ok, axis=1)
        held += 1
        if held == len(slab) or first + held == depth:
            _write(values, slab[:held], first, packed=False)
            _write(valid, packed[:held], first, packed=True)
            first, held = first + held, 0


def _write(levels: list[Any], slab: NDArray[Any], first: int, *, packed: bool) -> None:
    """One slab into every level, a column of shards at a time, so that little more than one shard is ever copied."""
    for n, array in enumerate(levels):
        _, rows, columns = array.shape
        step = 2**n
        for y in range(0, rows, SHARD[1]):
            for x in range(0, columns, SHARD[2]):
                ends = min(y + SHARD[1], rows), min(x + SHARD[2], columns)
                block = slab[:, y * step : ends[0] * step : step]
                if packed:
                    whole = np.unpackbits(block[:, :, x * step // 8 : -(-ends[1] * step // 8)], axis=2)
                    block = whole[:, :, : (ends[1] - x) * step : step]
                else:
                    block = block[:, :, x * step : ends[1] * step : step]
                cut = block[:, : ends[0] - y, : ends[1] - x]
                array[first : first + len(slab), y : ends[0], x : ends[1]] = cut
