"""Representative volume: how a figure of a class spreads between windows, and from which size of window on it no longer does.

"Is my core big enough?" is answered as far as one core can: its own places are held against each other. Another place in the field
may differ by more, and no window of this core knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilscope.classes import Scheme
from soilscope.classes.loops import alone
from soilscope.progress import Say, stages, telling, told
from soilscope.structure.clusters import ClusterRule
from soilscope.structure.labelled import class_id, label_core
from soilscope.structure.measure import DEFAULT_RULE, check_classes, phases
from soilscope.structure.metric import Metric, metrics_named
from soilscope.structure.phase import Phase
from soilscope.structure.windows import Box, WindowRule, box_shape, box_sizes, centred_box, place_boxes
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REPRESENTATIVE_COLUMNS", "REPRESENTATIVE_METRICS", "representative_edge", "representative_volume"]

REPRESENTATIVE_METRICS = ("fraction", "surface-density")
"""Volume and surface of a class: the figures on which most others hang, and quick ones."""
REPRESENTATIVE_COLUMNS = (
    "core", "class", "name", "metric", "unit", "edge_mm", "voxels", "share", "placed", "windows", "mean", "sd", "spread",
    "spread_within", "centred", "core_value", "tolerance", "least", "representative_mm",
)  # fmt: skip
DEFAULT_WINDOWS = WindowRule()
WORTH_THREADS = 500_000
"""Voxels of a window from which on threads make it quicker."""

Row = dict[str, Any]
Laid = tuple[Row, tuple[Box, ...], Box | None]


def representative_volume(
    volume: Volume,
    scheme: Scheme | str | None = None,
    *,
    labels: NDArray[Any] | None = None,
    names: Mapping[int, str] | None = None,
    metrics: Sequence[str] = REPRESENTATIVE_METRICS,
    rule: ClusterRule = DEFAULT_RULE,
    joined: Sequence[tuple[int, ...]] = (),
    windows: WindowRule = DEFAULT_WINDOWS,
    say: Say = lambda _done, _of, _what: None,
) -> pd.DataFrame:
    """Figures of a core's classes in windows of rising size.

    Parameters
    ----------
    volume : Volume
        The core; windows lie wholly in its valid voxels.
    scheme, labels, names, rule, joined
        What the classes are, as in :func:`soilscope.structure.measure`. Small clusters are removed from the whole core, before
        windows are cut: the cut itself removes nothing.
    metrics : sequence of str
        Names out of :data:`soilscope.structure.METRICS`; of each its figure for a whole core is taken, in every window.
    windows : WindowRule
        Sizes, numbers and tolerance.
    say : callable
        Told ``(done, of, what)``: classes, and of the present one the share that is done.

    Returns
    -------
    DataFrame
        The columns :data:`REPRESENTATIVE_COLUMNS`, one row a class, metric and size:

        - ``edge_mm`` of the cube, the ``voxels`` it holds, and the ``share`` of the core's valid volume that one is;
        - ``placed`` windows that do not overlap, and how many ``windows`` of them have a value (a class that is absent has no
          thickness); ``mean`` and ``sd`` (divisor n - 1) of those, in ``unit``; ``spread`` = sd / ``|mean|``;
        - ``spread_within``: the same about the mean of the windows at one depth, which layers of the core do not widen; NaN where
          no depth has two;
        - ``centred``: the figure of the one box around the core's centre of mass, NaN where it reaches beyond the soil; read down
          the sizes, this is the growing window of older studies;
        - ``core_value`` of the whole core; ``tolerance`` and ``least`` of the rule; ``representative_mm``: see
          :func:`representative_edge`, NaN for "not reached". Only sizes of which at least ``least`` were placed are judged, and
          only if all of them have a value.

    Notes
    -----
    Of a random field without correlation the sd of a fraction p in windows of V voxels is ``sqrt(p (1 - p) / V)``; of a soil it
    falls later, from the size of its bodies on, and not at all where layers or a gradient run through the core. One core is one
    place: what differs between cores of a field, it cannot show. Figures of bodies that reach through a window (clusters,
    thickness) also change their *mean* with its size; look at that too. Euler numbers have means near 0, over which no spread is
    small.

    Raises
    ------
    UsageError
        Codes ``metric-unknown``, ``class-unknown``, ``classes``, ``window-rule``.
    InputRefused
        As :func:`soilscope.structure.measure`.
    """
    import pandas as pd

    core = label_core(volume, scheme, labels, names)
    chosen = metrics_named(list(dict.fromkeys(metrics)))
    groups = [(k,) for k in core.names] + [check_classes(core, of) for of in joined]
    with telling(say, "laying windows", (0, 1), len(groups) + 1):
        laid = list(_laid(volume, windows))
    rows: list[Row] = []
    for done, of in enumerate(groups, start=1):
        about = {"core": volume.core, "class": class_id(of), "name": " + ".join(core.names[k] for k in of)}
        with telling(say, f"windows of class {class_id(of)}", (done, done + 1), len(groups) + 1):
            figures, middles, wholes = _class_figures(
                phases(core, of, rule), chosen, laid, f"class {class_id(of)} {about['name']}"
            )
        for k, metric in enumerate(chosen):
            curve = [
                size | _spread(values[k], boxes) | {"centred": float(middle[k][0]) if middle[k].size else np.nan}
                for (size, boxes, _), values, middle in zip(laid, figures, middles, strict=True)
            ]
            judged = (
                about | {"metric": metric.name, "unit": metric.unit, "core_value": wholes[k]} | _judged(curve, windows)
            )
            rows += [judged | row for row in curve]
    return pd.DataFrame(rows, columns=list(REPRESENTATIVE_COLUMNS))


def representative_edge(
    edges_mm: Sequence[float], spreads: Sequence[float], tolerance: float, judged: Sequence[bool] | None = None
) -> float:
    """The smallest edge from which on the spread stays within the tolerance, over all judged sizes; NaN where it is not reached.

    Examples
    --------
    >>> representative_edge([2, 4, 8, 16], [0.4, 0.08, 0.12, 0.05], 0.1)
    16.0
    >>> representative_edge([2, 4, 8], [0.4, 0.3, 0.2], 0.1)
    nan
    """
    found = float("nan")
    known = [True] * len(edges_mm) if judged is None else list(judged)
    for edge, spread, counts in reversed(list(zip(edges_mm, spreads, known, strict=True))):
        if not counts:
            continue
        if not spread <= tolerance:
            break
        found = float(edge)
    return found


def _laid(volume: Volume, windows: WindowRule) -> Iterator[Laid]:
    """Each size with what is said of it, its boxes, and the box in the middle."""
    inside = float(np.count_nonzero(volume.valid))
    sizes = box_sizes(volume.valid, volume.spacing_mm, windows)
    for number, edge in enumerate(sizes):
        told(number / len(sizes))
        shape = box_shape(edge, volume.spacing_mm)
        boxes = place_boxes(volume.valid, shape, windows)
        if not boxes:
            continue
        voxels = int(np.prod(shape))
        about = {"edge_mm": edge, "voxels": voxels, "share": voxels / inside, "placed": len(boxes)}
        yield about, boxes, centred_box(volume.valid, shape)


def _class_figures(
    pair: tuple[Phase, Phase], chosen: tuple[Metric, ...], laid: Sequence[Laid], what: str
) -> tuple[list[list[NDArray[np.float64]]], list[list[NDArray[np.float64]]], list[float]]:
    """Of each size the figures of its boxes and of the one in the middle; and of each metric that of the whole core."""
    figures, middles = [], []
    *sizes, rest = stages(*(len(boxes) * about["voxels"] for about, boxes, _ in laid), pair[0].mask.size)
    for part, (_, boxes, middle) in zip(sizes, laid, strict=True):
        with part:
            figures.append(_figures(pair, chosen, boxes, what))
            middles.append(_figures(pair, chosen, [] if middle is None else [middle], what))
    with rest:
        wholes = [metric.total_of(_seen_by(metric, pair), what) for metric in chosen]
    return figures, middles, wholes


def _figures(
    pair: tuple[Phase, Phase], chosen: tuple[Metric, ...], boxes: Sequence[Box], what: str
) -> list[NDArray[np.float64]]:
    """The figure of each box, for every metric."""
    made = np.full((len(chosen), len(boxes)), np.nan)
    for column, box in enumerate(boxes):
        told(column / len(boxes))
        cut = tuple(Phase.of(p.mask[box], p.valid[box], p.spacing_mm, p.neighbours) for p in pair)
        with alone() if cut[0].mask.size < WORTH_THREADS else nullcontext():
            for row, metric in enumerate(chosen):
                made[row, column] = metric.total_of(_seen_by(metric, (cut[0], cut[1])), f"a window of {what}")
    return list(made)


def _seen_by(metric: Metric, pair: tuple[Phase, Phase]) -> Phase:
    return pair[0] if metric.clusters == "kept" else pair[1]


def _spread(values: NDArray[np.float64], boxes: Sequence[Box]) -> Row:
    """Mean and spread of one size's figures, over the whole core and about the mean of each depth."""
    seen = np.isfinite(values)
    known = values[seen]
    mean = float(known.mean()) if known.size else float("nan")
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    _, depth = np.unique([box[0].start for box in boxes], return_inverse=True)
    counts = np.bincount(depth[seen])
    middles = np.bincount(depth[seen], known) / counts.clip(1)
    free = known.size - np.count_nonzero(counts)
    within = float(np.sqrt(((known - middles[depth[seen]]) ** 2).sum() / free)) if free > 0 else float("nan")
    spreads = [width / abs(mean) if mean else float("nan") for width in (sd, within)]
    return {"windows": int(known.size), "mean": mean, "sd": sd, "spread": spreads[0], "spread_within": spreads[1]}


def _judged(curve: Sequence[Row], windows: WindowRule) -> Row:
    """Whether the curve comes to rest, and from which size on."""
    enough = [row["placed"] >= windows.least for row in curve]
    spreads = [row["spread"] if row["windows"] == row["placed"] else float("nan") for row in curve]
    edge = representative_edge([row["edge_mm"] for row in curve], spreads, windows.tolerance, enough)
    return {"tolerance": windows.tolerance, "least": windows.least, "representative_mm": edge}
