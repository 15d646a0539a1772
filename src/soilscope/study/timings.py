"""How long each item took and how much memory it needed: the only table that may differ between two runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from soilscope.files import write_table
from soilscope.study.layout import Layout

__all__ = ["Timings"]

COLUMNS = ["step", "item", "seconds", "peak_mb"]


@dataclass(slots=True)
class Timings:
    """Rows of ``tables/timings.csv``; an item done again replaces its row."""

    study: Path
    rows: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, study: Path) -> Timings:
        """Read the table; an absent one is empty."""
        path = study / Layout.timings
        if not path.exists():
            return cls(study)
        frame = pd.read_csv(path, dtype={"step": str, "item": str})
        keys = zip(frame["step"].astype(str), frame["item"].astype(str), strict=True)
        costs = zip(frame["seconds"].astype(float), frame["peak_mb"].astype(float), strict=True)
        return cls(study, dict(zip(keys, costs, strict=True)))

    def put(self, step: str, item: str, seconds: float, peak_mb: float) -> None:
        """Remember what an item cost."""
        self.rows[step, item] = (round(seconds, 3), round(peak_mb, 1))

    def save(self) -> None:
        """Publish the table; where nothing was ever done there is none."""
        if not self.rows:
            return
        rows = [(*key, *cost) for key, cost in sorted(self.rows.items())]
        write_table(self.study / Layout.timings, pd.DataFrame(rows, columns=COLUMNS))
