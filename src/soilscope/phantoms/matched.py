"""Cores that no grey histogram can tell apart: one and the same histogram in every slice, different structure.

Each slice of each member, seed and depth holds the same sorted grey values, for one slice size. Order: a random field
decides where the pores are, the scanner blurs and adds noise, and then, as the last step, the values of each slice are
replaced, rank by rank, by those of the one histogram. (Matching before the scanner would let partial volume turn pore
surface into grey values, and a histogram would again know the structure.) The truth of a noisy member is its own final
HU cut at the class edges; a noise-free one is placed from its truth, class by class.

Pore size drifts over depth, differently for each seed, so that targets such as local thickness or the Euler density
vary within and between cores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from soilscope.phantoms.fields import Grid, Octave, SmoothField, generator, grain, isotropic, octaves, smooth_field
from soilscope.phantoms.scanner import SLAB, Scanner, scanned
from soilscope.phantoms.truth import CLASSES, PORE, classes_of
from soilscope.types import FloatProfile, LabelVolume

__all__ = ["MEMBERS", "Member", "make_matched"]

SHARES = (0.16, 0.10, 0.62, 0.09, 0.03)
"""Area fraction of each class, pore to stone, in every slice of every member."""
MODES_HU = ((-945.0, 40.0), (-120.0, 230.0), (1030.0, 190.0), (1500.0, 140.0), (2350.0, 180.0))
"""Mean and SD of each class's HU, cut at its edges."""
STEPS_MM = tuple(0.45 * 2 ** (k / 2) for k in range(11))
"""Lattice steps that a drifting pore size is mixed from, half an octave apart."""
SHEET_GAIN = 1.66
"""Brings the folded field of a sheet to SD 1: 1 / sqrt(1 - 2/pi)."""
BANDWIDTH = 0.28
"""Spread of the mixture, in log(step): less than one step, so the pores of a slice are of one size."""


@dataclass(frozen=True, slots=True)
class Member:
    """One structure of the family.

    Parameters
    ----------
    size_mm : float
        Lattice step of the pore field at the middle of its drift.
    sheet : float
        Share of a warped sheet in the field whose lowest values are pores (sheets join pores); the rest is a plain
        Gaussian field.
    blob : float
        1: the highest amplitudes of two fields are pores instead, which lie apart from each other.
    drift : float
        SD over depth of log(size), the same for every seed, whatever its course.
    sway : float
        SD over depth of the sheet's share: smaller pores are more sheet-like, so size and connection go together.
    """

    size_mm: float
    sheet: float = 0.0
    blob: float = 0.0
    drift: float = 0.42
    sway: float = 0.0


MEMBERS = {
    "matched-fine": Member(0.9),
    "matched-coarse": Member(1.4, drift=0.36),
    "matched-connected": Member(1.65, sheet=0.55),
    "matched-isolated": Member(1.5, blob=1.0),
    "matched-mixed": Member(1.6, sheet=0.45, sway=0.25),
}


def make_matched(name: str, seed: int, grid: Grid, scanner: Scanner | None) -> tuple[NDArray[np.int16], LabelVolume]:
    """Values (whole HU) and truth of one member; ``scanner`` None leaves it sharp.

    Returns
    -------
    int16 array and uint8 array, shape (z, y, x)
    """
    sharp = _sharp(MEMBERS[name], name, seed, grid)
    if scanner is not None:
        target = histogram(grid.shape[1] * grid.shape[2])
        for first, seen in scanned(sharp, scanner, grid, generator(seed, name, "noise")):
            for k, plane in enumerate(seen):
                sharp[first + k] = _by_rank(plane, target)
    return sharp, classes_of(sharp)


def histogram(count: int) -> NDArray[np.int16]:
    """The one histogram: ``count`` sorted whole HU, each class a normal mode cut at its edges."""
    ends = np.rint(np.cumsum((0.0, *SHARES)) * count).astype(int)
    parts = []
    for c, (mean, sd), n in zip(CLASSES, MODES_HU, np.diff(ends), strict=True):
        low, high = ndtr((np.array([c.low_hu, c.high_hu]) - mean) / sd)
        values = mean + sd * ndtri(low + (high - low) * (np.arange(n) + 0.5) / n)
        parts.append(np.clip(np.rint(values), c.low_hu + 1, c.high_hu))
    return np.concatenate(parts).astype(np.int16)


