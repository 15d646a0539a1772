"""Stacks of pictures: a folder of TIFF or PNG slices in the natural order of their names, or one multi-page TIFF."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from soilscope.errors import InputRefused
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.decode import content
from soilscope.ingest.discover import natural
from soilscope.ingest.grey import as_volume, keepable
from soilscope.ingest.limits import MOST_PIXELS, MOST_PLANES, MOST_VOXELS
from soilscope.ingest.tiff_spacing import spacing_of
from soilscope.ingest.verdict import parsing, refuse
from soilscope.types import Spacing
from soilscope.volume import Volume

__all__ = ["candidates"]

LEAST_NUMBERED = 4
"""Fewer files show no usual step."""


logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its words on damaged files come as our refusals


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of a stack: its pages, their size and number type, and the voxel size it states."""

    path: Path
    pages: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    spacing_mm: Spacing | None = None


def candidates(paths: Iterable[Path], root: Path, options: Options) -> list[Candidate]:
    """Stacks among some TIFF and PNG files: one a multi-page file, one a folder of single pages."""
    single: dict[tuple[Path, str], list[Picture]] = defaultdict(list)
    broken: dict[tuple[Path, str], InputRefused] = {}
    found: list[Candidate] = []
    for path in paths:
        key = (path.parent, path.suffix.lower() if path.suffix.lower() == ".png" else ".tif")
        try:
            picture = _picture(path)
        except InputRefused as error:
            broken.setdefault(key, error)
            single[key] = single[key]
            continue
        if picture.pages > 1:
            found.append(_candidate([picture], path.name, options, None))
        else:
            single[key].append(picture)
    for key, pictures in sorted(single.items(), key=lambda item: natural(item[0][0])):
        ordered = sorted(pictures, key=lambda p: natural(p.path.name))
        label = key[0].relative_to(root).as_posix() if key[0] != root else root.name
        if len(ordered) == 1 and key not in broken:
            label = ordered[0].path.name
        found.append(_candidate(ordered, label, options, broken.get(key) or _number_missing(ordered)))
    return found


def _number_missing(ordered: Sequence[Picture]) -> InputRefused | None:
    """Refusal of a stack whose file numbers do not rise evenly: a slice is not here, and depth below it would be wrong."""
    digits = [[int(n) for n in re.findall(r"\d+", p.path.stem)] for p in ordered]
    if len(ordered) < LEAST_NUMBERED or len({len(numbers) for numbers in digits}) > 1:
        return None
    varying = [column for column in zip(*digits, strict=True) if len(set(column)) > 1]
    if len(varying) != 1:
        return None
    steps = np.diff(varying[0])
    usual = int(np.median(steps))
    wrong = np.flatnonzero(steps != usual)
    if not wrong.size or usual < 1:
        return None
    before, after = ordered[int(wrong[0])].path, ordered[int(wrong[0]) + 1].path
    text = (
        f"file numbers rise by {usual}, but by {int(steps[wrong[0]])} from {before.name} to {after.name} (at {wrong.size} "
        "place(s) in all): slices are missing. Put them there; if none is missing, number the files evenly."
    )
    return InputRefused("gap", text, [before, after])


def _picture(path: Path) -> Picture:
    with parsing("file-damaged", f"{path.name} is no readable picture ({{error}}).", [path]):
        return _png_header(path) if path.suffix.lower() == ".png" else _tiff_header(path)


def _tiff_header(path: Path) -> Picture:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        series = tiff.series[0]
        shape = tuple(int(n) for n in series.shape if n != 1) or (1,)
        if page.samplesperpixel != 1 or page.photometric == tifffile.PHOTOMETRIC.RGB:
            refuse("colour", f"{path.name} is a colour picture, not a slice of values.", [path])
        rows, columns = int(page.imagelength), int(page.imagewidth)
        pages = int(np.prod(series.shape, dtype=np.int64)) // max(rows * columns, 1)
        if shape[-2:] != (rows, columns) and pages > 1:
            refuse(
                "shape", f"{path.name} has axes {series.axes} {tuple(series.shape)}; one 3D stack is wanted.", [path]
            )
        if len([n for n in series.shape if n != 1]) > 3:
            text = f"{path.name} has {len(series.shape)} axes ({series.axes}); keep one channel and one time."
            refuse("shape", text, [path])
        return _sized(Picture(path, pages, rows, columns, np.dtype(series.dtype), spacing_of(tiff)))


