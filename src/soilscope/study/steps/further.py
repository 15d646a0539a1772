"""Further tables of structure, core by core: representative windows, pore sizes and retention, fine earth, lengths of tubes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soilscope import structure
from soilscope.progress import Say, telling
from soilscope.structure.fine_earth import fine_earth, fine_earth_blockwise, fine_earth_of_core
from soilscope.structure.kinds import tube_lengths_in
from soilscope.structure.labelled import class_id, union
from soilscope.structure.large_pores import pores_blockwise
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import LargeCore
from soilscope.study.steps.by_core import ByCore
from soilscope.study.steps.measure import rule
from soilscope.study.steps.opened import OpenedCore
from soilscope.types import BoolVolume

__all__ = ["FINE_EARTH", "FURTHER", "LENGTHS", "PORE_SIZES", "REPRESENTATIVE", "wanted"]


def _windows(plan: Plan, opened: OpenedCore, say: Say) -> tuple[pd.DataFrame]:
    asked = plan.structure
    classes: dict[str, Any] = {"scheme": opened.scheme} if opened.scheme else {"names": opened.names}
    found = structure.representative_volume(
        opened.volume,
        labels=opened.labels,
        metrics=asked.representative_metrics,
        rule=rule(plan),
        joined=plan.joined,
        windows=structure.WindowRule(float(asked.representative), seed=plan.seed),
        say=say,
        **classes,
    )
    return (found,)


def _windows_asked(plan: Plan) -> Any:
    asked = plan.structure
    if asked.representative == "off":
        return None
    return [asked.representative, asked.representative_metrics, plan.seed]


def _pores(plan: Plan, opened: OpenedCore, say: Say) -> tuple[pd.DataFrame, pd.DataFrame]:
    volume, of = opened.volume, plan.classes_of("pores")
    held = rule(plan)
    with telling(say, "clusters of pores", (0, 1), 5):
        pores: BoolVolume = structure.remove_small_clusters(
            union(opened.labels, of) & volume.valid, held.under, held.neighbours
        )
    with telling(say, "pore sizes", (1, 3), 5):
        sizes = structure.pore_sizes(pores, volume.spacing_mm, volume.valid).frame()
    with telling(say, "water retention", (3, 5), 5):
        water = structure.water_retention(pores, volume.spacing_mm, volume.valid)
    name = " + ".join(opened.names[k] for k in of)
    return _named(sizes, volume.core, of, name), _named(water, volume.core, of, name)


def _large_pores(plan: Plan, large: LargeCore, say: Say) -> tuple[pd.DataFrame, pd.DataFrame] | str:
    of, scheme, core = plan.classes_of("pores"), large.scheme(), large.store.about.core
    found = pores_blockwise(large.classes(scheme, say), of, rule(plan), large.ways(say))
    if isinstance(found, float):
        return (
            f"pores of core {core!r} are wider than {found:.3g} mm, more than the memory budget lets a block see "
            f"({large.budget_gb:.2f} GB may be used): raise memory_gb in the plan's [measure], or cut a window"
        )
    sizes, water = found
    name = " + ".join(large.names(scheme)[k] for k in of)
    return _named(sizes.frame(), core, of, name), _named(water, core, of, name)


def _pores_asked(plan: Plan) -> Any:
    of = plan.classes_of("pores")
    return [of] if of else None


def _named(table: pd.DataFrame, core: str, of: tuple[int, ...], name: str) -> pd.DataFrame:
    for place, (column, value) in enumerate((("core", core), ("class", class_id(of)), ("name", name))):
        table.insert(place, column, value)
    return table


def _earth(plan: Plan, opened: OpenedCore, say: Say) -> tuple[pd.DataFrame, pd.DataFrame]:
    stones = structure.ObjectRule(plan.structure.stones_mm3)
    with telling(say, "fine earth", (0, 1), 1):
        slices = fine_earth(opened.volume, opened.labels, opened.names, plan.classes_of("stones"), stones)
    return slices, fine_earth_of_core(slices)


def _large_earth(plan: Plan, large: LargeCore, say: Say) -> tuple[pd.DataFrame, pd.DataFrame]:
    stones, scheme = structure.ObjectRule(plan.structure.stones_mm3), large.scheme()
    classes = large.classes(scheme, say)
    slices = fine_earth_blockwise(classes, large.names(scheme), plan.classes_of("stones"), stones, large.ways(say))
    return slices, fine_earth_of_core(slices)


def _earth_asked(plan: Plan) -> Any:
    of = plan.classes_of("stones")
    return [of, plan.structure.stones_mm3] if of else None


def _lengths(plan: Plan, opened: OpenedCore, say: Say) -> tuple[pd.DataFrame]:
    kinds = [kind for kind in plan.object_kinds if kind.shape == "tubes"]
    tables = []
    for done, kind in enumerate(kinds):
        with telling(say, f"lengths of {kind.name}", (done, done + 1), len(kinds)):
            tables.append(tube_lengths_in(opened.volume, opened.labels, kind))
    return (pd.concat(tables, ignore_index=True),)


def _lengths_asked(plan: Plan) -> Any:
    kinds = [kind.model_dump(mode="json") for kind in plan.objects if kind.shape == "tubes"]
    return kinds or None


REPRESENTATIVE = ByCore("windows", "windows", (Layout.representative,), _windows, _windows_asked)
PORE_SIZES = ByCore(
    "pores",
    "pore sizes",
    (Layout.pore_sizes, Layout.retention),
    _pores,
    _pores_asked,
    _large_pores,
)
FINE_EARTH = ByCore(
    "fine_earth", "fine earth", (Layout.fine_earth, Layout.fine_earth_cores), _earth, _earth_asked, _large_earth
)
LENGTHS = ByCore("lengths", "lengths of tubes", (Layout.tube_lengths,), _lengths, _lengths_asked)
FURTHER = (
    REPRESENTATIVE,
    PORE_SIZES,
    FINE_EARTH,
    LENGTHS,
)
"""All of them."""


def wanted(plan: Plan) -> list[ByCore]:
    """Those that the plan asks for."""
    return [kind for kind in FURTHER if kind.own(plan) is not None]
