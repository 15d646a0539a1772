"""Tables of a study that never ran, in the columns the study folder promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CORES = ("pine-1", "pine-2", "grass-1", "sand-1")
TARGETS = ("porosity-2", "local-thickness-1")
UNITS = {"porosity-2": "1", "local-thickness-1": "mm"}
LIMIT = 0.04
SCHEME = {
    "name": "physical",
    "edges": [-1025.0, -700.0, 200.0, 1500.0, 2000.0, 3071.0],
    "names": ["pore", "organic", "matrix", "dense matrix", "stone"],
    "units": "HU",
    "closed": "right",
    "relative": False,
    "source": "made up for this test",
}


def model_names() -> list[tuple[str, str, str, str]]:
    """(model, core, target, kind): four full models of the first target, and a transfer of each to the second."""
    full = [(f"{core}-{TARGETS[0]}", core, TARGETS[0], "full") for core in CORES]
    return full + [(f"{core}-{TARGETS[1]}-transfer", core, TARGETS[1], "transfer") for core in CORES]


def cards() -> dict[str, dict[str, Any]]:
    """Model cards; the last core's full model is worse than its constant."""
    made = {}
    for k, (model, core, target, kind) in enumerate(model_names()):
        scale = 0.05 if target == TARGETS[0] else 0.6
        final = scale * (0.2 + 0.1 * (k % 4)) if k != 3 else scale * 1.2
        falling = final + (1.5 * scale - final) * np.exp(-np.arange(8) / 1.5)
        made[model] = {
            "name": model,
            "network": {"kind": "vgg16", "width": 0.125, "image_size": 64, "head": "pooled", "outputs": 1},
            "channels": "paper-2021",
            "target": target,
            "of": [2] if target == TARGETS[0] else [1],
            "unit": UNITS[target],
            "scheme": "physical",
            "cores": [core],
            "donor": None if kind == "full" else {"target": TARGETS[0], "cores": [core]},
            "kind": kind,
            "split": {"kind": "random", "train": list(range(0, 48)), "test": list(range(48, 60))},
            "baselines": {"constant": scale, "nearest_slice": scale * 0.45, "histogram": scale * 0.3},
            "train_rmse": float(final * 0.8),
            "test_rmse": float(final),
            "history": [{"epoch": e + 1, "loss": float((v / scale) ** 2)} for e, v in enumerate(falling)],
            "target_sd": scale,
            "schedule": {"epochs": 8, "batch": 8, "learning_rate": None, "augment": "symmetries"},
            "learning_rate": 1e-3,
            "seed": 0,
            "threads": 2,
            "dtype": "bfloat16",
            "torch": "2.13.0",
            "software": "0.1.0",
            "findings": [],
        }
    return made


def models_table() -> pd.DataFrame:
    rows = [
        (m, core, target, kind, "random", c["train_rmse"], c["test_rmse"], min(c["baselines"].values()))
        for (m, core, target, kind), c in zip(model_names(), cards().values(), strict=True)
    ]
    return pd.DataFrame(
        rows, columns=["model", "core", "target", "kind", "split", "train_rmse", "test_rmse", "baseline_rmse"]
    )


def matrix_table() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    rows = []
    for model, own, target, _ in model_names():
        scale = 0.03 if target == TARGETS[0] else 0.4
        for core in CORES:
            error = scale * (0.35 if core == own else rng.uniform(0.6, 6.0))
            rows.append((model, core, target, error, core == own))
    return pd.DataFrame(rows, columns=["model", "core", "target", "rmse", "in_sample"])


def cover_table() -> pd.DataFrame:
    rows = [
        (TARGETS[0], 1, f"pine-1-{TARGETS[0]}", 3, "pine-1;pine-2;grass-1"),
        (TARGETS[0], 2, f"sand-1-{TARGETS[0]}", 1, "sand-1"),
    ]
    return pd.DataFrame(rows, columns=["target", "order", "model", "covered", "cores"])


def predictions_table() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    rows = []
    for model, core, target, _ in model_names():
        scale = 0.05 if target == TARGETS[0] else 0.6
        noise = cards()[model]["test_rmse"]
        for z in range(60):
            true = (0.9 if target == TARGETS[0] else 2.0) + scale * np.sin(z / 9)
            rows.append(
                (
                    model,
                    core,
                    target,
                    z,
                    0.25 + 0.5 * z,
                    true,
                    true + rng.normal(0, noise),
                    "train" if z < 48 else "test",
                )
            )
    return pd.DataFrame(rows, columns=["model", "core", "target", "slice", "depth_mm", "true", "predicted", "part"])
