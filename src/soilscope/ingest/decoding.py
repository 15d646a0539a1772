"""Compressed pixels are decoded in a process of its own, under limits of memory and time, and asked for frame by frame.

Decoders are large C libraries that read untrusted bytes: a mutated JPEG 2000 slice of 3.3 kB made one take 18.7 GB and over a
minute. Here such a file costs one refusal. A decoding process serves many frames and readings; one that died is replaced.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from soilscope.ingest import decoding_child
from soilscope.ingest.children import Child, Children, Ended
from soilscope.ingest.limits import DECODE_BYTES, DECODE_BYTES_PER_PIXEL, DECODE_PIXELS_PER_SECOND, DECODE_SECONDS
from soilscope.ingest.verdict import refuse

__all__ = ["CHILDREN", "Frame", "decoded"]

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


def _start() -> Child:
    return Child([str(Path(decoding_child.__file__))], ONE_THREAD)


CHILDREN = Children(_start, ENDED_EARLY)


def decoded(frame: Frame, stream: bytes) -> NDArray[np.integer]:
    """Stored values of one frame, shape (rows, columns).

    Raises
    ------
    InputRefused
        Codes ``decode-failed`` (the bytes are damaged) and ``decode-limit`` (they took too much memory or time).
    """
    label = f"{frame.name}: its compressed pixels"
    question = {
        "syntax": frame.syntax,
        "rows": frame.rows,
        "columns": frame.columns,
        "bits_allocated": frame.bits_allocated,
        "bits_stored": frame.bits_stored,
        "pixel_representation": int(frame.signed),
        "seconds": frame.seconds,
        "memory": frame.memory,
    }
    try:
        answer, values = CHILDREN.ask(question, stream)
    except Ended as ended:
        _died(frame, ended.status)
    error = answer.get("error")
    if error == "MemoryError":
        refuse("decode-limit", f"{label} take more than {_limits(frame)} to decode; {ADVICE}", [frame.name])
    if error is not None:
        text = f"{label} are damaged and cannot be decoded within {_limits(frame)} ({error}); {ADVICE}"
        refuse("decode-failed", text, [frame.name])
    kind: np.dtype[Any] = np.dtype(answer["dtype"])
    return np.frombuffer(values, kind).reshape(answer["shape"])


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
