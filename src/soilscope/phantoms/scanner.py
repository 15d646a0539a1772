"""The scanner: a plastic cylinder in air, seen with blur and correlated noise, clipped to 12 bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.phantoms.fields import Grid, grain, kernel
from soilscope.types import BoolVolume

__all__ = ["HU_HIGH", "HU_LOW", "SLAB", "SPACING_MM", "Cylinder", "Scanner", "place", "scan", "scanned"]

SPACING_MM = (0.25, 0.351, 0.351)
"""Voxel of the paper's scans, (dz, dy, dx) in mm (Wieland et al. 2021, doi:10.1098/rsos.201275)."""
HU_LOW, HU_HIGH = -1024, 3071
"""The range of a 12-bit CT scanner; denser stones saturate."""
AIR_HU = -1000
CUPPED_HU = 1000
"""The value whose cupping is stated: that of a mineral soil's matrix."""
SLAB = 16
"""Planes worked on at once: float32 only ever exists for so many."""
PAPER_RADIUS_MM = 60.0
"""The paper's cores are 12 cm wide."""
LEAST_WIDTH = 24
"""Voxels across: below this no soil is left inside wall and air."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """How a phantom is put into the scanner and seen by it.

    Parameters
    ----------
    blur_mm : float
        Standard deviation of the point spread function, the same along all axes, in mm.
    noise_hu : float
        Standard deviation of the noise, in HU.
    noise_mm : float
        Correlation length of the noise (standard deviation of its smoothing), in mm.
    wall_hu, surroundings_hu : int
        Cylinder wall (PMMA) and what is around it (air).
    wall_mm, radius_mm : float, optional
        Wall thickness and inner radius; None fits both to the grid: 5 mm and 60 mm, or what has room.
    margin_mm : float, optional
        Least width of the surroundings left around the wall; None: 4 % of half the grid's width, 2 voxels at least.
    headspace : (above, below)
        Slices at the top and bottom of the grid with air instead of soil inside the wall.
    tilt_deg : float
        Angle by which the axis leans towards +y, in degrees.
    offset_mm : (y, x)
        Distance of the axis, at half height, from the middle of the grid.
    cupping_hu : float
        Beam hardening: how much more a matrix of 1000 HU reads at the rim than on the axis. Attenuation, HU + 1000, is scaled by
        1 + c ((r / R)² - 1/2), so that air stays air and the mean over the core's area stays what it was.
    drift_hu : float
        How much more the wall reads in the last slice than in the first; attenuation is scaled in proportion to depth.
    """

    blur_mm: float = 0.21
    noise_hu: float = 40.0
    noise_mm: float = 0.25
    wall_hu: int = 120
    surroundings_hu: int = -1000
    wall_mm: float | None = None
    radius_mm: float | None = None
    margin_mm: float | None = None
    headspace: tuple[int, int] = (0, 0)
    tilt_deg: float = 0.0
    offset_mm: tuple[float, float] = (0.0, 0.0)
    cupping_hu: float = 0.0
    drift_hu: float = 0.0


@dataclass(frozen=True, slots=True)
class Cylinder:
    """Where the soil is: inside ``radius_mm`` of the axis, in slices ``top`` to ``bottom`` (excluded)."""

    grid: Grid
    centre_mm: NDArray[np.float64]
    radius_mm: float
    wall_mm: float
    top: int
    bottom: int

    def within(self, radius_mm: float, first: int, end: int) -> BoolVolume:
        """Voxels of planes ``first`` to ``end`` whose centres lie at most ``radius_mm`` from the axis."""
        _, ny, nx = self.grid.shape
        _, dy, dx = self.grid.spacing_mm
        y = np.arange(ny) * dy - self.centre_mm[first:end, :1]
        x = np.arange(nx) * dx - self.centre_mm[first:end, 1:]
        return np.asarray((y**2)[:, :, None] + (x**2)[:, None, :] <= radius_mm**2)

    def soil(self, first: int, end: int) -> BoolVolume:
        """Voxels of planes ``first`` to ``end`` that are soil."""
        inside = self.within(self.radius_mm, first, end)
        planes = np.arange(first, end)
        inside[(planes < self.top) | (planes >= self.bottom)] = False
        return inside

    @property
    def height_mm(self) -> float:
        """Height of the soil column."""
        return (self.bottom - self.top) * self.grid.spacing_mm[0]

    @property
    def volume_cm3(self) -> float:
        """Volume of the soil column, in cm³."""
        return float(np.pi * self.radius_mm**2 * self.height_mm / 1000.0)


def place(grid: Grid, scanner: Scanner) -> Cylinder:
    """Put the cylinder into the grid.

    Raises
    ------
    UsageError
        Code ``phantom-shape``: no room for soil, wall and air, or the headspace leaves no soil.
    """
    nz, ny, nx = grid.shape
    dz, dy, dx = grid.spacing_mm
    above, below = scanner.headspace
    if min(ny, nx) < LEAST_WIDTH or above < 0 or below < 0 or above + below >= nz:
        raise UsageError(
            "phantom-shape",
            f"shape {grid.shape} with headspace {scanner.headspace} leaves no soil: give at least {LEAST_WIDTH} rows and "
            "columns and one slice of soil.",
        )
    lean = np.tan(np.deg2rad(scanner.tilt_deg)) * dz * (np.arange(nz) - (nz - 1) / 2)
    centre = np.empty((nz, 2))
    centre[:, 0] = (ny - 1) / 2 * dy + scanner.offset_mm[0] + lean
    centre[:, 1] = (nx - 1) / 2 * dx + scanner.offset_mm[1]
    ends = np.array([(ny - 1) * dy, (nx - 1) * dx])
    half = float(np.minimum(centre, ends - centre).min())
    wall = max(3 * dx, min(5.0, 0.07 * half)) if scanner.wall_mm is None else scanner.wall_mm
    margin = max(2 * dx, 0.04 * half) if scanner.margin_mm is None else scanner.margin_mm
    room = half - wall - margin
    radius = min(PAPER_RADIUS_MM, room) if scanner.radius_mm is None else scanner.radius_mm
    if not 4 * dx <= radius <= half:
        raise UsageError("phantom-shape", f"a soil radius of {radius:.2f} mm does not fit {half:.2f} mm of half width.")
    return Cylinder(grid, centre, _between_voxels(radius, dx), wall, above, nz - below)


def _between_voxels(radius_mm: float, dx: float) -> float:
    """The radius, moved by less than a voxel so that no voxel's centre lies on it: in or out is never a matter of rounding.

    Squared distances of centres from a centred axis are multiples of a quarter, in voxels.
    """
    return float(np.sqrt(np.floor((radius_mm / dx) ** 2) + 0.125) * dx)


def scan(sharp: NDArray[np.int16], scanner: Scanner, grid: Grid, rng: np.random.Generator) -> NDArray[np.int16]:
    """What the scanner makes of a sharp object: blur (partial volume), correlated noise, clipping to 12 bits.

    Parameters
    ----------
    sharp : int16 array, shape (z, y, x)
        HU of the object itself.
    rng : Generator
        Where the noise comes from.

    Returns
    -------
    int16 array, shape (z, y, x)
        Whole HU from -1024 to 3071.
    """
    out = np.empty(sharp.shape, np.int16)
    cylinder = place(grid, scanner) if scanner.cupping_hu or scanner.drift_hu else None
    for first, seen in scanned(sharp, scanner, grid, rng):
        if cylinder is not None:
            seen = (seen - AIR_HU) * _gain(cylinder, scanner, first, first + len(seen)) + AIR_HU
        out[first : first + len(seen)] = np.rint(np.clip(seen, HU_LOW, HU_HIGH))
    return out


def _gain(cylinder: Cylinder, scanner: Scanner, first: int, end: int) -> NDArray[np.float32]:
    """By what the attenuation of each voxel of planes ``first`` to ``end`` is multiplied, shape (z, y, x)."""
    depth, ny, nx = cylinder.grid.shape
    _, dy, dx = cylinder.grid.spacing_mm
    y = np.arange(ny) * dy - cylinder.centre_mm[first:end, :1]
    x = np.arange(nx) * dx - cylinder.centre_mm[first:end, 1:]
    square = ((y**2)[:, :, None] + (x**2)[:, None, :]) / cylinder.radius_mm**2
    square = np.minimum(square, (1 + cylinder.wall_mm / cylinder.radius_mm) ** 2)
    cupped = 1 + scanner.cupping_hu / (CUPPED_HU - AIR_HU) * (square - 0.5)
    depth_share = np.arange(first, end) / max(depth - 1, 1) - 0.5
    drifted = 1 + scanner.drift_hu / (scanner.wall_hu - AIR_HU) * depth_share
    return np.asarray(cupped * drifted[:, None, None], np.float32)


def scanned(
    sharp: NDArray[np.int16], scanner: Scanner, grid: Grid, rng: np.random.Generator
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The same, slab by slab and neither clipped nor rounded: (first plane, float32 HU)."""
    blur = [_taps(scanner.blur_mm / mm) for mm in grid.spacing_mm]
    colour = [_taps(scanner.noise_mm / mm) for mm in grid.spacing_mm]
    power = np.prod([float((w**2).sum()) for w in colour])
    key = int(rng.integers(2**63))
    nz = len(sharp)
    for first in range(0, nz, SLAB):
        end = min(first + SLAB, nz)
        reach = len(blur[0]) // 2
        planes = np.clip(np.arange(first - reach, end + reach), 0, nz - 1)
        seen = _smooth(sharp[planes].astype(np.float32), *blur)
        if scanner.noise_hu > 0:
            reach = len(colour[0]) // 2
            noise = _smooth(grain(key, grid.shape, first - reach, end + reach), *colour)
            seen += noise * np.float32(scanner.noise_hu / np.sqrt(power))
        yield first, seen


