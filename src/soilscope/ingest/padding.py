"""Declared padding: which *stored* values stand for "not scanned" (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

from soilscope.ingest.headers import Slice

__all__ = ["beyond_stored_bits", "padding_range"]


def padding_range(one: Slice) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding, both included, also where their sign was written wrongly."""
    if one.padding is None:
        return None
    low = _as_stored(one.padding, one)
    high = low if one.padding_limit is None else _as_stored(one.padding_limit, one)
    return min(low, high), max(low, high)


def beyond_stored_bits(one: Slice) -> tuple[int, int] | None:
    """The range where it lies outside what the stored bits can hold, as -2000 does beside 12 bits: it is written over all bits."""
    padding, encoding = padding_range(one), one.encoding
    if padding is None or encoding.bits_stored == encoding.bits_allocated:
        return None
    size = 1 << encoding.bits_stored
    least, most = (-size // 2, size // 2 - 1) if encoding.signed else (0, size - 1)
    return padding if padding[0] < least or padding[1] > most else None


def _as_stored(value: int, one: Slice) -> int:
    """63536 is -2000 where values are signed, -2000 is 63536 where they are not."""
    size = 1 << one.encoding.bits_allocated
    if one.encoding.signed and value >= size // 2:
        return value - size
    if not one.encoding.signed and value < 0:
        return value + size
    return value
