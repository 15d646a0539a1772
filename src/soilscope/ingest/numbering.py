"""Which pictures of a folder are one stack, and which are missing: what the numbers in their names say."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from soilscope.findings import Finding
from soilscope.ingest.limits import MOST_PLANES
from soilscope.ingest.steps import MOST_NAMED, mm
from soilscope.ingest.verdict import refuse, warn

__all__ = ["Numbers", "numbered", "split"]

LEAST_NUMBERED = 3
"""Fewer files show no usual step."""

LEAST_OF_SEVERAL = 4
"""Slices of each of several stacks that only a second number in their names tells apart; fewer may be one stack counted by two."""

DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of each file its plane, the planes in all, and where files are missing: (file before, its number, the next file's number)."""

    index: tuple[int, ...]
    step: int = 1
    gaps: tuple[tuple[int, int, int], ...] = ()

    @property
    def count(self) -> int:
        """Planes, those of missing files included."""
        return self.index[-1] + 1 if self.index else 0

    def finding(self, names: Sequence[str], dz: float | None, on_gap: str) -> Finding | None:
        """What to say of missing files, ``names`` being those of the files that are there and ``dz`` the mm between planes.

        Raises
        ------
        InputRefused
            Code ``gap``, unless they are to be marked.
        """
        if not self.gaps:
            return None
        told = [self._told(names, gap, dz) for gap in self.gaps[:MOST_NAMED]]
        if len(self.gaps) > MOST_NAMED:
            told.append(f"{len(self.gaps) - MOST_NAMED} more gaps")
        files = [names[at + side] for at, _, _ in self.gaps for side in (0, 1)]
        text = "; ".join(told)
        if on_gap == "mark":
            return warn("gap", f"{text}; kept as masked planes.", files)
        return refuse(
            "gap",
            f'{text}: file numbers rise by {self.step} elsewhere. Put the slices there; on_gap="mark" (--on-gap mark) keeps them '
            "as masked planes; if none is missing, number the files evenly.",
            files,
        )

    def _told(self, names: Sequence[str], gap: tuple[int, int, int], dz: float | None) -> str:
        at, before, after = gap
        first, last = before + self.step, after - self.step
        many = (after - before) // self.step - 1
        which = f"number {first}" if many == 1 else f"numbers {first} to {last}"
        what = "1 slice" if many == 1 else f"{many} slices"
        place = "" if dz is None else f" between z = {mm(self.index[at] * dz)} and {mm(self.index[at + 1] * dz)} mm"
        return f"{what} missing{place} ({which}, between {names[at]} and {names[at + 1]})"


def numbered(stems: Sequence[str], names: Sequence[str]) -> Numbers:
    """The planes of one stack's files, given in natural order without their endings, and what messages call them.

    Where one number varies and rises by one step, or by several at once where files are missing, it counts the planes;
    otherwise the files follow each other.

    Raises
    ------
    InputRefused
        Codes ``unequal-spacing`` (the number rises by what is no multiple of its usual step), ``too-large``.
    """
    plain = Numbers(tuple(range(len(stems))))
    columns = _varying(stems)
    if len(stems) < LEAST_NUMBERED or len(columns) != 1:
        return plain
    (values,) = columns.values()
    steps = [after - before for before, after in pairwise(values)]
    usual = sorted(steps)[(len(steps) - 1) // 2]
    if usual < 1:
        return plain
    for at, step in enumerate(steps):
        if step < usual or step % usual:
            refuse(
                "unequal-spacing",
                f"file numbers rise by {usual}, but by {step} from {names[at]} to {names[at + 1]}; where these slices lie is not "
                "known. Number the files evenly, or take out what is no slice of this scan.",
                names[at : at + 2],
            )
    index = tuple((value - values[0]) // usual for value in values)
    if index[-1] >= MOST_PLANES:
        text = (
            f"the numbers of {names[0]} to {names[-1]} span {index[-1] + 1} planes; the limit is {MOST_PLANES}. Take out what "
            "is no slice of this scan, or number the files evenly."
        )
        refuse("too-large", text, [names[0], names[-1]])
    gaps = tuple((k, values[k], values[k + 1]) for k, step in enumerate(steps) if step != usual)
    return Numbers(index, usual, gaps)


def split(stems: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The stacks among the pictures of one folder: what each is called without its number, and its files' places in the list.

    Names that differ beside their numbers are of different stacks, unless most have a name of their own. Where several numbers
    vary, and none of them tells all files apart, one counts the slices and the others tell stacks apart, as in ``scan1_000`` and
    ``scan2_000``; numbers with decimals (``z1.5``) that rise evenly are one number.
    """
    by_words: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, stem in enumerate(stems):
        by_words[_words(stem)].append(at)
    alone = sum(len(places) == 1 for places in by_words.values())
    if len(by_words) > 1 and 2 * alone > len(stems):
        return [("", list(range(len(stems))))]
    found = []
    for places in by_words.values():
        for part in _by_further_numbers([stems[at] for at in places]):
            mine = [places[k] for k in part]
            found.append((_called([stems[at] for at in mine]), mine))
    return found


def _words(stem: str) -> tuple[str, ...]:
    """What stands between the numbers, composed and decomposed letters being one."""
    return tuple(DIGITS.split(unicodedata.normalize("NFC", stem))[::2])


def _varying(stems: Sequence[str]) -> dict[int, list[int]]:
    """The numbers that are not the same in all names, by their place in the name; none where the names are built differently."""
    if len({_words(stem) for stem in stems}) != 1:
        return {}
    numbers = [[int(digits) for digits in DIGITS.findall(stem)] for stem in stems]
    columns = dict(enumerate(list(column) for column in zip(*numbers, strict=True)))
    return {k: column for k, column in columns.items() if len(set(column)) > 1}


def _by_further_numbers(stems: Sequence[str]) -> list[list[int]]:
    columns = _varying(stems)
    everything = [list(range(len(stems)))]
    if len(columns) < 2 or any(len(set(column)) == len(stems) for column in columns.values()):
        return everything
    if _even_decimals(stems, columns):
        return everything
    best = everything
    for counting in columns:
        parts: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at in range(len(stems)):
            parts[tuple(column[at] for k, column in columns.items() if k != counting)].append(at)
        if min(map(len, parts.values())) >= LEAST_OF_SEVERAL and (best is everything or len(parts) <= len(best)):
            best = list(parts.values())
    return best


def _even_decimals(stems: Sequence[str], columns: dict[int, list[int]]) -> bool:
    """Whether two numbers with a point or comma between them are one that rises evenly, as 1.0, 1.5, 2.0."""
    if len(columns) != 2:
        return False
    first, second = columns
    parts = [DIGITS.split(stem) for stem in stems]
    points = {part[2 * first + 2] for part in parts}
    places = Counter(len(part[2 * second + 1]) for part in parts)
    if second != first + 1 or not points <= {".", ","} or len(places) != 1:
        return False
    (after_point,) = places
    whole = [a * 10**after_point + b for a, b in zip(*columns.values(), strict=True)]
    steps = {after - before for before, after in pairwise(whole)}
    return len(steps) == 1 and min(steps) > 0


def _called(stems: Sequence[str]) -> str:
    """The name without the number that counts: ``a_`` of ``a_000``; ``a_#_raw`` where more follows."""
    parts = DIGITS.split(stems[0])
    for k in _varying(stems):
        parts[2 * k + 1] = "#"
    return "".join(parts).removesuffix("#")
