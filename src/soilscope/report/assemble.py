"""From a study's results to the document of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from soilscope import findings as notes
from soilscope.errors import UsageError
from soilscope.report import pictures, tables
from soilscope.report.bodies import objects_compared, objects_part, rule_of
from soilscope.report.caveats import caveats
from soilscope.report.compared import Moved, comparison_of_profiles
from soilscope.report.document import (
    Comparison,
    CoreSection,
    Document,
    Explanation,
    Fact,
    ModelsSection,
    Part,
    TargetSection,
)
from soilscope.report.earth import fine_earth_part, masses_part
from soilscope.report.methods import methods
from soilscope.report.noticed import group_findings
from soilscope.report.outliers import FEWEST_CORES, LEAST_DIFFERENCE, LIMIT, by_chance, outliers, score_table
from soilscope.report.pores import pores_part
from soilscope.report.references import cited
from soilscope.report.results import CoreResult, ExplanationResult, StudyResults
from soilscope.report.summary import core_facts, models_text, summary, target_text, unit_of_target
from soilscope.report.values import value_table
from soilscope.report.windows import window_table
from soilscope.report.words import class_ranges, count, named_ranges, target_title

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CoreResult", "ExplanationResult", "StudyResults", "document"]

MOST_METRICS = 12
"""Metrics drawn in the comparison: those in which some core stands out most."""
OWN_EDGES = (
    " The edges of the classes were found in each core's own values and so differ from core to core: part of a difference may "
    "be one of edges, not of soil."
)
MANY_CORES = 12
"""A matrix wider than this would be cut in print: it is left to its picture and to tables/matrix.csv."""


def document(results: StudyResults) -> Document:
    """The report's document: all its words, numbers and pictures, made from the results.

    Raises
    ------
    UsageError
        Code ``no-cores``: there is no core to report on.
    """
    if not results.cores:
        raise UsageError("no-cores", "a report needs at least one measured core; run the study's measure step first.")
    names = tables.class_names(results.slices)
    described = named_ranges(names, class_ranges(results.settings.get("scheme")))
    comparison = _comparison(results, names, described)
    said = methods(_ran(results))
    warned = caveats(results)
    extra = [comparison.text] if comparison else []
    return Document(
        title=results.title,
        summary=summary(results, names),
        methods=said,
        references=cited([*said, *(c.text for c in warned), *extra]),
        cores=tuple(_core(core, results, names) for core in results.cores),
        caveats=warned,
        comparison=comparison,
        models=_models(results),
        targets=_targets(results, described),
        explanations=tuple(
            Explanation(f"{e.model} on {e.core}, {e.depth_mm:.1f} mm", e.picture) for e in results.explanations
        ),
        findings=group_findings(_noticed(results)),
        settings=tuple(Fact(*pair) for pair in _flat(results.settings)),
        versions=tuple(Fact(name, version) for name, version in results.versions.items()),
    )


def _ran(results: StudyResults) -> dict[str, Any]:
    """The settings, and beside them what really ran."""
    ran = dict(results.settings)
    ran["cores"] = [
        {"name": c.name, "shape": c.shape, "spacing_mm": c.spacing_mm, "units": c.units, "soil": c.soil}
        for c in results.cores
    ]
    ran["cards"] = list(results.cards.values())
    ran["matrix"] = results.matrix is not None and not results.matrix.empty
    ran["cover"] = results.cover is not None and not results.cover.empty
    ran["explained"] = list(dict.fromkeys(layer for e in results.explanations for layer in e.layers))
    ran["sign"] = results.explanations[0].sign if results.explanations else 1
    units = {core.name: "HU" if core.units == "HU" else "grey values" for core in results.cores}
    moved = results.sensitivity
    shifts = {} if moved is None else dict(zip(moved["core"].astype(str), moved["shift"].astype(float), strict=True))
    ran["shift"] = list(dict.fromkeys(f"{shift:.4g} {units.get(core, '')}".rstrip() for core, shift in shifts.items()))
    ran["distances"] = results.distances is not None
    ran["erode"] = 0 if results.values is None else int(results.values["erode"].iloc[0])
    ran["horizons"] = results.horizons is not None
    ran["windows"] = results.windows is not None
    ran["pores"] = results.pore_sizes is not None
    ran["objects"] = [rule_of(kind) for kind in results.kinds if results.objects is not None]
    ran["tubes"] = any(kind.shape == "tubes" for kind in results.kinds)
    ran["fine_earth"] = results.fine_earth is not None
    ran["outliers"] = len(results.cores) >= FEWEST_CORES
    return ran


def _noticed(results: StudyResults) -> dict[str, tuple[notes.Finding, ...]]:
    found = {"": results.findings}
    found |= {core.name: core.findings for core in results.cores}
    for name, card in results.cards.items():
        # A card repeats its cores' findings, which are told with the cores.
        told = {f for core in results.cores for f in core.findings}
        found[f"model {name}"] = tuple(f for f in notes.from_records(card.get("findings", ())) if f not in told)
    return found


def _core(core: CoreResult, results: StudyResults, names: Mapping[str, str]) -> CoreSection:
    from soilscope.figures.text import number

    standing = [
        f"{o.metric.rpartition(' ')[0]} of class {o.metric.rpartition(' ')[2]} (robust z {number(o.z)})"
        for o in outliers(results.core_metrics, results.sensitivity)
        if o.core == core.name
    ]
    table = tables.class_table(core, results.core_metrics, names, results.sensitivity)
    return CoreSection(
        core.name,
        core_facts(core),
        core.findings,
        table,
        core.pictures,
        tuple(standing),
        tables.horizon_table(core.name, results.horizons, names),
        value_table(core.name, results.values),
        tables.further_table(core, results.core_metrics, names),
        window_table(core.name, results.windows),
        _parts(core, results, names),
    )


def _parts(core: CoreResult, results: StudyResults, names: Mapping[str, str]) -> tuple[Part, ...]:
    """What was measured of a core beyond its classes."""
    smallest = 2.0 * max(core.spacing_mm)
    found = (
        pores_part(core.name, results.pore_sizes, results.retention, smallest),
        objects_part(core, results.objects, results.kinds, names, results.tube_lengths),
        fine_earth_part(core.name, results.fine_earth, results.settings.get("stones_mm3")),
        masses_part(core.name, results.materials),
    )
    return tuple(part for part in found if part is not None)


def _comparison(results: StudyResults, names: Mapping[str, str], described: Mapping[str, str]) -> Comparison | None:
    if len(results.cores) < 2:
        return None
    scheme = results.settings.get("scheme")
    ranges, own_edges = class_ranges(scheme), OWN_EDGES if scheme and scheme.get("relative") else ""
    cores = [core.name for core in results.cores]
    units = {core.name: "HU" if core.units == "HU" else "grey values" for core in results.cores}
    moved = Moved.of(results.sensitivity, results.band, units)
    drawn = comparison_of_profiles(results.slices, cores, results.distances, ranges, own_edges, moved)
    objects = objects_compared(results.cores, results.objects, results.kinds, names)
    beside = _side_by_side(results, names, described)
    return replace(
        beside, text=beside.text + own_edges, profiles=drawn.pictures, distances=drawn.table, objects=objects
    )


def _side_by_side(results: StudyResults, names: Mapping[str, str], described: Mapping[str, str]) -> Comparison:
    fractions = _fractions(results, described)
    found, scores = outliers(results.core_metrics, results.sensitivity), score_table(results.core_metrics)
    if scores.empty:
        text = f"{count(len(results.cores), 'core')} are too few to say which stands out: that takes at least {FEWEST_CORES}."
        return Comparison(text, pictures.comparison_picture(fractions, None, LIMIT))
    farthest = scores.abs().max(axis=0).sort_values(ascending=False, kind="stable").index
    most = list(dict.fromkeys([*(o.metric for o in found), *farthest]))[:MOST_METRICS]
    shown = scores[[column for column in scores.columns if column in most]]
    picture = pictures.comparison_picture(fractions, shown, LIMIT, found)
    rule = (
        f"A core is marked where the robust z of a metric is beyond ±{LIMIT:g} (Iglewicz & Hoaglin 1993), and the difference from "
        f"the median of all cores is over {LEAST_DIFFERENCE:.0%} of it and more than moving the core's edges makes of the figure."
    )
    if not found:
        return Comparison(f"{rule} None is.", picture)
    cores, looked_at = len({o.core for o in found}), int(scores.notna().to_numpy().sum())
    chance = f" Of {looked_at} figures about {looked_at * by_chance(len(results.cores)):.0f} would be beyond it by chance alone."
    few = " With so few cores this points to where to look, and no further." if len(results.cores) < 10 else ""
    return Comparison(
        f"{rule} {count(cores, 'core')} of {len(results.cores)} {'is' if cores == 1 else 'are'}.{chance}{few}",
        picture,
        tables.outlier_table(found, names),
    )


def _fractions(results: StudyResults, names: Mapping[str, str]) -> pd.DataFrame:
    """Whole-core fractions, core by core in the study's order."""
    rows = results.core_metrics[results.core_metrics["metric"] == "fraction"]
    if rows.empty:
        keys = ["core", "class", "name"]
        rows = results.slices.groupby(keys, sort=False)["fraction"].mean().reset_index(name="value")
    called = [names.get(str(k), "") for k in rows["class"]]
    made = rows.assign(core=rows["core"].astype(str), name=called, fraction=rows["value"])
    order = {core.name: number for number, core in enumerate(results.cores)}
    return made[made["core"].isin(order)].sort_values("core", key=lambda c: c.map(order), kind="stable")


