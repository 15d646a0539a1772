"""The documented exit codes are those of the errors, and every code in the sources is of the stable kind."""

import ast
import inspect
import re
from pathlib import Path

from soilscope import errors

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "exit-codes.md"
STABLE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def error_classes():
    return {
        name: thing
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.SoilscopeError) and thing is not errors.SoilscopeError
    }


def test_the_documented_exit_codes_are_those_of_the_errors():
    rows = re.findall(r"^\| `(\w+)` \| `\w+` \| (\d+) \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name: int(code) for name, code in rows} == {name: c.exit_code for name, c in error_classes().items()}


def test_the_documented_builtins_are_bases_of_the_errors():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| \d+ \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wrong = [name for name, builtin in rows if builtin not in {base.__name__ for base in error_classes()[name].__mro__}]
    assert rows
    assert wrong == []


def test_every_exit_status_is_explained():
    explained = {int(n) for n in re.findall(r"^\| (\d+) \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)}
    assert explained == {0, 1, 2, 3, 4, 5, 130, 143}


def test_every_code_raised_in_the_sources_is_words_joined_by_hyphens():
    names = error_classes()
    odd = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0]
            if called in names and isinstance(code, ast.Constant) and not STABLE.fullmatch(str(code.value)):
                odd.append(f"{path.relative_to(ROOT)}:{node.lineno}: {code.value!r}")
    assert odd == []
