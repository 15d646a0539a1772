"""Frames -> series: what belongs together, and what must never be mixed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.ingest.geometry import positions_mm
from soilscope.ingest.headers import CT_CLASSES, Broken, Headers, Slice, class_name
from soilscope.ingest.steps import MOST_NAMED, mm
from soilscope.ingest.tags import rekey
from soilscope.ingest.verdict import names, note, warn

__all__ = ["Series", "group"]

APART: dict[str, Callable[[Slice], str]] = {
    "kernels": lambda one: one.kernel,
    "studies": lambda one: one.study_uid,
    "frames of reference": lambda one: one.reference_uid,
}
"""What all slices of a scan have in common; positions in two frames of reference cannot be compared (PS3.3 C.7.4.1)."""

FEWEST_STRANGERS = 3
"""Fewer slices are told apart as scans of one slice each."""

SCOUT_TYPES = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"}


@dataclass(frozen=True, slots=True)
class Series:
    """Frames that may be one scan.

    Parameters
    ----------
    id : str
        Re-keyed series UID, with ``-1``, ``-2`` where one UID held several.
    slices : tuple of Slice
        In the natural order of their file names; position decides later.
    broken : tuple of Broken
        Damaged files of this series, or of none that is known.
    uid : str
        The UID as the scanner wrote it, for choosing only; it is never written.
    strangers : tuple of Slice
        Of a CT series: images under the same UID whose modality or storage class is not CT.
    refusal : InputRefused, optional
        Why its slices can be no scan whatever else they say.
    """

    id: str
    slices: tuple[Slice, ...]
    broken: tuple[Broken, ...] = ()
    findings: tuple[Finding, ...] = ()
    uid: str = field(default="", repr=False)
    strangers: tuple[Slice, ...] = ()
    refusal: InputRefused | None = None

    @property
    def strangers_in_words(self) -> str:
        """The first of them by name, and how many there are."""
        first = self.strangers[0]
        said = f"modality {first.modality or 'unknown'!r}, {class_name(first.sop_class)}"
        more = f" and {len(self.strangers) - 1} more" if len(self.strangers) > 1 else ""
        return f"{first.name}{more}, under the same series UID but no CT slice ({said}),"

    @property
    def is_scout(self) -> bool:
        """A localizer, told by its image type."""
        return any(word.upper() in SCOUT_TYPES for word in self.slices[0].image_type)

    @property
    def is_ct(self) -> bool:
        """CT by modality and by storage class."""
        return _is_ct(self.slices[0])


def group(headers: Headers) -> tuple[Series, ...]:
    """Split by series UID, then by what one scan cannot mix.

    That is: storage class, modality, image kind, kernel, study, frame of reference, and acquisitions that cover the same stretch.
    """
    by_uid: dict[str, list[Slice]] = defaultdict(list)
    for one in headers.slices:
        by_uid[one.series_uid].append(one)
    found: list[Series] = []
    for uid in sorted(by_uid):
        broken = tuple(b for b in headers.broken if b.series_uid in (uid, None))
        found.extend(_split(uid, by_uid[uid], broken))
    return tuple(found)


def _split(uid: str, slices: Sequence[Slice], broken: tuple[Broken, ...]) -> list[Series]:
    base = Series(rekey(uid), tuple(slices), broken, uid=uid)
    refusal = _each_its_own(slices)
    if refusal is not None:
        return [replace(base, refusal=refusal)]
    parts = [part for kind in _kinds(slices) for part in _acquisitions(kind)]
    if len(parts) == 1:
        return [replace(base, findings=_in_turn(slices))]
    finding = note(
        "series-split", f"one series UID held {len(parts)} sets of slices{_why(slices)}; they are kept apart."
    )
    strangers = tuple(one for one in slices if not _is_ct(one))
    return [
        _with_strangers(
            replace(base, id=f"{base.id}-{k}", slices=tuple(part), findings=(finding, *_in_turn(part))), strangers
        )
        for k, part in enumerate(parts, start=1)
    ]


def _why(slices: Sequence[Slice]) -> str:
    counts = [(len({of(one) for one in slices} - {""}), words) for words, of in APART.items()]
    told = [f"{count} {words}" for count, words in counts if count > 1]
    return f" (of {' and '.join(told)})" if told else " (kinds of image or acquisitions)"


def _each_its_own(slices: Sequence[Slice]) -> InputRefused | None:
    """Slices of which each names another frame of reference, or study, than all others: what a faulty export makes."""
    for words, of in APART.items():
        if words == "kernels":
            continue
        if len(slices) >= FEWEST_STRANGERS and len({of(one) for one in slices} - {""}) == len(slices):
            text = (
                f"the {len(slices)} slices of one series are of {len(slices)} {words}, each of its own: that they lie in one "
                "scan, and where, their headers do not say. Export the series again from the scanner."
            )
            return InputRefused("mixed-reference", text, names([one.path for one in slices]))
    return None


def _is_ct(one: Slice) -> bool:
    return one.modality.upper() == "CT" and one.sop_class in CT_CLASSES


def _with_strangers(series: Series, strangers: tuple[Slice, ...]) -> Series:
    """A CT part with what is no CT under its UID, told by name."""
    if not (strangers and series.is_ct) or series.is_scout:
        return series
    made = replace(series, strangers=strangers)
    text = f"{made.strangers_in_words} was left out of the scan; take it out of the folder, or copy the series again."
    return replace(made, findings=(*made.findings, warn("mixed-modality", text, [one.path for one in strangers])))


def _kinds(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Kinds of image, and within each what no scan mixes; a slice that does not say joins the others where those agree."""
    parts = _by(slices, _kind)
    for of in APART.values():
        parts = [
            part for kind in parts for part in (_by(kind, of) if len({of(s) for s in kind} - {""}) > 1 else [kind])
        ]
    return parts


