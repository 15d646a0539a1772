"""Draw a core's slices as three-channel images and compute what is to be learnt from each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from soilscope import findings as notes
from soilscope.classes import Scheme, classify
from soilscope.classes import scheme as named_scheme
from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.learn.channels import Painter, painter
from soilscope.learn.resize import SquareGrid
from soilscope.learn.slices import IMAGE_CHANNELS, Slices
from soilscope.structure import ClusterRule, target_id, target_profile, target_unit
from soilscope.types import BoolVolume, FloatProfile, LabelVolume
from soilscope.volume import Volume

__all__ = ["slices"]

VALID_SHARE = 0.5
"""A pixel of a resized image counts as core when at least half of it is."""


def slices(
    vol: Volume,
    target: str = "porosity",
    of: int | Sequence[int] = (2,),
    channels: str = "paper-2021",
    core: str | None = None,
    scheme: Scheme | str = "paper-2021",
    labels: LabelVolume | None = None,
    image_size: int | None = None,
    rule: ClusterRule | None = None,
    profile: FloatProfile | None = None,
) -> Slices:
    """Draw a core's slices and compute what is to be learnt from each.

    Parameters
    ----------
    vol : Volume
        The core; what is not valid is drawn as 0.
    target : str
        A per-slice metric of :mod:`soilscope.structure`, such as ``"porosity"`` or ``"local-thickness"``.
    of : int or sequence of int
        The class, or the classes joined, that the metric is taken of.
    channels : {"paper-2021", "script-2021", "windows", "grey"}
        What the network sees; see :mod:`soilscope.learn.channels`.
    core : str, optional
        The core's name; the scan's own by default.
    scheme : Scheme or str
        The scheme of the classes; unused where ``labels`` are given.
    labels : uint8 array, shape (z, y, x), optional
        Classes made elsewhere.
    image_size : int, optional
        Area-mean resize to ``image_size`` x ``image_size`` of the square bounding box around everything valid, so that
        image and target show the same region; None keeps the scan's pixels.
    rule : ClusterRule, optional
        Which clusters are removed first; by default clusters under 60 voxels with 6 neighbours.
    profile : float array, shape (z,), optional
        The target of each slice where it is known already, from the same metric's column in ``measure``'s table.

    Returns
    -------
    Slices
        Slices without valid voxels or with an undefined target are left out and counted in the findings.

    Raises
    ------
    UsageError
        Code ``channels-unknown``, ``scheme-unknown``, ``image-size``, or the metric is not known. Code ``class-unknown``:
        neither the scheme nor the labels have the class; the message names those there are.
    InputRefused
        Code ``units-mismatch``: the scheme or the channels do not fit the scan's units. Code ``no-slices``: nothing is left.
    """
    rule = ClusterRule() if rule is None else rule
    of = (int(of),) if isinstance(of, int | np.integer) else tuple(int(k) for k in of)
    target_unit(target)  # an unknown target is refused before anything is computed
    chosen = (named_scheme(scheme) if isinstance(scheme, str) else scheme) if labels is None else None
    if chosen is not None and (unknown := [k for k in of if not 1 <= k <= len(chosen.names)]):
        raise _no_class(of, unknown, f"scheme {chosen.name!r}", range(1, len(chosen.names) + 1))
    paint = painter(vol, channels)
    if profile is None:
        classes = classify(vol, chosen) if chosen is not None else _given(vol, np.asarray(labels), of)
        profile = target_profile(vol, classes, target, of, rule)
    profile = np.asarray(profile, np.float64)
    if profile.shape != vol.shape[:1]:
        raise UsageError(
            "slices", f"a profile needs one figure for each of {vol.shape[0]} slices, not {profile.shape}."
        )
    name = core or vol.core
    kept, dropped = _usable(vol, profile, name)
    grid = None if image_size is None else SquareGrid.around(vol.valid, vol.spacing_mm[1:], image_size)
    images, valid = _draw(vol, kept, paint, grid)
    return Slices(
        images=images,
        targets=profile[kept],
        core=name,
        target=target_id(target, of),
        unit=target_unit(target),
        index=kept,
        depth_mm=vol.depth_mm[kept],
        valid=valid,
        channels=channels,
        source={
            "metric": target,
            "of": list(of),
            "scheme": chosen.resolve(vol).as_dict() if chosen is not None else {"name": "labels given"},
            "rule": {"under": rule.under, "neighbours": rule.neighbours},
            "image_size": image_size,
            "spacing_mm": list(vol.spacing_mm),
            "pixel_mm": list(vol.spacing_mm[1:]) if grid is None else [grid.pixel_mm, grid.pixel_mm],
            "corner_mm": [0.0, 0.0] if grid is None else list(grid.corner_mm),
            "units": vol.units,
        },
        findings=notes.merge(vol.findings, dropped),
    )


def _given(vol: Volume, labels: LabelVolume, of: Sequence[int]) -> LabelVolume:
    """Labels made elsewhere, if they fit the scan and hold the classes asked for."""
    if labels.shape != vol.shape:
        raise UsageError("slices", f"labels must have the scan's shape {vol.shape}.")
    if unknown := [k for k in of if not (labels == k).any()]:
        raise _no_class(of, unknown, "these labels", (int(k) for k in np.unique(labels) if k))
    return labels


def _no_class(of: Sequence[int], unknown: Sequence[int], where: str, there: Iterable[int]) -> UsageError:
    """The target of a class that is not there would be the same in every slice, and look like a finding."""
    asked, missing, held = (", ".join(map(str, classes)) for classes in (of, unknown, there))
    return UsageError("class-unknown", f"of = ({asked}): {where} has no class {missing}; there are {held or 'none'}.")


def _usable(vol: Volume, profile: FloatProfile, core: str) -> tuple[NDArray[np.int64], tuple[Finding, ...]]:
    """Numbers of the slices that can be learnt from, and a finding that counts the others."""
    seen = vol.valid.any(axis=(1, 2))
    defined = np.isfinite(profile)
    kept = np.flatnonzero(seen & defined).astype(np.int64)
    if kept.size == 0:
        raise InputRefused(
            "no-slices", f"core {core!r}: no slice has both valid voxels and a target; nothing can be learnt."
        )
    empty, undefined = int((~seen).sum()), int((seen & ~defined).sum())
    if empty + undefined == 0:
        return kept, ()
    text = f"core {core}: {empty} slices without valid voxels and {undefined} with an undefined target were left out of learning."
    return kept, (Finding("slices-left-out", "note", text),)


def _draw(
    vol: Volume, kept: NDArray[np.int64], paint: Painter, grid: SquareGrid | None
) -> tuple[NDArray[np.float32], BoolVolume]:
    height, width = vol.shape[1:] if grid is None else (len(grid.rows), len(grid.columns))
    images = np.empty((len(kept), IMAGE_CHANNELS, height, width), np.float32)
    valid = np.empty((len(kept), height, width), np.bool_)
    for row, z in enumerate(kept):
        image = paint(int(z))
        images[row] = image if grid is None else grid.mean(image)
        valid[row] = vol.valid[z] if grid is None else grid.mean(vol.valid[z]) >= VALID_SHARE
    return images, valid
