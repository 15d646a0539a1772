"""Mistakes of a plan in words: each with its key and its line, in the plan's own terms."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from soilscope.errors import SoilscopeError
from soilscope.study.plan_checks import BETWEEN, did_you_mean

__all__ = ["lines_of", "told"]

Place = tuple[str | int, ...]
Mistakes = Sequence[Mapping[str, Any]]
LONGEST_NAME = 40
_KEY = r"(?:\"[^\"]*\"|'[^']*'|[\w-]+)"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEAD = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]")
_VALUE = re.compile(rf"^\s*({_DOTTED})\s*=")
_OURS = (
    (r"^(Input|Tuple|List|String|Dictionary) should ", "must "),
    (r"a valid tuple", "a list"),
    (r"a valid (dictionary|list)( or instance of \w+)?", "a table"),
    (r"a valid (string)", "a text"),
    (r" after validation", ""),
    (r", unable to parse .*", ""),
)
"""The library's words and ours."""


def told(path: Path, text: str, values: dict[str, Any], model: type[BaseModel], error: ValidationError) -> str:
    """All mistakes of a plan, a line each.

    Parameters
    ----------
    path, text, values
        The plan's file, what it holds, and that as TOML's values.
    model : type of BaseModel
        What a plan is.
    error : ValidationError
        What was wrong; what this hid is looked for here.
    """
    every = [*error.errors(), *_hidden(values, model, error)]
    places, lines = [_place(values, mistake) for mistake in every], lines_of(text)
    words: dict[Place, list[str]] = {}
    given: dict[Place, str] = {}
    for mistake, place in zip(every, places, strict=True):
        if not _only_follows(mistake, place, places):
            words.setdefault(place, []).append(_words(mistake, model))
            given[place] = _given(mistake)
    said: list[tuple[int, str]] = []
    for place, found in words.items():
        line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
        of = _called(values, place) or "the plan"
        what = "; or ".join(dict.fromkeys(found)).removeprefix(f"{of}: ")
        said.append((line or 0, f"  {f'line {line}: ' if line else ''}{of}: {what}{given[place]}"))
    head = f"{path} has {len(words)} {'mistake' if len(words) == 1 else 'mistakes'}:"
    return "\n".join([head, *(text for _, text in sorted(said, key=lambda pair: pair[0]))])


def lines_of(text: str) -> dict[Place, int]:
    """The line of every key of a TOML text.

    Examples
    --------
    >>> lines_of("a.b = 1\\n[[c]]\\n[[c]]\\nd = 2")[("c", 1, "d")]
    4
    """
    found: dict[Place, int] = {}
    count: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), 1):  # as TOML counts: other separators may stand in a name
        if head := _HEAD.match(line):
            table = ()
            names = _names(head[2])
            for k, name in enumerate(names):
                table = (*table, name)
                found.setdefault(table, number)
                if k == len(names) - 1 and head[1] == "[[":
                    count[table] = count.get(table, -1) + 1
                if table in count:
                    table = (*table, count[table])
                    found.setdefault(table, number)
        elif value := _VALUE.match(line):
            place = table
            for name in _names(value[1]):
                place = (*place, name)
                found.setdefault(place, number)
    return found


def _names(dotted: str) -> list[str]:
    return [key.strip("\"'") for key in re.findall(_KEY, dotted)]


def _place(values: Any, mistake: Mapping[str, Any]) -> Place:
    """Keys and numbers that lead to a mistake in the file, without the library's own steps between."""
    place: list[str | int] = []
    node, last = values, len(mistake["loc"]) - 1
    for k, part in enumerate(mistake["loc"]):
        if (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        ):
            node = node[part]
        elif mistake["type"] != BETWEEN and (mistake["type"] != "missing" or k < last or isinstance(part, int)):
            continue
        else:
            node = None
        place.append(part)
    return tuple(place)


def _only_follows(mistake: Mapping[str, Any], place: Place, places: Sequence[Place]) -> bool:
    """Whether a list or table is only said to be no number, text or word, or too short, while what is in it has mistakes."""
    single = mistake["type"] in {"string_type", "literal_error", "float_type", "int_type", "too_short"}
    beside = sum(other[: len(place)] == place for other in places) > 1
    return single and isinstance(mistake["input"], dict | list) and beside


