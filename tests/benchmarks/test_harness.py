"""The benchmarks' frame: what is printed, what is kept, and what counts as holding; no benchmark is run here."""

from __future__ import annotations

import getpass
import json
import math
import platform

import pytest
from benchmarks.__main__ import main, record_of
from benchmarks.machine import machine
from benchmarks.outcome import Benchmark, Figure, Outcome, Peer
from benchmarks.registry import BENCHMARKS
from benchmarks.results import keep

KEYS = {"name", "value", "unit", "peer", "ratio", "bar", "holds", "machine"}


def trivial(name="trivial", ratio=3.0, part=0.9):
    def run(say):
        say("working")
        head = Figure("speed", 6.0, "images/s", Peer("Rival 1.2", 6.0 / ratio), ratio, bar=2.0)
        return Outcome(head, (Figure("R²", part, "R²", bar=0.8),), {"precision": "fp32"})

    return Benchmark(name, "a benchmark for the tests", run)


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("f", 1, "s", Peer("p", 2), 2.0, bar=2.0), True),
        (Figure("f", 1, "s", Peer("p", 2), 1.999, bar=2.0), False),
        (Figure("f", 0.09, "R²", bar=0.1, sense="<"), True),
        (Figure("f", 0.1, "R²", bar=0.1, sense="<"), False),
        (Figure("f", -5, "R²"), True),
        (Figure("f", math.nan, "R²", bar=0.1, sense="<"), False),
        (Figure("f", math.inf, "s", bar=1.0), False),
    ],
)
def test_a_bar_is_on_the_ratio_where_there_is_one_and_never_kept_by_a_figure_that_is_not_finite(figure, holds):
    assert figure.holds is holds


def test_each_benchmark_prints_one_json_object_a_line_with_the_promised_keys(capsys):
    benchmarks = {"one": trivial("one"), "two": trivial("two")}
    assert main(["--json"], benchmarks) == 0
    told = capsys.readouterr()
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [record["name"] for record in records] == ["one", "two"]
    for record in records:
        assert record.keys() >= KEYS
        assert record["peer"] == {"name": "Rival 1.2", "value": 2.0}
        assert record["ratio"] == 3.0
        assert record["holds"] is True
        assert record["parts"][0]["holds"] is True
    assert "working" in told.err


def test_names_choose_what_is_run(capsys):
    assert main(["two", "--json"], {"one": trivial("one"), "two": trivial("two")}) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["two"]


@pytest.mark.parametrize("broken", [{"ratio": 1.9}, {"part": 0.79}])
def test_a_missed_bar_of_the_headline_or_of_a_part_is_exit_status_1(broken, capsys):
    assert main(["--json"], {"bad": trivial("bad", **broken)}) == 1
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_an_unknown_name_is_exit_status_2_and_runs_nothing(capsys):
    assert main(["two", "tow"], {"two": trivial("two")}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "tow" in told.err


def test_without_json_the_same_is_told_in_words(capsys):
    main([], {"bad": trivial("bad", part=0.1)})
    assert "DOES NOT HOLD" in capsys.readouterr().out


def test_what_is_not_finite_becomes_null_and_the_line_stays_json():
    record = record_of(Benchmark("n", "", lambda say: Outcome(Figure("f", math.nan, "R²"))))
    assert record["value"] is None
    json.dumps(record, allow_nan=False)


def test_results_keep_the_last_figures_of_each_benchmark_with_date_machine_and_commit(tmp_path):
    keep([record_of(trivial("one")), record_of(trivial("two", ratio=2.5))], tmp_path)
    keep([record_of(trivial("two", ratio=1.5))], tmp_path)
    kept = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert kept[f"one, {machine()}"]["ratio"] == 3.0
    assert kept[f"two, {machine()}"]["ratio"] == 1.5
    assert {"date", "commit", "machine"} <= kept[f"two, {machine()}"].keys()
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page.index("## one") < page.index("## two")
    assert "| speed | 6.0 images/s | Rival 1.2: 4.0 | 1.5 | >= 2.0 | **no** |" in page
    assert "| R² | 0.9 R² |  |  | >= 0.8 | yes |" in page
    assert machine() in page


def test_results_of_another_kind_of_machine_stay_beside_the_new_ones(tmp_path):
    keep([record_of(trivial("one", ratio=2.5)) | {"machine": "Abacus, 2 wires"}], tmp_path)
    keep([record_of(trivial("one", ratio=1.5))], tmp_path)
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page.count("## one") == 2
    assert "Abacus, 2 wires" in page


def test_the_machine_is_told_without_the_names_of_host_and_user():
    words = machine()
    assert "cores" in words
    assert platform.node() not in words.split()
    assert getpass.getuser() not in words.split()


def test_the_promised_benchmarks_are_there_and_each_names_what_it_promises():
    promised = {"recipe", "unseen", "matched", "train-cpu", "transfer", "read-dicom", "import-store"}
    assert promised <= BENCHMARKS.keys()
    assert all(benchmark.about for benchmark in BENCHMARKS.values())
