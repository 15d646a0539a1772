"""Slices of a core as three-channel images, each with the structure figure a network is to learn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import InputRefused, UsageError
from soilscope.files import digest_bytes, digest_json
from soilscope.findings import Finding
from soilscope.types import BoolVolume, FloatProfile

__all__ = ["IMAGE_CHANNELS", "Slices", "digest"]

IMAGE_CHANNELS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The slices of one core, ready to learn from.

    Parameters
    ----------
    images : float32 array, shape (n, 3, y, x)
        Three channels a slice; 0 outside the core.
    targets : float64 array, shape (n,)
        What is to be predicted, in ``unit``.
    core : str
        The core's name.
    target : str
        Metric and class, such as ``"porosity-2"`` or ``"porosity-5+6"``.
    unit : str
        The target's unit; ``"1"`` for shares.
    index : int array, shape (n,)
        Slice numbers in the core, rising from its top.
    depth_mm : float array, shape (n,)
        Depth of the slices' centres below the core's top, in mm.
    valid : bool array, shape (n, y, x)
        True where a pixel belongs to the core.
    channels : str
        Name of the channel set.
    source : mapping
        How images and targets were made: metric, classes, scheme, small-cluster rule, size.
    findings : tuple of Finding
        What was noticed, the scan's own findings included.

    Raises
    ------
    UsageError
        Code ``slices``: shapes do not fit together.
    InputRefused
        Code ``not-finite``: an image or target holds NaN or infinity; the slices are named.
    """

    images: NDArray[np.float32]
    targets: FloatProfile
    core: str = "core"
    target: str = "target"
    unit: str = "1"
    index: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    depth_mm: FloatProfile = field(default_factory=lambda: np.empty(0))
    valid: BoolVolume = field(default_factory=lambda: np.empty((0, 0, 0), np.bool_))
    channels: str = "given"
    source: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[1] != IMAGE_CHANNELS:
            raise UsageError("slices", f"images must have shape (n, 3, y, x), not {self.images.shape}.")
        n, _, height, width = self.images.shape
        defaults = {
            "images": np.ascontiguousarray(self.images, np.float32),
            "targets": np.asarray(self.targets, np.float64),
            "index": np.asarray(self.index, np.int64) if self.index.size else np.arange(n),
            "depth_mm": np.asarray(self.depth_mm, np.float64) if self.depth_mm.size else np.arange(n) + 0.5,
            "valid": self.valid if self.valid.size else np.ones((n, height, width), np.bool_),
        }
        for name, value in defaults.items():
            object.__setattr__(self, name, value)
        shapes = (self.targets.shape, self.index.shape, self.depth_mm.shape, self.valid.shape)
        if shapes != ((n,), (n,), (n,), (n, height, width)):
            raise UsageError(
                "slices", f"core {self.core!r}: {n} images, but targets, index, depth and mask are {shapes}."
            )
        bad = ~np.isfinite(self.targets)
        bad |= np.array([not np.isfinite(image).all() for image in self.images], np.bool_)
        if bad.any():
            raise InputRefused(
                "not-finite",
                f"core {self.core!r}: image or target of slice {_some(self.index[bad])} is not finite; leave these slices out.",
            )

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        n, _, height, width = self.images.shape
        return f"Slices({self.core!r}, {n} images of {height} x {width}, channels {self.channels!r}, target {self.target!r})"

    def take(self, rows: NDArray[np.int64]) -> Slices:
        """Some of the slices, by position."""
        parts = {name: getattr(self, name)[rows] for name in ("images", "targets", "index", "depth_mm", "valid")}
        return replace(self, **parts)


def digest(data: Slices) -> str:
    """Digest of everything a training reads from these slices."""
    arrays: list[NDArray[Any]] = [data.images, data.targets, data.index, data.valid]
    parts = [[a.dtype.str, list(a.shape), digest_bytes(np.ascontiguousarray(a).tobytes())] for a in arrays]
    return digest_json([data.core, data.target, data.unit, data.channels, parts])


def _some(numbers: NDArray[np.int64], most: int = 8) -> str:
    """The first few of some slice numbers, as text."""
    text = ", ".join(str(int(k)) for k in numbers[:most])
    return text if len(numbers) <= most else f"{text} and {len(numbers) - most} more"
