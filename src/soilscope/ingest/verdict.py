"""How a stage of reading speaks: a note, a warning, or a refusal that stops it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from soilscope.errors import InputRefused, SoilscopeError
from soilscope.findings import Finding
from soilscope.ingest.shown import shown

__all__ = ["IN_WORDS", "as_finding", "counted", "names", "note", "nothing_readable", "parsing", "refuse", "warn"]

RUST_PANIC = "PanicException"
"""What decoders written in Rust raise; the class has no public name."""

IN_WORDS = {"RecursionError": "sequences within sequences, more than any scanner writes"}
"""Kinds of errors that say more in words."""

MOST_NAMES = 20
"""Files named in one finding; the text gives their number."""


def names(files: Iterable[str | Path]) -> tuple[str, ...]:
    """What messages call files, without the folders above the given path, which may hold what is personal."""
    return tuple(shown(f) for f in files)[:MOST_NAMES]


def note(code: str, text: str, files: Iterable[str | Path] = ()) -> Finding:
    """Context worth knowing."""
    return Finding(code, "note", text, names(files))


def warn(code: str, text: str, files: Iterable[str | Path] = ()) -> Finding:
    """Something that can change how a number reads."""
    return Finding(code, "warning", text, names(files))


def refuse(code: str, text: str, files: Iterable[str | Path] = ()) -> NoReturn:
    """Stop reading.

    Raises
    ------
    InputRefused
        Always, with ``code``; the files by name only.
    """
    raise InputRefused(code, text, names(files)) from None  # what a parser said may quote a personal tag


def counted(number: int, one: str = "slice", several: str = "") -> str:
    """A number and its noun: ``1 slice``, ``2 slices``."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def nothing_readable(name: str, skipped: int, beside: str = "", seen: str = "") -> InputRefused:
    """The refusal of a path at which no scan lies; ``seen`` tells in sentences what was left out there, and what to do."""
    files = counted(skipped, "file")
    so = f". {seen} Or" if seen else ";"
    text = (
        f"{name} holds no scan that can be read ({files} looked at and skipped{beside}){so} name the "
        "folder, file or archive that holds the slices or the volume: DICOM, TIFF, PNG, NIfTI, NRRD, MetaImage, HDF5, Zarr, npy or "
        "npz (docs/formats.md)."
    )
    return InputRefused("nothing-readable", text, [name])


def as_finding(error: InputRefused) -> Finding:
    """A refusal as a finding, for listings that go on."""
    return Finding(error.code, "refuse", error.text, names(error.files))


@contextlib.contextmanager
def parsing(code: str, text: str, files: Iterable[str | Path]) -> Iterator[None]:
    """Turn whatever a foreign parser trips over on damaged bytes into a refusal; ``{error}`` in the text is its kind.

    Parsers raise nearly anything there (assertions, look-ups, recursion, even a Rust panic that is no ``Exception``), and their
    messages may quote a personal tag: only the kind is told.
    """
    try:
        yield
    except SoilscopeError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != RUST_PANIC:
            raise
        kind = type(error).__name__
        refuse(code, text.replace("{error}", IN_WORDS.get(kind, kind)), files)
