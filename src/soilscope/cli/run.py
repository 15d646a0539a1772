"""``soilscope run``, and each step alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.cli.progress import RunProgress
from soilscope.errors import PartlyDone, SoilscopeError, UsageError

if TYPE_CHECKING:
    from soilscope.study import Summary

__all__ = ["register", "run_study"]


def _folder(study: Path) -> Path:
    """The study's folder, also where its plan is named."""
    return study.parent if study.name == "study.toml" and study.is_file() else study


Study = Annotated[
    Path,
    typer.Argument(
        help="Folder with the study.toml; that file stands for its folder.", callback=_folder, show_default=False
    ),
]
SINGLE = ("measure", "train", "transfer", "evaluate", "explain", "report")
SHOWN_AT_MOST = 20


def register(app: typer.Typer) -> None:
    """Add ``run`` and the single steps."""
    app.command("run")(run)
    for step in SINGLE:
        app.command(step, help=f"Do what is missing up to the step {step!r}.")(_single(step))


def run(
    study: Study,
    until: Annotated[str | None, typer.Option(help="Last step to do.", metavar="STEP")] = None,
    only: Annotated[str | None, typer.Option(help="The one step to do.", metavar="STEP")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be done, and do nothing.")] = False,
    accept_inputs: Annotated[
        bool,
        typer.Option(
            "--accept-inputs", help="Take scan files that changed since they were first seen as they are now."
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do what is missing in a study, and nothing else.

    Steps: import, classify, measure, train, transfer, evaluate, explain, report.
    """
    from soilscope import study as studies

    output = Output(Mode.of(as_json, quiet))
    if until is not None and only is not None:
        raise UsageError("wrong-use", "--until and --only exclude each other.")
    steps = studies.STEPS if until is None else studies.steps_until(until)
    if only is not None:
        steps = studies.steps_until(only)[-1:]
    if dry_run:
        todo = studies.outlook(study, steps)
        output.result({"todo": todo}, "\n".join(todo) or "Nothing to do.")
        return
    if accept_inputs:
        taken = studies.accept_inputs(study, studies.read_plan(study))
        output.hint(f"{len(taken)} changed file(s) taken as they are now; the results will say so")
    run_study(study, steps, output)


def _single(step: str) -> Callable[..., None]:
    def command(study: Study, as_json: Json = False, quiet: Quiet = False) -> None:
        from soilscope import study as studies

        run_study(study, studies.steps_until(step), Output(Mode.of(as_json, quiet)))

    return command


def run_study(study: Path, steps: tuple[str, ...], output: Output) -> None:
    """Run some steps with a progress bar and say what came of it.

    Whatever failed is told first, so that the summary is the last line; the exit code is that of what failed.
    """
    from soilscope import study as studies

    with RunProgress(output.aside) as progress:
        summary = studies.run(study, steps, watcher=progress)
    if summary.done == 0 and summary.failed == 0:
        words = f"Nothing to do: all {summary.skipped} items are done."
    else:
        words = f"done {summary.done}, skipped {summary.skipped}, failed {summary.failed} in {summary.seconds:.1f} s"
    for key, reason in sorted(summary.declined)[:SHOWN_AT_MOST]:
        output.hint(f"nothing to make for {key}: {reason}")
    if "train" in steps and not studies.read_plan(study).learn.targets:
        output.hint("no models: the plan has no [[learn.targets]]")
    if "report" in steps and (study / "report.html").exists():
        words += f"\nreport: {study / 'report.html'}"
    if waiting := sorted(f.key for f in summary.failures if f.waits):
        more = f" and {len(waiting) - SHOWN_AT_MOST} more" if len(waiting) > SHOWN_AT_MOST else ""
        output.hint(f"not begun, for what they need is not there: {', '.join(waiting[:SHOWN_AT_MOST])}{more}")
    failure = _told(summary, output) if summary.failed else None
    if isinstance(failure, SoilscopeError):
        output.error(failure)
    output.result(summary.as_dict(), words)
    if isinstance(failure, SoilscopeError):
        raise typer.Exit(failure.exit_code)
    if failure is not None:
        raise failure


def _told(summary: Summary, output: Output) -> Exception:
    """The error that ends the command: the first real one where nothing is done but what these are made from, else "done in part".

    What is done counts alike whether this run did it or an earlier one, so that the same failure has the same status again.
    """
    failures = sorted(summary.failures, key=lambda f: f.key)
    real = [f for f in failures if not f.waits] or list(failures)
    first: Exception = real[0].error
    if summary.beside == 0 or summary.done + summary.skipped == 0:
        return first
    text = "; ".join(map(str, real[:SHOWN_AT_MOST]))
    if waiting := [f.key for f in failures if f.waits and f not in real]:
        text += f"; not begun for want of it: {', '.join(waiting)}"
    output.hint("the rest is done and kept; mend the cause and run the same command again")
    files = dict.fromkeys(file for f in real if isinstance(f.error, SoilscopeError) for file in f.error.files)
    return PartlyDone("done-in-part", text, files)
