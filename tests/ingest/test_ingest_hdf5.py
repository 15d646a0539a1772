"""HDF5: data sets are candidates by their path, a voxel size is taken where it is meant, nothing unwritten is read."""

from __future__ import annotations

import struct
import zipfile

import h5py
import numpy as np
import psutil
import pytest
from dicom_files import ramp, save, series

from soilscope.errors import InputRefused
from soilscope.ingest import hdf5_trial, inspect, read

MM = (0.07, 0.06, 0.05)
VALUES = (np.arange(4 * 5 * 6).reshape(4, 5, 6) * 3).astype(np.uint16)


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def made(path, name="/entry/data", values=VALUES, **how):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=values, **how)
    return path


@pytest.mark.parametrize("how", [{}, {"chunks": (2, 5, 4)}, {"chunks": True, "compression": "gzip", "shuffle": True}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.int32, np.float32])
def test_a_data_set_is_read_by_its_path(tmp_path, how, dtype):
    path = made(tmp_path / "scan.h5", values=VALUES.astype(dtype), **how)
    for named in ("scan.h5:/entry/data", "scan.h5:entry/data", "/entry/data", "entry/data", None):
        volume = read(path, series=named, spacing_mm=MM)
        with h5py.File(path) as file:
            assert np.array_equal(volume.values, file["/entry/data"][...])
    refused(path, "spacing-missing")
    refused(path, "no-such-series", series="other.h5:/entry/data", spacing_mm=MM)


@pytest.mark.parametrize("size", [512, 1024, 2048])
def test_hdf5_behind_a_block_of_other_content_is_read(tmp_path, size):
    """MATLAB's files of version 7.3 begin with 512 bytes of their own (HDF5 file format, II.A: the superblock may lie there)."""
    path = tmp_path / "scan.mat"
    with h5py.File(path, "w", userblock_size=size) as file:
        file["volume"] = VALUES
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    assert np.array_equal(read(path, spacing_mm=MM).values, VALUES)


def test_several_data_sets_are_listed_and_one_must_be_chosen(tmp_path):
    path = made(tmp_path / "scan.h5")
    with h5py.File(path, "a") as file:
        file["entry/flat"] = np.ones((2, 5, 6), np.float32)
        file["entry/angles"] = np.arange(7.0)
        file["entry/note"] = "text"
    listed = inspect(path, spacing_mm=MM).series
    assert [s.id for s in listed] == ["scan.h5:/entry/data", "scan.h5:/entry/flat"]
    assert [s.shape for s in listed] == [(4, 5, 6), (2, 5, 6)]
    assert "scan.h5:/entry/flat" in refused(path, "ambiguous-series", spacing_mm=MM)
    assert np.array_equal(read(path, series="scan.h5:/entry/data", spacing_mm=MM).values, VALUES)


def test_the_default_plot_of_a_nexus_file_is_its_scan(tmp_path):
    """ESRF and NeXus: default -> entry -> NXdata -> signal, spacing from the axes with their units."""
    path = tmp_path / "scan.nx"
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["default"] = "reconstruction"
        entry["flats"] = np.ones((3, 5, 6), np.uint16)
        data = entry.create_group("reconstruction")
        data.attrs.update({"NX_class": "NXdata", "signal": "volume", "axes": ["z", "y", "x"]})
        data["volume"] = VALUES
        for axis, n, step in zip("zyx", VALUES.shape, (70, 60, 50), strict=True):
            data[axis] = np.arange(n) * step
            data[axis].attrs["units"] = "um"
    volume = read(path)
    assert np.array_equal(volume.values, VALUES)
    assert volume.spacing_mm == pytest.approx(MM)


@pytest.mark.parametrize(
    "attributes",
    [
        {"element_size_um": [70.0, 60.0, 50.0]},
        {"voxel_size": [0.07, 0.06, 0.05], "voxel_size_units": "mm"},
        {"voxel_size": [0.07, 0.06, 0.05], "unit": "mm"},
        {"pixel_size_um": [70, 60, 50]},
    ],
)
def test_attributes_that_mean_a_voxel_size_are_taken(tmp_path, attributes):
    path = made(tmp_path / "scan.h5")
    with h5py.File(path, "a") as file:
        file["/entry/data"].attrs.update(attributes)
    assert read(path).spacing_mm == pytest.approx(MM)


