"""What lies beside the slices of a scan, listed by its kind and never taken for one (FAULTS 4, 10)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from dicom_files import ramp, save, series, slice_dataset
from imagecodecs import png_encode
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from typer.testing import CliRunner

from soilscope.cli.app import app
from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read
from soilscope.study import Asked, draft_plan

DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"
MR, SECONDARY = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"


def report(uid="1.2.9", modality="SR", storage=DOSE_REPORT) -> Dataset:
    """A structured report: no rows, no pixels."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = storage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.SeriesInstanceUID, made.Modality, made.PatientName = uid, modality, "CANARY"
    return made


def screenshot(uid="1.2.8") -> Dataset:
    made = slice_dataset(ramp()[0], (0, 0, 0), series=uid, SOPClassUID=SECONDARY, Modality="OT")
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = bytes(made.Rows * made.Columns * 3)
    return made


def ran(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    return getattr(done.exception, "exit_code", done.exit_code), done.output, done.stdout


def test_reports_pictures_and_another_modality_are_listed_by_kind_and_number(tmp_path):
    """4. Two series ..., a scout and a dose sheet in one folder -> listed as separate candidates; the scout is never picked."""
    scout = slice_dataset(ramp()[0], (0, 0, 0), series="1.2.7", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    other = series(ramp(), series="1.2.6", SOPClassUID=MR, Modality="MR")
    beside = [report(), report(), screenshot(), scout, *other]
    folder = save([*series(ramp()), *beside], tmp_path / "scan")
    found = inspect(folder)
    listed = sorted((s.kind, s.objects, s.is_scan, s.usable, s.refusal and s.refusal.code) for s in found.series)
    assert listed == [
        ("CT Image Storage", 8, True, True, None),
        ("MR Image Storage", 8, False, False, "not-ct"),
        ("Secondary Capture Image Storage", 1, False, False, "not-an-image"),
        ("X-Ray Radiation Dose SR Storage", 2, False, False, "not-an-image"),
        ("scout", 1, False, False, "scout"),
    ]
    (sheet,) = [s for s in found.series if "Dose" in s.kind]
    assert "2 objects of modality SR (X-Ray Radiation Dose SR Storage; 008.dcm first): not a scan" in sheet.refusal.text
    assert found.skipped == 0
    volume = read(folder)
    np.testing.assert_array_equal(volume.values, ramp().astype(int) - 1024)
    (told,) = [f for f in volume.findings if f.code == "other-series"]
    assert "X-Ray Radiation Dose SR Storage, not a scan" in told.text
    code, words, _ = ran("inspect", folder)
    assert code == 0
    assert "2 objects in DICOM, X-Ray Radiation Dose SR Storage: not a scan." in words
    assert "CANARY" not in words + json.dumps(found.as_dict())
    (core,) = draft_plan(tmp_path / "study", folder).cores
    assert read(folder, series=core.series).shape == ramp().shape
    with pytest.raises(InputRefused) as caught:
        read(folder, series=sheet.id)
    assert caught.value.code == "not-an-image"


def test_a_folder_of_reports_alone_holds_nothing_to_read_and_says_what_it_holds(tmp_path):
    """17. ... no readable slice at all -> refuse; told with what is there instead, as one JSON object."""
    folder = save([report(), report("1.2.10", "PR", "1.2.840.10008.5.1.4.1.1.11.1")], tmp_path / "scan")
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code == "nothing-readable"
    assert "1 of X-Ray Radiation Dose SR Storage, not a scan" in caught.value.text
    code, _, out = ran("inspect", folder, "--json")
    (told,) = map(json.loads, out.splitlines())
    assert (code, told["error"]["code"], len(told["series"])) == (3, "nothing-readable", 2)
    assert ran("init", tmp_path / "study", "--cores", folder)[0] == 3


@pytest.mark.parametrize("storage", [MR, "1.2.840.10008.5.1.4.1.1.2"])
def test_an_mr_slice_under_the_series_uid_is_named_not_only_the_gap_it_leaves(tmp_path, storage):
    """10. Modality ≠ CT (MR in CT class) -> refuse, by the name of the slice."""
    files = series(ramp())
    files[4].Modality, files[4].SOPClassUID = "MR", storage
    folder = save(files, tmp_path / "scan")
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code == "gap"
    assert "1 slice missing" in caught.value.text
    assert "004.dcm, under the same series UID but no CT slice (modality 'MR'" in caught.value.text
    assert "004.dcm" in caught.value.files


def test_an_mr_slice_beyond_the_scan_is_left_out_and_told(tmp_path):
    stranger = slice_dataset(ramp()[0], (-5, -6, 110), number=30, SOPClassUID=MR, Modality="MR")
    volume = read(save([*series(ramp()), stranger], tmp_path / "scan"))
    assert volume.shape == ramp().shape
    (told,) = [f for f in volume.findings if f.code == "mixed-modality"]
    assert told.severity == "warning"
    assert "008.dcm" in told.text
    assert told.files == ("008.dcm",)


@pytest.mark.parametrize("content", ["nothing", "notes", "a cut slice"])
def test_a_path_without_a_scan_is_one_json_object_with_its_error_and_the_next_step(tmp_path, content):
    """17. ... no readable slice at all -> refuse: typed error, stable code, names the files and the next step."""
    folder = tmp_path / "scan"
    folder.mkdir()
    if content == "notes":
        (folder / "notes.txt").write_text("dug on a rainy day")
    if content == "a cut slice":
        save(series(ramp()[:1]), folder)
        (folder / "000.dcm").write_bytes((folder / "000.dcm").read_bytes()[:-100])
    for words in (("inspect", folder), ("init", tmp_path / "study", "--cores", folder)):
        code, _, out = ran(*words, "--json")
        assert code == 3
        if words[0] == "inspect":
            (told,) = map(json.loads, out.splitlines())
            assert told["error"]["code"] == ("file-cut" if content == "a cut slice" else "nothing-readable")
            assert told["error"]["files"]
            assert "copy" in told["error"]["text"] or "name the folder" in told["error"]["text"]
            assert told["series"] == []
    assert not (tmp_path / "study").exists()


def colour(path):
    """A screenshot."""
    path.write_bytes(png_encode(np.zeros((40, 60, 3), np.uint8)))


def montage(path):
    """Our own picture of the scan, put into the same folder."""
    made = path.parent.parent / path.name
    assert ran("inspect", path.parent, "--montage", made)[0] == 0
    made.rename(path)


def photo(path):
    path.write_bytes(png_encode(np.zeros((40, 60), np.uint8)))


def page(path):
    tifffile.imwrite(path, np.zeros((40, 60), np.uint16))


def line(path):
    np.save(path, np.zeros(3))


@pytest.mark.parametrize(
    ("name", "write"), [("m.png", colour), ("m.png", montage), ("m.png", photo), ("m.tif", page), ("m.npy", line)]
)
def test_pictures_and_arrays_that_are_no_volume_are_not_in_the_running(tmp_path, name, write):
    """4. ... never picked by themselves: a picture beside a scan is listed, and `read`, `inspect` and `init` take the scan."""
    folder = save(series(ramp()), tmp_path / "scan")
    write(folder / name)
    volume = read(folder)
    np.testing.assert_array_equal(volume.values, ramp().astype(int) - 1024)
    (told,) = [f for f in volume.findings if f.code == "other-series"]
    assert name in told.text
    listed = {s.id: s.is_scan for s in inspect(folder).series}
    assert listed.pop(name) is False
    assert set(listed.values()) == {True}
    (core,) = draft_plan(tmp_path / "study", folder).cores
    assert core.series in listed


def test_a_picture_does_not_stand_in_for_a_scan_that_is_refused(tmp_path):
    """1. Gap -> refuse: a photo that could be read as one slice does not take the place of the scan."""
    slices = series(ramp())
    folder = save([*slices[:3], *slices[4:]], tmp_path / "scan")
    photo(folder / "photo.png")
    for taken in (
        lambda: read(folder, spacing_mm=(1, 1, 1)),
        lambda: draft_plan(tmp_path / "study", folder, Asked((1.0, 1.0, 1.0))),
    ):
        with pytest.raises(InputRefused) as caught:
            taken()
        assert caught.value.code == "gap"


def test_a_lone_picture_is_read_and_two_volumes_stay_ambiguous(tmp_path):
    """4. ... ambiguity refuses and asks for the id."""
    (tmp_path / "one").mkdir()
    photo(tmp_path / "one" / "m.png")
    assert read(tmp_path / "one", spacing_mm=(1, 1, 1)).shape == (1, 40, 60)
    folder = save(series(ramp()), tmp_path / "two")
    tifffile.imwrite(folder / "m.tif", np.zeros((4, 40, 60), np.uint16), photometric="minisblack")
    with pytest.raises(InputRefused) as caught:
        read(folder)
    assert caught.value.code == "ambiguous-series"


def test_a_single_slice_as_large_as_a_stacks_may_be_one_of_it(tmp_path):
    """1. Last slice removed ...: one that was renamed or lies in another folder is not left out in silence."""
    for k in range(5):
        tifffile.imwrite(tmp_path / f"s{k}.tif", np.zeros((40, 60), np.uint16))
    (tmp_path / "rest").mkdir()
    page(tmp_path / "rest" / "s5.tif")
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, spacing_mm=(1, 1, 1))
    assert caught.value.code == "ambiguous-series"
