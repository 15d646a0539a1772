"""The process that decodes: reads questions from standard input until it closes, answers on standard output.

Run as a file, not as a module, so that it loads pydicom and a decoder and nothing else. A question is a line of JSON and the bytes
of one code stream; an answer is a line of JSON and the bytes of the values, or the kind of what went wrong, without its message,
which may quote the data.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import IO, Any

__all__ = ["limited_memory", "serve"]

START_SECONDS = 60.0
"""A machine under load may take long to load the libraries; longer than this and something is broken."""

PAGE_BYTES = resource.getpagesize()


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the questions end. A question that takes too long ends this process by SIGALRM, whatever it is doing."""
    while line := questions.readline():
        question = json.loads(line)
        stream = questions.read(question["bytes"])
        signal.setitimer(signal.ITIMER_REAL, question["seconds"])
        with limited_memory(question["memory"]):
            answer, values = _answer(question, stream)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(values)
        answers.flush()


def _answer(question: dict[str, Any], stream: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        values = _decode(question, stream)
        plain = values.tobytes()
    except BaseException as error:  # a Rust panic is no Exception; nothing but its kind leaves this process
        return {"error": type(error).__name__}, b""
    return {"dtype": values.dtype.str, "shape": list(values.shape), "bytes": len(plain)}, plain


def _decode(question: dict[str, Any], stream: bytes) -> Any:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    values, _ = get_decoder(question["syntax"]).as_array(
        encapsulate([stream], has_bot=False),
        index=0,
        raw=True,
        rows=question["rows"],
        columns=question["columns"],
        bits_allocated=question["bits_allocated"],
        bits_stored=question["bits_stored"],
        pixel_representation=question["pixel_representation"],
        number_of_frames=1,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        pixel_keyword="PixelData",
    )
    return values


@contextlib.contextmanager
def limited_memory(more: int) -> Any:
    """Let this process grow by so many bytes and no further."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _held() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _held() -> int:
    """Address space held now; where the system does not say, next to nothing of it counts."""
    status = Path("/proc/self/statm")
    return int(status.read_text(encoding="ascii").split()[0]) * PAGE_BYTES if status.exists() else 0


def _start() -> None:
    """Load everything, and give decoders that print nothing to print to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the reading process decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, START_SECONDS)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import pydicom.pixels

    for syntax in ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"):
        pydicom.pixels.get_decoder(syntax).is_available  # noqa: B018  # asking loads the libraries
    signal.setitimer(signal.ITIMER_REAL, 0)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _start()
