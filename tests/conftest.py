"""What all tests share: where the real scans lie, and quiet, deterministic libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SOILSCOPE_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture
def real_data():
    """Path of a real data set by its folder name; skips, saying so, where the data are absent."""

    def find(name: str) -> Path:
        folder = DATA / name
        if not folder.exists():
            pytest.skip(f"real data set {name!r} is not at {DATA}; set SOILSCOPE_DATA to its parent folder")
        return folder

    return find
