"""What a report says, as plain values: nothing here knows of HTML, files or how a number was computed.

::

    Document
    ├── summary            the first screen: facts, key results, warnings
    ├── methods, references
    ├── cores              one CoreSection a core: check, profiles, slices, class table, and a part for pores, objects …
    ├── comparison         cores side by side, those that stand out
    ├── models             table, curves, predicted against true
    ├── targets            one TargetSection a target: matrix, cover, in words
    ├── explanations       Grad-CAM rows
    ├── findings, caveats  what was noticed; what the study does not show
    └── settings, versions
"""

from __future__ import annotations

from dataclasses import dataclass

from soilscope.findings import Finding

__all__ = [
    "Caveat",
    "Cell",
    "Column",
    "Comparison",
    "CoreSection",
    "Document",
    "Explanation",
    "Fact",
    "FindingGroup",
    "ModelsSection",
    "Outlier",
    "Part",
    "Picture",
    "Reference",
    "Summary",
    "Table",
    "TargetSection",
]

Cell = str | float | int | bool | None
"""One cell of a table; None and NaN are shown as a dash."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Parameters
    ----------
    data : str or bytes
        SVG text, or the bytes of a PNG or WebP file.
    alt : str
        What the picture shows, for who cannot see it: never empty.
    caption : str
        The sentence under it.
    """

    data: str | bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: title, unit ("" for none) and whether its cells are numbers (set right, 3 significant digits)."""

    title: str
    unit: str = ""
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; every row has one cell a column.

    ``marked`` holds the numbers of rows to set off (a model that does not beat its baseline, a core that stands out).
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the summary, or one setting: a name and what it is."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Something cited: the text as printed, and its DOI without resolver ("" where there is none)."""

    key: str
    text: str
    doi: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The first screen: what was done on what, what came out, what to beware of."""

    facts: tuple[Fact, ...]
    results: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a core's section: title, sentences, a table and pictures; ``key`` names its pictures in ``figures/``."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class CoreSection:
    """One core: grid, where the soil was found, classes, pictures and its own findings."""

    name: str
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...] = ()
    classes: Table | None = None
    pictures: tuple[Picture, ...] = ()
    stands_out: tuple[str, ...] = ()
    horizons: Table | None = None
    values: Table | None = None
    further: Table | None = None
    windows: Table | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlier:
    """A core that stands out in one metric: its value, the median of all, and the robust z."""

    core: str
    metric: str
    value: float
    median: float
    z: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The cores side by side: a picture, a table of what stands out, and a sentence on how far to trust it.

    ``profiles`` holds the profiles of all cores, and those of the two that differ most; ``distances`` says by how much,
    ``objects`` holds the objects of all cores.
    """

    text: str
    picture: Picture | None = None
    table: Table | None = None
    profiles: tuple[Picture, ...] = ()
    distances: Table | None = None
    objects: Table | None = None


@dataclass(frozen=True, slots=True)
class ModelsSection:
    """The models: a sentence, their table, and pictures of training and prediction."""

    text: str
    table: Table
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetSection:
    """One target: the matrix of all models on all cores, the chosen cover, and what both say in words."""

    target: str
    title: str
    unit: str
    text: tuple[str, ...]
    picture: Picture | None = None
    matrix: Table | None = None
    cover: Table | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Grad-CAM maps of one model on one slice."""

    title: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings of one code and severity, told once, with the cores and files concerned."""

    code: str
    severity: str
    texts: tuple[str, ...]
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caveat:
    """One thing the study does not show: a heading and the sentences, made from the study's own numbers."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    summary: Summary
    methods: tuple[str, ...]
    references: tuple[Reference, ...]
    cores: tuple[CoreSection, ...]
    caveats: tuple[Caveat, ...]
    comparison: Comparison | None = None
    models: ModelsSection | None = None
    targets: tuple[TargetSection, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    findings: tuple[FindingGroup, ...] = ()
    settings: tuple[Fact, ...] = ()
    versions: tuple[Fact, ...] = ()
