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
from soilscope.structure.budget import BASE_GB, in_memory_gb, tubes_gb

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
