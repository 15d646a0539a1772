"""What a message calls a file: its name, and with it the folders below the given path where several files there have that name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PosixPath

__all__ = ["Below", "ShownPath", "repeated", "shown"]


class ShownPath(PosixPath):
    """A path that says itself what it is called."""

    __slots__ = ()

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.name


class Below(ShownPath):
    """A file that is called by its path below the folder that was given; what is made of it is a path like any other."""

    __slots__ = ("_below",)
    _below: str

    @classmethod
    def of(cls, path: Path, below: str) -> Below:
        """The same path, called so."""
        made = cls(path)
        made._below = below
        return made

    @property
    def shown(self) -> str:
        """What messages call it."""
        return getattr(self, "_below", self.name)


def repeated(names: Iterable[str]) -> frozenset[str]:
    """Names that several files have."""
    return frozenset(name for name, count in Counter(names).items() if count > 1)


def shown(file: str | Path) -> str:
    """What messages call a file; the folders above the given path may hold what is personal and are left out."""
    if isinstance(file, str):
        return Path(file).name if file.startswith("/") else file
    return file.shown if isinstance(file, ShownPath) else file.name
