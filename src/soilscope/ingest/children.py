"""Processes of our own in which large C libraries read untrusted bytes: asked one question at a time, and kept for the next.

What such a library does of a damaged file, for ever or with all the memory, then costs a process and one refusal.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

__all__ = ["Child", "Children", "Ended"]

Answer = tuple[dict[str, Any], bytes]


class Ended(Exception):
    """The process ended instead of answering; ``status`` is its own, the negative of a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Child:
    """One process. A question and its content go to its input, an answer and the bytes it announces come from its output.

    Parameters
    ----------
    words : sequence of str
        What follows the interpreter on its command line.
    environment : mapping
        Added to this process's.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.owner = os.getpid()
        self.answered = False
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and files
            [sys.executable, "-P", *words],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )

    def ask(self, question: Mapping[str, Any], content: bytes | memoryview) -> Answer:
        """The answer, and the values it announces.

        Raises
        ------
        EOFError, OSError
            The process ended.
        """
        into, out = self._pipes()
        into.write(json.dumps({**question, "bytes": len(content)}).encode() + b"\n")
        into.write(content)
        into.flush()
        line = out.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        values = out.read(answer.get("bytes", 0))
        if len(values) != answer.get("bytes", 0):
            raise EOFError
        self.answered = True
        return answer, values

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self.process.stdin is None or self.process.stdout is None:
            raise EOFError
        return self.process.stdin, self.process.stdout

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Close its input, which ends it, and wait; a process that does not end is killed. Returns its status."""
        with contextlib.suppress(OSError):  # it may be gone already
            self._pipes()[0].close()
        try:
            status = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._pipes()[1].close()
        return status


class Children:
    """Processes of one kind; those that have answered wait for the next question.

    Parameters
    ----------
    start : function
        Starts one.
    ended_early : int
        The status with which one ends that took too long: it is not asked again.
    """

    def __init__(self, start: Callable[[], Child], ended_early: int) -> None:
        self._start, self._ended_early = start, ended_early
        self.idle: list[Child] = []
        self._guard = threading.Lock()
        atexit.register(self.end_all)

    def ask(self, question: Mapping[str, Any], content: bytes | memoryview = b"") -> Answer:
        """See :meth:`Child.ask`.

        Raises
        ------
        Ended
            It ended instead.
        """
        child = self._borrowed()
        try:
            answer = child.ask(question, content)
        except (EOFError, OSError):
            status = child.end()
            if child.answered and status != self._ended_early:  # it may have died while it was idle
                self.end_all()
                return self.ask(question, content)
            raise Ended(status) from None
        except BaseException:  # Ctrl-C: the answer is still to come, and belongs to nobody
            child.kill()
            raise
        with self._guard:
            self.idle.append(child)
        return answer

    def end_all(self) -> None:
        """End the idle ones; the next question starts a new one."""
        with self._guard:
            ended, self.idle[:] = self.idle[:], []
        for one in ended:
            if one.owner == os.getpid():
                one.end()

    def _borrowed(self) -> Child:
        """An idle process, or a new one; a fork's idle ones answer to its parent."""
        with self._guard:
            mine = [one for one in self.idle if one.owner == os.getpid()]
            self.idle[:] = mine[:-1]
        return mine[-1] if mine else self._start()
