"""The one decision point: which scan lies at a path, and whether it can be trusted."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding, merge
from soilscope.ingest import stream
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.grey import as_volume
from soilscope.ingest.naming import ids
from soilscope.ingest.sources import Source, opened
from soilscope.ingest.spacing import checked, needed, shorter
from soilscope.ingest.verdict import counted, names, note, refuse
from soilscope.progress import told
from soilscope.types import Shape, Spacing, Units
from soilscope.volume import Volume

__all__ = ["OpenScan", "open_scan", "options_of", "read"]


def read(
    path: str | Path,
    series: str | None = None,
    units: Units | None = None,
    spacing_mm: Spacing | None = None,
    on_gap: str = "refuse",
    shape: Shape | None = None,
    dtype: DTypeLike | None = None,
    length_mm: float | None = None,
) -> Volume:
    """Read a scan into a volume, or refuse it with the reason and the next step.

    Parameters
    ----------
    path : path
        A DICOM series (folder or file), a stack of TIFF or PNG slices, a multi-page TIFF, NIfTI, NRRD, MetaImage, HDF5,
        OME-Zarr, npy, npz, a raw file (with ``shape`` and ``dtype``), or a zip or tar archive of these. What lies in a file may be
        named behind a colon, ``"file.h5:/entry/data"``, in place of ``series``.
    series : str, optional
        Which one, where several lie at the path: an id as ``soilscope inspect`` lists them, a DICOM series UID, the path of a
        data set inside an HDF5 file (``"file.h5:/entry/data"``, ``"/entry/data"`` or ``"entry/data"``), or the name of an array
        in an npz file (``"file.npz:im"`` or ``"im"``).
    units : {"HU", "grey"}, optional
        States what the values are, where the files do not say it or say something else; recorded as a finding.
    spacing_mm : (dz, dy, dx), optional
        States the distance between voxel centres; recorded as a finding where the files say otherwise.
    on_gap : {"refuse", "mark"}
        What to do about missing slices, or chunks that were never written: refuse, or keep them as masked voxels.
    shape, dtype : optional
        For raw files: (z, y, x) and a NumPy number type such as ``"<u2"`` or ``np.uint16``.
    length_mm : float, optional
        How long the core is: a scan that is shorter gets the finding ``shorter-than-stated``.

    Returns
    -------
    Volume
        Values (z, y, x), int16 HU or grey values, the slice at the lowest position first.

    Raises
    ------
    InputRefused
        With a code that says why; nothing is guessed and nothing is written.
    UsageError
        Codes ``units``, ``on-gap``, ``spacing``, ``length``, ``raw``: the call itself is wrong.

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "core.npy"
    >>> np.save(file, np.zeros((4, 3, 2), dtype=np.uint16))
    >>> read(file, spacing_mm=(0.1, 0.05, 0.05)).shape
    (4, 3, 2)
    """
    stated = options_of(units, spacing_mm, on_gap, shape=shape, dtype=dtype, length_mm=length_mm)
    with open_scan(path, series, stated) as scan:
        return scan.read()


@dataclass(frozen=True, slots=True)
class OpenScan:
    """One scan, chosen and judged by its headers, whose voxels are not read yet."""

    source: Source
    chosen: Candidate
    options: Options

    @property
    def large(self) -> bool:
        """Whether it should be, and can be, read plane by plane."""
        shape = self.chosen.shape
        return self.chosen.planes is not None and shape is not None and math.prod(shape) > stream.LARGE_VOXELS

    def read(self) -> Volume:
        """The scan in memory."""
        volume = self.chosen.load(_told) if self.chosen.watched else self.chosen.load()
        return replace(volume, findings=self._told(volume.findings, volume.shape, volume.spacing_mm))

    @contextlib.contextmanager
    def streamed(self, progress: stream.Progress) -> Iterator[stream.LargeScan]:
        """The scan looked through once, and open for reading its planes."""
        if self.chosen.planes is None:
            raise UsageError("not-streamed", f"{self.chosen.format} is not read plane by plane.")
        with self.chosen.planes() as planes:
            yield self._named(
                stream.look_through(planes, self.options, self.chosen.id, progress)
            )  # held by nobody here

    def _named(self, scan: stream.LargeScan) -> stream.LargeScan:
        about = scan.about
        return replace(scan, about=replace(about, findings=self._told(about.findings, about.shape, about.spacing_mm)))

    def sample(self, count: int) -> tuple[Volume, int]:
        """At most so many evenly spaced slices of a scan read plane by plane, the first among them, and their step."""
        if self.chosen.planes is None:
            raise UsageError("not-streamed", f"{self.chosen.format} is not read plane by plane.")
        with self.chosen.planes() as planes:
            step = -(-planes.shape[0] // count)
            chosen = range(0, planes.shape[0], step)
            values = np.stack([planes.plane(k) for k in chosen])
            present = np.stack([planes.present(k) for k in chosen]) if planes.present else None
            spacing, told = needed(planes.stated, self.options.spacing_mm, self.chosen.id)
            wide = (spacing[0] * step, *spacing[1:])
            volume = as_volume(
                values, wide, replace(self.options, spacing_mm=None), self.chosen.id, planes.source, present
            )
            return replace(volume, findings=self._told((*told, *volume.findings), planes.shape, spacing)), step

    def _told(self, findings: Iterable[Finding], shape: Shape, spacing: Spacing) -> tuple[Finding, ...]:
        short = shorter(shape, spacing, self.options.length_mm)
        return merge(self.source.findings, self.chosen.findings, findings, short, _left(self.source, self.chosen))


@contextlib.contextmanager
def open_scan(path: str | Path, series: str | None, options: Options) -> Iterator[OpenScan]:
    """Choose the scan at a path; an archive stays open as long.

    Raises
    ------
    InputRefused
        See :func:`read`.
    """
    with opened(Path(path), options) as source:
        chosen = _choose(source, series)
        if chosen.refusal is not None:
            raise chosen.refusal
        yield OpenScan(source, chosen, options)


def options_of(
    units: Units | None = None,
    spacing_mm: object = None,
    on_gap: str = "refuse",
    *,
    shape: Shape | None = None,
    dtype: DTypeLike | None = None,
    length_mm: float | None = None,
) -> Options:
    """The caller's statements, checked.

    Raises
    ------
    UsageError
        Codes ``units``, ``on-gap``, ``spacing``, ``length``.
    """
    if units not in ("HU", "grey", None):
        raise UsageError("units", f'units must be "HU" or "grey", not {units!r}.')
    if on_gap not in ("refuse", "mark"):
        raise UsageError("on-gap", f'on_gap must be "refuse" or "mark", not {on_gap!r}.')
    if length_mm is not None and not 0 < length_mm < math.inf:
        raise UsageError("length", f"length_mm must be a positive length in mm, not {length_mm!r}.")
    return Options(units, checked(spacing_mm), on_gap, shape, _written(dtype), length_mm)


def _written(dtype: DTypeLike | None) -> str | None:
    """A number type as NumPy writes it, byte order and all; what is none stays as it was said, for the refusal."""
    if dtype is None:
        return None
    try:
        return np.dtype(dtype).str
    except TypeError:
        return str(dtype)


def _choose(source: Source, series: str | None) -> Candidate:
    """The candidate asked for, or the only one that is a scan.

    Raises
    ------
    InputRefused
        Codes ``nothing-readable``, ``no-such-series``, ``ambiguous-series``, or the refusal of the only damaged file.
    """
    listed = source.candidates
    refusal = source.nothing
    if refusal is not None and (series is None or not listed):
        raise refusal
    if series is not None:
        return _only(source.named(series), source)
    scans = [c for c in listed if c.is_scan]
    return _only(scans, source) if scans else _none_a_scan([c for c in listed if c.is_image], source)


def _none_a_scan(images: Sequence[Candidate], source: Source) -> Candidate:
    """The only image, or the refusal of several that are no scan, such as scouts: there is nothing to choose among them."""
    refusals = [c.refusal for c in images if c.refusal is not None]
    if len(images) == 1 or len(refusals) < len(images):
        return _only(images, source)
    first = {one.code: one.text for one in reversed(refusals)}
    text = f"{source.name} holds {len(images)} sets of images and no scan: {' '.join(reversed(first.values()))}"
    raise InputRefused(refusals[0].code, text, names(file for one in refusals for file in one.files))


def _only(named: Sequence[Candidate], source: Source) -> Candidate:
    if len(named) > 1:
        refuse(
            "ambiguous-series",
            f"{source.name} holds {len(named)} scans: {ids(named)}; choose one by its id, or a DICOM one by its series UID: "
            "series=... (--series ID).",
            [source.name],
        )
    return named[0]


def _left(source: Source, chosen: Candidate) -> list[Finding]:
    """What lies beside the chosen scan and was not read."""
    found = []
    others = [c for c in source.candidates if c is not chosen]
    if others:
        found.append(note("other-series", f"not read, beside this scan: {ids(others, [chosen])}."))
    if source.broken:
        text = f"{counted(len(source.broken), 'damaged file')} beside this scan: {source.broken[0].text}"
        found.append(note("damaged-beside", text, [f for e in source.broken for f in e.files]))
    if source.skipped:
        entries = counted(source.skipped, "file or entry that is no scan was", "files or entries that are no scan were")
        found.append(note("skipped", f"{entries} skipped."))
    return found


def _told(done: int, of: int) -> None:
    """Slices that are read."""
    told(done / of)
