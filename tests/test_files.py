"""Files and folders appear whole or not at all, under every kill and every full disk; digests and tables are exact."""

import hashlib
import math
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilscope import errors, files

STOPPER = Path(__file__).with_name("stop_at_each_step.py")
SMALL_LIMIT_BYTES = 100_000


def stopped(what, how, folder):
    """Outcomes by step of publishing with a stop at each step."""
    subprocess.run([sys.executable, STOPPER, what, how, folder], check=True)
    outcomes = {int(p.stem): int(p.read_text()) for p in folder.glob("*.outcome")}
    assert len(outcomes) > (8 if how == "kill" else 2), "too few steps seen for the test to mean anything"
    return outcomes


def contents(path):
    """Which version a published thing holds; the bytes must all be of one."""
    parts = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [set(p.read_bytes()) for p in parts]


@pytest.mark.parametrize(("what", "parts"), [("file", 1), ("folder", 4)])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_and_no_lock(tmp_path, what, parts):
    outcomes = stopped(what, "kill", tmp_path)
    assert set(outcomes.values()) == {-signal.SIGKILL, 0}
    seen = set()
    for step in outcomes:
        folder = tmp_path / str(step)
        found = contents(folder / "thing")
        assert found in ([{1}] * parts, [{2}] * parts), f"step {step}: {found}"
        assert {p.name for p in folder.iterdir() if not p.name.startswith(".")} == {"thing"}
        seen.add(found[0].pop())
        files.write_bytes(folder / "thing", b"after")
        assert [p.name for p in folder.iterdir()] == ["thing"], f"step {step}: what the kill left was not tidied up"
    assert seen == {1, 2}


@pytest.mark.parametrize(("what", "parts"), [("file", 1), ("folder", 4)])
def test_a_disk_full_at_any_step_is_refused_and_leaves_the_old(tmp_path, what, parts):
    outcomes = stopped(what, "full", tmp_path)
    assert errors.OutputRefused.exit_code in outcomes.values()
    for step, outcome in outcomes.items():
        whole = {1} if outcome == errors.OutputRefused.exit_code else {2}
        assert contents(tmp_path / str(step) / "thing") == [whole] * parts, f"step {step}"
        assert [p.name for p in (tmp_path / str(step)).iterdir()] == ["thing"]


def test_a_file_over_the_systems_limit_is_refused_by_the_system_itself_and_leaves_no_trace(tmp_path):
    (tmp_path / "thing").write_bytes(b"old")
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_LIMIT_BYTES, SMALL_LIMIT_BYTES))
        try:
            files.write_bytes(tmp_path / "thing", bytes(2 * SMALL_LIMIT_BYTES))
        except errors.OutputRefused as error:
            os._exit(7 if error.code == "cannot-write" and str(tmp_path / "thing") in error.text else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("thing", b"old")]


def test_nothing_is_visible_before_the_end(tmp_path):
    with files.publish(tmp_path / "thing") as partial:
        partial.mkdir()
        (partial / "a").write_text("half")
        assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == []
    assert [p.name for p in tmp_path.rglob("*")] == ["thing", "a"]


def test_an_error_while_writing_leaves_what_stood_there(tmp_path):
    files.write_text(tmp_path / "thing", "old")
    with pytest.raises(ZeroDivisionError), files.publish(tmp_path / "thing") as partial:
        partial.write_text(str(1 / 0))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("thing", "old")]


@pytest.mark.parametrize("order", [("file", "folder"), ("folder", "file"), ("folder", "folder"), ("file", "file")])
def test_a_file_and_a_folder_may_replace_each_other(tmp_path, order):
    for number, kind in enumerate(order):
        with files.publish(tmp_path / "thing") as partial:
            if kind == "folder":
                partial.mkdir()
            (partial / "a" if kind == "folder" else partial).write_text(str(number))
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]
    assert (tmp_path / "thing" / "a" if order[1] == "folder" else tmp_path / "thing").read_text() == "1"


def test_a_folder_is_replaced_where_the_system_cannot_swap_names(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)  # as on macOS, or an old file system
    test_a_file_and_a_folder_may_replace_each_other(tmp_path, ("folder", "folder"))


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.OutputRefused) as caught:
        files.write_text(tmp_path / "file" / "below", "x")
    assert caught.value.code == "cannot-write"


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path):
    with pytest.raises(errors.OutputRefused, match="name too long"):
        files.write_text(tmp_path / ("n" * 300), "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with space", "Bodensäule", "土壌", "🪨", "new\nline", "-rf", "n" * 240])
def test_any_name_a_core_may_have_is_published(tmp_path, name):
    files.write_text(tmp_path / name, "x")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "x")]


HOLD = "import sys; from pathlib import Path; from soilscope import files\n" + (
    "with files.publish(Path(sys.argv[1])) as partial:\n    partial.write_text('from the child')\n"
    "    print('holding', flush=True)\n    sys.stdin.read()\n"
)


