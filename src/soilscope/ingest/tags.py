"""What of a DICOM header may pass: technical tags by name, identifiers only as digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from soilscope.ingest.written import Unread, asked

__all__ = ["TECHNICAL", "joined", "plain", "rekey", "technical_tags"]

TECHNICAL = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "KVP",
    "XRayTubeCurrent",
    "Exposure",
    "ExposureTime",
    "ConvolutionKernel",
    "FilterType",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SpiralPitchFactor",
    "ReconstructionDiameter",
    "DataCollectionDiameter",
    "GantryDetectorTilt",
    "RescaleType",
    "LossyImageCompression",
    "BurnedInAnnotation",
)
"""The whole list: none of them names a person, a place or a day. Everything else stays in the scan's files."""

SIMULATED = "Simulated by Soilscope"
"""How the image comments of our own phantoms begin; any other comment is not looked at further and goes nowhere."""

MOST_CHARACTERS = 64
NUMBERS = frozenset(TECHNICAL) - {"Modality", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "FilterType",
                                  "RescaleType", "LossyImageCompression", "BurnedInAnnotation"}  # fmt: skip


def rekey(uid: str) -> str:
    """A short identifier that stays the same for one UID and does not lead back to it."""
    return hashlib.sha256(b"soilscope series " + uid.encode()).hexdigest()[:12]


def joined(value: Any) -> str:
    """A value as text; several values as DICOM writes them, with backslashes between."""
    return "\\".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def plain(text: str) -> str:
    """Short text of printable characters alone."""
    return "".join(c for c in text if c.isprintable())[:MOST_CHARACTERS]


def technical_tags(dataset: Any) -> dict[str, str | float]:
    """The tags of the allow-list that a data set holds, as numbers or short plain text."""
    kept: dict[str, str | float] = {}
    for name in TECHNICAL:
        value = asked(dataset, name)
        if value is None or value == "" or isinstance(value, Unread):
            continue
        if name in NUMBERS:
            try:
                kept[name] = float(value)
            except (TypeError, ValueError):
                continue
        else:
            kept[name] = plain(joined(value))
    if str(dataset.get("ImageComments") or "").startswith(SIMULATED):
        kept["Simulated"] = "Soilscope phantom"
    return kept
