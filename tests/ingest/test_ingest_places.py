"""Folders, archives, names and personal tags (FAULTS 21 to 24, 38, 39)."""

from __future__ import annotations

import ctypes
import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import ramp, save, series
from imagecodecs import png_encode

from soilscope import study
from soilscope.errors import InputRefused
from soilscope.findings import to_records
from soilscope.ingest import archives, inspect, read

MM = (0.07, 0.06, 0.05)


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def zipped(path, members, *, mode=0o100644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo would clean it
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def scan_folder(folder, scan):
    """A scan in a format that comes as a folder, and the spacing to state for it."""
    folder.mkdir(exist_ok=True)
    planes = ramp().astype(np.uint16)
    if scan == "dicom":
        save(series(ramp()), folder)
    elif scan in ("tiff", "png"):
        for k, plane in enumerate(planes):
            if scan == "tiff":
                tifffile.imwrite(folder / f"s{k}.tif", plane)
            else:
                (folder / f"s{k}.png").write_bytes(png_encode(plane))
        return MM
    elif scan == "metaimage":
        sitk = pytest.importorskip("SimpleITK")
        sitk.WriteImage(sitk.GetImageFromArray(planes), str(folder / "core.mhd"))
    elif scan == "nrrd":
        nrrd.write(
            str(folder / "core.nhdr"),
            planes.T,
            {"spacings": [0.05, 0.06, 0.07], "encoding": "raw"},
            detached_header=True,
        )
    else:
        axes = [{"name": a, "type": "space", "unit": "millimeter"} for a in "zyx"]
        levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(MM)}]}]
        group = zarr.create_group(folder / "core.zarr", zarr_format=2 if scan == "zarr 2" else 3)
        group.create_array("0", data=planes, chunks=(4, 6, 5), fill_value=9999)
        scales = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}]}
        group.attrs.update(scales if scan == "zarr 2" else {"ome": {"version": "0.5", **scales}})
    return None


