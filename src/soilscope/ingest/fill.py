"""The pixels of a grid's files -> the arrays of a volume: each file is read once, by a few threads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from imagecodecs import deflate_crc32
from numpy.typing import NDArray

from soilscope.ingest.decode import Buffer, Content
from soilscope.ingest.geometry import Grid
from soilscope.ingest.headers import Slice
from soilscope.ingest.pixels import Ends, Plane, fill_plane, mask_outside
from soilscope.ingest.scan_circle import scan_circle
from soilscope.types import FILL, BoolVolume
from soilscope.volume.even import all_true

__all__ = ["Filled", "Progress", "fill", "unwatched"]

MOST_THREADS = 4
"""More threads than this wait for memory, not for the processor."""

FILES_AT_ONCE = 8
"""Neighbours that one thread fills in turn: two threads that first touch one huge page (2 MB) both wait while it is cleared."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Values and mask (z, y, x), what was counted in each slice, top first, and the digest of all files read."""

    values: NDArray[np.int16]
    valid: BoolVolume
    planes: tuple[Plane, ...]
    names: tuple[str, ...]
    digest: str

    @property
    def lossy(self) -> tuple[str, ...]:
        """Names of the slices that were compressed with loss."""
        return tuple(name for name, plane in zip(self.names, self.planes, strict=True) if plane.lossy)


Progress = Callable[[int, int], None]


def unwatched(done: int, of: int) -> None:
    """Nobody wants to know how far it is."""


def fill(grid: Grid, progress: Progress = unwatched) -> Filled:
    """Read, check and rescale every slice of a grid; marked gaps are :data:`~soilscope.types.FILL` and not valid.

    Raises
    ------
    InputRefused
        What :func:`~soilscope.ingest.decode.Content.stored_values` refuses, for the topmost slice concerned.
    """
    values, valid = np.empty(grid.shape, dtype=np.int16), all_true(grid.shape)
    planes: list[Plane | None] = [None] * grid.shape[0]
    files = _by_file(grid, values, valid)
    own, ends = threading.local(), Ends()

    def prepare() -> None:
        own.buffer = Buffer()

    def read(rows: list[int]) -> bytes:
        slices: list[Slice] = [grid.planes[k] for k in rows]  # type: ignore[misc]  # gaps have no file
        raw = own.buffer.content_of(slices[0])
        content = Content(slices[0], raw)
        for k, one in sorted(zip(rows, slices, strict=True), key=lambda place: place[1].frame):
            planes[k] = fill_plane(one, content.stored_values(one), values[k], valid[k], ends)
        return _digest(slices[0], raw)

    def read_some(some: list[list[int]]) -> list[bytes]:
        return [read(rows) for rows in some]

    neighbours = [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)]
    digest = hashlib.sha256()
    with _without_warnings(), ThreadPoolExecutor(_threads(), initializer=prepare) as pool:
        for done, part in enumerate(chain.from_iterable(pool.map(read_some, neighbours)), start=1):
            digest.update(part)
            progress(done, len(files))
        _mask_outside(values, valid, planes, pool)
    counted = tuple(p for p in planes if p is not None)
    names = tuple(one.name for one in grid.planes if one is not None)
    return Filled(values, valid, counted, names, "sha256:" + digest.hexdigest())


def _mask_outside(
    values: NDArray[np.int16], valid: BoolVolume, planes: Sequence[Plane | None], pool: ThreadPoolExecutor
) -> None:
    """Mask the outside of the scan circle, once all slices are there to tell it from what was measured."""
    alike = [k for k, plane in enumerate(planes) if plane is not None and plane.corners_alike]
    filled = [k for k, plane in enumerate(planes) if plane is not None]
    beyond = bool(alike) and all(planes[k].corners_beyond for k in alike)  # type: ignore[union-attr]  # gaps are not alike
    found = scan_circle(values, alike, beyond, len(filled))
    if found is None:
        return
    (ring, everywhere), ends = found, Ends()

    def mask(k: int) -> None:
        plane = planes[k]
        if plane is not None:
            no_ring = np.zeros_like(ring)
            mask_outside(ring if everywhere or plane.corners_alike else no_ring, values[k], valid[k], plane, ends)

    list(pool.map(mask, filled))


def _digest(one: Slice, raw: memoryview) -> bytes:
    """What identifies a file's content: SHA-256 of the header and of compressed pixels, CRC-32 of plain pixels, and their size.

    Hashing half a gigabyte takes longer than reading it. A CRC finds what disks and copies do to pixels; what somebody does on
    purpose, the digests of a study find.
    """
    if one.encoding.pixels.length is None:
        return hashlib.sha256(raw).digest()
    head, pixels = raw[: one.encoding.pixels.offset], raw[one.encoding.pixels.offset :]
    crc = deflate_crc32(pixels)  # type: ignore[arg-type]  # takes any buffer, which its stub does not say
    return hashlib.sha256(head).digest() + struct.pack("<QI", len(pixels), crc)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Parsers warn where they should refuse, and quote what they read. Filters belong to the whole process, not to a thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _by_file(grid: Grid, values: NDArray[np.int16], valid: BoolVolume) -> list[list[int]]:
    """Planes of each file, in the order of the first; gaps are filled here."""
    files: dict[Path, list[int]] = {}
    for k, one in enumerate(grid.planes):
        if one is None:
            values[k], valid[k] = FILL, False
        else:
            files.setdefault(one.path, []).append(k)
    return list(files.values())


def _threads() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