def _by_rank(plane: NDArray[np.float32], target: NDArray[np.int16]) -> NDArray[np.int16]:
    """The target's values in the order of the plane's; equal values keep their order in the slice."""
    out = np.empty(plane.size, np.int16)
    out[np.argsort(plane, axis=None, kind="stable")] = target
    return out.reshape(plane.shape)


def _sharp(member: Member, name: str, seed: int, grid: Grid) -> NDArray[np.int16]:
    """The member before the scanner: in each slice the lowest field values are pores, the rest follows a texture."""
    nz, ny, nx = grid.shape
    rng = generator(seed, name, "structure")
    course = _wander(rng, nz)
    parts = _drifting(member, course, rng.uniform(-0.12, 0.12))
    pores = (smooth_field(rng, grid, parts), smooth_field(rng, grid, parts))
    texture = smooth_field(rng, grid, octaves((2.6, 3.0, 3.0), 3, 2.2, 0.7))
    share = _balance(member, course)
    key = int(rng.integers(2**62))
    target = histogram(ny * nx)
    holes = int(np.count_nonzero(target <= CLASSES[PORE - 1].high_hu))
    out = np.empty(grid.shape, np.int16)
    for first in range(0, nz, SLAB):
        end = min(first + SLAB, nz)
        field = _shape_field(member, pores, share[first:end], (first, end))
        solid = texture.slab(first, end) + np.float32(0.3) * grain(key, grid.shape, first, end)
        for k in range(end - first):
            order = np.argsort(field[k], axis=None, kind="stable")
            look = solid[k].ravel()
            plane = np.empty(ny * nx, np.int16)
            for voxels, values in ((order[:holes], target[:holes]), (order[holes:], target[holes:])):
                plane[voxels[np.argsort(look[voxels], kind="stable")]] = values
            out[first + k] = plane.reshape(ny, nx)
    return out


def _shape_field(
    member: Member, pores: tuple[SmoothField, SmoothField], share: NDArray[np.float32], planes: tuple[int, int]
) -> NDArray[np.float32]:
    """The field whose lowest values become pores."""
    one = pores[0].slab(*planes)
    if member.blob > 0:
        other = pores[1].slab(*planes)
        return -np.sqrt(one * one + other * other)
    if member.sheet == 0:
        return one
    part = share[:, None, None]
    return np.asarray(part * np.float32(SHEET_GAIN) * np.abs(one) + (1 - part) * pores[1].slab(*planes))


def _drifting(member: Member, course: FloatProfile, shift: float) -> tuple[Octave, ...]:
    """Lattices whose weights follow the drifting pore size from plane to plane."""
    size = np.log(member.size_mm) + shift + member.drift * course
    near = [np.exp(-0.5 * ((np.log(step) - size) / BANDWIDTH) ** 2) for step in STEPS_MM]
    return tuple(isotropic(step, weight.astype(np.float32)) for step, weight in zip(STEPS_MM, near, strict=True))


def _balance(member: Member, course: FloatProfile) -> NDArray[np.float32]:
    """Share of the sheet over depth, shape (z,)."""
    return np.clip(member.sheet - member.sway * course, 0.0, 1.0).astype(np.float32)


def _wander(rng: np.random.Generator, planes: int) -> FloatProfile:
    """A smooth course over the core, mean 0 and SD 1, another one for each seed."""
    depth = (np.arange(planes) + 0.5) / planes
    course = np.zeros(planes)
    for cycles, weight in ((0.5, 1.0), (1.0, 0.8), (1.7, 0.45)):
        course += weight * np.sin(2 * np.pi * (cycles * depth + rng.random()))
    spread = course.std()
    return (course - course.mean()) / spread if spread > 0 else np.zeros(planes)
