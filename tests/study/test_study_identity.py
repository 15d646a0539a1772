"""The id of a core: from its folder, its file, or the one tag the user chose; no other value of a header passes."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from soilscope import ingest, phantoms, study
from soilscope.cli import init
from soilscope.cli.app import app
from soilscope.errors import InputRefused
from soilscope.study import Asked, draft_plan
from soilscope.volume import read_store


def scan(folder, **tags):
    """A phantom's series, its headers changed."""
    phantoms.write(phantoms.make("sandy", shape=(10, 40, 40)), folder)
    return change(folder, range(10), **tags)


def change(folder, which, **tags):
    files = sorted((folder / "dicom").iterdir())
    for k in which:
        one = pydicom.dcmread(files[k])
        for name, value in tags.items():
            setattr(one, name, value)
        one.save_as(files[k])
    return folder


def ran(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def status(done) -> int:
    return getattr(done.exception, "exit_code", done.exit_code)


def drafted(cores, tag):
    return [core.id for core in draft_plan(cores.parent / "study", cores, Asked(id_from=tag)).cores]


def refused(cores, tag, code) -> str:
    with pytest.raises(InputRefused) as caught:
        drafted(cores, tag)
    assert caught.value.code == code
    assert "CANARY" not in str(caught.value) + str(caught.value.files)
    assert status(ran("init", cores.parent / "study", "--cores", cores, "--id-from", tag)) == 3
    assert not (cores.parent / "study").exists()
    return caught.value.text


@pytest.mark.parametrize(
    ("tag", "value", "wanted"),
    [
        ("PatientID", "Plot 7/B", "Plot-7-B"),
        ("PatientName", "Müller^Süd", "Müller-Süd"),
        ("PatientName", "Sen^Lin=森林", "Sen-Lin"),
        ("AccessionNumber", "  A12 ", "A12"),
        ("PatientID", "S=1", "S-1"),
        ("StudyDescription", "=a^b=c", "a-b-c"),
        ("StudyID", "../../etc/passwd", "etc-passwd"),
        ("StudyDescription", "<script>x</script>", "script-x-script"),
        ("SeriesDescription", "森林\u202e", "森林"),
    ],
)
def test_the_id_is_the_chosen_tag_made_safe_as_a_name(tmp_path, tag, value, wanted):
    """Limits of geometry: one explicit choice of where the core's id comes from. 38: odd tags are inert in names."""
    cores = scan(tmp_path / "cores", SpecificCharacterSet="ISO_IR 192", **{tag: value})
    assert drafted(cores, tag) == [wanted]


def test_every_tag_on_offer_is_the_lists():
    assert {*init.SOURCES, *ingest.ID_TAGS} == set(init.Source.__args__)


def test_only_the_chosen_tag_reaches_the_study(tmp_path):
    """39. PatientName, ... -> in no report, store, log, traceback, plan (grep of every output byte); the id alone passes."""
    others = {tag: f"CANARY{k}" for k, tag in enumerate(ingest.ID_TAGS)} | {"PatientID": "Plot 7"}
    cores = scan(tmp_path / "cores", OperatorsName="CANARY^OP", **others)
    folder = tmp_path / "study"
    told = [ran("inspect", cores, *way).output for way in ((), ("--json",))]
    made = ran("init", folder, "--cores", cores, "--id-from", "PatientID", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["id_from"] == "PatientID"
    (core,) = study.read_plan(folder).cores
    assert core.id == "Plot-7"
    assert study.run(folder, study.steps_until("measure")).failures == ()
    assert read_store(folder / "cores" / "Plot-7.zarr").core == "Plot-7"
    written = [p.read_bytes() for p in folder.rglob("*") if p.is_file()]
    assert not any(b"CANARY" in content for content in written)
    assert not any("CANARY" in words for words in (*told, made.output))


def test_init_says_where_the_ids_come_from_and_inspect_which_tags_are_filled(tmp_path):
    cores = scan(tmp_path / "cores", PatientID="CANARY7", PatientName="", StudyID="  ", AccessionNumber="x")
    (series, _) = json.loads(ran("inspect", cores, "--json").stdout)["series"]
    assert {"PatientID", "AccessionNumber"} <= set(series["id_tags"])
    assert not {"PatientName", "StudyID"} & set(series["id_tags"])
    words = ran("inspect", cores).output
    assert "PatientID" in words
    assert "CANARY7" not in words
    assert (
        "ids from the tag PatientID"
        in ran("init", tmp_path / "study", "--cores", cores, "--id-from", "PatientID").output
    )


def test_a_missing_or_empty_tag_is_refused_by_its_name_and_file(tmp_path):
    cores = scan(tmp_path / "cores", PatientID="CANARY7")
    files = sorted((cores / "dicom").iterdir())
    change(cores, [6], PatientID="")
    text = refused(cores, "PatientID", "id-missing")
    assert "PatientID" in text
    assert files[6].name in text
    assert "--id-from folder" in text
    change(cores, range(10), PatientID="?!")
    refused(cores, "PatientID", "id-missing")


def test_slices_that_differ_in_the_tag_are_refused_by_their_names(tmp_path):
    cores = scan(tmp_path / "cores", PatientID="CANARY7")
    change(cores, [6], PatientID="CANARY8")
    assert sorted((cores / "dicom").iterdir())[6].name in refused(cores, "PatientID", "id-differs")


def test_two_cores_with_one_value_are_refused_not_numbered(tmp_path):
    for name in ("left", "right"):
        scan(tmp_path / "cores" / name, PatientID="CANARY7", StudyID=name)
    text = refused(tmp_path / "cores", "PatientID", "id-not-unique")
    assert "left" in text
    assert "right" in text
    assert drafted(tmp_path / "cores", "StudyID") == ["left", "right"]


def test_an_equals_sign_divides_names_alone(tmp_path):
    """PS3.5 6.2: only a value of representation PN has groups; in an id, ``=`` and ``^`` are characters."""
    for name, value in (("left", "S=1"), ("right", "S=2"), ("third", "S^3")):
        scan(tmp_path / "cores" / name, PatientID=value)
    assert drafted(tmp_path / "cores", "PatientID") == ["S-1", "S-2", "S-3"]
    filled = scan(tmp_path / "signs", PatientID="^=", PatientName="^=")
    (listed,) = ingest.inspect(filled / "dicom").series
    assert "PatientID" in listed.id_tags
    assert "PatientName" not in listed.id_tags


def test_values_that_differ_in_signs_alone_are_said_to_make_one_name(tmp_path):
    for name, value in (("left", "s=1"), ("right", "S 1")):
        scan(tmp_path / "cores" / name, PatientID=value)
    assert "makes the same name" in refused(tmp_path / "cores", "PatientID", "id-not-unique")


@pytest.mark.parametrize("value", ["CON", "com1", "nul.7"])
def test_a_name_that_windows_keeps_for_a_device_is_refused_in_true_words(tmp_path, value):
    cores = scan(tmp_path / "cores", PatientID=value)
    text = refused(cores, "PatientID", "id-missing")
    assert "Windows keeps for a device" in text
    assert "--id-from folder" in text


def test_letters_of_an_alphabet_the_header_does_not_name_are_not_guessed(tmp_path):
    cores = scan(tmp_path / "cores", SpecificCharacterSet="ISO_IR 192", PatientID="CANARYü")
    for file in (cores / "dicom").iterdir():
        file.write_bytes(file.read_bytes().replace(b"ISO_IR 192", b"          "))
    refused(cores, "PatientID", "id-unreadable")


def test_a_format_without_tags_is_refused_by_name(tmp_path):
    path = tmp_path / "core7.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), np.int16), np.diag([0.5, 0.5, 0.5, 1])), path)
    assert "NIfTI" in refused(path, "PatientID", "id-missing")


def test_the_name_of_the_folder_or_of_the_file_is_a_choice_too(tmp_path):
    path = tmp_path / "plot" / "core7.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), np.int16), np.diag([0.5, 0.5, 0.5, 1])), path)
    assert [drafted(path, way) for way in ("path", "folder", "file")] == [["core7"], ["plot"], ["core7"]]
    assert [drafted(path.parent, way) for way in ("path", "folder", "file")] == [["plot"], ["plot"], ["core7"]]
    cores = scan(tmp_path / "cores")
    refused(cores, "file", "id-missing")


def test_an_archive_names_its_core_by_a_tag_as_its_folder_does(tmp_path):
    import shutil

    cores = scan(tmp_path / "cores", PatientID="Plot 7")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", cores / "dicom")
    (core,) = draft_plan(tmp_path / "study", tmp_path / "packed.zip", Asked(id_from="PatientID")).cores
    assert (core.id, packed) == ("Plot-7", core.path)


@pytest.mark.parametrize(("length", "short"), [(2.5, False), (2.6, False), (2.63, True), (4.0, True), (1.0, False)])
def test_a_scan_shorter_than_the_stated_core_is_told_to_the_end(tmp_path, length, short):
    """2. End slices missing (... fewer than the stated length) -> finding in result and report, never silent."""
    cores = scan(tmp_path / "cores")  # ten slices of 0.25 mm
    folder = tmp_path / "study"
    found = json.loads(ran("inspect", cores / "dicom", "--length-mm", length, "--json").stdout)["series"][0]["findings"]
    assert ("shorter-than-stated" in {f["code"] for f in found}) is short
    made = ran("init", folder, "--cores", cores, "--length-mm", length)
    assert ("shorter-than-stated" in made.output) is short
    assert study.read_plan(folder).cores[0].length_mm == length
    assert study.run(folder, study.steps_until("import")).failures == ()
    kept = [f for f in read_store(folder / "cores" / "cores.zarr").findings if f.code == "shorter-than-stated"]
    assert bool(kept) is short
    if short:
        assert (
            f"2.5 mm long (10 slices of 0.25 mm), {length - 2.5:.4g} mm shorter than the {length:g} mm stated"
            in kept[0].text
        )
    if length == 4.0:
        plan = folder / study.PLAN_FILE
        plan.write_text(plan.read_text().partition("[[learn.targets]]")[0])
        assert study.run(folder).failures == ()
        assert "mm shorter than the" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("length", ["0", "-1", "nan", "inf", "long"])
def test_a_length_that_is_none_is_wrong_use(tmp_path, length):
    folder = scan(tmp_path / "cores")
    done = ran("inspect", folder, "--length-mm", length)
    assert status(done) == 2
