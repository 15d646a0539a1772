"""A progress bar for a run of a study."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from soilscope.cli.output import visible

__all__ = ["Described", "RunProgress"]

WORDS = {
    "import": "reading cores",
    "classify": "cutting classes",
    "measure": "measuring structure",
    "train": "training models",
    "transfer": "transferring models",
    "evaluate": "every model on every core",
    "explain": "heat maps",
    "report": "report",
}


class Described(ProgressColumn):
    """What a bar is for; a name such as ``a:b:`` stays as it is, where rich's own column draws ``:b:`` as a sign."""

    def render(self, task: Task) -> Text:
        """The words of one bar."""
        return Text.from_markup(task.description, emoji=False)


class RunProgress:
    """Watches a run: one bar a step, one below it for each item that tells how far it is."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            Described(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=console.quiet,
        )
        self.step_bar: TaskID | None = None
        self.items: dict[str, TaskID] = {}

    def __enter__(self) -> RunProgress:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def step(self, name: str, todo: int) -> None:
        """A step begins."""
        self.step_bar = self.progress.add_task(f"[bold]{WORDS.get(name, name)}", total=todo)

    def message(self, key: str, content: Any) -> None:
        """An item says how far it is."""
        _, done, total, words = content
        if key not in self.items:
            self.items[key] = self.progress.add_task("", total=total)
        self.progress.update(self.items[key], completed=done, total=total, description=f"  {escape(visible(words))}")

    def finished(self, key: str, error: Exception | None) -> None:
        """An item ended."""
        if key in self.items:
            self.progress.remove_task(self.items.pop(key))
        if self.step_bar is not None:
            self.progress.advance(self.step_bar)
        if error is not None:
            self.progress.console.print(
                f"[red]{escape(visible(key))}[/]: {escape(visible(str(error)))}", soft_wrap=True
            )

    def waits(self, key: str, error: Exception) -> None:
        """An item was not begun: no bar moves, and the command names all of them together at its end."""
