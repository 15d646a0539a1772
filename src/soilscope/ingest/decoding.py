"""Compressed pixels are decoded in a process of its own, under limits of memory and time, and asked for frame by frame.

Decoders are large C libraries that read untrusted bytes: a mutated JPEG 2000 slice of 3.3 kB made one take 18.7 GB and over a
minute. Here such a file costs one refusal. A decoding process serves many frames and readings; one that died is replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from soilscope.ingest import decoding_child
from soilscope.ingest.limits import DECODE_BYTES, DECODE_BYTES_PER_PIXEL, DECODE_PIXELS_PER_SECOND, DECODE_SECONDS
from soilscope.ingest.verdict import refuse

__all__ = ["Frame", "decoded", "end_all"]

MEGABYTE = 1 << 20
ENDED_EARLY = -int(signal.SIGALRM)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Thread pools of libraries that are not used would count as memory."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a decoder must know of one frame; the code stream itself and nothing personal goes with it."""

    name: str
    syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool

    @property
    def seconds(self) -> float:
        """Time allowed."""
        return DECODE_SECONDS + self.rows * self.columns / DECODE_PIXELS_PER_SECOND

    @property
    def memory(self) -> int:
        """Bytes allowed beyond what the idle process holds."""
        return DECODE_BYTES + DECODE_BYTES_PER_PIXEL * self.rows * self.columns


class _Process:
    """One decoding process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.answered = False
        words = [sys.executable, "-P", str(Path(decoding_child.__file__))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
            words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD}
        )

    def ask(self, frame: Frame, stream: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer and the values it announces.

        Raises
        ------
        EOFError, OSError
            The process ended.
        """
        question = {
            "syntax": frame.syntax,
            "rows": frame.rows,
            "columns": frame.columns,
            "bits_allocated": frame.bits_allocated,
            "bits_stored": frame.bits_stored,
            "pixel_representation": int(frame.signed),
            "seconds": frame.seconds,
            "memory": frame.memory,
            "bytes": len(stream),
        }
        into, out = self._pipes()
        into.write(json.dumps(question).encode() + b"\n" + stream)
        into.flush()
        line = out.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        values = out.read(answer.get("bytes", 0))
        if len(values) != answer.get("bytes", 0):
            raise EOFError
        self.answered = True
        return answer, values

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


_idle: list[_Process] = []
_guard = threading.Lock()


def decoded(frame: Frame, stream: bytes) -> NDArray[np.integer]:
    """Stored values of one frame, shape (rows, columns).

    Raises
    ------
    InputRefused
        Codes ``decode-failed`` (the bytes are damaged) and ``decode-limit`` (they took too much memory or time).
    """
    label = f"{frame.name}: its compressed pixels"
    process = _borrowed()
    try:
        answer, values = process.ask(frame, stream)
    except (EOFError, OSError):
        status = process.end()
        if process.answered and status != ENDED_EARLY:  # it may have died while it was idle
            end_all()
            return decoded(frame, stream)
        _died(frame, status)
    except BaseException:  # Ctrl-C: the answer is still to come, and belongs to nobody
        process.kill()
        raise
    with _guard:
        _idle.append(process)
    error = answer.get("error")
    if error == "MemoryError":
        refuse("decode-limit", f"{label} take more than {_limits(frame)} to decode; {ADVICE}", [frame.name])
    if error is not None:
        text = f"{label} are damaged and cannot be decoded within {_limits(frame)} ({error}); {ADVICE}"
        refuse("decode-failed", text, [frame.name])
    return np.frombuffer(values, np.dtype(answer["dtype"])).reshape(answer["shape"])


ADVICE = "copy the file again from the scanner."


def _died(frame: Frame, status: int) -> NoReturn:
    label = f"{frame.name}: its compressed pixels"
    if status == ENDED_EARLY:
        refuse("decode-limit", f"{label} were not decoded within {frame.seconds:.1f} s; {ADVICE}", [frame.name])
    how = f"signal {-status}" if status < 0 else f"status {status}"
    text = f"{label} are damaged: the decoder died of them within {_limits(frame)} ({how}); {ADVICE}"
    refuse("decode-failed", text, [frame.name])


def _limits(frame: Frame) -> str:
    return f"{frame.memory // MEGABYTE} MB and {frame.seconds:.1f} s"


def end_all() -> None:
    """End the idle decoding processes; the next frame starts a new one."""
    with _guard:
        ended, _idle[:] = _idle[:], []
    for one in ended:
        if one.owner == os.getpid():
            one.end()


def _borrowed() -> _Process:
    """An idle decoding process, or a new one; a fork's idle ones answer to its parent."""
    with _guard:
        mine = [one for one in _idle if one.owner == os.getpid()]
        _idle[:] = mine[:-1]
    return mine[-1] if mine else _Process()


atexit.register(end_all)
