"""Zip and tar archives, unpacked member by member into a temporary folder: judged first, then copied under limits."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from soilscope.errors import OutputRefused
from soilscope.ingest.limits import MOST_ARCHIVE_BYTES, MOST_EXPANSION, MOST_MEMBERS, SMALL_ARCHIVE_BYTES
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["unpacked"]

BLOCK_BYTES = 1 << 20
LONGEST_NAME = 1024
LARGEST_READ = 1 << 22
"""Headers of tar archives and blocks of files are read in less; only a header that lies about its length asks for more."""

END_OF_ZIP, END_OF_ZIP64, LOCATOR_OF_ZIP64, ENTRY_OF_ZIP = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2"
LONGEST_END = 22 + 0xFFFF
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


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
    OutputRefused
        Code ``cannot-write``: the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="soilscope-") as folder:
        root = Path(folder) / "scan"
        root.mkdir()
        with parsing("archive-damaged", f"{path.name} is damaged, encrypted or no archive ({{error}}).", [path]):
            if zipfile.is_zipfile(path):
                _not_too_many(path)
                with zipfile.ZipFile(path) as archive:
                    _unpack(path, _zip_members(path, archive), archive.open, root)
            else:
                with _plain(path) as stream, _tar(_Sober(stream)) as tar:
                    _unpack(path, _tar_members(path, tar), tar.extractfile, root)
        yield root


def _not_too_many(path: Path) -> None:
    """Count the entries of a zip before anything is made of each: a million of them take memory and half a minute."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - LONGEST_END))
        start, tail = stream.tell(), stream.read()
        at = tail.rfind(END_OF_ZIP)
        claimed, length = struct.unpack_from("<HI", tail, at + 10)
        end = start + at
        if tail[at - 20 : at - 16] == LOCATOR_OF_ZIP64:
            stream.seek(struct.unpack_from("<Q", tail, at - 12)[0])
            end, record = stream.tell(), stream.read(56)
            if record[:4] == END_OF_ZIP64:
                claimed, length = struct.unpack_from("<QQ", record, 32)
        most = MOST_MEMBERS * (46 + LONGEST_NAME)
        stream.seek(max(0, end - length))
        counted = claimed if length > most else stream.read(length).count(ENTRY_OF_ZIP)
    if claimed > MOST_MEMBERS or counted > MOST_MEMBERS or length > most:
        _too_large(path, MOST_ARCHIVE_BYTES)


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """A tar archive without its compression."""
    with path.open("rb") as stream:
        head = stream.read(6)
    opener = next((opened for magic, opened in COMPRESSED.items() if head.startswith(magic)), None)
    with opener(path, "rb") if opener else path.open("rb") as stream:
        yield stream


def _tar(stream: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:")


class _Sober:
    """A stream that gives no more at a time than an honest archive asks for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError("a header of the archive claims to be longer than any is")
        return self._stream.read(size)


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
    above: set[str] = set()
    claimed = 0
    for member in members:
        parts = [part for part in _folded(member.name).split("/") if part not in ("", ".")]
        key, folders = "/".join(parts), {"/".join(parts[:k]) for k in range(1, len(parts))}
        if not parts or key in seen or key in above or not folders.isdisjoint(seen):
            _unsafe(path, member.name, "has the name of another member, or none")
        seen.add(key)
        above |= folders
        listed.append(member)
        claimed += member.size
        if claimed > limit or len(listed) > MOST_MEMBERS:
            _too_large(path, limit)
    left = limit
    for member in listed:
        stream = opened(member.handle)  # type: ignore[operator]  # ZipFile.open or TarFile.extractfile
        if stream is not None:
            with stream, _room(path):
                target = root / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:
                    left = _copy(stream, out, left, path)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@contextlib.contextmanager
def _room(path: Path) -> Iterator[None]:
    """A full disk is no damage of the archive."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        text = f"{path.name} cannot be unpacked: {error.strerror}. Free some space, or set TMPDIR to a folder with more room."
        raise OutputRefused("cannot-write", text, [path.name]) from None


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
