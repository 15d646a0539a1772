"""``read-dicom``: a series of 640 slices of 512 x 512 to HU with mask and every check, against SimpleITK and pydicom.

Files lie in the page cache. The three take turns, each in a process of its own; the first reading of each is not counted. Memory
is that of one reading in a fresh process, beyond what it held before.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.child import child
from benchmarks.outcome import Figure, Outcome, Peer, Say
from benchmarks.scans import SHAPE, VOLUME_BYTES, scan_values, write_series

__all__ = ["run"]

MODULE = "benchmarks.read_child"
ROUNDS = 7
RATIO_BAR, MEMORY_BAR = 2.0, 1.8


def run(say: Say) -> Outcome:
    """Write the series, read it in turns, and weigh one reading."""
    with tempfile.TemporaryDirectory(prefix="soilscope-bench-") as place:
        folder = Path(place) / "series"
        say("writing a series of " + " x ".join(map(str, SHAPE)))
        write_series(folder, scan_values())
        taken, versions = _taking_turns(folder, say)
        held = _memory(folder)
    seconds = {way: statistics.median(times[1:]) for way, times in taken.items()}
    name = "DICOM series to HU, mask and checks, 640 x 512 x 512 int16, warm"
    against = [
        Figure(name, seconds["soilscope"], "s", Peer(versions[way], seconds[way]), seconds[way] / ours, RATIO_BAR)
        for ours in (seconds["soilscope"],)
        for way in ("simpleitk", "pydicom")
    ]
    memory = Figure("peak memory of one reading", held / VOLUME_BYTES, "int16 volumes", bar=MEMORY_BAR, sense="<")
    return Outcome(against[0], (against[1], memory), {"rounds": ROUNDS})


def _taking_turns(folder: Path, say: Say) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each reading, and the version of each way."""
    with ExitStack() as open_children:
        readers = {
            way: open_children.enter_context(child(MODULE, way, folder))
            for way in ("soilscope", "simpleitk", "pydicom")
        }
        taken: dict[str, list[float]] = {way: [] for way in readers}
        for turn in range(ROUNDS + 1):
            for way, reader in readers.items():
                taken[way].append(reader.step())
            say(f"turn {turn}: " + ", ".join(f"{way} {times[-1]:.2f} s" for way, times in taken.items()))
        return taken, {way: reader.version for way, reader in readers.items()}


def _memory(folder: Path) -> int:
    words = [sys.executable, "-m", MODULE, "memory", str(folder)]
    done = subprocess.run(words, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout)["bytes"])
