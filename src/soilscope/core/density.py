"""Density from values: a line or curve through calibration rods, or through points that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.wall import distance_mm
from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.volume import Volume

__all__ = ["PRESETS", "Density", "Rod", "fit_density", "measure_rods"]

MOST_DEGREE = 3
ROD_SHARE = 0.7
"""A rod's outer part is blurred into what is around it: the value is taken within this share of its radius."""

LEAST_ROD_VOXELS = 30

APART = 0.1
"""Rods of nearly one density (g/cm³) may read in either order, as their atoms differ: polystyrene (1.05) reads less than water."""

ALIKE = 0.1
"""Rods that differ by less than this share of what their densities let expect, by the median of all pairs, read alike: no scanner's
response bends so far, and a rod that is not where it was said to be shows air, or its neighbour."""

SURE = 3.0
"""Standard errors of two medians by which their order is certain."""

QUARTILES_APART = 1.349
MEDIAN_ERROR = 1.2533
"""Of the normal distribution: quartiles lie so many standard deviations apart, and a median errs so much more than a mean."""

MISFIT = 0.1
"""From this residual on, in g/cm³, a calibration is a warning: the rods of coreCT's own line are up to 0.058 off it."""


@dataclass(frozen=True, slots=True)
class Rod:
    """A material of known density.

    Parameters
    ----------
    name : str
    density : float
        In g/cm³.
    value : float, optional
        What it reads, in the scan's units (HU); left out, it is measured at ``centre_mm``.
    centre_mm : (y, x), optional
        Where it stands in every slice, in mm from the centre of the first voxel.
    radius_mm : float, optional
    """

    name: str
    density: float
    value: float | None = None
    centre_mm: tuple[float, float] | None = None
    radius_mm: float | None = None

    def __post_init__(self) -> None:
        placed = self.centre_mm is not None and self.radius_mm is not None
        if self.density < 0 or (self.value is None and not placed):
            raise UsageError(
                "rods",
                f"rod {self.name!r} needs a density of 0 or more, and either what it reads (value) or where it stands "
                "(centre_mm and radius_mm).",
            )


CORECT = (
    Rod("air", 0.0012, -850.3233),
    Rod("water", 1.0, 63.912),
    Rod("colloidal silica", 1.23, 271.7827),
    Rod("glass", 2.2, 1345.0696),
)
PRESETS: Mapping[str, tuple[Rod, ...]] = MappingProxyType({"coreCT": CORECT})
"""Known sets of rods. ``coreCT``: the documented defaults of that R package's ``convert()`` (Hill, coreCT 1.3.3,
doi:10.5281/zenodo.889651), rods of Davey et al. 2011 (doi:10.1890/10-2037.1): another scanner has other values."""


