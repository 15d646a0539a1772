"""A scan looked at before anything is made of it: its values, the soil in it, and a montage of its slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soilscope import ingest
from soilscope.core import find_core
from soilscope.errors import InputRefused
from soilscope.findings import Finding, to_records
from soilscope.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Preview", "preview", "save_preview"]

SLICES = 12
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
NAMES = ("min", "p05", "median", "p95", "max")


@dataclass(frozen=True, slots=True)
class Preview:
    """What was seen.

    Parameters
    ----------
    series : str
        Which scan.
    figure : matplotlib Figure
    quantiles : tuple of float
        Lowest value, the one that 5 % of the voxels stay below, the median, 95 % and the highest, in the soil.
    units : {"HU", "grey"}
    findings : tuple of Finding
        Of reading and of looking for the core.
    """

    series: str
    figure: Figure
    quantiles: tuple[float, ...]
    units: str
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the picture."""
        return {
            "series": self.series,
            "units": self.units,
            "quantiles": dict(zip(NAMES, (q if np.isfinite(q) else None for q in self.quantiles), strict=True)),
            "findings": to_records(self.findings),
        }

    def in_words(self) -> str:
        """The values in a sentence."""
        if not np.isfinite(self.quantiles).all():
            return "no voxel of it is valid"
        low, p05, median, p95, high = (f"{q:.5g}" for q in self.quantiles)
        unit = "HU" if self.units == "HU" else "(grey values)"
        return f"values in the soil: {low} to {high} {unit}, median {median}, nine in ten between {p05} and {p95}"


def preview(path: Path, stated: ingest.Options, series: str | None = None) -> Preview:
    """Look at a scan: of one larger than the memory only a few slices are read.

    Parameters
    ----------
    path, series
        As for :func:`soilscope.ingest.read`.
    stated : Options
        What the files do not say; see :func:`soilscope.ingest.options_of`.

    Raises
    ------
    InputRefused
        What reading the scan would refuse.
    """
    with ingest.open_scan(path, series, stated) as scan:
        name = scan.chosen.id
        volume, step = scan.sample(SLICES) if scan.large else (scan.read(), 1)
    try:
        found = find_core(volume)
    except InputRefused as error:
        found = volume.with_findings(Finding(error.code, "refuse", error.text))
    return Preview(name, _drawn(found, name, step), _quantiles(found), found.units, found.findings)


def save_preview(seen: Preview, path: Path) -> str:
    """Publish the picture as .png, .svg or .pdf; returns its digest.

    Raises
    ------
    UsageError
        Code ``figure-format``.
    """
    from soilscope.figures import style  # loads matplotlib

    return style.save(seen.figure, path)


def _quantiles(found: Volume) -> tuple[float, ...]:
    inside = found.values[found.valid]
    if not inside.size:
        return (float("nan"),) * len(QUANTILES)
    return tuple(float(q) for q in np.quantile(inside, QUANTILES))


def _drawn(found: Volume, name: str, step: int) -> Figure:
    from soilscope.figures.montage import Section, montage  # loads matplotlib

    depth = found.shape[0]
    apart = -(-depth // SLICES)
    chosen = np.arange(apart // 2, depth, apart)
    picked = replace(found, values=found.values[chosen], valid=found.valid[chosen])
    dz, dy, dx = found.spacing_mm
    depths = [(k * step + 0.5) * dz / step for k in chosen]
    z, y, x = found.shape
    title = f"{name}: {z * dz:.4g} mm high, {y * dy:.4g} x {x * dx:.4g} mm wide"
    if not found.valid.all():
        title += "; what was taken for soil is outlined"
    section = None
    if step == 1 and depth > 1:
        centre = found.source.get("soil", {}).get("centre_mm")
        row = y // 2 if centre is None else int(np.clip(round(centre[0] / dy), 0, y - 1))
        section = Section(found.values[:, row], found.valid[:, row], (dz, dx), (row + 0.5) * dy)
    return montage(picked, depths, title, section)
