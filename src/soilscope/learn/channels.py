"""Three-channel images of a slice: what the network sees, by name.

================ ======= ======================================================================================
name             units   channels
================ ======= ======================================================================================
``paper-2021``   HU      objects 1+2, 3+4 and 5+6 of the paper's classes (Wieland et al. 2021, figure 10): the grey
                         value ``HU + 2048`` (0 to 6144) where it lies in the two objects' range, 0 elsewhere
``script-2021``  any     as the paper's scripts do it: below two thirds of the core's range, the whole slice, above two
                         thirds; each image divided by its own maximum
``windows``      HU      HU windows -1024..500, 500..1600 and 1600..3071, each rising from 0 to 1 inside, 0 outside
``grey``         any     the grey value three times (HU + 1024 for HU, so that air is near 0)
================ ======= ======================================================================================

Outside the valid mask every channel is 0. Networks standardise each channel on their training slices, so its scale
is free; the values are kept as the definition gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from soilscope.errors import InputRefused, UsageError
from soilscope.types import FloatImage, Units
from soilscope.volume import Volume

__all__ = ["CHANNELS", "ChannelSet", "Painter", "painter"]

Painter = Callable[[int], FloatImage]

PAPER_SHIFT, PAPER_TOP = 2048.0, 6144.0
PAPER_PAIR = 2048.0
"""Two of the paper's classes of width 1024 make one channel."""
SCRIPT_FLOOR, SCRIPT_CEILING = -1000.0, 3096.0
"""The scripts limit values to [-1000, 3096] before adding 1000 (0 to 4096)."""
WINDOWS_HU = ((-1024.0, 500.0), (500.0, 1600.0), (1600.0, 3071.0))
"""The last window ends at the ceiling of a 12-bit scanner; denser voxels stay at 1."""
GREY_SHIFT_HU = 1024.0


@dataclass(frozen=True, slots=True)
class ChannelSet:
    """One named way to make three channels.

    Parameters
    ----------
    name : str
        The name used in plans and cards.
    units : {"HU"} or None
        Units it needs; None fits both.
    channels : tuple of str
        What each of the three channels shows.
    paint : callable
        ``paint(volume)`` gives a function from slice number to a float32 image (3, y, x).
    """

    name: str
    units: Units | None
    channels: tuple[str, str, str]
    paint: Callable[[Volume], Painter]


def painter(volume: Volume, name: str) -> Painter:
    """A function that draws slice ``z`` of a core as a float32 image, shape (3, y, x).

    Raises
    ------
    UsageError
        Code ``channels-unknown``.
    InputRefused
        Code ``units-mismatch``: HU channels asked of grey values.
    """
    if name not in CHANNELS:
        raise UsageError("channels-unknown", f"no channels are called {name!r}; there are {', '.join(CHANNELS)}.")
    chosen = CHANNELS[name]
    if chosen.units is not None and chosen.units != volume.units:
        raise InputRefused(
            "units-mismatch",
            f"channels {name!r} are defined in {chosen.units}, but core {volume.core!r} holds {volume.units} values; "
            'use channels "grey" or "script-2021".',
        )
    return chosen.paint(volume)


def _inside(volume: Volume, z: int) -> FloatImage:
    """Values of one slice as float32, with anything at the invalid voxels."""
    return np.where(volume.valid[z], volume.values[z], 0).astype(np.float32)


def _paper(volume: Volume) -> Painter:
    def paint(z: int) -> FloatImage:
        grey = np.clip(_inside(volume, z) + PAPER_SHIFT, 0.0, PAPER_TOP)
        pair = np.minimum(grey // PAPER_PAIR, 2)  # the top value 6144 belongs to object6
        return np.stack([np.where(volume.valid[z] & (pair == k), grey, 0) for k in range(3)]).astype(np.float32)

    return paint


def _script(volume: Volume) -> Painter:
    """Two thirds of the range are taken between the core's own least and greatest valid value, as its classes are."""
    floor, ceiling = (SCRIPT_FLOOR, SCRIPT_CEILING) if volume.units == "HU" else (-np.inf, np.inf)
    valid = volume.values[volume.valid]
    low, high = (float(valid.min()), float(valid.max())) if valid.size else (0.0, 0.0)
    low, high = max(low, floor), min(high, ceiling)
    zero = floor if volume.units == "HU" else low
    cut = low + (high - low) * 2.0 / 3.0 - zero

    def paint(z: int) -> FloatImage:
        grey = np.where(volume.valid[z], np.clip(_inside(volume, z), floor, ceiling) - zero, 0)
        image = np.stack([np.where(grey < cut, grey, 0), grey, np.where(grey >= cut, grey, 0)])
        most = image.max(axis=(1, 2), keepdims=True)
        return np.where(most > 0, image / np.where(most > 0, most, 1), 0).astype(np.float32)

    return paint


def _windows(volume: Volume) -> Painter:
    def paint(z: int) -> FloatImage:
        hu = _inside(volume, z)
        image = np.zeros((3, *hu.shape), np.float32)
        for channel, (low, high) in zip(image, WINDOWS_HU, strict=True):
            end = np.inf if (low, high) == WINDOWS_HU[-1] else high
            inside = volume.valid[z] & (hu >= low) & (hu < end)
            channel[inside] = np.minimum((hu[inside] - low) / (high - low), 1.0)
        return image

    return paint


def _grey(volume: Volume) -> Painter:
    shift = np.float32(GREY_SHIFT_HU if volume.units == "HU" else 0.0)

    def paint(z: int) -> FloatImage:
        grey = np.where(volume.valid[z], _inside(volume, z) + shift, np.float32(0))
        return np.repeat(grey[None], 3, axis=0).astype(np.float32)

    return paint


CHANNELS: Mapping[str, ChannelSet] = MappingProxyType(
    {
        c.name: c
        for c in (
            ChannelSet("paper-2021", "HU", ("objects 1+2", "objects 3+4", "objects 5+6"), _paper),
            ChannelSet("script-2021", None, ("below two thirds", "whole slice", "above two thirds"), _script),
            ChannelSet("windows", "HU", ("-1024 to 500 HU", "500 to 1600 HU", "1600 HU and more"), _windows),
            ChannelSet("grey", None, ("grey", "grey", "grey"), _grey),
        )
    }
)
"""The named channel sets."""
