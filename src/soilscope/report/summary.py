"""The first screen in words: what was done, what came out, what to beware of; and the sentences of the sections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from soilscope import findings as notes
from soilscope.figures.text import number
from soilscope.report.bodies import looked_for
from soilscope.report.caveats import beaten, not_learnt, worse_than_mean
from soilscope.report.document import Fact, Summary
from soilscope.report.outliers import FEWEST_CORES, outliers
from soilscope.report.pores import diameter_of_share
from soilscope.report.results import CoreResult, StudyResults
from soilscope.report.words import and_list, class_ranges, count, split_target, target_title, unit_of, with_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["core_facts", "covered", "models_text", "summary", "target_text", "unit_of_target"]

MOST_CLASSES = 6
MOST_FINDINGS = 4
LONGEST_FINDING = 240


def summary(results: StudyResults, names: Mapping[str, str]) -> Summary:
    """The first screen."""
    return Summary(_facts(results), _results(results, names), _warnings(results))


def core_facts(core: CoreResult) -> tuple[Fact, ...]:
    """Grid, size, units, and the soil found."""
    z, y, x = core.shape
    size = " × ".join(number(n * d, 3) for n, d in zip(core.shape, core.spacing_mm, strict=True))
    facts = [
        Fact("grid", f"{z} × {y} × {x} voxels (z, y, x)"),
        Fact("voxel", f"{' × '.join(f'{d:g}' for d in core.spacing_mm)} mm"),
        Fact("size", f"{size} mm"),
        Fact("values", "CT numbers in HU" if core.units == "HU" else "grey values (not HU)"),
        Fact("soil", _soil(core)),
        Fact("classes", f"{core.scheme.get('name', 'given')}, {len(core.scheme.get('names', ()))} classes"),
    ]
    return tuple(facts)


def _soil(core: CoreResult) -> str:
    kind, share = core.soil.get("kind"), f"{core.valid:.1%} of the voxels count"
    if kind in ("cylinder", "half-cylinder") and core.soil.get("radius_mm"):
        text = f"{'cylinder' if kind == 'cylinder' else 'half a cylinder'}, radius {core.soil['radius_mm']:.1f} mm"
        if core.soil.get("tilt_deg"):
            text += f", leaning {core.soil['tilt_deg']:.1f}°"
        if stated := core.soil.get("asserted"):
            text += f" ({', '.join(stated)} stated in the plan)"
        if "top" in core.soil and "bottom" in core.soil:
            text += f", slices {core.soil['top']} to {int(core.soil['bottom']) - 1}"
        return f"{text}; {share}"
    words = {"masked": "as the scan's own mask leaves it", "whole": "no cylinder: the whole scan"}
    return f"{words.get(str(kind), 'not looked for')}; {share}"


def _facts(results: StudyResults) -> tuple[Fact, ...]:
    settings = results.settings
    classes = _classes(settings)
    facts = [
        Fact("cores", f"{len(results.cores)}: {and_list([core.name for core in results.cores], most=12)}"),
        Fact("classes", classes),
    ]
    if metrics := settings.get("metrics"):
        facts.append(Fact("measured", and_list([str(m) for m in metrics], most=8)))
    if results.models is not None and not results.models.empty:
        kinds = results.models["kind"].astype(str).value_counts(sort=False)
        targets = and_list(dict.fromkeys(results.models["target"].astype(str)))
        facts.append(Fact("models", f"{', '.join(f'{n} {kind}' for kind, n in kinds.items())}; targets {targets}"))
    return tuple(facts)


def _classes(settings: Mapping[str, Any]) -> str:
    """Which scheme, and what each of its classes is: a range of values, whatever its name suggests."""
    scheme = settings.get("scheme")
    if not scheme:
        return f"made elsewhere ({settings.get('labels', 'given')})"
    said = f"scheme “{scheme['name']}”, {count(len(scheme['names']), 'class', 'classes')}"
    ranges = class_ranges(scheme)
    if not ranges:
        return f"{said}, whose edges differ from core to core"
    named = [f"{k} {name} {ranges[str(k)]}" for k, name in enumerate(scheme["names"], 1)]
    return f"{said}, each a range of values: {and_list(named, most=12)}"


def _results(results: StudyResults, names: Mapping[str, str]) -> tuple[str, ...]:
    made = [*_class_shares(results, names), *_pores(results), *_objects(results)]
    models, matrix = results.models, results.matrix
    tables = [table["target"].astype(str) for table in (models, matrix) if table is not None]
    for target in dict.fromkeys(target for column in tables for target in column):
        said = [_best(results, target)] if models is not None else []
        if matrix is not None and results.cover is not None:
            said.append(covered(results, target, matrix[matrix["target"].astype(str) == target]))
        title = target_title(target, names)
        made.append(f"{title[:1].upper()}{title[1:]}: {' '.join(said)}")
    found = outliers(results.core_metrics, results.sensitivity)
    if found:
        made.append(f"Standing out among the cores: {and_list(dict.fromkeys(o.core for o in found))}.")
    return tuple(made)


def _class_shares(results: StudyResults, names: Mapping[str, str]) -> list[str]:
    rows = results.core_metrics[results.core_metrics["metric"] == "fraction"]
    single = rows[~rows["class"].astype(str).str.contains("+", regex=False)]
    if single.empty:
        return []
    shares = []
    for key, own in list(single.groupby("class", sort=False))[:MOST_CLASSES]:
        low, high = own["value"].min(), own["value"].max()
        span = _percent(low) if _percent(low) == _percent(high) else f"{_percent(low)} to {_percent(high)}"
        shares.append(f"{names.get(str(key), f'class {key}')} {span} %")
    more = f" and {single['class'].nunique() - MOST_CLASSES} more" if single["class"].nunique() > MOST_CLASSES else ""
    return [
        f"Imaged volume fractions{', from core to core' if len(results.cores) > 1 else ''}: {', '.join(shares)}{more}."
    ]


def _pores(results: StudyResults) -> list[str]:
    """The median diameter of the pores, from core to core."""
    if results.pore_sizes is None:
        return []
    found = [diameter_of_share(rows, 0.5) for _, rows in results.pore_sizes.groupby("core", sort=False)]
    known = [d50 for d50 in found if d50 is not None]
    least = 2.0 * max(max(core.spacing_mm) for core in results.cores)
    return (
        [f"Half of the imaged pores' volume lies in places under {_span(known)} mm (seen from {least:.3g} mm on)."]
        if known
        else []
    )


def _objects(results: StudyResults) -> list[str]:
    """How many objects of each kind a core has, and the largest."""
    if results.objects is None or not results.kinds:
        return []
    said = []
    for kind in results.kinds:
        own = results.objects[results.objects["kind"].astype(str) == kind.name]
        there = [core for core in results.cores if kind in looked_for(core, results.kinds)]
        if not there:
            continue
        numbers = [int((own["core"].astype(str) == core.name).sum()) for core in there]
        low, high = min(numbers), max(numbers)
        largest = f" (up to {number(float(own['diameter_mm'].max()), 2)} mm)" if len(own) else ""
        said.append(f"{kind.name} {low if low == high else f'{low} to {high}'}{largest}")
    where = " in a core" if len(results.cores) > 1 else ""
    if not said:
        return []
    return [f"Objects{where}, with the diameter of the largest as a ball of its volume: {', '.join(said)}."]


def _span(values: Sequence[float]) -> str:
    low, high = number(min(values), 2), number(max(values), 2)
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return "0" if share == 0 else f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.1f}"


def _best(results: StudyResults, target: str) -> str:
    models = results.models
    if models is None:
        return ""
    own = models[(models["target"].astype(str) == target) & models["test_rmse"].notna()]
    if own.empty:
        return "no model was tested."
    best = own.iloc[int(own["test_rmse"].to_numpy().argmin())]
    constant = results.cards.get(str(best["model"]), {}).get("baselines", {}).get("constant")
    beside = f", constant {number(constant)}" if constant is not None else ""
    winners = len(own) - len(beaten(own))
    return (
        f"{winners} of {count(len(own), 'model')} {'beats' if winners == 1 else 'beat'} every baseline on the test "
        f"slices; lowest test RMSE {with_unit(float(best['test_rmse']), unit_of_target(results, target))} "
        f"({best['model']}; best baseline {number(float(best['baseline_rmse']))}{beside})."
    )


def unit_of_target(results: StudyResults, target: str) -> str:
    """A target's unit, from the cards."""
    return next((str(c.get("unit", "1")) for c in results.cards.values() if c.get("target") == target), "1")


