"""``porosity``: six-class porosity of every slice of a paper-size core, in one pass over the values.

Held against the time of ``V.max()``, which reads each value once, and against six numpy passes, over the whole core (that is
the bar) and slice by slice.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcome import Figure, Outcome, Peer, Say
from benchmarks.soils import six_class_core
from benchmarks.turns import faster, in_turn
from soilscope.classes import SCHEMES
from soilscope.structure.porosity import class_counts
from soilscope.volume import Volume

__all__ = ["run"]

SHAPE, ROUNDS = (640, 512, 512), 5
MAXIMUM_BAR, NUMPY_BAR = 1 / 3, 40.0


def run(say: Say) -> Outcome:
    """Time the three in turn."""
    values = six_class_core(SHAPE)
    volume = Volume(values, np.ones(SHAPE, np.bool_), (0.5, 0.35, 0.35), "HU")
    scheme = SCHEMES["paper-2021"]
    if scheme.closed != "left":
        raise AssertionError("numpy's passes are written for classes closed on the left")

    def slice_by_slice() -> NDArray[np.int64]:
        low_high = tuple(pairwise(scheme.edges))
        return np.array([[np.count_nonzero((p >= low) & (p < high)) for low, high in low_high] for p in values])

    def whole_passes() -> list[NDArray[np.float64]]:
        return [((values >= low) & (values < high)).mean(axis=(1, 2)) for low, high in pairwise(scheme.edges)]

    if not np.array_equal(class_counts(volume, scheme)[0], slice_by_slice()):
        raise AssertionError("the counts of numpy and ours differ")
    say("counts agree")
    seconds = in_turn({"ours": lambda: class_counts(volume, scheme), "max": values.max}, ROUNDS)
    seconds |= in_turn({"passes": whole_passes, "slices": slice_by_slice}, 1)
    name = f"porosity of six classes in {SHAPE[0]} slices of {SHAPE[1]} x {SHAPE[2]}"
    ours, peer = seconds["ours"], f"numpy {np.__version__}"
    return Outcome(
        Figure(name, ours, "s", Peer(f"{peer}, V.max()", seconds["max"]), seconds["max"] / ours, MAXIMUM_BAR),
        (
            faster(name, ours, f"{peer}, six passes", seconds["passes"], NUMPY_BAR),
            faster(name, ours, f"{peer}, six passes slice by slice", seconds["slices"], None),
        ),
    )
