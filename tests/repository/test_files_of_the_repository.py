"""Licence, versions, pins and the words in tracked files."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from soilscope._version import __version__

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".py", ".md", ".toml", ".txt", ".cff", ".yaml", ".yml", ".cfg", ".html", ".css", ".js", ".json", ".svg", ""}
HOMES = re.compile(r"(?<![\w.:/$}>])/(?:home|root|Users|work|mnt|srv)/[\w.-]")
"""An absolute path of somebody's machine; ``https://host/work/x`` and ``tmp_path/work/x`` are none."""


def tracked():
    """Files under version control, and those about to be; skips where there is no repository."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if result.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_licence_is_bsd_3_clause_in_full():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "The Soilscope developers" in text
    assert [
        clause
        for clause in ("1. Redist", "2. Redist", "3. Neither the name", "PROVIDED BY THE COPYRIGHT")
        if clause not in text
    ] == []


def test_citation_and_changelog_name_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, flags=re.MULTILINE).group(1) == __version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert newest.group(1) == __version__


def test_every_requirement_is_pinned_to_an_exact_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    lines = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    pinned = {normal(line) for line in lines}
    assert [requirement for requirement in wanted if normal(requirement) not in pinned] == []


def normal(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement).group()).lower()


def test_no_tracked_file_names_a_folder_of_somebodys_machine():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix in TEXT and path.stat().st_size < 2_000_000
        for match in HOMES.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"), [("see /{}/x", True), ('"/{}/x"', True), ("https://host/{}/x", False), ("a/{}/x", False)]
)
def test_the_search_for_such_folders_finds_them_and_no_web_address(text, found):
    assert bool(HOMES.search(text.format("home"))) is found


def test_no_tracked_file_is_larger_than_two_megabytes():
    assert [f"{p.relative_to(ROOT)}: {p.stat().st_size}" for p in tracked() if p.stat().st_size > 2_000_000] == []


def test_every_link_between_documents_leads_somewhere():
    broken = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in tracked()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []
