"""What a metric is, and the registry of those there are.

A metric of your own is a function of a :class:`~soilscope.structure.phase.Phase`::

    from soilscope import structure as st

    def coarse(phase):                                  # share of the class in places wider than 2 mm
        wide = (phase.thickness >= 2.0) & phase.mask
        return wide.sum(axis=(1, 2)) / np.where(phase.counts > 0, phase.counts, np.nan)

    st.register(st.Metric("coarse", "1", "share of the class wider than 2 mm", slices=coarse))

It then stands in ``measure``'s tables, in reports, and among the targets a model can learn. What installed packages offer
(:mod:`soilscope.structure.installed`) need not be registered: it is taken when a plan or call names it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

import numpy as np

from soilscope.errors import UsageError
from soilscope.structure import installed
from soilscope.structure.phase import Phase
from soilscope.types import BoolVolume, FloatProfile, Neighbours3D, Spacing

__all__ = ["METRICS", "TAKEN_FROM", "Metric", "metrics_named", "register", "take_installed", "there_are"]

UNIT_SUFFIX = {
    "1": "",
    "mm": "_mm",
    "mm2": "_mm2",
    "mm3": "_mm3",
    "HU": "_hu",
    "1/mm": "_per_mm",
    "1/mm2": "_per_mm2",
    "1/mm3": "_per_mm3",
    "mm2/mm3": "_mm2_per_mm3",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure that describes a class, per slice, per core, or both.

    Parameters
    ----------
    name : str
        Lower-case words joined by hyphens.
    unit : {"1", "mm", "mm2", "mm3", "HU", "1/mm", "1/mm2", "1/mm3", "mm2/mm3"}
        Unit of both figures.
    about : str
        What it means, in one sentence, with rule and source.
    slices : function of a Phase, optional
        Gives a float array of shape (z,), NaN where a slice has nothing to say.
    core : function of a Phase, optional
        Gives one float. Left out, it is the mean of ``slices`` over the slices that have a value.
    clusters : {"removed", "kept"}
        Whether it sees the class after small clusters were removed, or before.
    sees : {"core", "slice"}
        What a slice's figure depends on: the whole core, or mask, window and spacing of that slice alone. The latter can be
        worked out a few slices at a time, and so has figures in cores that do not fit into memory.

    Raises
    ------
    UsageError
        Code ``metric``: unknown unit, or neither function given.
    """

    name: str
    unit: str
    about: str
    slices: Callable[[Phase], FloatProfile] | None = None
    core: Callable[[Phase], float] | None = None
    clusters: Literal["removed", "kept"] = field(default="removed", kw_only=True)
    sees: Literal["core", "slice"] = field(default="core", kw_only=True)

    def __post_init__(self) -> None:
        if self.unit not in UNIT_SUFFIX:
            raise UsageError("metric", f"metric {self.name!r}: unit {self.unit!r} is none of {', '.join(UNIT_SUFFIX)}.")
        if self.slices is None and self.core is None:
            raise UsageError("metric", f"metric {self.name!r} needs a function for slices, for the core, or both.")

    @property
    def column(self) -> str:
        """The metric's column in the table of slices, its unit in the name."""
        return self.name.replace("-", "_") + UNIT_SUFFIX[self.unit]

    def profile(
        self, mask: BoolVolume, valid: BoolVolume | None, spacing_mm: Spacing, neighbours: Neighbours3D = 6
    ) -> FloatProfile | None:
        """The figure of each slice, shape (z,), from a mask; None where the metric has none."""
        if self.slices is None:
            return None
        return self.profile_of(Phase.of(mask, valid, spacing_mm, neighbours))

    def total(
        self, mask: BoolVolume, valid: BoolVolume | None, spacing_mm: Spacing, neighbours: Neighbours3D = 6
    ) -> float:
        """The figure of the whole core from a mask."""
        return self.total_of(Phase.of(mask, valid, spacing_mm, neighbours))

    def profile_of(self, phase: Phase, of: str = "") -> FloatProfile:
        """The figure of each slice of a phase, NaN where a slice has no valid voxel.

        Parameters
        ----------
        phase : Phase
        of : str, optional
            What the phase is, such as ``"class 3"``, for messages.

        Raises
        ------
        UsageError
            Code ``metric``: the metric has no figure for slices, or somebody's own metric raised an error or gave no numbers.
        """
        if self.slices is None:
            raise UsageError("metric", f"metric {self.name!r} describes the whole core and has no figure for slices.")
        with self._own_faults(of):
            values = np.asarray(self.slices(self._shown(phase)), dtype=np.float64)
        if values.shape != (len(phase.mask),):
            raise UsageError("metric", f"metric {self.name!r} gave shape {values.shape} for {len(phase.mask)} slices.")
        return np.where(phase.area > 0, values, np.nan)

    def total_of(self, phase: Phase, of: str = "") -> float:
        """The figure of a whole phase; parameters and errors as those of :meth:`profile_of`."""
        if self.core is not None:
            with self._own_faults(of):
                return float(self.core(self._shown(phase)))
        values = self.profile_of(phase, of)
        said = values[~np.isnan(values)]
        return float(said.mean()) if said.size else float("nan")

    def _shown(self, phase: Phase) -> Phase:
        """A metric of somebody's own may look at what all metrics share, and write nothing into it."""
        return phase if self._is_ours else phase.read_only()

    @property
    def _is_ours(self) -> bool:
        return METRICS.get(self.name) is self and self.name in OURS

    @contextmanager
    def _own_faults(self, of: str) -> Iterator[None]:
        """What somebody's own metric raises is told with its name, its class and its place; an error of ours stays as it is."""
        try:
            yield
        except Exception as error:  # whatever the metric's own code raises
            if self._is_ours:
                raise
            whose = f" of {TAKEN_FROM[self.name]}" if self.name in TAKEN_FROM else ""
            raise UsageError(
                "metric",
                f"the metric {self.name!r}{whose} raised {type(error).__name__}{f' on {of}' if of else ''}: {error} "
                f"({_place(error)}). As long as it does, the core has no table, of other metrics neither: mend this metric, or "
                "leave it out.",
            ) from error


