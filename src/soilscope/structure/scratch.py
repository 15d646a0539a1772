"""Arrays of a whole core in temporary files: written slab by slab, read and changed box by box."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import OutputRefused, UsageError
from soilscope.files import plain_refusal
from soilscope.types import Shape

__all__ = ["Box", "Room", "Scratch"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First and end along z, y and x."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """An array of shape (z, y, x) in a temporary file; what is read is not kept mapped."""

    stream: BinaryIO
    shape: Shape
    dtype: np.dtype[Any]
    first: int = 0

    def between(self, first: int, end: int) -> Scratch:
        """Some whole slices as an array of their own, of which the first is number 0."""
        return replace(self, shape=(end - first, *self.shape[1:]), first=self.first + first)

    def append(self, values: NDArray[Any]) -> None:
        """The next slices."""
        self.stream.write(np.ascontiguousarray(values, dtype=self.dtype).data)

    def read(self, box: Box) -> NDArray[Any]:
        """A box, plane by plane."""
        (z0, z1), (y0, y1), (x0, x1) = box
        nx = self.shape[2]
        out = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        rows = np.empty((y1 - y0, nx), self.dtype)
        for z in range(z0, z1):
            self._seek(z, y0)
            if self.stream.readinto(rows.data) != rows.nbytes:  # type: ignore[attr-defined]
                raise OSError("a temporary file of classes ended early; is its disk full?")
            out[z - z0] = rows[:, x0:x1]
        return out

    def slices(self, first: int, end: int) -> NDArray[Any]:
        """Whole slices."""
        return self.read(((first, end), (0, self.shape[1]), (0, self.shape[2])))

    def rows(self, first: int, end: int) -> NDArray[Any]:
        """Some rows of all slices."""
        return self.read(((0, self.shape[0]), (first, end), (0, self.shape[2])))

    def change_rows(self, first: int, values: NDArray[Any]) -> None:
        """Write rows, from the ``first`` on, of all slices."""
        for z, plane in enumerate(values):
            self._seek(z, first)
            self.stream.write(np.ascontiguousarray(plane, dtype=self.dtype).data)

    def _seek(self, z: int, y: int) -> None:
        self.stream.seek(((self.first + z) * self.shape[1] + y) * self.shape[2] * self.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class Room:
    """Where the temporary arrays of one core go.

    Parameters
    ----------
    folder : path or None
        None has no place for them. The files have no name there, so that nothing is left behind, whatever ends the work.
    shape : (z, y, x)
        Of the core.
    """

    folder: Path | None
    shape: Shape

    @contextmanager
    def array(self, dtype: type[np.generic] = np.uint8) -> Iterator[Scratch]:
        """An array to write, of the core's shape.

        Raises
        ------
        OutputRefused
            Code ``disk-space``: the disk has not that much room. Code ``cannot-write``: it is full all the same, or the folder may
            not be written to.
        UsageError
            Code ``temporary-folder``: nobody said where it may lie.
        """
        kind = np.dtype(dtype)
        needed = math.prod(self.shape) * kind.itemsize
        if self.folder is None:
            raise UsageError(
                "temporary-folder",
                f"working through a core slab by slab needs temporary files, this one of {needed / 1e9:.2f} GB: say in which "
                "folder they may lie, Ways(folder=...).",
            )
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OutputRefused(
                "disk-space",
                f"working through a core slab by slab needs a temporary file of {needed / 1e9:.2f} GB, and the disk has "
                f"{free / 1e9:.2f} GB free; make room, or raise memory_gb.",
            )
        with plain_refusal(self.folder), tempfile.TemporaryFile(dir=self.folder) as stream:
            yield Scratch(stream, self.shape, kind)
