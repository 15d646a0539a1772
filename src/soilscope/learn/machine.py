"""What the machine brings that changes bytes: threads, precision, instruction set; fixed while a network learns."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soilscope.errors import UsageError
from soilscope.learn.torch_extra import require_torch

__all__ = ["DEFAULT_THREADS", "autocast", "fixed", "instruction_set", "kept_memory", "resolve_precision"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER, USUAL_TRIM, USUAL_MMAPS = 2**31 - 1, 128 * 1024, 65536
"""mallopt(3): which setting, and glibc's own values."""

DEFAULT_THREADS = 2
"""A fixed number, not the free cores: one thread and two give different bytes."""


def _cpu_facts() -> dict[str, str]:
    """Vendor and feature flags of the processor; empty where the system does not tell."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    return facts


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware (AVX-512 BF16, AMX) and oneDNN may use it."""
    flags = _cpu_facts().get("flags", "").split()
    held_back = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return ("avx512_bf16" in flags or "amx_bf16" in flags) and held_back in ("", "ALL", "DEFAULT")


def instruction_set() -> str:
    """The instruction set that PyTorch's kernels use here, as text; part of a model's identity."""
    torch = require_torch()
    parts = [platform.machine(), _cpu_facts().get("vendor_id", "unknown"), torch.backends.cpu.get_cpu_capability()]
    if has_bf16():
        parts.append("bf16")
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return " ".join(parts + ([f"limit={limit}"] if limit else []))


def resolve_precision(wanted: str) -> str:
    """``"bf16"`` or ``"fp32"``; ``"auto"`` is bf16 where the processor has it."""
    if wanted != "auto":
        return wanted
    return "bf16" if has_bf16() else "fp32"


def autocast(precision: str) -> Any:
    """A context in which PyTorch multiplies in this precision."""
    torch = require_torch()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Let the allocator keep what is freed, for the while of a training.

    A step frees and takes the same hundreds of megabytes again. glibc gives large blocks back to the system at once, which
    then has to clear every page anew: a sixth of the time of a full VGG16's step. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None)
    if platform.libc_ver()[0] != "glibc" or not (libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER)):
        yield
        return
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_MAX, USUAL_MMAPS)
        libc.mallopt(M_TRIM_THRESHOLD, USUAL_TRIM)
        libc.malloc_trim(0)


@contextlib.contextmanager
def fixed(threads: int | None) -> Iterator[int]:
    """Hold the number of threads and PyTorch's deterministic kernels, and give the caller's settings back.

    Raises
    ------
    UsageError
        Code ``threads``: fewer than one.
    """
    torch = require_torch()
    wanted = DEFAULT_THREADS if threads is None else threads
    if wanted < 1:
        raise UsageError("threads", f"threads {wanted} must be at least 1.")
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.set_num_threads(wanted)
    torch.use_deterministic_algorithms(True)
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = False  # everything is written before it is read
    try:
        yield wanted
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        torch.set_num_threads(before[0])
