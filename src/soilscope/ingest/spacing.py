"""Spacing from the files, from the user, or nothing: never a guess."""

from __future__ import annotations

import numpy as np

from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.ingest.limits import SPACING_SHARE
from soilscope.ingest.verdict import note, refuse, warn
from soilscope.types import Shape, Spacing

__all__ = ["checked", "needed", "shorter", "told_of_step", "told_twice"]

SHORT_STEPS = 0.5
"""A scan that is shorter than stated by less than half a slice is not: lengths are measured with a ruler."""


def checked(spacing_mm: object) -> Spacing | None:
    """The user's spacing as three floats.

    Raises
    ------
    UsageError
        Code ``spacing``: not three positive, finite lengths.
    """
    if spacing_mm is None:
        return None
    try:
        dz, dy, dx = (float(s) for s in spacing_mm)  # type: ignore[attr-defined]  # the error below says what it must be
    except (TypeError, ValueError):
        raise UsageError(
            "spacing", f"spacing_mm must be three lengths (dz, dy, dx) in mm, not {spacing_mm!r}."
        ) from None
    if not (np.isfinite([dz, dy, dx]).all() and min(dz, dy, dx) > 0):
        raise UsageError(
            "spacing", f"spacing_mm must be three positive lengths (dz, dy, dx) in mm, not {spacing_mm!r}."
        )
    return dz, dy, dx


def needed(stated: Spacing | None, given: Spacing | None, name: str) -> tuple[Spacing, tuple[Finding, ...]]:
    """The spacing to use, the user's before the file's.

    Raises
    ------
    InputRefused
        Code ``spacing-missing``: neither says it.
    """
    spacing = given or stated
    if spacing is None:
        refuse(
            "spacing-missing",
            f"{name} does not say in positive lengths how large a voxel is, and nothing is guessed; give spacing_mm=(dz, dy, dx) "
            "(--spacing-mm DZ,DY,DX) in mm.",
            [name],
        )
    if stated is None:
        return spacing, (
            note("spacing-asserted", f"the voxel size {_text(spacing)} mm was stated by the user, not by the file."),
        )
    return spacing, told_twice(stated, given)


def told_twice(stated: Spacing | None, given: Spacing | None) -> tuple[Finding, ...]:
    """A finding where the user states the spacing: a warning where it overrides another one in the file."""
    if given is None:
        return ()
    if stated is not None and np.allclose(stated, given, rtol=SPACING_SHARE * 0.1, atol=0):
        text = f"the voxel size {_text(given)} mm was stated by the user; the file says the same."
        return (note("spacing-asserted", text),)
    other = "says nothing of it" if stated is None else f"says {_text(stated)} mm"
    return (warn("spacing-asserted", f"the voxel size {_text(given)} mm was stated by the user; the file {other}."),)


def told_of_step(step_mm: float | None, given: Spacing | None) -> tuple[Finding, ...]:
    """A warning where the user's slices lie further or less far apart than the files' positions, which say nothing of pixels."""
    if given is None or step_mm is None or np.isclose(step_mm, given[0], rtol=SPACING_SHARE * 0.1, atol=0):
        return ()
    text = (
        f"the voxel size {_text(given)} mm was stated by the user; by the positions in the files the slices lie {step_mm:.5g} mm "
        f"apart, not {given[0]:g} (of the pixels' size they say nothing)."
    )
    return (warn("spacing-asserted", text),)


def shorter(shape: Shape, spacing_mm: Spacing, length_mm: float | None) -> tuple[Finding, ...]:
    """A finding where the slices, each as high as their distance, do not reach the length the user stated for the core.

    Slices missing at an end leave a regular grid, so that only a length known from elsewhere can tell of them. A scan longer than
    its core is sound.
    """
    step = spacing_mm[0]
    extent = shape[0] * step
    if length_mm is None or length_mm - extent <= SHORT_STEPS * step:
        return ()
    text = (
        f"the scan is {extent:.5g} mm long ({shape[0]} slices of {step:.4g} mm), {length_mm - extent:.4g} mm shorter than the "
        f"{length_mm:g} mm stated for the core: slices may be missing at an end; every figure is of what was scanned."
    )
    return (warn("shorter-than-stated", text),)


def _text(spacing: Spacing) -> str:
    return " x ".join(f"{s:g}" for s in spacing)
