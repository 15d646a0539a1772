"""Objects in the report: stones, roots, biopores, organic particles, kind by kind, with what their figures do not show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from soilscope.report.document import Cell, Column, Part, Picture, Table
from soilscope.report.pictures import as_picture
from soilscope.report.results import CoreResult
from soilscope.report.words import count
from soilscope.structure import ObjectKind
from soilscope.structure.large_objects import LEFT_OUT, fits_slab_by_slab

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["looked_for", "objects_compared", "objects_part", "rule_of", "soil_mm3"]

MOST_ROWS = 24
"""Rows of the table that compares cores; all objects are in tables/objects.csv."""


def soil_mm3(core: CoreResult) -> float:
    """Volume of a core's soil in mm³."""
    return core.valid * math.prod(core.shape) * math.prod(core.spacing_mm)


def looked_for(core: CoreResult, kinds: Sequence[ObjectKind]) -> list[ObjectKind]:
    """Those kinds that were looked for in a core: not those that need it whole where it did not fit into memory."""
    left_out = any(finding.code == LEFT_OUT for finding in core.findings)
    return [kind for kind in kinds if not left_out or fits_slab_by_slab(kind)]


def objects_part(
    core: CoreResult,
    objects: pd.DataFrame | None,
    kinds: Sequence[ObjectKind],
    names: Mapping[str, str],
    lengths: pd.DataFrame | None = None,
) -> Part | None:
    """One core's objects: a row a kind, their picture, and what they do not show; None where none were looked for.

    Parameters
    ----------
    core : CoreResult
    objects, lengths : DataFrame
        ``tables/objects.csv`` and ``tables/tube_lengths.csv``.
    kinds : sequence of ObjectKind
        What was looked for: a kind of which nothing was found has its row too.
    names : mapping of class to str
    """
    if objects is None or not looked_for(core, kinds):
        return None
    own = objects[objects["core"].astype(str) == core.name]
    soil = soil_mm3(core)
    tubes = any(kind.shape == "tubes" for kind in kinds)
    columns = (
        Column("kind"), Column("class"), Column("objects", "", True), Column("cut off", "", True),
        Column("of the soil", "share", True), Column("median diameter", "mm", True), Column("largest", "mm", True),
        Column("median width", "mm", True), Column("longest", "mm", True),
        *((Column("lines", "mm", True), Column("length density", "mm/mm³", True)) if tubes else ()),
    )  # fmt: skip
    body = []
    for kind in looked_for(core, kinds):
        row = _row(own[own["kind"].astype(str) == kind.name], kind, soil, names)
        body.append((*row, *_length(core.name, kind, own, lengths)) if tubes else row)
    caption = (
        f"Objects of {core.name}: every one is a row of tables/objects.csv"
        f"{'; lengths by diameter: tables/tube_lengths.csv' if tubes and lengths is not None else ''}. Diameter: of the ball of "
        "the object's volume. Width: mean local thickness, of a tube its diameter. Longest: greatest distance between two of its "
        "points, along a straight line. Cut off: at the edge of the soil or scan, so that their sizes are those of a part."
        + (" Lines: summed length of the middle lines of tubes, bends and branches included." if tubes else "")
    )
    shown = Table(caption, columns, tuple(body))
    return Part("objects", "Objects", _limits(kinds), shown, _picture(core.name, own, soil))


