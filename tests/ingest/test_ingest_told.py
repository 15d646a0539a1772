"""Refusals and findings name what they are about: files by their folders, scans by what tells them apart, ends by their share."""

from __future__ import annotations

import shutil
import struct

import numpy as np
import pytest
from dicom_files import ramp, save, series
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from soilscope import study
from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read


def soil(planes: int = 12, low: int = 100, seed: int = 0) -> np.ndarray:
    """Stored values of a scan whose slices look alike; none at an end of its range."""
    random = np.random.default_rng(seed)
    base = random.integers(low, 3000, (32, 30))
    return (base + random.integers(0, 100, (planes, 32, 30))).astype(np.uint16)


def refusal(path, **options) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    return caught.value


def two_in_folders(folder, second: dict, **more):
    """Two series in sub-folders ``a`` and ``b`` whose files have the same names."""
    save(series(soil(), **more), folder / "a")
    save(series(soil(seed=1), **more | second), folder / "b")
    return folder


def flat(scan):
    """The same files in one folder, which is one core's for a study."""
    for path in sorted(scan.rglob("*.dcm")):
        path.rename(scan / f"{path.parent.name}_{path.name}")
    return scan


def test_files_whose_names_repeat_are_named_with_their_folders(tmp_path):
    """7. Unequal spacing ... -> refuse, naming the first offender."""
    scan = two_in_folders(tmp_path / "scan", {"origin": (-5, -6, 100.2)})
    error = refusal(scan)
    assert error.code == "unequal-spacing"
    assert error.files == ("b/000.dcm", "a/001.dcm")
    assert "b/000.dcm and a/001.dcm lie 0.3 mm apart" in error.text
    (told,) = [f for f in inspect(scan).series[0].findings if f.severity == "refuse"]
    assert told.files == error.files


def test_in_an_archive_they_are_named_with_their_folders_too(tmp_path):
    two_in_folders(tmp_path / "scan", {"origin": (-5, -6, 100.2)})
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "scan")
    assert refusal(archive).files == ("scan/b/000.dcm", "scan/a/001.dcm")


def test_a_name_that_no_other_file_has_stands_alone(tmp_path):
    save(series(ramp())[:2], tmp_path / "a")
    save(series(ramp())[3:], tmp_path / "b", [f"{k}.dcm" for k in range(3, 8)])
    error = refusal(tmp_path)
    assert error.code == "gap"
    assert error.files == ("001.dcm", "3.dcm")
    assert "(001.dcm and 3.dcm)" in error.text


def test_a_damaged_file_is_named_with_its_folder(tmp_path):
    scan = two_in_folders(tmp_path, {"series": "1.2.3.5"})
    cut = tmp_path / "b" / "003.dcm"
    cut.write_bytes(cut.read_bytes()[:-7])
    (told,) = [f for one in inspect(scan).series for f in one.findings if f.severity == "refuse"]
    assert told.files == ("b/003.dcm",)
    assert told.text.startswith("b/003.dcm ends at byte")


def test_two_volumes_of_one_name_can_be_chosen(tmp_path):
    for k in range(2):
        (tmp_path / f"core{k}").mkdir()
        np.save(tmp_path / f"core{k}" / "v.npy", np.full((3, 4, 5), k, np.uint16))
    assert "core0/v.npy" in refusal(tmp_path, spacing_mm=(1, 1, 1)).text
    assert (read(tmp_path, series="core1/v.npy", spacing_mm=(1, 1, 1)).values == 1).all()


@pytest.mark.parametrize("differing", ["kernel", "acquisition", "folder", "uid"])
def test_several_scans_are_told_apart(tmp_path, differing):
    """4. ... ambiguity refuses and asks for the UID."""
    second, words = {
        "kernel": ({"ConvolutionKernel": "B31s"}, ("kernel B70s", "kernel B31s")),
        "acquisition": ({"AcquisitionNumber": 2}, ("AcquisitionNumber 1", "AcquisitionNumber 2")),
        "folder": ({"series": "1.2.3.5"}, ("folder a", "folder b")),
        "uid": ({"series": "1.2.3.5", "origin": (-5, -6, 200)}, ("z = 100.0 to 105.5 mm", "z = 200.0 to 205.5 mm")),
    }[differing]
    scan = two_in_folders(tmp_path / "scan", second)
    error = refusal(scan)
    assert error.code == "ambiguous-series"
    for word in words:
        assert error.text.count(word) == 1
    assert "UID" in error.text
    assert "1.2.3" not in error.text
    assert "0.5 mm thick" not in error.text
    words = ("a_000.dcm first", "b_000.dcm first") if differing == "folder" else words
    with pytest.raises(InputRefused) as caught:
        study.draft_plan(tmp_path / "study", flat(scan))
    assert all(word in caught.value.text for word in words)


