"""A scan read plane by plane, so that one larger than the memory can be looked at and imported."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import parsing
from soilscope.types import Shape, Spacing

__all__ = ["Opener", "Planes", "digest_files", "from_array"]

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Planes:
    """An open scan whose planes are read when asked for.

    Parameters
    ----------
    shape : (z, y, x)
    dtype : numpy dtype
        Of the stored values.
    plane : function
        ``plane(k)`` reads the stored values of plane k, shape (y, x).
    each : function
        ``each(digest)`` reads all planes in order and feeds the files' bytes to a hash on the way.
    stated : (dz, dy, dx) or None
        The voxel size by the files, in mm.
    present : function or None
        ``present(k)`` is True where plane k was written at all; None where everything was.
    source, findings
        As for the volume that would be read whole.
    slices : sequence of str
        The file name of each plane, or the one name under which all of them lie.
    """

    shape: Shape
    dtype: np.dtype[Any]
    plane: Callable[[int], NDArray[Any]]
    each: Callable[[Any], Iterator[NDArray[Any]]]
    stated: Spacing | None = None
    present: Callable[[int], NDArray[np.bool_]] | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    slices: Sequence[str] = ()


Opener = Callable[[], contextlib.AbstractContextManager[Planes]]
"""Opens a scan for reading plane by plane; its files are closed afterwards."""


def feed(files: Sequence[Path], digest: Any) -> None:
    """The files' bytes, one file after the other, into a hash."""
    for path in files:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)


def digest_files(files: Sequence[Path]) -> str:
    """SHA-256 over the files' contents, one after the other."""
    digest = hashlib.sha256()
    feed(files, digest)
    return "sha256:" + digest.hexdigest()


def from_array(array: Any, files: Sequence[Path], depth: int = 1, **about: Any) -> Planes:
    """Planes of something that is sliced like an array (a memory map, an HDF5 data set, a Zarr array).

    Parameters
    ----------
    array : array-like, shape (z, y, x)
    files : sequence of path
        What the digest of the input is taken over.
    depth : int
        Planes that are stored together and therefore read together.
    **about
        Further fields of :class:`Planes`.
    """
    held: dict[int, NDArray[Any]] = {}
    text = f"{shown(files[0]) if files else 'the store'} is cut or damaged ({{error}}); copy it again from where it was made."

    def plane(k: int) -> NDArray[Any]:
        block, row = divmod(k, depth)
        if block not in held:
            held.clear()
            with parsing("file-damaged", text, files):
                held[block] = np.asarray(array[block * depth : (block + 1) * depth])
        return np.asarray(held[block][row])

    def each(digest: Any) -> Iterator[NDArray[Any]]:
        feed(files, digest)
        for k in range(array.shape[0]):
            yield plane(k)

    z, y, x = (int(n) for n in array.shape)
    return Planes((z, y, x), np.dtype(array.dtype), plane, each, **about)