def objects_compared(
    cores: Sequence[CoreResult], objects: pd.DataFrame | None, kinds: Sequence[ObjectKind], names: Mapping[str, str]
) -> Table | None:
    """The same for all cores, kind by kind; None with fewer than two cores or without objects."""
    if objects is None or not kinds or len(cores) < 2:
        return None
    columns = (
        Column("kind"), Column("core"), Column("objects", "", True), Column("of them", "1/cm³ of soil", True),
        Column("of the soil", "share", True), Column("median diameter", "mm", True), Column("largest", "mm", True),
        Column("median width", "mm", True), Column("longest", "mm", True),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for kind in kinds:
        for core in (core for core in cores if kind in looked_for(core, kinds)):
            mine = (objects["core"].astype(str) == core.name) & (objects["kind"].astype(str) == kind.name)
            _, _, n, _, share, median, largest, width, longest = _row(objects[mine], kind, soil_mm3(core), names)
            body.append(
                (
                    kind.name,
                    core.name,
                    n,
                    int(mine.sum()) / soil_mm3(core) * 1000.0,
                    share,
                    median,
                    largest,
                    width,
                    longest,
                )
            )
    cut = (
        f" The first {MOST_ROWS} rows of {len(body)}; all objects are in tables/objects.csv."
        if len(body) > MOST_ROWS
        else ""
    )
    return Table(
        f"Objects of all cores, by the same rules; one by one in tables/objects.csv.{cut}",
        columns,
        tuple(body[:MOST_ROWS]),
    )


def _row(rows: pd.DataFrame, kind: ObjectKind, soil: float, names: Mapping[str, str]) -> tuple[Cell, ...]:
    of = " + ".join(f"{k} {names.get(str(k), '')}".strip() for k in kind.of)
    if rows.empty:
        return (kind.name, of, 0, 0, 0.0, None, None, None, None)
    share, diameter = float(rows["volume_mm3"].sum()) / soil, rows["diameter_mm"].astype(float)
    cut = int(rows["touches_border"].astype(bool).sum())
    width, longest = float(rows["width_mm"].astype(float).median()), float(rows["length_mm"].max())
    return (kind.name, of, len(rows), cut, share, float(diameter.median()), float(diameter.max()), width, longest)


def _length(core: str, kind: ObjectKind, own: pd.DataFrame, lengths: pd.DataFrame | None) -> tuple[Cell, Cell]:
    if kind.shape != "tubes":
        return (None, None)
    lines = float(own.loc[own["kind"].astype(str) == kind.name, "skeleton_mm"].astype(float).sum())
    if lengths is None:
        return (lines, None)
    mine = lengths[(lengths["core"].astype(str) == core) & (lengths["kind"].astype(str) == kind.name)]
    return (lines, float(mine["length_density"].sum()))


def rule_of(kind: ObjectKind) -> str:
    """A kind's rule in words.

    Examples
    --------
    >>> rule_of(ObjectKind("stones", (5,), at_least_mm3=4.19))
    'stones: bodies of class 5 from 4.19 mm³ on'
    >>> rule_of(ObjectKind("roots", (2,), "tubes", at_least_mm=1.0))
    'roots: tubular parts of class 2 of at least 1 mm in diameter and 3 times as long as wide'
    """
    of = f"{'class' if len(kind.of) == 1 else 'classes'} {' + '.join(map(str, kind.of))}"
    least = f" from {kind.at_least_mm3:g} mm³ on" if kind.at_least_mm3 else ""
    beside = " + ".join(map(str, kind.beside))
    shells = f", without shells of up to {count(kind.shell_voxels, 'voxel')} beside class {beside}" if beside else ""
    if kind.shape == "tubes":
        wide = f"of at least {kind.at_least_mm:g} mm in diameter and {kind.elongation:g} times as long as wide"
        return f"{kind.name}: tubular parts of {of} {wide}{least}{shells}"
    return f"{kind.name}: bodies of {of}{least}{shells}"


def _limits(kinds: Sequence[ObjectKind]) -> tuple[str, ...]:
    said = (
        "What these figures do not show: what an object is made of. A kind is a rule on a class's shape, and a class is a range of "
        "values; objects that touch count as one, one that is interrupted as several, and what is smaller than the rule or "
        "the voxel is missing."
    )
    if any(kind.shape == "tubes" for kind in kinds):
        said += " A living root, a dead one and a burrow of the same value and shape are one kind."
    return (f"Looked for: {'; '.join(rule_of(kind) for kind in kinds)}.", said)


def _picture(core: str, own: pd.DataFrame, soil: float) -> tuple[Picture, ...]:
    from soilscope.figures.object_sizes import MOST_KINDS, object_sizes

    if own.empty:
        return ()
    kinds = list(dict.fromkeys(own["kind"].astype(str)))
    left_out = f" Only the first {MOST_KINDS} of {len(kinds)} kinds are drawn." if len(kinds) > MOST_KINDS else ""
    return (
        as_picture(
            object_sizes(own, soil),
            f"Sizes of the objects of {core}: {count(len(own), 'object')} of {count(len(kinds), 'kind')}.",
            f"Sizes of the objects of {core}; in brackets the class, n the number. a: how many are at least so wide, for each cm³ "
            "of soil. b: which share of a kind's volume lies in objects up to that size. Objects that are cut off count as what is "
            f"left of them.{left_out}",
        ),
    )
