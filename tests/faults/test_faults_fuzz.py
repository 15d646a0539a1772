"""Spoilt files end in typed errors, soon and small (FAULTS 45); what once did not is kept in ``corpus``."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import mutants
import pytest

from soilscope.ingest import part10, read
from soilscope.ingest.headers import read_headers

COUNT = int(os.environ.get("SOILSCOPE_FUZZ", "360"))
"""Mutants of a run; ``make fuzz`` reads 10,000."""
CORPUS = sorted(p for p in (Path(__file__).parent / "corpus").iterdir() if p.suffix != ".md")


@pytest.mark.timeout(3600)
def test_mutated_scans_and_archives_end_in_typed_errors_soon_and_small():
    """45. Fuzz: byte- and tag-mutation of a valid series, compressed ones too: only typed errors, bounded time and memory."""
    words = [sys.executable, mutants.__file__, "--count", str(COUNT), "--seed", "20261124"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{COUNT} mutants of" in ran.stdout


@pytest.mark.parametrize("fault", ["error", "time"])
def test_trouble_is_noticed(tmp_path, monkeypatch, fault):
    """The check itself: an error that is none of ours, and a reading that takes too long."""
    (tmp_path / "a.dcm").write_bytes(mutants.sound_files()["explicit.dcm"])
    assert mutants.trouble(tmp_path / "a.dcm") is None
    if fault == "time":
        monkeypatch.setattr(mutants, "SECONDS", 0.0)
    else:
        monkeypatch.setattr(mutants, "read", lambda path: {}["no such key"])
    assert ("KeyError" if fault == "error" else " s") in mutants.trouble(tmp_path / "a.dcm")


@pytest.mark.parametrize("name", sorted(mutants.sound_files()))
def test_each_file_is_read_before_it_is_spoilt(tmp_path, name):
    (tmp_path / name).write_bytes(mutants.sound_files()[name])
    assert read(tmp_path / name).valid.any()


@pytest.mark.parametrize("mutate", {m.__name__: m for m in mutants.MUTATIONS}.values(), ids=lambda m: m.__name__)
def test_each_way_of_spoiling_changes_files(mutate):
    source, whole = random.Random(3), mutants.sound_files()["explicit.dcm"]
    changed = 0
    for _ in range(20):
        data = bytearray(whole)
        mutate(data, source)
        changed += bytes(data) != whole
    assert changed > 5


def test_the_same_seed_gives_the_same_mutants():
    files = {"a": bytes(range(200)), "b": b"x" * 90}
    assert list(mutants.mutants(files, 40, 5)) == list(mutants.mutants(files, 40, 5))
    assert list(mutants.mutants(files, 40, 5)) != list(mutants.mutants(files, 40, 6))


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.name)
def test_what_once_crashed_the_readers_does_so_no_more(path):
    """45. ... each crash becomes a file in tests/faults/corpus."""
    assert mutants.trouble(path) is None


@pytest.mark.parametrize("path", [p for p in CORPUS if p.suffix == ".dcm"], ids=lambda p: p.name)
def test_the_corpus_is_read_alike_with_and_without_the_quick_walk(path, monkeypatch):
    def told() -> str:
        headers = read_headers([path])
        return repr(([astuple(one) for one in headers.slices], [(b.error.code, b.series_uid) for b in headers.broken]))

    quick = told()
    monkeypatch.setattr(part10, "walk", lambda head, size: None)
    assert told() == quick
