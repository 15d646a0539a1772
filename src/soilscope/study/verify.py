"""Verify: does everything a study published still equal what was published?"""

from __future__ import annotations

from pathlib import Path

from soilscope.errors import SoilscopeError
from soilscope.findings import Finding
from soilscope.study.ledger import Ledger
from soilscope.study.work import digest_output
from soilscope.volume.store import verify_store

__all__ = ["verify"]


def verify(study: str | Path) -> list[Finding]:
    """Compare every output with the ledger, and every chunk of every store with its manifest.

    Returns
    -------
    list of Finding
        One ``refuse`` a file that is missing or differs; a ``note`` for each store or model the ledger does not know.
        Empty when all is well.
    """
    folder = Path(study)
    ledger = Ledger.read(folder)
    found: list[Finding] = []
    known: set[str] = set()
    for key, entry in ledger.entries.items():
        for path, digest in entry.outputs.items():
            known.add(path)
            found += _compare(folder, key, path, digest)
    for place in ("cores", "models"):
        strangers = sorted(p.relative_to(folder).as_posix() for p in (folder / place).glob("[!.]*"))
        found += [
            Finding("unknown-output", "note", f"{path} is not in the ledger; nothing here made it.", (path,))
            for path in strangers
            if path not in known
        ]
    return found


def _compare(folder: Path, key: str, path: str, digest: str) -> list[Finding]:
    full = folder / path
    if not full.exists():
        return [Finding("missing-output", "refuse", f"{path}, made by {key}, is gone; run the study again.", (path,))]
    try:
        chunks = verify_store(full) if full.suffix == ".zarr" else []
        same = digest_output(full) == digest
    except SoilscopeError as error:
        return [Finding(error.code, "refuse", str(error), (path,))]
    names = [f"{path}/{chunk}" for chunk in chunks] or ([] if same else [path])
    return [
        Finding(
            "changed-output",
            "refuse",
            f"{name} differs from what {key} published; delete {path} and run again.",
            (name,),
        )
        for name in names
    ]
