"""Killed at any moment, a study goes on and ends with the bytes of one that was never interrupted (FAULTS 26)."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soilscope import files, phantoms, study
from soilscope.study.plan import CorePlan, ExplainPlan, LearnPlan, Plan, RunPlan, TargetPlan

COMMAND = [sys.executable, "-c", "from soilscope.cli.app import main; main()"]
KILLS = 6

pytestmark = [pytest.mark.learn, pytest.mark.slow, pytest.mark.timeout(1500)]


def contents(folder: Path) -> dict[str, str]:
    wanted = [p for place in ("tables", "models", "cores") for p in (folder / place).rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): files.digest_file(p) for p in wanted if p.name != "timings.csv"}


def make_study(folder: Path) -> None:
    for seed in (0, 1):
        phantoms.write(phantoms.make("pine-forest", seed=seed, shape=(24, 48, 48)), folder / "scans" / f"pine-{seed}")
    targets = (TargetPlan(of=(3,)), TargetPlan(of=(2,), transfer_from=(3,)))
    plan = Plan(
        name="killed",
        cores=tuple(CorePlan(id=f"pine-{seed}", path=f"scans/pine-{seed}/dicom") for seed in (0, 1)),
        learn=LearnPlan(targets=targets, width=0.125, image_size=32, epochs=30, transfer_epochs=5),
        explain=ExplainPlan(layers=("block2_conv2",), slices=1),
        run=RunPlan(workers=2),
    )
    study.write_plan(folder, plan)


def test_a_study_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    make_study(whole)
    shutil.copytree(whole, killed)
    start = time.monotonic()
    subprocess.run([*COMMAND, "run", str(whole), "--quiet"], check=True, timeout=600)
    seconds = time.monotonic() - start
    moments, hit = random.Random(7), 0
    for _ in range(KILLS):
        process = subprocess.Popen([*COMMAND, "run", str(killed), "--quiet"])
        try:
            process.wait(timeout=moments.uniform(0.1, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            hit += 1
    subprocess.run([*COMMAND, "run", str(killed), "--quiet"], check=True, timeout=600)
    assert hit >= 2
    assert contents(killed) == contents(whole)
    assert study.verify(killed) == []
    leftovers = [p for p in killed.rglob(".*") if p.name.endswith((".partial", ".stale", ".lock"))]
    assert leftovers == []