def _words(mistake: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, words = mistake["type"], str(mistake["msg"])
    if kind == "value_error":
        error = mistake["ctx"]["error"]
        return error.text if isinstance(error, SoilscopeError) else str(error)
    if kind == "missing":
        return "has too few entries" if isinstance(mistake["loc"][-1], int) else "is missing"
    if kind == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(mistake['loc'][-1]), _keys(model, mistake['loc'][:-1]))}"
    for theirs, ours in () if kind == BETWEEN else _OURS:
        words = re.sub(theirs, ours, words)
    return words


def _given(mistake: Mapping[str, Any]) -> str:
    """What stands there, where the words do not say so."""
    value = mistake["input"]
    if mistake["type"] in {"value_error", "missing", "extra_forbidden", BETWEEN} or isinstance(
        value, dict | list | tuple
    ):
        return ""
    return f", and is {str(value).lower() if isinstance(value, bool) else repr(value)}"


def _keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Keys of the table at a place."""
    for part in place:
        field = model.model_fields.get(str(part))
        model = (_model(field.annotation) if field else None) or model
    return list(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The table an annotation speaks of, if it does."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model(part))), None)


def _called(values: Any, place: Place) -> str:
    """A place in words: lists are counted from 1, and what has a name is called by it.

    Examples
    --------
    >>> _called({"cores": [{"id": "a"}], "objects": [{}]}, ("cores", 0, "path")), _called({"objects": [{}]}, ("objects", 0))
    ("cores 'a', path", 'objects, entry 1')
    """
    said, node = "", values
    for k, part in enumerate(place):
        if isinstance(part, int):
            node = node[part] if isinstance(node, list) else None
            name = (node.get("id") or node.get("name")) if isinstance(node, dict) else None
            said += f" {name[:LONGEST_NAME]!r}" if isinstance(name, str) else f", entry {part + 1}"
        else:
            node = node.get(part) if isinstance(node, dict) else None
            said += f"{', ' if k and isinstance(place[k - 1], int) else '.' if k else ''}{part}"
    return said


def _hidden(values: dict[str, Any], model: type[BaseModel], error: ValidationError) -> list[Any]:
    """Mistakes between tables, which are looked for when all single values are sound: here with the wrong ones left out."""
    first = error.errors()
    if any(mistake["type"] == BETWEEN for mistake in first):
        return []
    unsure = {str(mistake["loc"][0]) for mistake in first if mistake["loc"]}
    for whole_tables in (False, True):
        kept = copy.deepcopy(values)
        for mistake in first:
            absent = mistake["type"] == "missing" and isinstance(
                mistake["loc"][-1], str
            )  # not an entry of a short list
            _leave_out(kept, _place(values, mistake), absent, whole_tables)
        try:
            model.model_validate(kept, context={"unsure": unsure})
        except ValidationError as second:
            found = second.errors()
            if all(mistake["type"] == BETWEEN for mistake in found):
                return list(found)
        else:
            return []
    return []


def _leave_out(kept: dict[str, Any], place: Place, missing: bool, whole_tables: bool) -> None:
    """Take away the innermost key of a place, or its table; what is missing gets a name that nothing else has."""
    if whole_tables and len(place) > 1 and place[0] != "cores":
        kept.pop(str(place[0]), None)
        return
    node, owner, key = kept, kept, ""
    for part in place[: len(place) - missing]:
        if isinstance(node, dict):
            owner, key = node, str(part)
        there = part in node if isinstance(node, dict) else isinstance(node, list) and int(part) < len(node)
        if not there:  # left out already
            return
        node = node[part]  # type: ignore[index]
    if missing and place and isinstance(node, dict):
        node[str(place[-1])] = "-".join(map(str, ("missing", *place[1:])))
    elif place[0] == "cores" and key == "id":  # a core without a name would be one more mistake
        owner[key] = "-".join(map(str, ("wrong", *place[1:])))
    else:
        owner.pop(key, None)
