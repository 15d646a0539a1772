"""Masks made elsewhere (ilastik, nnU-Net, Fiji, Slicer), proved to lie on the scan's grid before they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from soilscope.errors import InputRefused
from soilscope.ingest.candidates import Candidate, Options
from soilscope.ingest.limits import SPACING_SHARE
from soilscope.ingest.read import OpenScan
from soilscope.ingest.sources import Source, opened
from soilscope.ingest.verdict import refuse
from soilscope.types import BoolVolume, LabelVolume, Shape, Spacing
from soilscope.volume import Volume
from soilscope.volume.slabs import outline

__all__ = ["check_label_grid", "check_not_turned", "label_values", "read_labels"]

HALF_VOXEL = 0.5
"""A mask whose first voxel lies further off than this is on another grid."""

TELLING = 0.38
HALF = 0.5
"""Turned over, the values must tell this share of what the classes are, and as they are less than half of that.

Measured where classes meet: masks of classes of values have 0.43 and more in eight scans (0.36 with noise of 400 HU), and
turned over 0.00 to 0.22. Regions drawn by hand (boxes, balls, layers, sheaths) stay below it whichever way they lie, save
boxes in one coarse scan of 16 slices: 16 of 250 of these are refused.
"""

BINS = 16
"""Ranges of values, each with as many voxels, in which classes are looked for."""

BESIDE = (1, 2)
"""Voxels from another class up to which classes meet."""

LEAST_BESIDE = 200
"""Voxels where classes meet, of those compared, below which all is chance."""

MOST_COMPARED = (96, 128, 128)
"""Slices, rows and columns compared, evenly spaced."""

LEAST_UNLIKE = 0.01
"""Where the ways differ in less than this share of the voxels, all are compared."""

AROUND = 2
"""Classes that leave most of the soil out are compared with as many voxels around them."""

FLIPS = {
    "z": (0,),
    "y": (1,),
    "x": (2,),
    "z and y": (0, 1),
    "z and x": (0, 2),
    "y and x": (1, 2),
    "z, y and x": (0, 1, 2),
}


def _ways(like: Volume) -> dict[str, Callable[[NDArray[Any]], NDArray[Any]]]:
    """Ways a mask is turned on its way through other programs, by name; quarter turns where slices have as many rows as columns."""
    ways: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        f"turned over along {axes}": partial(np.flip, axis=flip) for axes, flip in FLIPS.items()
    }
    if like.shape[1] == like.shape[2]:
        ways |= {
            "turned by a quarter in its slices": partial(np.rot90, k=1, axes=(1, 2)),
            "turned by three quarters in its slices": partial(np.rot90, k=3, axes=(1, 2)),
            "with y and x exchanged": partial(np.transpose, axes=(0, 2, 1)),
            "with y and x exchanged and turned over": lambda mask: np.flip(mask.transpose(0, 2, 1), (1, 2)),
        }
    return ways


def read_labels(path: str | Path, like: Volume) -> LabelVolume:
    """Read a label volume and check it against the scan it belongs to.

    Parameters
    ----------
    path : path
        TIFF stack or file, NIfTI, NRRD, npy or npz; whole numbers 0 (outside) to 255.
    like : Volume
        The scan.

    Returns
    -------
    uint8 array, shape (z, y, x)

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-spacing``, ``labels-grid`` (it lies elsewhere in mm, or at an angle), ``labels-flipped``
        (it would fit if turned over, which is never done in silence), ``labels-values`` (no whole numbers from 0 to 255),
        ``labels-ambiguous``.
    """
    path = Path(path)
    labels, grid, stated = _read(path, like)
    _same_place(grid, stated, like, path)
    check_not_turned(labels, like, path.name, stated)
    return labels


def _read(path: Path, like: Volume | None) -> tuple[LabelVolume, Any, Spacing | None]:
    """Labels of a scan's size, where the file says they lie, and the voxel size it states.

    The size is not compared where nobody knows the scan's.
    """
    stated = _compared_by_header(path, like)
    spacing = stated or (like.spacing_mm if like is not None else (1.0, 1.0, 1.0))
    with opened(path, Options(spacing_mm=spacing, labels=True)) as source:
        chosen = _only(source, path)
        if chosen.refusal is not None:
            raise chosen.refusal
        mask = chosen.load()
    return _whole(mask.values, path), mask.source.get("grid"), stated


def _compared_by_header(path: Path, like: Volume | None) -> Spacing | None:
    """The voxel size the labels state, their size and it compared with the scan's where both are known."""
    with opened(path, Options(labels=True)) as source:
        chosen = _only(source, path)
        stated = None if chosen.refusal else chosen.spacing_mm
        if chosen.shape is not None and like is not None:
            _same_shape(chosen.shape, stated, like, path)
        if stated is not None and like is not None:
            _same_spacing(stated, like, path)
    return stated


