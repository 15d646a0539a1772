"""A disk that is full at some write of a study: what is published is whole, inputs stay, a later run ends the same (FAULTS 25)."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from soilscope import files, phantoms, study
from soilscope.errors import OutputRefused
from soilscope.study.plan import CorePlan, LearnPlan, Plan

LIMITS = (1_000, 30_000)
"""Most bytes of a file, in place of a full disk: the first stops what the import writes, the second figures and the report."""

DIFFER = {"ledger.json", "tables/timings.csv"}
"""What differs between two runs of one plan, and what is written step by step."""


def made(folder: Path) -> None:
    """A study of one small core without models, and its scan beside it."""
    phantoms.write(phantoms.make("sandy", seed=1, shape=(10, 32, 32)), folder / "core")
    core = CorePlan(id="core", path=str(folder / "core/dicom"))
    study.write_plan(folder / "s", Plan(name="s", scheme="paper-2021", cores=(core,), learn=LearnPlan(targets=())))


def run_limited(folder: Path, most: int) -> str:
    """Run the study while no file may grow beyond so many bytes; what came of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        failures = study.run(folder / "s").failures
    except OutputRefused as error:
        return error.code
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    return " ".join(sorted({f.error.code for f in failures} - {"waits", "no-cores"})) or "done"


def shown(folder: Path) -> dict[str, str]:
    """Digests of all files whose names are not hidden."""
    below = (p for p in folder.rglob("*") if p.is_file())
    names = {p.relative_to(folder).as_posix(): p for p in below}
    return {
        n: files.digest_file(p) for n, p in names.items() if not any(part.startswith(".") for part in Path(n).parts)
    }


def main(folder: Path) -> None:
    """One whole run, then one with each limit and a free one after it; tells as JSON what was seen."""
    made(folder / "whole")
    seen = {"whole": run_limited(folder / "whole", resource.RLIM_INFINITY), "limited": []}
    whole = shown(folder / "whole/s")
    for most in LIMITS:
        place = folder / "place"
        (folder / "whole").rename(place)  # the plan holds the scan's path
        shutil.rmtree(place)
        made(folder / "whole")
        inputs = shown(folder / "whole/core")
        code = run_limited(folder / "whole", most)
        after = shown(folder / "whole/s")
        half = [n for n, digest in after.items() if n not in DIFFER and whole.get(n) != digest]
        kept = shown(folder / "whole/core") == inputs
        again = run_limited(folder / "whole", resource.RLIM_INFINITY)
        end = {n: d for n, d in shown(folder / "whole/s").items() if n not in DIFFER}
        same = end == {n: d for n, d in whole.items() if n not in DIFFER}
        hidden = [p.name for p in folder.rglob(".*") if "partial" in p.name]
        seen["limited"].append([code, len(after), half, kept, again, same, hidden])
    sys.stdout.write(json.dumps(seen))


def test_a_disk_full_at_any_write_of_a_study_leaves_nothing_half_and_a_later_run_ends_the_same(tmp_path):
    """25. Read-only output, disk full at every write (injected ENOSPC), quota -> refuse, inputs untouched, no partial visible,
    `$TMPDIR` unused."""
    (tmp_path / "temporary").mkdir()
    ran = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary"), "MPLCONFIGDIR": str(tmp_path / "matplotlib")},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = json.loads(ran.stdout)
    assert seen["whole"] == "done"
    for code, count, half, kept, again, same, hidden in seen["limited"]:
        assert (code, half, kept, again, same, hidden) == ("cannot-write", [], True, "done", True, [])
        assert count >= 1
    assert list((tmp_path / "temporary").iterdir()) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
