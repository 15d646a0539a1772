"""What readers must survive, line by line of FAULTS; variants beside the tests in tests/ingest."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from itertools import permutations

import numpy as np
import pytest
from dicom_files import save, series
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from typer.testing import CliRunner

import soilscope as ss
from soilscope import ingest
from soilscope.cli.app import app
from soilscope.errors import InputRefused
from soilscope.ingest import archives
from soilscope.volume import read_store

SHAPE = (8, 24, 24)


def soil(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3000, SHAPE).astype(np.int16)


def status(*words: object) -> int:
    """The exit code of a command."""
    ran = CliRunner().invoke(app, [str(word) for word in words])
    return getattr(ran.exception, "exit_code", ran.exit_code)


def refused(path, **options) -> str:
    """The code with which all ways of looking at a path refuse it; nothing is published."""
    with pytest.raises(InputRefused) as caught:
        ss.read(path, **options)
    study = path.parent / "study"
    assert status("init", study, "--cores", path) == 3
    assert not study.exists()
    return caught.value.code


@pytest.mark.parametrize("numbers", [range(1, 9), range(9, 17), range(16, 8, -1)])
def test_two_acquisitions_half_a_step_apart_are_told_by_their_numbers(tmp_path, numbers):
    """5. Two acquisitions under one SeriesInstanceUID -> split by AcquisitionNumber/time or refuse; never interleaved."""
    first, second = series(soil()), series(soil(1), origin=(-5, -6, 100.25))
    for one, number in zip(second, numbers, strict=True):
        one.InstanceNumber = number
    for one in first + second:
        del one.AcquisitionNumber
    assert refused(save(first + second, tmp_path / "scan")) == "interleaved"


@pytest.mark.parametrize("order", [range(8), range(7, -1, -1), [3, 0, 7, 2, 5, 1, 6, 4]])
def test_one_acquisition_is_not_taken_for_two(tmp_path, order):
    """9. File names, order and InstanceNumber shuffled or reversed -> bit-identical volume."""
    slices = series(soil())
    for one, number in zip(slices, order, strict=True):
        one.InstanceNumber = number + 1
    read = ss.read(save(slices, tmp_path / "scan"))
    np.testing.assert_array_equal(read.values, soil() - 1024)


@pytest.mark.parametrize("numbers", [range(1, 5), (4, 3, 2, 1), range(5, 9)])
def test_numbers_that_repeat_tell_two_acquisitions_apart_whatever_the_acquisition_is_called(tmp_path, numbers):
    """5. Two acquisitions under one SeriesInstanceUID -> ... refuse; never interleaved."""
    first, second = series(soil()[:4]), series(soil(1)[:4], origin=(-5, -6, 100.25))
    for one, number in zip(second, numbers, strict=True):
        one.InstanceNumber = number
    folder = save(first + second, tmp_path / "scan")
    if set(numbers) & {1, 2, 3, 4}:
        assert refused(folder) == "interleaved"
    else:
        assert ss.read(folder).shape[0] == 8


@pytest.mark.parametrize("acquisition", [1, None])
def test_numbers_of_few_slices_may_come_in_any_order(tmp_path, acquisition):
    """9. File names, order and InstanceNumber shuffled or reversed -> bit-identical volume."""
    for order in (*permutations(range(4)), (0, 3, 1, 4, 2, 5), (0, 2, 4, 1, 3, 5), (5, 2, 4, 1, 3, 0), (0, 2, 1, 3)):
        slices = series(soil()[: len(order)], AcquisitionNumber=acquisition)
        for one, number in zip(slices, order, strict=True):
            one.InstanceNumber = number + 1
        read = ss.read(save(slices, tmp_path / "-".join(map(str, order))))
        np.testing.assert_array_equal(read.values, soil()[: len(order)] - 1024)


@pytest.mark.parametrize(("step", "off", "passes"), [(0.02, 0.0003, False), (0.01, 0.00005, True), (0.6, 0.005, True)])
def test_one_hundredth_of_the_step_is_the_tolerance_whatever_the_step(tmp_path, step, off, passes):
    """7. Unequal spacing ... on one slice -> refuse, naming the first offender; 1 % tolerance recorded."""
    slices = series(np.repeat(soil(), 2, axis=0))
    for k, one in enumerate(slices):
        one.ImagePositionPatient = [0, 0, f"{step * k + (off if k == 5 else 0.0):.6f}"]
    folder = save(slices, tmp_path / "scan")
    if passes:
        assert ss.read(folder).spacing_mm[0] == pytest.approx(step, rel=1e-6)
    else:
        assert refused(folder) == "unequal-spacing"


@pytest.mark.parametrize(("turn", "passes"), [(1e-4, False), (1e-5, False), (5e-7, True)])
def test_a_slice_whose_orientation_moves_its_corner_is_refused(tmp_path, turn, passes):
    """8. Corner invariant: every slice corner from the grid equals the header's within 1e-3 mm."""
    slices = series(np.zeros((6, 64, 512), np.int16), PixelSpacing=[0.8, 0.8])
    slices[3].ImageOrientationPatient = [1, turn, 0, -turn, 1, 0]
    folder = save(slices, tmp_path / "scan")
    if passes:
        assert ss.read(folder).shape == (6, 64, 512)
    else:
        assert refused(folder) == "mixed-orientation"


