"""A study's results, whole and made up, as the study hands them to the report."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "figures"))  # made_up_cores, made_up_study

import made_up_cores
import made_up_study as study

from soilscope.classes import Scheme
from soilscope.findings import Finding
from soilscope.report import StudyResults, core_result, explanation_result

SCHEME = Scheme(
    "physical", tuple(study.SCHEME["edges"]), tuple(study.SCHEME["names"]), "HU", source="made up for this test"
)
SETTINGS = {
    "scheme": SCHEME.as_dict(),
    "rule": {"under": 60, "neighbours": 6},
    "metrics": ["fraction", "porosity", "clusters", "local-thickness"],
    "limit": study.LIMIT,
    "seed": 0,
    "threads": 2,
    "plan_digest": "sha256:" + "0" * 64,
    "explain": {"layers": ["block1_conv2", "block5_conv3"], "sign": -1},
}


def core_metrics(slices: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (core, key), own in slices.groupby(["core", "class"], sort=False):
        share = own["fraction"].mean()
        for metric, value, unit in (
            ("fraction", share, "1"),
            ("porosity", 1 - share, "1"),
            ("local-thickness", 1.0 + share, "mm"),
            ("clusters", 0.001 * (1 - share), "1/mm3"),
        ):
            rows.append((core, key, metric, value, unit))
    return pd.DataFrame(rows, columns=["core", "class", "metric", "value", "unit"])


@cache
def results(names: tuple[str, ...] = study.CORES) -> StudyResults:
    """Everything a report can show, for cores of these names."""
    volumes = [made_up_cores.core(seed, name) for seed, name in enumerate(names)]
    slices = pd.concat([made_up_cores.slices_table(*pair) for pair in volumes], ignore_index=True)
    cores = tuple(core_result(volume, labels, SCHEME, slices) for volume, labels in volumes)
    cards = study.cards()
    rng = np.random.default_rng(0)
    image = volumes[0][0].values[30].astype(np.float32)
    maps = {
        f"block{b}_conv{2 if b < 3 else 3}": np.maximum(
            0, ndimage.gaussian_filter(rng.normal(size=image.shape), 2**b / 2)
        ).astype(np.float32)
        for b in range(1, 6)
    }
    maps["block4_conv3"][:] = np.nan
    model = next(iter(cards))
    return StudyResults(
        "A study that never ran",
        SETTINGS,
        cores,
        slices,
        core_metrics(slices),
        study.models_table(),
        study.matrix_table(),
        study.cover_table(),
        cards,
        study.predictions_table(),
        (explanation_result(model, cards[model], names[0], 15.25, image, maps, sign=-1, spacing_mm=(0.7, 0.7)),),
        (
            Finding(
                "gap",
                "warning",
                "2 slices are missing between z = 118.0 and 119.5 mm and are masked.",
                ("a.dcm", "b.dcm"),
            ),
        ),
        {"soilscope": "0.1.0", "numpy": "2.0.0", "torch": "2.13.0"},
    )
