"""What is done, by digest. The ledger is the only memory of a study: no step looks at dates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soilscope import files
from soilscope.errors import Damaged

__all__ = ["LEDGER_FILE", "Entry", "Ledger", "by_slabs"]

LEDGER_FILE = "ledger.json"
FORMAT = 1
MOST_BEFORE = 8
"""Contents of an input that are remembered after it changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item that is done.

    Parameters
    ----------
    recipe : str
        Digest of everything the item was made from: its part of the plan, its inputs, the software.
    outputs : mapping of str to str
        Digest by path below the study.
    declined : str
        Why there was nothing to make, such as a target that is the same in every slice; empty when made.
    sizes : mapping of str to int
        Bytes by path below the study; a ledger of an earlier version has none.
    whole_gb : float
        Of a core that did not fit into memory and was taken slab by slab: from how much memory on it is taken again, which is what
        it takes to hold it whole, or less where a figure is missing for want of memory; else 0.
    """

    recipe: str
    outputs: Mapping[str, str]
    declined: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    whole_gb: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The entries of a study, saved after each change."""

    study: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(default_factory=dict)
    """Per input: digest of names, sizes and times when last read, digest of the content then, and of contents before."""

    @classmethod
    def read(cls, study: Path) -> Ledger:
        """Read a study's ledger; an absent one is empty.

        Raises
        ------
        Damaged
            Code ``ledger-damaged``.
        """
        path = study / LEDGER_FILE
        if not path.exists():
            return cls(study)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            entries = {key: _entry(value) for key, value in content["items"].items()}
            return cls(study, entries, content["inputs"])
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                "ledger-damaged",
                f"{path} cannot be read ({error}); delete it and run again: what is there is then made anew and compared.",
                [path],
            ) from error

    def put(self, key: str, entry: Entry) -> None:
        """Remember an item and save."""
        self.entries[key] = entry
        self.save()

    def save(self) -> None:
        """Publish ``ledger.json``."""
        items = {key: _record(entry) for key, entry in self.entries.items()}
        files.write_json(self.study / LEDGER_FILE, {"format": FORMAT, "items": items, "inputs": self.seen})

    def holds(self, key: str, recipe: str, budget_gb: float = 0.0) -> bool:
        """Whether an item is done by this recipe, and all its outputs are still there with as many bytes as were published.

        What was taken slab by slab lacks the figures that need a whole core: it is not done where the core fits now, or where
        there is more memory now for a figure that was missing. What was changed and is as long as before is found by
        :func:`soilscope.study.verify`, which reads everything.
        """
        entry = self.entries.get(key)
        if entry is None or not all(self._whole(entry, path) for path in entry.outputs):
            return False
        in_slabs = entry.whole_gb > 0.0
        return entry.recipe == (by_slabs(recipe) if in_slabs else recipe) and not 0.0 < entry.whole_gb <= budget_gb

    def _whole(self, entry: Entry, path: str) -> bool:
        there = self.study / path
        return there.exists() and entry.sizes.get(path) in (None, files.size(there))

    def input_digest(self, name: str, path: Path) -> str:
        """Digest of an input's content; read again only when a name, size or time below it changed.

        A scan that is away (a disk not plugged in) counts as unchanged: what was made from it stays, and only what would
        need to read it fails.
        """
        if not path.exists():
            return self.seen[name][1] if name in self.seen else "absent"
        stamp = _stamp(path)
        known = self.seen.get(name, [])
        if not known or known[0] != stamp:
            content = files.digest_folder(path) if path.is_dir() else files.digest_file(path)
            before = [digest for digest in known[1:] if digest != content]
            self.seen[name] = [stamp, content, *before[:MOST_BEFORE]]
        return self.seen[name][1]

    def earlier(self) -> Iterator[Ledger]:
        """This ledger as it would be had one input not changed, for every content that an input had before."""
        for name, (stamp, _, *before) in self.seen.items():
            for content in before:
                yield replace(self, seen={**self.seen, name: [stamp, content]})


def by_slabs(recipe: str) -> str:
    """The recipe of what was made slab by slab because a core did not fit into memory; what is made from it is made of another."""
    return files.digest_json([recipe, "slab by slab"])


def _entry(record: Mapping[str, Any]) -> Entry:
    return Entry(
        record["recipe"],
        record["outputs"],
        record.get("declined", ""),
        record.get("sizes", {}),
        record.get("whole_gb", 0.0),
    )


def _record(entry: Entry) -> dict[str, Any]:
    parts = {"recipe": entry.recipe, "outputs": dict(entry.outputs), "declined": entry.declined}
    record = {**parts, "sizes": dict(entry.sizes), "whole_gb": entry.whole_gb}
    return {name: value for name, value in record.items() if value or name in ("recipe", "outputs")}


def _stamp(path: Path) -> str:
    below = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    rows = [(p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in below]
    return files.digest_json(rows)
