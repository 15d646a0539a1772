"""Artefacts of a scan: cupping and drift, measured, told with the share of voxels they move into another class, evened out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from soilscope.core.air import levels_of
from soilscope.core.cupping import Cupping, measure_cupping
from soilscope.core.drift import Drift, measure_drift
from soilscope.core.wall import distance_mm
from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.types import FILL
from soilscope.volume import Volume
from soilscope.volume.planes import changed, filled_slices

__all__ = ["ARTEFACTS", "Artefacts", "Edges", "correct", "measure_artefacts"]

Artefact = Literal["beam-hardening", "drift"]
ARTEFACTS: tuple[Artefact, ...] = ("drift", "beam-hardening")
"""In the order they are evened out: along the axis first, then across it."""

NOTABLE_SHARE = 0.01
"""From this share of voxels in another class on, an artefact is a warning."""

SURE = {"beam-hardening": 3.0, "drift": 4.0}
"""An artefact smaller than so many times its error is none: three standard errors of a slope; the range of slices' scatter."""

LEAST_DRIFT = 0.005
"""Drift below this share of the wall's height above air is none: the soil that blur mixes into a wall is taken out to so much."""

MOST_SLICES = 160


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges between classes, in the volume's units, by which changes of class are counted."""

    values: tuple[float, ...]
    closed: Literal["left", "right"] = "right"
    name: str = "the classes"


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What was measured on a core: kept in ``source["artefacts"]``, and so in its store.

    Parameters
    ----------
    cupping : Cupping or None
    drift : Drift or None
        None for what cannot be measured.
    air : float
        Value of air, about which attenuation is scaled.
    corrected : tuple of str
        What was evened out since.
    """

    cupping: Cupping | None
    drift: Drift | None
    air: float
    corrected: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "cupping": None if self.cupping is None else self.cupping.as_dict(),
            "drift": None if self.drift is None else self.drift.as_dict(),
            "air": round(self.air, 3),
            "corrected": list(self.corrected),
        }

    @classmethod
    def of(cls, core: Volume) -> Artefacts | None:
        """What was measured on a core when it was imported; None where nothing was."""
        values = core.source.get("artefacts")
        if values is None:
            return None
        return cls(
            None if values["cupping"] is None else Cupping.from_dict(values["cupping"]),
            None if values["drift"] is None else Drift.from_dict(values["drift"]),
            float(values["air"]),
            tuple(values["corrected"]),
        )

    def findings(self, core: Volume, edges: Edges | None = None) -> tuple[Finding, ...]:
        """Each artefact with its size and, where edges are given, the share of the soil's voxels whose class it decides."""
        told = []
        if self.cupping is not None:
            told.append(_told(self, "beam-hardening", self.cupping, core, edges))
        if self.drift is not None:
            told.append(_told(self, "drift", self.drift, core, edges))
        return tuple(told)


def measure_artefacts(scan: Volume, core: Volume) -> Artefacts:
    """Measure cupping and drift.

    Parameters
    ----------
    scan : Volume
        As read: ``valid`` is True wherever something was measured.
    core : Volume
        The same grid with the soil found in it.
    """
    level, air = levels_of(scan)
    if level is None or not filled_slices(core).size:
        return Artefacts(None, None, air)
    return Artefacts(measure_cupping(core, level), measure_drift(scan, core, level, air), air)


