"""The process that walks through HDF5 files: reads questions from standard input until it closes, answers on standard output.

A question is a line of JSON, and the content of the file where that lies in no folder; an answer is a line of JSON with the kind of
what went wrong. Only what this process does not come back from counts: any other error is met again, and told, by whoever asked.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import IO

from soilscope.ingest.decoding_child import limited_memory
from soilscope.ingest.hdf5 import walk_through

__all__ = ["serve"]


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the questions end. One that takes too much processor time ends this process by SIGPROF, whatever it is doing."""
    while line := questions.readline():
        question = json.loads(line)
        content = questions.read(question["bytes"])
        source = io.BytesIO(content) if question["path"] is None else Path(question["path"])
        seconds = question["seconds"]

        def again(more: float = seconds) -> None:
            signal.setitimer(signal.ITIMER_PROF, more)

        error = ""
        with limited_memory(question["memory"]):
            again()
            try:
                walk_through(source, again)
            except Exception as wrong:
                error = type(wrong).__name__
            signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps({"error": error}).encode() + b"\n")
        answers.flush()


def _start() -> None:
    """Give libraries that print nothing to print to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the reading process decides
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _start()
