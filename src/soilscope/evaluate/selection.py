"""The paper's selection: the fewest models that fit the most cores, found greedily, one cover for each target."""

from __future__ import annotations

import math

import pandas as pd

from soilscope.errors import UsageError
from soilscope.evaluate.matrix import check_matrix

__all__ = ["COVER_COLUMNS", "PAPER_LIMIT", "greedy_cover", "uncovered"]

COVER_COLUMNS = ["target", "order", "model", "covered", "cores"]
UNCOVERED_COLUMNS = ["target", "core", "best_model", "rmse"]

PAPER_LIMIT = 0.04
"""RMSE of a porosity below which the paper calls a core fitted; a choice, not a statistic."""

Errors = dict[str, dict[str, float]]
"""model -> core -> RMSE, absent cells left out."""


def greedy_cover(matrix: pd.DataFrame, limit: float = PAPER_LIMIT) -> pd.DataFrame:
    """Choose the model that fits most cores, take those cores away, and go on with the rest (Wieland et al. 2021).

    A cover, not a clustering: later models take left-overs, and cores in one row need not be alike.

    Parameters
    ----------
    matrix : DataFrame
        ``model, core, target, rmse, in_sample`` as :func:`soilscope.evaluate.cross` makes it. All cells count, those in
        sample included, as in the paper; see :func:`soilscope.evaluate.out_of_sample` for the companion without them.
    limit : float
        A model covers a core if ``rmse < limit``, in the target's unit. 0.04 is the paper's, for porosities.

    Returns
    -------
    DataFrame
        ``target, order, model, covered, cores``: one row for each chosen model, ``order`` from 1 within its target,
        ``covered`` the number of cores it newly covers and ``cores`` their names, sorted and joined by ``";"``.
        Targets are sorted. It ends when no model covers a core that is left; see :func:`uncovered` for those.

        Ties go to the lower mean RMSE on the newly covered cores, then to the name that sorts first, so the order of
        the matrix's rows does not matter.

    Raises
    ------
    UsageError
        Code ``matrix``: not a matrix. Code ``limit``: not a positive number. Code ``core-name``: a core's name holds
        a ``";"``.

    References
    ----------
    Wieland R. et al. 2021, doi:10.1098/rsos.201275, table 2. The greedy rule for set covering: Chvátal 1979,
    doi:10.1287/moor.4.3.233.
    """
    check_matrix(matrix)
    _check_limit(limit)
    _check_names(matrix)
    rows = [
        (target, order, model, len(cores), ";".join(cores))
        for target, cells in matrix.groupby("target", sort=True)
        for order, (model, cores) in enumerate(_cover(_errors(cells), limit), start=1)
    ]
    return pd.DataFrame(rows, columns=COVER_COLUMNS).astype({"order": "int64", "covered": "int64"})


def _cover(errors: Errors, limit: float) -> list[tuple[str, list[str]]]:
    left = {core for row in errors.values() for core in row}
    chosen = []
    while left:
        fits = {model: sorted(c for c in left if row.get(c, math.inf) < limit) for model, row in errors.items()}
        best = min(errors, key=lambda model: _rank(model, fits[model], errors[model]))
        if not fits[best]:
            break
        chosen.append((best, fits[best]))
        left -= set(fits[best])
    return chosen


def _rank(model: str, cores: list[str], row: dict[str, float]) -> tuple[int, float, str]:
    """Smallest is best: most cores, then least mean error on them, then the name."""
    mean = math.fsum(row[core] for core in cores) / len(cores) if cores else math.inf
    return (-len(cores), mean, model)


def uncovered(matrix: pd.DataFrame, limit: float = PAPER_LIMIT) -> pd.DataFrame:
    """The cores that no model fits, each with the model that comes nearest.

    Returns
    -------
    DataFrame
        ``target, core, best_model, rmse``, sorted by target and core; ``best_model`` is empty and ``rmse`` NaN where
        all of the core's cells are absent.

    Raises
    ------
    UsageError
        As :func:`greedy_cover`.
    """
    check_matrix(matrix)
    _check_limit(limit)
    rows = []
    for (target, core), cells in matrix.groupby(["target", "core"], sort=True):
        known = cells.dropna(subset=["rmse"]).sort_values(["rmse", "model"])
        if known.empty:
            rows.append((target, core, "", math.nan))
        elif not known["rmse"].iloc[0] < limit:
            rows.append((target, core, known["model"].iloc[0], float(known["rmse"].iloc[0])))
    return pd.DataFrame(rows, columns=UNCOVERED_COLUMNS).astype({"rmse": "float64"})


def _errors(cells: pd.DataFrame) -> Errors:
    errors: Errors = {str(model): {} for model in cells["model"]}
    for model, core, rmse in zip(cells["model"], cells["core"], cells["rmse"], strict=True):
        if not math.isnan(rmse):
            errors[str(model)][str(core)] = float(rmse)
    return errors


def _check_limit(limit: float) -> None:
    if not (math.isfinite(limit) and limit > 0):
        raise UsageError("limit", f"limit {limit} must be a positive RMSE; the paper takes {PAPER_LIMIT}.")


def _check_names(matrix: pd.DataFrame) -> None:
    joined = sorted({str(core) for core in matrix["core"] if ";" in str(core)})
    if joined:
        raise UsageError(
            "core-name", f'core {joined[0]!r} has a ";" in its name, which joins cores in the cover; rename it.'
        )
