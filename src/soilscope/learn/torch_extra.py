"""PyTorch, asked for only when something is learnt, and named plainly when it is absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from soilscope.errors import MissingExtra, install_line

__all__ = ["require_torch"]


def require_torch() -> Any:
    """The module ``torch``.

    Raises
    ------
    MissingExtra
        Code ``missing-extra``: PyTorch is not installed; the message is the line that installs it.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise MissingExtra(
            "missing-extra",
            f"learning needs PyTorch: {install_line('learn')}",
        ) from error
