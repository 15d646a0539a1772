"""The command line as a user meets it: real processes, exit codes, JSON."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from rich.console import Console

from soilscope import phantoms
from soilscope.cli.output import Mode, Output
from soilscope.cli.progress import RunProgress
from soilscope.cli.run import _told
from soilscope.errors import OutputRefused
from soilscope.study import Summary, draft_plan, run, steps_until, write_plan
from soilscope.study.learn_plan import LearnPlan
from soilscope.study.plan import CorePlan, Plan, RunPlan, StructurePlan
from soilscope.study.work import Failure
from soilscope.volume import read_store

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


def test_a_phantom_never_replaces_what_a_folder_holds(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dicom").mkdir()
    done = soilscope("phantom", "sandy", "--shape", "12,40,40", "--out", tmp_path / "mine", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "out-exists"
    assert list((tmp_path / "mine" / "dicom").iterdir()) == []


@pytest.mark.parametrize("path", ["absent", "empty", "pipe", "archive.zip"])
def test_what_cannot_be_looked_at_holds_no_series(tmp_path, path):
    """One object with `series` and `skipped`, as the contract has it, and beside them the error."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "archive.zip").write_bytes(b"PK\3\4 and no more")
    done = soilscope("inspect", tmp_path / path, "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["series"] == []
    assert found["skipped"] == 0
    assert set(found["error"]) == {"code", "text", "files"}


def test_a_series_that_is_not_there_is_refused_beside_those_that_are(phantom, tmp_path):
    done = soilscope("inspect", phantom / "dicom", "--series", "1.2.3", "--montage", tmp_path / "m.png", "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["error"]["code"] == "no-such-series"
    assert found["series"][0]["usable"]


def test_a_series_uid_chooses_a_scan(phantom, tmp_path):
    uid = str(dcmread(next((phantom / "dicom").iterdir())).SeriesInstanceUID)
    assert soilscope("init", tmp_path, "--cores", phantom / "dicom", "--series", uid).returncode == 0
    assert uid not in (tmp_path / "study.toml").read_text()


def test_findings_of_inspect_name_their_files(phantom, tmp_path):
    shutil.copytree(phantom / "dicom", tmp_path / "scan")
    files = sorted((tmp_path / "scan").iterdir())
    files[4].unlink()
    (series,) = json.loads(soilscope("inspect", tmp_path / "scan", "--json").stdout)["series"]
    told = next(f for f in series["findings"] if f["code"] == "gap")
    assert sorted(told["files"]) == [files[3].name, files[5].name]


@pytest.mark.parametrize("below", ["scan", "."])
@pytest.mark.parametrize("fault", ["gap", "two", "absent"])
def test_init_names_files_without_their_folders(phantom, tmp_path, below, fault):
    """A refusal names files, and no folder above the given path, which may hold a person's name: in words and in JSON."""
    cores = tmp_path / "Dr Canary"
    shutil.copytree(phantom / "dicom", cores / "scan")
    files = sorted((cores / "scan").iterdir())
    if fault == "gap":
        files[4].unlink()
    elif fault == "two":
        for file in files:
            dataset = dcmread(file)
            dataset.SeriesInstanceUID = "1.2.3.4"
            dataset.save_as(file.with_suffix(".second"))
    asked = ["--series", "1.2.3"] if fault == "absent" else []
    done = soilscope("init", tmp_path / "study", "--cores", cores / below, "--json", *asked)
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] == {"gap": "gap", "two": "ambiguous-series", "absent": "no-such-series"}[fault]
    assert error["files"] == ["scan", *([files[3].name, files[5].name] if fault == "gap" else [])]
    assert "Canary" not in done.stdout


def test_failures_are_told_in_one_order_whatever_ended_first():
    failures = [Failure(f"import:{core}", OutputRefused("cannot-write", core)) for core in ("b", "c", "a")]
    for order in (failures, failures[::-1]):
        told = _told(Summary(1, 0, 3, 1.0, tuple(order), beside=1), Output(Mode.JSON))
        assert re.findall(r"import:(.)", str(told)) == ["a", "b", "c"]


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


def test_the_same_failure_ends_with_the_same_code_first_and_on_repeating(tmp_path):
    """Where nothing but what the failed items are made from is done, the status is that of the first that failed."""
    grey, study = np.random.default_rng(0).integers(0, 255, (8, 24, 24), dtype=np.uint8), tmp_path / "study"
    np.save(tmp_path / "grey.npy", grey)
    core = CorePlan(id="grey", path=str(tmp_path / "grey.npy"), units="grey", spacing_mm=(1.0, 1.0, 1.0), soil="whole")
    write_plan(study, Plan(name="grey values in classes of HU", scheme="paper-2021", cores=(core,)))
    first, again = (soilscope("measure", study, "--json") for _ in range(2))
    assert [json.loads(done.stdout.splitlines()[-1])["done"] for done in (first, again)] == [1, 0]
    assert [done.returncode for done in (first, again)] == [3, 3]
    np.save(tmp_path / "hu.npy", grey.astype(np.int16))
    sound = core.model_copy(update={"id": "hu", "path": str(tmp_path / "hu.npy"), "units": "HU"})
    (study / "study.toml").unlink()
    write_plan(study, Plan(name="one of two", scheme="paper-2021", cores=(core, sound)))
    assert [soilscope("measure", study).returncode for _ in range(2)] == [4, 4]


def test_a_study_may_be_named_by_its_plan_and_the_help_says_so(phantom, tmp_path):
    write_plan(tmp_path / "st", draft_plan(tmp_path / "st", phantom))
    for command in (("run", "--dry-run"), ("run", "--until", "import")):
        done = soilscope(command[0], "st/study.toml", *command[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "st" / "cores").is_dir()
    for name in ("run", "measure"):
        words = " ".join(soilscope(name, "--help").stdout.replace("│", " ").split())
        assert "that file stands for its folder" in words


def test_doctor_says_what_there_is():
    done = soilscope("doctor", "--json")
    assert done.returncode == 0
    assert {"machine", "memory", "learning"} <= set(json.loads(done.stdout))


def test_quiet_prints_no_progress(phantom, tmp_path):
    done = soilscope("phantom", "sandy", "--shape", "8,40,40", "--out", tmp_path / "p", "--quiet")
    assert done.stderr.strip() == ""


def bars(text: str) -> list[tuple[int, int]]:
    """Done and to do, as the last state of each progress bar says."""
    return [(int(done), int(todo)) for done, todo in re.findall(r"(\d+)/(\d+) \d+:\d\d:\d\d", text)]


def test_a_failed_run_names_what_waits_once_and_its_bars_never_pass_their_ends(phantom, tmp_path):
    scan, study = tmp_path / "cut", tmp_path / "study"
    shutil.copytree(phantom / "dicom", scan)
    write_plan(study, draft_plan(study, scan))
    sorted(scan.glob("*.dcm"))[4].unlink()
    done = soilscope("run", study)
    assert done.returncode == 3
    assert bars(done.stderr) == [(1, 1)]
    for waiting in ("classify:cut", "measure:cut", "measure:_tables", "report:_page"):
        assert done.stderr.count(waiting) == 1


@pytest.mark.parametrize(("sent", "status", "way"), [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--json",))])
def test_a_stopped_command_says_that_it_goes_on(tmp_path, sent, status, way):
    process = subprocess.Popen(
        [*COMMAND, "demo", str(tmp_path / "demo"), *way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    wait_for(lambda: (tmp_path / "demo" / "scans").exists(), process)  # it is at work, and not still starting
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "the same command goes on from here" in err
    assert out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "sent", "status", "workers"), [("measure", signal.SIGINT, 130, 2), ("run", signal.SIGTERM, 143, 1)]
)
def test_a_study_stopped_while_it_measures_keeps_what_is_done_and_ends_the_same(
    tmp_path, command, sent, status, workers
):
    """Ctrl-C, SIGTERM -> exit 130/143, work so far reusable: imports stay, and tables are those of a run never stopped."""
    scans = tmp_path / "scans"
    for seed in (1, 2):
        phantoms.write(phantoms.make("sandy", seed=seed, shape=(40, 64, 64)), scans / f"sandy-{seed}")
    structure = StructurePlan(sensitivity="off", representative="off")
    only = {"learn": LearnPlan(targets=()), "run": RunPlan(workers=workers), "structure": structure}
    plan = draft_plan(tmp_path / "whole", scans).model_copy(update=only)
    for name in ("whole", "stopped"):
        write_plan(tmp_path / name, plan)
    assert soilscope("measure", tmp_path / "whole").returncode == 0
    process = subprocess.Popen(
        [*COMMAND, command, str(tmp_path / "stopped")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    wait_for(lambda: len(list((tmp_path / "stopped/parts/classify").glob("*.json"))) == 2, process)
    process.send_signal(sent)
    out, err = process.communicate(timeout=120)
    assert process.returncode == status
    assert "the same command goes on from here" in err
    assert "resource_tracker" not in err
    assert out == ""
    again = soilscope("measure", tmp_path / "stopped", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["skipped"] >= 2  # both imports at least
    for table in sorted((tmp_path / "whole/tables").glob("*")):
        if table.name != "timings.csv":
            assert (tmp_path / "stopped/tables" / table.name).read_bytes() == table.read_bytes()


IN_A_FINALISER = """
import os, signal, time
from soilscope.cli.stopping import hear_stops

hear_stops()
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(10_000):
            pass

Dying()
time.sleep(30)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", -signal.SIGINT), ("SIGTERM", 143)])
def test_a_stop_that_finds_the_program_in_a_finaliser_is_not_lost(name, status):
    """Ctrl-C, SIGTERM -> exit 130/143: Python drops what is raised in a finaliser, and the work would go on to its end."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FINALISER.format(name=name)],
        capture_output=True,
        text=True,
        preexec_fn=hear_signals,
        timeout=60,
    )
    assert done.returncode == status
    assert "Exception ignored" not in done.stderr


def hear_signals() -> None:
    """A shell starts its background jobs deaf to Ctrl-C, and tests may run in one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not there():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        ("phantom", "sandy", "--shape", "8,40,40", "--out", "/proc/nothing/can/be/here"),
        ("demo", "/proc/nothing-can-be-here"),
    ],
)
def test_a_folder_that_cannot_be_made_is_an_error_of_ours(arguments):
    if not Path("/proc/self").exists():
        pytest.skip("needs a file system in which nobody can make a folder: Linux's /proc")
    done = soilscope(*arguments, "--json")
    assert done.returncode == OutputRefused.exit_code
    assert json.loads(done.stdout)["error"]["code"] == "cannot-write"
    assert "Traceback" not in done.stderr


def test_verify_tells_what_failed_before_its_result(phantom, tmp_path):
    study = tmp_path / "study"
    write_plan(study, draft_plan(study, phantom))
    assert run(study, steps_until("import")).failed == 0
    (store,) = (study / "cores").glob("*.zarr")
    shutil.rmtree(store)
    done = soilscope("verify", study, "--json")
    assert done.returncode == 3
    first, last = (json.loads(line) for line in done.stdout.splitlines())
    assert first["error"]["code"] == "changed-output"
    assert last["ok"] is False


def test_the_help_of_json_says_what_comes_on_failure():
    words = " ".join(soilscope("run", "--help").stdout.replace("│", " ").split())
    assert "On failure an object {'error': ...} comes first, and the result, where there is one, last." in words


def test_init_with_marked_gaps_writes_a_plan_that_imports_the_missing_slice_as_a_masked_plane(phantom, tmp_path):
    for name in ("whole", "cut"):
        shutil.copytree(phantom / "dicom", tmp_path / "scans" / name)
    sorted((tmp_path / "scans" / "cut").glob("*.dcm"))[4].unlink()
    study = tmp_path / "study"
    done = soilscope("init", study, "--cores", tmp_path / "scans", "--on-gap", "mark", "--quiet")
    assert done.returncode == 0, done.stderr
    assert run(study, steps_until("import")).failed == 0
    whole, cut = (read_store(study / "cores" / f"{name}.zarr") for name in ("whole", "cut"))
    assert cut.spacing_mm == whole.spacing_mm
    assert cut.shape == whole.shape
    assert not cut.valid[4].any()
    rest = [z for z in range(12) if z != 4]
    assert (cut.valid[rest] == whole.valid[rest]).all()
    assert whole.valid[4].any()


def test_init_takes_no_notice_of_stray_files_beside_the_scans(phantom, tmp_path):
    scans = tmp_path / "scans"
    for name in ("a", "b"):
        shutil.copytree(phantom / "dicom", scans / name)
    for stray in (".DS_Store", "Thumbs.db", "notes.txt", "field book.xlsx", "empty"):
        (scans / stray).write_bytes(b"" if stray == "empty" else b"no scan at all " * 20)
    (scans / "a" / "notes.txt").write_text("cut in May")
    done = soilscope("init", tmp_path / "study", "--cores", scans, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cores"] == ["a", "b"]
    shutil.copy(next((scans / "a").glob("*.dcm")), scans / "odd")  # a scan by its mark, whatever its name
    assert [core.id for core in draft_plan(tmp_path / "other", scans).cores] == ["scans"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("doctor",),
        ("doctor", "--json"),
        ("inspect", "{}", "--quick"),
        ("inspect", "{}", "--json"),
        ("inspect", "nowhere", "--json"),
    ],
)
def test_results_that_cannot_be_printed_are_a_refusal_in_one_line(phantom, words):
    """25. ... disk full at every write ... -> refuse; here standard output goes to a full disk."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *(word.format(phantom) for word in words)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
        )
    assert done.returncode == 3, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("refused standard output cannot be written: No space left on device.")
    assert last.endswith("[cannot-write]")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("doctor", "--json"), ("inspect", "{}", "--quick")])
def test_a_reader_that_has_seen_enough_hears_nothing(phantom, words):
    """`soilscope ... | head`: no complaint about the pipe it closed."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*COMMAND, *(word.format(phantom) for word in words)],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    os.close(theirs)
    assert done.stderr.strip() == ""


def test_colons_around_a_letter_are_no_picture(tmp_path, capsys):
    """A terminal library draws ``:a:`` as a blood group unless told not to."""
    name = "core :a: and [b]"
    output = Output(Mode.PERSON)
    output.words(name)
    output.hint(name)
    output.table(name, ["core"], [[name]])
    output.refused(OutputRefused("cannot-write", name), {})
    said = capsys.readouterr()
    assert said.out.count(name) == 3
    assert said.err.count(name) == 2
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with RunProgress(console) as shown:
        shown.step("import", 1)
        shown.message("scan-1", ("scan-1", 1, 2, name))
    assert name in console.file.getvalue()


def test_names_of_files_and_folders_cannot_steer_the_terminal(phantom, tmp_path):
    """Escape sequences and marks of direction in a name are written out, in words as in JSON, which says the same name."""
    folder = tmp_path / "\x1b[31mred\u202etxt"
    shutil.copytree(phantom / "dicom", folder)
    sorted(folder.glob("*.dcm"))[3].rename(folder / "a\x1b[2J\u202eb.dcm")
    damaged = folder / "a\x1b[2J\u202eb.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    words = soilscope("inspect", folder)
    for said in (words.stdout, words.stderr):
        assert "\x1b" not in said
        assert "\u202e" not in said
    assert "\\x1b[31mred\\u202etxt" in words.stdout
    as_json = soilscope("inspect", folder, "--json").stdout
    assert "\u202e" not in as_json
    assert any(damaged.name in told["text"] for series in json.loads(as_json)["series"] for told in series["findings"])


@pytest.mark.parametrize("option", ["--montage", "--core"])
def test_no_picture_is_drawn_among_the_scan_s_own_files(phantom, option):
    before = sorted((phantom / "dicom").iterdir())
    done = soilscope("inspect", phantom / "dicom", option, phantom / "dicom" / "seen.png", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "picture-place"
    assert sorted((phantom / "dicom").iterdir()) == before


def test_init_tells_a_gap_it_was_asked_to_mark_as_inspect_does(phantom, tmp_path):
    shutil.copytree(phantom / "dicom", tmp_path / "cut")
    sorted((tmp_path / "cut").glob("*.dcm"))[4].unlink()
    done = soilscope("init", tmp_path / "study", "--cores", tmp_path / "cut", "--on-gap", "mark", "--json")
    seen = soilscope("inspect", tmp_path / "cut", "--on-gap", "mark", "--json")
    (told,) = (f for f in json.loads(done.stdout)["findings"]["cut"] if f["code"] == "gap")
    assert told["severity"] == "warning"
    assert {k: told[k] for k in ("severity", "text")}.items() <= next(
        f for f in json.loads(seen.stdout)["series"][0]["findings"] if f["code"] == "gap"
    ).items()


def test_a_phantom_that_cannot_be_written_leaves_no_folder(tmp_path):
    """A file may grow to 1 kB only, as on a full disk."""
    out = tmp_path / "core"
    command = [sys.executable, "-c", FULL, "phantom", "sandy", "--out", str(out), "--shape", "8,48,48"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cannot-write" in done.stderr
    assert done.returncode != 0
    assert not out.exists()


FULL = (
    "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from soilscope.cli.app import main; "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)); main()"
)