def test_the_tags_of_two_kernels_under_one_uid_name_each_its_own(tmp_path):
    scan = two_in_folders(tmp_path, {"ConvolutionKernel": "B31s"})
    assert {one.tags["ConvolutionKernel"] for one in inspect(scan).series} == {"B70s", "B31s"}
    assert read(scan, series=inspect(scan).series[0].id).source["tags"]["ConvolutionKernel"] == "B31s"


def test_a_plan_is_drafted_by_a_series_uid_and_does_not_hold_it(tmp_path):
    """4. ... asks for the UID; 39. ... UIDs re-keyed."""
    scan = flat(two_in_folders(tmp_path / "scan", {"series": "1.2.3.5"}))
    plan = study.draft_plan(tmp_path / "study", scan, study.Asked(series="1.2.3.5"))
    assert plan.cores[0].series == next(
        one.id for one in inspect(scan).series if one.marks["file"] == "b_000.dcm first"
    )
    assert "1.2.3.5" not in repr(inspect(scan)) + str([one.as_dict() for one in inspect(scan).series])
    with pytest.raises(InputRefused) as caught:
        study.draft_plan(tmp_path / "study", scan, study.Asked(series="1.2.3.6"))
    assert caught.value.code == "no-such-series"


@pytest.mark.parametrize(
    ("kind", "intercept"), [(np.uint16, -1024), (np.uint16, -1000), (np.int16, 0), (np.int16, -1024)]
)
@pytest.mark.parametrize("count", [1, 5])
def test_few_voxels_at_the_floor_are_told(tmp_path, kind, intercept, count):
    """13. Stored int16 at 32767, uint16 at 0 ... -> exact HU, no wrap; clipped share reported."""
    stored = soil().astype(kind)
    floor = 0 if kind == np.uint16 else -1024 - intercept
    stored.reshape(-1)[7 : 7 + count] = floor
    volume = read(save(series(stored, RescaleIntercept=intercept), tmp_path))
    (told,) = [f for f in volume.findings if f.code == "at-floor"]
    assert told.severity == "note"
    assert f"{count} of {stored.size} voxels are at the lowest value, {floor + intercept} HU" in told.text


def test_a_lowest_value_that_is_no_floor_is_not_told(tmp_path):
    assert "at-floor" not in {f.code for f in read(save(series(soil()), tmp_path)).findings}


@pytest.mark.parametrize("moved", [[0], [6], [11], [3, 8]])
def test_a_slice_moved_sideways_is_no_tilt(tmp_path, moved):
    """7. ... differing on one slice -> refuse, naming the first offender."""
    files = series(soil())
    for k in moved:
        x, y, z = files[k].ImagePositionPatient
        files[k].ImagePositionPatient = [x + 0.4, y, z]
    error = refusal(save(files, tmp_path))
    assert error.code == "displaced-slice"
    assert error.files == tuple(f"{k:03d}.dcm" for k in moved)
    assert f"by 0.4 mm at z = {100 + 0.5 * moved[0]} mm" in error.text


@pytest.mark.parametrize("planes", [3, 4, 5, 6, 7, 9, 40])
@pytest.mark.parametrize("degrees", [1.0, 2.0, 15.0])
def test_a_tilt_is_no_slice_moved_sideways(tmp_path, planes, degrees):
    """6. Gantry tilt ... -> refuse from geometry alone."""
    lean = np.tan(np.radians(degrees))
    error = refusal(save(series(soil(planes), step=(0, 1.2 * lean, 1.2)), tmp_path))
    assert error.code == "tilt"


