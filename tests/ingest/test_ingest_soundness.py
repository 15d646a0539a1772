"""Damage that headers do not show is told by ``inspect`` and ``init``, before anything is written (FAULTS 16, 46)."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import save, series
from imagecodecs import png_encode
from pydicom.uid import RLELossless
from typer.testing import CliRunner

import soilscope as ss
from soilscope.cli.app import app
from soilscope.errors import InputRefused, SoilscopeError
from soilscope.ingest import inspect

MM = (0.5, 0.4, 0.3)
PACKED = ("rle", "tif", "png", "nii.gz", "nrrd", "h5", "zarr", "npz")
PLAIN = ("tif", "nii", "npy", "mha")


def soil() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 3000, (6, 96, 80)).astype(np.uint16)


def packed(kind: str, folder: Path) -> tuple[Path, Path]:
    """A sound scan whose values are compressed, and the file of it that holds values; both of one name where it is one file."""
    folder.mkdir()
    path = folder / f"core.{kind}"
    if kind == "rle":
        slices = series(soil().astype(np.int16))
        for one in slices:
            one.compress(RLELossless)
        return folder, save(slices, folder / "scan") / "003.dcm"
    if kind == "tif":
        tifffile.imwrite(path, soil(), compression="zlib", photometric="minisblack")
    elif kind == "png":
        for k, plane in enumerate(soil()):
            (folder / f"{k}.png").write_bytes(png_encode(plane))
        return folder, folder / "3.png"
    elif kind == "nii.gz":
        nibabel.save(nibabel.Nifti1Image(soil().T, np.diag([0.3, 0.4, 0.5, 1])), path)
    elif kind == "nrrd":
        nrrd.write(str(path), soil().T, {"encoding": "gzip"})
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("scan", data=soil(), chunks=(3, 96, 80), compression="gzip", fletcher32=True)
    elif kind == "zarr":
        zarr.create_array(path, data=soil(), chunks=(3, 96, 80))
        return folder, path / "c" / "1" / "0" / "0"
    else:
        np.savez_compressed(path, soil())
    return path, path


def status(*words: object) -> tuple[int, dict]:
    ran = CliRunner().invoke(app, [*map(str, words), "--json"])
    code = getattr(ran.exception, "exit_code", ran.exit_code)
    return code, json.loads(ran.stdout.splitlines()[0]) if ran.stdout else {}


@pytest.mark.parametrize("kind", PACKED)
def test_damaged_compressed_values_are_told_before_anything_is_written(tmp_path, kind):
    """16. ... damaged in its pixels -> refuse; and so does `init`, with nothing published."""
    path, file = packed(kind, tmp_path / "scan")
    assert inspect(path, MM).series[0].usable
    data = bytearray(file.read_bytes())
    middle = len(data) * 3 // 5
    data[middle : middle + 200] = bytes(200)
    file.write_bytes(data)
    with pytest.raises(SoilscopeError) as caught:
        ss.read(path, spacing_mm=MM)
    seen = inspect(path, MM)
    assert not seen.series[0].usable
    assert seen.series[0].refusal.code == caught.value.code
    study = tmp_path / "study"
    assert status("init", study, "--cores", path, "--spacing-mm", "0.5,0.4,0.3")[0] == 3
    assert not study.exists()
    assert inspect(path, MM, pixels=False).series[0].usable


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_that_was_cut_is_told_by_its_header_alone(tmp_path, kind):
    """16. File cut ... in pixels, by one byte -> refuse."""
    path = tmp_path / f"core.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, soil()[0])
    elif kind == "nii":
        nibabel.save(nibabel.Nifti1Image(soil().T, np.diag([0.3, 0.4, 0.5, 1])), path)
    elif kind == "npy":
        np.save(path, soil())
    else:
        header = (
            "NDims = 3\nDimSize = 80 96 6\nElementType = MET_USHORT\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n"
        )
        path.write_bytes(f"ObjectType = Image\n{header}".encode() + soil().tobytes())
    assert inspect(path, MM, pixels=False).series[0].usable
    os.truncate(path, path.stat().st_size - 1)
    told = inspect(path, MM, pixels=False)
    told = [*told.findings, *(f for s in told.series for f in s.findings)]
    assert [f.code for f in told if f.severity == "refuse"] == ["file-cut"]


@pytest.mark.parametrize(
    "how", [{}, {"metadata": None}, {"imagej": True}, {"ome": True}, {"bigtiff": True}, {"rowsperstrip": 8}]
)
def test_pages_that_were_cut_away_are_missed(tmp_path, how):
    """16. File cut ... -> refuse. Libraries stop at a page that is not there, and give the others without a word."""
    path = tmp_path / "core.tif"
    tifffile.imwrite(path, soil(), photometric="minisblack", **how)
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages[5].offset
    assert ss.read(path, spacing_mm=MM).shape[0] == 6
    for kept in (last, last - 5000, last + 3):
        tifffile.imwrite(path, soil(), photometric="minisblack", **how)
        os.truncate(path, kept)
        with pytest.raises(InputRefused) as caught:
            ss.read(path, spacing_mm=MM)
        assert caught.value.code in {"file-cut", "file-damaged"}


def test_a_chain_of_pages_without_an_end_is_damage(tmp_path):
    path = tmp_path / "core.tif"
    tifffile.imwrite(path, soil(), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        first, second = tiff.pages[0].offset, tiff.pages[1].offset
    data = bytearray(path.read_bytes())
    entries = int.from_bytes(data[second : second + 2], "little")
    at = second + 2 + 12 * entries
    data[at : at + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(InputRefused) as caught:
        ss.read(path, spacing_mm=MM)
    assert caught.value.code == "file-damaged"


def test_damaged_pixels_in_an_archive_are_told_before_anything_is_written(tmp_path):
    """16. ... the checksum of a member is that of all its bytes."""
    planes = np.random.default_rng(0).integers(0, 3000, (4, 200, 200)).astype(np.int16)
    folder = save(series(planes), tmp_path / "scan")
    path = Path(shutil.make_archive(str(tmp_path / "core"), "zip", folder))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("002.dcm")
    data[info.header_offset + info.compress_size - 500] ^= 0x10
    path.write_bytes(data)
    assert inspect(path, pixels=False).series[0].usable
    assert inspect(path).series[0].refusal.code == "archive-damaged"
    assert status("init", tmp_path / "study", "--cores", path)[0] == 3
    assert not (tmp_path / "study").exists()


def test_what_reading_finds_in_compressed_values_is_told_by_inspect(tmp_path):
    """46. ... a slice whose statistics jump against both neighbours is a finding."""
    planes = np.random.default_rng(0).integers(900, 1100, (12, 32, 32)).astype(np.int16)
    planes[5] += 2000
    slices = series(planes)
    for one in slices:
        one.compress(RLELossless)
    told = []
    found = inspect(save(slices, tmp_path / "scan"), None, None, lambda *words: told.append(words)).series[0]
    assert found.usable
    assert "slice-jump" in {f.code for f in found.findings}
    assert told == [(found.id, k, 12) for k in range(1, 13)]


def test_plain_dicom_pixels_are_not_read_by_inspect(tmp_path):
    told = []
    save(series(soil().astype(np.int16)), tmp_path / "scan")
    assert inspect(tmp_path / "scan", None, None, lambda *words: told.append(words)).series[0].usable
    assert told == []


def test_quick_looks_at_headers_alone(tmp_path):
    path, file = packed("rle", tmp_path / "scan")
    data = bytearray(file.read_bytes())
    data[-300:-60] = bytes(240)
    file.write_bytes(data)
    code, found = status("inspect", path)
    assert (code, found["series"][0]["usable"]) == (0, False)
    code, found = status("inspect", path, "--quick")
    assert (code, found["series"][0]["usable"]) == (0, True)
    assert status("init", tmp_path / "study", "--cores", path, "--quick")[0] == 0
