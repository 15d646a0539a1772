"""What measuring takes is no more than is said before it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from soilscope import structure as st
from soilscope.structure.budget import (
    BASE_GB,
    BYTES_IN_BLOCK,
    BYTES_IN_MEMORY,
    BYTES_WITH_TUBES,
    in_memory_gb,
    tubes_gb,
)

SOURCE = Path(__file__).parents[2] / "src"
EDGE = 112
SMALL_GB = 0.02
"""Code and tables that are loaded on the way: of a core of this size they would count, of a large one they are in BASE_GB."""
TABLES = ("tubes", "tube lengths", "beside", "objects", "values", "windows", "pores", "fine earth")

CHILD = """
    import json, sys
    from pathlib import Path
    import numpy as np
    from scipy import ndimage
    from soilscope import structure as st
    from soilscope.volume import Volume

    def held(name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(name))

    def core(n, share):
        noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((n, n, n), np.float32), 2.0)
        labels = np.where(noise < np.quantile(noise, share), 1, 2).astype(np.uint8)
        return Volume(labels.astype(np.int16), np.ones(labels.shape, bool), (0.25, 0.35, 0.35), "grey", core="a"), labels

    NAMES = {1: "one", 2: "other"}
    tubes = st.ObjectKind("tubes", (2,), shape="tubes", at_least_mm=1.0, elongation=1.0)

    def measuring(name):
        return lambda volume, labels: st.measure(volume, labels=labels, names=NAMES, metrics=[name])

    def pores(volume, labels):
        mask = st.remove_small_clusters(labels == 1, 60)
        return st.pore_sizes(mask, volume.spacing_mm, volume.valid), st.water_retention(mask, volume.spacing_mm, volume.valid)

    work = {name: measuring(name) for name in st.METRICS} | {
        "tubes": lambda volume, labels: st.objects_in(volume, labels, tubes),
        "tube lengths": lambda volume, labels: st.tube_lengths_in(volume, labels, tubes),
        "beside": lambda volume, labels: st.objects_in(volume, labels, st.ObjectKind("b", (1,), beside=(2,))),
        "objects": lambda volume, labels: st.objects_in(volume, labels, st.ObjectKind("o", (1,))),
        "values": lambda volume, labels: st.class_values(volume, labels, NAMES, 1),
        "windows": lambda volume, labels: st.representative_volume(volume, labels=labels, names=NAMES),
        "pores": pores,
        "fine earth": lambda volume, labels: st.fine_earth(volume, labels, NAMES, (1,)),
    }
    small, share = core(24, 0.5), float(sys.argv[1])
    for do in work.values():
        do(*small)
    found = {}
    before = held("VmRSS")
    large = core(int(sys.argv[2]), share)
    for name, do in work.items():
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        do(*large)
        found[name] = held("VmHWM") - before
    print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=[0.5, 0.93], ids=["half of it", "nearly all"])
def peaks(request):
    """GB that each metric and table took at its peak, the core included, of classes that take half, or nearly all, of a core."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not tell the peak of a part of a process's work")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(request.param), str(EDGE)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [*st.METRICS, *TABLES])
def test_no_metric_or_table_takes_more_memory_than_was_said_before(peaks, name):
    """A memory estimate before work starts: an upper bound of every metric, and of every table."""
    said = (tubes_gb if name.startswith("tube") else in_memory_gb)((EDGE,) * 3, 2) - BASE_GB
    assert 4 * EDGE**3 / 1e9 < peaks[name] < said + SMALL_GB


WIDE_CHILD = """
    import json, sys
    from pathlib import Path
    import numpy as np
    from soilscope import structure as st
    from soilscope.structure.distance import squared_distance_of_labels
    from soilscope.structure.thickness import thickness_from_distance
    from soilscope.volume import Volume

    SPACING = (0.25, 0.351, 0.351)

    def held(name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(name))

    def filled(shape):
        if sys.argv[1] == "round core":
            y, x = (np.arange(n) - n / 2 for n in shape[1:])
            return np.broadcast_to(y[:, None] ** 2 + x**2 <= (shape[1] / 2 - 3) ** 2, shape).astype(np.uint8)
        labels = np.ones(shape, np.uint8)
        labels[:, 0] = 2
        return labels

    def core(shape):
        labels = filled(shape)
        return Volume(np.zeros(shape, np.int16), labels > 0, SPACING, "grey", core="a"), labels

    def block(_volume, labels):
        thickness_from_distance(squared_distance_of_labels(labels, SPACING), SPACING, labels)

    work = {name: lambda v, a, n=name: st.measure(v, labels=a, names={1: "one", 2: "other"}, metrics=[n])
            for name in ("local-thickness", "median-diameter", "critical-diameter", "distance")}
    work |= {
        "objects": lambda v, a: st.objects_in(v, a, st.ObjectKind("o", (1,))),
        "pores": lambda v, a: st.pore_sizes(a == 1, v.spacing_mm, v.valid),
        "tubes": lambda v, a: st.objects_in(v, a, st.ObjectKind("t", (1,), shape="tubes", at_least_mm=1.0, elongation=1.0)),
        "block": block,
    }
    small = core((24, 24, 24))
    for do in work.values():
        do(*small)
    before, found = held("VmRSS"), {}
    large = core(tuple(int(n) for n in sys.argv[2:]))
    for name, do in work.items():
        Path("/proc/self/clear_refs").write_text("5")
        do(*large)
        found[name] = held("VmHWM") - before
    print(json.dumps(found))
"""
WIDE = {"round core": (96, 156, 156), "one flat wall": (132, 156, 132)}
"""75 voxels from the wall to the middle, and 155: wider than any table of balls."""


@pytest.fixture(scope="module", params=WIDE)
def wide_peaks(request):
    """Shape, and GB that was taken where a class has nearly as many wide places as voxels."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not tell the peak of a part of a process's work")
    shape = WIDE[request.param]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WIDE_CHILD), request.param, *map(str, shape)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    return shape, json.loads(done.stdout)


@pytest.mark.parametrize(
    "name",
    ["local-thickness", "median-diameter", "critical-diameter", "distance", "objects", "pores", "tubes", "block"],
)
def test_no_more_memory_is_taken_where_a_class_has_wide_places(wide_peaks, name):
    """A memory estimate before work starts: an upper bound also for a class that fills the core or lies behind a plane wall."""
    shape, peaks = wide_peaks
    voxels = shape[0] * shape[1] * shape[2]
    each = 4 + BYTES_IN_BLOCK if name == "block" else (BYTES_WITH_TUBES if name == "tubes" else BYTES_IN_MEMORY) + 2
    assert 4 * voxels / 1e9 < peaks[name] < each * voxels / 1e9 + SMALL_GB