@pytest.mark.parametrize("acquisition", [1, None])
@pytest.mark.parametrize("numbered", ["in turn", "by position", "not at all"])
@pytest.mark.parametrize("planes", [6, 24])
def test_scans_between_one_another_are_told_apart_by_the_times_of_their_slices(tmp_path, acquisition, numbered, planes):
    """5. Two acquisitions under one SeriesInstanceUID -> refuse, though each slice has a time of its own, however numbered."""
    slices = series(np.repeat(soil(), 3, axis=0)[:planes], AcquisitionNumber=acquisition)
    for place, one in enumerate(slices):
        turn, second = place % 2, place // 2
        one.InstanceNumber = 1 + second + turn * len(slices) // 2 if numbered == "in turn" else 1 + place
        if numbered == "not at all":
            del one.InstanceNumber
        one.AcquisitionTime = f"1{turn}10{second:02d}"
    assert refused(save(slices, tmp_path / "apart")) == "interleaved"
    for place, one in enumerate(slices):
        one.AcquisitionTime = f"1010{place:02d}"
    assert ss.read(save(slices, tmp_path / "one")).shape[0] == planes


@pytest.mark.parametrize("planes", [4, 7, 10, 11, 24])
def test_odd_numbers_first_do_not_matter_in_one_acquisition(tmp_path, planes):
    """9. ... bit-identical volume; that two scans between one another would be numbered so is told where it is no chance."""
    stored = np.random.default_rng(0).integers(0, 3000, (planes, 24, 24)).astype(np.int16)
    slices = series(stored)
    for number, k in enumerate([*range(0, planes, 2), *range(1, planes, 2)]):
        slices[k].InstanceNumber = number + 1
    read = ss.read(save(slices, tmp_path / "scan"))
    np.testing.assert_array_equal(read.values, stored - 1024)
    assert ("numbers-alternate" in {f.code for f in read.findings}) == (planes >= 10)


@pytest.mark.parametrize("declared", ["right", "wrong", "absent"])
@pytest.mark.parametrize("angle", [5, 15])
@pytest.mark.parametrize(("planes", "step"), [(8, 0.5), (3, 0.1), (2, 0.05)])
def test_a_tilt_is_refused_however_short_the_stack(tmp_path, angle, declared, planes, step):
    """6. Gantry tilt 5°/15°, with tag (0018,1120) right, wrong and absent -> refuse from geometry alone."""
    turned = (1, 0, 0, 0, np.cos(np.radians(angle)), np.sin(np.radians(angle)))
    slices = series(soil()[:planes], step=(0, 0, step), orientation=turned, SliceThickness=step)
    for one in slices if declared != "absent" else ():
        one.GantryDetectorTilt = angle if declared == "right" else 0
    assert refused(save(slices, tmp_path / "scan")) == "tilt"


