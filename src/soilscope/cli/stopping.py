"""Stops by the user: Ctrl-C and SIGTERM end the command wherever they find it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["INTERRUPTED", "TERMINATED", "hear_stops"]

INTERRUPTED, TERMINATED = 130, 143
AGAIN_SECONDS = 0.05


def hear_stops() -> None:
    """Let SIGTERM end the command with its exit code, and let no stop be lost.

    Python raises a stop wherever the main thread happens to be. In a finaliser or a weak reference's callback it drops what is
    raised, and the command would go on to its end: there the signal is sent once more.
    """
    signal.signal(signal.SIGTERM, _terminated)
    sys.unraisablehook = _unless_a_stop


def _terminated(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(TERMINATED)


def _unless_a_stop(dropped: UnraisableHookArgs) -> None:
    """Say what was dropped, as Python does; a stop is sent again instead."""
    error = dropped.exc_value
    if isinstance(error, KeyboardInterrupt):
        _send_again(signal.SIGINT)
    elif isinstance(error, SystemExit) and error.code == TERMINATED:
        _send_again(signal.SIGTERM)
    else:
        sys.__unraisablehook__(dropped)


def _send_again(number: signal.Signals) -> None:
    """A moment later: what is raised in here would be dropped as well."""
    later = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
    later.daemon = True
    later.start()
