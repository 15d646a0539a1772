"""From a core and its classes to structure tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope import findings as notes
from soilscope._version import __version__
from soilscope.classes import Scheme
from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.progress import Say, stages, telling
from soilscope.structure.builtin import DEFAULT_METRICS
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.labelled import Labelled, class_id, findings_of, label_core, slice_keys, union
from soilscope.structure.metric import TAKEN_FROM, Metric, metrics_named
from soilscope.structure.phase import Phase, cleaned
from soilscope.structure.together import Together
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Structure", "measure"]

DEFAULT_RULE = ClusterRule()
ALWAYS = ("fraction", "porosity", "area")
"""Every table of slices has these columns."""
MOST_NAMED = 8
"""Slices named in a finding."""


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What was measured on one core.

    Parameters
    ----------
    slices : DataFrame
        One row a class and slice: core, slice (from 0), depth_mm (of the slice's centre, from the volume's top: cut a found core
        out of its scan, ``crop(z=...)``, to count from the soil's), class, name, fraction, porosity,
        area_mm2, valid_mm2, and a column for each further per-slice metric with its unit in the name.
    core : DataFrame
        One row a class and metric: core, class, name, metric, value, unit.
    provenance : dict
        Plain values that say how the numbers were made: scheme with edges, window, small-cluster rule, spacing, software
        version, units, metrics with their definitions, findings.
    """

    slices: pd.DataFrame
    core: pd.DataFrame
    provenance: dict[str, Any]


def measure(
    volume: Volume,
    scheme: Scheme | str | None = None,
    *,
    labels: NDArray[Any] | None = None,
    names: Mapping[int, str] | None = None,
    metrics: Sequence[str] | None = None,
    rule: ClusterRule = DEFAULT_RULE,
    joined: Sequence[tuple[int, ...]] = (),
    say: Say = lambda _done, _of, _what: None,
) -> Structure:
    """Structure tables of one core.

    Parameters
    ----------
    volume : Volume
        The core; only its valid voxels count.
    scheme : Scheme or str, optional
        Value ranges of the classes, or the name of a scheme.
    labels : array of whole numbers, shape (z, y, x), optional
        Classes made elsewhere, 0 for none; with ``scheme`` given too, labels made with it earlier.
    names : mapping of int to str, optional
        Names of the label values; every value that occurs needs one.
    metrics : sequence of str, optional
        Names out of :data:`soilscope.structure.METRICS`; None takes the default set. Fraction, porosity and area are
        always there.
    rule : ClusterRule
        Which clusters are removed before everything but fraction and area is measured.
    joined : sequence of tuples of int
        Classes measured as one, such as ``[(5, 6)]``, in rows of their own with the class ``5+6``; small clusters are
        removed from the joined class.
    say : callable
        Told ``(done, of, what)``: classes, and of the present one the share that is done.

    Returns
    -------
    Structure
        ``fraction`` sums to 1 over a scheme's classes where they cover all valid voxels; ``porosity`` is 1 minus the
        fraction left after small clusters are removed. NaN where a slice has no valid voxel.

    Raises
    ------
    UsageError
        Codes ``classes``, ``scheme-unknown``, ``metric-unknown``, ``class-unknown``.
        Code ``metric``: a metric of one's own raised an error; it is named with the class.
    InputRefused
        Codes ``units-mismatch``, ``no-range``, ``labels-shape``, ``labels-values``, ``labels-names``.
    """
    core = label_core(volume, scheme, labels, names)
    chosen = metrics_named(list(dict.fromkeys([*ALWAYS, *(DEFAULT_METRICS if metrics is None else metrics)])))
    groups = [(k,) for k in core.names] + [check_classes(core, of) for of in joined]
    together = Together(core.labels, volume.valid, volume.spacing_mm, rule)
    measured = [
        _of_class(core, of, (together, chosen, rule), partial(_of_all, say, k, len(groups)))
        for k, of in enumerate(groups)
    ]
    seen = Seen(int(np.count_nonzero(volume.valid)), findings_of(core))
    return structure_of(core, seen, measured, chosen, rule)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the voxels of a core say beside its classes: how many are valid, and what was noticed."""

    valid_voxels: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one class, or of several joined."""

    of: tuple[int, ...]
    name: str
    profiles: dict[str, NDArray[np.float64]]
    totals: list[tuple[Metric, float]]
    valid_mm2: NDArray[Any]


def _of_class(
    core: Labelled, of: tuple[int, ...], asked: tuple[Together, tuple[Metric, ...], ClusterRule], say: Say
) -> Measured:
    """One class after the other, so that one class's masks and distances are in memory beside what they share."""
    together, chosen, rule = asked
    name = " + ".join(core.names[k] for k in of)
    steps = len(chosen) + 1
    with telling(say, f"class {class_id(of)}", (0, 1), steps):
        kept, removed = together.phases(of[0]) if len(of) == 1 else phases(core, of, rule)
    profiles, totals, what = {}, [], f"class {class_id(of)} {name}"
    for k, metric in enumerate(chosen, start=1):
        phase = kept if metric.clusters == "kept" else removed
        with telling(say, f"class {class_id(of)}, {metric.name}", (k, k + 1), steps):
            half, other = stages(1, 1)
            if metric.slices is not None:
                with half:
                    profiles[metric.column] = metric.profile_of(phase, what)
            with other:
                totals.append((metric, metric.total_of(phase, what)))
    return Measured(of, name, profiles, totals, kept.area * kept.pixel_mm2)