@dataclass(frozen=True, slots=True)
class Density:
    """Density as a polynomial of the value.

    Parameters
    ----------
    coefficients : tuple of float
        Lowest power first: ``density = c0 + c1 v + c2 v² ...`` in g/cm³.
    rods : tuple of Rod
        What it was fitted to, each with its value.
    residuals : tuple of float
        Density of each rod less the fit's, in g/cm³.
    name : str
        ``"rods"``, or the preset's name.
    """

    coefficients: tuple[float, ...]
    rods: tuple[Rod, ...]
    residuals: tuple[float, ...]
    name: str = "rods"

    @property
    def holds(self) -> tuple[float, float]:
        """The values between which it was fitted; beyond them it is extrapolated."""
        values = [float(rod.value or 0.0) for rod in self.rods]
        return min(values), max(values)

    @property
    def rmse(self) -> float:
        """Root mean square of the residuals, in g/cm³."""
        return float(np.sqrt(np.mean(np.square(self.residuals))))

    def of(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Density of each value in g/cm³, float32, never below 0."""
        found = np.zeros(np.shape(values), np.float32)
        for c in reversed(self.coefficients):
            found = found * np.asarray(values, np.float32) + np.float32(c)
        return np.asarray(np.maximum(found, np.float32(0.0)), np.float32)

    def volume(self, core: Volume) -> NDArray[np.float32]:
        """Density of each voxel of a core, shape (z, y, x), in g/cm³; NaN where it is not valid."""
        found = np.full(core.shape, np.nan, np.float32)
        for k, (plane, ok) in enumerate(zip(core.values, core.valid, strict=True)):
            found[k][ok] = self.of(plane[ok])
        return found

    def outside(self, core: Volume) -> float:
        """Share of the valid voxels whose value lies beyond the rods'."""
        low, high = self.holds
        beyond = sum(
            int(np.count_nonzero(((plane < low) | (plane > high)) & ok))
            for plane, ok in zip(core.values, core.valid, strict=True)
        )
        return beyond / max(int(np.count_nonzero(core.valid)), 1)

    def findings(self, core: Volume) -> tuple[Finding, ...]:
        """What the calibration is and how well it fits, with a warning where it fits badly."""
        worst = int(np.argmax(np.abs(self.residuals)))
        if abs(self.residuals[worst]) <= MISFIT:
            return (self.finding(core),)
        rod = self.rods[worst]
        text = (
            f"the calibration misses rod {rod.name!r} ({rod.density:g} g/cm³ at {rod.value:.1f}) by "
            f"{self.residuals[worst]:+.2f} g/cm³, more than {MISFIT:g}; masses are off by as much: look whether each rod stands "
            "where it was said to and is of its density, or take a curve (density_degree = 2)."
        )
        return self.finding(core), Finding("density-misfit", "warning", text)

    def finding(self, core: Volume) -> Finding:
        """What the calibration is, how well it fits, and how much of the core lies beyond the rods."""
        terms = " + ".join(
            f"{c:.6g}" + ("" if k == 0 else f" v{'' if k == 1 else ('²', '³')[k - 2]}")
            for k, c in enumerate(self.coefficients)
        )
        rods = ", ".join(
            f"{rod.name} {rod.density:g} g/cm³ at {rod.value:.1f} ({error:+.3f})"
            for rod, error in zip(self.rods, self.residuals, strict=True)
        )
        low, high = self.holds
        return Finding(
            "density-calibration",
            "note",
            f"density = {terms} g/cm³ from {self.name}: {rods}; in brackets what the fit misses. It holds from {low:.0f} to "
            f"{high:.0f} {core.units}; {self.outside(core):.1%} of the soil's voxels lie beyond: there, density is extrapolated.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``source["density"]``."""
        return {
            "name": self.name,
            "coefficients": list(self.coefficients),
            "rods": [{"name": r.name, "density": r.density, "value": r.value} for r in self.rods],
            "residuals": list(self.residuals),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Density:
        """The inverse of :meth:`as_dict`."""
        rods = tuple(Rod(r["name"], r["density"], r["value"]) for r in values["rods"])
        return cls(tuple(values["coefficients"]), rods, tuple(values["residuals"]), values["name"])


def fit_density(rods: Sequence[Rod], degree: int = 1, name: str = "rods") -> Density:
    """Least squares through rods whose values are known.

    A line is fitted to what the rods read as a function of their density, which is known, and then turned round (classical
    calibration; it gives the borders between materials that coreCT uses). A curve is fitted to density as a function of the value.

    Parameters
    ----------
    rods : sequence of Rod
        Each with its value; at least one more than ``degree``.
    degree : int
        1 for a line (as in coreCT), 2 or 3 for a curve.
    name : str
        What the calibration is called in findings.

    Raises
    ------
    UsageError
        Code ``rods``: too few, a value or density twice or missing, or a fit that falls between its rods.

    Examples
    --------
    >>> line = fit_density([Rod("air", 0.0, -1000.0), Rod("water", 1.0, 0.0)])
    >>> [round(c, 6) for c in line.coefficients]
    [1.0, 0.001]
    """
    values = np.asarray([np.nan if rod.value is None else rod.value for rod in rods], np.float64)
    if not 1 <= degree <= MOST_DEGREE or len(rods) <= degree:
        raise UsageError(
            "rods",
            f"a calibration of degree {degree} (1 to {MOST_DEGREE}) needs at least {degree + 1} rods, not {len(rods)}.",
        )
    densities = np.asarray([rod.density for rod in rods])
    if not np.isfinite(values).all() or any(len(np.unique(of)) < len(of) for of in (values, densities)):
        raise UsageError(
            "rods",
            f"each rod needs a value and a density of its own; these read {values.tolist()} at {densities.tolist()} g/cm³.",
        )
    fitted = _line(values, densities) if degree == 1 else np.polynomial.Polynomial.fit(values, densities, degree)
    between = fitted(np.linspace(values.min(), values.max(), 201))
    if np.any(np.diff(between) <= 0):
        raise UsageError(
            "rods", f"the curve of degree {degree} through these rods falls somewhere; take a lower degree."
        )
    coefficients = tuple(float(c) for c in fitted.convert().coef)
    coefficients += (0.0,) * (degree + 1 - len(coefficients))
    return Density(coefficients, tuple(rods), tuple(float(r) for r in densities - fitted(values)), name)


def _line(values: NDArray[np.float64], densities: NDArray[np.float64]) -> np.polynomial.Polynomial:
    """Density as a line of the value, from the line of the values over density."""
    reading, per_density = (float(c) for c in np.polynomial.Polynomial.fit(densities, values, 1).convert().coef)
    return np.polynomial.Polynomial([-reading / per_density, 1 / per_density])


def measure_rods(scan: Volume, rods: Sequence[Rod]) -> tuple[Rod, ...]:
    """Rods with their values: those stated, and the median of the inner voxels of those that stand in the scan.

    Raises
    ------
    InputRefused
        Codes ``rod-not-seen``: fewer than 30 voxels lie within a rod; ``rods-alike``: rods of different densities read alike, or a
        denser one reads less.
    """
    found = [(rod, _Seen(rod.value, 0.0, 0.0)) if rod.value is not None else (rod, _seen_in(scan, rod)) for rod in rods]
    measured = tuple(replace(rod, value=seen.value) for rod, seen in found)
    if any(rod.value is None for rod in rods):
        _refuse_alike(scan.core, measured, [seen for _, seen in found])
    return measured


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a rod reads: the median, its standard error, and the standard deviation of single voxels (both by quartiles)."""

    value: float
    error: float
    spread: float


def _refuse_alike(core: str, rods: Sequence[Rod], seen: Sequence[_Seen]) -> None:
    """Refuse rods of which two read alike or the denser one less: one of them is not where it was said to be."""
    order = sorted(range(len(rods)), key=lambda k: rods[k].density)
    pairs = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :] if rods[b].density - rods[a].density >= APART]
    if not pairs:
        return
    rise = [seen[b].value - seen[a].value for a, b in pairs]
    apart = [rods[b].density - rods[a].density for a, b in pairs]
    usual = float(np.median(np.divide(rise, apart)))
    among_noise = max(s.value for s in seen) - min(s.value for s in seen) <= max(s.spread for s in seen)
    for (a, b), more, by in zip(pairs, rise, apart, strict=True):
        least = max(ALIKE * usual * by, SURE * float(np.hypot(seen[a].error, seen[b].error)))
        if more > least and not among_noise:
            continue
        how = "less than" if more < 0 else "hardly more than"
        light, dense = rods[a], rods[b]
        raise InputRefused(
            "rods-alike",
            f"{core}: rod {dense.name!r} of {dense.density:g} g/cm³ reads {seen[b].value:.1f}{_at(dense)}, {how} rod "
            f"{light.name!r} of {light.density:g} g/cm³, {seen[a].value:.1f}{_at(light)}; values must rise with density, so one of "
            "them is not where it was said to be, or is of another density. Mind that mm count from the centre of the first voxel, "
            "(y, x).",
        )


def _at(rod: Rod) -> str:
    return "" if rod.centre_mm is None else f" at {list(rod.centre_mm)} mm"


def _seen_in(scan: Volume, rod: Rod) -> _Seen:
    centre, radius = rod.centre_mm or (0.0, 0.0), rod.radius_mm or 0.0
    inside = distance_mm(scan.shape[1:], centre, scan.spacing_mm[1:]) <= ROD_SHARE * radius
    values = np.concatenate([plane[ok & inside] for plane, ok in zip(scan.values, scan.valid, strict=True)])
    if values.size < LEAST_ROD_VOXELS:
        raise InputRefused(
            "rod-not-seen",
            f"{scan.core}: only {values.size} voxels lie within rod {rod.name!r} at {list(centre)} mm (y, x) of radius {radius:g} "
            f"mm; it takes {LEAST_ROD_VOXELS}. Mind that mm count from the centre of the first voxel.",
        )
    low, middle, high = (float(v) for v in np.quantile(values, (0.25, 0.5, 0.75)))
    spread = (high - low) / QUARTILES_APART
    return _Seen(middle, MEDIAN_ERROR * spread / float(np.sqrt(values.size)), spread)