def _models(results: StudyResults) -> ModelsSection | None:
    if results.models is None or results.models.empty:
        return None
    drawn = pictures.training_pictures(results.cards)
    if results.predictions is not None and not results.predictions.empty:
        drawn += pictures.predicted_pictures(results.predictions, results.cards)
    return ModelsSection(models_text(results), tables.models_table(results.models, results.cards), drawn)


def _targets(results: StudyResults, names: Mapping[str, str]) -> tuple[TargetSection, ...]:
    if results.matrix is None or results.matrix.empty:
        return ()
    limit = results.settings.get("limit")
    made = []
    for target in dict.fromkeys(results.matrix["target"].astype(str)):
        cells = results.matrix[results.matrix["target"].astype(str) == target]
        unit = unit_of_target(results, target)
        title = target_title(target, names)
        chosen = None if results.cover is None else results.cover[results.cover["target"].astype(str) == target]
        made.append(
            TargetSection(
                target,
                title,
                unit,
                target_text(results, target, cells),
                pictures.matrix_picture(cells, limit, unit, title),
                tables.matrix_table(cells, title, unit) if cells["core"].nunique() <= MANY_CORES else None,
                tables.cover_table(chosen, title, limit) if chosen is not None and not chosen.empty else None,
            )
        )
    return tuple(made)


def _flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested settings as names with dots and printed values."""
    made: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            made += _flat(value, f"{above}{name}.")
        else:
            made.append(
                (f"{above}{name}", ", ".join(map(_plain, value)) if isinstance(value, (list, tuple)) else _plain(value))
            )
    return made


def _plain(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:g}"
    return {None: "–", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)
