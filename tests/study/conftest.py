"""A tiny study of two phantom cores, run once; tests that change it work on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soilscope import phantoms, study
from soilscope.study.plan import CorePlan, ExplainPlan, LearnPlan, Plan, TargetPlan

CORES = (("pine-forest", 0), ("sandy", 0))


def tiny_plan() -> Plan:
    cores = tuple(CorePlan(id=f"{soil}-{seed}", path=f"scans/{soil}-{seed}/dicom") for soil, seed in CORES)
    learn = LearnPlan(
        targets=(TargetPlan(of=(3,)), TargetPlan(of=(5, 6)), TargetPlan(of=(2,), transfer_from=(3,))),
        width=0.125,
        image_size=32,
        epochs=2,
        transfer_epochs=3,
    )
    return Plan(
        name="tiny", cores=cores, learn=learn, explain=ExplainPlan(layers=("block1_conv2", "block3_conv1"), slices=1)
    )


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Path:
    """A study folder with scans and a plan, not run yet."""
    folder = tmp_path_factory.mktemp("scans") / "tiny"
    for soil, seed in CORES:
        phantoms.write(phantoms.make(soil, seed=seed, shape=(24, 48, 48)), folder / "scans" / f"{soil}-{seed}")
    study.write_plan(folder, tiny_plan())
    return folder


@pytest.fixture(scope="session")
def finished(scans, tmp_path_factory) -> Path:
    """The same study, run to its end in one go."""
    folder = tmp_path_factory.mktemp("finished") / "tiny"
    shutil.copytree(scans, folder)
    summary = study.run(folder)
    assert [str(f.error) for f in summary.failures] == []
    return folder


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A finished study that a test may change."""
    folder = tmp_path / "tiny"
    shutil.copytree(finished, folder)
    return folder


@pytest.fixture
def fresh(scans, tmp_path) -> Path:
    """A study that was never run."""
    folder = tmp_path / "tiny"
    shutil.copytree(scans, folder)
    return folder
