"""What a study hands to its report: tables, model cards, and pictures made core by core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soilscope.findings import Finding
from soilscope.report.document import Picture
from soilscope.structure import ObjectKind
from soilscope.types import Shape, Spacing, Units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CoreResult", "ExplanationResult", "StudyResults"]


@dataclass(frozen=True, slots=True, eq=False)
class CoreResult:
    """One core as the report needs it; :func:`soilscope.report.cores.core_result` makes it from a volume and its labels.

    Parameters
    ----------
    name : str
        The core's name.
    shape : (z, y, x)
        Voxels that were measured.
    spacing_mm : (dz, dy, dx)
        Voxel size in mm.
    units : {"HU", "grey"}
        What the values are.
    soil : mapping
        ``volume.source["soil"]``: kind, centre_mm, radius_mm, top, bottom; empty where no soil was looked for.
    valid : float
        Share of the grid's voxels that count as soil.
    scheme : mapping
        ``Scheme.as_dict()`` with the edges that held for this core; for classes made elsewhere ``{"name": ..., "names": ...}``.
    findings : tuple of Finding
        The volume's findings, the measuring's included.
    pictures : tuple of Picture
        Check, profiles and slices, in that order.
    """

    name: str
    shape: Shape
    spacing_mm: Spacing
    units: Units
    soil: Mapping[str, Any]
    valid: float
    scheme: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ExplanationResult:
    """Grad-CAM of one model on one slice; :func:`soilscope.report.cores.explanation_result` makes it from the maps."""

    model: str
    core: str
    target: str
    depth_mm: float
    sign: int
    layers: tuple[str, ...]
    picture: Picture


@dataclass(frozen=True, slots=True, eq=False)
class StudyResults:
    """All a report is made of.

    Parameters
    ----------
    title : str
        The study's name.
    settings : mapping
        What the plan says and the steps used. Known keys, all optional: ``scheme`` (``Scheme.as_dict()``), ``labels`` (text: where
        classes made elsewhere came from), ``rule`` ({"under", "neighbours"}), ``metrics`` (list of names), ``inner`` ([z, y, x]
        voxels), ``limit`` (float), ``seed``, ``threads``, ``plan_digest``, ``explain`` ({"layers", "sign"}). Any further key is
        listed with the settings and nothing more.
    cores : tuple of CoreResult
    slices : DataFrame
        core, slice, depth_mm, class, name, fraction, porosity, ...
    core_metrics : DataFrame
        core, class, metric, value, unit.
    models, matrix, cover : DataFrame, optional
        As in the study folder's tables; None where nothing was learnt or evaluated.
    cards : mapping of str to mapping
        Model name -> model card (the content of ``model.json``).
    predictions : DataFrame, optional
        model, core, target, slice, depth_mm, true, predicted, part ("train" | "test" | "other"): each model on its own core(s).
    sensitivity : DataFrame, optional
        core, class, metric, value, low, high, unit, shift: what moved edges do; None where none were moved.
    horizons : DataFrame, optional
        core, horizon, top_mm, bottom_mm, ...: as in the study folder's table.
    distances : DataFrame, optional
        core, other, class, name, distance, mean, mean_other, compared: as in the study folder's table of comparison.
    values : DataFrame, optional
        core, class, name, voxels, mean, sd, voxels_eroded, mean_eroded, sd_eroded, unit, erode: one row a core and class.
    windows : DataFrame, optional
        As :func:`soilscope.structure.representative_volume` gives it: figures in windows of rising size.
    kinds : tuple of ObjectKind
        What objects were looked for, in the plan's order.
    objects, tube_lengths, pore_sizes, retention, fine_earth, materials : DataFrame, optional
        As in the study folder's tables (``fine_earth`` that of whole cores); None where they were not made.
    band : DataFrame, optional
        core, class, depth_mm, porosity_low, porosity_high: what moved edges make of the porosity of each slice.
    explanations : tuple of ExplanationResult
    findings : tuple of Finding
        Of the study as a whole (those of cores and models come with them).
    versions : mapping of str to str
        Software -> version, as used.
    """

    title: str
    settings: Mapping[str, Any]
    cores: tuple[CoreResult, ...]
    slices: pd.DataFrame
    core_metrics: pd.DataFrame
    models: pd.DataFrame | None = None
    matrix: pd.DataFrame | None = None
    cover: pd.DataFrame | None = None
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    explanations: tuple[ExplanationResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    sensitivity: pd.DataFrame | None = None
    horizons: pd.DataFrame | None = None
    distances: pd.DataFrame | None = None
    values: pd.DataFrame | None = None
    windows: pd.DataFrame | None = None
    kinds: tuple[ObjectKind, ...] = ()
    objects: pd.DataFrame | None = None
    tube_lengths: pd.DataFrame | None = None
    pore_sizes: pd.DataFrame | None = None
    retention: pd.DataFrame | None = None
    fine_earth: pd.DataFrame | None = None
    materials: pd.DataFrame | None = None
    band: pd.DataFrame | None = None
