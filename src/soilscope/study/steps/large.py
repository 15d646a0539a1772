"""Import of a scan larger than the memory: a few passes over its slices, and never more than a slab of them held.

The first pass finds the core, the last writes the store. Those between measure artefacts, and what the plan asks beyond that (a
common scale, corrections, densities), through the same functions as in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from soilscope import ingest
from soilscope.core.looks import LargeCore, core_of_looks
from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.progress import Say
from soilscope.types import Shape
from soilscope.volume import Volume, write_planes, write_store
from soilscope.volume.planes import LazyPlanes

__all__ = ["Asked", "keep_large"]

Range = tuple[int, int]
Box = tuple[Range, Range, Range]
Plane = tuple[NDArray[Any], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the plan says: the core's name, how its soil is found (None takes the scan as it is), and the window.

    ``told`` are findings of the plan's own, such as inputs that changed. ``seen`` is shown the whole slices that were looked
    at, as read and with the soil found in them, before the store is written. ``make`` turns scan and core, whose planes are
    made when asked for, into the core that is kept; None keeps the values as they were scanned.
    """

    core: str
    find: Callable[[Volume], Volume] | None
    window: Shape | None
    told: tuple[Finding, ...] = ()
    seen: Callable[[Volume, Volume], None] = lambda _scan, _found: None
    make: Callable[[Volume, Volume], Volume] | None = None


def keep_large(path: Path, opened: ingest.OpenScan, asked: Asked, say: Say) -> None:
    """Look through a scan, find its soil, and write its store plane by plane.

    A window is cut out and held in memory.

    Raises
    ------
    InputRefused
        What reading the scan whole, or finding its core, would refuse.
    """
    with opened.streamed(lambda done, of: say(done, 2 * of, "looking through the slices")) as scan:
        about, core, ends = _found(scan, asked)
        scan = replace(scan, tall=_dropped(scan.tall), wide=_dropped(scan.wide))
        depth = scan.about.shape[0]
        whole, found = _by_planes(scan, about, core)
        if asked.make is not None:
            say(depth, 2 * depth, "measuring the core")
            found = asked.make(whole, found)
            about = replace(about, findings=found.findings, source=found.source)
        about = about if ends == (0, depth) else about.crop(z=ends)

        def planes(box: Box) -> Iterator[Plane]:
            for k in range(*box[0]):
                say(depth + k, 2 * depth, "writing the store")
                rows, columns = slice(*box[1]), slice(*box[2])
                yield found.values[k][rows, columns], found.valid[k][rows, columns]

        if asked.window is None:
            write_planes(path, about, planes(_box(about)))
        else:
            write_store(path, _window(about, core, asked.window, planes))


def _by_planes(scan: ingest.LargeScan, about: Volume, core: LargeCore | None) -> tuple[Volume, Volume]:
    """The scan and the core in it, planes read when asked for: each pass over them reads the files once."""

    def soil(k: int) -> NDArray[np.bool_]:
        values, valid = read[k]
        return valid if core is None else np.asarray(valid & core.inside(k, values))

    shape, dtype, bits = about.shape, about.values.dtype, np.dtype(np.bool_)
    read: Any = LazyPlanes(shape, dtype, cast(Any, scan.plane))  # pairs of values and mask
    values, scanned = LazyPlanes(shape, dtype, lambda k: read[k][0]), LazyPlanes(shape, bits, lambda k: read[k][1])
    whole = replace(about, values=values.as_array(), valid=scanned.as_array())
    return whole, replace(whole, valid=LazyPlanes(shape, bits, soil).as_array())


def _found(scan: ingest.LargeScan, asked: Asked) -> tuple[Volume, LargeCore | None, Range]:
    """The scan under its core's name, where the soil is, and its first slice and the one after its last."""
    about = replace(scan.about, core=asked.core).with_findings(*asked.told)
    core, ends = None, scan.filled
    if asked.find is None:
        asked.seen(scan.wide, scan.wide)
    else:
        core = core_of_looks(scan.tall, scan.wide, scan.wide_step, _shown(asked.find, scan.wide, asked.seen))
        beside = [f for f in about.findings if f not in scan.wide.findings]  # the others went through the search
        about = replace(about, findings=(*beside, *core.findings), source={**about.source, "soil": core.soil})
        ends = core.top, core.bottom
    if ends[1] == 0:
        raise InputRefused("no-soil", f"core {asked.core!r}: no voxel of the scan is valid.")
    return about, core, ends


def _shown(
    find: Callable[[Volume], Volume], wide: Volume, seen: Callable[[Volume, Volume], None]
) -> Callable[[Volume], Volume]:
    """The same search; what it finds in whole slices is shown on the way."""

    def found(look: Volume) -> Volume:
        core = find(look)
        if look is wide:
            seen(look, core)
        return core

    return found


def _dropped(look: Volume) -> Volume:
    """The looks are done with, and are the largest things in memory."""
    return replace(look, values=look.values[:0].copy(), valid=look.valid[:0].copy())  # a view would hold it all


def _box(about: Volume) -> Box:
    """The part of the scan that is left after all crops, in the scan's own voxels."""
    corner = np.zeros(3, int)
    for crop in about.source.get("crops", []):
        corner += [first for first, _ in crop]
    z, y, x = ((int(low), int(low) + n) for low, n in zip(corner, about.shape, strict=True))
    return z, y, x


def _window(about: Volume, core: LargeCore | None, size: Shape, planes: Callable[[Box], Iterable[Plane]]) -> Volume:
    """The plan's inner box, placed by outlines alone and then filled; asked for its own size, it says what lies beyond the soil."""
    whole = about
    if core is not None:
        sides = [
            _widened(of, least, most) for of, least, most in zip(core.extent, size[1:], about.shape[1:], strict=True)
        ]
        about = about.crop(y=sides[0], x=sides[1])
    cut = about.inner(size)
    filled = [(values.copy(), valid) for values, valid in planes(_box(cut))]
    values, valid = (np.stack(arrays) for arrays in zip(*filled, strict=True))
    return replace(replace(cut, values=values, valid=valid, findings=whole.findings).inner(size), source=cut.source)


def _widened(of: tuple[int, int], least: int, most: int) -> tuple[int, int]:
    """A range of at least so many voxels around the middle of another, inside all there are."""
    first, end = of
    lack = max(0, min(least, most) - (end - first))
    first = min(max(0, first - lack // 2), most - (end - first) - lack)
    return first, first + (of[1] - of[0]) + lack
