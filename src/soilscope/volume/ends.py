"""Values at the ends of a scan's range: which share of the voxels that mean something was cut off there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soilscope.findings import Finding
from soilscope.types import BoolVolume
from soilscope.volume.scan import Volume

__all__ = ["SHARE_TOLD", "ends_of_soil"]

SHARE_TOLD = 0.001
"""Shares of voxels at the floor or the ceiling from one in a thousand on are told."""
CODES = ("at-floor", "at-ceiling")


def ends_of_soil(vol: Volume, soil: BoolVolume) -> Volume:
    """The scan with its findings ``at-floor`` and ``at-ceiling`` told anew as shares of the soil.

    A reader counts over everything that was scanned; once the soil is known, a mask or the air around it must not count.

    Parameters
    ----------
    vol : Volume
        As it was read.
    soil : bool array, shape (z, y, x)
        Which of its valid voxels are soil.
    """
    if not any(f.code in CODES for f in vol.findings):
        return vol
    told = (_again(f, vol, soil) if f.code in CODES else f for f in vol.findings)
    return replace(vol, findings=tuple(f for f in told if f is not None))


def _again(finding: Finding, vol: Volume, soil: BoolVolume) -> Finding | None:
    """The same finding for the soil; None where none of it is at that end, or only by chance."""
    low = finding.code == "at-floor"
    scanned = (plane[ok] for plane, ok in zip(vol.values, vol.valid, strict=True) if ok.any())
    end = min(plane.min() for plane in scanned) if low else max(plane.max() for plane in scanned)
    count, total = int(np.count_nonzero((vol.values == end) & soil)), int(np.count_nonzero(soil))
    if count == 0:
        return None
    many = count / total >= SHARE_TOLD
    share = f"{count / total:.2%} of the soil's voxels are" if many else f"{count} of the soil's {total} voxels are"
    text = f"{share} at the scan's {'lowest' if low else 'highest'} value, {end:g} {vol.units}: cut off by the scanner."
    return Finding(finding.code, finding.severity if many else "note", text, finding.files)
