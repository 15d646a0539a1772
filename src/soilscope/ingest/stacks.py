"""Stacks of pictures: a folder of TIFF or PNG slices in the natural order of their names, or one multi-page TIFF."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import InputRefused
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.decode import content
from soilscope.ingest.discover import natural
from soilscope.ingest.grey import as_volume, keepable, plausible
from soilscope.ingest.limits import MOST_VOXELS
from soilscope.ingest.pictures import Picture, opened, picture_of
from soilscope.ingest.planes import Planes, feed
from soilscope.ingest.verdict import note, parsing, refuse
from soilscope.types import Spacing
from soilscope.volume import Volume

__all__ = ["candidates"]

LEAST_NUMBERED = 4
"""Fewer files show no usual step."""


TOP_ASSUMED = note("top-assumed", "the first slice was taken for the top of the core; check it.")


def candidates(paths: Iterable[Path], root: Path, options: Options) -> list[Candidate]:
    """Stacks among some TIFF and PNG files: one a multi-page file, one a folder of single pages."""
    single: dict[tuple[Path, str], list[Picture]] = defaultdict(list)
    broken: dict[tuple[Path, str], InputRefused] = {}
    found: list[Candidate] = []
    for path in paths:
        key = (path.parent, path.suffix.lower() if path.suffix.lower() == ".png" else ".tif")
        try:
            picture = picture_of(path)
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
        plausible(math.prod(shape or ()) * pictures[0].dtype.itemsize, [p.path for p in pictures], name)
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
        findings=pictures[0].findings if pictures else (),
        refusal=refusal,
        planes=lambda: _planes(pictures, kind),
        packed=any(p.packed for p in pictures),
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
    with _planes(pictures, kind) as stack:
        values = np.empty(stack.shape, dtype=stack.dtype)
        digest = hashlib.sha256()
        for k, plane in enumerate(stack.each(digest)):
            values[k] = plane
    source = {**stack.source, "input_digest": "sha256:" + digest.hexdigest()}
    return as_volume(values, stack.stated, options, name, source).with_findings(*stack.findings)


@contextlib.contextmanager
def _planes(pictures: Sequence[Picture], kind: str) -> Iterator[Planes]:
    """The planes of a stack; a file of several pages stays open for as long as they are used."""
    first = pictures[0]
    starts = np.cumsum([0, *(one.pages for one in pictures)])
    with contextlib.ExitStack() as files:
        held: dict[int, Any] = {}

        def plane(k: int) -> NDArray[Any]:
            at = int(np.searchsorted(starts, k, side="right")) - 1
            return page(at, k - int(starts[at]))

        def page(at: int, k: int, raw: bytes | None = None) -> NDArray[Any]:
            one = pictures[at]
            with _whole(one):
                if one.pages == 1:
                    with opened(one, content(one.path) if raw is None else raw) as pages:
                        return np.asarray(pages[0])
                if at not in held:
                    held[at] = files.enter_context(opened(one))
                return np.asarray(held[at][k])

        def each(digest: Any) -> Iterator[NDArray[Any]]:
            for at, one in enumerate(pictures):
                raw = content(one.path) if one.pages == 1 else None
                if raw is None:
                    feed([one.path], digest)
                else:
                    digest.update(raw)
                yield from (page(at, k, raw) for k in range(one.pages))

        shape = (int(starts[-1]), first.rows, first.columns)
        yield Planes(
            shape,
            first.dtype,
            plane,
            each,
            _stated(pictures),
            source={"format": kind},
            findings=(*first.findings, *([TOP_ASSUMED] if shape[0] > 1 else [])),
        )


def _whole(one: Picture) -> contextlib.AbstractContextManager[None]:
    text = f"{one.path.name} is cut or damaged ({{error}}); copy it again from the scanner."
    return parsing("file-cut", text, [one.path])
