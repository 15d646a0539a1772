"""What the README and the documents show is what happens."""

import json
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SOILSCOPE = Path(sys.executable).with_name("soilscope")


def holding(language):
    """The documents that hold a block in a language."""
    return [d for d in DOCUMENTS if f"```{language}\n" in d.read_text(encoding="utf-8")]


def name_of(document):
    return document.relative_to(ROOT).as_posix()


def blocks(text, kind):
    return [content for language, content in BLOCK.findall(text) if language == kind]


def sessions(text):
    """(code, output) for each Python block that a text block follows; ("code", None) where none does."""
    pairs = pairwise([*BLOCK.findall(text), ("", "")])
    return [
        (code, after if then == "text" else None) for (language, code), (then, after) in pairs if language == "python"
    ]


def commands(text):
    """Every `soilscope` command line that a text shows, comments taken off."""
    lines = [line.split("  #")[0].strip() for block in blocks(text, "sh") for line in block.splitlines()]
    return [line.split() for line in lines if line.startswith(("soilscope ", ".venv/bin/soilscope "))]


def test_the_first_python_block_has_six_lines_and_its_output_below():
    code, output = sessions(README)[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 6
    assert output


@pytest.mark.parametrize("document", holding("python"), ids=name_of)
def test_python_blocks_print_the_output_shown_below_them(document, tmp_path):
    for code, output in sessions(document.read_text(encoding="utf-8")):
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert output is None or lines(result.stdout) == lines(output)


@pytest.mark.parametrize("document", holding("sh"), ids=name_of)
def test_shell_blocks_are_shell(document):
    for block in blocks(document.read_text(encoding="utf-8"), "sh"):
        result = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


def test_every_make_verb_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE))
    named = {
        v for d in DOCUMENTS for v in re.findall(r"^(?:\| `)?make ([a-z]+)", d.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert {"demo", "test"} <= named <= verbs
    assert {"help", "demo", "test", "check", "bench"} <= verbs


def test_make_alone_lists_every_verb():
    result = subprocess.run(["make", "--no-print-directory"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0
    assert re.findall(r"^  make (\w+)", result.stdout, flags=re.MULTILINE)[:2] == ["help", "demo"]


def test_the_test_command_that_continuous_integration_runs_stands_in_the_readme():
    assert re.search(r"^make test$", README, flags=re.MULTILINE)


def lines(text):
    return [line.rstrip() for line in text.rstrip().splitlines()]


@cache
def told_commands():
    """Name -> options of every command, as the command line itself tells them."""
    script = (
        "import json, click, typer\n"
        "from soilscope.cli.app import app\n"
        "group = typer.main.get_command(app)\n"
        "print(json.dumps({n: [o for p in c.params for o in p.opts] for n, c in group.commands.items()}))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def test_the_table_of_commands_is_complete_and_true():
    in_table = {name for cell in re.findall(r"^\| (`[^|]*`) \|", README, flags=re.MULTILINE) for name in named(cell)}
    assert in_table == set(told_commands())


def named(cell):
    """Commands of a table's cell: ``soilscope run STUDY`` is one, ``soilscope measure`` and ``train`` two."""
    words = [code.removeprefix("soilscope ").split()[0] for code in re.findall(r"`([^`]+)`", cell)]
    return [word for word in words if word.isalpha() and word != "make"]


@pytest.mark.parametrize("document", holding("sh"), ids=name_of)
def test_command_lines_use_commands_and_options_that_exist(document):
    known = told_commands()
    for _, name, *words in commands(document.read_text(encoding="utf-8")):
        assert name in known
        assert [
            w for w in words if w.startswith("-") and not w[1:2].isdigit() and w.split("=")[0] not in known[name]
        ] == []


def test_the_command_answers_for_help_and_version():
    from soilscope._version import __version__

    told = subprocess.run([SOILSCOPE, "--version"], capture_output=True, text=True)
    assert (told.returncode, told.stdout.strip()) == (0, __version__)
    assert subprocess.run([SOILSCOPE, "--help"], capture_output=True).returncode == 0


@pytest.mark.parametrize(("given", "wanted"), [((), []), (("WRITE=--write", "NAMES=recipe"), ["recipe", "--write"])])
def test_make_bench_prints_json_lines_and_keeps_them_where_asked(given, wanted):
    result = subprocess.run(["make", "-n", "bench", *given], capture_output=True, text=True, check=True, cwd=ROOT)
    (line,) = [line for line in result.stdout.splitlines() if "-m benchmarks" in line]
    assert line.split("-m benchmarks")[1].split() == [*wanted[:1], "--json", *wanted[1:]]
