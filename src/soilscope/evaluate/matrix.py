"""The matrix: the error of every model on every core that has the model's target."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soilscope.errors import InputRefused, LearningStopped, UsageError

__all__ = ["MATRIX_COLUMNS", "CoreSlices", "Predictor", "check_matrix", "cross", "out_of_sample"]

MATRIX_COLUMNS = ["model", "core", "target", "rmse", "in_sample"]


class Predictor(Protocol):
    """What the matrix asks of a model; :class:`soilscope.learn.Model` is one."""

    @property
    def card(self) -> Mapping[str, Any]:
        """The model card: ``target`` (str), ``cores`` (all any weight was trained on), ``channels``."""

    def predict(self, images: Any) -> NDArray[Any]:
        """Predicted target of each image, shape (n,), in the target's own unit."""


class CoreSlices(Protocol):
    """What the matrix asks of a core's slices; :class:`soilscope.learn.Slices` is one."""

    @property
    def images(self) -> NDArray[np.float32]:
        """(n, channels, y, x)."""

    @property
    def targets(self) -> NDArray[Any]:
        """(n,), NaN where a slice has no target."""

    @property
    def core(self) -> str:
        """The core's name."""

    @property
    def target(self) -> str:
        """The target's name, such as ``"porosity-2"``."""


def cross(models: Mapping[str, Predictor], data: Mapping[Any, CoreSlices]) -> pd.DataFrame:
    """Root mean squared error of each model on all slices of each core (Wieland et al. 2021, doi:10.1098/rsos.201275).

    Parameters
    ----------
    models : mapping of name to Model
        The names become the column ``model``.
    data : mapping of any key to Slices
        One entry for each core and target; the keys only tell entries apart. What counts is ``slices.core`` and
        ``slices.target``, so that one core may come with several targets.

    Returns
    -------
    DataFrame
        ``model, core, target, rmse, in_sample``: one row for each model and core, both in the order given.
        ``rmse`` is in the target's unit, over the slices that have a target; NaN marks an absent cell: the core came
        without the model's target, or no slice of it has one. ``in_sample`` is True where any weight of the model was
        trained on that core, a transfer's donor core included, whichever of its slices were held out.

    Raises
    ------
    UsageError
        Code ``cell-twice``: one core and target came under two keys.
    InputRefused
        Code ``channels-differ``: a core's images were made by another channel rule than the model's.
    LearningStopped
        Code ``not-finite``: a model answered NaN or infinity; model and core are named and nothing is scored.
    """
    cells = _by_core_and_target(data)
    cores = list(dict.fromkeys(core for core, _ in cells))
    rows = [
        _row(name, model, core, cells.get((core, str(model.card["target"]))))
        for name, model in models.items()
        for core in cores
    ]
    return pd.DataFrame(rows, columns=MATRIX_COLUMNS).astype({"rmse": "float64", "in_sample": "bool"})


def _by_core_and_target(data: Mapping[Any, CoreSlices]) -> dict[tuple[str, str], CoreSlices]:
    cells: dict[tuple[str, str], CoreSlices] = {}
    for key, slices in data.items():
        cell = (str(slices.core), str(slices.target))
        if cell in cells:
            raise UsageError(
                "cell-twice",
                f"data[{key!r}] is core {cell[0]!r} with target {cell[1]!r} a second time; give each once.",
            )
        cells[cell] = slices
    return cells


def _row(name: str, model: Predictor, core: str, slices: CoreSlices | None) -> tuple[Hashable, ...]:
    rmse = np.nan if slices is None else _rmse(name, model, slices)
    in_sample = core in {str(trained) for trained in model.card["cores"]}
    return (name, core, str(model.card["target"]), rmse, in_sample)


def _rmse(name: str, model: Predictor, slices: CoreSlices) -> float:
    truth = np.asarray(slices.targets, dtype=np.float64)
    known = np.isfinite(truth)
    if not known.any():
        return float("nan")
    _check_channels(name, model, slices)
    try:
        predicted = np.asarray(model.predict(slices.images[known]), dtype=np.float64)
    except LearningStopped as stopped:
        raise LearningStopped(stopped.code, f"model {name!r} on core {slices.core!r}: {stopped.text}") from stopped
    if not np.isfinite(predicted).all():
        raise LearningStopped(
            "not-finite",
            f"model {name!r} answers NaN or infinity on {int((~np.isfinite(predicted)).sum())} of {known.sum()} slices "
            f"of core {slices.core!r}; nothing was scored. Train it again, or leave it out.",
        )
    return float(np.sqrt(np.mean((predicted.reshape(truth[known].shape) - truth[known]) ** 2)))


def _check_channels(name: str, model: Predictor, slices: CoreSlices) -> None:
    """A model fed with another channel rule answers something, and the number would mean nothing."""
    learnt, given = model.card.get("channels"), getattr(slices, "channels", None)
    if learnt is not None and given is not None and learnt != given:
        raise InputRefused(
            "channels-differ",
            f"model {name!r} was trained on channels {learnt!r}, but core {slices.core!r} comes as {given!r}; "
            f"make its slices with channels={learnt!r}.",
        )


def out_of_sample(matrix: pd.DataFrame) -> pd.DataFrame:
    """The matrix without the cells a model was trained on.

    The cover over all cells flatters a model by its own core. ``greedy_cover(out_of_sample(matrix))`` is the honest
    companion and belongs beside it.
    """
    check_matrix(matrix)
    return matrix[~matrix["in_sample"].astype(bool)].reset_index(drop=True)


def check_matrix(matrix: pd.DataFrame) -> None:
    """Refuse a table that is not a matrix.

    Raises
    ------
    UsageError
        Code ``matrix``: a column is missing, or a model, core and target come twice.
    """
    missing = [name for name in MATRIX_COLUMNS if name not in matrix.columns]
    if missing:
        raise UsageError("matrix", f"the matrix lacks the column(s) {', '.join(missing)}; evaluate.cross makes it.")
    twice = matrix[matrix.duplicated(["model", "core", "target"])]
    if len(twice):
        first = twice.iloc[0]
        raise UsageError(
            "matrix",
            f"model {first['model']!r} on core {first['core']!r} for {first['target']!r} comes twice; keep one.",
        )
