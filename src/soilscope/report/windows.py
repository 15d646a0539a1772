"""Representative windows in the report: from which size on a core's figures no longer depend on where the window lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from soilscope.report.document import Cell, Column, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["window_table"]


def window_table(core: str, curves: pd.DataFrame | None) -> Table | None:
    """The smallest representative window of every class and metric of a core; None where none were laid."""
    rows = None if curves is None else curves[curves["core"].astype(str) == core]
    if rows is None or rows.empty:
        return None
    columns = (
        Column("class"), Column("metric"), Column("representative", "from mm", True), Column("that is", "of the core", True),
        Column("judged", "up to mm", True), Column("windows", "", True), Column("spread", "SD / |mean|", True),
        Column("in a depth", "SD / |mean|", True),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for (key, name, metric), own in rows.groupby(["class", "name", "metric"], sort=False):
        body.append((f"{key} {name}", str(metric), *_verdict(own.sort_values("edge_mm"))))
    tolerance = float(rows["tolerance"].iloc[0])
    caption = (
        f"Is {core} big enough? Figures were taken in windows that do not overlap; a size is representative where their standard "
        f"deviation, here and in all larger judged sizes, is at most {tolerance:g} of the mean. “Not reached”: at the largest size "
        "of which enough fit, windows still differ by more; nothing says that another core of this size would read the same. "
        "“Nothing there”: the figure is 0 in all windows of every size, or is none. “Too rare”: it is 0 in all windows of the "
        "largest judged size, or is none, and not in all of other sizes. "
        "Spread: at the largest judged size. Layers and gradients keep figures from coming to rest; “in a depth” leaves them out. "
        "One core is one place: how much cores of a field differ, only more cores show. All sizes: tables/representative.csv."
    )
    return Table(caption, columns, tuple(body))


def _verdict(own: pd.DataFrame) -> tuple[Cell, ...]:
    edge = float(own["representative_mm"].iloc[0])
    shares = own.loc[own["edge_mm"] == edge, "share"]
    judged = own[own["placed"] >= own["least"]]
    found: tuple[Cell, ...] = ("not reached", None) if np.isnan(edge) else (edge, float(shares.iloc[0]))
    if judged.empty:
        return (*found, None, None, None, None)
    last = judged.iloc[-1]
    if np.isnan(last["spread"]):  # the figure is 0, or is none, in all of this size
        found = ("too rare" if own["mean"].fillna(0.0).any() else "nothing there", None)
    return (*found, float(last["edge_mm"]), int(last["windows"]), float(last["spread"]), float(last["spread_within"]))
