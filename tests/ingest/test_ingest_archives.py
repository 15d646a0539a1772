"""Archives are read where they lie: in every format as from a folder, with no byte written anywhere (FAULTS 21, 22, 25)."""

from __future__ import annotations

import gzip
import io
import json
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import ramp, save, series
from pydicom.uid import RLELossless

import soilscope as ss
from soilscope.errors import InputRefused
from soilscope.ingest import archives, inspect, members
from soilscope.volume import write_store

MM = (0.07, 0.06, 0.05)
FORMATS = (
    "dicom",
    "rle",
    "tif",
    "pages",
    "mha",
    "mhd",
    "nrrd",
    "nhdr",
    "nii",
    "nii.gz",
    "nii2",
    "h5",
    "npy",
    "npz",
    "zarr",
    "core",
)
WAYS = {"zip": "zip", "tar": "w", "tar.gz": "w:gz"}


def write(scan: str, folder: Path) -> None:
    """The same planes in one of the formats."""
    folder.mkdir()
    planes = ramp().astype(np.uint16)
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 10 12 8\nElementType = MET_USHORT\nElementSpacing = 0.05 0.06 0.07\n"
    )
    about = {"spacings": [0.05, 0.06, 0.07], "encoding": "gzip" if scan == "nrrd" else "raw"}
    if scan in ("dicom", "rle"):
        slices = series(ramp())
        for one in slices if scan == "rle" else ():
            one.compress(RLELossless)
        save(slices, folder)
    elif scan == "tif":
        for k, plane in enumerate(planes):
            tifffile.imwrite(folder / f"s{k}.tif", plane, compression="zlib")
    elif scan == "pages":
        tifffile.imwrite(folder / "core.tif", planes, photometric="minisblack")
    elif scan == "mha":
        (folder / "core.mha").write_bytes(f"{header}ElementDataFile = LOCAL\n".encode() + planes.tobytes())
    elif scan == "mhd":
        (folder / "core.mhd").write_text(f"{header}ElementDataFile = core.raw\n")
        (folder / "core.raw").write_bytes(planes.tobytes())
    elif scan in ("nrrd", "nhdr"):
        nrrd.write(str(folder / f"core.{scan}"), planes.T, about, detached_header=scan == "nhdr")
    elif scan.startswith("nii"):
        kind = nibabel.Nifti2Image if scan == "nii2" else nibabel.Nifti1Image
        image = kind(planes.T.astype(np.int16), np.diag([0.05, 0.06, 0.07, 1]))
        nibabel.save(image, folder / f"core.{scan.replace('nii2', 'nii')}")
    elif scan == "h5":
        with h5py.File(folder / "core.h5", "w") as file:
            file.create_dataset("scan", data=planes, chunks=(4, 6, 5), compression="gzip")
    elif scan == "npy":
        np.save(folder / "core.npy", planes)
    elif scan == "npz":
        np.savez_compressed(folder / "core.npz", planes)
    elif scan == "zarr":
        zarr.create_array(folder / "core.zarr", data=planes, chunks=(4, 6, 5), shards=(8, 12, 10))
    else:
        write_store(folder / "core.zarr", ss.read(save(series(ramp()), folder.parent / "scanned")))


def pack(folder: Path, how: str) -> Path:
    path = folder.with_suffix(f".{how}")
    if how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
    else:
        with tarfile.open(path, WAYS[how]) as archive:
            archive.add(folder, folder.name)
    return path


def told(volume) -> str:
    own = [volume.source, volume.spacing_mm, volume.units, [f.text for f in volume.findings]]
    return json.dumps([*own, volume.values.tolist(), volume.valid.tolist()], default=str)


def read_with_nothing_written(paths: list[str]) -> None:
    """Read scans in a process that may not write a byte to any file, and has no folder for temporary ones."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name in paths:
        path = Path(name)
        spacing = None if path.stem.split(".")[0] in ("dicom", "rle", "core") else MM
        assert inspect(path, spacing).series[0].usable
        sys.stdout.write(json.dumps([path.name, told(ss.read(path, spacing_mm=spacing))]) + "\n")


def test_archives_of_every_format_are_read_as_their_folders_and_nothing_is_written_to_any_disk(tmp_path):
    """25. Read-only output, disk full at every write, quota -> ... $TMPDIR unused. Reading a folder and reading the archive of it
    give the same volume."""
    wanted, packed = {}, []
    for scan in FORMATS:
        write(scan, tmp_path / scan.replace(".", "-"))
        folder = tmp_path / scan.replace(".", "-")
        spacing = None if scan in ("dicom", "rle", "core") else MM
        read = ss.read(folder, spacing_mm=spacing)
        assert np.array_equal(np.unique(read.values), np.unique(ramp().astype(int) - 1024 * (spacing is None)))
        for how in WAYS:
            path = pack(folder, how)
            packed.append(str(path))
            wanted[path.name] = told(read)
        shutil.rmtree(folder)
    ran = subprocess.run(
        [sys.executable, __file__, *packed],
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONPATH": ":".join(p for p in sys.path if p), "TMPDIR": str(tmp_path / "absent")},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = dict(json.loads(line) for line in ran.stdout.splitlines())
    assert [name for name in wanted if seen.get(name) != wanted[name]] == []
    assert not (tmp_path / "absent").exists()


def bomb(path: Path, megabytes: int, count: int) -> Path:
    """A zip of members of zeros, which shrink a thousandfold."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(count):
            with archive.open(f"{k}.dcm", "w") as member:
                for _ in range(megabytes):
                    member.write(bytes(1 << 20))
    return path


def archive_refused(path: Path) -> str:
    codes = set()
    for look in (inspect, ss.read):
        with pytest.raises(InputRefused) as caught:
            look(path)
        codes.add(caught.value.code)
    assert len(codes) == 1
    return codes.pop()


