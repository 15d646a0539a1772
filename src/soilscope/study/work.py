"""The state of one run: what is held, what was done, what failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from soilscope import files
from soilscope.engine import Engine, Local, Outcome, Task
from soilscope.errors import InputRefused, UsageError
from soilscope.study.items import Item, items
from soilscope.study.ledger import Entry, Ledger, by_slabs
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import SLABS, memory_gb
from soilscope.study.steps.gathered import Gathered
from soilscope.study.timings import Timings
from soilscope.volume.store import store_digest

__all__ = ["Failure", "Nobody", "Watcher", "Work"]


WAITS = "waits"
"""Code of the error of an item that was not begun."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be done; ``stays`` where what was made of an earlier input is there and in use."""

    key: str
    error: Exception
    stays: bool = False

    @property
    def waits(self) -> bool:
        """Whether it was not begun, since something it needs is not there."""
        return isinstance(self.error, UsageError) and self.error.code == WAITS

    def __str__(self) -> str:
        text = str(self.error) if self.waits else f"{self.key}: {self.error}"
        return f"{text} What was made of it before it changed stays, in all tables too." if self.stays else text


class Watcher(Protocol):
    """Somebody who looks on: a progress bar, a log, or nobody."""

    def step(self, name: str, todo: int) -> None:
        """A step begins with so many items to do."""

    def message(self, key: str, content: Any) -> None:
        """A running item says how far it is."""

    def finished(self, key: str, error: Exception | None) -> None:
        """An item ended."""

    def waits(self, key: str, error: Exception) -> None:
        """An item was not begun, since something it needs is not there."""


class Nobody:
    """Looks on at nothing."""

    def step(self, name: str, todo: int) -> None:
        """Say nothing."""

    def message(self, key: str, content: Any) -> None:
        """Say nothing."""

    def finished(self, key: str, error: Exception | None) -> None:
        """Say nothing."""

    def waits(self, key: str, error: Exception) -> None:
        """Say nothing."""


