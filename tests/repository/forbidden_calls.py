"""Find calls that may run code from a file, or that read what cannot be trusted: ``forbidden_calls.py FOLDER ...``.

The syntax tree is searched rather than the text: a sentence about pickle is no finding, a renamed import is one.
Exit status 0 when nothing was found, 1 otherwise.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "read_pickle", "to_pickle", "unsafe_load", "full_load"}
"""Forbidden whatever they are called on."""
DOTTED = {"torch.load", "torch.save", "torch.hub.load", "yaml.load", "os.system", "os.popen", "subprocess.getoutput"}
KEYWORDS = {"shell", "allow_pickle", "force"}
"""Forbidden unless they are literally False."""


def findings(source: str) -> Iterator[tuple[int, str]]:
    """(line, what) for each forbidden import or call in a module's source."""
    tree = ast.parse(source)
    known = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, f"import {a.name}") for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in MODULES:
            yield node.lineno, f"from {node.module} import"
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _in_call(node, known))


def _imported(tree: ast.AST) -> dict[str, str]:
    """Local name -> what it stands for, for every import of the module."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({a.asname: a.name for a in node.names if a.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            known.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return known


def _in_call(call: ast.Call, known: dict[str, str]) -> Iterator[str]:
    name = _dotted(call.func)
    first, _, rest = name.partition(".")
    full = ".".join(filter(None, (known.get(first, first), rest)))
    if full in BUILTINS or full.removeprefix("builtins.") in BUILTINS or full in DOTTED:
        yield f"{full}()"
    elif isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
        yield f".{call.func.attr}()"
    for keyword in call.keywords:
        literal_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in KEYWORDS and not literal_false:
            yield f"{keyword.arg}={ast.unparse(keyword.value)}"


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return "(...)"


def main(folders: list[str]) -> int:
    """Search the folders' Python files; one line a finding."""
    found = [
        f"{path}:{line}: {what}"
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        for line, what in findings(path.read_text(encoding="utf-8"))
    ]
    sys.stdout.write("".join(f"{line}\n" for line in found) or "no forbidden calls\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
