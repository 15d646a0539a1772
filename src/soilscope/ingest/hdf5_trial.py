"""An HDF5 file is walked through in a process of its own before this one opens it.

In a damaged file a node may lead back to itself, and libhdf5 then goes round for ever, where no signal but the last is heard. Here
such a file costs one refusal. The process serves many files; one that died is replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from soilscope.ingest.limits import HDF5_BYTES, HDF5_SECONDS
from soilscope.ingest.verdict import refuse

__all__ = ["end", "passed"]

MODULE = "soilscope.ingest.hdf5_child"
ENDED_EARLY = -int(signal.SIGPROF)
ADVICE = "copy the file again from where it was made."


class _Walker:
    """One process that walks through files."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.answered = False
        there = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-P", "-m", MODULE], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=there
        )

    def ask(self, source: Path | io.BytesIO) -> dict[str, Any]:
        """The answer for a file, or for the content of one.

        Raises
        ------
        EOFError, OSError
            The process ended.
        """
        content = source.getbuffer() if isinstance(source, io.BytesIO) else memoryview(b"")
        path = None if isinstance(source, io.BytesIO) else str(source.absolute())
        question = {"path": path, "bytes": len(content), "seconds": HDF5_SECONDS, "memory": HDF5_BYTES}
        into, out = self._pipes()
        into.write(json.dumps(question).encode() + b"\n")
        into.write(content)
        into.flush()
        line = out.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.answered = True
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        return self._process.stdin, self._process.stdout

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.end()

    def end(self) -> int:
        """Close its input, which ends it, and wait; a process that does not end is killed. Returns its status."""
        with contextlib.suppress(OSError):  # it may be gone already
            self._pipes()[0].close()
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._pipes()[1].close()
        return status


_idle: list[_Walker] = []
_guard = threading.Lock()


def passed(path: Path, source: Path | io.BytesIO) -> None:
    """Return once another process has walked through the file and come back.

    Raises
    ------
    InputRefused
        Codes ``decode-limit`` (it took too much memory or processor time) and ``file-damaged`` (the process died of it).
    """
    walker = _borrowed()
    try:
        answer = walker.ask(source)
    except (EOFError, OSError):
        status = walker.end()
        if walker.answered and status != ENDED_EARLY:  # it may have died while it was idle
            passed(path, source)
            return
        if status == ENDED_EARLY:
            text = f"{path.name} is damaged: what it holds was not listed within {HDF5_SECONDS:g} s of processor time; {ADVICE}"
            refuse("decode-limit", text, [path])
        how = f"signal {-status}" if status < 0 else f"status {status}"
        refuse("file-damaged", f"{path.name} is damaged: the HDF5 library died of it ({how}); {ADVICE}", [path])
    except BaseException:  # Ctrl-C: the answer is still to come, and belongs to nobody
        walker.kill()
        raise
    with _guard:
        _idle.append(walker)
    if answer["error"] == "MemoryError":
        text = f"{path.name} is damaged: listing what it holds takes more than {HDF5_BYTES >> 20} MB; {ADVICE}"
        refuse("decode-limit", text, [path])


def end() -> None:
    """End the idle processes; the next file starts a new one."""
    with _guard:
        ended, _idle[:] = _idle[:], []
    for one in ended:
        if one.owner == os.getpid():
            one.end()


def _borrowed() -> _Walker:
    """An idle process, or a new one; a fork's idle ones answer to its parent."""
    with _guard:
        mine = [one for one in _idle if one.owner == os.getpid()]
        _idle[:] = mine[:-1]
    return mine[-1] if mine else _Walker()


atexit.register(end)
