"""The command line as a user meets it: real processes, exit codes, JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soilscope import phantoms

COMMANDS = (
    *("demo", "inspect", "init", "run", "measure", "train", "transfer"),
    *("evaluate", "explain", "report", "phantom", "verify", "doctor"),
)
COMMAND = [sys.executable, "-c", "from soilscope.cli.app import main; main()"]


def soilscope(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "sandy-3"
    done = soilscope("phantom", "sandy", "--seed", 3, "--shape", "12,40,40", "--no-noise", "--out", folder, "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def test_help_names_every_command():
    done = soilscope("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout


def test_wrong_use_is_exit_code_2():
    assert soilscope("run").returncode == 2
    assert soilscope("run", ".", "--until", "nowhere").returncode == 2
    assert soilscope("inspect", ".", "--spacing-mm", "1,2").returncode == 2
    assert soilscope("nonsense").returncode == 2


def test_phantom_writes_what_the_contract_names(phantom):
    assert len(list((phantom / "dicom").glob("*.dcm"))) == 12
    truth = json.loads((phantom / "truth.json").read_text())
    assert set(truth) >= {"soil", "seed", "spacing_mm", "classes", "fractions"}
    assert (phantom / "truth.nii.gz").exists()


def test_inspect_draws_and_tells_the_core_it_finds(phantom, tmp_path):
    picture = tmp_path / "core.png"
    done = soilscope("inspect", phantom / "dicom", "--core", picture, "--json")
    assert done.returncode == 0, done.stderr
    core = json.loads(done.stdout)["core"]
    assert (core["kind"], core["top"], core["bottom"]) == ("cylinder", 0, 12)
    assert core["centre_mm"] == pytest.approx([39 / 2 * 0.351] * 2, abs=0.351)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_soil_is_refused_with_the_list(tmp_path):
    done = soilscope("phantom", "moon", "--out", tmp_path / "moon")
    assert done.returncode == 2
    assert all(name in done.stderr for name in phantoms.soils()[:3])
    assert not (tmp_path / "moon").exists()


def test_inspect_prints_the_contracts_object(phantom):
    done = soilscope("inspect", phantom / "dicom", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= {"series", "skipped"}
    (series,) = found["series"]
    assert set(series) >= {"id", "format", "shape", "spacing_mm", "units", "usable", "findings"}
    assert series["shape"] == [12, 40, 40]
    assert series["units"] == "HU"
    assert series["usable"] is True


def test_nothing_at_a_path_is_exit_code_3_and_says_so(tmp_path):
    done = soilscope("init", tmp_path / "study", "--cores", tmp_path / "nowhere")
    assert done.returncode == 3
    assert "there is nothing at" in done.stderr
    assert not (tmp_path / "study").exists()


def test_init_then_measure_gives_the_truths_fractions(phantom, tmp_path):
    study = tmp_path / "study"
    assert soilscope("init", study, "--cores", phantom).returncode == 0
    truth = json.loads((phantom / "truth.json").read_text())
    edges = [truth["classes"][0]["low_hu"], *(c["high_hu"] for c in truth["classes"])]
    names = [c["name"] for c in truth["classes"]]
    text = (study / "study.toml").read_text().replace('scheme = "paper-2021"\n', "")
    (study / "study.toml").write_text(
        text + f'\n[scheme]\nname = "truth"\nedges = {edges}\nnames = {json.dumps(names)}\n'
    )
    done = soilscope("measure", study, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) == {"done", "skipped", "failed", "seconds"}
    import pandas as pd

    slices = pd.read_csv(study / "tables/slices.csv", dtype={"class": str})
    for value in truth["classes"]:
        mine = slices[slices["class"] == str(value["value"])].sort_values("slice")["fraction"].tolist()
        assert mine == pytest.approx(truth["fractions"][value["name"]], abs=1e-12)


def test_a_refused_scan_ends_with_code_3_and_publishes_nothing(phantom, tmp_path):
    scan = tmp_path / "gap"
    shutil.copytree(phantom / "dicom", scan)
    soilscope("init", tmp_path / "study", "--cores", scan)
    sorted(scan.glob("*.dcm"))[4].unlink()
    done = soilscope("run", tmp_path / "study", "--json")
    assert done.returncode == 3, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["error"]["code"] == "gap"
    assert set(lines[-1]) == {"done", "skipped", "failed", "seconds"}
    assert not (tmp_path / "study" / "cores").exists() or not list((tmp_path / "study" / "cores").glob("*.zarr"))


def test_doctor_says_what_there_is():
    done = soilscope("doctor", "--json")
    assert done.returncode == 0
    assert {"machine", "memory", "learning"} <= set(json.loads(done.stdout))


def test_quiet_prints_no_progress(phantom, tmp_path):
    done = soilscope("phantom", "sandy", "--shape", "8,40,40", "--out", tmp_path / "p", "--quiet")
    assert done.stderr == ""
