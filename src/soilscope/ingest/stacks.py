"""Stacks of pictures: a folder of TIFF or PNG slices in the natural order of their names, or one multi-page TIFF."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.decode import content
from soilscope.ingest.discover import natural
from soilscope.ingest.grey import as_volume, keepable, plausible
from soilscope.ingest.limits import MOST_VOXELS
from soilscope.ingest.numbering import Numbers, numbered, split
from soilscope.ingest.pictures import Picture, opened, picture_of
from soilscope.ingest.planes import Planes, feed
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import note, parsing, refuse
from soilscope.types import Spacing
from soilscope.volume import Volume

__all__ = ["PICTURE", "candidates"]

PICTURE = "a picture, not a stack of slices"
"""The kind of single or coloured pictures, which are no scan beside one."""

TOP_ASSUMED = note("top-assumed", "the first slice was taken for the top of the core; check it.")


@dataclass(frozen=True, slots=True)
class _Stack:
    """Pictures of one stack in their order, with the planes they are, and why they cannot be read."""

    pictures: tuple[Picture, ...]
    numbers: Numbers
    kind: str
    refusal: InputRefused | None = None

    @property
    def count(self) -> int:
        """Planes, those of missing files included."""
        return self.numbers.count if self.numbers.gaps else sum(one.pages for one in self.pictures)

    @property
    def slices(self) -> tuple[str, ...]:
        """The file of each plane, nothing where it is missing; the name of the only file."""
        named = dict(zip(self.numbers.index, (shown(one.path) for one in self.pictures), strict=True))
        return tuple(named.get(k, "") for k in range(self.count if len(named) > 1 else 1))

    @property
    def coloured(self) -> bool:
        """Whether it is of colour pictures alone."""
        return not self.pictures and self.refusal is not None and self.refusal.code == "colour"

    def is_scan(self, planes: Collection[tuple[Any, ...]]) -> bool:
        """Whether it may be a scan beside others: no colour pictures, and no single one unlike the ``planes`` of stacks here.

        A single slice as large as those of a stack may belong to it and be misnamed, or lie in the wrong folder.
        """
        if self.coloured:
            return False
        return self.refusal is not None or self.count > 1 or self.pictures[0].plane in planes

    def missing(self, options: Options, dz: float | None) -> Finding | None:
        """What to say of missing files; a refusal unless they are to be marked."""
        return self.numbers.finding([shown(one.path) for one in self.pictures], dz, options.on_gap)


def candidates(paths: Iterable[Path], root: Path, options: Options) -> list[Candidate]:
    """Stacks among some TIFF and PNG files: one a multi-page file, one the single pages in a folder whose names are alike."""
    single: dict[tuple[Path, str], list[tuple[Path, Picture | InputRefused]]] = defaultdict(list)
    found: list[tuple[_Stack, str]] = []
    for path in paths:
        kind = "PNG" if path.suffix.lower() == ".png" else "TIFF"
        try:
            picture = picture_of(path)
        except InputRefused as error:
            single[path.parent, kind].append((path, error))
            continue
        if picture.pages > 1:
            found.append((_Stack((picture,), Numbers((0,)), kind), shown(path)))
        else:
            single[path.parent, kind].append((path, picture))
    for (folder, kind), files in sorted(single.items(), key=lambda item: natural(item[0][0])):
        files.sort(key=lambda one: natural(one[0].name))
        label = folder.relative_to(root).as_posix() if folder != root else root.name
        stacks = split([path.stem for path, _ in files])
        mixed = (folder, "TIFF" if kind == "PNG" else "PNG") in single
        for called, places in stacks:
            stack = _stack([files[at] for at in places], kind)
            name = label
            if len(places) == 1 and (stack.refusal is None or stack.coloured or len(stacks) > 1):
                name = shown(files[places[0]][0])
            elif len(stacks) > 1 or mixed:
                name = ("" if folder == root else f"{label}/") + called + (f".{kind[:3].lower()}" if mixed else "")
            found.append((stack, name))
    planes = {stack.pictures[0].plane for stack, _ in found if len(stack.pictures) > 1}
    return [_candidate(stack, name, options, "" if stack.is_scan(planes) else PICTURE) for stack, name in found]


def _stack(files: Sequence[tuple[Path, Picture | InputRefused]], kind: str) -> _Stack:
    pictures = tuple(one for _, one in files if isinstance(one, Picture))
    plain = Numbers(tuple(range(len(pictures))))
    damaged = [one for _, one in files if isinstance(one, InputRefused)]
    if damaged:
        return _Stack(pictures, plain, kind, damaged[0])
    try:
        names = [shown(one.path) for one in pictures]
        return _Stack(pictures, numbered([one.path.stem for one in pictures], names), kind)
    except InputRefused as error:
        return _Stack(pictures, plain, kind, error)


def _candidate(stack: _Stack, name: str, options: Options, kind: str) -> Candidate:
    pictures, refusal = stack.pictures, stack.refusal
    shape, spacing = None, None
    findings: tuple[Finding, ...] = pictures[0].findings if pictures else ()
    if pictures:
        shape = (stack.count, pictures[0].rows, pictures[0].columns)
        spacing = options.spacing_mm or _stated(pictures)
    try:
        if refusal is not None:
            raise refusal
        _uniform(pictures, stack.count)
        missing = stack.missing(options, spacing[0] if spacing else None)
        findings = (*findings, *([missing] if missing else []))
        keepable(pictures[0].dtype, name)
        there = sum(p.pages for p in pictures) * math.prod((shape or ())[1:])
        plausible(there * pictures[0].dtype.itemsize, [p.path for p in pictures], name)
        if spacing is None:
            _needs_spacing(pictures, name)
    except InputRefused as error:
        refusal = error
    return Candidate(
        name,
        stack.kind,
        lambda: _load(stack, name, options),
        shape,
        spacing,
        options.units or "grey",
        findings=findings,
        refusal=refusal,
        planes=lambda: _planes(stack, options),
        packed=any(p.packed for p in pictures),
        kind=kind,
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


def _uniform(pictures: Sequence[Picture], count: int) -> None:
    first = pictures[0]
    for one in pictures[1:]:
        if one.plane != first.plane:
            refuse(
                "mixed-size",
                f"{shown(one.path)} is {one.rows} x {one.columns} {one.dtype}, {shown(first.path)} {first.rows} x {first.columns} "
                f"{first.dtype}; take out what is no slice of this stack.",
                [one.path, first.path],
            )
    if count * first.rows * first.columns > MOST_VOXELS:
        refuse(
            "too-large",
            f"the stack of {shown(first.path)} has more than {MOST_VOXELS} voxels; save it in parts.",
            [first.path],
        )


def _load(stack: _Stack, name: str, options: Options) -> Volume:
    with _planes(stack, options) as planes:
        values = np.empty(planes.shape, dtype=planes.dtype)
        present = None if planes.present is None else np.stack([planes.present(k) for k in range(planes.shape[0])])
        digest = hashlib.sha256()
        for k, plane in enumerate(planes.each(digest)):
            values[k] = plane
    source = {**planes.source, "input_digest": "sha256:" + digest.hexdigest()}
    return as_volume(values, planes.stated, options, name, source, present, planes.slices).with_findings(
        *planes.findings
    )


@contextlib.contextmanager
def _planes(stack: _Stack, options: Options) -> Iterator[Planes]:
    """The planes of a stack; a file of several pages stays open for as long as they are used."""
    pictures = stack.pictures
    first, stated = pictures[0], _stated(pictures)
    spacing = options.spacing_mm or stated
    missing = stack.missing(options, spacing[0] if spacing else None)
    starts = stack.numbers.index if missing else np.cumsum([0, *(one.pages for one in pictures[:-1])])
    at_plane = {int(start) + k: (at, k) for at, start in enumerate(starts) for k in range(pictures[at].pages)}
    shape = (stack.count, first.rows, first.columns)
    nothing = np.zeros(shape[1:], first.dtype)
    nothing.flags.writeable = False
    with contextlib.ExitStack() as files:
        held: dict[int, Any] = {}

        def plane(k: int) -> NDArray[Any]:
            return page(*at_plane[k]) if k in at_plane else nothing

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
            for k in range(shape[0]):
                at, row = at_plane.get(k, (-1, 0))
                if at < 0:
                    yield nothing
                    continue
                raw = content(pictures[at].path) if pictures[at].pages == 1 else None
                if raw is not None:
                    digest.update(raw)
                elif row == 0:
                    feed([pictures[at].path], digest)
                yield page(at, row, raw)

        def present(k: int) -> NDArray[np.bool_]:
            return np.full(shape[1:], k in at_plane)

        yield Planes(
            shape,
            first.dtype,
            plane,
            each,
            stated,
            present if missing else None,
            source={"format": stack.kind},
            findings=(
                *first.findings,
                *([missing] if missing else []),
                *([TOP_ASSUMED] if shape[0] > 1 else []),
            ),
            slices=stack.slices,
        )


def _whole(one: Picture) -> contextlib.AbstractContextManager[None]:
    text = f"{shown(one.path)} is cut or damaged ({{error}}); copy it again from the scanner."
    return parsing("file-cut", text, [one.path])
