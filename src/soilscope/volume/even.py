"""A mask that is True everywhere and takes no memory until some of it is changed.

Most scans are valid from corner to corner. Where the system can (Linux), such a mask is one small block of ones that the same
addresses of every block show, private to the process: what is written to is copied, page by page, and is then memory of its own.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import weakref

import numpy as np
from numpy.typing import NDArray

from soilscope.types import BoolVolume, Shape

__all__ = ["all_true"]

BLOCK_BYTES = 1 << 21
"""Bytes that are there in memory; a whole number of pages of any system."""
MAP_FIXED = 0x10
"""Linux, on every processor that Python runs on there."""
FAILED = ctypes.c_void_p(-1).value


def all_true(shape: Shape) -> BoolVolume:
    """A bool array of a shape, True everywhere, that may be written to like any other."""
    size = math.prod(shape)
    blocks = size // BLOCK_BYTES
    if blocks < 2 or not hasattr(os, "memfd_create"):
        return np.ones(shape, np.bool_)
    whole = _mapped(-(-size // BLOCK_BYTES))
    return np.ones(shape, np.bool_) if whole is None else whole[:size].view(np.bool_).reshape(shape)


def _mapped(blocks: int) -> NDArray[np.uint8] | None:
    """One block of ones seen so many times on end; None where the system does not grant it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    access, size = mmap.PROT_READ | mmap.PROT_WRITE, blocks * BLOCK_BYTES
    handle = os.memfd_create("all-true", os.MFD_CLOEXEC)
    try:
        written = os.write(handle, b"\1" * BLOCK_BYTES)
        start = libc.mmap(None, size, access, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if start in (None, FAILED) or written < BLOCK_BYTES:
            return None
        held = (ctypes.c_uint8 * size).from_address(start)
        weakref.finalize(held, libc.munmap, start, size)
        for at in range(start, start + size, BLOCK_BYTES):
            if libc.mmap(at, BLOCK_BYTES, access, mmap.MAP_PRIVATE | MAP_FIXED, handle, 0) != at:
                return None
    finally:
        os.close(handle)
    return np.frombuffer(memoryview(held), np.uint8)
