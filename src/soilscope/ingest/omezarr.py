"""OME-Zarr 0.4 and 0.5 (Zarr 2 and 3), plain Zarr arrays, and our own core stores.

Of a multiscale image the level with the most voxels is read. Libraries read a chunk that is not there as fill value
and say nothing, so every chunk is looked for first, those inside shards as well
(https://ngff.openmicroscopy.org/0.5, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from soilscope.ingest.chunks import Presence
from soilscope.ingest.grey import within_limits
from soilscope.ingest.members import Member
from soilscope.ingest.shown import Below, repeated, shown
from soilscope.ingest.units import mm_of, spacing_from
from soilscope.ingest.verdict import refuse
from soilscope.types import BoolVolume, Shape, Spacing

__all__ = ["HeldArray", "Image", "core_attributes", "core_content", "images", "is_core_store", "opened", "roots"]

METADATA = ("zarr.json", ".zgroup", ".zarray")
EMPTY = (1 << 64) - 1
"""Offset and length of an inner chunk that was never written."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a store: its name below the store's root, the array to read, and the axes with their scale."""

    name: str
    array: str
    axes: tuple[str, ...] | None = None
    spacing_mm: Mapping[str, float] | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class HeldArray:
    """An open array as (z, y, x)."""

    values: Any
    shape: Shape
    spacing_mm: Spacing | None
    presence: Presence
    depth: int


def roots(files: Sequence[Path], top: Path) -> list[Path]:
    """The outermost folders that are Zarr stores, those of one name called by their paths below the ``top`` one."""
    folders = sorted({p.parent for p in files if p.name in METADATA}, key=lambda p: len(p.parts))
    found: list[Path] = []
    for folder in folders:
        if not any(folder.is_relative_to(root) for root in found):
            found.append(folder)
    same = repeated(root.name for root in found)
    return [
        Below.of(root, root.relative_to(top).as_posix()) if root.name in same and not isinstance(root, Member) else root
        for root in sorted(found)
    ]


def is_core_store(root: Path) -> bool:
    """Whether a folder is a core store of ours, finished or not."""
    return "soilscope" in _attributes(root)


def core_attributes(root: Path) -> dict[str, Any]:
    """Shape, voxel size (dz, dy, dx) in mm and units of a core store."""
    own = _attributes(root)["soilscope"]
    dz, dy, dx = own["spacing_mm"]
    z, y, x = zarr.open_array(root, path="0", mode="r").shape
    return {"shape": (z, y, x), "spacing_mm": (float(dz), float(dy), float(dx)), "units": own["units"]}


def core_content(root: Path) -> tuple[NDArray[Any], BoolVolume, dict[str, Any]]:
    """Values, mask and what a core store says of itself."""
    group = zarr.open_group(root, mode="r")
    values, valid = (np.asarray(group[name][...]) for name in ("0", "labels/valid/0"))
    return values, valid.astype(np.bool_), dict(group.attrs["soilscope"])


def images(root: Path, files: Collection[Path]) -> list[Image]:
    """The multiscale images of a store, labels left out; a plain array where it holds no image."""
    nodes = sorted({p.parent for p in files if p.name in METADATA})
    found: list[Image] = []
    for node in nodes:
        name = node.relative_to(root).as_posix()
        if "labels" in Path(name).parts or any(_below(name, image.name) for image in found):
            continue
        attributes = _attributes(node)
        ome = attributes.get("ome", attributes)
        scales = ome.get("multiscales") if isinstance(ome, dict) else None
        if isinstance(scales, list):
            found += [_image(root, name, one, ome) for one in scales]
    if found:
        return found
    arrays = [n for n in nodes if _is_array(n)]
    return [Image(n.relative_to(root).as_posix(), n.relative_to(root).as_posix()) for n in arrays]


def _below(name: str, image: str) -> bool:
    return image == "." or name == image or name.startswith(image + "/")


def _is_array(node: Path) -> bool:
    return (node / ".zarray").is_file() or _json(node / "zarr.json").get("node_type") == "array"


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.is_symlink():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _attributes(node: Path) -> dict[str, Any]:
    attributes = _json(node / "zarr.json").get("attributes", {}) or _json(node / ".zattrs")
    return attributes if isinstance(attributes, dict) else {}


def _image(root: Path, name: str, scales: dict[str, Any], ome: dict[str, Any]) -> Image:
    levels = [(str(level["path"]), level) for level in scales["datasets"]]
    for path, _ in levels:
        if path.startswith("/") or ".." in path.split("/"):
            refuse(
                "file-damaged",
                f"{shown(root)}: level {path!r} leads out of the store; save it again with its levels inside.",
                [root],
            )
    base = "" if name == "." else name + "/"
    sizes = [int(np.prod(zarr.open_array(root, path=base + path, mode="r").shape)) for path, _ in levels]
    path, level = levels[int(np.argmax(sizes))]
    axes = [a if isinstance(a, dict) else {"name": a} for a in scales.get("axes", [])]
    names = tuple(str(a["name"]).lower() for a in axes)
    scale, said = np.ones(len(names)), False
    for step in (*level.get("coordinateTransformations", []), *scales.get("coordinateTransformations", [])):
        if step.get("type") == "scale" and len(step["scale"]) == len(names):
            scale, said = scale * np.asarray(step["scale"], dtype=np.float64), True
    units = {n: mm_of(a["unit"]) for n, a in zip(names, axes, strict=True) if a.get("unit")}
    spacing = {n: float(s) * u for n, s in zip(names, scale, strict=True) if said and (u := units.get(n)) is not None}
    version = str(scales.get("version", ome.get("version", "")))
    return Image(name, base + path, names or None, spacing, version)


