"""Every refusal of reading says what to do next (FAULTS: a refusal names the files, the values and the next step)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import soilscope.ingest

SOURCES = sorted(Path(soilscope.ingest.__file__).parent.glob("*.py"))

REFUSING = {"refuse": 1, "InputRefused": 1, "parsing": 1}
"""Functions that refuse, and which of their arguments is the text."""

PASSED_ON = {
    ("verdict.py", "refuse"),
    ("verdict.py", "parsing"),
    ("inspect.py", "_read_through"),
    ("dicom.py", "_with_strangers"),
    ("dicom.py", "_with_empty"),
    ("read.py", "_none_a_scan"),
}
"""Where a text made elsewhere is handed on."""

STEP = re.compile(
    r"(?:^|[;:,.(] ?| or | and |either )(?:to )?(?:ask|check|choose|copy|correct|export|give|install|keep|name|number|pack|"
    r"pip install|put|read|resample|rewrite|save|scan|state|take|turn|unpack|write)\b"
    r"|reads them as grey|on_gap=|import the scan itself|they are two scans",
    re.IGNORECASE,
)


def constants() -> dict[str, ast.expr]:
    found = {}
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node.value
    return found


CONSTANTS = constants()


def words(node: ast.AST | None, function: ast.FunctionDef, line: int) -> str:
    """A text as far as the source says it: what is written, and what stands in the names that it is made of."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part, function, line) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return words(node.value, function, line) if isinstance(node.value, ast.Name) else "?"
    if isinstance(node, ast.BinOp):
        return words(node.left, function, line) + words(node.right, function, line)
    if isinstance(node, ast.IfExp):
        return min(
            words(node.body, function, line), words(node.orelse, function, line), key=lambda w: bool(STEP.search(w))
        )
    if isinstance(node, ast.Attribute) and node.attr in ("text", "_text"):
        return "?"
    if isinstance(node, ast.Name):
        return assigned(node.id, function, line)
    return "?"


def assigned(name: str, function: ast.FunctionDef, line: int) -> str:
    """What was last written to a name above a line of a function, or stands in it for the whole module."""
    last, text = 0, ""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or not last < node.lineno < line:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            last, text = node.lineno, words(node.value, function, node.lineno)
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and last < node.lineno < line and getattr(node.target, "id", "") == name:
            text += words(node.value, function, node.lineno)
    return text or (words(CONSTANTS[name], function, 0) if name in CONSTANTS else "?")


def refusals(path: Path) -> Iterator[tuple[str, str]]:
    """Where a refusal is made, and its text."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef) or (path.name, function.name) in PASSED_ON:
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                at = REFUSING.get(node.func.id, len(node.args))
                if len(node.args) > at:
                    yield f"{path.name}:{node.lineno}", words(node.args[at], function, node.lineno)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_refusal_says_what_to_do_next(path):
    """ "Refuse" means: a typed error with a stable code that names the files, the values and the next step."""
    assert [(where, text) for where, text in refusals(path) if text != "?" and not STEP.search(text)] == []


def test_the_walk_finds_the_refusals():
    texts = [text for path in SOURCES for _, text in refusals(path)]
    assert len(texts) > 120
    assert sum(text == "?" for text in texts) <= 6
    assert not STEP.search("one.dcm is a scout (localizer), not a slice of a scan.")
