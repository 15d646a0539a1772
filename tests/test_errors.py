"""Errors carry what a program needs, cross a process border whole, and are as their module's tree draws them."""

import copy
import multiprocessing
import re

import pytest

from soilscope import errors

CLASSES = [getattr(errors, n) for n in errors.__all__ if n != "SoilscopeWarning"]


def drawn():
    """Name -> (builtin or None, exit status), from the tree in the module's docstring."""
    rows = re.findall(r"[├└]── (\w+) +(?:\((\w+)\))? +(\d) ", errors.__doc__)
    return {name: (builtin or None, int(status)) for name, builtin, status in rows}


def test_the_tree_in_the_docstring_is_the_tree():
    assert set(drawn()) == {c.__name__ for c in CLASSES} - {"SoilscopeError"}
    for name, (builtin, status) in drawn().items():
        bases = [base.__name__ for base in getattr(errors, name).__mro__]
        assert getattr(errors, name).exit_code == status
        assert builtin is None or builtin in bases


def raise_in_child(kind, connection):
    try:
        raise kind("gap", "2 slices are missing", ["a.dcm"])
    except errors.SoilscopeError as error:
        connection.send(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_keeps_code_text_and_files_across_processes_and_copies(kind):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=raise_in_child, args=(kind, there))
    child.start()
    received = here.recv()
    child.join()
    for error in (received, copy.copy(received)):
        assert type(error) is kind
        assert (error.code, error.text, error.files) == ("gap", "2 slices are missing", ("a.dcm",))
        assert str(error) == "2 slices are missing [gap]"
