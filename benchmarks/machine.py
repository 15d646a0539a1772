"""The machine a figure was measured on, in words that hold no name of host or user."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

__all__ = ["instruction_set", "machine"]

INSTRUCTION_SETS = (
    ("amx_bf16", "AMX bf16"),
    ("avx512_bf16", "AVX-512 bf16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
    ("asimd", "NEON"),
)
"""Flags of /proc/cpuinfo, most capable first."""


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.split(":", 1) for line in reversed(lines) if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def instruction_set() -> str:
    """The most capable set of vector instructions the processor names."""
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    return next((words for flag, words in INSTRUCTION_SETS if flag in flags), platform.machine())


def machine() -> str:
    """Processor, usable cores, instructions, memory and system."""
    model = _cpuinfo().get("model name") or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return f"{model}, {cores} cores, {instruction_set()}, {memory:.0f} GB, {platform.system()}"
