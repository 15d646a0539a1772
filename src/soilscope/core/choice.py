"""What a person says about where the core lies, in place of what would be found."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.types import Shape, Spacing

__all__ = ["CoreChoice"]


@dataclass(frozen=True, slots=True)
class CoreChoice:
    """A manual override; what is left out is found.

    Parameters
    ----------
    centre_mm : (y, x), optional
        The axis at half the scan's height, in mm from the centre of the first voxel, as the picture of the found core counts.
    radius_mm : float, optional
        Inner radius, in mm: soil lies within it. With a centre beside it the axis is upright and nothing is looked for.
    top_mm, bottom_mm : float, optional
        Depth of the soil's first and last border, in mm from the upper side of the scan's first slice.
    tube : int, optional
        Which tube, from 1, where several lie in one scan; in the order the refusal lists them.
    whole : bool
        The whole scan is soil; excludes all others.

    Raises
    ------
    UsageError
        Code ``core-asked``: a length is not positive or no number, top lies below bottom, or ``whole`` stands beside others.
    """

    centre_mm: tuple[float, float] | None = None
    radius_mm: float | None = None
    top_mm: float | None = None
    bottom_mm: float | None = None
    tube: int | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if self.whole and self.stated:
            raise UsageError("core-asked", f"whole = true keeps all of the scan; leave out {', '.join(self.stated)}.")
        lengths = [*(self.centre_mm or ()), self.radius_mm, self.top_mm, self.bottom_mm]
        if not all(np.isfinite(length) for length in lengths if length is not None):
            said = ", ".join(f"{name} = {_shown(getattr(self, name))}" for name in self.stated)
            raise UsageError("core-asked", f"lengths are finite numbers of mm; these are not all: {said}.")
        if self.radius_mm is not None and not self.radius_mm > 0:
            raise UsageError("core-asked", f"radius_mm must be above 0, not {self.radius_mm:g}.")
        if self.tube is not None and self.tube < 1:
            raise UsageError("core-asked", f"tubes are numbered from 1, so tube = {self.tube} is none.")
        top = 0.0 if self.top_mm is None else self.top_mm
        if top < 0 or (self.bottom_mm is not None and not self.bottom_mm > top):
            raise UsageError(
                "core-asked", f"top_mm {top:g} must lie at 0 or below, and above bottom_mm {self.bottom_mm}."
            )

    @property
    def stated(self) -> tuple[str, ...]:
        """Names of the lengths and numbers that were given."""
        return tuple(f.name for f in fields(self) if f.name != "whole" and getattr(self, f.name) is not None)

    @property
    def placed(self) -> bool:
        """Whether centre and radius are both given, so that no circle needs to be found."""
        return self.centre_mm is not None and self.radius_mm is not None

    @property
    def ends_stated(self) -> bool:
        """Whether top or bottom was given."""
        return self.top_mm is not None or self.bottom_mm is not None

    def check_inside(self, shape: Shape, spacing_mm: Spacing) -> None:
        """Refuse a place that lies outside the scan.

        Raises
        ------
        UsageError
            Code ``core-asked``, with the scan's size in mm.
        """
        height, *plane = (n * d for n, d in zip(shape, spacing_mm, strict=True))
        if self.centre_mm is not None and not all(0 <= c <= n for c, n in zip(self.centre_mm, plane, strict=True)):
            raise UsageError(
                "core-asked",
                f"centre_mm {list(self.centre_mm)} lies outside the scan, which is {plane[0]:.1f} x {plane[1]:.1f} mm (y, x).",
            )
        if (self.top_mm or 0.0) >= height:
            raise UsageError(
                "core-asked", f"top_mm {self.top_mm:g} lies below the scan, which is {height:.1f} mm high."
            )

    def ends(self, found: tuple[int, int], depth: int, dz: float) -> tuple[int, int]:
        """First slice and the one after the last: those stated, else those found; a slice belongs where its middle lies."""
        first, end = found
        if self.top_mm is not None:
            first = int(np.ceil(self.top_mm / dz - 0.5))
        if self.bottom_mm is not None:
            end = min(int(np.ceil(self.bottom_mm / dz - 0.5)), depth)
        return first, end

    def finding(self) -> Finding:
        """The record of the override, for every output."""
        if self.whole:
            return Finding("core-asserted", "note", "the whole scan was stated to be soil; no core was looked for.")
        said = [f"{name} = {_shown(getattr(self, name))}" for name in self.stated]
        return Finding("core-asserted", "note", f"stated by the user, not found in the scan: {', '.join(said)}.")


def _shown(value: object) -> str:
    return "[" + ", ".join(f"{v:g}" for v in value) + "]" if isinstance(value, tuple | list) else f"{value:g}"
