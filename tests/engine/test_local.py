"""The local engine: every task has one outcome, whatever becomes of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.util import Finalize
from pathlib import Path

import pytest

from soilscope.engine import Local, Task
from soilscope.errors import InputRefused


def square(number, send):
    send(("progress", 1, 1, f"squaring {number}"))
    return number * number


def refuse(name, send):
    raise InputRefused("gap", f"{name} has a gap", [name])


def stumble(send):
    return 1 / 0


def go_round(kind, send):
    """Raise an error that was caused by one that came while it was told."""
    first, second = kind("first"), KeyError("second")
    first.__cause__, second.__context__ = second, first
    raise first


def die(send):
    os.kill(os.getpid(), signal.SIGKILL)


def process_id(_number, send):
    return os.getpid()


def hold(ignored, send):
    """Hold a semaphore that the system knows by name, as numba does, and work until the process is ended."""
    lock = multiprocessing.RLock()
    if ignored:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send("at work")
    while True:
        lock.acquire(timeout=0.01)


def load(_number, send):
    """Be ended while a compiled module is loaded: such a module tells of an error of its own, whatever stopped it."""
    send("at work")
    try:
        while True:
            time.sleep(0.01)
    except SystemExit as stop:
        raise ImportError("initialization failed") from stop


def leave_slowly(place, send):
    """Let the end of this process take a second, as that of one with large libraries does; a file tells that it came to it."""
    Finalize(None, _left, (place,), exitpriority=10)
    return os.getpid()


def _left(place):
    time.sleep(1.0)
    Path(place, str(os.getpid())).touch()


def collect(engine, tasks):
    messages = []
    outcomes = {o.key: o for o in engine.run(tasks, lambda key, content: messages.append((key, content)))}
    return outcomes, messages


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_gives_its_value_and_its_messages_whatever_the_workers(workers):
    outcomes, messages = collect(Local(workers), [Task(str(n), square, (n,)) for n in range(7)])
    assert {key: o.value for key, o in outcomes.items()} == {str(n): n * n for n in range(7)}
    assert sorted(key for key, _ in messages) == [str(n) for n in range(7)]
    assert all(o.error is None and o.peak_mb > 0 for o in outcomes.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_refusal_keeps_its_type_code_and_files_across_processes(workers):
    outcomes, _ = collect(Local(workers), [Task("a", refuse, ("core.dcm",)), Task("b", square, (3,))])
    error = outcomes["a"].error
    assert isinstance(error, InputRefused)
    assert (error.code, error.files) == ("gap", ("core.dcm",))
    assert outcomes["b"].value == 9


def test_an_unexpected_error_says_where_it_was_raised():
    outcomes, _ = collect(Local(1), [Task("a", stumble, ())])
    assert "ZeroDivisionError" in str(outcomes["a"].error)
    assert Path(__file__).name in str(outcomes["a"].error)


@pytest.mark.parametrize("kind", [ValueError, ImportError])
def test_errors_that_come_round_in_a_circle_are_told_too(kind):
    outcomes, _ = collect(Local(1), [Task("a", go_round, (kind,))])
    assert kind.__name__ in str(outcomes["a"].error)


def test_a_killed_worker_fails_its_task_and_no_other():
    tasks = [Task("a", die, ()), *(Task(str(n), square, (n,)) for n in range(5))]
    outcomes, _ = collect(Local(2), tasks)
    assert "died" in str(outcomes["a"].error)
    assert [outcomes[str(n)].value for n in range(5)] == [0, 1, 4, 9, 16]


def test_when_every_worker_is_killed_the_waiting_tasks_fail_too():
    outcomes, _ = collect(Local(2), [Task(str(n), die, ()) for n in range(4)])
    assert sorted(outcomes) == ["0", "1", "2", "3"]
    assert all(o.error is not None for o in outcomes.values())


def test_two_workers_are_two_processes_and_neither_is_this_one():
    outcomes, _ = collect(Local(2), [Task(str(n), process_id, (n,)) for n in range(8)])
    assert os.getpid() not in {o.value for o in outcomes.values()}


STOPPED = """
import sys
sys.path.insert(0, {folder!r})
from test_local import Local, Task, {task}

def main():
    at_work = []
    def told(key, _content):
        at_work.append(key)
        if len(at_work) == 2:
            raise KeyboardInterrupt
    try:
        list(Local(2).run([Task(str(n), {task}, (n == {deaf},)) for n in range(2)], told))
    except KeyboardInterrupt:
        print("stopped")

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("task", "deaf"), [("hold", -1), ("hold", 1), ("load", -1)], ids=["all hear", "one is deaf", "while loading"]
)
def test_a_stop_ends_all_workers_and_leaves_nothing_of_the_system_held(tmp_path, task, deaf):
    """Ctrl-C: workers end, also one that does not listen; semaphores of those that do are given back without a complaint."""
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED.format(folder=str(Path(__file__).parent), task=task, deaf=deaf), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n"
    if deaf < 0:
        assert done.stderr == ""


def test_workers_that_are_done_end_by_themselves(tmp_path):
    """A worker that takes a second to end is waited for: ended on the way, it would not give back what its libraries hold."""
    outcomes, _ = collect(Local(2), [Task(str(n), leave_slowly, (str(tmp_path),)) for n in range(2)])
    assert {str(outcome.value) for outcome in outcomes.values()} == {file.name for file in tmp_path.iterdir()}
