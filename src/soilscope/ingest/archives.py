"""Zip and tar archives: all members judged first, by name and claimed size; then they are read where they lie."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from soilscope.ingest.discover import Found, natural
from soilscope.ingest.limits import (
    MOST_ARCHIVE_BYTES,
    MOST_EXPANSION,
    MOST_HELD_BYTES,
    MOST_MEMBERS,
    SMALL_ARCHIVE_BYTES,
    SMALL_MEMBER_BYTES,
)
from soilscope.ingest.members import Archive, Entry
from soilscope.ingest.shown import repeated
from soilscope.ingest.verdict import counted, parsing, refuse

__all__ = ["inside"]

BLOCK_BYTES = 1 << 20
LONGEST_NAME = 1024
LARGEST_READ = 1 << 22
"""Headers of tar archives and blocks of files are read in less; only a header that lies about its length asks for more."""

END_OF_ZIP, END_OF_ZIP64, LOCATOR_OF_ZIP64, ENTRY_OF_ZIP = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2"
TAR_MARK, TAR_MARK_AT = b"ustar", 257
LONGEST_END = 22 + 0xFFFF
COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


@contextlib.contextmanager
def inside(path: Path) -> Iterator[Found]:
    """The files of an archive, to be read while the context lasts. Nothing is unpacked to a disk.

    Raises
    ------
    InputRefused
        Codes ``archive-unsafe`` (a member leads outside, is a link or device, or two share a name), ``archive-too-large``,
        ``archive-damaged``. The whole archive is refused.
    """
    with contextlib.ExitStack() as stack:
        with parsing(
            "archive-damaged",
            f"{path.name} is damaged, encrypted or no archive ({{error}}); copy it again, or pack the folder again.",
            [path],
        ):
            listed = _zip(path, stack) if _is_zip(path) else _tar(path, stack)
        folders = frozenset({".", *listed.above.values()})
        same = repeated(key.rpartition("/")[2] for key in [*listed.files, *folders])
        archive = Archive(path.name, path.stat().st_mtime_ns, listed.files, folders, same)
        base = root = archive.root(path.name.split(".")[0] or path.name)
        tops = {key.partition("/")[0] if "/" in key else "" for key in listed.files}
        if len(tops) == 1:  # the archive of one folder is looked at as that folder is
            root = base / tops.pop()
        members = sorted((base / key for key in listed.files), key=lambda p: natural(p.relative_to(root).as_posix()))
        yield Found(root, tuple(members))


@dataclass(slots=True)
class _Listed:
    """Members that were judged: files by their paths, what would collide with them, and the bytes claimed so far.

    ``seen`` and ``above`` hold names of files and of folders as the least careful file system compares them.
    """

    path: Path
    limit: int
    files: dict[str, Entry] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    above: dict[str, str] = field(default_factory=dict)
    claimed: int = 0
    entries: int = 0

    def count(self) -> None:
        """One more entry, be it a file or a folder."""
        self.entries += 1
        if self.entries > MOST_MEMBERS:
            _too_many(self.path)

    def judge(self, name: str, size: int, packed: int) -> str:
        """The path of a member that may be read: its size as it claims, and as the archive holds it.

        Raises
        ------
        InputRefused
            Codes ``archive-unsafe``, ``archive-too-large``.
        """
        parts = [part for part in name.split("/") if part not in ("", ".")]
        upward = ["/".join(parts[:k]) for k in range(1, len(parts))]
        key, folders = "/".join(parts), {_folded(folder): folder for folder in upward}
        folded = _folded(key)
        if not parts or folded in self.seen or folded in self.above or not self.seen.isdisjoint(folders):
            _unsafe(self.path, name, "has the name of another member, or none")
        self.seen.add(folded)
        self.above |= folders
        self.claimed += size
        if self.claimed > self.limit:
            _too_large(self.path, f"more than {self.limit >> 20} MB in all")
        if size > max(SMALL_MEMBER_BYTES, MOST_EXPANSION * packed):
            _too_large(self.path, f"{size >> 20} MB from {packed >> 10} kB for its member {name!r}")
        return key


def _is_zip(path: Path) -> bool:
    """Whether it is a zip; a tar whose last member is one ends like one, and is none."""
    with path.open("rb") as stream:
        head = stream.read(TAR_MARK_AT + len(TAR_MARK))
    return not head.endswith(TAR_MARK) and zipfile.is_zipfile(path)


def _listing(path: Path) -> _Listed:
    return _Listed(path, min(MOST_ARCHIVE_BYTES, max(SMALL_ARCHIVE_BYTES, MOST_EXPANSION * path.stat().st_size)))


def _zip(path: Path, stack: contextlib.ExitStack) -> _Listed:
    """Members of a zip, inflated whenever they are opened: no more comes out of one than it claims."""
    _not_too_many(path)
    archive, listed = stack.enter_context(zipfile.ZipFile(path)), _listing(path)
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _unsafe(path, info.orig_filename, "is a link or a device")
        _safe_name(path, info.orig_filename)
        listed.count()
        if not info.is_dir():
            key = listed.judge(info.orig_filename, info.file_size, info.compress_size)
            listed.files[key] = Entry(info.file_size, lambda i=info: archive.open(i))  # type: ignore[misc]  # bound early
    return listed


def _tar(path: Path, stack: contextlib.ExitStack) -> _Listed:
    """Members of a tar: where they lie in the file, or what they hold where that cannot be read from its middle."""
    listed, handle = _listing(path), stack.enter_context(path.open("rb")).fileno()
    with _plain(path) as (stream, packed), tarfile.open(fileobj=(sober := _Sober(stream)), mode="r:") as archive:  # type: ignore[call-overload]  # reads, seeks and tells
        for info in archive:
            if not (info.isfile() or info.isdir()):
                _unsafe(path, info.name, "is a link or a device")
            _safe_name(path, info.name)
            listed.count()
            if info.isfile():
                held = packed or info.issparse()
                key = listed.judge(info.name, info.size, path.stat().st_size if held else info.size)
                listed.files[key] = _held(path, archive, info, listed) if held else _lying(handle, info)
        if sober.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes a header that is cut or damaged for the end
            _damaged_tar(path, listed, "its end mark is missing, so that it was cut there or is damaged")
        while rest := stream.read(BLOCK_BYTES):  # to the checksum behind the last member
            if rest.count(0) != len(rest):
                _damaged_tar(
                    path, listed, "more follows behind its end mark, so that it is damaged or two archives in one"
                )
    return listed


def _damaged_tar(path: Path, listed: _Listed, why: str) -> None:
    many = counted(len(listed.files), "file")
    refuse("archive-damaged", f"{path.name}: after {many}, {why}; copy it again, or pack the scan again.", [path])


def _lying(handle: int, info: tarfile.TarInfo) -> Entry:
    start, size = info.offset_data, info.size
    return Entry(size, lambda: io.BufferedReader(_Part(lambda at, count: os.pread(handle, count, start + at), size)))


def _held(path: Path, archive: tarfile.TarFile, info: tarfile.TarInfo, listed: _Listed) -> Entry:
    most = max(SMALL_MEMBER_BYTES, min(MOST_HELD_BYTES, MOST_EXPANSION * path.stat().st_size))
    if listed.claimed > most:
        refuse(
            "archive-too-large",
            f"{path.name} is a compressed tar of more than {most >> 20} MB, which can only be read from its beginning and is held "
            "in memory; unpack it by hand, or pack the scan as a zip.",
            [path],
        )
    data, at = memoryview(bytearray(info.size)), 0
    stream = archive.extractfile(info)
    while stream is not None and at < info.size and (block := stream.read(BLOCK_BYTES)):
        data[at : at + len(block)] = block
        at += len(block)
    if at != info.size:
        raise tarfile.ReadError("a member ends early")
    return Entry(
        info.size, lambda: io.BufferedReader(_Part(lambda start, count: data[start : start + count], info.size))
    )


class _Part(io.RawIOBase):
    """A member as a stream: ``piece(start, count)`` gives its bytes."""

    def __init__(self, piece: Callable[[int, int], bytes | memoryview], size: int) -> None:
        self._piece, self._size, self._at = piece, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._piece(self._at, max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + {0: 0, 1: self._at, 2: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at


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
        _too_many(path)


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """A tar archive without its compression, and whether it had one."""
    with path.open("rb") as stream:
        head = stream.read(6)
    opener = next((opened for magic, opened in COMPRESSED.items() if head.startswith(magic)), None)
    with opener(path, "rb") if opener else path.open("rb") as stream:
        yield stream, opener is not None


class _Sober:
    """A stream that gives no more at a time than an honest archive asks for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.last = stream, b""
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError("a header of the archive claims to be longer than any is")
        self.last = self._stream.read(size)
        return self.last


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


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _too_many(path: Path) -> None:
    _too_large(path, f"more than {MOST_MEMBERS} files")


def _too_large(path: Path, what: str) -> None:
    refuse(
        "archive-too-large",
        f"{path.name} unpacks to {what}, as hardly a scan does; unpack it by hand if it is one.",
        [path],
    )