@pytest.mark.parametrize("step", [0.2, 0.25, 0.5, 1.0])
def test_two_percent_of_a_step_are_too_much_and_half_a_percent_is_recorded(tmp_path, step):
    """7. Unequal spacing -> refuse, naming the first offender; 1 % tolerance recorded."""
    for share, accepted in ((0.02, False), (0.0075, True)):
        slices = series(soil(), step=(0, 0, step), SliceThickness=step)
        place = [float(v) for v in slices[4].ImagePositionPatient]
        slices[4].ImagePositionPatient = [*place[:2], f"{place[2] + share * step:.6f}"]
        folder = save(slices, tmp_path / f"scan{share}")
        if accepted:
            assert "spacing-jitter" in {f.code for f in ss.read(folder).findings}
        else:
            with pytest.raises(InputRefused, match=r"003\.dcm and 004\.dcm") as caught:
                ss.read(folder)
            assert caught.value.code == "unequal-spacing"


@pytest.mark.parametrize(("signed", "declared"), [(False, 63536), (True, -3000)])
def test_padding_beyond_the_stored_bits_is_masked(tmp_path, signed, declared):
    """14. Padding -2000 signed, 63536 mis-signed ... -> masked before rescale; padding tested on *stored* values."""
    stored = (soil() % 2000).astype(np.int16 if signed else np.uint16)
    stored[:, :4] = declared
    slices = series(stored, BitsStored=12, HighBit=11)
    for one in slices:
        one.add_new(0x00280120, "SS" if signed else "US", declared)
    read = ss.read(save(slices, tmp_path / "scan"))
    assert not read.valid[:, :4].any()
    assert read.valid[:, 4:].all()
    np.testing.assert_array_equal(read.values[:, 4:], stored[:, 4:].astype(int) - 1024)


def test_an_undeclared_ring_is_masked_although_something_stands_in_its_corners(tmp_path):
    """14. ... undeclared -3024 ring -> masked before rescale and excluded from classes and porosity."""
    stored = soil()
    y, x = np.mgrid[:24, :24]
    ring = np.hypot(y - 11.5, x - 11.5) > 11
    stored[:, ring] = -2000
    ring[[0, 0, -1, -1], [0, -1, 0, -1]] = False
    stored[:, [0, 0, -1, -1], [0, -1, 0, -1]] = 0
    read = ss.read(save(series(stored), tmp_path / "scan"))
    np.testing.assert_array_equal(read.valid, np.broadcast_to(~ring, SHAPE))


@pytest.mark.parametrize("bytes_left", [1, 50, 128, 130, 131, 140, 300])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_header_cut_anywhere_refuses_the_series(tmp_path, bytes_left, place):
    """16. File cut in header ... -> refuse (probe: header cut reads as 2 elements)."""
    folder = save(series(soil()), tmp_path / "scan")
    file = folder / f"{place:03d}.dcm"
    file.write_bytes(file.read_bytes()[:bytes_left])
    assert refused(folder) in ("file-cut", "file-damaged")


def test_an_empty_slice_is_named_and_counted(tmp_path):
    """17. Zero-length file ... in the folder -> skipped and *counted*."""
    folder = save(series(soil()), tmp_path / "scan")
    (folder / "007.dcm").write_bytes(b"")
    found = ingest.inspect(folder)
    assert found.skipped == 1
    (told,) = [f for f in ss.read(folder).findings if f.code == "empty-file"]
    assert told.files == ("007.dcm",)


@pytest.mark.parametrize("content", ["nothing", "notes"])
def test_a_folder_of_nothing_readable_is_exit_code_3(tmp_path, content):
    """17. ... no readable slice at all -> refuse."""
    folder = tmp_path / "scan"
    folder.mkdir()
    if content == "notes":
        (folder / "notes.txt").write_text("dug on a rainy day")
    assert refused(folder) == "nothing-readable"
    assert status("inspect", folder, "--json") == 3


