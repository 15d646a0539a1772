"""Files that lie in an archive, read where they lie: no member is ever written to a disk.

A :class:`Member` is a path that every reader can open, ask for its size, and join, as it does with a file's. Members of a zip, and
of a tar that is not compressed, are read from the archive each time; a compressed tar can only be read from its beginning, so
that its members are held in memory.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from soilscope.ingest.limits import MOST_HELD_BYTES
from soilscope.ingest.shown import ShownPath
from soilscope.ingest.verdict import parsing, refuse

__all__ = ["Archive", "Entry", "Member", "seekable", "stamp"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: its size, and how to open it for reading."""

    size: int
    opened: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of an archive by their paths in it, its own name and time, and names that several of its files or folders have."""

    name: str
    time_ns: int
    files: Mapping[str, Entry]
    folders: frozenset[str] = field(repr=False)
    repeated: frozenset[str] = field(default=frozenset(), repr=False)

    def root(self, name: str) -> Member:
        """The path under which all members lie, called ``name``."""
        kind = type("Member", (Member,), {"__slots__": (), "archive": self, "base": name})
        return cast(Member, kind("/", name))


class Member(ShownPath):
    """A path in an archive. What a path is joined with, and the folders above it, lie in the same archive."""

    __slots__ = ()
    archive: Archive
    base: str

    @property
    def key(self) -> str:
        """The path in the archive; ``.`` for its root."""
        return "/".join(self.parts[2:]) or "."

    @property
    def shown(self) -> str:
        """What messages call it: its path in the archive where another member has its name."""
        return self.key if self.name in self.archive.repeated else self.name

    def _entry(self) -> Entry:
        found = self.archive.files.get(self.key)
        if found is None or self.parts[:2] != ("/", self.base):
            code = errno.EISDIR if self.is_dir() else errno.ENOENT
            raise OSError(code, os.strerror(code), self.name)
        return found

    def open(self, mode: str = "r", buffering: int = -1, *words: Any, **more: Any) -> Any:
        """Open for reading."""
        if set(mode) - set("rbt"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), self.name)
        entry = self._entry()
        damaged = f"{self.archive.name} is damaged or encrypted ({{error}} in {self.name}); copy it again."
        with parsing("archive-damaged", damaged, [self.archive.name]):
            raw = _Sound(entry.opened(), entry.size, damaged, self.archive.name)
        if "b" in mode:
            return raw if buffering == 0 else io.BufferedReader(raw)
        return io.TextIOWrapper(io.BufferedReader(raw), *words, **more)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002  # there are no links
        """A regular file's or a folder's; the time is the archive's."""
        size, kind = (0, stat.S_IFDIR) if self.is_dir() else (self._entry().size, stat.S_IFREG)
        return os.stat_result((kind | 0o444, 0, 0, 1, 0, 0, size, 0, self.archive.time_ns // 10**9, 0))

    def exists(self, **_: Any) -> bool:
        """Whether it is a file or a folder of the archive."""
        return self.is_file() or self.is_dir()

    def is_file(self, **_: Any) -> bool:
        """Whether it is a file of the archive."""
        return self.key in self.archive.files

    def is_dir(self, **_: Any) -> bool:
        """Whether files of the archive lie below it."""
        return self.key in self.archive.folders

    def is_symlink(self) -> bool:
        """Never: archives with links are refused."""
        return False

    def rglob(self, pattern: str, **_: Any) -> Generator[Any, None, None]:
        """All files below it; ``*`` is the only pattern asked for."""
        if pattern != "*":
            raise NotImplementedError(pattern)
        head = "" if self.key == "." else self.key + "/"
        yield from (self / key[len(head) :] for key in self.archive.files if key.startswith(head))


class _Sound(io.RawIOBase):
    """A stream whose errors are refusals: what decompressors raise on damage is no business of the readers'."""

    def __init__(self, stream: IO[bytes], size: int, text: str, name: str) -> None:
        self._stream, self._size, self._text, self.name = stream, size, text, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with parsing("archive-damaged", self._text, [self.name]):
            data = self._stream.read(len(buffer))
            if not data and len(buffer) and self._stream.tell() < self._size:
                raise EOFError
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with parsing("archive-damaged", self._text, [self.name]):
            return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def seekable(path: Path) -> Path | io.BytesIO:
    """What a library can jump about in: a file's path, or the content of an archive's member.

    Raises
    ------
    InputRefused
        Code ``archive-too-large``: the member is larger than what is held in memory.
    """
    if not isinstance(path, Member):
        return path
    if path.stat().st_size > MOST_HELD_BYTES:
        refuse(
            "archive-too-large",
            f"{path.name} in {path.archive.name} is larger than {MOST_HELD_BYTES >> 20} MB, the most that is held in memory of a "
            "file in an archive; unpack it by hand.",
            [path.archive.name],
        )
    return io.BytesIO(path.read_bytes())


def stamp(path: Path, stream: IO[bytes]) -> tuple[int, int]:
    """Size and time of an open file or member, by which a change is noticed."""
    status = path.stat() if isinstance(path, Member) else os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns
