"""The local engine: every task has one outcome, whatever becomes of it."""

from __future__ import annotations

import os
import signal
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


def die(send):
    os.kill(os.getpid(), signal.SIGKILL)


def process_id(_number, send):
    return os.getpid()


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
