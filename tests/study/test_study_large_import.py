"""Scans larger than the memory: imported slab by slab, with the result of reading them whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.errors import InputRefused
from soilscope.ingest import open_scan, options_of, stream
from soilscope.phantoms.scanner import Scanner
from soilscope.study.plan import CorePlan, Plan
from soilscope.study.steps.imported import imported
from soilscope.study.steps.imports import import_core, prepare, read_scan
from soilscope.study.steps.large import Asked, keep_large
from soilscope.volume import read_store, write_store

MM = (0.2, 0.2, 0.2)


@pytest.fixture
def large(monkeypatch):
    """Counts every scan as large, and says how many voxels a look has."""

    def counted(look=1 << 26):
        monkeypatch.setattr(stream, "LARGE_VOXELS", 0)
        monkeypatch.setattr(stream, "LOOK_VOXELS", look)

    return counted


def stack(folder, values):
    folder.mkdir()
    for k, plane in enumerate(values):
        tifffile.imwrite(folder / f"{k:04d}.tif", plane)
    return folder


def tube(shape=(40, 120, 120), lean=0.0, headspace=0, wall_mm=None):
    """A phantom in its tube, leaning by so many voxels over its height, with air above."""
    made = phantoms.make(
        "pine-forest", seed=1, shape=(shape[0] - headspace, 100, 100), scanner=Scanner(wall_mm=wall_mm)
    )
    values = np.full(shape, -1000, np.int16)
    margin = (shape[1] - 100) // 2
    for k, plane in enumerate(made.volume.values):
        shift = round(lean * k / shape[0])
        values[headspace + k, margin : margin + 100, margin + shift : margin + shift + 100] = plane
    return values


def plan_of(core, **more):
    return Plan(name="study", cores=(core,), **more)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.int32])
def test_slab_by_slab_the_store_is_that_of_the_whole_scan(tmp_path, large, dtype):
    values = np.random.default_rng(0).integers(0, 255, (70, 40, 50)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[3, 4:9] = np.nan
    stack(tmp_path / "scan", values)
    core = CorePlan(id="a", path="scan", spacing_mm=MM, soil="whole")
    kept = prepare(read_scan(tmp_path, core), core, plan_of(core)).kept
    usual = write_store(tmp_path / "usual.zarr", kept)
    large()
    import_core(tmp_path, plan_of(core), core, lambda _: None)
    assert write_store(tmp_path / "again.zarr", read_store(tmp_path / "cores" / "a.zarr")) == usual
    assert (tmp_path / "cores" / "a.zarr" / "manifest.json").read_bytes() == (
        tmp_path / "usual.zarr" / "manifest.json"
    ).read_bytes()


@pytest.mark.parametrize(("lean", "look"), [(0.0, 1 << 26), (0.0, 1 << 17), (12.0, 1 << 17)])
def test_the_core_of_a_large_scan_is_the_one_found_in_the_whole(tmp_path, large, lean, look):
    values = tube(lean=lean, headspace=6)
    stack(tmp_path / "scan", values)
    core = CorePlan(id="a", path="scan", spacing_mm=MM, units="HU")
    scan = read_scan(tmp_path, core)
    whole = prepare(scan, core, plan_of(core)).kept
    large(look)
    import_core(tmp_path, plan_of(core), core, lambda _: None)
    kept = read_store(tmp_path / "cores" / "a.zarr")
    assert kept.shape == whole.shape
    assert kept.source["crops"] == whole.source["crops"]
    assert np.array_equal(kept.values, whole.values)
    union, both = np.count_nonzero(kept.valid | whole.valid), np.count_nonzero(kept.valid & whole.valid)
    assert both / union > 0.97
    soil, found = kept.source["soil"], whole.source["soil"]
    pixel = MM[1]
    assert soil["centre_mm"] == pytest.approx(found["centre_mm"], abs=pixel)
    assert soil["radius_mm"] == pytest.approx(found["radius_mm"], abs=pixel)
    assert len(soil["slices"]["y_mm"]) == len(values)
    assert soil["slices"]["x_mm"] == pytest.approx(found["slices"]["x_mm"], abs=pixel)
    assert "large-scan" in {f.code for f in kept.findings}


def test_a_masked_core_is_found_to_the_voxel(tmp_path, large):
    y, x = np.mgrid[-60:60, -60:60]
    values = np.where(y**2 + x**2 <= 50**2, tube().clip(max=3000), 3071).astype(np.int16)
    stack(tmp_path / "scan", values)
    core = CorePlan(id="a", path="scan", spacing_mm=MM, units="HU")
    expected = find_core(read_scan(tmp_path, core))
    assert expected.source["soil"]["kind"] == "masked"
    large(1 << 17)
    import_core(tmp_path, plan_of(core), core, lambda _: None)
    assert np.array_equal(read_store(tmp_path / "cores" / "a.zarr").valid, expected.valid)


@pytest.mark.parametrize("soil", ["find", "whole"])
def test_the_window_of_a_large_scan_is_that_of_the_whole(tmp_path, large, soil):
    stack(tmp_path / "scan", tube(headspace=5))
    core = CorePlan(id="a", path="scan", spacing_mm=MM, units="HU", soil=soil)
    plan = plan_of(core, window=(20, 40, 30))
    whole = prepare(read_scan(tmp_path, core), core, plan).kept
    large(1 << 17)
    import_core(tmp_path, plan, core, lambda _: None)
    kept = read_store(tmp_path / "cores" / "a.zarr")
    assert np.array_equal(kept.values, whole.values)
    assert np.array_equal(kept.valid, whole.valid)


def test_progress_is_told_and_grows(tmp_path, large):
    stack(tmp_path / "scan", np.ones((9, 5, 6), np.uint8))
    core = CorePlan(id="a", path="scan", spacing_mm=MM, soil="whole")
    large()
    told = []
    import_core(tmp_path, plan_of(core), core, told.append)
    done = [t[1] for t in told[1:]]
    assert done == sorted(done)
    assert {t[2] for t in told[1:]} == {18}


def test_a_large_scan_of_nothing_valid_is_refused(tmp_path, large):
    stack(tmp_path / "scan", np.full((4, 5, 6), np.nan, np.float32))
    core = CorePlan(id="a", path="scan", spacing_mm=MM, soil="whole")
    large()
    with pytest.raises(ValueError, match="no voxel") as caught:
        import_core(tmp_path, plan_of(core), core, lambda _: None)
    assert caught.value.code == "no-soil"
    assert not (tmp_path / "cores" / "a.zarr").exists()


def test_small_scans_are_read_whole(tmp_path):
    stack(tmp_path / "scan", np.ones((4, 5, 6), np.uint8))
    with open_scan(tmp_path / "scan", None, options_of(spacing_mm=MM)) as scan:
        assert not scan.large
        assert replace(scan.read()).shape == (4, 5, 6)


def test_the_slices_looked_at_are_shown_with_the_soil_in_them(tmp_path, large):
    stack(tmp_path / "scan", tube())
    large(1 << 18)
    shown = []
    with open_scan(tmp_path / "scan", None, options_of("HU", MM)) as scan:
        asked = Asked("a", find_core, None, seen=lambda *both: shown.append(both))
        keep_large(tmp_path / "a.zarr", scan, asked, lambda *_: None)
    ((read_as, found),) = shown
    assert read_as.valid.all()
    assert 0 < found.valid.mean() < 1
    assert read_as.shape[1:] == (120, 120)
    assert read_as.spacing_mm == pytest.approx((0.2 * 3, 0.2, 0.2))


GREY = {"reference": [12000.0, 1000.0], "correct": ["drift", "beam-hardening"]}
RODS = [
    {"name": "air", "density": 0.0012, "centre_mm": [1.2, 1.2], "radius_mm": 1.0},
    {"name": "water", "density": 1.0, "value": 60.0},
]


@pytest.mark.parametrize(
    ("units", "asked", "codes"),
    [
        ("HU", {"correct": ["beam-hardening"]}, {"beam-hardening-corrected"}),
        ("HU", {"density": "coreCT", "correct": ["drift"]}, {"density-calibration", "drift-corrected"}),
        ("HU", {"density": "rods", "rods": RODS}, {"density-calibration"}),
        ("grey", GREY, {"rescaled", "drift-corrected", "beam-hardening-corrected"}),
        ("grey", {"reference": "a"}, {"rescaled"}),
    ],
)
@pytest.mark.parametrize("window", ["all", (20, 40, 30)])
def test_what_the_plan_asks_of_values_is_done_slab_by_slab_as_in_memory(tmp_path, large, units, asked, codes, window):
    """Where both looks hold the whole scan the same core is found, and from there on every number is the same."""
    values = tube(headspace=5, wall_mm=3.0)
    stack(tmp_path / "scan", values if units == "HU" else ((values + 1200.0) * 2).astype(np.uint16))
    core = CorePlan(id="a", path="scan", spacing_mm=MM, units=units)
    plan = Plan(name="study", cores=(core,), core=asked, window=window)
    import_core(tmp_path, plan, core, lambda _: None)
    whole, beside = read_store(tmp_path / "cores" / "a.zarr"), imported(tmp_path, "a")
    large()
    import_core(tmp_path, plan, core, lambda _: None)
    kept = read_store(tmp_path / "cores" / "a.zarr")
    assert "large-scan" in {f.code for f in kept.findings} - {f.code for f in whole.findings}
    assert np.array_equal(kept.values, whole.values)
    assert np.array_equal(kept.valid, whole.valid)
    for name in ("artefacts", "rescaled", "density"):
        assert kept.source.get(name) == whole.source.get(name)
    assert imported(tmp_path, "a")["references"] == beside["references"]
    told = [{f for f in v.findings if f.code in codes} for v in (kept, whole)]
    assert {f.code for f in told[0]} == codes
    assert told[0] == told[1]


def test_a_correction_that_cannot_be_measured_is_refused_slab_by_slab_too(tmp_path, large):
    stack(tmp_path / "scan", np.random.default_rng(0).integers(0, 255, (20, 30, 30)).astype(np.uint8))
    core = CorePlan(id="a", path="scan", spacing_mm=MM, soil="whole")
    plan = Plan(name="study", cores=(core,), core={"correct": ["drift"]})
    large()
    with pytest.raises(InputRefused, match="drift") as caught:
        import_core(tmp_path, plan, core, lambda _: None)
    assert caught.value.code == "no-correction"
    assert not (tmp_path / "cores" / "a.zarr").exists()