class Work:
    """One run of a study's items."""

    def __init__(self, folder: Path, plan: Plan, ledger: Ledger, engine: Engine, watcher: Watcher) -> None:
        self.folder, self.plan, self.ledger, self.engine, self.watcher = folder, plan, ledger, engine, watcher
        self.timings = Timings.read(folder)
        self.held: set[str] = set()
        self.kept: set[str] = set()
        self.failures: list[Failure] = []
        self.declined: dict[str, str] = {}
        self.done = 0
        self.skipped = 0
        self._growing: list[Item] = []
        self._slabs: dict[str, float] = {}
        self._budget_gb = memory_gb(plan)

    def do_step(self, step: str, mine: list[Item], *, only_look: bool = False) -> None:
        """Do a step's items in waves: those that are ready, then what those made possible.

        With ``only_look`` nothing is done; the step's items that are done already are noted as held.
        """
        left, told = mine, False
        self._growing = [item for item in mine if item.grows]
        while ready := [item for item in left if self._ready(item, left)]:
            left = [item for item in left if item not in ready]
            budget_gb = 0.0 if only_look else self._budget_gb
            todo = [item for item in ready if not self._held_already(item, budget_gb)]
            self.skipped += 0 if only_look else sum(not self._kept(item) for item in ready if item not in todo)
            if only_look or not todo:
                continue
            if not told:
                self.watcher.step(step, len(todo) + len(left))
                told = True
            self._do(todo)
        if not only_look:
            for item in left:
                self._waits(item)

    def beside(self, every: list[Item]) -> int:
        """How many items are held, of inputs that are as they were, that nothing which failed is made from."""
        by_key = {item.key: item for item in every}
        below, left = set[str](), [failure.key for failure in self.failures]
        while left:
            item = by_key[left.pop()]
            new = {*item.needs, *item.after} - below
            below |= new
            left += new
        return len(self.held - below - self.kept)

    def _ready(self, item: Item, left: list[Item]) -> bool:
        """Whether all it needs is held, and what it gathers is settled: held, or never to come."""
        coming = {other.key for other in left} - self._doomed(left)
        settled = coming.isdisjoint(item.after)
        return settled and set(item.needs) <= self.held and (not item.after or not self.held.isdisjoint(item.after))

    def _doomed(self, left: list[Item]) -> set[str]:
        """Items of this step that wait for something that failed; what they need stands before them in the list."""
        doomed: set[str] = set()
        coming = {item.key for item in left}
        for item in left:
            if any(key not in self.held and (key not in coming or key in doomed) for key in item.needs):
                doomed.add(item.key)
        return doomed

    def _recipe(self, item: Item) -> str:
        return item.recipe({key: self.ledger.entries[key].recipe for key in self.held})

    def _held_already(self, item: Item, budget_gb: float) -> bool:
        if not self.ledger.holds(item.key, self._recipe(item), budget_gb):
            return False
        self._hold(item.key)
        return True

    def _kept(self, item: Item) -> bool:
        """Whether it rests on what was made before an input changed to something that was refused, and on nothing else."""
        below = {*item.needs} or self.held & {*item.after}
        if below and below <= self.kept:
            self.kept.add(item.key)
        return item.key in self.kept

    def _stays(self, item: Item) -> bool:
        """Whether all that an item was made from but the content of its input is as it was: then the earlier result holds."""
        made = {key: self.ledger.entries[key].recipe for key in self.held}
        for ledger in self.ledger.earlier():
            before = next(i for i in items(self.folder, self.plan, ledger) if i.key == item.key)
            if self.ledger.holds(item.key, before.recipe(made)):
                return True
        return False

    def _hold(self, key: str) -> None:
        self.held.add(key)
        if self.ledger.entries[key].declined:
            self.declined[key] = self.ledger.entries[key].declined

    def _do(self, todo: list[Item]) -> None:
        by_key = {item.key: item for item in todo}
        tasks = [Task(i.key, i.call, (self.folder, self.plan, self._subject(i))) for i in todo]
        for outcome in self.engine.run(tasks, self._hear):
            self._note(by_key[outcome.key], outcome)

    def _hear(self, key: str, content: Any) -> None:
        """What running items say is for who looks on, save which of them take their core slab by slab."""
        if content[0] == SLABS:
            self._slabs[key] = content[1]
        else:
            self.watcher.message(key, content)

    def _subject(self, item: Item) -> Any:
        if not item.after:
            return item.subject
        failures = {f.key: str(f) for f in self.failures}
        return Gathered(item.subject, frozenset(self.held), failures, dict(self.declined))

    def _note(self, item: Item, outcome: Outcome) -> None:
        error = outcome.error
        if error is None:
            if outcome.value:
                self._clear(item)
            made = {} if outcome.value else {path: digest_output(self.folder / path) for path in item.outputs}
            sizes = {path: files.size(self.folder / path) for path in made}
            whole_gb, recipe = self._slabs.get(item.key, 0.0), self._recipe(item)
            entry = Entry(by_slabs(recipe) if whole_gb else recipe, made, outcome.value or "", sizes, whole_gb)
            self.ledger.put(item.key, entry)
            self.timings.put(item.step, item.name, outcome.seconds, outcome.peak_mb)
            self._hold(item.key)
            self.done += 1
            for table in self._growing:
                if item.key in table.after:
                    self._grow(table)
        else:
            stays = isinstance(error, InputRefused) and self._stays(item)
            if stays:
                self._hold(item.key)
                self.kept.add(item.key)
            self.failures.append(Failure(item.key, error, stays))
        self.watcher.finished(item.key, error)

    def _grow(self, item: Item) -> None:
        """Publish what an item gathers as far as it goes; at its turn it is made once more, of all there is.

        What the ledger holds of an earlier one goes first: that is no longer what stands there. Where it cannot be written, that is
        told, and counts when it fails at its turn.
        """
        if self.ledger.entries.pop(item.key, None) is not None:
            self.ledger.save()
        task = Task(item.key, item.call, (self.folder, self.plan, self._subject(item)))
        for outcome in Local().run([task], lambda _key, _content: None):
            if outcome.error is not None:
                self.watcher.message(item.key, ("progress", 0, 1, f"{item.key} so far: {outcome.error}"))

    def _clear(self, item: Item) -> None:
        """What an earlier recipe made must not stand where this one found nothing to make."""
        for path in item.outputs:
            if (self.folder / path).exists():
                files.remove(self.folder / path)

    def _waits(self, item: Item) -> None:
        missing = sorted({*item.needs, *item.after} - self.held)
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        error = UsageError(WAITS, f"{item.key} waits for {', '.join(missing[:3])}{more}, not done.")
        self.failures.append(Failure(item.key, error))
        self.watcher.waits(item.key, error)


def digest_output(path: Path) -> str:
    """Digest of something an item published: a store by its manifest, a folder or file by its content."""
    if path.suffix == ".zarr":
        return store_digest(path)
    return files.digest_folder(path) if path.is_dir() else files.digest_file(path)
