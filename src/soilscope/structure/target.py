"""Surrogate targets: any per-slice metric of any class, computed and never drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.labelled import GREATEST_LABEL, Labelled, checked_labels, class_id
from soilscope.structure.measure import DEFAULT_RULE, phases
from soilscope.structure.metric import METRICS, Metric, take_installed
from soilscope.types import FloatProfile
from soilscope.volume import Volume

__all__ = ["target_id", "target_profile", "target_unit", "targets"]


def targets() -> tuple[str, ...]:
    """Names of the metrics that have a value for each slice, and so can be learnt."""
    return tuple(name for name, metric in METRICS.items() if metric.slices is not None)


def target_id(target: str, of: Sequence[int]) -> str:
    """How a target is written in tables and file names.

    Examples
    --------
    >>> target_id("porosity", (5, 6))
    'porosity-5+6'
    """
    return f"{target}-{class_id(tuple(of))}"


def target_unit(target: str) -> str:
    """Unit of a target.

    Raises
    ------
    UsageError
        Code ``target-unknown``; the message lists the targets there are.
    """
    return _target(target).unit


def target_profile(
    volume: Volume, labels: NDArray[Any], target: str, of: Sequence[int], rule: ClusterRule = DEFAULT_RULE
) -> FloatProfile:
    """The target of each slice: the same numbers as the metric's column in ``measure``'s table of slices.

    Parameters
    ----------
    volume : Volume
    labels : integer array, shape (z, y, x)
        Classes of the core, 0 for none.
    target : str
        One of :data:`soilscope.structure.TARGETS`.
    of : sequence of int
        The class, or the classes measured as one.
    rule : ClusterRule
        Which clusters are removed first.

    Returns
    -------
    float array, shape (z,)
        In :func:`target_unit`; NaN where a slice has no valid voxel, or where the metric says nothing without the class.

    Raises
    ------
    UsageError
        Codes ``target-unknown``, ``class-unknown``.
    InputRefused
        Codes ``labels-shape``, ``labels-values``, ``labels-names``.
    """
    metric = _target(target)
    values = tuple(int(k) for k in of)
    if not values or len(set(values)) != len(values) or not all(1 <= k <= GREATEST_LABEL for k in values):
        raise UsageError(
            "class-unknown", f"of = {list(of)}: name one or more classes from 1 to {GREATEST_LABEL}, each once."
        )
    core = Labelled(volume, checked_labels(volume, labels), {k: f"class{k}" for k in sorted(values)}, None)
    kept, removed = phases(core, values, rule)
    return metric.profile_of(kept if metric.clusters == "kept" else removed, f"class {class_id(values)}")


def _target(name: str) -> Metric:
    take_installed([name])
    if name not in targets():
        raise UsageError("target-unknown", f"no target is called {name!r}; there are {', '.join(targets())}.")
    return METRICS[name]
