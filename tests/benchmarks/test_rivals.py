"""Rivals in processes of their own: they answer, and one that dies is told by name."""

from __future__ import annotations

import pytest
from benchmarks.child import child

pytestmark = pytest.mark.learn


def test_a_rival_says_its_version_and_times_its_steps():
    pytest.importorskip("torch")
    with child("benchmarks.torch_child", 32, 2, 1) as rival:
        assert "fp32" in rival.version
        assert rival.step() > 0
        assert rival.step() > 0


def test_a_rival_that_cannot_start_is_told_by_its_name():
    with pytest.raises(RuntimeError, match="torch_child ended with status 1"), child("benchmarks.torch_child", 0, 0, 0):
        pass
