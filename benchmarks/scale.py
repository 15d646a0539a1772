"""``scale``: memory and time of the default set over the size of a core, measured slab by slab from its store.

Stores of 256, 512 and 1024 voxels' edge, uint16, are made of one block of 256 voxels set side by side and mirrored, so that
structure runs on over the joints; each is measured in a process of its own, whose greatest resident memory is the figure.
``SOILSCOPE_SCALE_EDGES=256,2048`` chooses other sizes; from 2048 on, thickness is left out, and the smallest size is measured
so too. ``SOILSCOPE_SCALE_FOLDER=PATH`` keeps stores and figures there, so that sizes may be measured one after the other: those
that were measured before are shown with the others. 2048 voxels' edge take 15 GB of disk and half an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.outcome import Figure, Outcome, Say

__all__ = ["run", "write_core"]

FOLDER = os.environ.get("SOILSCOPE_SCALE_FOLDER")
EDGES = tuple(int(e) for e in os.environ.get("SOILSCOPE_SCALE_EDGES", "256,512,1024").split(","))
BLOCK = 256
WITHOUT_THICKNESS = 2048
MOST_GB = {True: 2.0, False: 4.0}
"""With thickness, and without."""
SLOWER = 1.3
AGAIN = {256: 5, 512: 2}
"""How often a size is measured; the best time counts."""
EDGES_OF_CLASSES = (0, 22000, 30000, 65535)
PICTURE = Path(__file__).parent / "scale.svg"
CHILD = """
import json, resource, sys, time
from soilscope.classes import Scheme
from soilscope.structure import DEFAULT_METRICS
from soilscope.structure.blockwise import Ways, measure_blockwise
path, memory, thick = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "True"
scheme = Scheme.from_edges("made", [float(e) for e in sys.argv[4].split(",")], units="grey", closed="left")
metrics = [m for m in DEFAULT_METRICS if thick or m != "local-thickness"]
ways = Ways(memory_gb=memory)
measure_blockwise(sys.argv[5], scheme, metrics=metrics, ways=ways)  # compiles
def timed():
    start, cpu = time.perf_counter(), time.process_time()
    found = measure_blockwise(path, scheme, metrics=metrics, ways=ways)
    return time.perf_counter() - start, time.process_time() - cpu, found
seconds, cpu, found = min((timed() for _ in range(int(sys.argv[6]))), key=lambda t: t[0])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
missing = [f["code"] for f in found.provenance["findings"] if f["code"] in ("thickness-bound", "not-blockwise")]
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "missing": missing}))
"""


def _block() -> NDArray[np.uint16]:
    """Pores, matrix and stones a few voxels wide."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(BLOCK,) * 3).astype(np.float32), 2.0)
    field += 0.01 * np.random.default_rng(1).normal(size=field.shape).astype(np.float32)
    grey: NDArray[np.uint16] = (26000 + 4000 * field / field.std()).clip(0, 65535).astype(np.uint16)
    return grey


