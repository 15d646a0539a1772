"""The subject of an item that gathers what others made: what there is, and what is missing and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soilscope.study.plan import Plan

__all__ = ["Gathered"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Results of other items, as far as they could be made.

    Parameters
    ----------
    subject : object
        The item's own subject.
    held : frozenset of str
        Keys of all items that are done.
    failures : mapping of str to str
        Why others are not: sentences that name them.
    declined : mapping of str to str
        Items with nothing to make, and why.
    """

    subject: Any
    held: frozenset[str]
    failures: Mapping[str, str]
    declined: Mapping[str, str]

    def cores(self, plan: Plan) -> list[str]:
        """The plan's cores that are measured, in the plan's order."""
        return [core.id for core in plan.cores if f"measure:{core.id}" in self.held]