def _taps(sigma: float) -> NDArray[np.float32]:
    """Gaussian weights that add up to 1, cut at 3 sigma; sigma in voxels."""
    reach = int(3 * sigma + 0.5)
    if reach == 0:
        return np.ones(1, np.float32)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


@kernel
def _smooth(
    planes: NDArray[np.float32], z: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Separable smoothing; along z only planes with all their neighbours come back, at the sides the border repeats."""
    depth, ny, nx = planes.shape
    nz = depth - len(z) + 1
    ry, rx = len(y) // 2, len(x) // 2
    out = np.empty((nz, ny, nx), np.float32)
    for k in numba.prange(nz):
        level, row = np.zeros((ny, nx), np.float32), np.empty(nx + 2 * rx, np.float32)
        for a in range(len(z)):
            for j in range(ny):
                for i in range(nx):
                    level[j, i] += z[a] * planes[k + a, j, i]
        for j in range(ny):
            for i in range(len(row)):
                row[i] = 0
            for a in range(len(y)):
                m = min(max(j + a - ry, 0), ny - 1)
                for i in range(nx):
                    row[rx + i] += y[a] * level[m, i]
            for i in range(rx):
                row[i], row[rx + nx + i] = row[rx], row[rx + nx - 1]
            for i in range(nx):
                total = np.float32(0)
                for a in range(len(x)):
                    total += x[a] * row[i + a]
                out[k, j, i] = total
    return out
