"""The command ``soilscope``: parses, makes one library call, prints a summary.

Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 input refused; 4 done in part; 5 busy; 130 / 143 stopped by the user.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from soilscope._version import __version__
from soilscope.cli import demo, doctor, init, inspect, phantom, run, verify
from soilscope.cli.output import Mode, Output
from soilscope.cli.stopping import INTERRUPTED, TERMINATED, hear_stops
from soilscope.errors import SoilscopeError

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
    try:
        code = app(standalone_mode=False)  # typer itself turns Ctrl-C into a returned 130
    except SoilscopeError as error:
        Output(Mode.of("--json" in sys.argv, quiet=False)).error(error)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as stop:
        code = stop.code
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()
        code = int(error.exit_code)
    if code in (INTERRUPTED, TERMINATED):
        Output(Mode.PERSON).hint("stopped; what is done is kept, the same command goes on from here")
    sys.exit(code if isinstance(code, int) else 0)
