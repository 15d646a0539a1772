"""Scan files that changed since the study first saw them are named (FAULTS 46)."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soilscope import phantoms, study
from soilscope.cli.app import app
from soilscope.errors import Busy, InputRefused, OutputRefused, UsageError
from soilscope.files import lock
from soilscope.study.draft import scan_folders
from soilscope.study.plan import PLAN_FILE
from soilscope.volume import read_store
from soilscope.volume.store import store_digest


@pytest.fixture
def begun(tmp_path):
    """A study after ``soilscope init``, and the scan it was made for."""
    scan = tmp_path / "scans" / "sandy"
    phantoms.write(phantoms.make("sandy", shape=(10, 32, 32)), scan)
    ran = CliRunner().invoke(app, ["init", str(tmp_path / "study"), "--cores", str(scan), "--quiet"])
    assert ran.exit_code == 0, ran.output
    return tmp_path / "study", sorted((scan / "dicom").iterdir())


def flip(path, at=-101) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def imported(folder, *options) -> dict[str, int]:
    ran = CliRunner().invoke(app, ["run", str(folder), "--until", "import", "--json", *options])
    return {"exit": ran.exit_code, **json.loads(ran.stdout.splitlines()[-1])}


def codes(folder, severity=None) -> set[str]:
    store = next((folder / "cores").glob("*.zarr"))
    return {f.code for f in read_store(store).findings if severity in (None, f.severity)}


@pytest.mark.parametrize("full", ["inputs", "plan"])
def test_an_init_that_finds_no_room_leaves_nothing_and_can_be_done_again(begun, tmp_path, monkeypatch, full):
    """25. ... disk full at every write -> refuse, nothing published; 46. no plan is there without the digests."""
    folder, _ = begun
    plan = study.read_plan(folder)
    new = tmp_path / "new"
    named = {"inputs": "inputs/sandy.json", "plan": PLAN_FILE}[full]
    write = Path.write_bytes

    def no_room(path, data):
        if path.name.startswith(f".{Path(named).name}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", no_room)
        with pytest.raises(OutputRefused) as caught:
            study.begin(new, plan)
    assert caught.value.code == "cannot-write"
    assert not new.exists()
    study.begin(new, plan)
    kept = (new / "inputs/sandy.json").read_bytes()
    with pytest.raises(UsageError) as again:
        study.begin(new, plan)
    assert again.value.code == "plan-exists"
    assert (new / "inputs/sandy.json").read_bytes() == kept
    (new / PLAN_FILE).unlink()
    with lock(new / "inputs"), pytest.raises(Busy):
        study.begin(new, plan)
    assert (new / "inputs/sandy.json").read_bytes() == kept
    study.begin(new, plan)
    assert sorted(p.name for p in new.rglob("*") if p.is_file() and not p.name.startswith(".")) == [
        "sandy.json",
        PLAN_FILE,
    ]


def test_what_lies_beside_a_folder_called_dicom_is_a_core_too(begun, tmp_path):
    """Only beside a phantom's truth is the series in ``dicom`` the whole of a folder."""
    _, files = begun
    phantom = files[0].parents[1]
    assert scan_folders(phantom) == [phantom / "dicom"]
    shutil.copytree(phantom / "dicom", tmp_path / "two" / "dicom")
    assert scan_folders(tmp_path / "two") == [tmp_path / "two/dicom"]
    shutil.copytree(phantom / "dicom", tmp_path / "two" / "recon_B")
    assert scan_folders(tmp_path / "two") == [tmp_path / "two/dicom", tmp_path / "two/recon_B"]


def test_a_file_that_changed_since_init_is_named_and_refused(begun):
    """46. ... digests of the inputs are kept from the first `inspect`; a file that changed since is named and refused."""
    folder, files = begun
    flip(files[4])
    summary = study.run(folder, study.steps_until("import"))
    (failure,) = summary.failures
    assert isinstance(failure.error, InputRefused)
    assert failure.error.code == "input-changed"
    assert files[4].name in failure.error.text
    assert files[3].name not in failure.error.text
    assert not list((folder / "cores").glob("*.zarr"))
    assert imported(folder)["exit"] == 3


def test_a_file_that_went_since_init_is_named_and_refused(begun):
    folder, files = begun
    files[-1].unlink()
    (failure,) = study.run(folder, study.steps_until("import")).failures
    assert failure.error.code == "input-changed"
    assert files[-1].name in failure.error.text


def test_a_file_from_the_middle_that_went_is_named_though_its_gap_is_refused(begun):
    folder, files = begun
    files[4].unlink()
    (failure,) = study.run(folder, study.steps_until("import")).failures
    assert failure.error.code == "gap"
    assert failure.error.files == (files[4].name, files[3].name, files[5].name)
    assert f"gone: {files[4].name}." in failure.error.text


def test_a_note_put_beside_the_scan_is_no_change(begun):
    folder, files = begun
    (files[0].parent / "notes.txt").write_text("dug on a rainy day")
    assert imported(folder)["failed"] == 0
    assert "input-changed" not in codes(folder)


def test_a_change_on_purpose_is_accepted_and_told_on_every_output(begun):
    folder, files = begun
    flip(files[4])
    assert imported(folder)["exit"] == 3
    told = imported(folder, "--accept-inputs")
    assert (told["exit"], told["done"]) == (0, 1)
    assert "input-changed" in codes(folder, "warning")
    assert imported(folder)["skipped"] == 1


def test_a_change_after_the_import_is_refused_until_it_is_accepted(begun):
    """46. ... a file that changed since is named and refused; 29: with the input accepted, that step reruns."""
    folder, files = begun
    assert imported(folder)["done"] == 1
    (store,) = (folder / "cores").glob("*.zarr")
    before = store_digest(store)
    flip(files[4])
    assert imported(folder)["exit"] == 3
    (failure,) = study.run(folder, study.steps_until("import")).failures
    assert failure.error.code == "input-changed"
    assert files[4].name in failure.error.text
    assert store_digest(store) == before
    assert imported(folder, "--accept-inputs")["done"] == 1
    (finding,) = [f for f in read_store(store).findings if f.code == "input-changed"]
    assert finding.files == (files[4].name,)
    assert store_digest(store) != before
    assert imported(folder)["skipped"] == 1


def test_a_changed_file_that_is_put_back_is_as_if_nothing_had_been(begun):
    folder, files = begun
    assert imported(folder)["done"] == 1
    flip(files[4])
    assert imported(folder)["exit"] == 3
    flip(files[4])
    assert imported(folder)["skipped"] == 1


def test_a_plan_written_by_hand_keeps_what_the_first_import_found(begun):
    folder, files = begun
    record = next((folder / "inputs").iterdir())
    record.unlink()
    assert imported(folder)["done"] == 1
    assert set(json.loads(record.read_text())["files"]) == {path.name for path in files}
    flip(files[4])
    assert imported(folder)["exit"] == 3
    assert (folder / PLAN_FILE).exists()


def test_a_damaged_record_is_told(begun):
    folder, _ = begun
    next((folder / "inputs").iterdir()).write_text("{")
    (failure,) = study.run(folder, study.steps_until("import")).failures
    assert failure.error.code == "inputs-damaged"
