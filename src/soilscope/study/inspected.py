"""Digests of scan files as ``soilscope inspect`` first saw them, kept where the user says and compared by ``soilscope init``.

``inspect`` changes nothing at the path it looks at, so that its record is a file of the user's choice elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path

from soilscope import files, ingest
from soilscope.errors import InputRefused, UsageError

__all__ = ["check_digests", "may_hold_digests", "write_digests"]

FORMAT = "soilscope digests 1"
MOST_NAMED = 20


def may_hold_digests(record: Path, path: Path) -> None:
    """Check, before anything long is done, that a record of a path may be written.

    Raises
    ------
    UsageError
        Code ``digests-place``: the record would lie inside what is inspected, or is there already.
    """
    if record.absolute().resolve().is_relative_to(path.absolute().resolve()):
        text = f"{record} lies in {path.name}, where inspect changes nothing; name a file elsewhere."
        raise UsageError("digests-place", text, [record])
    if record.exists():
        text = f"{record} is there already and tells what the files were before; delete it, or name another file."
        raise UsageError("digests-place", text, [record])


def write_digests(record: Path, path: Path) -> int:
    """Keep the digest of every file at a path; returns how many.

    Raises
    ------
    UsageError
        See :func:`may_hold_digests`.
    """
    may_hold_digests(record, path)
    now = files.digests_below(ingest.divided(path)[0])
    files.write_json(record, {"format": FORMAT, "files": now})
    return len(now)


def check_digests(record: Path, path: Path) -> int:
    """Compare the files at a path with a record of the same path; returns how many are as they were.

    Raises
    ------
    InputRefused
        Codes ``input-changed`` (files changed or went; they are named) and ``inputs-damaged`` (the record cannot be read).
    UsageError
        Code ``digests-other``: the record is of other files.
    """
    kept = _read(record)
    now = files.digests_below(ingest.divided(path)[0])
    if kept and not kept.keys() & now.keys():
        text = f"{record.name} holds digests of other files than {path.name} does; name the path that was inspected."
        raise UsageError("digests-other", text, [record, path])
    names = [name for name, digest in kept.items() if now.get(name) != digest]
    if names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        text = (
            f"{len(names)} files changed or went since they were inspected: {', '.join(names[:MOST_NAMED])}{more}. If they are "
            "damaged, copy them again from the scanner; if you changed them on purpose, inspect them again with another --digests."
        )
        raise InputRefused("input-changed", text, names[:MOST_NAMED])
    return len(kept)


def _read(record: Path) -> dict[str, str]:
    damaged = f"{record} is no record of digests; `soilscope inspect PATH --digests FILE` writes one."
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputRefused("inputs-damaged", f"{damaged[:-1]} ({type(error).__name__}).", [record]) from error
    kept = content.get("files") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(kept, dict) or not all(isinstance(digest, str) for digest in kept.values()):
        raise InputRefused("inputs-damaged", damaged, [record])
    return kept
