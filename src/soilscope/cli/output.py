"""What a command says, and where: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from soilscope.errors import OutputRefused, SoilscopeError
from soilscope.findings import Finding

__all__ = ["Json", "Mode", "Output", "Printed", "Quiet", "visible"]

JSON_HELP = (
    "Print JSON and nothing else: one object on one line. On failure an object {'error': ...} comes first, "
    "and the result, where there is one, last."
)
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only: no progress, no hints.")]

COLOURS = {"refuse": "bold red", "warning": "yellow", "note": "cyan"}


UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what steers a terminal or a line of text instead of being seen, such as control characters."""


def visible(text: str) -> str:
    """Text whose control and format characters are written out, as ``\\x1b``: a file's name can steer a terminal with them."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in UNSEEN else _written(c) for c in text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _as_json(value: Mapping[str, Any]) -> str:
    """One line of JSON that says the same with control and format characters written as JSON escapes."""
    said = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(c if unicodedata.category(c) not in UNSEEN else json.dumps(c)[1:-1] for c in said)


class Mode(enum.Enum):
    """How a command speaks."""

    PERSON = "person"
    QUIET = "quiet"
    JSON = "json"

    @classmethod
    def of(cls, as_json: bool, quiet: bool) -> Mode:
        """The mode two options ask for."""
        return cls.JSON if as_json else cls.QUIET if quiet else cls.PERSON


class Printed:
    """Standard output; where it cannot be written to, that is a refusal, but a pipe whose reader has gone is left in peace."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write some text.

        Raises
        ------
        OutputRefused
            Code ``cannot-write``.
        """
        with self._refusing():
            return self.stream.write(text)

    def flush(self) -> None:
        """Write what is held back; raises as :meth:`write`."""
        with self._refusing():
            self.stream.flush()

    def give_up(self) -> None:
        """Let go of what could not be written, which Python would try once more at its end."""
        if self.failed:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.failed = True
            text = f"standard output cannot be written: {error.strerror}. Free some space or send it elsewhere."
            raise OutputRefused("cannot-write", text) from error


@dataclass(frozen=True, slots=True)
class Output:
    """Prints in one mode."""

    mode: Mode

    @property
    def console(self) -> Console:
        """Standard output."""
        return Console(soft_wrap=True, highlight=False, emoji=False)

    @property
    def aside(self) -> Console:
        """Standard error, for progress and hints."""
        return Console(stderr=True, highlight=False, emoji=False, quiet=self.mode is not Mode.PERSON)

    def result(self, value: Mapping[str, Any], words: str) -> None:
        """A command's result: the value as JSON, or the words."""
        if self.mode is Mode.JSON:
            typer.echo(_as_json(value))
        else:
            self.words(words)

    def words(self, words: str) -> None:
        """Words on standard output."""
        self.console.print(visible(words), markup=False)

    def hint(self, words: str) -> None:
        """Something helpful that is no result."""
        self.aside.print(visible(words), markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for people; nothing in JSON mode."""
        if self.mode is Mode.JSON:
            return
        table = Table(
            *(Column(c, overflow="fold") for c in columns), title=escape(visible(title)), title_justify="left"
        )
        for row in rows:
            table.add_row(*(escape(visible(str(cell))) for cell in row))
        self.console.print(table)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Findings for people, gravest first."""
        if self.mode is Mode.JSON:
            return
        order = list(COLOURS)
        for f in sorted(findings, key=lambda f: order.index(f.severity)):
            self.console.print(f"  [{COLOURS[f.severity]}]{f.severity}[/] {escape(f.code)}: {escape(visible(f.text))}")

    def error(self, error: SoilscopeError) -> None:
        """A refusal: to standard error in words, and in JSON mode to standard output as well."""
        self.refused(error, {})

    def refused(self, error: SoilscopeError, value: Mapping[str, Any]) -> None:
        """A refusal together with what there is of a result, as one JSON object."""
        Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print(
            f"[bold red]refused[/] {escape(visible(str(error)))}"
        )
        if self.mode is Mode.JSON:
            told = {"code": error.code, "text": error.text, "files": list(error.files)}
            typer.echo(_as_json({"error": told, **value}))