def _of_all(say: Say, before: int, groups: int, done: float, of: float, what: str) -> None:
    """How far a class is, as a share of all."""
    say(before + done / of, groups, what)


def structure_of(
    core: Labelled, seen: Seen, measured: list[Measured], chosen: tuple[Metric, ...], rule: ClusterRule
) -> Structure:
    """Tables and provenance; of the core's volume only what it is, none of its voxels."""
    provenance = _provenance(core, seen, chosen, rule, [one.of for one in measured], measured[0].valid_mm2)
    return Structure(_slice_table(core, measured), _core_table(core, measured), provenance)


def phases(core: Labelled, of: tuple[int, ...], rule: ClusterRule) -> tuple[Phase, Phase]:
    """A class, or several joined, before and after its small clusters are removed."""
    kept = Phase.of(union(core.labels, of), core.volume.valid, core.volume.spacing_mm, rule.neighbours)
    return kept, cleaned(kept, rule)


def check_classes(core: Labelled, of: Sequence[int]) -> tuple[int, ...]:
    """Class values as a tuple, all of them known.

    Raises
    ------
    UsageError
        Code ``class-unknown``.
    """
    values = tuple(int(k) for k in of)
    unknown = [k for k in values if k not in core.names]
    if unknown or not values or len(set(values)) != len(values):
        there = ", ".join(f"{k} {name}" for k, name in core.names.items())
        raise UsageError(
            "class-unknown", f"classes {list(values)} cannot be measured as one; there are {there}, each once."
        )
    return values


def _slice_table(core: Labelled, measured: list[Measured]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for one in measured:
        first = ("fraction", "porosity", "area_mm2")
        columns = slice_keys(core.volume, class_id(one.of), one.name) | {
            **{c: one.profiles[c] for c in first},
            "valid_mm2": one.valid_mm2,
            **{c: v for c, v in one.profiles.items() if c not in first},
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _core_table(core: Labelled, measured: list[Measured]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (core.volume.core, class_id(one.of), one.name, metric.name, value, metric.unit)
        for one in measured
        for metric, value in one.totals
    ]
    return pd.DataFrame(rows, columns=["core", "class", "name", "metric", "value", "unit"])


def _provenance(
    core: Labelled,
    seen: Seen,
    chosen: tuple[Metric, ...],
    rule: ClusterRule,
    groups: list[tuple[int, ...]],
    valid_mm2: NDArray[Any],
) -> dict[str, Any]:
    volume = core.volume
    found = notes.merge(volume.findings, seen.findings, _cut_through(valid_mm2), (_voxel_statement(volume, rule),))
    return {
        "core": volume.core,
        "classes": [{"class": class_id(of), "name": " + ".join(core.names[k] for k in of)} for of in groups],
        "scheme": None if core.scheme is None else core.scheme.as_dict(),
        "labels": "scheme" if core.scheme is not None else "made elsewhere",
        "window": {
            "shape": list(volume.shape),
            "valid_voxels": seen.valid_voxels,
            "crops": volume.source.get("crops", []),
        },
        "small_clusters": rule.as_dict(),
        "spacing_mm": list(volume.spacing_mm),
        "units": volume.units,
        "input_digest": volume.source.get("input_digest"),
        "metrics": [
            {"metric": m.name, "unit": m.unit, "about": m.about, "small_clusters": m.clusters}
            | ({"from": TAKEN_FROM[m.name]} if m.name in TAKEN_FROM else {})
            for m in chosen
        ],
        "software": __version__,
        "findings": notes.to_records(found),
    }


def _cut_through(valid_mm2: NDArray[Any]) -> tuple[Finding, ...]:
    """Slices without a valid voxel between others that have some: figures that run along the core end there."""
    soil = np.flatnonzero(valid_mm2 > 0)
    between = np.setdiff1d(np.arange(soil[0], soil[-1]), soil) if soil.size else soil
    if not between.size:
        return ()
    named = ", ".join(str(k) for k in between[:MOST_NAMED]) + (" and more" if between.size > MOST_NAMED else "")
    text = (
        f"{between.size} {'slice' if between.size == 1 else 'slices'} inside the soil hold nothing valid ({named}, counted from "
        "0) and cut it in two: percolation, connection, clusters and their largest fraction, thickness and distances end there "
        "and are not those of the whole core. Fractions, porosity and area of the other slices are not touched."
    )
    return (Finding("cut-through", "warning", text),)


def _voxel_statement(volume: Volume, rule: ClusterRule) -> Finding:
    """What the scan can show at all, in mm."""
    smallest = rule.under * volume.voxel_mm3
    across = (6.0 * smallest / np.pi) ** (1.0 / 3.0)
    text = f"A voxel is {volume.voxel_mm3:.4g} mm3. "
    if rule.under > 1:
        text += f"Clusters under {rule.under} voxels are removed: {smallest:.3g} mm3, a ball of {across:.2g} mm. "
    return Finding("imaged-fraction", "note", text + "Every porosity is an imaged area fraction, never total porosity.")
