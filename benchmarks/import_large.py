"""``import-large``: a scan larger than the memory, as TIFF slices, is imported into the core store within 2 GB.

The default edge of 1024 voxels takes a minute or two; ``SOILSCOPE_LARGE_EDGE=2048`` makes the full size (17 GB of slices, and
as much again for the store, below ``TMPDIR``, removed afterwards). The import runs in a process of its own, whose greatest
resident memory is the figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.outcome import Figure, Outcome, Say

__all__ = ["run", "write_slices"]

EDGE = int(os.environ.get("SOILSCOPE_LARGE_EDGE", "1024"))
MOST_GB = 2.0
MM = 0.02
AIR, WALL, SOIL = 5000, 30000, 22000
CHILD = """
import json, resource, sys, time
from pathlib import Path
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps.imports import import_core
from soilscope.volume.store import verify_store
study, mm = Path(sys.argv[1]), float(sys.argv[2])
core = CorePlan(id="large", path="scan", spacing_mm=(mm, mm, mm))
start = time.perf_counter()
import_core(study, Plan(name="large", cores=(core,)), core, lambda message: None)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "sound": verify_store(study / "cores/large.zarr") == []}))
"""


def write_slices(folder: Path, edge: int) -> None:
    """A core in a tube, leaning by 1 % of its height, with noise: uint16 slices, uncompressed."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 4000, (edge, edge), dtype=np.uint16)
    away = np.arange(edge, dtype=np.float32) - (edge - 1) / 2
    base, moved = np.empty(0, np.uint16), -1
    for k in range(edge):
        if k // 100 != moved:
            moved = k // 100
            radius = away[:, None] ** 2 + (away[None, :] - moved) ** 2
            soil, tube = radius < (0.40 * edge) ** 2, radius < (0.44 * edge) ** 2
            base = np.where(soil, SOIL, np.where(tube, WALL, AIR)).astype(np.uint16)
            quiet = np.where(soil, 0, 4).astype(np.uint16)
        grain = np.roll(noise, (37 * k, 91 * k), (0, 1))
        tifffile.imwrite(folder / f"slice_{k:05d}.tif", base + (grain >> quiet), photometric="minisblack")


def run(say: Say) -> Outcome:
    """Make the slices, import them in a child, and read its peak memory."""
    with tempfile.TemporaryDirectory(prefix="soilscope-large-") as name:
        study = Path(name)
        start = time.perf_counter()
        write_slices(study / "scan", EDGE)
        say(f"{EDGE} slices of {EDGE} x {EDGE} uint16 written in {time.perf_counter() - start:.0f} s")
        words = [sys.executable, "-c", CHILD, name, str(MM)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        stored = sum(p.stat().st_size for p in (study / "cores").rglob("*") if p.is_file())
    scan = EDGE**3 * 2
    say(f"imported in {found['seconds']:.0f} s with {found['peak'] / 1e9:.2f} GB")
    return Outcome(
        Figure(
            f"peak memory of an import, {EDGE}³ uint16 ({scan / 1e9:.1f} GB)",
            found["peak"] / 1e9,
            "GB",
            bar=MOST_GB,
            sense="<",
        ),
        (
            Figure("time of the import", found["seconds"], "s"),
            Figure("scan read and kept", scan / 1e6 / found["seconds"], "MB/s"),
            Figure("the store is whole (1 = yes)", float(found["sound"]), "1", bar=1.0),
        ),
        {"slices": f"{EDGE} TIFF files, a core in a tube, leaning, with noise", "store": f"{stored / 1e9:.1f} GB"},
    )
