"""Pictures put into a page: SVG inline with ids of its own, rasters as data addresses."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

from soilscope.errors import UsageError
from soilscope.figures.text import visible
from soilscope.report.document import Picture

__all__ = ["inline_svg", "raster_address"]

_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_DROPPED = ("script", "style", "metadata", "foreignObject", "title", "desc", "a", "animate", "set", "iframe")
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}


def inline_svg(picture: Picture, prefix: str) -> str:
    """The picture's SVG as an element for an HTML page.

    Every id gets the prefix, so that two pictures of one page never share one; scripts, style sheets (which would reach the
    whole page), links, handlers and addresses outside the page are dropped; the picture scales to the column's width and
    carries its alternative text.

    Raises
    ------
    UsageError
        Code ``not-svg``: the text is no well-formed SVG.
    """
    try:
        # What is parsed was drawn by soilscope.figures; expat fetches no external entity.
        root = ElementTree.fromstring(str(picture.data))  # noqa: S314
    except ElementTree.ParseError as error:
        raise UsageError("not-svg", f"the picture “{picture.alt}” is not well-formed SVG: {error}.") from error
    if _local(root.tag) != "svg":
        raise UsageError("not-svg", f"the picture “{picture.alt}” is <{_local(root.tag)}>, not <svg>.")
    _clean(root, prefix)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.attrib.update({"role": "img", "aria-label": visible(picture.alt), "class": "drawn"})
    # Matplotlib's only style rule, which is dropped with its style sheet.
    root.attrib.update({"stroke-linejoin": "round", "stroke-linecap": "butt"})
    return ElementTree.tostring(root, encoding="unicode")


def raster_address(picture: Picture) -> str:
    """The picture's bytes as a ``data:`` address.

    Raises
    ------
    UsageError
        Code ``not-a-picture``: neither PNG nor WebP.
    """
    data = picture.data if isinstance(picture.data, bytes) else picture.data.encode()
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return f"data:{kind};base64,{base64.b64encode(data).decode()}"
    raise UsageError("not-a-picture", f"the picture “{picture.alt}” is neither SVG, PNG nor WebP.")


def _clean(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _local(element.tag)
    for child in list(element):
        if not isinstance(child.tag, str) or _local(child.tag) in _DROPPED:
            element.remove(child)
        else:
            _clean(child, prefix)
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        kept = _attribute(_local(name), value, prefix)
        if kept is not None:
            element.attrib[_local(name)] = kept


def _attribute(name: str, value: str, prefix: str) -> str | None:
    """An attribute as it may stand in the page; None where it may not."""
    if name.lower().startswith("on"):
        return None
    if name == "id":
        return prefix + value
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        return re.sub(r"\s+", "", value) if value.startswith("data:image/png;base64,") else None
    if "url(" in value and not _REFERENCE.search(value):
        return None
    return _REFERENCE.sub(lambda found: f"url(#{prefix}{found[1]})", value)


def _local(name: str) -> str:
    return name.rpartition("}")[2]
