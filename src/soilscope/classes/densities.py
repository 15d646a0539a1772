"""Edges in g/cm³ as edges in a core's own units, through its density calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soilscope.classes.value_range import valid_range
from soilscope.core.density import Density
from soilscope.errors import InputRefused
from soilscope.volume import Volume

__all__ = ["value_edges"]

SAMPLES = 4097
"""Places at which a curve must rise over the core's values."""


def value_edges(volume: Volume, densities: Sequence[float]) -> tuple[float, ...]:
    """The values at which a core's calibration reads some densities.

    Parameters
    ----------
    volume : Volume
        A core with ``source["density"]``, as the study's ``[core] density`` leaves it.
    densities : sequence of float
        Rising, in g/cm³.

    Returns
    -------
    tuple of float
        Rising values in the core's units. Densities that no voxel reaches become edges just beyond the core's values, and a
        first edge of 0 or less is open downwards, since no density is negative (:meth:`soilscope.core.density.Density.of`).

    Raises
    ------
    InputRefused
        Code ``no-density``: the core has no calibration. Code ``no-range``: it has no valid voxel, or the calibration falls
        somewhere between its least and greatest value.
    """
    described = volume.source.get("density")
    if described is None:
        raise InputRefused(
            "no-density",
            f"core {volume.core!r} has no density calibration, which edges in g/cm³ need; state density in the plan's [core] "
            "table, or give edges in the scan's units.",
        )
    found = valid_range(volume.values, volume.valid)
    curve = np.polynomial.Polynomial(Density.from_dict(described).coefficients)
    if found is None or (found[0] < found[1] and np.any(np.diff(curve(np.linspace(*found, SAMPLES))) <= 0)):
        raise InputRefused(
            "no-range",
            f"core {volume.core!r}: its calibration does not rise over all its values ({found}); take a lower density_degree.",
        )
    low, high = found
    below = sum(bool(d < curve(low)) for d in densities) + (densities[0] <= 0 <= curve(low))
    edges, beyond = [], 0
    for k, density in enumerate(densities):
        if density < curve(low) or (k == 0 and density <= 0):
            edges.append(low - 1.0 - (below - k))
        elif density > curve(high):
            beyond += 1
            edges.append(high + beyond)
        else:
            edges.append(_value(curve, float(density), low, high))
    return tuple(edges)


def _value(curve: np.polynomial.Polynomial, density: float, low: float, high: float) -> float:
    roots = (curve - density).roots()
    real = [float(r.real) for r in np.atleast_1d(roots) if abs(r.imag) <= 1e-9 * max(1.0, abs(r.real))]
    return min(max(min(real, key=lambda r: max(low - r, r - high, 0.0)), low), high)