def holder(path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "holding\n"
    return child


def test_a_second_process_is_told_that_the_first_is_writing_and_the_first_wins(tmp_path):
    with holder(tmp_path / "thing") as child:
        for attempt in (lambda: files.write_text(tmp_path / "thing", "mine"), lambda: files.remove(tmp_path / "thing")):
            with pytest.raises(errors.Busy, match="another process") as caught:
                attempt()
            assert (caught.value.code, caught.value.exit_code) == ("busy", 5)
        files.write_text(tmp_path / "other", "not in the way")
        child.communicate("")
    assert (tmp_path / "thing").read_text() == "from the child"


def test_after_a_kill_of_the_holder_no_unlocking_is_needed(tmp_path):
    with holder(tmp_path / "thing") as child:
        child.kill()
        child.wait()
        assert not (tmp_path / "thing").exists()
        files.write_text(tmp_path / "thing", "mine")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("thing", "mine")]


def test_of_many_writers_at_once_each_wins_or_is_told_busy(tmp_path):
    outcomes = []

    def write(number):
        try:
            for _ in range(20):
                files.write_text(tmp_path / "thing", str(number) * 1000)
                outcomes.append("won")
        except errors.Busy:
            outcomes.append("busy")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"won", "busy"}
    assert "won" in outcomes
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]
    assert len(set((tmp_path / "thing").read_text())) == 1


def test_removing_leaves_nothing_and_may_be_repeated(tmp_path):
    with files.publish(tmp_path / "thing") as partial:
        partial.mkdir()
        (partial / "a").write_text("x")
    files.remove(tmp_path / "thing")
    files.remove(tmp_path / "thing")
    assert list(tmp_path.iterdir()) == []


def test_digests_are_sha256_as_published_for_abc(tmp_path):
    # FIPS 180-4, the example "abc"
    known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.digest_bytes(b"abc") == files.digest_file(tmp_path / "abc") == known
    assert files.write_bytes(tmp_path / "again", b"abc") == known


def test_the_digest_of_a_large_file_equals_hashlibs(tmp_path):
    data = np.random.default_rng(0).bytes(3 * files.BLOCK_BYTES + 17)
    (tmp_path / "large").write_bytes(data)
    assert files.digest_file(tmp_path / "large") == "sha256:" + hashlib.sha256(data).hexdigest()


def test_the_digest_of_a_folder_sees_names_and_contents_but_no_dates(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "one" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / "deep" / name).write_text(name)
    first = files.digest_folder(tmp_path / "one")
    os.utime(tmp_path / "one" / "deep" / "a", (0, 0))
    assert files.digest_folder(tmp_path / "one") == first
    (tmp_path / "one" / "deep" / "a").rename(tmp_path / "one" / "deep" / "c")
    assert files.digest_folder(tmp_path / "one") != first
    (tmp_path / "one" / "deep" / "c").rename(tmp_path / "one" / "deep" / "a")
    (tmp_path / "one" / "deep" / "a").write_text("b")
    assert files.digest_folder(tmp_path / "one") != first


def test_json_is_the_same_whatever_the_order_of_its_keys_and_refuses_nan():
    assert files.as_json({"b": 0.1, "ä": [1, None]}) == '{\n  "b": 0.1,\n  "ä": [\n    1,\n    null\n  ]\n}\n'
    assert (
        files.digest_json({"a": 1, "b": 2})
        == files.digest_json({"b": 2, "a": 1})
        != files.digest_json({"a": 1, "b": 3})
    )
    with pytest.raises(ValueError, match="JSON"):
        files.as_json({"a": math.nan})


def test_a_table_reads_back_with_every_bit_of_its_numbers(tmp_path):
    values = np.random.default_rng(1).normal(size=500) * 10.0 ** np.arange(500).clip(0, 300)
    frame = pd.DataFrame({"core": 'a,b"c', "value": values, "count": np.arange(500)})
    frame.loc[3, "value"] = np.nan
    first = files.write_table(tmp_path / "one.csv", frame)
    assert files.write_table(tmp_path / "two.csv", frame) == first
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "one.csv"), frame, check_exact=True)
    assert b"\r" not in (tmp_path / "one.csv").read_bytes()


@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(tmp_path, kind):
    cells = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "-5.5", "5+6", "plain"]
    files.write_table(tmp_path / "t.csv", pd.DataFrame({"core": pd.Series(cells).astype(kind)}))
    written = pd.read_csv(tmp_path / "t.csv", dtype=str)["core"].tolist()
    assert written == ["'" + cell for cell in cells[:5]] + cells[5:]


def test_parquet_reads_back_equal_and_is_the_same_file_twice(tmp_path):
    frame = pd.DataFrame({"core": ["a", "b", None], "value": [0.1, np.nan, -1e300], "class": ["1", "5+6", "2"]})
    first = files.write_parquet(tmp_path / "one.parquet", frame)
    assert files.write_parquet(tmp_path / "two.parquet", frame) == first == files.digest_file(tmp_path / "one.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one.parquet"), frame)