def covered(results: StudyResults, target: str, cells: pd.DataFrame) -> str:
    """How many cores the cover reaches, and how many cells hold on cores the models have not seen."""
    cover = results.cover
    own = None if cover is None else cover[cover["target"].astype(str) == target]
    total = 0 if own is None or own.empty else int(own["covered"].sum())
    limit = results.settings.get("limit")
    at = "" if limit is None else f" at RMSE < {limit:g} {unit_of(unit_of_target(results, target))}".rstrip()
    if own is None or not total:
        chosen = f"No model covers a core{at}."
    else:
        verb = "covers" if len(own) == 1 else "together cover"
        chosen = f"{count(len(own), 'model')} {verb} {total} of {count(cells['core'].nunique(), 'core')}{at}."
        easy = [] if limit is None else [m for m in own["model"].astype(str) if _constant(results, m) < float(limit)]
        if easy:
            chosen += (
                f" That limit is no test of {and_list(easy, most=4)}: on the same test slices the mean of the training "
                "slices alone stays below it."
            )
    unseen = cells[~cells["in_sample"].astype(bool)]
    if limit is None or unseen.empty:
        return chosen
    held = int((unseen["rmse"] < limit).sum())
    verb = "is" if held == 1 else "are"
    return f"{chosen} On cores a model was not trained on, {held} of {count(len(unseen), 'cell')} {verb} below it."


