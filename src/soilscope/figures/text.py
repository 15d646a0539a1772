"""Names and numbers as they are written in figures and reports."""

from __future__ import annotations

import math
import unicodedata

__all__ = ["LONGEST", "SUPERSCRIPT", "number", "plain", "visible", "wrapped"]

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
LONGEST = 32
"""Characters of a name in a figure; the tables give it whole."""
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode's control, direction, surrogate, private and unassigned characters."""


def visible(text: object) -> str:
    """A text without the characters that nobody sees and that could make it read as something else.

    Examples
    --------
    >>> visible("core\\u202e7\\n")
    'core7'
    """
    return "".join(c for c in str(text) if unicodedata.category(c) not in _UNSEEN)


def plain(text: object, longest: int = LONGEST) -> str:
    """A name as it can be drawn: control and direction characters gone, at most ``longest`` characters.

    Examples
    --------
    >>> plain("core\\u202e7\\n")
    'core7'
    """
    clean = visible(text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def wrapped(text: object, width: int, lines: int = 2) -> str:
    """A name on up to ``lines`` lines of ``width`` characters, broken after a hyphen, underscore, dot or blank where there is one.

    Lines are as even as they can be: a name's last character does not stand alone.

    Examples
    --------
    >>> wrapped("pine-1-thickness", 10)
    'pine-1-\\nthickness'
    >>> wrapped("pine-forest.mean-radius-3", 24)
    'pine-forest.\\nmean-radius-3'
    """
    rest = plain(text, width * lines)
    made: list[str] = []
    while len(rest) > width and len(made) < lines - 1:
        cuts = [k + 1 for k, mark in enumerate(rest[:width]) if mark in "-_. "] or [width]
        fitting = [k for k in cuts if len(rest) - k <= width * (lines - 1 - len(made))]
        even = len(rest) / (lines - len(made))
        cut = min(fitting, key=lambda k: abs(k - even)) if fitting else cuts[-1]
        made.append(rest[:cut])
        rest = rest[cut:]
    return "\n".join([*made, plain(rest, width)])


def number(value: float, digits: int = 2) -> str:
    """A number as it is written in a figure: significant digits kept, a true minus, powers of ten as such.

    Examples
    --------
    >>> number(0.01), number(-0.2345), number(0.000021), number(1234.0)
    ('0.010', '−0.23', '2.1×10⁻⁵', '1234')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if -4 <= power < 6:
        places = max(0, digits - 1 - power)
        return f"{value:.{places}f}".replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")
