"""Masks made elsewhere (ilastik, nnU-Net, Fiji, Slicer), proved to lie on the scan's grid before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import InputRefused
from soilscope.ingest.candidates import Options
from soilscope.ingest.limits import SPACING_SHARE
from soilscope.ingest.sources import opened
from soilscope.ingest.verdict import refuse
from soilscope.types import LabelVolume, Shape, Spacing
from soilscope.volume import Volume

__all__ = ["read_labels"]

HALF_VOXEL = 0.5
"""A mask whose first voxel lies further off than this is on another grid."""

TELLING = 0.2
HALF = 0.5
"""Turned over, the classes must explain this share of the values' variance, and as they are less than half of that."""

MOST_COMPARED = (96, 128, 128)
"""Slices, rows and columns compared, evenly spaced."""

FLIPS = {
    "z": (0,),
    "y": (1,),
    "x": (2,),
    "z and y": (0, 1),
    "z and x": (0, 2),
    "y and x": (1, 2),
    "z, y and x": (0, 1, 2),
}


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
    with opened(path, Options(spacing_mm=None)) as source:
        chosen = source.candidates
        if not chosen and source.broken:
            raise source.broken[0]
        if len(chosen) != 1:
            refuse("labels-ambiguous", f"{path.name} holds {len(chosen)} volumes; one label volume is wanted.", [path])
        stated = None if chosen[0].refusal else chosen[0].spacing_mm
        if chosen[0].shape is not None:
            _same_shape(chosen[0].shape, like, path)
        if stated is not None:
            _same_spacing(stated, like, path)
    with opened(path, Options(spacing_mm=stated or like.spacing_mm)) as source:
        if source.candidates[0].refusal is not None:
            raise source.candidates[0].refusal
        mask = source.candidates[0].load()
    labels = _whole(mask.values, path)
    _same_place(mask.source.get("grid"), like, path)
    _inside(labels, like, path)
    _meaningful(labels, like, path)
    return labels


def _grids(path: Path, shape: Shape, spacing: Spacing | None, like: Volume) -> str:
    own = "unstated voxel size" if spacing is None else f"{' x '.join(f'{s:g}' for s in spacing)} mm"
    scan = " x ".join(f"{s:g}" for s in like.spacing_mm)
    return (
        f"{path.name} is {' x '.join(map(str, shape))} voxels of {own}, the scan {' x '.join(map(str, like.shape))} voxels "
        f"of {scan} mm (z, y, x)"
    )


def _same_shape(shape: Shape, like: Volume, path: Path) -> None:
    if tuple(shape) == like.shape:
        return
    turned = sorted(shape) == sorted(like.shape)
    hint = (
        "its axes seem to be in another order; save it as (z, y, x)" if turned else "export it on the scan's own grid"
    )
    refuse("labels-shape", f"{_grids(path, shape, None, like)}; {hint}.", [path])


def _same_spacing(spacing: Spacing, like: Volume, path: Path) -> None:
    if not np.allclose(spacing, like.spacing_mm, rtol=SPACING_SHARE, atol=0):
        text = f"{_grids(path, like.shape, spacing, like)}; export it on the scan's own grid."
        refuse("labels-spacing", text, [path])


def _whole(values: NDArray[Any], path: Path) -> LabelVolume:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or (values.dtype.kind == "f" and not np.array_equal(values, np.rint(values))):
        text = f"{path.name} holds values from {low:g} to {high:g}; labels are whole numbers from 0 (outside) to 255."
        refuse("labels-values", text, [path])
    return values.astype(np.uint8)


def _same_place(grid: Any, like: Volume, path: Path) -> None:
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
        _flipped(path, " and ".join(reversed_axes), like)
    if max(map(abs, shift)) > HALF_VOXEL:
        moved = ", ".join(f"{s:.1f}" for s in shift)
        text = f"{path.name} starts {moved} voxels (z, y, x) away from the scan's first voxel; export it on the scan's grid."
        refuse("labels-grid", text, [path])


def _inside(labels: LabelVolume, like: Volume, path: Path) -> None:
    """A mask that leaves the soil, but not when turned over, was turned over on its way."""
    if like.valid.all():
        return
    outside = _outside(labels, like)
    if outside == 0:
        return
    for axes, flip in FLIPS.items():
        if _outside(np.flip(labels, flip), like) == 0:
            _flipped(path, axes, like)


def _meaningful(labels: LabelVolume, like: Volume, path: Path) -> None:
    """Classes differ in their values; a mask whose classes only do so when turned over was turned over on its way."""
    step = tuple(-(-n // most) for n, most in zip(like.shape, MOST_COMPARED, strict=True))
    thin = tuple(slice(None, None, n) for n in step)
    values, valid = like.values[thin].astype(np.float64), like.valid[thin]
    own = _explained(values, labels[thin], valid)
    turned = {axes: _explained(values, np.flip(labels, flip)[thin], valid) for axes, flip in FLIPS.items()}
    axes, best = max(turned.items(), key=lambda item: item[1])
    if best >= TELLING and own < HALF * best:
        _flipped(path, axes, like)


def _explained(values: NDArray[np.float64], labels: LabelVolume, valid: NDArray[np.bool_]) -> float:
    """Share of the values' variance that lies between the classes (eta squared), 0 to 1."""
    inside, of = values[valid], labels[valid]
    if not inside.size or inside.min() == inside.max():
        return 0.0
    counts = np.bincount(of, minlength=256)
    sums = np.bincount(of, inside - inside.mean(), 256)
    between = np.divide(sums**2, counts, out=np.zeros(256), where=counts > 0).sum()
    return float(between / (inside.size * inside.var()))


def _outside(labels: LabelVolume, like: Volume) -> int:
    return int(np.count_nonzero((labels > 0) & ~like.valid))


def _flipped(path: Path, axes: str, like: Volume) -> None:
    raise InputRefused(
        "labels-flipped",
        f"{_grids(path, like.shape, like.spacing_mm, like)}: it fits only if turned over along {axes}. It is not turned in "
        "silence; turn it over in the program it comes from.",
        [path.name],
    )
