"""A rival in a process of its own, so that no two libraries share threads, memory or settings.

The child says its version, and then answers each line it is sent with the seconds of one step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Child", "answer_steps", "child"]


def answer_steps(version: str, step: Callable[[], object]) -> None:
    """The child's side: serve until the other end closes."""
    _say({"version": version})
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        _say({"seconds": time.perf_counter() - start})


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


class Child:
    """The parent's side of one rival."""

    def __init__(self, module: str, arguments: tuple[object, ...]) -> None:
        words = [sys.executable, "-m", module, *map(str, arguments)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._module = module
        self._process = subprocess.Popen(
            words, cwd=Path(__file__).parents[1], stdin=pipe, stdout=pipe, stderr=nothing, text=True
        )
        self.version = str(self._answer()["version"])

    def step(self) -> float:
        """Seconds of one step."""
        assert self._process.stdin is not None
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise RuntimeError(
                f"{self._module} ended with status {status}; is the rival installed (extra soilscope[bench])?"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """A rival for the while."""
    rival = Child(module, arguments)
    try:
        yield rival
    finally:
        rival.close()
