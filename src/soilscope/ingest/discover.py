"""Which files lie below a path: regular files only, links not followed, what is left out counted."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soilscope.findings import Finding
from soilscope.ingest.limits import MOST_DEPTH, MOST_FILES
from soilscope.ingest.shown import Below, repeated, shown
from soilscope.ingest.verdict import counted, refuse, warn

__all__ = ["Found", "discover", "natural"]

LINKS = "copy here what they lead to, or name the folder that holds it"
ODD = "a scan is read from files"
DEEP = "name one of them"


@dataclass(frozen=True, slots=True)
class Found:
    """The regular files below a root, in natural order of their names, and how many entries were left out."""

    root: Path
    files: tuple[Path, ...]
    left_out: int = 0
    findings: tuple[Finding, ...] = ()


def natural(path: str | Path) -> tuple[Any, ...]:
    """Sort key under which ``slice2`` comes before ``slice10``, and composed and decomposed letters are one."""
    text = unicodedata.normalize("NFC", str(path))
    parts = re.split(r"([0-9]+)", text)
    return (*((1, int(p), "") if p.isdigit() and p.isascii() else (0, 0, p) for p in parts), text)


def discover(path: Path) -> Found:
    """The files of a path, which may be a folder or one file.

    Raises
    ------
    InputRefused
        Codes ``not-found``, ``not-a-file`` (a device or pipe), ``unreadable``, ``too-many-files``.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError:
        refuse("unreadable", f"{path.name} may not be read; ask its owner for the right to.", [path])
    except OSError as error:
        refuse("not-found", f"{path.name or path}: {error.strerror or 'not found'}; check the path.", [path])
    if stat.S_ISREG(mode):
        return Found(path.parent, (path,))
    if not stat.S_ISDIR(mode):
        refuse(
            "not-a-file",
            f"{path.name} is neither a file nor a folder (a device, pipe or socket); name the folder, file or archive that "
            "holds the scan.",
            [path],
        )
    return _walk(path)


def _walk(root: Path) -> Found:
    files: list[Path] = []
    links: list[Path] = []
    odd: list[Path] = []
    closed: list[Path] = []
    deep: list[Path] = []
    for kind, entry in _entries(root, 0):
        {"file": files, "link": links, "odd": odd, "closed": closed, "deep": deep}[kind].append(entry)
        if len(files) > MOST_FILES:
            refuse(
                "too-many-files", f"more than {MOST_FILES} files below {root.name}; choose one scan's folder.", [root]
            )
    findings = [
        warn(
            code,
            f"{counted(len(some), *noun)} {why} ({shown(some[0])}{' first' if len(some) > 1 else ''}); {step}.",
            some,
        )
        for some, code, noun, why, step in (
            (links, "link", ("symbolic link was", "symbolic links were"), "not followed", LINKS),
            (odd, "not-a-file", ("device, pipe or socket was", "devices, pipes or sockets were"), "not opened", ODD),
            (closed, "unreadable", ("folder",), "may not be listed", "ask the owner for the right to"),
            (deep, "unreadable", ("folder",), f"more than {MOST_DEPTH} levels below not looked into", DEEP),
        )
        if some
    ]
    below = {path: path.relative_to(root).as_posix() for path in files}
    same = repeated(path.name for path in files)
    ordered = sorted(files, key=lambda path: natural(below[path]))
    called = (Below.of(path, below[path]) if path.name in same else path for path in ordered)
    return Found(root, tuple(called), len(links) + len(odd) + len(closed) + len(deep), tuple(findings))


def _entries(folder: Path, depth: int) -> Iterator[tuple[str, Path]]:
    """Everything below a folder, and what it is."""
    if depth > MOST_DEPTH:
        yield "deep", folder
        return
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError:
        yield "closed", folder
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            yield "link", path
        elif entry.is_dir(follow_symlinks=False):
            yield from _entries(path, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            yield "file", path
        else:
            yield "odd", path
