"""A core's part of the report, and an explanation's, made from the volume while it is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from soilscope.classes import Scheme
from soilscope.report.document import Picture
from soilscope.report.pictures import as_picture
from soilscope.report.results import CoreResult, ExplanationResult
from soilscope.report.words import and_list, class_ranges
from soilscope.types import FloatImage, LabelVolume
from soilscope.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Profiles", "core_result", "explanation_result", "found_picture"]


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """A core's profiles and what is drawn with them.

    Parameters
    ----------
    slices : DataFrame
        The slices table; only rows of the core are used.
    band : DataFrame, optional
        class, depth_mm, porosity_low, porosity_high, shift: what moved edges make of the porosities.
    horizons_mm : tuple of float
        Depths of the borders between horizons.
    windows : DataFrame, optional
        Figures in windows of rising size, as :func:`soilscope.structure.representative_volume` gives them.
    """

    slices: pd.DataFrame
    band: pd.DataFrame | None = None
    horizons_mm: tuple[float, ...] = ()
    windows: pd.DataFrame | None = None


def core_result(
    volume: Volume, labels: LabelVolume, scheme: Scheme | Mapping[int, str], profiles: pd.DataFrame | Profiles
) -> CoreResult:
    """Check picture, profiles and slices of one core.

    Parameters
    ----------
    volume : Volume
        The core as measured (soil found, crop made).
    labels : uint8 array, shape (z, y, x)
        0 outside, 1..n the classes.
    scheme : Scheme or mapping of int to str
        The scheme used (resolved here for the core's own range), or the names of classes made elsewhere.
    profiles : DataFrame or Profiles
        The slices table; only rows of this core are used.

    Returns
    -------
    CoreResult
        With the pictures in the order check, profiles, slices, windows; without profiles where the table has no row of this core,
        without windows where there are none.
    """
    if isinstance(scheme, Scheme):
        held = scheme.resolve(volume)
        classes, edges, described = dict(enumerate(held.names, 1)), held.edges, held.as_dict()
    else:
        classes, edges = {int(k): str(name) for k, name in scheme.items()}, ()
        described = {"name": "made elsewhere", "names": list(classes.values())}
    ranges = class_ranges(described)
    legend = {k: f"{name} {ranges[str(k)]}" if str(k) in ranges else name for k, name in classes.items()}
    shown = profiles if isinstance(profiles, Profiles) else Profiles(profiles)
    rows = shown.slices[shown.slices["core"].astype(str) == volume.core]
    pictures = [_check(volume, labels, legend, edges)]
    if not rows.empty:
        pictures.append(_profiles(volume, replace(shown, slices=rows), ranges))
    pictures.append(_slices(volume, labels, legend))
    if shown.windows is not None and not shown.windows.empty:
        pictures.append(_windows(volume.core, shown.windows))
    return CoreResult(
        volume.core,
        volume.shape,
        volume.spacing_mm,
        volume.units,
        dict(volume.source.get("soil", {})),
        float(volume.valid.mean()),
        described,
        volume.findings,
        tuple(pictures),
    )


def explanation_result(
    model: str,
    card: Mapping[str, Any],
    core: str,
    depth_mm: float,
    image: FloatImage,
    maps: Mapping[str, FloatImage],
    sign: int = 1,
    spacing_mm: tuple[float, float] | None = None,
    corner_mm: tuple[float, float] = (0.0, 0.0),
) -> ExplanationResult:
    """A row of Grad-CAM maps over one slice.

    Parameters
    ----------
    model, core : str
    card : mapping
        The model's card; its target is named in the caption.
    depth_mm : float
        The slice's depth in mm.
    image : float array, shape (y, x)
        The slice as shown below the maps (grey or HU, or the sum of the channels).
    maps : mapping of layer name to float array, shape (y, x)
        As :func:`soilscope.explain.grad_cam` gives them; all NaN where a layer has no influence.
    sign : {+1, -1}
        Which sign the maps were made with.
    spacing_mm : (dy, dx), optional
        Size of a pixel of ``image`` in mm; without it the axes count pixels.
    corner_mm : (y, x)
        Where ``image`` begins in the core.
    """
    from soilscope.figures.explanations import explanations

    target = str(card.get("target", ""))
    way = "up" if sign > 0 else "down"
    seen = core in card.get("cores", ())
    picture = as_picture(
        explanations(image, maps, spacing_mm, corner_mm),
        f"Slice of {core} at {depth_mm:.1f} mm and Grad-CAM maps of {len(maps)} layers of the model {model}.",
        f"Grad-CAM of {model} on {core}, {depth_mm:.1f} mm deep, a core the model "
        f"{'was trained on' if seen else 'has never seen'}. Bright is where the layer pushes the predicted {target} "
        f"{way} (sign {'+' if sign > 0 else '−'}1), in units of the standardised target; each map has its own scale. The slice is "
        "what the network sees: the square around the soil, what is not soil in it black.",
    )
    return ExplanationResult(model, core, target, depth_mm, sign, tuple(maps), picture)


def found_picture(scan: Volume, core: Volume) -> Picture:
    """What was found in a scan: the core's circle in a slice, axis, top and bottom in two sections."""
    from soilscope.figures.core import found

    kind = str(core.source.get("soil", {}).get("kind", "whole"))
    said = {
        "cylinder": "the cylinder that was found",
        "half-cylinder": "the half core that was found",
        "masked": "what the scan's own mask leaves",
    }.get(kind, "no core was found or looked for: all of it counts as soil")
    stated = core.source.get("soil", {}).get("asserted")
    text = f"The scan of {core.core}, and {said}{' (' + ', '.join(stated) + ' stated in the plan)' if stated else ''}."
    return as_picture(
        found(scan, core),
        f"Slice and two vertical sections of the scan of {core.core}, with the soil's outline, axis, top and bottom.",
        f"{text} Millimetres count from the centre of the first voxel, depth from the top of the scan.",
    )


def _check(volume: Volume, labels: LabelVolume, classes: Mapping[int, str], edges: tuple[float, ...]) -> Picture:
    from soilscope.figures.check import check

    kind = volume.source.get("soil", {}).get("kind")
    found = {
        "cylinder": "Magenta: outline of the soil found. ",
        "half-cylinder": "Magenta: outline of the soil found. ",
        "masked": "Magenta: what the scan's own mask leaves. ",
    }.get(str(kind), "")
    return as_picture(
        check(volume, labels, classes, edges),
        f"Check picture of {volume.core}: soil outline, classes, and histogram with class edges.",
        f"Check of {volume.core}. {found}Below: voxels by value on a logarithmic "
        f"scale{', with the edges between classes' if edges else ''}.",
    )


def _profiles(volume: Volume, shown: Profiles, ranges: Mapping[str, str]) -> Picture:
    from soilscope.figures.profiles import profiles

    unit = "HU" if volume.units == "HU" else "grey values"
    said = (
        f"Profiles of {volume.core} over depth. Left: area fractions before small clusters are removed. Right: porosity, 1 − area "
        "fraction of the class after their removal; the scales differ."
    )
    if shown.band is not None and not shown.band.empty:
        said += (
            f" Bands: what moving all edges between classes by ±{shown.band['shift'].iloc[0]:.4g} {unit} makes of it."
        )
    if shown.horizons_mm:
        depths = and_list(f"{depth:.1f}" for depth in shown.horizons_mm)
        said += f" Dashed: borders between horizons, at {depths} mm (change points of the area fractions)."
    return as_picture(
        profiles(shown.slices, ranges, shown.band, shown.horizons_mm),
        f"Profiles of {volume.core} over depth: area fractions of all classes, and the porosity of each.",
        said,
    )


def _windows(core: str, curves: pd.DataFrame) -> Picture:
    from soilscope.figures.representative import representative

    tolerance, least = float(curves["tolerance"].iloc[0]), int(curves["least"].iloc[0])
    return as_picture(
        representative(curves),
        f"Mean and spread of the classes' figures in {core} against the size of the windows they were taken in.",
        f"Figures of {core} in windows of rising size that do not overlap. Above: mean over windows; the dash at the "
        "right is the whole core. Below: standard deviation over mean; dashed the tolerance "
        f"({tolerance:g}), dotted the slope of a field without structure (one over the root of the volume); no mark where there is "
        f"none, of a mean of 0 or a single window. Filled marks: sizes of which at least {least} windows fit, which are judged. "
        "Hollow marks: fewer fit, not judged. "
        "A black ring round a mark: representative from this size on.",
    )


def _slices(volume: Volume, labels: LabelVolume, classes: Mapping[int, str]) -> Picture:
    from soilscope.figures.slices import slices

    return as_picture(
        slices(volume, labels, classes),
        f"Slices of {volume.core} at several depths and a vertical section, in grey and in classes.",
        f"Slices of {volume.core}, in grey and in classes; black to white is the 0.5 to 99.5 percentile of the soil. "
        "What is not soil is light grey.",
    )