def opened(root: Path, image: Image, files: Collection[Path]) -> HeldArray:
    """Open the full-resolution array of an image.

    Raises
    ------
    InputRefused
        Codes ``shape`` (several channels or times, or no three axes in space), ``too-large``, ``zarr-index``.
    """
    array = zarr.open_array(root, path="" if image.array == "." else image.array, mode="r")
    label = f"{shown(root)}:{image.array}"
    axes = image.axes if image.axes is not None and len(image.axes) == array.ndim else None
    order = _order(array.shape, axes, label)
    kept = tuple(array.shape[k] for k in order)
    shape = within_limits(kept, label)
    there, chunk = _there(root, image.array, array, files)
    index = tuple(slice(None) if k in order else 0 for k in range(array.ndim))
    grid = there[index].transpose(np.argsort(np.argsort(order)))
    chunk3 = tuple(int(chunk[k]) for k in order)
    presence = Presence(grid, (chunk3[0], chunk3[1], chunk3[2]), shape)
    sizes = image.spacing_mm or {}
    spacing = spacing_from(sizes[axis] for axis in "zyx") if set("zyx") <= set(sizes) else None
    stored = getattr(array, "shards", None) or array.chunks
    return HeldArray(_Seen(array, order, shape), shape, spacing, presence, int(stored[order[0]]))


def _order(shape: tuple[int, ...], axes: tuple[str, ...] | None, label: str) -> tuple[int, int, int]:
    """Which stored axes are z, y and x; all others must have length one."""
    names = axes or tuple("tczyx"[-len(shape) :] if 3 <= len(shape) <= 5 else "")
    if not set("zyx") <= set(names):
        refuse(
            "shape",
            f"{label} has axes {names} of {shape}; a scan has three axes in space (z, y, x): save one volume of them.",
            [label],
        )
    z, y, x = (names.index(axis) for axis in "zyx")
    if any(n != 1 for k, n in enumerate(shape) if k not in (z, y, x)):
        refuse("shape", f"{label} has axes {''.join(names)} of {shape}; keep one channel and one time.", [label])
    return z, y, x


class _Seen:
    """An array as (z, y, x), sliced along z."""

    def __init__(self, array: Any, order: tuple[int, int, int], shape: Shape) -> None:
        self.array, self.order, self.shape, self.dtype = array, order, shape, array.dtype

    def __getitem__(self, z: slice) -> NDArray[Any]:
        index = [slice(None) if k in self.order else 0 for k in range(self.array.ndim)]
        index[self.order[0]] = z
        block = np.asarray(self.array[tuple(index)])
        return (
            block.transpose(np.argsort(np.argsort(self.order)).tolist())
            if self.order != tuple(sorted(self.order))
            else block
        )


def _there(root: Path, path: str, array: Any, files: Collection[Path]) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """For each chunk whether it was written, and the chunks' shape; shards are opened and their index is read."""
    folder = root if path == "." else root / path
    shards = getattr(array, "shards", None)
    outer = shards or array.chunks
    counts = tuple(-(-n // c) for n, c in zip(array.shape, outer, strict=True))
    inner = tuple(s // c for s, c in zip(outer, array.chunks, strict=True))
    there = np.zeros(tuple(n * i for n, i in zip(counts, inner, strict=True)), dtype=np.bool_)
    ending = _shard_index(array, folder) if shards else 0
    for place in np.ndindex(*counts):
        file = folder / array.metadata.encode_chunk_key(place)
        if file not in files:
            continue
        at = tuple(slice(p * i, (p + 1) * i) for p, i in zip(place, inner, strict=True))
        there[at] = _inner(file, inner, ending) if shards else True
    used = tuple(slice(0, -(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True))
    return there[used], array.chunks


def _shard_index(array: Any, folder: Path) -> int:
    """Bytes behind the index of a shard (its checksum); only the index that all writers use can be read.

    Raises
    ------
    InputRefused
        Code ``zarr-index``.
    """
    configuration = array.metadata.to_dict()["codecs"][0]["configuration"]
    codecs = [c["name"] for c in configuration.get("index_codecs", [])]
    if configuration.get("index_location", "end") != "end" or codecs not in (["bytes", "crc32c"], ["bytes"]):
        text = (
            f"{folder.name} keeps the index of its shards in an unusual way ({codecs}); save it again without shards."
        )
        refuse("zarr-index", text, [folder])
    return 4 if "crc32c" in codecs else 0


def _inner(shard: Path, counts: tuple[int, ...], ending: int) -> NDArray[np.bool_]:
    size = 16 * int(np.prod(counts))
    with shard.open("rb") as stream:
        if stream.seek(0, 2) < size + ending:
            refuse("file-cut", f"{shown(shard)} is shorter than a shard's index; copy the store again.", [shard])
        stream.seek(-(size + ending), 2)
        index = stream.read(size)
    pairs = np.asarray(struct.unpack(f"<{size // 8}Q", index), dtype=np.uint64).reshape(*counts, 2)
    return np.asarray((pairs != np.uint64(EMPTY)).all(axis=-1))
