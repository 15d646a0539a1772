"""Report, second half: tables, cards, pictures and findings -> one page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soilscope import findings as notes
from soilscope.files import digest_json, write_text
from soilscope.findings import Finding
from soilscope.report import Document, ExplanationResult, StudyResults, document, explanation_result, render
from soilscope.structure.erosion import pooled_values
from soilscope.study.core_plan import SoilPlan
from soilscope.study.layout import Layout
from soilscope.study.models import models, targets
from soilscope.study.plan import Plan, plan_values
from soilscope.study.steps import edges
from soilscope.study.steps.by_core import ByCore
from soilscope.study.steps.evaluate import predictions
from soilscope.study.steps.further import FINE_EARTH, LENGTHS, PORE_SIZES, REPRESENTATIVE
from soilscope.study.steps.gathered import Gathered
from soilscope.study.steps.libraries import DISTANCE_METRICS, versions
from soilscope.study.steps.measure import packages
from soilscope.study.steps.moved import bands
from soilscope.study.steps.pictures import kept_core, write_picture
from soilscope.study.steps.transfer import made, model_card
from soilscope.volume.partial import OpenStore

__all__ = ["write_report"]


def write_report(study: Path, plan: Plan, gathered: Gathered, send: Callable[[Any], None]) -> None:
    """Write ``report.html`` and the study's pictures."""
    send(("progress", 0, 1, "report"))
    page = document(_results(study, plan, gathered))
    _keep_pictures(study, page)
    write_text(study / Layout.report, render(page))


def _results(study: Path, plan: Plan, gathered: Gathered) -> StudyResults:
    chosen = models(plan)
    there = made(gathered, chosen) if "transfer:_table" in gathered.held else []
    cards = {model.name: model_card(study, model.name) for model in there}
    drawn = [core.id for core in plan.cores if f"report:{core.id}" in gathered.held]
    evaluated = "evaluate:_matrix" in gathered.held and bool(there)
    return StudyResults(
        title=plan.name,
        settings=_settings(study, plan),
        cores=tuple(kept_core(study, core) for core in drawn),
        slices=pd.read_parquet(study / Layout.slices[1]),
        core_metrics=_table(study / Layout.cores),
        models=_table(study / Layout.models) if there else None,
        matrix=_table(study / Layout.matrix) if evaluated else None,
        cover=_table(study / Layout.cover) if evaluated else None,
        cards=cards,
        predictions=predictions(study, gathered, chosen) if evaluated else None,
        sensitivity=_table(study / Layout.sensitivity) if _held(gathered, "measure:_sensitivity") else None,
        horizons=_table(study / Layout.horizons) if _held(gathered, "measure:_horizons") else None,
        distances=_table(study / Layout.comparison) if _held(gathered, "measure:_comparison") else None,
        values=_values(study, gathered),
        windows=_table(study / Layout.representative) if _held(gathered, REPRESENTATIVE.joined_key) else None,
        kinds=plan.object_kinds,
        objects=_table(study / Layout.objects) if plan.object_kinds else None,
        tube_lengths=_further(study, gathered, LENGTHS, 0),
        pore_sizes=_further(study, gathered, PORE_SIZES, 0),
        retention=_further(study, gathered, PORE_SIZES, 1),
        fine_earth=_further(study, gathered, FINE_EARTH, 1),
        materials=None if plan.core.density is None else _table(study / Layout.materials),
        band=_bands(study, plan, drawn),
        explanations=_explanations(study, plan, gathered, cards),
        findings=_findings(gathered, cards),
        versions=versions(_done(study, plan, gathered, learnt=bool(there))) | _metric_packages(plan),
    )


def _values(study: Path, gathered: Gathered) -> pd.DataFrame | None:
    return pooled_values(_table(study / Layout.class_values)) if _held(gathered, "measure:_values") else None


def _further(study: Path, gathered: Gathered, kind: ByCore, number: int) -> pd.DataFrame | None:
    """One of a kind's joined tables; None where it was not made."""
    return _table(study / kind.tables[number]) if _held(gathered, kind.joined_key) else None


def _bands(study: Path, plan: Plan, cores: Sequence[str]) -> pd.DataFrame | None:
    if plan.structure.sensitivity == "off":
        return None
    made = [band.assign(core=core) for core in cores if (band := bands(study, core)) is not None]
    return pd.concat(made, ignore_index=True) if made else None


def _held(gathered: Gathered, key: str) -> bool:
    return key in gathered.held and key not in gathered.declined


