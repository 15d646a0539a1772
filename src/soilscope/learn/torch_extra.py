"""PyTorch, asked for only when something is learnt, and named plainly when it is absent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from soilscope.errors import MissingExtra, install_line

__all__ = ["require_torch"]

WAITING = "GOMP_SPINCOUNT"
BRIEFLY = "10000"
CHOSEN_BY_USER = (WAITING, "OMP_WAIT_POLICY")


def require_torch() -> Any:
    """The module ``torch``.

    Raises
    ------
    MissingExtra
        Code ``missing-extra``: PyTorch is not installed; the message is the line that installs it.
    """
    try:
        with _threads_that_wait_briefly():
            return import_module("torch")
    except ImportError as error:
        raise MissingExtra(
            "missing-extra",
            f"learning needs PyTorch: {install_line('learn')}",
        ) from error


@contextmanager
def _threads_that_wait_briefly() -> Iterator[None]:
    """While PyTorch is loaded, tell its OpenMP threads to sleep soon after their work instead of keeping a core busy.

    They keep it for milliseconds by default, which is as long as our own loops between two products take: these then had
    half of the cores, and a step of the full VGG16 took a seventh longer. libgomp reads this once, when it is loaded; other
    processes do not see it.
    """
    if "torch" in sys.modules or any(name in os.environ for name in CHOSEN_BY_USER):
        yield
        return
    os.environ[WAITING] = BRIEFLY
    try:
        yield
    finally:
        del os.environ[WAITING]
