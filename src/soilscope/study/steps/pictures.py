"""Report, first half: a core's pictures, made while the core is in memory and kept for the page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd

from soilscope import findings as notes
from soilscope.files import write_bytes, write_json
from soilscope.findings import Finding
from soilscope.report import CoreResult, Picture, Profiles, core_result
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.further import REPRESENTATIVE
from soilscope.study.steps.imported import imported
from soilscope.study.steps.measure import core_provenance, slice_table
from soilscope.study.steps.moved import bands, horizons_of
from soilscope.study.steps.opened import open_core

__all__ = ["draw_core", "kept_core", "outputs", "picture_of", "picture_values", "write_picture"]

NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold."""
KINDS = ("check", "profiles", "slices", "windows")


def outputs(core: str) -> list[str]:
    """What drawing one core publishes; the pictures themselves stand in ``figures/`` too."""
    return [Layout.part("report", f"{core}.json")]


def draw_core(study: Path, plan: Plan, core: str, send: Callable[[Any], None]) -> None:
    """Draw a core's check picture, profiles and slices."""
    send(("progress", 0, 1, f"pictures of {core}"))
    opened = open_core(study, plan, core)
    slices = slice_table(study, core)
    borders = tuple(h.top_mm for h in horizons_of(slices)[1][1:])
    shown = Profiles(slices, _band(study, plan, core), borders, _windows(study, plan, core))
    result = core_result(opened.volume, opened.labels, opened.scheme or opened.names, shown)
    found = notes.merge(result.findings, notes.from_records(core_provenance(study, core).get("findings", [])))
    for kind, picture in zip(KINDS, result.pictures, strict=False):
        write_picture(study, f"{core}.{kind}", picture, found)
    found_in_scan = picture_of(imported(study, core)["picture"])
    write_picture(study, f"{core}.core", found_in_scan, found)
    content = {f.name: getattr(result, f.name) for f in fields(result)}
    content["scheme"] = dict(result.scheme)
    content["soil"] = dict(result.soil)
    content["findings"] = notes.to_records(found)
    content["pictures"] = [picture_values(picture) for picture in (found_in_scan, *result.pictures)]
    write_json(study / outputs(core)[0], content)


def _band(study: Path, plan: Plan, core: str) -> pd.DataFrame | None:
    return None if plan.structure.sensitivity == "off" else bands(study, core)


def _windows(study: Path, plan: Plan, core: str) -> pd.DataFrame | None:
    made = None if plan.structure.representative == "off" else REPRESENTATIVE.rows(study, core)
    return None if made is None else made[0]


def kept_core(study: Path, core: str) -> CoreResult:
    """A drawn core, read back."""
    content: dict[str, Any] = json.loads((study / outputs(core)[0]).read_text(encoding="utf-8"))
    content["findings"] = notes.from_records(content["findings"])
    content["pictures"] = tuple(picture_of(values) for values in content["pictures"])
    content["shape"], content["spacing_mm"] = tuple(content["shape"]), tuple(content["spacing_mm"])
    return CoreResult(**content)


def write_picture(study: Path, name: str, picture: Picture, found: Sequence[Finding] = ()) -> None:
    """Keep a picture in ``figures/`` as what it is: SVG text, or a PNG.

    An SVG goes its own way into papers and talks, so what it shows and what was found in its core stand in it: its ``title`` and
    ``desc``.
    """
    if isinstance(picture.data, str):
        head, tag, rest = picture.data.partition("<svg ")
        opening, end, drawn = rest.partition(">")
        words = "\n".join([picture.caption, *(f"{f.severity} {f.code}: {f.text}" for f in found)])
        told = f"\n <title>{_as_xml(picture.alt)}</title>\n <desc>{_as_xml(words)}</desc>"
        write_bytes(study / "figures" / f"{name}.svg", (head + tag + opening + end + told + drawn).encode())
    else:
        write_bytes(study / "figures" / f"{name}.png", picture.data)


def _as_xml(text: str) -> str:
    return escape(NOT_IN_XML.sub("\ufffd", text))


def picture_values(picture: Picture) -> dict[str, str]:
    """A picture as plain values, to be kept in a JSON file."""
    binary = isinstance(picture.data, bytes)
    data = base64.b64encode(picture.data).decode() if isinstance(picture.data, bytes) else picture.data
    return {"data": data, "binary": "yes" if binary else "", "alt": picture.alt, "caption": picture.caption}


def picture_of(values: Mapping[str, str]) -> Picture:
    """The inverse of :func:`picture_values`."""
    data = base64.b64decode(values["data"]) if values["binary"] else values["data"]
    return Picture(data, values["alt"], values["caption"])