def write_core(path: Path, edge: int) -> None:
    """A store of edge³ voxels: the block and its mirror images, a part of them for a smaller edge."""
    from soilscope.volume import Volume, outline, write_planes

    block = _block()
    values, valid = outline((edge,) * 3, block.dtype)
    about = Volume(values, valid, (0.02, 0.02, 0.02), "grey", core=f"edge{edge}")
    mirrored = np.concatenate([block, block[:, ::-1]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[:, :, ::-1]], axis=2)
    times = -(-edge // (2 * BLOCK))

    def planes() -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
        ok = np.ones((edge, edge), np.bool_)
        for z in range(edge):
            at = z % (2 * BLOCK)
            plane = mirrored[min(at, 2 * BLOCK - 1 - at)]
            yield np.tile(plane, (times, times))[:edge, :edge], ok

    write_planes(path, about, planes())


def _measured(store: Path, edge: int, thick: bool, small: Path) -> dict[str, Any]:
    words = [sys.executable, "-c", CHILD, str(store), str(MOST_GB[thick] * 0.9), str(thick)]
    words += [",".join(map(str, EDGES_OF_CLASSES)), str(small), str(AGAIN.get(edge, 1))]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if found["missing"]:
        raise AssertionError(f"{edge}³ has no figures for {found['missing']}")
    return {"edge": edge, "thick": thick, **found}


@contextmanager
def _folder() -> Iterator[Path]:
    if FOLDER is None:
        with tempfile.TemporaryDirectory(prefix="soilscope-scale-") as folder:
            yield Path(folder)
    else:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        yield Path(FOLDER)


def run(say: Say) -> Outcome:
    """Measure each size, and the smallest beside each way of measuring."""
    ways = [(edge, edge < WITHOUT_THICKNESS) for edge in EDGES]
    if any(not thick for _, thick in ways):
        ways.insert(0, (BLOCK, False))
    with _folder() as folder:
        kept = folder / "rows.json"
        rows = {(r["edge"], r["thick"]): r for r in (json.loads(kept.read_text()) if kept.exists() else [])}
        earlier = sorted({edge for edge, _ in rows} - set(EDGES))
        small = folder / "small.zarr"
        for edge, store in [(64, small), *((edge, folder / f"{edge}.zarr") for edge, _ in ways)]:
            start = time.perf_counter()
            if not store.exists():
                write_core(store, edge)
                say(f"{edge}³ written in {time.perf_counter() - start:.0f} s")
        for edge, thick in ways:
            rows[edge, thick] = _measured(folder / f"{edge}.zarr", edge, thick, small)
            say(", ".join(f"{key} {value}" for key, value in rows[edge, thick].items()))
        kept.write_text(json.dumps(list(rows.values())), encoding="utf-8")
    ordered = [rows[key] for key in sorted(rows)]
    figures = [figure for row in ordered for figure in _figures(row, ordered)]
    _draw(ordered)
    notes = {"plot": PICTURE.name, "core": "three classes a few voxels wide"}
    if earlier:
        notes["measured before, in a run of their own"] = ", ".join(f"{edge}³" for edge in earlier)
    return Outcome(figures[0], tuple(figures[1:]), notes)


def _figures(row: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[Figure]:
    voxels, thick = row["edge"] ** 3, row["thick"]
    name = f"{row['edge']}³ uint16, default set" + ("" if thick else " less thickness")
    yield Figure(f"peak memory, {name}", row["peak"] / 1e9, "GB", bar=MOST_GB[thick], sense="<")
    yield Figure(f"time, {name}", row["seconds"], "s")
    smallest = min((r for r in rows if r["thick"] == thick), key=lambda r: r["edge"])
    if smallest is not row:
        for key, what, bar in (("seconds", "time", SLOWER), ("cpu", "processor time", None)):
            slower = row[key] / voxels / (smallest[key] / smallest["edge"] ** 3)
            yield Figure(f"{what} a voxel beside {smallest['edge']}³, {name}", slower, "1", bar=bar, sense="<")


def _draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.4), layout="constrained")
    kinds = ((True, "o-", "default set", "#0072B2"), (False, "s--", "default set less thickness", "#D55E00"))
    for thick, mark, name, colour in kinds:
        mine = sorted((r for r in rows if r["thick"] == thick), key=lambda r: r["edge"])
        if mine:
            edges = [r["edge"] for r in mine]
            each = [r["seconds"] / r["edge"] ** 3 * 1e9 for r in mine]
            left.plot(edges, [r["peak"] / 1e9 for r in mine], mark, color=colour, label=name)
            right.plot(edges, each, mark, color=colour, label=name)
            for axes, bar, said in (
                (left, MOST_GB[thick], f"bar at {edges[-1]}³: {MOST_GB[thick]:g} GB"),
                (right, SLOWER * each[0], f"bar: {SLOWER:g} x the time at {edges[0]}³"),
            ):
                axes.axhline(bar, color=colour, lw=0.8, ls=":")
                below = axes is right and not thick  # the other line runs above
                offset = (0, -10 if below else 3)
                axes.annotate(said, (BLOCK, bar), offset, textcoords="offset points", fontsize=8, color=colour)
    edges = sorted({r["edge"] for r in rows})
    for axes, what in ((left, "greatest memory (GB)"), (right, "time a voxel (ns)")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(edges, [str(e) for e in edges])
        axes.minorticks_off()
        axes.margins(y=0.12)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("edge of the core (voxels)")
        axes.set_ylabel(what)
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, loc="lower left")
    figure.savefig(PICTURE)
    plt.close(figure)
