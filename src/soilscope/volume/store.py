"""The core store: one OME-Zarr 0.5 folder a core, written whole or not at all, damage detected on reading.

Layout: ``0``, ``1``, … the multiscale values (level 0 is the scan), ``labels/valid/0`` the validity mask, and
``manifest.json``, written last, with the digest of every other file. A folder without a manifest is no store.
Shards of (64, 512, 512) with chunks of (16, 128, 128) keep a medical core at some ten files and an axial slice quick, and are
thinner where 64 whole slices are too much to hold; each chunk carries a CRC-32C, so that a flipped bit is an error and not a
grey value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from soilscope import findings as notes
from soilscope._version import __version__
from soilscope.errors import Damaged, InputRefused
from soilscope.files import as_json, digest_file, digest_json, publish
from soilscope.progress import stages, told
from soilscope.types import FILL, Shape, ValueVolume
from soilscope.volume.scan import Volume
from soilscope.volume.shards import BLOSC_LEVEL, Layout, Writer

__all__ = [
    "CHUNK",
    "MANIFEST",
    "SHARD",
    "SLAB_BYTES",
    "SMALLEST_LEVEL",
    "Files",
    "Stored",
    "create_array",
    "describe",
    "fill_of",
    "finish",
    "read_store",
    "shard_slices",
    "store_digest",
    "verify_store",
    "write_store",
]

Files = dict[str, dict[str, Any]]
"""Size and digest by name below the store."""

SHARD: Shape = (64, 512, 512)
CHUNK: Shape = (16, 128, 128)
SLAB_BYTES = 1 << 28
"""Most bytes of as many whole slices as one shard is thick: an import slab by slab holds that many at a time."""

MANIFEST = "manifest.json"
METADATA = "zarr.json"
SMALLEST_LEVEL = 128
"""The pyramid stops where no in-plane axis is longer than this."""


def write_store(path: Path, volume: Volume) -> str:
    """Publish a volume as an OME-Zarr 0.5 store; returns the digest of its manifest.

    Invalid voxels keep their values where the scanner gave one; the mask says what counts.

    Raises
    ------
    Busy, OutputRefused
        See :func:`soilscope.files.publish`.
    """
    with publish(Path(path)) as partial, Writer(partial) as writer:
        root = zarr.create_group(partial, zarr_format=3)
        thick = shard_slices(volume.shape, volume.values.dtype)
        levels = _write_levels(root, (volume.values, fill_of(volume)), thick, writer)
        _write_levels(describe(root, volume, levels), (volume.valid.view(np.uint8), 0), thick, writer)
        return finish(partial, writer)


def finish(partial: Path, writer: Writer) -> str:
    """Write the manifest of all that was written, the last file of a store; returns its digest."""
    manifest = {"format": "soilscope core store 1", "software": __version__, "files": _digests(partial, writer)}
    digest = digest_json(manifest)
    (partial / MANIFEST).write_text(as_json({**manifest, "digest": digest}), encoding="utf-8")
    return digest


def shard_slices(shape: Shape, dtype: np.dtype[Any]) -> int:
    """How many slices thick the shards of a volume are, of all its levels and of its mask: a whole number of chunks.

    64, or fewer where so many slices take more than :data:`SLAB_BYTES`.
    """
    held = SLAB_BYTES // (shape[1] * shape[2] * dtype.itemsize)
    return min(SHARD[0], max(1, held // CHUNK[0]) * CHUNK[0])


def fill_of(volume: Volume) -> int:
    """What stands where nothing was written."""
    return FILL if volume.values.dtype == np.int16 else 0


def read_store(path: Path) -> Volume:
    """Read a core store back.

    Raises
    ------
    InputRefused
        Code ``not-a-store``: no manifest, so whatever lies there was never finished.
    Damaged
        Code ``store-damaged``: a chunk is missing or fails its checksum.
    """
    path = Path(path)
    manifest = _manifest(path)
    _as_written(path, manifest)
    try:
        root = zarr.open_group(path, mode="r")
        of_values, of_mask = stages(3, 1)
        with of_values:
            values = _whole(root["0"])
        with of_mask:
            valid = _whole(root["labels/valid/0"]).astype(np.bool_)
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        raise Damaged(
            "store-damaged",
            f"{path.name} is damaged ({type(error).__name__}: {error}); `soilscope verify` names the chunk, and "
            "running the study again after deleting the store makes it anew.",
            [path],
        ) from error
    own: dict[str, Any] = dict(root.attrs["soilscope"])
    dz, dy, dx = own["spacing_mm"]
    return Volume(
        values, valid, (dz, dy, dx), own["units"], notes.from_records(own["findings"]), own["core"], own["source"]
    )


def _whole(array: Any) -> Any:
    """All of an array, a layer of shards at a time."""
    out = np.empty(array.shape, array.dtype)
    for first in range(0, len(out), SHARD[0]):
        out[first : first + SHARD[0]] = array[first : first + SHARD[0]]
        told(min(1.0, (first + SHARD[0]) / len(out)))
    return out


def store_digest(path: Path) -> str:
    """Digest of a store's manifest, and so of everything the store holds."""
    return str(_manifest(Path(path))["digest"])


