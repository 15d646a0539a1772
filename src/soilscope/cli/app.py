"""The command ``soilscope``: parses, makes one library call, prints a summary.

Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 input refused; 4 done in part; 5 busy; 130 / 143 stopped by the user.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn, TextIO, cast

import typer

from soilscope._version import __version__
from soilscope.cli import demo, doctor, init, inspect, phantom, run, verify
from soilscope.cli.output import Mode, Output, Printed
from soilscope.cli.stopping import INTERRUPTED, TERMINATED, hear_stops
from soilscope.errors import OutputRefused, SoilscopeError

__all__ = ["app", "main"]

app = typer.Typer(
    name="soilscope",
    help="Structure tables, pictures and neural models from CT scans of soil cores.",
    epilog="Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 input refused; 4 done in part; 5 busy; 130/143 stopped by the user.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (demo, inspect, init, run, phantom, verify, doctor):
    part.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command; every refusal becomes one message and its exit code."""
    hear_stops()
    printed = None if sys.stdout is None else Printed(sys.stdout)
    sys.stdout = cast(TextIO, printed)
    code = _run()
    if code in (INTERRUPTED, TERMINATED):
        Output(Mode.PERSON).hint("stopped; what is done is kept, the same command goes on from here")
    if printed is not None:
        printed.give_up()
    sys.exit(code if isinstance(code, int) else 0)


def _run() -> object:
    """Run the command; its exit code."""
    try:
        code: object = app(standalone_mode=False)  # typer itself turns Ctrl-C into a returned 130
    except SoilscopeError as error:
        code = _told(error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as stop:
        code = stop.code
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()
        code = int(error.exit_code)
    return code


def _told(error: SoilscopeError) -> int:
    """Say why the command stopped, and where that cannot be printed, that as well; the exit code."""
    as_json = "--json" in sys.argv and not getattr(sys.stdout, "failed", False)
    try:
        Output(Mode.of(as_json, quiet=False)).error(error)
    except OutputRefused as unprinted:
        Output(Mode.PERSON).error(unprinted)
        return unprinted.exit_code
    return error.exit_code
