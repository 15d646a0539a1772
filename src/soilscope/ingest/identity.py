"""A core's id from one tag of its scan's headers, where the user chose that tag by name; no other value passes.

Soil cores are no patients: their names often stand where a patient's would. Which of the tags does, only the user can know, and
the same tags may name a person. So nothing here is read unless it is asked for, one tag at a time, and a refusal quotes no value.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soilscope.ingest.part10 import read_tags
from soilscope.ingest.shown import shown
from soilscope.ingest.tags import joined
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["ASK", "ID_TAGS", "Identity"]

ID_TAGS = ("PatientID", "PatientName", "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription")
"""The tags an id can be taken from: keywords of DICOM PS3.6."""

NAMES = {"PatientName"}
"""Those whose values have parts, divided by ``=`` and ``^`` (value representation PN); elsewhere these are plain characters."""

ASK = "take the ids from the folders' names (--id-from folder), or from another tag"
"""The next step in every refusal of an id."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of one scan, asked for what their headers call it."""

    files: tuple[Path, ...]

    @classmethod
    def of(cls, files: Iterable[Path]) -> Identity:
        """Each file once."""
        return cls(tuple(dict.fromkeys(files)))

    def filled(self) -> tuple[str, ...]:
        """Which of :data:`ID_TAGS` hold something in the first file; not what."""
        with _reading(self.files[0]):
            raw = read_tags(self.files[0], list(ID_TAGS))
            return tuple(
                t for t in ID_TAGS if t in raw and bytes(raw.get_item(t).value or b"").strip(_blank(t).encode())
            )

    def value(self, tag: str) -> str:
        """The value that all files of the scan have in common.

        Raises
        ------
        InputRefused
            Codes ``id-missing`` (absent or empty in a file), ``id-differs`` (the files do not agree), ``id-unreadable`` (its
            letters are in an alphabet the header does not name). The value itself is in no message.
        """
        first = ""
        for file in self.files:
            header = _header(file, tag)
            text = _text(tag, header.get(tag))
            if not text:
                refuse(
                    "id-missing",
                    f"{shown(file)} has no {tag}, so that the core cannot be named after it; {ASK}.",
                    [file],
                )
            if "\N{REPLACEMENT CHARACTER}" in text or not (text.isascii() or header.get("SpecificCharacterSet")):
                words = "holds letters whose character set the header does not name, or that are damaged"
                refuse("id-unreadable", f"{tag} of {shown(file)} {words}; {ASK}.", [file])
            if first and text != first:
                words = f"{shown(self.files[0])} and {shown(file)} differ in {tag}: which one names the core, nobody can tell"
                refuse("id-differs", f"{words}; choose one series, or {ASK}.", [self.files[0], file])
            first = text
        return first


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    damaged = f"{shown(file)} is damaged ({{error}} in its header); copy it again from the scanner."
    with parsing("file-damaged", damaged, [file]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        yield


def _header(file: Path, tag: str) -> dict[str, Any]:
    with _reading(file):
        found = read_tags(file, [tag])
        return {name: found.get(name) for name in (tag, "SpecificCharacterSet")}


def _blank(tag: str) -> str:
    """Characters around a value that say nothing: of a name also what divides its parts."""
    return " ^=\0" if tag in NAMES else " \0"


def _text(tag: str, value: Any) -> str:
    """A value as one line; of a name in several scripts the first that is given (PS3.5 6.2.1)."""
    if value is None:
        return ""
    groups = joined(value).split("=") if tag in NAMES else [joined(value)]
    return next((text for text in (part.strip(_blank(tag)) for part in groups) if text), "")