def verify_store(path: Path) -> list[str]:
    """Files of a store that are missing, extra, or differ from the manifest; empty when all is well."""
    listed: dict[str, dict[str, Any]] = _manifest(path)["files"]
    found = _digests(path)
    found.pop(MANIFEST, None)
    names = sorted(listed.keys() | found.keys())
    return [name for name in names if listed.get(name) != found.get(name)]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputRefused(
            "not-a-store", f"{path} holds no finished core store (no {MANIFEST}); import the core again.", [path]
        ) from error
    except ValueError as error:
        raise Damaged("store-damaged", f"{path / MANIFEST} is not readable: {error}.", [path / MANIFEST]) from error
    said = manifest.pop("digest", None) if isinstance(manifest, dict) else None
    if said is None or said != digest_json(manifest):
        raise Damaged(
            "store-damaged", f"{path / MANIFEST} is not as it was written; import the core again.", [path / MANIFEST]
        )
    return {**manifest, "digest": said}


def _as_written(path: Path, manifest: dict[str, Any]) -> None:
    """What the chunks' checksums cannot tell: a chunk that is gone reads as fill, and metadata carry no checksum."""
    for name, entry in manifest["files"].items():
        file = path / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise Damaged(
                "store-damaged", f"{path.name}: {name} is missing or has another size than when written.", [file]
            )
        if file.name == METADATA and digest_file(file) != entry["digest"]:
            raise Damaged(
                "store-damaged", f"{path.name}: {name} is not as it was written; import the core again.", [file]
            )


def _digests(path: Path, writer: Writer | None = None) -> Files:
    """Size and digest of every file; those a writer wrote are not read again."""
    written = {} if writer is None else writer.written()
    known = {name: {"bytes": one.size, "digest": one.digest} for name, one in written.items()}
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return {name: known.get(name) or _entry(path / name) for name in names}


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "digest": digest_file(path)}


def _write_levels(group: zarr.Group, filled: tuple[ValueVolume, int], thick: int, writer: Writer) -> int:
    """Write the pyramid of values and their fill, each level every second row and column of the one before; how many levels."""
    level = 0
    values, fill = filled
    while True:
        create_array(group, str(level), (values.shape, values.dtype), fill, thick).write(values, writer)
        level += 1
        if max(values.shape[1:]) <= SMALLEST_LEVEL:
            return level
        values = values[:, ::2, ::2]


def describe(root: zarr.Group, volume: Volume, levels: int) -> zarr.Group:
    """Write the metadata of a store; returns the group in which its mask belongs."""
    labels = root.create_group("labels")
    labels.attrs["ome"] = {"version": "0.5", "labels": ["valid"]}
    group = labels.create_group("valid")
    scales = _multiscales(volume, levels)
    group.attrs["ome"] = {**scales, "image-label": {"source": {"image": "../../"}}}
    root.attrs.update({"ome": scales, "soilscope": _own_attributes(volume)})
    return group


@dataclass(frozen=True, slots=True)
class Stored:
    """An array of a store whose metadata are written: its name below the store, and its layout."""

    name: str
    layout: Layout

    def write(self, values: Any, writer: Writer, first: int = 0) -> None:
        """Write its shards, or those from slice ``first`` on, a multiple of the shard's slices."""
        writer.add(self.name, values, self.layout, first)


def create_array(
    group: zarr.Group, name: str, kind: tuple[tuple[int, ...], np.dtype[Any]], fill: int, thick: int
) -> Stored:
    """Metadata by Zarr, for shards by ourselves; ``kind`` is shape and number type, ``thick`` a shard's slices."""
    shape, dtype = kind
    most = (thick, *SHARD[1:])
    z, y, x = (-(-min(s, n) // c) * c for s, n, c in zip(most, shape, CHUNK, strict=True))
    group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=CHUNK,
        shards=(z, y, x),
        fill_value=fill,
        compressors=[
            BloscCodec(cname="zstd", clevel=BLOSC_LEVEL, shuffle="shuffle", typesize=dtype.itemsize),
            Crc32cCodec(),
        ],
        dimension_names=("z", "y", "x"),
    )
    return Stored(f"{group.path}/{name}".lstrip("/"), Layout((z, y, x), CHUNK, fill))


def _multiscales(volume: Volume, levels: int) -> dict[str, Any]:
    dz, dy, dx = volume.spacing_mm
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [dz, dy * 2**level, dx * 2**level]}],
        }
        for level in range(levels)
    ]
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
    return {"version": "0.5", "multiscales": [{"name": volume.core, "axes": axes, "datasets": datasets}]}


def _own_attributes(volume: Volume) -> dict[str, Any]:
    return {
        "core": volume.core,
        "units": volume.units,
        "spacing_mm": list(volume.spacing_mm),
        "findings": notes.to_records(volume.findings),
        "source": dict(volume.source),
        "software": __version__,
    }
