"""The study's frames as the report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from soilscope.report.document import Cell, Column, Outlier, Table
from soilscope.report.results import CoreResult
from soilscope.report.words import interval, unit_of
from soilscope.structure.metric import OURS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "class_names",
    "class_table",
    "cover_table",
    "further_table",
    "horizon_table",
    "matrix_table",
    "models_table",
    "outlier_table",
]

_METRICS = (
    "fraction",
    "porosity",
    "local-thickness",
    "clusters",
    "largest-fraction",
    "connection-3d",
    "percolating-fraction",
    "euler-3d",
    "surface-density",
    "critical-diameter",
)
"""Shown for each core, in this order, as far as measured."""
MOST_METRICS = 4
"""More would be cut at the page's edge; the others have a table of their own (:func:`further_table`)."""


def class_names(slices: pd.DataFrame) -> dict[str, str]:
    """Class -> name, as the slices table has them."""
    pairs = slices[["class", "name"]].astype(str).drop_duplicates("class")
    return dict(zip(pairs["class"], pairs["name"], strict=True))


def class_table(
    core: CoreResult, metrics: pd.DataFrame, names: Mapping[str, str], moved: pd.DataFrame | None = None
) -> Table | None:
    """Edges and whole-core figures of a core's classes, and how far moved edges carry them; None where nothing was measured."""
    rows = metrics[metrics["core"].astype(str) == core.name]
    if rows.empty:
        return None
    units = dict(zip(rows["metric"].astype(str), rows["unit"].astype(str), strict=True))
    shown = _first(list(units))
    values = {(str(r["class"]), str(r["metric"])): float(r["value"]) for _, r in rows.iterrows()}
    classes = list(dict.fromkeys(rows["class"].astype(str)))
    edges = list(core.scheme.get("edges", ()))
    columns = [Column("class"), Column("name")]
    columns += [Column("range", "HU" if core.units == "HU" else "grey value")] if edges else []
    spans = _spans(core.name, moved)
    for name in shown:
        columns.append(Column(name, unit_of(units[name]), True))
        if any(metric == name for _, metric in spans):
            columns.append(Column("moved", "low to high", True))
    body = []
    for key in classes:
        row: list[Cell] = [key, names.get(key, "")]
        row += [_range(key, edges, str(core.scheme.get("closed", "right")))] if edges else []
        for name in shown:
            row.append(values.get((key, name)))
            if any(metric == name for _, metric in spans):
                row.append(spans.get((key, name)))
        body.append(tuple(row))
    caption = f"Classes of {core.name}, whole core. The fraction is before small clusters are removed."
    if len(shown) < len(units):
        caption += (
            f" Up to {MOST_METRICS} metrics stand here: fraction, porosity, your own, then the usual ones; all others are in the "
            "table of further metrics."
        )
    if spans and moved is not None:
        shift = float(moved.loc[moved["core"].astype(str) == core.name, "shift"].iloc[0])
        unit = "HU" if core.units == "HU" else "grey values"
        caption += f" “Moved”: the figure left of it with all edges between classes moved together by up to ±{shift:.4g} {unit}."
    return Table(caption, tuple(columns), tuple(body))


def _first(measured: Sequence[str]) -> list[str]:
    """The metrics beside the classes: fractions, then the user's own, then the usual ones."""
    usual = [name for name in _METRICS if name in measured]
    own = [name for name in measured if name not in OURS]
    return list(dict.fromkeys([*usual[:2], *own, *usual]))[:MOST_METRICS]


def further_table(core: CoreResult, metrics: pd.DataFrame, names: Mapping[str, str]) -> Table | None:
    """All other metrics of a core, one row each and one column a class; None where :func:`class_table` shows all."""
    rows = metrics[metrics["core"].astype(str) == core.name]
    units = dict(zip(rows["metric"].astype(str), rows["unit"].astype(str), strict=True))
    left = [name for name in units if name not in _first(list(units))]
    if not left:
        return None
    classes = list(dict.fromkeys(rows["class"].astype(str)))
    values = {(str(r["class"]), str(r["metric"])): float(r["value"]) for _, r in rows.iterrows()}
    titles = [f"{key} {names.get(key, '')}".strip() for key in classes]
    columns = (Column("metric"), Column("unit"), *(Column(title, number=True) for title in titles))
    body = tuple((name, unit_of(units[name]) or "1", *(values.get((key, name)) for key in classes)) for name in left)
    return Table(f"Further metrics of {core.name}, whole core. All are in tables/cores.csv.", columns, body)