def check_label_grid(path: str | Path, scan: OpenScan) -> None:
    """Compare number of voxels and voxel size of a label volume with those of a scan, by the headers of both.

    Where the labels lie in mm and whether they are turned over, :func:`read_labels` compares, which needs the voxels.

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-spacing``, ``labels-ambiguous``.
    """
    _compared_by_header(Path(path), _grid_of(scan))


def _grid_of(scan: OpenScan) -> Volume | None:
    shape, spacing = scan.chosen.shape, scan.chosen.spacing_mm
    return None if shape is None or spacing is None else Volume(*outline(shape, np.dtype(np.int16)), spacing, "grey")


def label_values(path: str | Path, scan: OpenScan) -> tuple[int, ...]:
    """The classes a label volume holds, its size compared with a scan whose voxels are not read.

    Parameters
    ----------
    path : path
        As for :func:`read_labels`.
    scan : OpenScan
        What the labels are of.

    Returns
    -------
    tuple of int
        Values above 0, ascending.

    Raises
    ------
    InputRefused
        Codes ``labels-shape``, ``labels-spacing``, ``labels-values``, ``labels-ambiguous``, and what reading the file refuses.
    """
    labels, _, _ = _read(Path(path), _grid_of(scan))
    return tuple(int(value) for value in np.unique(labels) if value)


def check_not_turned(
    labels: LabelVolume, like: Volume, name: str = "the label array", spacing_mm: Spacing | None = None
) -> None:
    """Refuse labels on the scan's grid that fit it only turned over.

    Parameters
    ----------
    labels : uint8 array, shape (z, y, x)
    like : Volume
        The scan, of the same shape.
    name : str
        What a refusal calls them.
    spacing_mm : (dz, dy, dx), optional
        The voxel size they state; None, as for an array, where they state none.

    Raises
    ------
    InputRefused
        Code ``labels-flipped``, naming the axes, or the turn.
    """
    way = _inside(labels, like) or _meaningful(labels, like)
    if way is not None:
        _flipped(name, way, spacing_mm, like)


def _only(source: Source, path: Path) -> Candidate:
    """The one volume at a path."""
    chosen = source.candidates
    if not chosen and source.broken:
        raise source.broken[0]
    if len(chosen) != 1:
        refuse(
            "labels-ambiguous",
            f"{path.name} holds {len(chosen)} volumes; name the file of the one label volume.",
            [path],
        )
    return chosen[0]


def _grids(name: str, shape: Shape, spacing: Spacing | None, like: Volume) -> str:
    own = " (voxel size not stated)" if spacing is None else f" of {' x '.join(f'{s:g}' for s in spacing)} mm"
    scan = " x ".join(f"{s:g}" for s in like.spacing_mm)
    return (
        f"{name} is {' x '.join(map(str, shape))} voxels{own}, the scan {' x '.join(map(str, like.shape))} voxels "
        f"of {scan} mm (z, y, x)"
    )


def _same_shape(shape: Shape, spacing: Spacing | None, like: Volume, path: Path) -> None:
    if tuple(shape) == like.shape:
        return
    turned = sorted(shape) == sorted(like.shape)
    hint = (
        "its axes seem to be in another order; save it as (z, y, x)" if turned else "export it on the scan's own grid"
    )
    refuse("labels-shape", f"{_grids(path.name, shape, spacing, like)}; {hint}.", [path])


