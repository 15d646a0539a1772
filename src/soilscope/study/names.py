"""Names of cores: letters of every script, safe as the name of a file and a folder on every system."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MOST_BYTES", "MOST_CHARACTERS", "core_name", "is_core_name", "names_device", "normal", "numbered"]

MOST_CHARACTERS = 80
MOST_BYTES = 160
"""In UTF-8, of the 255 that file systems allow: names of models and figures are longer than the core's."""

KEPT = set("_.+-")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))}
"""Names that Windows keeps for devices, whatever follows their first full stop."""


def normal(text: str) -> str:
    """Composed letters (Unicode's NFC), so that one name has one spelling."""
    return unicodedata.normalize("NFC", text)


def is_core_name(text: str) -> bool:
    """Whether a text, in its normal form, can name a core as it stands."""
    return bool(text) and all(map(_kept, text)) and text == _cut(normal(text), end="") and not _is_reserved(text)


def core_name(text: str) -> str:
    """What can be kept of a text as a core's name; empty where nothing can.

    Letters, their marks and digits of every script stay, and ``_ . + -`` between them. Characters that are not seen (control,
    format and direction marks) go; anything else becomes one hyphen.

    Examples
    --------
    >>> core_name("Müller / Nord\\u202e 3"), core_name("森林"), core_name("../con")
    ('Müller-Nord-3', '森林', '')
    """
    safe = _safe(text)
    return "" if _is_reserved(safe) else safe


def names_device(text: str) -> bool:
    """Whether a text would make a name that Windows keeps for a device, such as ``CON``; no core can be called so."""
    return _is_reserved(_safe(text))


def _is_reserved(name: str) -> bool:
    return name.partition(".")[0].lower() in RESERVED


def _safe(text: str) -> str:
    seen = "".join(" " if c.isspace() else c for c in normal(text) if c.isspace() or unicodedata.category(c)[0] != "C")
    kept = "".join(c if _kept(c) else " " for c in seen)
    return _cut(re.sub(r" +", "-", kept.strip()))


def numbered(name: str, number: int) -> str:
    """A core's name with a number behind it, within the limits."""
    end = f"-{number}"
    return _cut(name, spare=len(end)) + end


def _kept(character: str) -> bool:
    return character.isalnum() or character in KEPT or unicodedata.category(character)[0] == "M"


def _cut(text: str, end: str = "-.+_", spare: int = 0) -> str:
    """Within the limits less ``spare``, beginning with a letter or digit and not ending in a sign."""
    text = text[: MOST_CHARACTERS - spare].encode()[: MOST_BYTES - spare].decode("utf-8", "ignore")
    start = next((k for k, c in enumerate(text) if c.isalnum()), len(text))
    return text[start:].rstrip(end)
