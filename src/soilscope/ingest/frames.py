"""Enhanced multi-frame DICOM (PS3.3 C.7.6.16): the attributes of one frame, from its functional groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import refuse
from soilscope.ingest.written import asked

__all__ = ["Group", "functional_groups"]

MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "UnassignedPerFrameConvertedAttributesSequence": ("InstanceNumber",),
}
ATTRIBUTES = (*(name for names in MACROS.values() for name in names), "AcquisitionNumber")

Group = dict[str, Any]
"""Attribute name -> value for one frame."""


def functional_groups(dataset: Any, count: int, path: Path) -> list[Group]:
    """Attributes of each of ``count`` frames: the frame's own, else the shared, else the file's.

    Raises
    ------
    InputRefused
        Code ``multi-frame``: several frames without one functional group for each.
    """
    top = {name: asked(dataset, name) for name in ATTRIBUTES}
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        if count == 1:
            return [top]
        text = (
            f"{shown(path)} holds {count} frames but says of none where it lies (no functional groups); export it as "
        )
        refuse("multi-frame", text + "single slices.", [path])
    per_frame = dataset.PerFrameFunctionalGroupsSequence
    if len(per_frame) != count:
        refuse(
            "multi-frame",
            f"{shown(path)} holds {count} frames but describes {len(per_frame)}; export it as single slices.",
            [path],
        )
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    common = top | _attributes(shared[0])
    if count > 1:
        common["InstanceNumber"] = None  # the file's own number says nothing of its frames
    return [common | _attributes(item) for item in per_frame]


def _attributes(item: Any) -> Group:
    found: Group = {}
    for sequence, names in MACROS.items():
        if item.get(sequence):
            inner = item.get(sequence)[0]
            values = {name: asked(inner, name) for name in names}
            found.update({name: value for name, value in values.items() if value is not None})
    return found