def _same_spacing(spacing: Spacing, like: Volume, path: Path) -> None:
    if not np.allclose(spacing, like.spacing_mm, rtol=SPACING_SHARE, atol=0):
        text = f"{_grids(path.name, like.shape, spacing, like)}; export it on the scan's own grid."
        refuse("labels-spacing", text, [path])


def _whole(values: NDArray[Any], path: Path) -> LabelVolume:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or (values.dtype.kind == "f" and not np.array_equal(values, np.rint(values))):
        text = f"{path.name} holds values from {low:g} to {high:g}; labels are whole numbers from 0 (outside) to 255: save it so."
        refuse("labels-values", text, [path])
    return values.astype(np.uint8)


def _same_place(grid: Any, stated: Spacing | None, like: Volume, path: Path) -> None:
    """Where both say how they lie in the patient, their first voxels must coincide."""
    scan = like.source.get("grid")
    if not grid or not scan:
        return
    axes = ("down", "column", "row")
    cosines = [float(np.dot(grid[a], scan[a])) for a in axes]
    reversed_axes = [name for name, cosine in zip("zyx", cosines, strict=True) if cosine < 0]
    if min(map(abs, cosines)) < 1 - 1e-3:
        refuse("labels-grid", f"{path.name} lies at an angle to the scan; export it on the scan's own grid.", [path])
    first = np.asarray(scan["origin_mm"], dtype=float)
    for crop in like.source.get("crops", []):
        for k, axis in enumerate(axes):
            first = first + crop[k][0] * like.spacing_mm[k] * np.asarray(scan[axis])
    offset = np.asarray(grid["origin_mm"]) - first
    shift = [float(offset @ np.asarray(scan[a])) / s for a, s in zip(axes, like.spacing_mm, strict=True)]
    if reversed_axes:
        _flipped(path.name, "turned over along " + " and ".join(reversed_axes), stated, like)
    if max(map(abs, shift)) > HALF_VOXEL:
        moved = ", ".join(f"{s:.1f}" for s in shift)
        text = f"{path.name} starts {moved} voxels (z, y, x) away from the scan's first voxel; export it on the scan's grid."
        refuse("labels-grid", text, [path])


def _inside(labels: LabelVolume, like: Volume) -> str | None:
    """How a mask was turned on its way that leaves the soil, but not when turned; None where the soil does not tell."""
    if like.valid.all() or _outside(labels, like) == 0:
        return None
    return next((way for way, turn in _ways(like).items() if _outside(turn(labels), like) == 0), None)