@pytest.mark.parametrize("numbers", ["one count after the other", "none"])
def test_two_scans_between_one_another_are_refused_by_inspect_as_by_read(tmp_path, numbers):
    """5. Two acquisitions under one SeriesInstanceUID -> split ... or refuse; never interleaved."""
    files = []
    for k in range(2):
        for one in series(soil() + np.uint16(300 * k), origin=(-5, -6, 100 + 0.25 * k), first=1 + 12 * k):
            if numbers == "none":
                del one.InstanceNumber
            files.append(one)
    scan = save(files, tmp_path / "scan")
    (one,) = inspect(scan).series
    assert not one.usable
    assert one.refusal.code == refusal(scan).code == "interleaved"
    assert inspect(scan, pixels=False).series[0].usable
    with pytest.raises(InputRefused, match="interleaved"):
        study.draft_plan(tmp_path / "study", scan)


def test_one_scan_numbered_in_turn_or_not_at_all_stays_usable(tmp_path):
    files = series(soil(24))
    for k, one in enumerate(files):
        one.InstanceNumber = 1 + k // 2 + 12 * (k % 2)
    (one,) = inspect(save(files, tmp_path / "a")).series
    assert one.usable
    for one in files:
        del one.InstanceNumber
    (one,) = inspect(save(files, tmp_path / "b")).series
    assert one.usable


def test_a_deflated_file_without_group_length_is_read(tmp_path):
    """19. Deflate bomb ... and what is none: PS3.10 7.1 asks for the group length, pydicom can do without."""
    stored = soil()
    files = series(stored)
    for k, one in enumerate(files):
        one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        one.save_as(tmp_path / f"{k}.dcm", enforce_file_format=False)
        data = (tmp_path / f"{k}.dcm").read_bytes()
        if data[128:132] != b"DICM":
            (tmp_path / f"{k}.dcm").write_bytes(bytes(128) + b"DICM" + data)
    assert "FileMetaInformationGroupLength" not in dcmread(tmp_path / "0.dcm").file_meta
    np.testing.assert_array_equal(read(tmp_path).values, stored.astype(int) - 1024)
    for at in (134, 150, 200):
        (tmp_path / "0.dcm").write_bytes(data[:at])
        assert refusal(tmp_path).code in ("file-damaged", "file-cut")


def nested(depth: int, *, known: bool, implicit: bool, tag: tuple[int, int]) -> bytes:
    """An element of sequences in one another, with their lengths or with delimiters."""
    body = b""
    for _ in range(depth):
        if known:
            body = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body
        else:
            body = (
                b"\xfe\xff\x00\xe0"
                + b"\xff" * 4
                + body
                + b"\xfe\xff\x0d\xe0"
                + bytes(4)
                + b"\xfe\xff\xdd\xe0"
                + bytes(4)
            )
        size = struct.pack("<I", len(body)) if known else b"\xff" * 4
        body = struct.pack("<HH", *tag) + (b"" if implicit else b"SQ\0\0") + size + body
    return body


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("depth", [3, 400])
def test_sequences_in_one_another_are_refused_whether_their_lengths_are_known_or_not(tmp_path, depth, known, implicit):
    """19. ... 400-deep sequence ... -> one finding within the time and memory cap."""
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    files = series(ramp())
    for one in files:
        one.file_meta.TransferSyntaxUID = syntax
    save(files, tmp_path)
    bare = files[3].SOPInstanceUID.encode()
    path = tmp_path / "003.dcm"
    data = path.read_bytes()
    at = data.rindex(bare) + len(bare) + len(bare) % 2  # behind (0008,0018)
    path.write_bytes(data[:at] + nested(depth, known=known, implicit=implicit, tag=(0x0008, 0x0051)) + data[at:])
    if depth == 3:
        assert read(tmp_path).shape == ramp().shape
        return
    error = refusal(tmp_path)
    assert (error.code, error.files) == ("file-damaged", ("003.dcm",))
    assert "sequences within sequences" in error.text


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_long_sequence_is_not_a_deep_one(tmp_path, syntax):
    files = series(ramp())
    for one in files:
        one.file_meta.TransferSyntaxUID = syntax
        one.ReferencedImageSequence = [Dataset() for _ in range(500)]
        for item in one.ReferencedImageSequence:
            item.ReferencedSOPInstanceUID = "1.2.3"
        one["PixelData"].VR = "OW"
        if syntax == ExplicitVRBigEndian:
            one.PixelData = np.frombuffer(one.PixelData, "<i2").astype(">i2").tobytes()
    np.testing.assert_array_equal(read(save(files, tmp_path)).values, ramp() - 1024)