def _png_header(path: Path) -> Picture:
    with path.open("rb") as stream:
        head = stream.read(26)
    columns, rows = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    depth, colour = head[24], head[25]
    if colour != 0:
        refuse("colour", f"{path.name} is a colour, palette or transparent picture, not a slice of values.", [path])
    return _sized(Picture(path, 1, rows, columns, np.dtype(np.uint16 if depth == 16 else np.uint8)))


def _sized(picture: Picture) -> Picture:
    if not 1 <= picture.rows * picture.columns <= MOST_PIXELS or not 1 <= picture.pages <= MOST_PLANES:
        text = (
            f"{picture.path.name} claims {picture.pages} pages of {picture.rows} x {picture.columns} pixels: too large."
        )
        refuse("too-large", text, [picture.path])
    return picture


def _candidate(pictures: Sequence[Picture], name: str, options: Options, refusal: InputRefused | None) -> Candidate:
    planes = sum(p.pages for p in pictures)
    shape, spacing = None, None
    kind = "PNG" if pictures and pictures[0].path.suffix.lower() == ".png" else "TIFF"
    if pictures:
        shape = (planes, pictures[0].rows, pictures[0].columns)
        spacing = options.spacing_mm or _stated(pictures)
    try:
        if refusal is not None:
            raise refusal
        _uniform(pictures)
        keepable(pictures[0].dtype, name)
        if spacing is None:
            _needs_spacing(pictures, name)
    except InputRefused as error:
        refusal = error
    return Candidate(
        name,
        kind,
        lambda: _load(pictures, name, kind, options),
        shape,
        spacing,
        options.units or "grey",
        refusal=refusal,
    )


def _stated(pictures: Sequence[Picture]) -> Spacing | None:
    """A stack's own voxel size; single pages cannot say how far apart they are."""
    return pictures[0].spacing_mm if len(pictures) == 1 else None


def _needs_spacing(pictures: Sequence[Picture], name: str) -> None:
    hint = ""
    if pictures[0].spacing_mm is not None:
        _, dy, dx = pictures[0].spacing_mm
        hint = f" (the slices say {dy:g} x {dx:g} mm a pixel, but not how far apart they are)"
    refuse(
        "spacing-missing",
        f"{name} does not say how large a voxel is{hint}, and nothing is guessed; give spacing_mm=(dz, dy, dx) "
        "(--spacing-mm DZ,DY,DX) in mm.",
        [pictures[0].path],
    )


def _uniform(pictures: Sequence[Picture]) -> None:
    first = pictures[0]
    for one in pictures[1:]:
        if (one.rows, one.columns, one.dtype) != (first.rows, first.columns, first.dtype):
            refuse(
                "mixed-size",
                f"{one.path.name} is {one.rows} x {one.columns} {one.dtype}, {first.path.name} {first.rows} x {first.columns} "
                f"{first.dtype}; one stack has slices of one size.",
                [one.path, first.path],
            )
    if sum(p.pages for p in pictures) * first.rows * first.columns > MOST_VOXELS:
        refuse("too-large", f"the stack of {first.path.name} has more than {MOST_VOXELS} voxels.", [first.path])


def _load(pictures: Sequence[Picture], name: str, kind: str, options: Options) -> Volume:
    first = pictures[0]
    values = np.empty((sum(p.pages for p in pictures), first.rows, first.columns), dtype=first.dtype)
    digest = hashlib.sha256()
    at = 0
    for one in pictures:
        with parsing(
            "file-cut", f"{one.path.name} is cut or damaged ({{error}}); copy it again from the scanner.", [one.path]
        ):
            values[at : at + one.pages] = _pixels(one, digest)
        at += one.pages
    stated = _stated(pictures)
    return as_volume(values, stated, options, name, {"format": kind, "input_digest": "sha256:" + digest.hexdigest()})


def _pixels(one: Picture, digest: Any) -> np.ndarray[Any, Any]:
    if one.path.suffix.lower() == ".png":
        raw = content(one.path)
        digest.update(raw)
        return np.asarray(imagecodecs.png_decode(raw)).reshape(one.pages, one.rows, one.columns)
    with one.path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    with tifffile.TiffFile(one.path) as tiff:
        return np.asarray(tiff.series[0].asarray()).reshape(one.pages, one.rows, one.columns)