def _place(error: Exception) -> str:
    """File and line that raised an error."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(last.filename).name}, line {last.lineno}"


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
OWN_COLUMNS = {"core", "class", "name", "slice", "depth_mm", "valid_mm2", "metric", "value", "unit"}
OURS: set[str] = set()
"""Names of the metrics that come with Soilscope."""
METRICS: dict[str, Metric] = {}
"""The metrics there are, by name, in the order of the tables."""
TAKEN_FROM: dict[str, str] = {}
"""Metric -> package and version, of those that an installed package offers and somebody asked for."""


def register(metric: Metric) -> Metric:
    """Add a metric to :data:`METRICS`.

    Raises
    ------
    UsageError
        Code ``metric``: another metric has this name or this column, or the name is none for a column and a file: it begins with a
        letter, goes on with letters, digits, ``-`` and ``_``, and is none of the tables' own columns, with its unit or without.
    """
    if not NAME.fullmatch(metric.name) or {metric.name, metric.column} & OWN_COLUMNS:
        column = "" if metric.column == metric.name else f", which makes the column {metric.column},"
        raise UsageError(
            "metric",
            f"a metric cannot be called {metric.name!r}{column}: begin with a letter, go on with letters, digits, - and _, and "
            f"leave {', '.join(sorted(OWN_COLUMNS))} to the tables.",
        )
    taken = {m.name for m in METRICS.values()} | {m.column for m in METRICS.values()}
    if metric.name in taken or metric.column in taken:
        raise UsageError("metric", f"there is a metric {metric.name!r} already; give yours another name.")
    METRICS[metric.name] = metric
    return metric


def take_installed(names: Iterable[str]) -> None:
    """Register those metrics that installed packages offer under these names; names that are known or offered by none are left.

    Raises
    ------
    UsageError
        Code ``metric``: what is offered cannot be loaded, is no metric, or is one of another name.
    """
    for offer in installed.offers(name for name in names if name not in METRICS):
        metric = installed.load(offer)
        if not isinstance(metric, Metric) or metric.name != offer.name:
            is_what = f"the metric {metric.name!r}" if isinstance(metric, Metric) else f"a {type(metric).__name__}"
            raise UsageError("metric", f"{offer} offers a metric {offer.name!r}, but {offer.entry.value} is {is_what}.")
        if offer.name not in METRICS:  # its module may have registered it itself
            register(metric)
        TAKEN_FROM[offer.name] = str(offer)


def there_are() -> list[str]:
    """Names of all metrics that can be asked for: the registered and the installed ones."""
    return sorted({*METRICS, *(offer.name for offer in installed.offers())})


def metrics_named(names: list[str] | tuple[str, ...]) -> tuple[Metric, ...]:
    """The metrics of some names.

    Raises
    ------
    UsageError
        Code ``metric-unknown``; the message lists the metrics there are. Code ``metric``: see :func:`take_installed`.
    """
    take_installed(names)
    unknown = [n for n in names if n not in METRICS]
    if unknown:
        raise UsageError(
            "metric-unknown",
            f"no metric is called {', '.join(map(repr, unknown))}; there are {', '.join(there_are())}.",
        )
    return tuple(METRICS[n] for n in names)
