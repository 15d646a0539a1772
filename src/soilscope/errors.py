"""Every error Soilscope raises on purpose, each with a stable code and an exit status.

::

    SoilscopeError
    ├── InputRefused   (ValueError)        3  the scan, mask or weights cannot be trusted
    ├── Damaged        (OSError)           3  something published earlier no longer equals its digest
    ├── OutputRefused  (OSError)           3  the place to write to is full, read-only or not ours
    ├── UsageError     (ValueError)        2  the call itself is wrong
    │   └── PlanError                      2  study.toml: every mistake at once
    ├── MissingExtra   (ImportError)       2  an optional part is not installed; names the line that installs it
    ├── Busy           (BlockingIOError)   5  another process is writing the same thing
    ├── LearningStopped (ArithmeticError)  4  training met a value that is not finite
    └── PartlyDone     (RuntimeError)      4  some items of a run failed, the others are done

A message names the file, the value, the limit and the next step. Codes never change meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "Busy",
    "Damaged",
    "InputRefused",
    "LearningStopped",
    "MissingExtra",
    "OutputRefused",
    "PartlyDone",
    "PlanError",
    "SoilscopeError",
    "SoilscopeWarning",
    "UsageError",
]


class SoilscopeWarning(UserWarning):
    """Something a caller should look at, although the result is sound."""


def install_line(extra: str) -> str:
    """The line that installs an extra: from an index, and in a clone, which has the tested versions."""
    return f'pip install "soilscope[{extra}]" (in a clone: pip install -c constraints.txt -e ".[{extra}]")'


class SoilscopeError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    code : str
        Stable, lower-case words joined by hyphens, such as ``"gap"``.
    text : str
        What was found, where, which limit it broke, and what to do next.
    files : iterable of path
        The files concerned, most telling first.
    """

    exit_code = 1

    def __init__(self, code: str, text: str, files: Iterable[str | Path] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.files = tuple(str(f) for f in files)

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"

    def __reduce__(self) -> tuple[type[SoilscopeError], tuple[str, str, tuple[str, ...]]]:
        return (type(self), (self.code, self.text, self.files))


class InputRefused(SoilscopeError, ValueError):
    """The input cannot be trusted, so nothing was made from it."""

    exit_code = 3


class Damaged(SoilscopeError, OSError):
    """A published file or store no longer equals the digest it was published with."""

    exit_code = 3


class OutputRefused(SoilscopeError, OSError):
    """The output could not be written; nothing half-written is left visible."""

    exit_code = 3


class UsageError(SoilscopeError, ValueError):
    """The call or command is wrong, whatever the data."""

    exit_code = 2


class PlanError(UsageError):
    """One or more mistakes in a plan file, told all at once."""


class MissingExtra(SoilscopeError, ImportError):
    """An optional part is not installed."""

    exit_code = 2


class Busy(SoilscopeError, BlockingIOError):
    """Another process holds the lock of what was to be written."""

    exit_code = 5


class LearningStopped(SoilscopeError, ArithmeticError):
    """Training or prediction met NaN or infinity, or had nothing to learn from."""

    exit_code = 4


class PartlyDone(SoilscopeError, RuntimeError):
    """Some items of a run failed; the others are done and kept."""

    exit_code = 4
