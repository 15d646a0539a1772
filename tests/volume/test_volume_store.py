"""A core store gives back what was put in, is valid OME-Zarr, and every kind of damage to it is noticed."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ome_zarr_models.v05 import Image, ImageLabel

from soilscope import errors, files
from soilscope.findings import Finding
from soilscope.volume import Volume, read_store, write_store
from soilscope.volume.store import MANIFEST, SHARD, store_digest, verify_store

STOPPER = Path(__file__).parents[1] / "stop_at_each_step.py"
FINDINGS = (
    Finding("top-assumed", "note", "The first slice is taken as the top, 0.25 mm – „oben“.", ("a.dcm", "b.dcm")),
)


def scan(dtype="int16", shape=(20, 130, 260), seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        values = rng.normal(0, 1e3, shape).astype(dtype)
    else:
        values = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    source = {"format": "DICOM", "tags": {"KVP": 120.0}, "soil": {"kind": "cylinder", "centre_mm": [22.1, 22.2]}}
    units = "HU" if dtype == "int16" else "grey"
    return Volume(values, rng.random(shape) > 0.3, (0.25, 0.351, 0.351), units, FINDINGS, "Säule 3243", source)


def same(one, other):
    return (
        one.values.dtype == other.values.dtype
        and np.array_equal(one.values, other.values, equal_nan=one.values.dtype.kind == "f")
        and np.array_equal(one.valid, other.valid)
        and all(getattr(one, n) == getattr(other, n) for n in ("spacing_mm", "units", "findings", "core", "source"))
    )


@pytest.fixture
def store(tmp_path):
    write_store(tmp_path / "core.zarr", scan())
    return tmp_path / "core.zarr"


@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float32"])
def test_what_is_stored_is_read_back_bit_for_bit(tmp_path, dtype):
    write_store(tmp_path / "core.zarr", scan(dtype))
    assert same(read_store(tmp_path / "core.zarr"), scan(dtype))
    assert verify_store(tmp_path / "core.zarr") == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.tuples(st.integers(1, 70), st.integers(1, 140), st.integers(1, 140)), seed=st.integers(0, 99))
def test_any_shape_is_read_back_bit_for_bit(tmp_path, shape, seed):
    write_store(tmp_path / "core.zarr", scan("uint8", shape, seed))
    assert same(read_store(tmp_path / "core.zarr"), scan("uint8", shape, seed))


def test_a_scan_over_several_shards_is_read_back(tmp_path):
    large = scan("uint8", (SHARD[0] + 3, SHARD[1] + 5, 7))
    write_store(tmp_path / "core.zarr", large)
    assert same(read_store(tmp_path / "core.zarr"), large)


@pytest.mark.parametrize("value", [0, -32768, -1024])
def test_an_even_scan_is_read_back_although_zarr_leaves_out_empty_chunks(tmp_path, value):
    even = Volume(np.full((70, 40, 40), value, np.int16), np.zeros((70, 40, 40), bool), (1.0, 1.0, 1.0), "HU")
    write_store(tmp_path / "core.zarr", even)
    assert same(read_store(tmp_path / "core.zarr"), even)
    assert verify_store(tmp_path / "core.zarr") == []


def test_values_outside_the_mask_stay_what_they_were(tmp_path):
    one = scan()
    write_store(tmp_path / "core.zarr", one)
    np.testing.assert_array_equal(read_store(tmp_path / "core.zarr").values[~one.valid], one.values[~one.valid])


def test_the_same_volume_gives_the_same_bytes_twice(tmp_path):
    first, second = (write_store(tmp_path / name, scan()) for name in ("a.zarr", "b.zarr"))
    assert first == second == store_digest(tmp_path / "a.zarr")
    assert files.digest_folder(tmp_path / "a.zarr") == files.digest_folder(tmp_path / "b.zarr")


def test_a_changed_voxel_mask_or_spacing_changes_the_digest(tmp_path):
    one = scan()
    values, valid = one.values.copy(), one.valid.copy()
    values[1, 2, 3] ^= 1
    valid[1, 2, 3] ^= True
    variants = [
        one,
        Volume(values, one.valid, one.spacing_mm, one.units, one.findings, one.core, one.source),
        Volume(one.values, valid, one.spacing_mm, one.units, one.findings, one.core, one.source),
        Volume(one.values, one.valid, (0.26, 0.351, 0.351), one.units, one.findings, one.core, one.source),
    ]
    assert len({write_store(tmp_path / f"{n}.zarr", v) for n, v in enumerate(variants)}) == len(variants)


def test_the_store_is_valid_ome_zarr_with_its_spacing_in_mm(store):
    image = Image.from_zarr(zarr.open_group(store, mode="r"))
    multiscale = image.ome_attributes.multiscales[0]
    assert [(a.name, a.type, a.unit) for a in multiscale.axes] == [(n, "space", "millimeter") for n in "zyx"]
    scales = [tuple(d.coordinateTransformations[0].scale) for d in multiscale.datasets]
    assert scales[:3] == [(0.25, 0.351, 0.351), (0.25, 0.702, 0.702), (0.25, 1.404, 1.404)]
    ImageLabel.from_zarr(zarr.open_group(store / "labels" / "valid", mode="r"))


def test_each_level_of_the_pyramid_holds_the_voxels_its_scale_says(store):
    group = zarr.open_group(store, mode="r")
    np.testing.assert_array_equal(group["1"][...], scan().values[:, ::2, ::2])


def test_a_paper_sized_core_would_be_few_files(tmp_path):
    write_store(tmp_path / "core.zarr", scan("uint8", (65, 40, 40)))
    level = [p for p in (tmp_path / "core.zarr" / "0").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(level) == 2, "one file a shard of 64 slices"


def flipped(path, byte, bit):
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def stored_files(store):
    return sorted(p for p in store.rglob("*") if p.is_file())


def test_a_flipped_bit_anywhere_in_what_is_read_is_noticed(store):
    rng = np.random.default_rng(7)
    parts = [store / "0", store / "labels" / "valid" / "0"]
    read_back = [p for p in stored_files(store) if p.suffix == ".json" or any(p.is_relative_to(part) for part in parts)]
    assert len(read_back) >= 8
    for path in read_back:
        whole = path.read_bytes()
        for byte in {0, len(whole) - 1, *rng.integers(0, len(whole), 12).tolist()}:
            flipped(path, byte, int(rng.integers(8)))
            with pytest.raises(errors.Damaged) as caught:
                read_store(store)
            assert caught.value.code == "store-damaged"
            path.write_bytes(whole)
    assert same(read_store(store), scan())


def test_verify_names_each_file_that_is_changed_missing_or_new(store):
    changed, missing, extra = store / "0" / "c" / "0" / "0" / "0", store / "1" / "zarr.json", store / "notes.txt"
    flipped(changed, 100, 3)
    missing.unlink()
    extra.write_text("mine")
    assert verify_store(store) == ["0/c/0/0/0", "1/zarr.json", "notes.txt"]


def test_a_missing_or_cut_chunk_is_damage_and_not_fill(store):
    for damage in (Path.unlink, lambda p: p.write_bytes(p.read_bytes()[:-1]), lambda p: p.write_bytes(b"")):
        for path in [p for p in stored_files(store) if p.name != MANIFEST]:
            whole = path.read_bytes()
            damage(path)
            with pytest.raises(errors.Damaged, match=path.name):
                read_store(store)
            path.write_bytes(whole)


def test_a_folder_without_a_manifest_is_no_store(store):
    (store / MANIFEST).unlink()
    for attempt in (read_store, store_digest, verify_store):
        with pytest.raises(errors.InputRefused, match=r"no manifest.json") as caught:
            attempt(store)
        assert caught.value.code == "not-a-store"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": {}}', "\xff"])
def test_a_broken_manifest_is_damage(store, text):
    (store / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(errors.Damaged):
        read_store(store)


def test_a_store_moved_to_another_place_is_the_same_store(store, tmp_path):
    shutil.move(store, tmp_path / "elsewhere.zarr")
    assert same(read_store(tmp_path / "elsewhere.zarr"), scan())


@pytest.mark.parametrize("stride", [9])
def test_a_kill_at_any_step_of_writing_leaves_no_half_store(tmp_path, stride):
    subprocess.run([sys.executable, STOPPER, "new-store", "kill", tmp_path, str(stride)], check=True)
    whole = files.digest_folder(tmp_path / last(tmp_path) / "thing")
    outcomes = {p.stem: int(p.read_text()) for p in tmp_path.glob("*.outcome")}
    assert list(outcomes.values()).count(-signal.SIGKILL) > 8
    for step in outcomes:
        store = tmp_path / step / "thing"
        assert not store.exists() or files.digest_folder(store) == whole, f"step {step}"


def test_a_full_disk_at_any_step_of_writing_is_refused_and_leaves_no_trace(tmp_path):
    subprocess.run([sys.executable, STOPPER, "new-store", "full", tmp_path, "2"], check=True)
    whole = files.digest_folder(tmp_path / last(tmp_path) / "thing")
    outcomes = {p.stem: int(p.read_text()) for p in tmp_path.glob("*.outcome")}
    assert list(outcomes.values()).count(errors.OutputRefused.exit_code) > 8
    for step, outcome in outcomes.items():
        left = [p.name for p in (tmp_path / step).iterdir()]
        assert left == ([] if outcome == errors.OutputRefused.exit_code else ["thing"]), f"step {step}"
        assert not left or files.digest_folder(tmp_path / step / "thing") == whole, f"step {step}"


def last(folder):
    """The try that needed no further step, and so was left alone."""
    return max((p.stem for p in folder.glob("*.outcome")), key=int)
