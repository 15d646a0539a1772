"""The last figures of each benchmark, kept in RESULTS.md with date, machine and commit."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soilscope.files import write_json, write_text

__all__ = ["FOLDER", "commit", "keep"]

FOLDER = Path(__file__).parent
HEAD = """# Last benchmark figures

Written by `python -m benchmarks [NAME ...] --write`; do not edit. `ratio` is how many times better than the peer of the same
run, `bar` the limit it is held against (on the value itself where there is no peer). Seconds depend on the machine and
on what else it does: trust the ratios. Each kind of processor keeps its last figures, the newest first.
"""


def commit(folder: Path = FOLDER) -> str:
    """Short commit of the repository, with a plus where files differ from it; ``"none"`` outside a repository."""
    try:
        name = _git(folder, "rev-parse", "--short", "HEAD")
        return name + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def keep(records: list[dict[str, Any]], folder: Path = FOLDER) -> None:
    """Put new figures in the place of the old ones of the same benchmarks on the same machine, and write the page again."""
    path = folder / "results.json"
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stamp = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "commit": commit(folder)}
    kept |= {f"{record['name']}, {record['machine']}": record | stamp for record in records}
    newest_first = sorted(kept.values(), key=lambda record: record["date"], reverse=True)
    write_json(path, kept)
    write_text(
        folder / "RESULTS.md", HEAD + "".join(_section(r) for r in sorted(newest_first, key=lambda r: r["name"]))
    )


def _section(record: Mapping[str, Any]) -> str:
    notes = "".join(f"- {key}: {value}\n" for key, value in record["notes"].items())
    headline = {**record, "name": record["figure"], "holds": record["headline_holds"]}
    rows = "".join(_row(figure) for figure in (headline, *record["parts"]))
    return (
        f"\n## {record['name']}\n\n{record['date']}, commit {record['commit']}, {record['seconds']} s. {record['machine']}.\n\n"
        f"| figure | value | peer | ratio | bar | holds |\n|---|---|---|---|---|---|\n{rows}\n{notes}"
    )


def _row(figure: Mapping[str, Any]) -> str:
    peer = "" if figure["peer"] is None else f"{figure['peer']['name']}: {figure['peer']['value']}"
    bar = "" if figure["bar"] is None else f"{figure['sense']} {figure['bar']}"
    holds = "" if figure["bar"] is None else "yes" if figure["holds"] else "**no**"
    ratio = "" if figure["ratio"] is None else figure["ratio"]
    return f"| {figure['name']} | {figure['value']} {figure['unit']} | {peer} | {ratio} | {bar} | {holds} |\n"
