"""Publish something again and again, stopped at its first, second, third … step.

Usage: ``stop_at_each_step.py WHAT HOW FOLDER [STRIDE]``. A step is one request to the operating system as Python's audit
events report it (open, rename, remove, mkdir, flock, listing a folder). HOW is ``kill`` (SIGKILL, nothing can be tidied
up) or ``full`` (the step fails with "no space left on device").

Each try works in its own ``FOLDER/<step>``, where an older version of WHAT (``file``, ``folder``, ``store``, or ``new-store``,
which has no older one) stands already; each leaves its outcome in ``FOLDER/<step>.outcome``. Ends at the first try that
needs no such step.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from soilscope.errors import OutputRefused
from soilscope.files import publish, write_bytes
from soilscope.volume import Volume, write_store

STEPS = {
    "open",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "os.listdir",
    "os.scandir",
    "fcntl.flock",
}
MAKING = {"os.rename", "os.mkdir"}
NOT_REACHED, COMPLETED, REFUSED, FAILED = 0, 1, 3, 70


def scan(seed: int) -> Volume:
    """A small scan whose values tell which version it is."""
    values = np.random.default_rng(seed).integers(-1000, 2000, (5, 40, 50)).astype(np.int16)
    return Volume(values, values > -900, (0.25, 0.35, 0.35), "HU", core=f"core-{seed}")


def publish_file(path: Path, version: int) -> None:
    """A file of 300 kB."""
    write_bytes(path, bytes([version]) * 300_000)


def publish_folder(path: Path, version: int) -> None:
    """A folder with four files in two levels."""
    with publish(path) as partial:
        for name in ("a", "b", "deep/c", "deep/d"):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(bytes([version]) * 1000)


def publish_store(path: Path, version: int) -> None:
    """A core store."""
    write_store(path, scan(version))


WHAT: dict[str, Callable[[Path, int], None]] = {
    "file": publish_file, "folder": publish_folder, "store": publish_store, "new-store": publish_store,
}  # fmt: skip


def arm(step: int, how: str) -> Callable[[], bool]:
    """Let the given step, counted from now on, kill the process or fail; returns whether it was reached."""
    left = step

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in STEPS or (how == "full" and not _makes(event, details)):
            return
        left -= 1
        if left == 0 and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    return lambda: left <= 0


def _makes(event: str, details: tuple[Any, ...]) -> bool:
    """Whether a step takes room on the disk."""
    return event in MAKING or (event == "open" and isinstance(details[2], int) and bool(details[2] & os.O_CREAT))


def attempt(what: str, how: str, folder: Path, step: int) -> int:
    """One try in a child process; its exit status, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = FAILED
    try:
        reached = arm(step, how)
        WHAT[what](folder / "thing", 2)
        status = COMPLETED if reached() else NOT_REACHED
    except OutputRefused:
        status = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def in_child(action: Callable[[], None]) -> None:
    """Run in a child, so that no thread of a library lives in the process that forks."""
    if os.fork() == 0:
        action()
        os._exit(0)
    os.wait()


def main(what: str, how: str, root: Path, stride: int) -> None:
    """Try every stride-th step until one is not reached."""
    old = root / "old"
    old.mkdir()
    if what != "new-store":
        in_child(lambda: WHAT[what](old / "thing", 1))
    step = 1
    while True:
        folder = root / str(step)
        shutil.copytree(old, folder)
        outcome = attempt(what, how, folder, step)
        (root / f"{step}.outcome").write_text(str(outcome))
        if outcome == NOT_REACHED:
            return
        step += stride


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1)
