"""The only module that publishes: digests, locks, and files or folders written whole or not at all.

Publishing is: lock, sibling partial in the same folder, write, fsync, rename, fsync of the folder. A kill leaves at
most one hidden partial, which the next holder of the same lock removes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soilscope.errors import Busy, OutputRefused

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_json",
    "digest_bytes",
    "digest_file",
    "digest_folder",
    "digest_json",
    "digests_below",
    "lock",
    "plain_refusal",
    "publish",
    "remove",
    "size",
    "write_bytes",
    "write_json",
    "write_parquet",
    "write_table",
    "write_text",
]

BLOCK_BYTES = 1 << 20
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
AT_FDCWD = -100
RENAME_EXCHANGE = 2
TIDY_TRIES, TIDY_PAUSE_S = 20, 0.05
"""How long to wait for a failed writer's threads before its partial is left, hidden, to the next holder of the lock."""


def digest_bytes(data: bytes) -> str:
    """SHA-256 of some bytes, as ``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def digests_below(path: Path) -> dict[str, str]:
    """Digest of every file at or below a path, by its place there; links are not followed."""
    if not path.is_dir():
        return {path.name: digest_file(path)} if path.is_file() else {}
    below = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    return {p.relative_to(path).as_posix(): digest_file(p) for p in below}


def digest_folder(path: Path) -> str:
    """Digest of all file names and contents below a folder, independent of dates and of the file system's order."""
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return digest_json([[name, digest_file(path / name)] for name in names])


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    below = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(p.stat().st_size for p in below)


def as_json(value: Any) -> str:
    """Canonical, readable JSON: sorted keys, two spaces, shortest exact floats, NaN refused."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest_json(value: Any) -> str:
    """Digest of a JSON value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return digest_bytes(text.encode())


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` (a sibling ``.<name>.lock``), or raise at once.

    The kernel drops the lock when its holder dies, so a kill never needs a manual unlock.

    Raises
    ------
    Busy
        Code ``busy``: another process is writing ``path``.
    OutputRefused
        Code ``cannot-write``: its folder cannot be made or written to.
    """
    name = path.parent / f".{path.name}.lock"
    with plain_refusal(path, {errno.ENOENT}):  # such as below /proc, where nothing can be made
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(name, path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            name.unlink()
        os.close(handle)


def _take(name: Path, path: Path) -> int:
    """Lock the file that now carries the name; one unlinked between opening and locking does not count."""
    while True:
        handle = os.open(name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name.exists() and os.path.samestat(os.fstat(handle), name.stat()):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise Busy(
                "busy", f"{path} is being written by another process; wait for it or stop it.", [path]
            ) from error
        except FileNotFoundError:
            pass
        os.close(handle)


@contextlib.contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yield a partial path beside ``path``; make a file or folder there, and it appears as ``path`` whole.

    If the block raises, the partial is removed and whatever stood at ``path`` stays.

    Raises
    ------
    Busy
        Another process is writing ``path``.
    OutputRefused
        Code ``cannot-write``: disk full, quota, read-only or not permitted.
    """
    path = path.absolute()
    partial = path.parent / f".{path.name}.partial"
    with lock(path), plain_refusal(path):
        _remove_now(partial)
        try:
            yield partial
            _sync_tree(partial)
            _swap_in(partial, path)
        except BaseException:
            _tidy(partial)
            raise


def _tidy(hidden: Path) -> None:
    """Remove what is hidden already; a failed writer's threads (zarr has some) may still be adding to it."""
    for _ in range(TIDY_TRIES):
        try:
            _remove_now(hidden)
        except OSError:
            time.sleep(TIDY_PAUSE_S)
        else:
            return


def _swap_in(partial: Path, path: Path) -> None:
    stale = path.parent / f".{path.name}.stale"
    _remove_now(stale)
    if (not path.is_dir() and not partial.is_dir()) or not path.exists():
        partial.rename(path)
    elif not _exchange(partial, path):
        _swap_in_two_steps(partial, path, stale)
    _sync_folder(path.parent)
    _tidy(stale)
    _tidy(partial)


def _swap_in_two_steps(partial: Path, path: Path, stale: Path) -> None:
    path.rename(stale)
    try:
        partial.rename(path)
    except OSError:
        stale.rename(path)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, so that neither is ever absent; False where the system cannot (it needs Linux)."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def _remove_now(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a published file or folder: renamed out of sight first, so that no half of it is ever seen."""
    with lock(path.absolute()):
        stale = path.parent / f".{path.name}.stale"
        _remove_now(stale)
        if path.exists() or path.is_symlink():
            path.rename(stale)
        _remove_now(stale)


def _sync_tree(path: Path) -> None:
    if path.is_dir():
        for child in path.iterdir():
            _sync_tree(child)
        _sync_folder(path)
    else:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def plain_refusal(path: Path, further: Set[int] = frozenset()) -> Iterator[None]:
    """Turn the operating system's words for "no room" and "not allowed", and further errors, into ours.

    Raises
    ------
    OutputRefused
        Code ``cannot-write``: disk full, quota, read-only or not permitted.
    """
    try:
        yield
    except (OutputRefused, Busy):
        raise
    except OSError as error:
        first = _at_the_root(error)
        if first.errno not in NO_ROOM | NOT_ALLOWED | further:
            raise
        raise OutputRefused(
            "cannot-write",
            f"{path} cannot be written: {first.strerror}. Nothing was published; free some space or choose another "
            "folder.",
            [path],
        ) from error


def _at_the_root(error: OSError) -> OSError:
    """The system's own error: some libraries raise theirs from it, without its number."""
    while error.errno is None and isinstance(error.__cause__, OSError):
        error = error.__cause__
    return error


def write_bytes(path: Path, data: bytes) -> str:
    """Publish some bytes as a file; returns their digest."""
    with publish(path) as partial:
        partial.write_bytes(data)
    return digest_bytes(data)


def write_text(path: Path, text: str) -> str:
    """Publish UTF-8 text with plain line feeds; returns its digest."""
    return write_bytes(path, text.encode())


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> str:
    """Publish canonical JSON; returns its digest."""
    return write_text(path, as_json(value))


def write_table(path: Path, frame: pd.DataFrame) -> str:
    """Publish a table as CSV: comma, line feed, shortest exact floats, missing values empty.

    Text that a spreadsheet would run as a formula (it starts with ``= + - @`` or a tab and is no number) gets a leading
    apostrophe.
    """
    safe = frame.copy()
    for name in safe.columns:
        if safe[name].dtype.kind == "O":  # object, text and categories alike
            safe[name] = safe[name].map(_inert)
    return write_text(path, safe.to_csv(index=False, lineterminator="\n"))


def _inert(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


def write_parquet(path: Path, frame: pd.DataFrame) -> str:
    """Publish a table as Parquet; returns the file's digest."""
    with publish(path) as partial:
        frame.to_parquet(partial, index=False, compression="zstd")
        return digest_file(partial)
