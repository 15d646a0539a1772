"""Zip and tar archives, unpacked member by member into a temporary folder: judged first, then copied under limits."""

from __future__ import annotations

import contextlib
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO

from soilscope.ingest.limits import MOST_ARCHIVE_BYTES, MOST_EXPANSION, MOST_MEMBERS, SMALL_ARCHIVE_BYTES
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["unpacked"]

BLOCK_BYTES = 1 << 20
LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: the name it claims, the size it claims, and how to read it."""

    name: str
    size: int
    handle: zipfile.ZipInfo | tarfile.TarInfo


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the archive's files, gone afterwards.

    Raises
    ------
    InputRefused
        Codes ``archive-unsafe`` (a member leads outside, is a link or device, or two share a name), ``archive-too-large``,
        ``archive-damaged``. The whole archive is refused; nothing is written outside the temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="soilscope-") as folder:
        root = Path(folder) / "scan"
        root.mkdir()
        with parsing("archive-damaged", f"{path.name} is damaged, encrypted or no archive ({{error}}).", [path]):
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    _unpack(path, _zip_members(path, archive), archive.open, root)
            else:
                with tarfile.open(path, "r:*") as tar:
                    _unpack(path, _tar_members(path, tar), tar.extractfile, root)
        yield root


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _unsafe(path, info.orig_filename, "is a link or a device")
        _safe_name(path, info.orig_filename)
        if not info.is_dir():
            yield Member(info.orig_filename, info.file_size, info)


def _tar_members(path: Path, archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        if not (info.isfile() or info.isdir()):
            _unsafe(path, info.name, "is a link or a device")
        _safe_name(path, info.name)
        if info.isfile():
            yield Member(info.name, info.size, info)


def _safe_name(path: Path, name: str) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        _unsafe(path, name, "leads out of the archive")
    if "\\" in name or PureWindowsPath(name).drive:
        _unsafe(path, name, "holds a backslash or a drive letter")
    if len(name) > LONGEST_NAME:
        _unsafe(path, name[:40] + "...", "has a name longer than any scanner writes")


def _unsafe(path: Path, name: str, why: str) -> None:
    refuse(
        "archive-unsafe",
        f"{path.name}: member {name!r} {why}; the whole archive is refused. Unpack it by hand.",
        [path],
    )


def _unpack(path: Path, members: Iterator[Member], opened: object, root: Path) -> None:
    """Judge all names and claimed sizes first, then copy, counting what really comes out."""
    limit = min(MOST_ARCHIVE_BYTES, max(SMALL_ARCHIVE_BYTES, MOST_EXPANSION * path.stat().st_size))
    listed: list[Member] = []
    seen: set[str] = set()
    claimed = 0
    for member in members:
        key = unicodedata.normalize("NFC", member.name).casefold().rstrip("/")
        if key in seen:
            _unsafe(path, member.name, "has the name of another member")
        seen.add(key)
        listed.append(member)
        claimed += member.size
        if claimed > limit or len(listed) > MOST_MEMBERS:
            _too_large(path, limit)
    left = limit
    for member in listed:
        target = root / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = opened(member.handle)  # type: ignore[operator]  # ZipFile.open or TarFile.extractfile
        if stream is not None:
            with stream, target.open("xb") as out:
                left = _copy(stream, out, left, path)


def _copy(stream: IO[bytes], out: IO[bytes], left: int, path: Path) -> int:
    while block := stream.read(BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            _too_large(path, MOST_ARCHIVE_BYTES)
        out.write(block)
    return left


def _too_large(path: Path, limit: int) -> None:
    refuse(
        "archive-too-large",
        f"{path.name} unpacks to more than {limit >> 20} MB or {MOST_MEMBERS} files, which no scan of its size does; unpack it "
        "by hand if it is one.",
        [path],
    )
