"""One file that holds a whole volume: NIfTI, NRRD, MetaImage, npy, npz, raw; readers return (z, y, x) and a voxel size."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from soilscope.errors import InputRefused
from soilscope.ingest import metaimage, nifti, nrrd
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.grey import as_volume, keepable, plausible, within_limits
from soilscope.ingest.limits import MOST_ARCHIVE_BYTES
from soilscope.ingest.members import Member, seekable
from soilscope.ingest.oriented import Oriented
from soilscope.ingest.planes import Planes, digest_files, from_array
from soilscope.ingest.shown import shown
from soilscope.ingest.sniff import Kind
from soilscope.ingest.spacing import needed
from soilscope.ingest.verdict import parsing, refuse
from soilscope.volume import Volume

__all__ = ["NO_VOLUME", "Reader", "candidate", "candidates", "companions", "raw_candidate"]

NO_VOLUME = "an array that is no volume"
"""The kind of arrays of other than three axes, which are no scan beside one."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one volume is read.

    Parameters
    ----------
    files : tuple of path
        What it lies in; errors name the first, the digest of the input is taken over all.
    label : str
        The format's name.
    header, load : function
        Shape and voxel size without reading voxels; all of it.
    view : function, optional
        The values as something sliced like an array, not in memory; None where the file does not allow that.
    """

    files: tuple[Path, ...]
    label: str
    header: Callable[[], Oriented]
    load: Callable[[], Oriented]
    view: Callable[[], Oriented | None] | None = None


def candidates(path: Path, kind: Kind, options: Options) -> list[Candidate]:
    """The volumes in one file; several only for npz."""
    if kind == "numpy":
        return _numpy(path, options)
    readers = {
        "nifti": lambda: Reader(nifti.files(path), "NIfTI", lambda: nifti.header(path), lambda: nifti.load(path)),
        "nrrd": lambda: Reader(nrrd.files(path), "NRRD", lambda: nrrd.header(path), lambda: nrrd.load(path)),
        "metaimage": lambda: Reader(
            metaimage.files(path),
            "MetaImage",
            lambda: metaimage.header(path),
            lambda: metaimage.load(path),
            lambda: metaimage.view(path),
        ),
    }
    with _typed(path):
        reader = readers[kind]()
    return [candidate(shown(path), reader, options)]


def companions(path: Path, kind: Kind) -> tuple[Path, ...]:
    """Files that hold the values of a header beside them, and are no scans of their own; none where the header is damaged."""
    finders = {"nrrd": nrrd.files, "metaimage": metaimage.files, "nifti": nifti.files}
    if kind not in finders:
        return ()
    with contextlib.suppress(InputRefused), _typed(path):
        return finders[kind](path)[1:]
    return ()


def raw_candidate(path: Path, options: Options) -> Candidate:
    """Headerless numbers of a shape and dtype that the user states.

    Raises
    ------
    InputRefused
        Code ``raw-size``: the file is not exactly as large as the shape says.
    """
    shape = within_limits(options.shape or (), shown(path))
    try:
        dtype = np.dtype(options.dtype or "")
    except TypeError:
        refuse("dtype", f"{options.dtype!r} is no number type; write it like uint16 or <f4.", [path])
    keepable(dtype, shown(path))
    wanted, found = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, path.stat().st_size
    if wanted != found:
        text = f"{shown(path)} has {found} bytes, but {shape} voxels of {dtype} are {wanted}; state its shape (z, y, x) and dtype."
        refuse("raw-size", text, [path])
    reader = Reader(
        (path,),
        "raw",
        lambda: Oriented(np.empty((0, 0, 0), dtype), None, shape=shape),
        lambda: Oriented(np.fromfile(path, dtype).reshape(shape), None),
        lambda: Oriented(np.memmap(path, dtype, "r", shape=shape), None),
    )
    return candidate(path.name, reader, options)


def candidate(name: str, reader: Reader, options: Options) -> Candidate:
    """A candidate from its readers, all typed in their errors."""
    first = reader.files[0]
    refusal, shape, spacing, packed = None, None, options.spacing_mm, False
    found: tuple[Any, ...] = ()
    try:
        with _typed(first):
            about = reader.header()
        packed = about.packed or reader.label == "npz" or isinstance(first, Member)
        shape, spacing, found = about.shape, options.spacing_mm or about.spacing_mm, about.findings
        keepable(about.values.dtype, name)
        plausible(math.prod(about.shape) * about.values.dtype.itemsize, reader.files, name)
        if not packed:
            _all_there(about, reader)
        needed(about.spacing_mm, options.spacing_mm, name)
    except InputRefused as error:
        refusal = error

    def load() -> Volume:
        with _typed(first):
            read = reader.load()
        source = _source(reader, read, {"input_digest": digest_files(reader.files)})
        volume = as_volume(read.values, read.spacing_mm, options, name, source, read.present, [shown(first)])
        return volume.with_findings(*read.findings)

    @contextlib.contextmanager
    def planes() -> Iterator[Planes]:
        with _typed(first):
            seen = reader.view() if reader.view is not None else None
        if seen is None:
            refuse("not-streamed", f"{first.name} cannot be read plane by plane; save it uncompressed.", [first])
        yield from_array(
            seen.values,
            reader.files,
            stated=seen.spacing_mm,
            source=_source(reader, seen, {}),
            findings=seen.findings,
            slices=[shown(first)],
        )

    return Candidate(
        name,
        reader.label,
        load,
        shape,
        spacing,
        options.units or "grey",
        findings=found,
        refusal=refusal,
        planes=None if reader.view is None else planes,
        packed=packed,
        kind=NO_VOLUME if refusal is not None and refusal.code == "shape" else "",
    )


def _all_there(about: Oriented, reader: Reader) -> None:
    """Refuse a file shorter than its header promises; compressed ones tell only when they are read."""
    file = reader.files[-1]
    wanted = about.start + math.prod(about.shape) * about.values.dtype.itemsize
    if (held := file.stat().st_size) < wanted:
        text = f"{shown(file)} ends at byte {held}, but its header promises {wanted} bytes; copy it again from where it was made."
        refuse("file-cut", text, reader.files)


def _source(reader: Reader, read: Oriented, digest: dict[str, str]) -> dict[str, Any]:
    return {"format": reader.label} | digest | ({"grid": read.grid} if read.grid else {})


def _typed(path: Path) -> contextlib.AbstractContextManager[None]:
    return parsing(
        "file-damaged",
        f"{shown(path)} is cut or damaged ({{error}}: it cannot be read); copy it again from where it was made.",
        [path],
    )


def _numpy(path: Path, options: Options) -> list[Candidate]:
    if path.suffix.lower() != ".npz":
        reader = Reader((path,), "npy", lambda: _npy_header(path), lambda: _npy(path), lambda: _npy_view(path))
        return [candidate(shown(path), reader, options)]
    with (
        parsing(
            "file-damaged",
            f"{shown(path)} is no readable npz ({{error}}); copy it again from where it was made.",
            [path],
        ),
        zipfile.ZipFile(seekable(path)) as archive,
    ):
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    return [
        replace(
            candidate(
                shown(path) if len(members) == 1 else f"{shown(path)}:{member.filename[:-4]}",
                Reader(
                    (path,),
                    "npz",
                    lambda m=member: _npz_header(path, m),  # type: ignore[misc]  # bound early
                    lambda m=member: _npz(path, m),  # type: ignore[misc]  # bound early
                ),
                options,
            ),
            alias=member.filename[:-4],
        )
        for member in members
    ]


def _array_header(stream: Any, name: str, held: int) -> Oriented:
    """Shape and number type of an npy stream of ``held`` bytes; arrays of Python objects are pickles and are refused unread.

    Raises
    ------
    InputRefused
        Codes ``pickle`` and ``excess-bytes``; fewer bytes than promised are told where the values are read.
    """
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
    wanted = math.prod(size) * dtype.itemsize
    if (found := held - stream.tell()) > wanted:
        text = (
            f"{name} holds {found} bytes behind its header, but {size} voxels of {dtype} are {wanted}: the header and the values "
            "are not of one array; save it again with numpy.save."
        )
        refuse("excess-bytes", text, [name])
    return Oriented(np.empty((0, 0, 0), dtype), None, shape=size, start=stream.tell())


def _npy_header(path: Path) -> Oriented:
    with path.open("rb") as stream:
        return _array_header(stream, shown(path), path.stat().st_size)


def _npy(path: Path) -> Oriented:
    head = _npy_header(path)
    return Oriented(np.load(seekable(path), allow_pickle=False).reshape(head.shape), None)


def _npy_view(path: Path) -> Oriented:
    head = _npy_header(path)
    source = seekable(path)
    values = np.load(source, mmap_mode="r" if isinstance(source, Path) else None, allow_pickle=False)
    return Oriented(values.reshape(head.shape), None)


def _npz_header(path: Path, member: zipfile.ZipInfo) -> Oriented:
    with zipfile.ZipFile(seekable(path)) as archive, archive.open(member) as stream:
        head = _array_header(stream, shown(path), member.file_size)
    if int(np.prod(head.shape, dtype=np.int64)) * head.values.dtype.itemsize > MOST_ARCHIVE_BYTES:
        refuse(
            "too-large",
            f"{shown(path)} claims {head.shape} voxels of {head.values.dtype}; save it in parts, or copy it again.",
            [path],
        )
    return head


def _npz(path: Path, member: zipfile.ZipInfo) -> Oriented:
    head = _npz_header(path, member)
    with np.load(seekable(path), allow_pickle=False) as archive:
        values = archive[member.filename[:-4]]
    return Oriented(values.reshape(head.shape), None)
