"""``soilscope doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from soilscope._version import __version__
from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.errors import install_line

__all__ = ["register"]

BYTES_PER_GB = 1e9


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing looked at: what it is, whether it is there, and what it means."""

    name: str
    there: bool
    text: str


def register(app: typer.Typer) -> None:
    """Add ``doctor``."""
    app.command("doctor")(doctor)


def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what this machine has: cores, memory, GPU, decoders, GL; and the line that installs what is missing."""
    output = Output(Mode.of(as_json, quiet))
    checks = [
        _machine(),
        _memory(),
        _disk(),
        _torch(),
        *_decoders(),
        _gl(),
        _extra("pyvista", "3d"),
        _extra("dask", "dask"),
        *_metrics(),
    ]
    output.table(
        "soilscope doctor", ("what", "", "found"), [(c.name, "ok" if c.there else "-", c.text) for c in checks]
    )
    value: dict[str, Any] = {c.name: {"there": c.there, "text": c.text} for c in checks}
    missing = [c.name for c in checks if not c.there]
    output.result(value, f"missing: {', '.join(missing)}" if missing else "nothing is missing")


def _machine() -> _Check:
    words = f"soilscope {__version__}, Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    return _Check("machine", True, words)


def _memory() -> _Check:
    import psutil

    memory = psutil.virtual_memory()
    words = f"{memory.available / BYTES_PER_GB:.1f} of {memory.total / BYTES_PER_GB:.1f} GB free"
    return _Check("memory", memory.available > BYTES_PER_GB, words)


def _disk() -> _Check:
    free = shutil.disk_usage(Path.cwd()).free
    return _Check("disk", free > BYTES_PER_GB, f"{free / BYTES_PER_GB:.1f} GB free here")


def _torch() -> _Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        why = "no PyTorch" if isinstance(error, ModuleNotFoundError) else f"PyTorch does not load ({error})"
        return _Check("learning", False, f"{why}: {install_line('learn')}")

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU, training runs on the processor"
    return _Check("learning", True, f"PyTorch {torch.__version__}, {gpu}; {torch.backends.cpu.get_cpu_capability()}")


def _decoders() -> list[_Check]:
    wanted = {"openjpeg": "JPEG 2000", "libjpeg": "JPEG, JPEG-LS", "rle": "RLE"}
    checks = []
    for package, syntaxes in wanted.items():
        try:
            words = f"{syntaxes}: pylibjpeg-{package} {metadata.version(f'pylibjpeg-{package}')}"
            checks.append(_Check(f"decoder {package}", True, words))
        except metadata.PackageNotFoundError:
            checks.append(_Check(f"decoder {package}", False, f"{syntaxes}: pip install pylibjpeg-{package}"))
    return checks


def _gl() -> _Check:
    found = ctypes.util.find_library("EGL") is not None
    return _Check(
        "GL", found, "libEGL" if found else "no libEGL: apt-get install libegl1 libgl1-mesa-dri (for 3D pictures)"
    )


def _extra(package: str, extra: str) -> _Check:
    try:
        return _Check(f"extra {extra}", True, metadata.version(package))
    except metadata.PackageNotFoundError:
        return _Check(f"extra {extra}", False, install_line(extra))


def _metrics() -> list[_Check]:
    """Metrics that installed packages offer; a plan can name them."""
    from soilscope.structure.installed import offers

    return [
        _Check(f"metric {offer.name}", True, f"of the package {offer}; loaded when a plan names it")
        for offer in offers()
    ]