def _table(path: Path) -> pd.DataFrame:
    text = dict.fromkeys(("core", "other", "class", "name", "model", "cores"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=True)


def _settings(study: Path, plan: Plan) -> dict[str, Any]:
    values = plan_values(plan)
    provenance = json.loads((study / Layout.provenance).read_text(encoding="utf-8"))["cores"]
    first: dict[str, Any] = next(iter(provenance.values()))
    settings: dict[str, Any] = {
        "rule": {"under": plan.structure.under, "neighbours": plan.structure.neighbours},
        "metrics": [str(m["metric"]) for m in first.get("metrics", [])],
        "seed": plan.seed,
        "threads": plan.learn.threads,
        "limit": plan.evaluate.limit,
        "plan_digest": digest_json(values),
        "explain": {"layers": list(plan.explain.layers), "sign": plan.explain.sign},
    }
    made = sorted(path.name for path in (study / "tables").glob("*.csv") if path.name != Path(Layout.timings).name)
    settings["tables"] = ", ".join(made)
    scheme = edges.scheme_of(study, plan)
    settings |= {"labels": str(plan.labels)} if scheme is None else {"scheme": scheme.as_dict()}
    if plan.classes_of("stones"):
        settings["stones_mm3"] = plan.structure.stones_mm3
    if plan.core != SoilPlan():
        settings["core"] = plan.core.model_dump(mode="json", exclude_defaults=True)
    if plan.window != "all":
        settings["inner"] = list(plan.window)
    return settings


def _explanations(
    study: Path, plan: Plan, gathered: Gathered, cards: dict[str, dict[str, Any]]
) -> tuple[ExplanationResult, ...]:
    rows: list[ExplanationResult] = []
    for target in targets(plan):
        key = f"explain:{target}"
        if key not in gathered.held or key in gathered.declined:
            continue
        with np.load(study / Layout.part("explain", f"{target}.npz"), allow_pickle=False) as kept:
            rows += _shown(kept, cards, plan)
    return tuple(rows)


def _shown(kept: Mapping[str, Any], cards: dict[str, dict[str, Any]], plan: Plan) -> Iterator[ExplanationResult]:
    model, layers = str(kept["model"]), [str(name) for name in kept["layers"]]
    arrays = [kept[name] for name in ("image", "maps", "core", "depth_mm", "pixel_mm", "corner_mm")]
    for image, maps, core, depth, pixel_mm, corner_mm in zip(*arrays, strict=True):
        named = dict(zip(layers, maps, strict=True))
        (dy, dx), (top, left) = map(float, pixel_mm), map(float, corner_mm)
        place = (dy, dx), (top, left)
        yield explanation_result(model, cards[model], str(core), float(depth), image, named, plan.explain.sign, *place)


def _findings(gathered: Gathered, cards: dict[str, dict[str, Any]]) -> tuple[Finding, ...]:
    """What the run itself noticed: failures, items with nothing to make, models from other machines."""
    failed = [Finding("not-done", "warning", text) for _, text in sorted(gathered.failures.items())]
    declined = [Finding("nothing-to-make", "note", f"{key}: {why}") for key, why in sorted(gathered.declined.items())]
    machines = {str(card.get(name)) for card in cards.values() for name in ("isa",)}
    mixed = []
    if len(machines) > 1:
        text = f"models were trained on different instruction sets ({', '.join(sorted(machines))}); their last digits may differ."
        mixed = [Finding("mixed-machines", "note", text)]
    return notes.merge(failed, declined, mixed)


def _done(study: Path, plan: Plan, gathered: Gathered, *, learnt: bool) -> set[str]:
    """The formats that were read and the kinds of work that were done, for the list of software."""
    provenance = json.loads((study / Layout.provenance).read_text(encoding="utf-8"))["cores"].values()
    metrics = {str(metric["metric"]) for core in provenance for metric in core.get("metrics", [])}
    stores = [study / Layout.store(core.id) for core in plan.cores if f"import:{core.id}" in gathered.held]
    scheme = plan.scheme_value()
    work = {
        "otsu": scheme is not None and scheme.method == "otsu",
        "distances": bool(DISTANCE_METRICS & metrics) or _held(gathered, PORE_SIZES.joined_key),
        "tubes": any(kind.shape == "tubes" for kind in plan.objects),
        "horizons": _held(gathered, "measure:_horizons"),
        "learning": learnt,
    }
    return {name for name, done in work.items() if done} | {
        str(OpenStore(s).about.source.get("format")) for s in stores
    }


def _metric_packages(plan: Plan) -> dict[str, str]:
    """Installed packages that metrics of the plan come from -> version."""
    return {name: version for name, _, version in (text.rpartition(" ") for text in packages(plan).values())}


def _keep_pictures(study: Path, page: Document) -> None:
    for core in page.cores:
        for part in core.parts:
            for picture in part.pictures:
                write_picture(study, f"{core.name}.{part.key}", picture, core.findings)
    for section in page.targets:
        if section.picture is not None:
            write_picture(study, f"matrix.{section.target}", section.picture)
    for number, picture in enumerate(page.models.pictures if page.models else (), start=1):
        write_picture(study, f"models.{number}", picture)
    for number, shown in enumerate(page.explanations, start=1):
        write_picture(study, f"explanation.{number}", shown.picture)
    if page.comparison is not None and page.comparison.picture is not None:
        write_picture(study, "comparison", page.comparison.picture)
    for name, picture in zip(("all", "pair"), page.comparison.profiles if page.comparison else (), strict=False):
        write_picture(study, f"comparison.{name}", picture)
