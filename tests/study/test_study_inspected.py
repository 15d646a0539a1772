"""Digests are kept from the first `inspect`, in a file the user names, and `init` compares with them (FAULTS 46)."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from soilscope import phantoms
from soilscope.cli.app import app
from soilscope.files import digest_folder


def ran(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    return getattr(done.exception, "exit_code", done.exit_code), getattr(done.exception, "code", None), done


@pytest.fixture
def scans(tmp_path):
    for soil in ("sandy", "arable"):
        phantoms.write(phantoms.make(soil, shape=(8, 32, 32)), tmp_path / "scans" / soil)
    return tmp_path / "scans"


def inspected(scans, record):
    return ran("inspect", scans, "--quick", "--digests", record, "--json")


def begun(scans, record):
    return ran("init", scans.parent / "study", "--cores", scans, "--digests", record, "--json")


def test_files_that_are_as_they_were_make_a_study(scans, tmp_path):
    before = digest_folder(scans)
    code, _, done = inspected(scans, tmp_path / "seen.json")
    assert code == 0, done.output
    files = sum(p.is_file() for p in scans.rglob("*"))
    assert json.loads(done.stdout)["digests"] == {"file": str(tmp_path / "seen.json"), "files": files}
    assert digest_folder(scans) == before  # inspect changes nothing
    code, _, done = begun(scans, tmp_path / "seen.json")
    assert code == 0, done.output
    assert json.loads(done.stdout)["unchanged"] == files


@pytest.mark.parametrize("how", ["flipped", "gone"])
def test_a_file_that_changed_since_inspect_is_named_and_nothing_is_published(scans, tmp_path, how):
    """46. ... digests of the inputs are kept from the first `inspect`; a file that changed since is named and refused."""
    inspected(scans, tmp_path / "seen.json")
    file = sorted((scans / "sandy" / "dicom").iterdir())[-1]  # an end slice: what is left is still a regular grid
    data = bytearray(file.read_bytes())
    data[-101] ^= 1
    file.unlink()
    if how == "flipped":
        file.write_bytes(data)
    code, name, done = begun(scans, tmp_path / "seen.json")
    assert (code, name) == (3, "input-changed")
    assert file.name in str(done.exception)
    assert sorted((scans / "sandy" / "dicom").iterdir())[0].name not in str(done.exception)
    assert not (tmp_path / "study").exists()


def test_a_note_put_beside_the_scans_is_no_change(scans, tmp_path):
    inspected(scans, tmp_path / "seen.json")
    (scans / "sandy" / "notes.txt").write_text("dug on a rainy day")
    assert begun(scans, tmp_path / "seen.json")[0] == 0


def test_the_record_lies_elsewhere_and_is_never_overwritten(scans, tmp_path):
    assert inspected(scans, scans / "seen.json")[:2] == (2, "digests-place")
    assert not (scans / "seen.json").exists()
    inspected(scans, tmp_path / "seen.json")
    kept = (tmp_path / "seen.json").read_bytes()
    assert inspected(scans, tmp_path / "seen.json")[:2] == (2, "digests-place")
    assert (tmp_path / "seen.json").read_bytes() == kept


def test_a_record_of_other_files_or_a_damaged_one_is_refused(scans, tmp_path):
    inspected(scans / "sandy", tmp_path / "seen.json")
    assert begun(scans, tmp_path / "seen.json")[:2] == (2, "digests-other")
    for content in ("{", "[]", '{"files": {}}', '{"format": "soilscope digests 1", "files": {"a": 1}}'):
        (tmp_path / "seen.json").write_text(content)
        assert begun(scans, tmp_path / "seen.json")[:2] == (3, "inputs-damaged")
    assert begun(scans, tmp_path / "nowhere.json")[:2] == (3, "inputs-damaged")
    assert not (tmp_path / "study").exists()
