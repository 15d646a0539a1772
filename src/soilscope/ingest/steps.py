"""From positions along the normal to one step, with gaps told from unequal spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.headers import Slice
from soilscope.ingest.limits import CORNER_MM, MOST_PLANES, SPACING_SHARE, SPACING_SLACK_MM
from soilscope.ingest.rounding import EXACT_MM, Even, even, half_units
from soilscope.ingest.verdict import refuse, warn
from soilscope.types import Spacing

__all__ = ["SAME_PLANE_MM", "Steps", "mm", "regular"]

SAME_PLANE_MM = 1e-3
"""Slices closer than a micrometre lie at one position."""

MOST_INTERLEAVED = 4
"""Acquisitions looked for in one stack."""

LEAST_ROUNDS = 5
"""Slices of each of several acquisitions that numbers alone tell apart though none repeats; fewer come about by chance."""

LEAST_TIMES = 3
"""Slices of each of several acquisitions that their times tell apart."""

MOST_NAMED = 5
"""Gaps named in a message; their number is told."""


@dataclass(frozen=True, slots=True)
class Steps:
    """``mm`` between planes as measured (None for one slice), ``count`` planes, each slice's plane, the largest deviation.

    ``rounded`` is the even grid of positions that were rounded when they were written; it explains the deviation.
    """

    mm: float | None
    count: int
    index: tuple[int, ...]
    deviation_mm: float
    findings: tuple[Finding, ...] = ()
    rounded: Even | None = None


def mm(value: float) -> str:
    """A length or position with as many decimals as it needs, one at least, three at most."""
    text = f"{value:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def regular(slices: Sequence[Slice], along: NDArray[np.float64], spacing_mm: Spacing | None, on_gap: str) -> Steps:
    """The one step of slices in ascending order, or a refusal that names the millimetres.

    Raises
    ------
    InputRefused
        Codes ``gap``, ``unequal-spacing``, ``interleaved``, ``spacing-missing`` (one slice of unknown thickness).
    """
    if len(slices) == 1:
        return _single(slices[0], spacing_mm)
    between = np.diff(along)
    step = _step(slices, between)
    written = np.asarray([s.position for s in slices])
    tolerance = EXACT_MM + max(SPACING_SHARE * step, min(SPACING_SLACK_MM, 4 * float(half_units(written).max())))
    times = np.maximum(np.rint(between / step), 1).astype(int)
    off = np.abs(between - times * step)
    odd = np.flatnonzero(off > tolerance * times)
    if odd.size:
        times = np.maximum(np.rint(between / between[times == 1].mean()), 1).astype(int)
    index = np.concatenate([[0], np.cumsum(times)])
    if index[-1] >= MOST_PLANES:
        ends = slices[0], slices[-1]
        text = (
            f"the slices span {index[-1] + 1} planes from {ends[0].name} to {ends[1].name}; the limit is {MOST_PLANES}. A "
            "slice lies far from the others: take it out, or export the series again."
        )
        refuse("too-large", text, [one.path for one in ends])
    exact = float(along[-1] - along[0]) / int(index[-1])
    deviation = float(np.abs(along - along[0] - index * exact).max())
    rounded = even(written, index) if odd.size or deviation > CORNER_MM else None
    if rounded is not None:
        step = exact = float(np.linalg.norm(rounded.step))
    elif odd.size:
        _unequal(slices, along, step, int(odd[0]))
    findings = [
        *([] if rounded is None else [rounded.finding(exact)]),
        *_interleaved(slices, step),
        *_gaps(slices, along, times, on_gap),
        *_apart(slices, step),
        *_numbers(slices, int((times - 1).sum())),
    ]
    return Steps(exact, int(index[-1]) + 1, tuple(map(int, index)), deviation, tuple(findings), rounded)


def _single(one: Slice, spacing_mm: Spacing | None) -> Steps:
    if spacing_mm is not None:
        return Steps(None, 1, (0,), 0.0)
    thickness = one.thickness or _hint([one])
    if not thickness or thickness <= 0:
        refuse(
            "spacing-missing",
            f"{one.name} is one slice of unknown thickness; give spacing_mm=(dz, dy, dx) (--spacing-mm DZ,DY,DX).",
            [one.path],
        )
    text = f"one slice only: its thickness of {thickness:g} mm stands for the distance between slices."
    return Steps(thickness, 1, (0,), 0.0, (warn("single-slice", text, [one.path]),))


def _step(slices: Sequence[Slice], between: NDArray[np.float64]) -> float:
    """The median, unless most distances are multiples of a smaller one that a header confirms."""
    median, least = float(np.median(between)), float(between.min())
    if least > 0.75 * median:
        return median
    hints = [h for h in (_hint(slices), slices[0].thickness) if h]
    return least if any(abs(h - least) <= SPACING_SHARE * least for h in hints) else median


def _unequal(slices: Sequence[Slice], along: NDArray[np.float64], step: float, at: int) -> None:
    refuse(
        "unequal-spacing",
        f"{slices[at].name} and {slices[at + 1].name} lie {along[at + 1] - along[at]:.5g} mm apart (z = {mm(along[at])} and "
        f"{mm(along[at + 1])} mm), the other slices {step:.5g} mm; the tolerance is {SPACING_SHARE:.0%}. "
        "Two scans may be mixed, or slices were reconstructed unevenly: choose one series or export it evenly.",
        [slices[at].path, slices[at + 1].path],
    )


def _gaps(slices: Sequence[Slice], along: NDArray[np.float64], times: NDArray[np.int_], on_gap: str) -> list[Finding]:
    where = np.flatnonzero(times > 1)
    if not where.size:
        return []
    told = [
        f"{times[k] - 1} {'slice' if times[k] == 2 else 'slices'} missing between z = {mm(along[k])} and {mm(along[k + 1])} mm "
        f"({slices[k].name} and {slices[k + 1].name})"
        for k in where[:MOST_NAMED]
    ]
    if where.size > MOST_NAMED:
        told.append(f"{where.size - MOST_NAMED} more gaps")
    files = [slices[int(k) + side].path for k in where for side in (0, 1)]
    text = "; ".join(told)
    if on_gap != "mark":
        refuse("gap", f'{text}; on_gap="mark" (--on-gap mark) keeps them as masked planes.', files)
    return [warn("gap", f"{text}; kept as masked planes.", files)]


def _apart(slices: Sequence[Slice], step: float) -> list[Finding]:
    """Slices further apart than the header says or than they are thick: what every second slice missing looks like.

    Slices closer than they are thick overlap, which is sound.
    """
    stated, thick = _hint(slices), slices[0].thickness
    times = round(step / stated) if stated else 1
    if stated and times > 1 and abs(step - times * stated) <= _tolerance(step):
        beside = f" and they are {mm(thick)} mm thick" if thick else ""
        text = (
            f"slices lie {mm(step)} mm apart, but SpacingBetweenSlices says {mm(stated)} mm{beside}: only every {times}. slice "
            "seems to be here; copy the whole series from the scanner."
        )
        return [warn("slices-apart", text)]
    found = []
    if stated and abs(step - stated) > _tolerance(step):
        text = (
            f"slices lie {mm(step)} mm apart, as their positions say, but SpacingBetweenSlices says {mm(stated)} mm; the positions "
            "were taken."
        )
        found.append(warn("spacing-contradicted", text))
    if thick and step > thick + _tolerance(thick):
        text = f"slices lie {mm(step)} mm apart but are {mm(thick)} mm thick: "
        if stated and not found:
            text += "the scan left room between them, as SpacingBetweenSlices confirms; what lies there was not seen."
        else:
            text += "either the scan left room between them, or slices are missing at regular intervals."
        found.append(warn("slices-apart", text))
    return found


def _tolerance(step: float) -> float:
    return max(SPACING_SHARE * step, SPACING_SLACK_MM)


def _hint(slices: Sequence[Slice]) -> float | None:
    """SpacingBetweenSlices (0018,0088), whose sign some scanners use for a direction."""
    return next((abs(s.step_hint) for s in slices if s.step_hint), None)


def _interleaved(slices: Sequence[Slice], step: float) -> list[Finding]:
    """Two acquisitions half a step apart make one regular grid; the scanner's numbers may tell that each went its own way.

    Where the scanner's times say that one was over before the next began, they are refused. In one acquisition the numbers of
    neighbours differ by one. Where those of every n-th slice do, and there are at least two rounds of it, n acquisitions may be
    interleaved. They are refused if numbers repeat. If each is there once, numbers may also have been given in another order: few
    slices fall into it by chance; and where all name one and the same acquisition, or where the slices lie as far apart as their
    header says, which those of several scans between one another do not, their positions count and it is only told.
    """
    for parts in range(2, MOST_INTERLEAVED + 1):
        if _one_after_another(slices, parts):
            text = f"the times of every {parts}. slice end before those of the slices between them begin"
            _refuse_interleaved(slices, parts, text)
    numbers = [s.instance for s in slices if s.instance is not None]
    several = _rounds(numbers) if len(numbers) == len(slices) else None
    if several is None:
        return []
    runs = ", ".join(map(str, numbers[:6]))
    text = f"InstanceNumber runs {runs}, ... from one position to the next, so that every {several}. slice carries on one count"
    once = len(set(numbers)) == len(numbers)
    if once and len(slices) < LEAST_ROUNDS * several:
        return []
    why = _one_scan(slices, step) if once else None
    if why is None:
        _refuse_interleaved(slices, several, text)
    text += f"; {why}, and their positions were taken. {several} scans put between one another would be numbered so: "
    return [warn("numbers-alternate", f"{text}look at the slices.", [s.path for s in slices[:several]])]


def _refuse_interleaved(slices: Sequence[Slice], several: int, text: str) -> NoReturn:
    refuse(
        "interleaved",
        f"{several} acquisitions seem to be interleaved: {text}. Put each acquisition into a folder of its own.",
        [s.path for s in slices[:several]],
    )


def _one_scan(slices: Sequence[Slice], step: float) -> str | None:
    """What says that slices are of one scan however they are numbered, None if nothing does."""
    if slices[0].acquisition is not None and len({s.acquisition for s in slices}) == 1:
        return "all slices name one acquisition"
    for name, length in (("SpacingBetweenSlices", _hint(slices)), ("SliceThickness", slices[0].thickness)):
        if length:
            fits = abs(step - length) <= _tolerance(step)
            return f"they lie {mm(step)} mm apart, as {name} says" if fits else None
    return None


def _one_after_another(slices: Sequence[Slice], several: int) -> bool:
    """Whether the times of every ``several``-th slice end before those of the next such part begin, with three in each at least."""
    if len(slices) < LEAST_TIMES * several or not all(one.acquired.strip() for one in slices):
        return False
    times = [[one.acquired for one in slices[k::several]] for k in range(several)]
    spans = sorted((min(part), max(part)) for part in times)
    return all(end < begin for (_, end), (begin, _) in pairwise(spans))


def _rounds(numbers: Sequence[int]) -> int | None:
    """Every which slice carries on one count, None if none does."""
    for several in range(2, MOST_INTERLEAVED + 1):
        apart = np.subtract(numbers[several:], numbers[:-several])
        if apart.size >= several and (np.abs(apart) == 1).all() and (apart[several:] == apart[:-several]).all():
            return several
    return None


def _numbers(slices: Sequence[Slice], marked: int) -> list[Finding]:
    """The scanner's own count against what is here and the gaps ``marked``: slices missing at an end leave a regular grid."""
    numbers = {s.instance for s in slices if s.instance is not None}
    promised = slices[0].acquisition_images
    if len(numbers) == len(slices):
        low, high = min(numbers), max(numbers)
        missing = max(low - 1, 0) + (high - low + 1 - len(numbers)) - marked
        if missing > 0:
            text = (
                f"InstanceNumber runs from {low} to {high} with {len(numbers)} slices here: up to {missing} of the scanner's "
                f"slices are not here{', beside the gaps,' if marked else ','} perhaps at an end of the core."
            )
            return [warn("slices-missing", text)]
    if promised and promised > len(slices) + marked:
        return [warn("slices-missing", f"the scanner counted {promised} slices, {len(slices)} are here.")]
    return []
