"""Figures of a large core that hang on widths and distances: from temporary files, after its classes are cleaned."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from soilscope.progress import Say
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.far import FarFields
from soilscope.structure.halo import ThicknessSums, thickness_of_blocks
from soilscope.structure.nearest import means_of
from soilscope.structure.scratch import Room, Scratch
from soilscope.structure.value_counts import SliceCounts
from soilscope.types import BoolVolume, FloatProfile, LabelVolume, Spacing

__all__ = ["FIELDS", "FieldFiles", "Fields"]

FIELDS = ("local-thickness", "median-diameter", "distance", "critical-diameter")
"""Metrics that are worked out here."""
THICKNESS = ("local-thickness", "median-diameter")


@dataclass(frozen=True, slots=True)
class Fields:
    """What was found of each label.

    Parameters
    ----------
    thickness, medians : of local thickness, or None where nobody asked
    distances : for each label sums in mm and counts, by slice
    critical : for each label its critical diameter in mm
    """

    thickness: ThicknessSums | None = None
    medians: SliceCounts | None = None
    distances: dict[int, tuple[NDArray[np.float64], NDArray[np.int64]]] = field(default_factory=dict)
    critical: dict[int, float] = field(default_factory=dict)

    def of(self, name: str, value: int, counts: NDArray[np.int64]) -> tuple[FloatProfile, float]:
        """A metric of a label, slice by slice and of the core; ``counts`` are its voxels in each slice."""
        if name == "critical-diameter":
            return np.full(len(counts), np.nan), self.critical[value]
        if name == "distance":
            sums, away = self.distances[value]
            whole = means_of(sums.sum(keepdims=True), away.sum(keepdims=True))
            return means_of(sums, away), float(whole[0])
        thick = self.thickness
        assert thick is not None
        if name == "local-thickness":
            profile, total = _mean_thickness(thick, value, counts)
        else:
            assert self.medians is not None
            profile, total = self.medians.medians(value)
        profile[thick.beyond[:, value]] = np.nan
        return profile, float("nan") if thick.beyond[:, value].any() else total

    def beyond(self, value: int) -> tuple[float, int] | None:
        """From which width on, in mm, and in how many slices a label was too wide to be measured; None where it was not."""
        thick = self.thickness
        if thick is None or not thick.beyond[:, value].any():
            return None
        return float(thick.bound_mm[value]), int(thick.beyond[:, value].sum())


def _mean_thickness(thick: ThicknessSums, value: int, counts: NDArray[np.int64]) -> tuple[FloatProfile, float]:
    """Mean over the voxels of each slice and of the core."""
    profile: FloatProfile = np.full(len(counts), np.nan)
    np.divide(thick.sums[:, value], counts, out=profile, where=counts > 0)
    seen = counts > 0
    if not seen.any():
        return profile, float("nan")
    return profile, float((profile[seen] * counts[seen]).sum()) / float(counts.sum())


class FieldFiles:
    """The cleaned labels and the window of a core on the disk, as far as the metrics asked for need them."""

    def __init__(self, stack: ExitStack, room: Room, wanted: set[str]) -> None:
        self._room, self._wanted = room, wanted & set(FIELDS)
        self._labels: Scratch | None = stack.enter_context(room.array()) if self._wanted else None
        self._window: Scratch | None = stack.enter_context(room.array()) if "distance" in wanted else None

    def append(self, cleaned: LabelVolume, valid: BoolVolume) -> None:
        """The next slices."""
        if self._labels is not None:
            self._labels.append(cleaned)
        if self._window is not None:
            self._window.append(valid.view(np.uint8))

    def fields(
        self, values: Sequence[int], at: tuple[Spacing, ClusterRule, int], ends: tuple[int, int], say: Say
    ) -> Fields:
        """Work out what was asked for; ``at`` is the spacing, the rule for clusters, and how many voxels may be held."""
        if self._labels is None:
            return Fields()
        spacing, rule, held = at
        depth = self._room.shape[0]
        thickness = ThicknessSums.empty(depth) if self._wanted & set(THICKNESS) else None
        medians = SliceCounts(depth) if "median-diameter" in self._wanted else None
        if thickness is not None:
            take = [thickness.take] if medians is None else [thickness.take, medians.take]
            thickness_of_blocks(self._labels, spacing, held, take, partial(_told, say, "thickness"), ends)
        far = FarFields(self._labels, self._room, spacing, held, rule.neighbours)
        distances = {}
        if self._window is not None:
            for k in values:
                distances[k] = far.distances(k, self._window, partial(_told, say, f"distances to class {k}"))
        critical = {}
        if "critical-diameter" in self._wanted:
            critical = far.critical(values, ends, partial(_told, say, "critical diameters"))
        return Fields(thickness, medians, distances, critical)


def _told(say: Say, what: str, done: float, of: float) -> None:
    say(done, of, what)
