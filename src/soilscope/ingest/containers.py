"""HDF5 files and Zarr stores: containers of several arrays, each a candidate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from soilscope.errors import InputRefused
from soilscope.files import digest_folder
from soilscope.findings import Finding, from_records
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.chunks import Presence, needed_chunks
from soilscope.ingest.grey import as_volume, keepable, plausible
from soilscope.ingest.members import Member
from soilscope.ingest.planes import Planes, digest_files, from_array
from soilscope.ingest.shown import shown
from soilscope.ingest.spacing import needed, told_twice
from soilscope.ingest.verdict import parsing, refuse
from soilscope.types import Shape, Spacing
from soilscope.volume import Volume, read_store
from soilscope.volume.store import store_digest, verify_store

__all__ = ["hdf5_candidates", "zarr_candidates"]


def hdf5_candidates(path: Path, options: Options) -> list[Candidate]:
    """Every three-dimensional data set of a file; where the file names a default one (NeXus), only that is picked by itself."""
    from soilscope.ingest import hdf5  # loads h5py, which the other formats do not need

    with _typed(path):
        names, default = hdf5.data_sets(path)
    if not names:
        refuse(
            "nothing-readable",
            f"{shown(path)} holds no three-dimensional data set of numbers; name the file that holds the scan.",
            [path],
        )
    return [
        replace(
            _candidate(
                (f"{shown(path)}:{name}", "HDF5", path),
                lambda n=name: hdf5.opened(path, n),  # type: ignore[misc]  # bound early
                lambda: digest_files([path]),
                options,
            ),
            alias=name,
            is_scan=default in (None, name),
        )
        for name in names
    ]


def zarr_candidates(root: Path, files: Collection[Path], options: Options) -> list[Candidate]:
    """The images of one Zarr store, or the core of one of our own."""
    from soilscope.ingest import omezarr

    mine = frozenset(p for p in files if p.is_relative_to(root))
    with _typed(root):
        if omezarr.is_core_store(root):
            return [_core_store(root, options)]
        held = omezarr.images(root, mine)

    @contextlib.contextmanager
    def opened(image: omezarr.Image) -> Iterator[Any]:
        yield omezarr.opened(root, image, mine)

    found = []
    for image in held:
        version = f"OME-Zarr {image.version}".rstrip() if image.axes or image.spacing_mm else "Zarr"
        name = shown(root) if image.name == "." or len(held) == 1 else f"{shown(root)}:{image.name}"
        found.append(
            _candidate(
                (name, version, root),
                lambda i=image: opened(i),  # type: ignore[misc]  # bound early
                lambda: digest_folder(root),
                options,
            )
        )
    return found


def _typed(path: Path) -> contextlib.AbstractContextManager[None]:
    return parsing(
        "file-damaged",
        f"{shown(path)} is cut or damaged ({{error}}: it cannot be read); copy it again from where it was made.",
        [path],
    )


def _candidate(
    what: tuple[str, str, Path],
    opened: Callable[[], contextlib.AbstractContextManager[Any]],
    digest: Callable[[], str],
    options: Options,
) -> Candidate:
    """A candidate from an opened array with ``values``, ``shape``, ``spacing_mm``, ``presence`` and ``depth``."""
    name, label, path = what
    shape: Shape | None = None
    spacing: Spacing | None = options.spacing_mm
    refusal: InputRefused | None = None
    findings: tuple[Finding, ...] = ()
    try:
        with _typed(path), opened() as held:
            shape, spacing = held.shape, options.spacing_mm or held.spacing_mm
            keepable(held.values.dtype, name)
            within = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file() and not p.is_symlink()]
            plausible(math.prod(held.shape) * held.values.dtype.itemsize, within, name)
            findings = _chunks(held.presence, name, options)
            needed(held.spacing_mm, options.spacing_mm, name)
    except InputRefused as error:
        refusal = error

    def load() -> Volume:
        with _typed(path), opened() as held:
            lacking = _chunks(held.presence, name, options)
            values = held.values[0 : held.shape[0]]
            present = held.presence.whole() if lacking else None
            stated = held.spacing_mm
        source = {"format": label, "input_digest": digest()}
        return as_volume(values, stated, options, name, source, present, [shown(path)]).with_findings(*lacking)

    @contextlib.contextmanager
    def planes() -> Iterator[Planes]:
        with opened() as held:
            lacking = _chunks(held.presence, name, options)
            yield from_array(
                held.values,
                [path] if path.is_file() else [],
                min(held.depth, held.shape[0]),
                stated=held.spacing_mm,
                present=held.presence.plane if lacking else None,
                source={"format": label} | ({} if path.is_file() else {"input_digest": digest()}),
                findings=lacking,
                slices=[shown(path)],
            )

    return Candidate(
        name,
        label,
        load,
        shape,
        spacing,
        options.units or "grey",
        findings=findings,
        refusal=refusal,
        planes=planes,
        packed=True,
    )


def _chunks(presence: Presence | None, name: str, options: Options) -> tuple[Finding, ...]:
    return () if presence is None else needed_chunks(presence, name, options.on_gap)


def _core_store(root: Path, options: Options) -> Candidate:
    """A core that was imported before: values, mask, voxel size, units and findings as they were kept."""
    from soilscope.ingest import omezarr

    _finished(root)
    about = omezarr.core_attributes(root)
    stated: Spacing = about["spacing_mm"]

    def load() -> Volume:
        kept = _archived(root) if isinstance(root, Member) else read_store(root)
        if options.units not in (None, kept.units):
            text = f"{shown(root)} is a core store of {kept.units}; import the scan itself to state other units."
            refuse("units-mismatch", text, [root])
        told = told_twice(stated, options.spacing_mm)
        return replace(kept, spacing_mm=options.spacing_mm or stated).with_findings(*told)

    return Candidate(
        shown(root),
        "core store",
        load,
        about["shape"],
        options.spacing_mm or stated,
        about["units"],
        packed=True,
    )


def _finished(root: Path) -> None:
    """Refuse a store that was never finished, and one in an archive that is not as it was written."""
    if not isinstance(root, Member):
        store_digest(root)
    elif wrong := verify_store(root):
        text = f"{shown(root)} in {root.archive.name} is damaged: {wrong[0]} is not as it was written; copy the archive again."
        refuse("store-damaged", text, [root.archive.name])


def _archived(root: Member) -> Volume:
    """A finished core store in an archive, as :func:`~soilscope.volume.read_store` reads one in a folder."""
    from soilscope.ingest import omezarr

    with _typed(root):
        values, valid, own = omezarr.core_content(root)
        dz, dy, dx = own["spacing_mm"]
        findings = from_records(own["findings"])
        return Volume(values, valid, (dz, dy, dx), own["units"], findings, own["core"], own["source"])
