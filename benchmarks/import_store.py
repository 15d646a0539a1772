"""``import-store``: a DICOM series of 640 x 512 x 512 into the core store, against the same reading and a plain zarr write.

Both write the values with the same shards, chunks and codecs. Ours adds the pyramid, the mask, a manifest with the digest of every
file, and waits until all of it lies on the disk; zarr does none of these. They take turns, each in a process of its own; the first
import of each is not counted.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.child import child
from benchmarks.outcome import Figure, Outcome, Peer, Say
from benchmarks.scans import SHAPE, scan_values, write_series

__all__ = ["run"]

WAYS = ("soilscope", "zarr")
ROUNDS = 5
BAR = 1 / 1.3
"""At most 1.3 times the time of the peer."""


def run(say: Say) -> Outcome:
    """Write the series and import it in turns."""
    with tempfile.TemporaryDirectory(prefix="soilscope-bench-") as place:
        folder = Path(place) / "series"
        say("writing a series of " + " x ".join(map(str, SHAPE)))
        write_series(folder, scan_values())
        taken, versions = _taking_turns(folder, Path(place), say)
    ours, theirs = (statistics.median(taken[way][1:]) for way in WAYS)
    name = "DICOM series into the core store, 640 x 512 x 512 int16, warm"
    return Outcome(Figure(name, ours, "s", Peer(versions["zarr"], theirs), theirs / ours, BAR), (), {"rounds": ROUNDS})


def _taking_turns(folder: Path, place: Path, say: Say) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each import, and the version of each way."""
    with ExitStack() as open_children:
        imports = {
            way: open_children.enter_context(child("benchmarks.import_child", way, folder, place / f"{way}.zarr"))
            for way in WAYS
        }
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(ROUNDS + 1):
            for way, one in imports.items():
                taken[way].append(one.step())
                shutil.rmtree(place / f"{way}.zarr")
            say(f"turn {turn}: " + ", ".join(f"{way} {times[-1]:.2f} s" for way, times in taken.items()))
        return taken, {way: one.version for way, one in imports.items()}
