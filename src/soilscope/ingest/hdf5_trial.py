"""An HDF5 file is walked through in a process of its own before this one opens it.

In a damaged file a node may lead back to itself, and libhdf5 then goes round for ever, where no signal but the last is heard. Here
such a file costs one refusal. The process serves many files; one that died is replaced.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

from soilscope.ingest.children import Child, Children, Ended
from soilscope.ingest.limits import HDF5_BYTES, HDF5_SECONDS
from soilscope.ingest.shown import shown
from soilscope.ingest.verdict import refuse

__all__ = ["CHILDREN", "passed"]

MODULE = "soilscope.ingest.hdf5_child"
ENDED_EARLY = -int(signal.SIGPROF)
ADVICE = "copy the file again from where it was made."


def _start() -> Child:
    return Child(["-m", MODULE], {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})


CHILDREN = Children(_start, ENDED_EARLY)


def passed(path: Path, source: Path | io.BytesIO) -> None:
    """Return once another process has walked through the file and come back.

    Raises
    ------
    InputRefused
        Codes ``decode-limit`` (it took too much memory or processor time) and ``file-damaged`` (the process died of it).
    """
    content = source.getbuffer() if isinstance(source, io.BytesIO) else memoryview(b"")
    known = None if isinstance(source, io.BytesIO) else str(source.absolute())
    try:
        answer, _ = CHILDREN.ask({"path": known, "seconds": HDF5_SECONDS, "memory": HDF5_BYTES}, content)
    except Ended as ended:
        if ended.status == ENDED_EARLY:
            text = f"{shown(path)} is damaged: what it holds was not listed within {HDF5_SECONDS:g} s of processor time; {ADVICE}"
            refuse("decode-limit", text, [path])
        how = f"signal {-ended.status}" if ended.status < 0 else f"status {ended.status}"
        refuse("file-damaged", f"{shown(path)} is damaged: the HDF5 library died of it ({how}); {ADVICE}", [path])
    if answer["error"] == "MemoryError":
        text = f"{shown(path)} is damaged: listing what it holds takes more than {HDF5_BYTES >> 20} MB; {ADVICE}"
        refuse("decode-limit", text, [path])
