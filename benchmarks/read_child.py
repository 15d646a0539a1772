"""Reads one DICOM series again and again, in one of three ways: ``python -m benchmarks.read_child soilscope FOLDER``.

``soilscope`` is ``ss.read`` with every check, to HU and mask; ``simpleitk`` the series reader given the sorted list of files, which
spares it its own sorting; ``pydicom`` the loop over ``pixel_array``, stacked. With ``memory`` the first way is taken once, and the
most memory the process held beyond what it held before is told, in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import answer_steps

__all__ = ["main"]

KILOBYTE = 1024


def main(way: str, folder: Path) -> None:
    """Answer each line with the seconds of one reading, or tell the memory."""
    if way == "memory":
        _, read = _soilscope(folder)
        read_once = _peak_bytes()
        read()
        print(json.dumps({"bytes": _peak_bytes() - read_once}), flush=True)
        return
    version, step = {"soilscope": _soilscope, "simpleitk": _simpleitk, "pydicom": _pydicom}[way](folder)
    answer_steps(version, step)


def _soilscope(folder: Path) -> tuple[str, Callable[[], object]]:
    import soilscope
    from soilscope import ingest  # loaded here, so that loading it counts neither as time nor as memory of reading

    return f"soilscope {soilscope.__version__}", lambda: ingest.read(folder)


def _simpleitk(folder: Path) -> tuple[str, Callable[[], object]]:
    import SimpleITK as sitk  # noqa: N813  # its users' name for it

    files = sorted(folder.iterdir())

    def read() -> object:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(file) for file in files])
        return sitk.GetArrayViewFromImage(reader.Execute()).shape

    return f"SimpleITK {sitk.Version_VersionString()} ImageSeriesReader, files given in order", read


def _pydicom(folder: Path) -> tuple[str, Callable[[], object]]:
    import numpy as np
    import pydicom

    files = sorted(folder.iterdir())
    return f"pydicom {pydicom.__version__} pixel_array", lambda: np.stack(
        [pydicom.dcmread(file).pixel_array for file in files]
    )


def _peak_bytes() -> int:
    """Most memory held so far. ``ru_maxrss`` starts at what the process that started this one held (Linux); VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * KILOBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
