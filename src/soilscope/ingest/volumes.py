"""One file that holds a whole volume: NIfTI, NRRD, npy, npz, raw. Each reader returns (z, y, x) values and a voxel size."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from soilscope.errors import InputRefused
from soilscope.files import digest_file
from soilscope.ingest import nifti, nrrd
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.grey import as_volume, keepable, within_limits
from soilscope.ingest.limits import MOST_ARCHIVE_BYTES
from soilscope.ingest.oriented import Oriented
from soilscope.ingest.sniff import Kind
from soilscope.ingest.spacing import needed
from soilscope.ingest.verdict import parsing, refuse
from soilscope.volume import Volume

__all__ = ["candidates", "raw_candidate"]


def candidates(path: Path, kind: Kind, options: Options) -> list[Candidate]:
    """The volumes in one file; several only for npz."""
    if kind == "numpy":
        return _numpy(path, options)
    label, head, load = {
        "nifti": ("NIfTI", nifti.header, nifti.load),
        "nrrd": ("NRRD", nrrd.header, nrrd.load),
    }[kind]
    return [_candidate(path, path.name, label, (lambda: head(path), lambda: load(path)), options)]


def raw_candidate(path: Path, options: Options) -> Candidate:
    """Headerless numbers of a shape and dtype that the user states.

    Raises
    ------
    InputRefused
        Code ``raw-size``: the file is not exactly as large as the shape says.
    """
    shape = within_limits(options.shape or (), path.name)
    try:
        dtype = np.dtype(options.dtype or "")
    except TypeError:
        refuse("dtype", f"{options.dtype!r} is no number type; write it like uint16 or <f4.", [path])
    keepable(dtype, path.name)
    wanted, found = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, path.stat().st_size
    if wanted != found:
        text = f"{path.name} has {found} bytes, but {shape} voxels of {dtype} are {wanted}; state its shape (z, y, x) and dtype."
        refuse("raw-size", text, [path])
    empty = Oriented(np.empty((0, 0, 0), dtype), None, shape=shape)
    return _candidate(
        path,
        path.name,
        "raw",
        (lambda: empty, lambda: Oriented(np.fromfile(path, dtype).reshape(shape), None)),
        options,
    )


def _candidate(
    path: Path,
    name: str,
    label: str,
    readers: tuple[Callable[[], Oriented], Callable[[], Oriented]],
    options: Options,
) -> Candidate:
    """A candidate from a header reader and a value reader, both typed in their errors."""
    head, whole = readers
    refusal, shape, spacing = None, None, options.spacing_mm
    found: tuple[Any, ...] = ()
    try:
        about = _typed(head, path)
        shape, spacing, found = about.shape, options.spacing_mm or about.spacing_mm, about.findings
        keepable(about.values.dtype, name)
        needed(about.spacing_mm, options.spacing_mm, name)
    except InputRefused as error:
        refusal = error

    def load() -> Volume:
        read = _typed(whole, path)
        source: dict[str, Any] = {"format": label, "input_digest": digest_file(path)}
        if read.grid:
            source["grid"] = read.grid
        volume = as_volume(read.values, read.spacing_mm, options, name, source)
        return volume.with_findings(*read.findings)

    return Candidate(name, label, load, shape, spacing, options.units or "grey", findings=found, refusal=refusal)


def _typed(reader: Callable[[], Oriented], path: Path) -> Oriented:
    with parsing("file-damaged", f"{path.name} is cut or damaged ({{error}}: it cannot be read).", [path]):
        return reader()


def _numpy(path: Path, options: Options) -> list[Candidate]:
    if path.suffix.lower() != ".npz":
        return [_candidate(path, path.name, "npy", (lambda: _npy_header(path), lambda: _npy(path)), options)]
    with (
        parsing("file-damaged", f"{path.name} is no readable npz ({{error}}).", [path]),
        zipfile.ZipFile(path) as archive,
    ):
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    return [
        _candidate(
            path,
            path.name if len(members) == 1 else f"{path.name}:{member.filename[:-4]}",
            "npz",
            (lambda m=member: _npz_header(path, m), lambda m=member: _npz(path, m)),  # type: ignore[misc]  # bound early
            options,
        )
        for member in members
    ]


def _array_header(stream: Any, name: str) -> Oriented:
    """Shape and number type of an npy stream; arrays of Python objects are pickles and are refused unread."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        refuse(
            "pickle",
            f"{name} holds Python objects (a pickle), which are never loaded; save it as plain numbers.",
            [name],
        )
    size = within_limits(shape, name)
    return Oriented(np.empty((0, 0, 0), dtype), None, shape=size)


def _npy_header(path: Path) -> Oriented:
    with path.open("rb") as stream:
        return _array_header(stream, path.name)


def _npy(path: Path) -> Oriented:
    head = _npy_header(path)
    return Oriented(np.load(path, allow_pickle=False).reshape(head.shape), None)


def _npz_header(path: Path, member: zipfile.ZipInfo) -> Oriented:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        head = _array_header(stream, path.name)
    if int(np.prod(head.shape, dtype=np.int64)) * head.values.dtype.itemsize > MOST_ARCHIVE_BYTES:
        refuse("too-large", f"{path.name} claims {head.shape} voxels of {head.values.dtype}.", [path])
    return head


def _npz(path: Path, member: zipfile.ZipInfo) -> Oriented:
    head = _npz_header(path, member)
    with np.load(path, allow_pickle=False) as archive:
        values = archive[member.filename[:-4]]
    return Oriented(values.reshape(head.shape), None)
