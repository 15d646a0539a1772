"""OME-Zarr 0.4 and 0.5, ours and others': the full-resolution level with its scale, and no chunk that is not there."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import zarr
from ome_zarr_models import open_ome_zarr

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read
from soilscope.volume import Volume, write_store

MM = (0.07, 0.06, 0.05)
SHAPE = (6, 20, 24)
VALUES = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 5000 + 1).astype(np.uint16)


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def made(root, version="0.5", axes="zyx", unit="micrometer", values=VALUES, **how):
    """A multiscale image of two levels, as ome-zarr-models accepts it."""
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.create_group(root, zarr_format=zarr_format)
    lead = (None,) * (len(axes) - 3)
    chunks = (1,) * len(lead) + (2, 8, 8)
    full, half = values[lead], values[lead][..., ::2, ::2]
    for name, level in (("half", half), ("full", full)):
        named = {"dimension_names": tuple(axes)} if version == "0.5" else {}
        group.create_array(name, data=level, chunks=chunks, **named, **how)
    sizes = dict(zip("zyx", (70.0, 60.0, 50.0), strict=True))

    def scale(factor):
        lengths = [sizes.get(a, 1.0) * (factor if a in "yx" else 1) for a in axes]
        return [{"type": "scale", "scale": lengths}]

    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": a, "type": kinds[a]}
        if a in kinds
        else {"name": a, "type": "space", **({"unit": unit} if unit else {})}
        for a in axes
    ]
    levels = [
        {"path": "full", "coordinateTransformations": scale(1)},
        {"path": "half", "coordinateTransformations": scale(2)},
    ]
    scales = [{"axes": described, "datasets": levels, "name": "core"}]
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    else:
        group.attrs["multiscales"] = [{**scales[0], "version": version}]
    open_ome_zarr(zarr.open_group(root, mode="r"))
    return root


def files_of(root, array="full"):
    return [p for p in (root / array).rglob("*") if p.is_file() and p.name not in ("zarr.json", ".zarray", ".zattrs")]


@pytest.mark.parametrize("axes", ["zyx", "czyx", "tczyx"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_full_level_is_read_with_its_scale(tmp_path, version, axes):
    root = made(tmp_path / "core.zarr", version, axes)
    volume = read(root)
    theirs = zarr.open_group(root, mode="r")["full"][...]
    assert np.array_equal(volume.values, theirs.reshape(SHAPE))
    assert volume.spacing_mm == pytest.approx(MM)
    assert volume.source["format"] == f"OME-Zarr {version}"
    assert [s.id for s in inspect(tmp_path).series] == ["core.zarr"]
    assert inspect(tmp_path).skipped == 0


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_lengths_without_a_unit_are_no_spacing(tmp_path, version):
    root = made(tmp_path / "core.zarr", version, unit=None)
    refused(root, "spacing-missing")
    assert np.array_equal(read(root, spacing_mm=MM).values, VALUES)


@pytest.mark.parametrize("how", [{}, {"shards": (4, 16, 16)}])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_chunk_that_is_gone_is_refused_or_masked_never_read_as_fill(tmp_path, version, how):
    """zarr: chunks never written read as 0, which is water."""
    if version == "0.4" and how:
        pytest.skip("Zarr 2 has no shards")
    root = made(tmp_path / "core.zarr", version, **how)
    whole = read(root)
    assert whole.valid.all()
    sorted(files_of(root))[-1].unlink()
    refused(root, "chunks-missing")
    volume = read(root, on_gap="mark")
    missing = np.asarray(zarr.open_group(root, mode="r")["full"]) == 0
    assert missing.any()
    assert np.array_equal(volume.valid, ~missing)
    assert np.array_equal(volume.values[volume.valid], VALUES[volume.valid])


def test_a_chunk_that_is_gone_inside_a_shard_is_seen(tmp_path):
    root = made(tmp_path / "core.zarr", "0.5", shards=(4, 16, 16), values=np.where(VALUES > 0, VALUES, 0))
    array = zarr.open_group(root, mode="a")["full"]
    array[:2, :8, :8] = 0  # zarr leaves a chunk out that holds nothing but fill
    refused(root, "chunks-missing")
    assert not read(root, on_gap="mark").valid[:2, :8, :8].any()


def test_our_own_store_keeps_its_mask_units_and_findings(tmp_path):
    valid = np.zeros(SHAPE, bool)
    valid[:, 3:15, 4:20] = True
    core = Volume(VALUES.astype(np.int16), valid, MM, "HU", core="7")
    write_store(tmp_path / "7.zarr", core)
    (listed,) = inspect(tmp_path).series
    assert (listed.units, listed.shape, listed.usable) == ("HU", SHAPE, True)
    volume = read(tmp_path / "7.zarr")
    assert np.array_equal(volume.values, core.values)
    assert np.array_equal(volume.valid, valid)
    assert (volume.spacing_mm, volume.units) == (MM, "HU")
    refused(tmp_path / "7.zarr", "units-mismatch", units="grey")


def test_a_half_written_store_of_ours_is_no_scan(tmp_path):
    write_store(tmp_path / "7.zarr", Volume(VALUES.astype(np.int16), VALUES > 0, MM, "HU"))
    sorted(files_of(tmp_path / "7.zarr", "0"))[-1].unlink()
    with pytest.raises(OSError, match="missing"):
        read(tmp_path / "7.zarr")
    (tmp_path / "7.zarr" / "manifest.json").unlink()
    refused(tmp_path / "7.zarr", "not-a-store")


def test_several_channels_are_refused(tmp_path):
    root = made(tmp_path / "core.zarr", "0.4", "czyx")
    group = zarr.open_group(root, mode="a")
    group.create_array("full", data=np.stack([VALUES, VALUES]), chunks=(1, 2, 8, 8), overwrite=True)
    assert "one channel" in refused(root, "shape")


def test_a_plain_zarr_array_needs_a_stated_spacing(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=VALUES, chunks=(4, 10, 10))
    refused(tmp_path / "a.zarr", "spacing-missing")
    assert np.array_equal(read(tmp_path / "a.zarr", spacing_mm=MM).values, VALUES)


def test_images_below_a_root_are_listed(tmp_path):
    """bioformats2raw's layout: images 0 and 1 below a root without one."""
    zarr.create_group(tmp_path / "two.zarr", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    made(tmp_path / "two.zarr" / "0", "0.4")
    made(tmp_path / "two.zarr" / "1", "0.4", values=VALUES + 1)
    assert [s.id for s in inspect(tmp_path / "two.zarr").series] == ["two.zarr:0", "two.zarr:1"]
    assert np.array_equal(read(tmp_path / "two.zarr", series="two.zarr:1").values, VALUES + 1)


def test_a_link_inside_a_store_is_not_followed(tmp_path):
    """23. Link out of the root -> not followed."""
    root = made(tmp_path / "core.zarr", "0.5")
    chunk = sorted(files_of(root))[0]
    outside = tmp_path / "outside"
    chunk.rename(outside)
    chunk.symlink_to(outside)
    refused(root, "chunks-missing")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["image", "arrays", "core"])
def test_stores_of_one_name_are_called_by_their_folders(tmp_path, kind, packed):
    """Each can be chosen and read, as files of one name can."""
    top = tmp_path / "top"
    values = {"upper": VALUES, "lower": VALUES[::-1].copy()}
    for folder, own in values.items():
        root = top / folder / "core.zarr"
        if kind == "image":
            made(root, values=own)
        elif kind == "arrays":
            group = zarr.create_group(root)
            for name in "ab":
                group.create_array(name, data=own)
        else:
            write_store(root, Volume(own, np.ones(SHAPE, bool), MM, "grey", ()))
    path = top
    if packed:
        path = tmp_path / "top.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(p for p in top.rglob("*") if p.is_file()):
                archive.write(file, file.relative_to(top).as_posix())
    inside = (":a", ":b") if kind == "arrays" else ("",)
    wanted = [f"{folder}/core.zarr{name}" for folder in ("lower", "upper") for name in inside]
    assert [one.id for one in inspect(path, MM).series] == wanted
    for one in wanted:
        read_again = read(path, series=one, spacing_mm=MM)
        np.testing.assert_array_equal(read_again.values, values[one.partition("/")[0]])