def packed(folder, extra):
    """A zip of a folder's files and one more member."""
    path = folder.parent / "scan.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        archive.writestr(extra, b"x")
    return path


@pytest.mark.parametrize("name", ["./000.dcm", "000.dcm/in", "a/.././../evil", "C:evil", "000.DCM"])
def test_members_that_collide_refuse_the_whole_archive(tmp_path, name):
    """21. Zip with ... duplicate or case-colliding names -> whole archive refused, nothing outside the target."""
    path = packed(save(series(soil()), tmp_path / "scan"), name)
    before = sorted(tmp_path.rglob("*"))
    assert refused(path) == "archive-unsafe"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_of_too_many_entries_is_refused_before_they_are_listed(tmp_path, monkeypatch):
    """22. Zip bomb: ... a million entries -> refused at the limit, bytes on disk bounded."""
    path = packed(save(series(soil()), tmp_path / "scan"), "one-more")
    monkeypatch.setattr(archives, "MOST_MEMBERS", 8)
    monkeypatch.setattr(
        archives.zipfile, "ZipFile", None
    )  # listing them would be an AttributeError, and archive-damaged
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code == "archive-too-large"


def test_a_tar_header_that_lies_about_its_length_is_refused_unread(tmp_path):
    """22. Zip bomb: ... lying sizes -> refused at the limit."""
    path = tmp_path / "scan.tar.gz"
    header = tarfile.TarInfo("names")
    header.type, header.size = tarfile.XHDTYPE, 1 << 34
    with gzip.open(path, "wb") as stream:
        stream.write(header.tobuf() + bytes(1 << 20))
    with pytest.raises(InputRefused) as caught:
        ss.read(path)
    assert caught.value.code == "archive-damaged"


def test_a_claim_far_beyond_the_files_size_is_refused_before_memory_is_asked_for(tmp_path):
    """19. ... one finding within the time and memory cap; 22. lying sizes."""
    path = tmp_path / "core.mha"
    path.write_bytes(
        b"ObjectType = Image\nNDims = 3\nDimSize = 2000 2000 2000\nElementType = MET_SHORT\nElementSpacing = 1 1 1\n"
        b"CompressedData = True\nElementDataFile = LOCAL\n" + bytes(100)
    )
    assert refused(path) == "too-large"


def test_init_follows_no_link_and_opens_no_pipe(tmp_path):
    """23. Symlink loop, link out of the root, FIFO ... -> not followed, finding, ends in seconds."""
    cores = tmp_path / "cores"
    save(series(soil()), cores / "one")
    (cores / "loop").symlink_to(cores)
    ran = CliRunner().invoke(app, ["init", str(tmp_path / "study"), "--cores", str(cores), "--json"])
    assert ran.exit_code == 0
    assert '"cores": ["one"]' in ran.stdout
    (tmp_path / "elsewhere").mkdir()
    os.mkfifo(tmp_path / "elsewhere" / "pipe")
    assert refused(tmp_path / "elsewhere" / "pipe") == "not-a-file"