def correct(scan: Volume, core: Volume, which: Sequence[str]) -> Volume:
    """Even out artefacts in the soil, each measured after the one before was evened out.

    Attenuation is scaled, not shifted: ``v' = air + (v - air) g`` with ``g`` such that the reference (matrix over the radius, wall
    over depth) reads the same everywhere; air stays air. Values are rounded to whole numbers where they were whole, limited to
    their type's range, and never become the fill value; voxels that are not valid keep theirs.

    Parameters
    ----------
    scan, core : Volume
        As for :func:`measure_artefacts`.
    which : sequence of {"beam-hardening", "drift"}

    Returns
    -------
    Volume
        The core with its artefacts evened out, ``source["artefacts"]`` and one finding for each.

    Raises
    ------
    InputRefused
        Code ``no-correction``: one that was asked for cannot be measured in this scan.
    """
    measured = measure_artefacts(scan, core)
    for name in (a for a in ARTEFACTS if a in which):
        if name == "beam-hardening" and measured.drift is not None and "drift" in measured.corrected:
            again = measure_artefacts(replace(scan, values=core.values), core)
            measured = replace(measured, cupping=again.cupping)
        if (measured.cupping if name == "beam-hardening" else measured.drift) is None:
            raise InputRefused(
                "no-correction",
                f"{core.core}: {name} cannot be measured in this scan (no cylinder in air, or too little of it), so it cannot be "
                "corrected; take it out of correct in the plan's [core] table.",
            )
        values = changed(core, _Gains(measured, name, core).even_plane)
        measured = replace(measured, corrected=(*measured.corrected, name))
        core = replace(core, values=values).with_findings(_corrected(measured, name, core.units))
    return replace(core, source={**core.source, "artefacts": measured.as_dict()})


