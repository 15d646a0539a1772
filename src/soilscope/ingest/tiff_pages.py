"""Whether a TIFF holds all that it describes: libraries stop at a page that is cut away, and say nothing.

The directories of a TIFF's pages are a chain, each with the place of the next, and zero in the last (TIFF 6.0, section 2; BigTIFF
has longer numbers, https://www.awaresystems.be/imaging/tiff/bigtiff.html).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from soilscope.ingest.limits import MOST_PLANES
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import refuse

__all__ = ["check_whole", "scattered"]


UNDESCRIBED = ("generic", "uniform")
"""What tifffile calls series of pages that nothing in the file describes as one image or several."""


def scattered(tiff: Any) -> tuple[list[Any] | None, int]:
    """Pages of one stack that an open ``tifffile.TiffFile`` keeps apart, and how many images it holds beside its first one.

    Pages that were written one by one, or of which some are compressed in another way than others, are several series to tifffile.
    They are one stack if they are of one size and number type, and nothing says that each is a stack of its own.

    Returns
    -------
    pages : list or None
        In the order of the file; None where the first series is all of the scan.
    beside : int
        Further series that are stacks or pictures of their own, smaller copies left out.
    """
    first = tiff.series[0]
    plane = first.keyframe.shape, first.dtype
    whole = [one for one in tiff.series if not one.keyframe.is_reduced and not one.keyframe.is_subifd]
    alike = [one for one in whole if (one.keyframe.shape, one.dtype) == plane]
    one_stack = all(
        one.kind in UNDESCRIBED or (one.kind == "shaped" and one.size == first.keyframe.size) for one in alike
    )
    if len(alike) < 2 or not one_stack:
        return None, sum(one is not first for one in whole)
    pages = [page for one in alike for page in one.pages]
    return sorted(pages, key=lambda page: int(page.index)), len(whole) - len(alike)


def check_whole(tiff: Any, path: Path) -> None:
    """Follow the chain of an open ``tifffile.TiffFile`` to its end, and look whether uncompressed values reach beyond the file.

    Raises
    ------
    InputRefused
        Codes ``file-cut``; ``file-damaged`` where the chain has no end.
    """
    held = int(tiff.filehandle.size)
    needed = max(_end_of_chain(tiff, path, held), _end_of_values(tiff))
    if needed > held:
        refuse("file-cut", f"{shown(path)} ends at byte {held}, but its pages need {needed}; copy it again.", [path])


def _end_of_chain(tiff: Any, path: Path, held: int) -> int:
    """Where the last directory ends, or one that is not all there."""
    count, entry, place, first = ("Q", 20, "Q", 8) if tiff.is_bigtiff else ("H", 12, "I", 4)
    count, place = tiff.byteorder + count, tiff.byteorder + place
    file, seen = tiff.filehandle, set[int]()
    at = first
    while True:
        end = at + struct.calcsize(place)
        if end > held:
            return end
        file.seek(at)
        directory = int(struct.unpack(place, file.read(struct.calcsize(place)))[0])
        if directory == 0:
            return end
        if directory in seen or len(seen) >= MOST_PLANES:
            refuse("file-damaged", f"{shown(path)}: the chain of its pages has no end; copy it again.", [path])
        seen.add(directory)
        start = directory + struct.calcsize(count)
        if start > held:
            return start
        file.seek(directory)
        at = start + entry * int(struct.unpack(count, file.read(struct.calcsize(count)))[0])


def _end_of_values(tiff: Any) -> int:
    """Where the values of the first and last page end, and those of a stack that lies in one piece."""
    ends = [
        int(offset) + int(length)
        for page in (tiff.pages.first, tiff.pages[-1])
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False)
    ]
    series = tiff.series[0]
    if series.dataoffset is not None:
        ends.append(int(series.dataoffset) + int(series.nbytes))
    return max(ends, default=0)
