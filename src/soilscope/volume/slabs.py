"""Write a core store plane by plane: the same bytes as :func:`soilscope.volume.write_store`, never holding the volume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from soilscope.files import publish
from soilscope.types import BoolVolume, Shape, ValueVolume
from soilscope.volume.scan import Volume
from soilscope.volume.shards import Writer
from soilscope.volume.store import SMALLEST_LEVEL, create_array, describe, fill_of, finish, shard_slices

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
    with publish(Path(path)) as partial, Writer(partial) as writer:
        root = zarr.create_group(partial, zarr_format=3)
        shapes = [_level(about.shape, n) for n in range(_levels(about.shape))]
        dtype, thick = about.values.dtype, shard_slices(about.shape, about.values.dtype)
        values = [create_array(root, str(n), (s, dtype), fill_of(about), thick) for n, s in enumerate(shapes)]
        mask = describe(root, about, len(shapes))
        valid = [create_array(mask, str(n), (s, np.dtype(np.uint8)), 0, thick) for n, s in enumerate(shapes)]
        for first, slab, packed in _slabs(about, planes, thick):
            for n in range(len(shapes)):
                values[n].write(slab[:, :: 2**n, :: 2**n], writer, first)
                valid[n].write(_Packed(packed, columns=about.shape[2], step=2**n), writer, first)
            writer.written()  # before the slab's memory is filled anew
        return finish(partial, writer)


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


def _slabs(about: Volume, planes: Iterable[Plane], thick: int) -> Iterator[tuple[int, NDArray[Any], NDArray[np.uint8]]]:
    """Slabs one shard thick, each with its first slice; the mask is packed, eight voxels a byte."""
    depth, rows, columns = about.shape
    slab = np.empty((min(thick, depth), rows, columns), about.values.dtype)
    packed = np.empty((len(slab), rows, -(-columns // 8)), np.uint8)
    first, held = 0, 0
    for plane, ok in planes:
        slab[held], packed[held] = plane, np.packbits(ok, axis=1)
        held += 1
        if held == len(slab) or first + held == depth:
            yield first, slab[:held], packed[:held]
            first, held = first + held, 0


@dataclass(frozen=True, slots=True)
class _Packed:
    """A packed mask at one level of the pyramid, unpacked where it is sliced."""

    bits: NDArray[np.uint8]
    columns: int
    step: int

    @property
    def shape(self) -> Shape:
        """(z, y, x) of the level."""
        z, y, _ = self.bits.shape
        return z, -(-y // self.step), -(-self.columns // self.step)

    def __getitem__(self, box: tuple[slice, slice, slice]) -> NDArray[np.uint8]:
        z, y, x = box
        rows = slice(y.start * self.step, y.stop * self.step, self.step)
        first, end = x.start * self.step, min(x.stop * self.step, self.columns)
        lead = first % 8
        bits = np.unpackbits(self.bits[z, rows, first // 8 : -(-end // 8)], axis=2)
        return np.asarray(bits[:, :, lead : lead + end - first : self.step])