ODD = [
    *("a b", "ümlaut", "核", "🪱", "e\u0301", "new\nline", "-dash", "--json"),
    *("x" * 250, "{{7*7}}", "=cmd|calc", "\x1b[31m", "\u202egnp"),
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_taken_into_a_study_as_any_other(tmp_path, name):
    """24. Paths with spaces, umlauts, CJK, emoji, NFD/NFC, newline, 250 characters, leading dash -> same result as ASCII."""
    folder = save(series(soil()), tmp_path / name)
    study = tmp_path / "study"
    assert status("init", study, "--cores", folder) == 0
    assert status("run", study, "--until", "import") == 0
    kept = read_store(next((study / "cores").iterdir()))
    np.testing.assert_array_equal(kept.values[kept.valid], ss.read(folder).values[kept.valid])


def test_a_name_that_is_no_text_is_refused_by_init(tmp_path):
    """24. ... same result as ASCII, or a typed error."""
    folder = save(series(soil()), tmp_path / os.fsdecode(b"bad\xff"))
    ran = CliRunner().invoke(app, ["init", str(tmp_path / "study"), "--cores", str(folder)])
    assert ran.exception.code == "name-not-text"


def test_burned_in_text_is_told(tmp_path):
    """39. ... burned-in canaries: what the header declares to stand in the pixels is a finding."""
    read = ss.read(save(series(soil(), BurnedInAnnotation="YES"), tmp_path / "scan"))
    assert "burned-in" in {f.code for f in read.findings}


def test_units_stated_to_init_reach_the_plan_and_the_findings(tmp_path):
    """10. ... units not HU -> refuse; override named and stamped on every output."""
    folder = save(series(soil(), RescaleType="US"), tmp_path / "scan")
    study = tmp_path / "study"
    assert status("init", study, "--cores", folder) == 3
    assert status("init", study, "--cores", folder, "--units", "grey") == 0
    assert status("run", study, "--until", "import") == 0
    kept = ss.read(next((study / "cores").iterdir()))
    assert kept.units == "grey"
    assert "units-asserted" in {f.code for f in kept.findings}


def test_a_damaged_dicomdir_is_not_even_opened(tmp_path):
    """17. ... DICOMDIR in the folder -> skipped and *counted*; 18: ignored, only found files are read."""
    folder = save(series(soil()), tmp_path / "scan")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + b"x" * 50)
    assert ingest.inspect(folder).skipped == 1
    np.testing.assert_array_equal(ss.read(folder).values, soil() - 1024)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.55"])
def test_a_syntax_nobody_decodes_is_told_before_anything_is_read(tmp_path, syntax):
    """15. ... decoder absent -> refuse, naming transfer syntax: `inspect` and `init` say it as well as reading does."""
    slices = series(soil())
    for one in slices:
        one.file_meta.TransferSyntaxUID = UID(syntax)
        one.PixelData = encapsulate([b"\0" * 400])
        one["PixelData"].VR = "OB"
    folder = save(slices, tmp_path / "scan")
    (found,) = ingest.inspect(folder).series
    assert not found.usable
    assert any(f.code == "syntax-unsupported" and syntax in f.text for f in found.findings)
    assert refused(folder) == "syntax-unsupported"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.9.9.9", "1.2.840.113619.5.2", "1.2.840.10008.1.2.5"])
def test_plain_pixels_under_a_syntax_of_another_kind_are_not_guessed(tmp_path, syntax):
    """15. ... refuse, naming transfer syntax: one that nobody knows, or of compressed pixels, is not read as little endian."""
    folder = save(series(soil()), tmp_path / "scan")
    file = folder / "003.dcm"
    data, usual = file.read_bytes(), b"UI\x14\x001.2.840.10008.1.2.1\0"
    named = syntax.encode() + b"\0" * (len(syntax) % 2)
    at = data.index(usual)
    length = int.from_bytes(data[140:144], "little") + len(named) - 20
    head = data[:140] + length.to_bytes(4, "little") + data[144:at]
    file.write_bytes(head + b"UI" + len(named).to_bytes(2, "little") + named + data[at + len(usual) :])
    (found,) = ingest.inspect(folder).series
    (told,) = [f for f in found.findings if f.severity == "refuse"]
    assert told.files == ("003.dcm",)
    assert syntax in told.text
    assert refused(folder) == "syntax-unsupported"


def test_deep_nesting_is_one_finding(tmp_path):
    """19. ... 400-deep sequence ... -> one finding within the time and memory cap."""
    folder = save(series(soil()), tmp_path / "scan")
    file, depth = folder / "003.dcm", 400
    data = file.read_bytes()
    at = data.index(b"\x08\x00\x70\x00LO")
    opened = b"\x08\x00\x15\x11SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4
    closed = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
    file.write_bytes(data[:at] + opened * depth + closed * depth + data[at:])
    assert refused(folder) == "file-damaged"
    assert [f.files for f in ingest.inspect(folder).series[0].findings if f.severity == "refuse"] == [("003.dcm",)]