class _Gains:
    """By what attenuation is scaled, slice by slice; lines of one artefact on one core."""

    def __init__(self, measured: Artefacts, name: str, core: Volume) -> None:
        self.cupping = measured.cupping if name == "beam-hardening" else None
        self.drift = measured.drift if name == "drift" else None
        self.air, self.core, self.on_axis = measured.air, core, core.axis_mm()

    def evened(self, k: int, values: NDArray[Any]) -> NDArray[np.float64]:
        """The slice's valid values without the artefact."""
        air, level, gain = self._of(k)
        return np.asarray(level + (values.astype(np.float64) - air) * gain)

    def even_plane(self, k: int, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """The whole slice, with what is valid evened."""
        if not valid.any():
            return values
        even = values.copy()
        even[valid] = _as_before(self.evened(k, values[valid]), values)
        return even

    def with_it(self, k: int, values: NDArray[Any]) -> NDArray[np.float64]:
        """The inverse of :meth:`evened`: evened values with the artefact put back."""
        air, level, gain = self._of(k)
        return np.asarray(air + (values.astype(np.float64) - level) / gain)

    def _of(self, k: int) -> tuple[float, float, Any]:
        """Air as it reads in this slice, air as it is to read, and the gain, one number or one a valid voxel."""
        if self.cupping is not None and self.on_axis is not None:
            centre = (float(self.on_axis[0][k]), float(self.on_axis[1][k]))
            away = distance_mm(self.core.shape[1:], centre, self.core.spacing_mm[1:])[self.core.valid[k]]
            return self.air, self.air, (self.cupping.level - self.air) / (self.cupping.at(away) - self.air)
        if self.drift is not None:
            row = min(max(k + self.core.cut_since_found[0] - self.drift.top, 0), len(self.drift.values) - 1)
            usual, air = float(np.median(self.drift.values)), float(np.median(self.drift.air))
            here = self.drift.air[row]
            return here, air, (usual - air) / (self.drift.values[row] - here)
        return self.air, self.air, 1.0


def _as_before(values: NDArray[np.float64], like: NDArray[Any]) -> NDArray[Any]:
    """Values in the volume's own type: whole where they were, within its range, and never the fill value."""
    if like.dtype.kind not in "iu":
        return values.astype(like.dtype)
    info = np.iinfo(like.dtype)
    least = FILL + 1 if like.dtype == np.int16 else info.min
    return np.clip(np.rint(values), least, info.max).astype(like.dtype)


def _changed(measured: Artefacts, name: str, core: Volume, edges: Edges) -> float:
    """Share of the soil's voxels that evening out moves, or moved, into another class; every few slices of a tall core."""
    gains, moved, seen = _Gains(measured, name, core), 0, 0
    side: Literal["left", "right"] = "left" if edges.closed == "right" else "right"
    filled = filled_slices(core)
    for k in filled[np.unique(np.linspace(0, len(filled) - 1, min(MOST_SLICES, len(filled))).astype(int))]:
        values = core.values[k][core.valid[k]]
        other = gains.with_it(int(k), values) if name in measured.corrected else gains.evened(int(k), values)
        other = _as_before(other, core.values)
        pair = [np.searchsorted(edges.values, v, side=side) for v in (values, other)]
        moved += int(np.count_nonzero(pair[0] != pair[1]))
        seen += values.size
    return moved / max(seen, 1)


def _told(measured: Artefacts, name: str, found: Cupping | Drift, core: Volume, edges: Edges | None) -> Finding:
    unit = "HU" if core.units == "HU" else "grey values"
    done = name in measured.corrected
    text = _size_in_words(found, unit)
    share = 0.0
    if edges is not None:
        share = _changed(measured, name, core, edges)
        how = "Evening it out moved" if done else "Evening it out would move"
        text += f" {how} {share:.2%} of the soil's voxels into another class of {edges.name}."
    sure = _sure(found)
    if sure is None:
        text += " So the soil's own unevenness may be behind all of it, or none."
    elif not sure:
        text += (
            " That is no more than the soil's own unevenness."
            if isinstance(found, Cupping)
            else " Scatter alone gives as much."
        )
    layered = isinstance(found, Drift) and found.reference == "matrix"  # the soil's own layers are no fault of the scan
    notable = share >= NOTABLE_SHARE and sure is not False and not done and not layered
    return Finding(name, "warning" if notable else "note", text)


def _sure(found: Cupping | Drift) -> bool | None:
    """Whether an artefact is larger than what noise and the soil's own unevenness make of none; None where its error is unknown."""
    if np.isnan(found.error):
        return None
    name = "beam-hardening" if isinstance(found, Cupping) else "drift"
    return abs(found.size) > max(SURE[name] * found.error, _least(found))


def _least(found: Cupping | Drift) -> float:
    return 0.0 if isinstance(found, Cupping) else LEAST_DRIFT * float(np.median(found.values) - np.median(found.air))


def _size_in_words(found: Cupping | Drift, unit: str) -> str:
    if isinstance(found, Cupping):
        more, side = ("more", "rim") if found.size >= 0 else ("less", "axis")
        known = not np.isnan(found.error)
        size = f"{abs(found.size):.1f} ± {found.error:.1f}" if known else f"{abs(found.size):.1f}"
        return (
            f"Matrix-like voxels at the rim read {size} {unit} {more} than on "
            f"the axis (a + b r² through {len(found.values)} rings); a soil that is denser towards the {side} reads the same."
            f"{'' if known else ' The error cannot be told from so few voxels.'}"
        )
    spread = (
        f"by {found.size:.1f} {unit} from its least to its greatest slice (scatter of single slices {found.error:.1f})"
    )
    if found.reference == "wall":
        return f"The tube's wall varies {spread}."
    return f"The soil's matrix varies {spread}; without a wall to hold it against, this includes the soil's own layers."


def _corrected(measured: Artefacts, name: str, units: str) -> Finding:
    found = measured.cupping if name == "beam-hardening" else measured.drift
    unit = "HU" if units == "HU" else "grey values"
    size = 0.0 if found is None else found.size
    what = "between axis and rim" if name == "beam-hardening" else "along the axis"
    text = f"{name} was corrected as asked: {size:.1f} {unit} {what} were evened out in the soil; air stays as it was."
    doubts = []
    if isinstance(found, Drift) and found.reference == "matrix":
        doubts.append("The reference was the soil's own matrix, so its layers were evened out too.")
    if found is not None and _sure(found) is None:
        doubts.append("Its error cannot be told from so few voxels, so it may be the soil's own.")
    elif found is not None and not _sure(found):
        least = max(_least(found), SURE[name] * found.error)
        doubts.append(f"Below {least:.1f}, with its error of {found.error:.1f}, it may be the soil's own.")
    return Finding(f"{name}-corrected", "warning" if doubts else "note", " ".join([text, *doubts]))
