"""The page: one self-contained HTML file that opens offline, asks for nothing and prints."""

from __future__ import annotations

import math
import re
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from soilscope.figures.text import number, visible
from soilscope.report.document import Cell, Column, Document, Picture
from soilscope.report.inline import inline_svg, raster_address

__all__ = ["render"]

_DOI = re.compile(r"\bdoi:(10\.\d{4,9}/[^\s<>\"',;]*[^\s<>\"',:;.)\]])")
_DIGITS = 3


def render(document: Document) -> str:
    """The document as one HTML page.

    All text is escaped, whatever it holds; there is no script, and a Content-Security-Policy allows none and no request.
    The same document gives the same bytes.
    """
    environment = Environment(
        loader=PackageLoader("soilscope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    numbers = count(1)
    environment.filters.update(linked=_linked, sentence=_sentence, cell=_cell, anchor=_anchor)
    environment.globals["picture"] = lambda shown: _picture(shown, f"f{next(numbers)}-")
    return environment.get_template("report.html.j2").render(document=document)


def _visible(value: Any) -> Any:
    """Text without characters that nobody sees; what is markup already has been through here."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def _linked(text: str) -> Markup:
    """Escaped text in which ``doi:...`` leads to the publication, when a reader follows it."""
    made, end = Markup(), 0
    for found in _DOI.finditer(text):
        made += escape(visible(text[end : found.start()]))
        made += Markup('<a href="https://doi.org/{0}" rel="noreferrer">doi:{0}</a>').format(found[1])
        end = found.end()
    return made + escape(visible(text[end:]))


def _sentence(text: str) -> str:
    """A text that stands alone begins with a capital letter, unless its first word is a name or a symbol.

    Examples
    --------
    >>> _sentence("these slices were simulated."), _sentence("sandy: mixed."), _sentence("n = 5"), _sentence("euler-3d is NaN.")
    ('These slices were simulated.', 'sandy: mixed.', 'n = 5', 'euler-3d is NaN.')
    """
    word = text.split(" ", 1)[0]
    begins = len(word) > 1 or word == "a"
    return text[0].upper() + text[1:] if begins and word.isascii() and word.isalpha() and word.islower() else text


def _cell(value: Cell, column: Column) -> str:
    """A table's cell: three significant digits, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and column.number:
        return number(value, _DIGITS)
    return str(value)


def _anchor(text: str) -> str:
    """A name as part of an id: letters and digits, the rest by number, so that two names never meet."""
    return "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in text)


def _picture(shown: Picture, prefix: str) -> Markup:
    if isinstance(shown.data, str):
        # inline_svg escapes every text and attribute; what is not drawing is dropped there.
        return Markup(inline_svg(shown, prefix))  # noqa: S704
    return Markup('<img class="drawn" src="{}" alt="{}">').format(raster_address(shown), visible(shown.alt))