@pytest.mark.parametrize("scan", ["dicom", "tiff", "png", "metaimage", "nrrd", "zarr 2", "zarr 3"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_folder_and_its_archive_give_the_same_volume(tmp_path, kind, scan):
    """Reading a folder and reading the archive of it give the same volume."""
    folder = tmp_path / "core 7"
    spacing = scan_folder(folder, scan)
    path = tmp_path / f"core.{kind}"
    if kind == "zip":
        inside = sorted(p for p in folder.rglob("*") if p.is_file())
        zipped(path, [(f"core 7/{p.relative_to(folder).as_posix()}", p.read_bytes()) for p in inside])
    else:
        with tarfile.open(path, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[kind]) as archive:
            archive.add(folder, "core 7")
    straight, packed = read(folder, spacing_mm=spacing), read(path, spacing_mm=spacing)
    stored = ramp().astype(int) - (1024 if scan == "dicom" else 0)
    assert np.array_equal(straight.values, stored)
    assert np.array_equal(packed.values, stored)
    assert np.array_equal(straight.valid, packed.valid)
    assert straight.spacing_mm == packed.spacing_mm
    assert straight.units == packed.units
    assert straight.findings == packed.findings
    assert straight.source == packed.source


@pytest.mark.parametrize(
    "name",
    ["../evil.dcm", "a/../../evil.dcm", "/tmp/evil.dcm", "C:evil.dcm", "C:/evil.dcm", "..\\evil.dcm", "a\\evil.dcm"],
)
def test_members_that_lead_outside_refuse_the_whole_archive(tmp_path, name):
    """21. Zip with `../`, absolute, drive letter, backslash -> whole archive refused, nothing outside the target."""
    inner = tmp_path / "inner"
    inner.mkdir()
    path = zipped(inner / "core.zip", [("good.txt", b"x"), (name, b"x")])
    refused(path, "archive-unsafe")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["core.zip", "inner"]


def test_links_in_archives_are_refused(tmp_path):
    """21. ... link -> whole archive refused."""
    refused(zipped(tmp_path / "core.zip", [("link", b"/etc/passwd")], mode=stat.S_IFLNK | 0o777), "archive-unsafe")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        with tarfile.open(tmp_path / "core.tar", "w") as archive:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        refused(tmp_path / "core.tar", "archive-unsafe")


@pytest.mark.parametrize(
    "pair", [("a.dcm", "a.dcm"), ("a.dcm", "A.DCM"), ("é.dcm", unicodedata.normalize("NFD", "é.dcm"))]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_share_a_name_are_refused(tmp_path, pair):
    """21. ... duplicate or case-colliding names -> whole archive refused."""
    refused(zipped(tmp_path / "core.zip", [(n, b"x") for n in pair]), "archive-unsafe")


def test_a_flat_zip_bomb_is_refused_at_the_limit(tmp_path, monkeypatch):
    """22. Zip bomb: flat -> refused at the limit, bytes on disk bounded."""
    monkeypatch.setattr(archives, "SMALL_ARCHIVE_BYTES", 1 << 20)
    refused(zipped(tmp_path / "core.zip", [(f"{k}.dcm", b"\0" * (1 << 20)) for k in range(5)]), "archive-too-large")


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path, monkeypatch):
    """22. ... lying sizes -> refused, bytes on disk bounded."""
    monkeypatch.setattr(archives, "SMALL_ARCHIVE_BYTES", 1 << 20)
    path = zipped(tmp_path / "core.zip", [("a.dcm", b"\0" * (8 << 20))])
    data = path.read_bytes().replace((8 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(InputRefused) as caught:
        read(path)
    assert caught.value.code in {"archive-too-large", "archive-damaged", "nothing-readable"}


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    """22. ... a million entries -> refused at the limit."""
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    refused(zipped(tmp_path / "core.zip", [(f"{k}.dcm", b"") for k in range(60)]), "archive-too-large")


def test_a_nested_archive_is_not_opened(tmp_path):
    """22. Zip bomb: nested -> the inner archive is counted, never opened."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.dcm", b"x")
    path = zipped(tmp_path / "core.zip", [("inner.zip", inner.getvalue())])
    refused(path, "nothing-readable")
    assert inspect(path).skipped == 1


def test_a_damaged_archive_is_refused(tmp_path):
    folder = save(series(ramp()), tmp_path / "scan")
    path = zipped(tmp_path / "core.zip", [(p.name, p.read_bytes()) for p in folder.iterdir()])
    path.write_bytes(path.read_bytes()[:-60])
    refused(path, "archive-damaged")


def test_links_pipes_and_sockets_are_not_followed(tmp_path):
    """23. Symlink loop, link out of the root, FIFO, device -> not followed, finding, ends in seconds."""
    folder = save(series(ramp()), tmp_path / "scan")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "broken").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    here = Path.cwd()
    os.chdir(folder)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("sock")
    finally:
        os.chdir(here)
    volume = read(folder)
    assert volume.shape == (8, 12, 10)
    assert {"link", "not-a-file", "skipped"} <= {f.code for f in volume.findings}
    assert inspect(folder).skipped == 5


def test_a_pipe_or_an_absent_path_is_refused(tmp_path):
    """23. FIFO -> refused at once; a missing path says so."""
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not-a-file")
    refused(tmp_path / "nowhere", "not-found")


def test_device_nodes_are_not_opened(tmp_path):
    """23. ... device -> not followed, finding, ends in seconds: a disk's node is not read, an endless one not waited for."""
    folder = save(series(ramp()), tmp_path / "scan")
    try:
        os.mknod(folder / "zero.dcm", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        os.mknod(folder / "disk.dcm", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    except PermissionError:
        pytest.skip("only the superuser may make device nodes")
    (told,) = [f for f in read(folder).findings if f.code == "not-a-file"]
    assert set(told.files) == {"zero.dcm", "disk.dcm"}
    refused(folder / "zero.dcm", "not-a-file")


PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def as_anybody():
    """Give up the superuser's right to read what may not be read, for the program that is started next."""
    libc = ctypes.CDLL(None)
    for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, right, 0, 0, 0)


def inspected_by_anybody(path, words=("inspect",)):
    """Exit code of the command run without the superuser's rights, and what it prints as JSON."""
    command = [sys.executable, "-c", "from soilscope.cli.app import main; main()", *words, str(path), "--json"]
    drop = as_anybody if os.geteuid() == 0 else None
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=drop, check=False)
    return done.returncode, json.loads(done.stdout)


def test_what_may_not_be_read_is_told_or_refused_and_never_waited_for(tmp_path):
    """23. ... unreadable folder -> finding, ends in seconds; an unreadable file is perhaps a slice, and refuses."""
    if sys.platform != "linux":
        pytest.skip("giving up the superuser's rights is done in Linux's way")
    folder = save(series(ramp()), tmp_path / "scan")
    save(series(ramp()), folder / "closed")
    (folder / "closed").chmod(0)
    try:
        code, told = inspected_by_anybody(folder)
        assert code == 0
        assert [one["shape"] for one in told["series"]] == [[8, 12, 10]]
        assert "unreadable" in {found["code"] for found in told["findings"]}
        code, told = inspected_by_anybody(folder / "closed")
        assert (code, told["series"]) == (3, [])
        assert "unreadable" in {found["code"] for found in told["findings"]}
        (folder / "004.dcm").chmod(0)
        code, told = inspected_by_anybody(folder)
        assert (code, told["error"]["code"]) == (3, "unreadable")
        assert "004.dcm" in told["error"]["text"]
    finally:
        (folder / "closed").chmod(0o700)


@pytest.mark.parametrize(
    "name",
    ["core 7 ä", "コア", "🌱", unicodedata.normalize("NFD", "Rö"), "a\nb", "x" * 250, "-rf", "'; rm -rf ~", "%s{0}"],
)
def test_odd_names_give_the_same_volume(tmp_path, name):
    """24. Paths with spaces, umlauts, CJK, emoji, NFD/NFC, newline, 250 characters, leading dash -> same as ASCII."""
    plain = read(save(series(ramp()), tmp_path / "plain"))
    odd = read(save(series(ramp()), tmp_path / name, [f"{name[:200]}{k}" for k in range(8)]))
    assert np.array_equal(plain.values, odd.values)
    assert odd.spacing_mm == plain.spacing_mm


CANARIES = {
    "PatientName": "CANARY^NAME",
    "PatientID": "CANARYID",
    "PatientBirthDate": "19570401",
    "OperatorsName": "CANARY^OPERATOR",
    "InstitutionName": "CANARY-CLINIC",
    "StudyDescription": "CANARY<script>",
    "SeriesDescription": "CANARY=cmd|",
    "ProtocolName": "CANARY-PROTOCOL",
    "StationName": "CANARY-STATION",
    "AcquisitionDate": "20260317",
}


def everything(volume) -> str:
    return json.dumps([dict(volume.source), to_records(volume.findings), volume.core, repr(volume)], default=str)


def test_personal_tags_stop_here(tmp_path):
    """39. PatientName, birth date, operator, institution, private tags -> in no store, finding or traceback; UIDs re-keyed."""
    files = series(ramp(), series="1.2.840.99999.7", **CANARIES)
    for one in files:
        block = one.private_block(0x0011, "CANARY CREATOR", create=True)
        block.add_new(1, "LO", "CANARY PRIVATE")
    volume = read(save(files, tmp_path))
    text = everything(volume) + json.dumps(inspect(tmp_path).as_dict())
    for canary in ("CANARY", "19570401", "20260317", "1.2.840.99999.7"):
        assert canary not in text
    assert volume.source["tags"]["Manufacturer"] == "ACME"
    assert volume.source["tags"]["SliceThickness"] == 0.5
    assert volume.source["series"] == inspect(tmp_path).series[0].id


def test_errors_and_tracebacks_quote_no_personal_tag(tmp_path):
    """39. ... nor in a traceback, whichever way the files are broken."""
    bad_number = series(ramp(), **CANARIES)
    folder = save(bad_number, tmp_path / "a")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"-1024.0 ", b"CANARY  "))
    script = "import sys; from soilscope.ingest import read; read(sys.argv[1])"
    ran = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "rescale-invalid" in ran.stderr
    assert "CANARY" not in ran.stderr


def test_findings_and_errors_hold_names_but_no_folders(tmp_path):
    """39. File names are needed to act, the folders they lie in are not."""
    files = series(ramp(), first=4)
    folder = save(files[:3] + files[5:], tmp_path / "Mueller Hans")
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.files == ("002.dcm", "003.dcm")
    assert "Mueller" not in str(caught.value)
    assert "Mueller" not in everything(read(folder, on_gap="mark"))


def why_nothing(tmp_path, path):
    """What `read`, `inspect` and `init` say of a path at which no scan lies: the same."""
    with pytest.raises(InputRefused) as caught:
        read(path)
    assert caught.value.code == "nothing-readable"
    assert inspect(path).refusal.text == caught.value.text
    with pytest.raises(InputRefused) as of_init:
        study.draft(tmp_path / "study", path)
    assert of_init.value.text == caught.value.text
    return caught.value.text


def test_a_folder_of_linked_slices_is_refused_for_the_links(tmp_path):
    """23. Link out of the root -> not followed, finding: the refusal names it and the next step."""
    held = save(series(ramp()), tmp_path / "held")
    folder = tmp_path / "scan"
    folder.mkdir()
    for file in held.iterdir():
        (folder / file.name).symlink_to(file)
    text = why_nothing(tmp_path, folder)
    assert "(0 files looked at and skipped)" in text
    assert "8 symbolic links were not followed" in text
    assert "copy here what they lead to, or name the folder that holds it" in text


def test_an_archive_of_archives_is_refused_for_those_in_it(tmp_path):
    """22. Zip bomb: nested -> not opened, and the refusal names the archives inside and the next step."""
    folder = save(series(ramp()), tmp_path / "held")
    inner = zipped(tmp_path / "a.zip", [(p.name, p.read_bytes()) for p in folder.iterdir()])
    outer = zipped(tmp_path / "scan.zip", [(f"{name}.zip", inner.read_bytes()) for name in "abc"])
    text = why_nothing(tmp_path, outer)
    assert "Archives inside a folder or an archive are not opened (3 here, a.zip first)" in text
    assert "unpack the outer one and name one of them" in text
    beside = tmp_path / "beside"
    beside.mkdir()
    inner.rename(beside / "a.zip")
    assert "(1 here, a.zip); name one to have it read" in why_nothing(tmp_path, beside)


@pytest.mark.parametrize("words", [("inspect",), ("init", "study", "--cores")])
def test_a_folder_that_may_not_be_listed_is_refused_for_that(tmp_path, monkeypatch, words):
    """23. ... unreadable folder -> finding: where nothing else is there, the refusal names it and the next step."""
    if sys.platform != "linux":
        pytest.skip("giving up the superuser's rights is done in Linux's way")
    monkeypatch.chdir(tmp_path)
    closed = save(series(ramp()), tmp_path / "scan" / "closed")
    (tmp_path / "scan" / "notes.txt").write_text("dug on a rainy day")
    closed.chmod(0)
    try:
        for path in (tmp_path / "scan", closed):
            code, told = inspected_by_anybody(path, words)
            assert code == 3
            assert re.search("closed.* may not be listed|may not be listed .closed.", told["error"]["text"])
            assert "ask" in told["error"]["text"]
    finally:
        closed.chmod(0o700)