def _spans(core: str, moved: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """(class, metric) -> least to greatest figure under moved edges, of one core."""
    from soilscope.figures.text import number

    if moved is None:
        return {}
    rows = moved[moved["core"].astype(str) == core]
    return {
        (str(r["class"]), str(r["metric"])): f"{number(float(r['low']), 3)} to {number(float(r['high']), 3)}"
        for _, r in rows.iterrows()
        if np.isfinite(r["low"])
    }


def horizon_table(core: str, horizons: pd.DataFrame | None, names: Mapping[str, str]) -> Table | None:
    """Depths and mean area fractions of a core's horizons; None where they were not looked for."""
    if horizons is None:
        return None
    rows = horizons[horizons["core"].astype(str) == core]
    if rows.empty:
        return None
    classes = [c for c in rows.columns if c.startswith("fraction_") and rows[c].notna().any() and (rows[c] > 0).any()]
    titles = [f"{c.removeprefix('fraction_')} {names.get(c.removeprefix('fraction_'), '')}".strip() for c in classes]
    columns = (
        Column("horizon"), Column("from", "mm", True), Column("to", "mm", True), Column("differs in", "share", True),
        *(Column(title, "fraction", True) for title in titles),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for _, r in rows.iterrows():
        depths = (f"{r['top_mm']:.2f}", f"{r['bottom_mm']:.2f}")
        body.append((int(r["horizon"]), *depths, float(r["step"]), *(float(r[c]) for c in classes)))
    share = float(rows["explained"].iloc[0])
    caption = (
        f"{core} is one horizon: no change point of the area fractions explains 10 % of their variance over depth."
        if len(rows) == 1
        else f"Horizons of {core}, found as change points of the area fractions; together they explain {share:.0%} of the "
        "fractions' variance over depth. “Differs in”: share of the soil that is of another class than in the horizon "
        "above. A steady change has no border, and is cut into steps all the same. All cores: tables/horizons.csv."
    )
    return Table(caption, columns, tuple(body))


def _range(key: str, edges: Sequence[float], closed: str) -> str:
    """A class's range with its brackets; joined classes have none."""
    if not key.isdigit() or not 1 <= int(key) < len(edges):
        return ""
    return interval(edges, int(key), closed)


def models_table(models: pd.DataFrame, cards: Mapping[str, Mapping[str, Any]]) -> Table:
    """All models with all three baselines; those that do not beat the best one are marked."""
    columns = (
        Column("model"),
        Column("kind"),
        Column("split"),
        Column("unit"),
        Column("train RMSE", number=True),
        Column("test slices", number=True),
        Column("test RMSE", number=True),
        Column("constant", number=True),
        Column("nearest slice", number=True),
        Column("histogram", number=True),
    )
    body: list[tuple[Cell, ...]] = []
    marked = []
    for number, (_, row) in enumerate(models.iterrows()):
        card = cards.get(str(row["model"]), {})
        rivals = card.get("baselines", {})
        if not row["test_rmse"] < row["baseline_rmse"]:
            marked.append(number)
        body.append(
            (
                str(row["model"]),
                str(row["kind"]),
                str(row["split"]),
                unit_of(str(card.get("unit", "1"))) or "1",
                float(row["train_rmse"]),
                len(card["split"]["test"]) if "test" in card.get("split", {}) else None,
                float(row["test_rmse"]),
                *(rivals.get(name) for name in ("constant", "nearest_slice", "histogram")),
            )
        )
    caption = (
        "Models: RMSE on their training and test slices, and the RMSE of three baselines on the same test slices. "
        "Shaded: not better than the best baseline."
    )
    return Table(caption, columns, tuple(body), tuple(marked))


def matrix_table(cells: pd.DataFrame, title: str, unit: str) -> Table:
    """One target's matrix in figures; in-sample cells carry a star."""
    models, cores = (list(dict.fromkeys(cells[name].astype(str))) for name in ("model", "core"))
    rmse = {(str(r["model"]), str(r["core"])): (float(r["rmse"]), bool(r["in_sample"])) for _, r in cells.iterrows()}
    body = tuple((model, *(_starred(*rmse.get((model, core), (np.nan, False))) for core in cores)) for model in models)
    columns = (Column("model"), *(Column(core, number=True) for core in cores))
    shown = f" ({unit_of(unit)})" if unit_of(unit) else ""
    return Table(
        f"RMSE of {title}{shown}, every model on every core. A star marks a core the model was trained on.",
        columns,
        body,
    )


def _starred(value: float, in_sample: bool) -> Cell:
    from soilscope.figures.text import number

    if not np.isfinite(value):
        return None
    return number(value, 3) + ("*" if in_sample else "")


def cover_table(cover: pd.DataFrame, title: str, limit: float | None) -> Table:
    """One target's cover."""
    body = tuple(
        (int(r["order"]), str(r["model"]), int(r["covered"]), str(r["cores"]).replace(";", ", "))
        for _, r in cover.sort_values("order").iterrows()
    )
    below = f" (RMSE < {limit:g})" if limit is not None else ""
    columns = (
        Column("order"),
        Column("model"),
        Column("newly covered cores"),
        Column("cores"),
    )
    return Table(f"Greedy cover for {title}{below}; in-sample cells count, as in the paper.", columns, body)


def outlier_table(found: Sequence[Outlier], names: Mapping[str, str]) -> Table:
    """Cores that stand out, strongest first."""
    body = []
    for outlier in found:
        metric, _, key = outlier.metric.rpartition(" ")
        called = f"{metric}, class {key} {names.get(key, '')}".rstrip()
        body.append((outlier.core, called, outlier.value, outlier.median, outlier.z))
    columns = (
        Column("core"),
        Column("metric"),
        *(Column(t, number=True) for t in ("value", "median of all", "robust z")),
    )
    return Table("Cores that stand out.", columns, tuple(body))