def test_a_member_that_expands_a_thousandfold_is_refused_unread(tmp_path, monkeypatch):
    """22. Zip bomb: flat -> refused at the limit, bytes on disk bounded."""
    monkeypatch.setattr(archives, "SMALL_MEMBER_BYTES", 1 << 20)
    assert archive_refused(bomb(tmp_path / "core.zip", 2, 1)) == "archive-too-large"


def test_a_compressed_tar_is_held_in_memory_only_up_to_the_limit(tmp_path, monkeypatch):
    """22. Zip bomb: flat -> refused at the limit; a compressed tar that no memory should hold names the way out."""
    monkeypatch.setattr(archives, "SMALL_MEMBER_BYTES", 1 << 20)
    with tarfile.open(tmp_path / "core.tar.gz", "w:gz") as archive:
        for k in range(8):
            info = tarfile.TarInfo(f"{k}.dcm")
            info.size = 1 << 18
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    assert archive_refused(tmp_path / "core.tar.gz") == "archive-too-large"


def test_a_tar_of_too_many_empty_folders_is_refused(tmp_path, monkeypatch):
    """22. ... a million entries -> refused at the limit."""
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    with tarfile.open(tmp_path / "core.tar", "w") as archive:
        for k in range(60):
            info = tarfile.TarInfo(f"folder{k}")
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    assert archive_refused(tmp_path / "core.tar") == "archive-too-large"


@pytest.mark.parametrize("claimed", [100, 1 << 28])
def test_a_member_that_lies_about_its_size_either_way_is_damage(tmp_path, claimed):
    """22. ... lying sizes -> refused at the limit, bytes on disk bounded."""
    np.save(tmp_path / "core.npy", np.zeros((64, 64, 64), np.uint16))
    path = tmp_path / "core.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "core.npy", "core.npy")
    real = (tmp_path / "core.npy").stat().st_size
    path.write_bytes(path.read_bytes().replace(real.to_bytes(4, "little"), claimed.to_bytes(4, "little")))
    with pytest.raises(InputRefused) as caught:
        ss.read(path, spacing_mm=MM)
    assert caught.value.code in {"archive-damaged", "file-damaged", "file-cut", "excess-bytes"}


def test_damage_inside_an_archive_is_refused_where_it_is_read(tmp_path):
    folder = save(series(ramp()), tmp_path / "scan")
    path = pack(folder, "zip")
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("scan/003.dcm").header_offset + 300
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code in {"archive-damaged", "file-damaged", "file-cut", "excess-bytes"}


def test_a_member_too_large_to_hold_says_to_unpack_it(tmp_path, monkeypatch):
    write("h5", tmp_path / "scan")
    path = pack(tmp_path / "scan", "zip")
    monkeypatch.setattr(members, "MOST_HELD_BYTES", 100)
    with pytest.raises(InputRefused, match="unpack it by hand") as caught:
        ss.read(path, spacing_mm=MM)
    assert caught.value.code == "archive-too-large"


def test_a_gzip_of_something_else_is_no_archive(tmp_path):
    (tmp_path / "core.tar.gz").write_bytes(gzip.compress(b"soil" * 400))
    assert archive_refused(tmp_path / "core.tar.gz") == "archive-damaged"


@pytest.mark.parametrize("scan", ["npy", "nii.gz", "dicom"])
def test_what_a_gzip_holds_is_known_by_its_first_bytes(tmp_path, scan):
    """Files are told apart by what is in them, whatever they are called."""
    write(scan, tmp_path / "scan")
    path = next((tmp_path / "scan").iterdir()) if scan == "nii.gz" else pack(tmp_path / "scan", "tar.gz")
    spacing = None if scan == "dicom" else MM
    wanted = ss.read(path, spacing_mm=spacing)
    assert np.array_equal(ss.read(path.rename(tmp_path / "data"), spacing_mm=spacing).values, wanted.values)


BLOCK = tarfile.BLOCKSIZE


def tar_of_slices(path: Path) -> tuple[bytes, int]:
    """A plain tar of a scan, and how long it is without its end mark."""
    write("dicom", path / "scan")
    whole = pack(path / "scan", "tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        last = archive.getmembers()[-1]
    return whole, last.offset_data + -(-last.size // BLOCK) * BLOCK


def test_a_tar_cut_at_any_place_is_refused(tmp_path):
    """16. File cut ... -> refuse: a tar cut within a member's header, or between two members, holds no shorter scan."""
    whole, end = tar_of_slices(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        heads = [*[info.offset for info in archive.getmembers()][1:], end]
    path = tmp_path / "core.tar"
    for size in [head + more for head in heads for more in (0, 1, 100, 256, 511)]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputRefused) as caught:
            ss.read(path)
        assert caught.value.code == "archive-damaged", size
        assert "again" in str(caught.value)
    path.write_bytes(whole[: end + BLOCK])
    assert told(ss.read(path)) == told(ss.read(tmp_path / "scan"))


@pytest.mark.parametrize("spoilt", ["checksum", "zeros"])
def test_a_tar_with_a_damaged_header_is_refused(tmp_path, spoilt):
    """16. ... a header of a later member that is damaged or wiped is not the end of the archive."""
    whole, _ = tar_of_slices(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        at = archive.getmembers()[4].offset
    damaged = bytearray(whole)
    damaged[at : at + BLOCK] = bytes(BLOCK) if spoilt == "zeros" else bytes([255]) * BLOCK
    (tmp_path / "core.tar").write_bytes(damaged)
    assert archive_refused(tmp_path / "core.tar") == "archive-damaged"


if __name__ == "__main__":
    read_with_nothing_written(sys.argv[1:])
