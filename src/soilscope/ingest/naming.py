"""How the scans at a path are called, and what tells them apart for somebody who must choose one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from soilscope.types import Shape

__all__ = ["LAST_MARK", "Listed", "apart", "ids", "named"]

LAST_MARK = "file"
"""The mark that tells nothing of a scan itself, named where no other one differs."""


class Listed(Protocol):
    """A scan as it is listed; see :class:`~soilscope.ingest.candidates.Candidate`."""

    @property
    def id(self) -> str: ...

    @property
    def format(self) -> str: ...

    @property
    def shape(self) -> Shape | None: ...

    @property
    def kind(self) -> str: ...

    @property
    def alias(self) -> str: ...

    @property
    def marks(self) -> Mapping[str, str]: ...


One = TypeVar("One", bound=Listed)


def named(listed: Sequence[One], series: str) -> list[One]:
    """The scans of one name: those with that id, else those whose other name it is, such as a DICOM series UID."""
    return [one for one in listed if one.id == series] or [one for one in listed if _is_called(one, series)]


def _is_called(one: Listed, series: str) -> bool:
    """Whether another name of a scan was given; paths in a file with or without the file, and the slash before them."""
    file, colon, inside = series.rpartition(":")
    within = bool(colon) and one.id.partition(":")[0] == file
    given = {series.removeprefix("/"), *([inside.removeprefix("/")] if within else [])}
    return bool(one.alias) and one.alias.removeprefix("/") in given


def ids(listed: Sequence[Listed], beside: Sequence[Listed] = ()) -> str:
    """Scans by their ids with format, size, and what tells them apart (from those ``beside`` them too), for messages."""
    marks = apart([one.marks for one in (*listed, *beside)])
    return "; ".join(
        f"{one.id} ({', '.join((one.format, _size(one), *told))})" for one, told in zip(listed, marks, strict=False)
    )


def apart(marks: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Of each scan those of its marks that not all scans share."""
    names = dict.fromkeys(name for one in marks for name in one)
    differing = [name for name in names if len({one.get(name, "") for one in marks if one}) > 1]
    told = [name for name in differing if name != LAST_MARK] or differing
    return [tuple(one[name] for name in told if name in one) for one in marks]


def _size(one: Listed) -> str:
    if one.shape:
        return " x ".join(map(str, one.shape))
    return f"{one.kind}, not a scan" if one.kind else "unknown size"