def _kind(one: Slice) -> Hashable:
    scout = any(word.upper() in SCOUT_TYPES for word in one.image_type)
    return (scout, one.sop_class, one.modality)


def _by(slices: Sequence[Slice], key: Callable[[Slice], Hashable]) -> list[list[Slice]]:
    parts: dict[Hashable, list[Slice]] = defaultdict(list)
    for one in slices:
        parts[key(one)].append(one)
    return [parts[k] for k in sorted(parts, key=str)]


def _acquisitions(slices: list[Slice]) -> list[list[Slice]]:
    """Several acquisitions that cover the same stretch are several scans; ones that follow each other are one."""
    keys: tuple[Callable[[Slice], Hashable], ...] = (lambda s: s.acquisition, lambda s: s.acquired)
    for key in keys:
        parts = _by(slices, key)
        if any(_overlap(a, b) for a, b in combinations([p for p in parts if len(p) > 1], 2)):
            return parts
    return [slices]


def _in_turn(slices: Sequence[Slice]) -> tuple[Finding, ...]:
    """What to say of acquisitions that follow each other: a scan made step by step, or two scans, one above the other.

    Slices that are an acquisition each (axial scans), or of which some have a time of their own, say nothing of it.
    """
    at = positions_mm(slices)
    if at is None or len(slices) < 2:
        return ()
    order = [int(k) for k in np.argsort(at, kind="stable")]
    numbers = [slices[k].acquisition for k in order]
    times = [slices[k].acquired for k in order]
    if len(set(numbers)) > 1:
        keys: Sequence[Hashable] = numbers
        known = sorted({n for n in numbers if n is not None})
        many = (
            f"AcquisitionNumber {', '.join(map(str, known[:MOST_NAMED]))}{', ...' if len(known) > MOST_NAMED else ''}"
        )
        single = len(set(numbers)) == len(numbers)
    else:
        keys, many, single = times, "by their acquisition times", min(Counter(times).values()) == 1
    if single or len(set(keys)) == 1:
        return ()
    meet = [k for k in range(len(keys) - 1) if keys[k] != keys[k + 1]]
    where = [f"z = {mm(at[order[k]])} and {mm(at[order[k + 1]])} mm" for k in meet[:MOST_NAMED]]
    more = f", and at {len(meet) - MOST_NAMED} more places" if len(meet) > MOST_NAMED else ""
    text = (
        f"the slices are of {len(set(keys))} acquisitions ({many}), which meet between {'; between '.join(where)}{more}. They were "
        "read as one scan: make sure that it is one core, which did not move between them."
    )
    return (note("several-acquisitions", text, [slices[order[k + side]].path for k in meet for side in (0, 1)]),)


def _overlap(one: Sequence[Slice], other: Sequence[Slice]) -> bool:
    a, b = positions_mm(one), positions_mm(other)
    if a is None or b is None:
        return False
    return bool(min(a.max(), b.max()) > max(a.min(), b.min()))