def _constant(results: StudyResults, model: str) -> float:
    """Test RMSE of saying the training slices' mean; infinite where it is not known."""
    found = results.cards.get(model, {}).get("baselines", {}).get("constant")
    return math.inf if found is None else float(found)


def _warnings(results: StudyResults) -> tuple[str, ...]:
    made = []
    models = results.models
    if models is not None and not models.empty:
        nothing = not_learnt(models, results)
        if nothing:
            made.append(
                f"Nothing learnt (not or hardly better than a constant on the test slices): {and_list(nothing, most=4)}."
            )
        below = [name for name in worse_than_mean(results.predictions) if name not in nothing]
        if below:
            made.append(f"R² below 0 on the test slices: {and_list(below, most=4)}.")
        behind = [name for name in beaten(models) if name not in (*nothing, *below)]
        if behind:
            made.append(f"Not better than the best baseline: {and_list(behind, most=4)}.")
        leaky = [card for card in results.cards.values() if card.get("split", {}).get("kind") == "random"]
        if leaky:
            made.append(
                f"{count(len(leaky), 'model')} tested on a random split: test slices have near twins among the "
                "training slices."
            )
    everything = notes.merge(results.findings, *(core.findings for core in results.cores))
    grave = [f for f in everything if f.severity in ("refuse", "warning")]
    made += [_short(f.text) for f in grave[:MOST_FINDINGS]]
    if len(grave) > MOST_FINDINGS:
        made.append(f"{count(len(grave) - MOST_FINDINGS, 'more warning')} under “Findings”.")
    if 1 < len(results.cores) < FEWEST_CORES:
        made.append(f"{count(len(results.cores), 'core')}: too few to compare soils.")
    made.append(
        "Fractions and porosities are imaged area or volume fractions of coarse structure, never total porosity."
    )
    return tuple(made)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_FINDING else text[: LONGEST_FINDING - 1] + "…"


def models_text(results: StudyResults) -> str:
    """How many models hold against their rivals."""
    models = results.models
    if models is None:
        return ""
    behind = beaten(models)
    if not behind:
        return f"All {count(len(models), 'model')} have a lower test RMSE than each of their three baselines."
    return f"{len(behind)} of {count(len(models), 'model')} do not beat the best of their three baselines: {and_list(behind)}."


def target_text(results: StudyResults, target: str, cells: pd.DataFrame) -> tuple[str, ...]:
    """What one target's matrix and cover say."""
    inside = cells["in_sample"].astype(bool)
    unit = unit_of_target(results, target)
    parts = [
        f"{words} {with_unit(float(values.median()), unit)} ({count(len(values), 'cell')})"
        for words, values in (("in-sample", cells[inside]["rmse"]), ("on other cores", cells[~inside]["rmse"]))
        if len(values)
    ]
    made = [f"Median RMSE: {', '.join(parts)}."]
    if results.cover is not None:
        made.append(covered(results, target, cells))
    limit = results.settings.get("limit")
    if limit is not None and split_target(target)[0] not in ("porosity", "fraction"):
        made.append(
            f"The limit of {limit:g} was set for porosities (Wieland et al. 2021); for this target, in "
            f"{unit_of(unit) or 'another scale'}, what counts as a fit is the reader's choice."
        )
    return tuple(made)