@pytest.mark.parametrize(("moved", "even"), [(0.0, True), (3e-4, False)])
def test_coordinates_that_their_number_type_rounds_are_evenly_spaced(tmp_path, moved, even):
    """7. Steps of 6.25 um far from the origin differ by over a thousandth in float32, and are one grid; a moved slice is none."""
    with h5py.File(tmp_path / "core.h5", "w") as file:
        data = file.create_group("entry/data")
        data["volume"] = np.arange(12 * 5 * 4, dtype=np.uint16).reshape(12, 5, 4)
        data.attrs.update({"NX_class": "NXdata", "signal": "volume", "axes": ["z", "y", "x"]})
        for axis, start, step, count in (("z", 100.0, 0.00625, 12), ("y", 0.0, 0.4, 5), ("x", 0.0, 0.3, 4)):
            places = start + step * np.arange(count)
            places[count // 2] += moved
            data[axis] = places.astype(np.float32)
            data[axis].attrs["units"] = "mm"
    if even:
        np.testing.assert_allclose(read(tmp_path / "core.h5").spacing_mm, (0.00625, 0.4, 0.3), rtol=1e-3)
    else:
        with pytest.raises(InputRefused) as caught:
            read(tmp_path / "core.h5")
        assert caught.value.code == "spacing-missing"


def test_one_pixel_size_is_that_of_all_axes(tmp_path):
    path = made(tmp_path / "scan.h5")
    with h5py.File(path, "a") as file:
        file["/entry"].attrs.update({"pixel_size": 6.5, "pixel_size_units": "um"})
    assert read(path).spacing_mm == pytest.approx((0.0065,) * 3)


@pytest.mark.parametrize("attributes", [{"voxel_size": [1, 1, 1]}, {"voxel_size": [1, 1, 1], "units": "furlong"}])
def test_a_size_without_a_unit_is_no_spacing(tmp_path, attributes):
    path = made(tmp_path / "scan.h5")
    with h5py.File(path, "a") as file:
        file["/entry/data"].attrs.update(attributes)
    refused(path, "spacing-missing")


def test_a_dream3d_container(tmp_path):
    """DREAM.3D: (z, y, x, component) arrays, the geometry beside them with x first."""
    path = tmp_path / "scan.dream3d"
    with h5py.File(path, "w") as file:
        container = file.create_group("DataContainers/Core")
        container["CellData/Grey"] = VALUES[..., None]
        container["CellData/Euler"] = np.zeros((4, 5, 6, 3), np.float32)
        container["_SIMPL_GEOMETRY/SPACING"] = np.asarray([50, 60, 70], np.float32)
    assert [s.id for s in inspect(path).series] == ["scan.dream3d:/DataContainers/Core/CellData/Grey"]
    refused(path, "spacing-missing")
    with h5py.File(path, "a") as file:
        file["DataContainers/Core/_SIMPL_GEOMETRY"].attrs["LengthUnit"] = "Micrometers"
    volume = read(path)
    assert np.array_equal(volume.values, VALUES)
    assert volume.spacing_mm == pytest.approx(MM)


def test_chunks_that_were_never_written_are_refused_or_masked(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", shape=(4, 5, 6), dtype=np.uint16, chunks=(2, 5, 3))
        data[:2] = VALUES[:2]
        data[2:, :, :3] = VALUES[2:, :, :3]
    assert "1 of 4 chunks" in refused(path, "chunks-missing", spacing_mm=MM)
    volume = read(path, spacing_mm=MM, on_gap="mark")
    assert "chunks-missing" in {f.code for f in volume.findings}
    assert not volume.valid[2:, :, 3:].any()
    assert volume.valid.sum() == volume.valid.size - 2 * 5 * 3
    assert np.array_equal(volume.values[volume.valid], VALUES[volume.valid])


def test_a_data_set_never_written_is_refused(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", shape=(4, 5, 6), dtype=np.uint16)
    refused(path, "chunks-missing", spacing_mm=MM)


def test_values_in_other_files_are_refused(tmp_path):
    """Only found files are read: external storage and virtual data sets name files of their own."""
    (tmp_path / "secret.bin").write_bytes(VALUES.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", VALUES.shape, np.uint16, external=[(str(tmp_path / "secret.bin"), 0, 240)])
    refused(tmp_path / "a.h5", "external-data", spacing_mm=MM)
    made(tmp_path / "inner.h5")
    layout = h5py.VirtualLayout(VALUES.shape, np.uint16)
    layout[...] = h5py.VirtualSource(tmp_path / "inner.h5", "/entry/data", VALUES.shape)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    refused(tmp_path / "b.h5", "external-data", spacing_mm=MM)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["data"] = h5py.ExternalLink("inner.h5", "/entry/data")
    refused(tmp_path / "c.h5", "nothing-readable", spacing_mm=MM)


def test_a_cut_hdf5_file_is_refused(tmp_path):
    path = made(tmp_path / "scan.h5", chunks=(2, 5, 6), compression="gzip")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    refused(path, "file-damaged", spacing_mm=MM)


def test_an_id_stands_in_place_of_the_path(tmp_path, monkeypatch):
    """What `inspect` lists, ``file.h5:/its/path``, is taken as a path, by `inspect` too; a file of that name comes first."""
    path = made(tmp_path / "scan.h5")
    with h5py.File(path, "a") as file:
        file["entry/other"] = VALUES + 1
    np.savez(tmp_path / "cores.npz", a=VALUES, b=VALUES + 1)
    monkeypatch.chdir(tmp_path)
    for named in ("scan.h5:/entry/other", f"{path}:entry/other", tmp_path / "scan.h5:/entry/other", "cores.npz:b"):
        assert np.array_equal(read(named, spacing_mm=MM).values, VALUES + 1)
        assert len(inspect(named).series) == 1
    refused("scan.h5:/entry/none", "no-such-series", spacing_mm=MM)
    refused("scan.h5:", "no-such-series", spacing_mm=MM)
    refused("none.h5:/entry/data", "not-found", spacing_mm=MM)
    np.save(tmp_path / "scan.h5:x.npy", VALUES + 2)
    assert np.array_equal(read("scan.h5:x.npy", spacing_mm=MM).values, VALUES + 2)


def leading_back_to_itself(path):
    """A file whose root group's B-tree node names itself as the next one (HDF5 format, III.A.1): libhdf5 goes round for ever."""
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        file["volume"] = VALUES
    data = bytearray(path.read_bytes())
    node = data.index(b"TREE")
    struct.pack_into("<Q", data, node + 16, node)
    path.write_bytes(data)
    return path


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(hdf5_trial, "HDF5_SECONDS", 0.5)


def test_a_damaged_file_that_hangs_the_library_is_refused_and_what_lies_beside_it_is_read(tmp_path, quickly):
    """19. A hang costs one finding within the time cap, naming the file and the limit; the scan beside it is read."""
    save(series(ramp()), tmp_path)
    leading_back_to_itself(tmp_path / "old.h5")
    found = inspect(tmp_path)
    assert [s.usable for s in found.series] == [True]
    assert [f.code for f in found.findings] == ["decode-limit"]
    assert "old.h5" in found.findings[0].text
    assert "0.5 s" in found.findings[0].text
    assert read(tmp_path).shape == found.series[0].shape
    made(tmp_path / "new.h5")
    assert np.array_equal(read(tmp_path / "new.h5", spacing_mm=MM).values, VALUES)


def test_a_damaged_file_in_an_archive_hangs_nobody_either(tmp_path, quickly):
    """19. ... and so does one that is read where it lies in an archive."""
    leading_back_to_itself(tmp_path / "old.h5")
    with zipfile.ZipFile(tmp_path / "core.zip", "w") as archive:
        archive.write(tmp_path / "old.h5", "old.h5")
    assert "old.h5" in refused(tmp_path / "core.zip", "decode-limit")


def test_a_process_that_was_killed_while_idle_costs_nothing(tmp_path):
    path = made(tmp_path / "scan.h5")
    read(path, spacing_mm=MM)
    hdf5_trial.CHILDREN.idle[-1].process.kill()
    hdf5_trial.CHILDREN.idle[-1].process.wait()
    assert np.array_equal(read(path, spacing_mm=MM).values, VALUES)


def test_a_file_that_kills_the_process_is_refused(tmp_path, monkeypatch):
    """A library that dies of a file takes nothing with it."""
    path = made(tmp_path / "scan.h5")
    monkeypatch.setattr(hdf5_trial, "MODULE", "soilscope.ingest.none_such")
    hdf5_trial.CHILDREN.end_all()
    assert "scan.h5" in refused(path, "file-damaged", spacing_mm=MM)


def test_no_process_outlives_the_one_that_asks(tmp_path):
    read(made(tmp_path / "scan.h5"), spacing_mm=MM)
    child = hdf5_trial.CHILDREN.idle[-1].process.pid
    hdf5_trial.CHILDREN.end_all()
    assert not psutil.pid_exists(child)