def _meaningful(labels: LabelVolume, like: Volume) -> str | None:
    """How a mask was turned on its way, as its values tell, or None.

    Classes differ in their values; a mask whose classes only do so when turned over was turned over on its way.
    They are compared where they meet: the parts of a core differ as well, and a region drawn by hand fits one of its mirror
    images better than itself by chance, but at no border of such a region do the values change.
    """
    step = tuple(-(-n // most) for n, most in zip(like.shape, MOST_COMPARED, strict=True))
    thin = tuple(slice(None, None, n) for n in step)
    ways = _ways(like)
    turned = {way: turn(labels)[thin] for way, turn in ways.items()}
    compared = _compared(labels[thin], turned)
    meet = _meeting(labels)
    for way, turn in ways.items():
        where = compared[way] & like.valid[thin]
        best = _told(like.values[thin], turned[way], where & turn(meet)[thin])
        own = _told(like.values[thin], labels[thin], where & meet[thin])
        there = where & turn(meet)[thin]
        if best >= TELLING and own < HALF * best and _everywhere(like.values[thin], turned[way], there):
            return way
    return None


def _everywhere(values: NDArray[Any], labels: LabelVolume, where: BoolVolume) -> bool:
    """Whether values tell the classes in each half of the mask, along each axis, and not at one side of a region by chance."""
    if not _in_slices(labels, where):
        return False
    for axis, places in enumerate(np.nonzero(where)):
        middle = int(np.median(places))
        for half in (slice(None, middle), slice(middle, None)):
            part = np.moveaxis(np.zeros_like(where), axis, 0)
            part[half] = np.moveaxis(where, axis, 0)[half]
            there = np.moveaxis(part, 0, axis)
            if np.count_nonzero(there) >= LEAST_BESIDE and _told(values, labels, there) < HALF * TELLING:
                return False
    return True


def _in_slices(labels: LabelVolume, where: BoolVolume) -> bool:
    """Whether classes meet within slices as well: a layer drawn by hand fits some step between two slices by chance."""
    mixed = sum(
        np.count_nonzero(there)
        for plane, there in zip(labels, where, strict=True)
        if np.ptp(plane[there] if there.any() else 0)
    )
    return bool(mixed >= HALF * np.count_nonzero(where))


def _meeting(labels: LabelVolume) -> BoolVolume:
    """Voxels with another class not far along an axis."""
    meet = np.zeros(labels.shape, np.bool_)
    for axis in range(3):
        along, beside = np.moveaxis(labels, axis, 0), np.moveaxis(meet, axis, 0)
        for far in BESIDE:
            other = along[far:] != along[:-far]
            beside[far:] |= other
            beside[:-far] |= other
    return meet


def _compared(own: LabelVolume, turned: Mapping[str, LabelVolume]) -> dict[str, BoolVolume]:
    """Where classes are compared with those of each way, without the air and the tube outside.

    Most of what is labelled one way or another is labelled in all of them: the voxels that are, for there all differences are
    those between classes; of these not the tube, the air and whatever else has one class whichever way the mask is turned, which
    fits all ways alike. Or most is labelled both as it is and turned, as in a core that stands to one side. Otherwise the
    labelled voxels and what lies around them.
    """
    every: BoolVolume = np.logical_and.reduce([own > 0, *(way > 0 for way in turned.values())])
    some: BoolVolume = np.logical_or.reduce([own > 0, *(way > 0 for way in turned.values())])
    if _mostly(every, some, own):
        unlike = every & np.logical_or.reduce([way != own for way in turned.values()])
        told = unlike if np.count_nonzero(unlike) > LEAST_UNLIKE * np.count_nonzero(every) else every
        return dict.fromkeys(turned, told)
    around: BoolVolume = np.asarray(ndimage.binary_dilation(some, iterations=AROUND), np.bool_)
    both = {way: (own > 0) & (other > 0) for way, other in turned.items()}
    return {
        way: both[way] if _mostly(both[way], (own > 0) | (other > 0), own) else around for way, other in turned.items()
    }


def _mostly(both: BoolVolume, some: BoolVolume, labels: LabelVolume) -> bool:
    """Whether most of what is labelled in some way is so in both, with more than one class."""
    return bool(np.count_nonzero(both) > HALF * np.count_nonzero(some) and np.ptp(labels[both]) > 0)


def _told(values: NDArray[Any], labels: LabelVolume, where: BoolVolume) -> float:
    """Share of the classes' entropy that the values tell (their mutual information), 0 to 1: 1 where each value has one class.

    Unlike a share of variance it also knows a class whose values lie between those of its neighbours.
    """
    there, of = values[where], labels[where]
    if there.size < LEAST_BESIDE:
        return 0.0
    binned = np.searchsorted(np.quantile(there, np.linspace(0, 1, BINS + 1)[1:-1]), there)
    joint = np.bincount(binned * 256 + of, minlength=BINS * 256).reshape(BINS, 256) / of.size
    classes = _entropy(joint.sum(axis=0))
    if classes == 0:
        return 0.0
    return (_entropy(joint.sum(axis=1)) + classes - _entropy(joint)) / classes


def _entropy(shares: NDArray[np.float64]) -> float:
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def _outside(labels: LabelVolume, like: Volume) -> int:
    return int(np.count_nonzero((labels > 0) & ~like.valid))


def _flipped(name: str, way: str, stated: Spacing | None, like: Volume) -> None:
    raise InputRefused(
        "labels-flipped",
        f"{_grids(name, like.shape, stated, like)}: it fits only if {way}. It is not turned in silence; turn "
        "it in the program it comes from.",
        [name],
    )
