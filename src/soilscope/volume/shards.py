"""Values -> the shard files of a Zarr 3 array, several at a time, each on its way to the disk while the next is compressed.

Zarr would write the same, one chunk after the other through an event loop, in more than twice the time. The layout is that of the
sharding codec with its index at the end (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/), each chunk
compressed by Blosc and followed by its CRC-32C. Chunks that hold nothing but fill are left out, as Zarr leaves them out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from google_crc32c import value as crc32c
from numcodecs import Blosc

from soilscope.types import Shape, ValueVolume

__all__ = ["BLOSC_LEVEL", "Layout", "Writer", "Written"]

BLOSC_LEVEL = 1
ABSENT = np.uint64(0xFFFFFFFFFFFFFFFF)
CHECKSUM_BYTES = 4
MOST_COMPRESSING, WAITING = 4, 2
"""Threads: beyond four the disk is what takes time, and each holds a compressed shard; two more may wait for the disk."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Shapes (z, y, x) of a shard and of the chunks in it, and the value of what is not written."""

    shard: Shape
    chunk: Shape
    fill: int


@dataclass(frozen=True, slots=True)
class Written:
    """One file: its size and its digest."""

    size: int
    digest: str


class Writer:
    """Writes the shards of several arrays at once; a context, at whose end nothing is being written any more.

    ``values`` are an array, or something of its shape that gives arrays when sliced; ``first`` is the slice at which they begin
    in the array, a multiple of the shard's. The same values give the same bytes: each chunk is compressed by one thread.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(_threads())
        self._coming: dict[str, Future[Written | None]] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, name: str, values: Any, layout: Layout, first: int = 0) -> None:
        """Write all values of an array, or of some of its slices, whose metadata lie at ``name`` below the root already."""
        for start in _starts(values.shape, layout.shard):
            stored = (start[0] + first, *start[1:])
            place = "/".join([name, "c", *(str(a // n) for a, n in zip(stored, layout.shard, strict=True))])
            box = tuple(slice(a, a + n) for a, n in zip(start, layout.shard, strict=True))
            self._coming[place] = self._pool.submit(_write, self._root / place, values, box, layout)

    def written(self) -> dict[str, Written]:
        """Wait until everything lies on the disk; the files by name below the root.

        Raises
        ------
        OSError
            The first file could not be written.
        """
        done = {name: future.result() for name, future in self._coming.items()}
        return {name: one for name, one in done.items() if one is not None}


def _threads() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_COMPRESSING) + WAITING


def _starts(shape: tuple[int, ...], step: Shape) -> Iterator[tuple[int, ...]]:
    for index in np.ndindex(*(-(-n // s) for n, s in zip(shape, step, strict=True))):
        yield tuple(i * s for i, s in zip(index, step, strict=True))


def _write(path: Path, values: Any, box: tuple[slice, ...], layout: Layout) -> Written | None:
    """One shard, chunk by chunk into its file; no file where it holds nothing but fill."""
    counts = tuple(n // c for n, c in zip(layout.shard, layout.chunk, strict=True))
    index = np.full((*counts, 2), ABSENT, dtype="<u8")
    digest, length = hashlib.sha256(), 0
    with contextlib.ExitStack() as opened:
        stream: BinaryIO | None = None
        for place, data in _chunks(values[box], layout):
            if stream is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = opened.enter_context(path.open("wb"))
            index[place] = (length, len(data) + CHECKSUM_BYTES)
            length += _put(stream, digest, data)
        if stream is None:
            return None
        length += _put(stream, digest, index.tobytes())
        stream.flush()
        os.fsync(stream.fileno())
    return Written(length, "sha256:" + digest.hexdigest())


def _put(stream: BinaryIO, digest: Any, data: bytes) -> int:
    """Bytes and their checksum into the file; how many."""
    for part in (data, int(crc32c(data)).to_bytes(CHECKSUM_BYTES, "little")):
        stream.write(part)
        digest.update(part)
    return len(data) + CHECKSUM_BYTES


def _chunks(values: ValueVolume, layout: Layout) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Place in the shard and compressed bytes of each chunk that is more than fill.

    All chunks are laid out in one piece of memory: fresh memory for each costs as much as compressing an even one.
    """
    blosc = Blosc(cname="zstd", clevel=BLOSC_LEVEL, shuffle=Blosc.SHUFFLE)
    held = np.empty(layout.chunk, values.dtype.newbyteorder("<"))
    for start in _starts(values.shape, layout.chunk):
        part = values[tuple(slice(a, a + n) for a, n in zip(start, layout.chunk, strict=True))]
        if _is_fill(part, layout.fill):
            continue
        if part.shape != held.shape:
            held.fill(layout.fill)  # where the array ends
        held[tuple(slice(n) for n in part.shape)] = part
        yield tuple(a // n for a, n in zip(start, layout.chunk, strict=True)), bytes(blosc.encode(held))


def _is_fill(part: ValueVolume, fill: int) -> bool:
    """Whether a chunk is fill alone; mostly its first voxel tells that it is not."""
    return bool(part[0, 0, 0] == fill) and not (part != fill).any()
