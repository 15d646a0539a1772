"""Metrics that other installed packages offer, found by their entry points and loaded only when one is asked for by name.

A package of your own says in its ``pyproject.toml``::

    [project.entry-points."soilscope.metrics"]
    wide-share = "my_metrics:WIDE_SHARE"

Nothing is run from a study's folder: a plan can name a metric, and what then runs was installed by whoever owns the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from soilscope.errors import UsageError

__all__ = ["GROUP", "Offer", "load", "offers"]

GROUP = "soilscope.metrics"


@dataclass(frozen=True, slots=True)
class Offer:
    """A metric that an installed package offers.

    Parameters
    ----------
    name : str
        The metric's name.
    package, version : str
        The distribution it comes with.
    entry : EntryPoint
        Where in it the metric is.
    """

    name: str
    package: str
    version: str
    entry: EntryPoint

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def offers(names: Iterable[str] | None = None) -> tuple[Offer, ...]:
    """What is offered under some names, or all; none of it is loaded.

    Raises
    ------
    UsageError
        Code ``metric``: two packages offer one name.
    """
    wanted = None if names is None else set(names)
    found: dict[str, Offer] = {}
    for entry in entry_points(group=GROUP) if wanted is None or wanted else ():
        if (wanted is not None and entry.name not in wanted) or entry.dist is None:
            continue
        offer = Offer(entry.name, str(entry.dist.name), str(entry.dist.version), entry)
        # A package can lie on the path twice; the first is the one that an import finds.
        other = found.setdefault(entry.name, offer)
        if other.package != offer.package:
            raise UsageError(
                "metric",
                f"both {other} and {offer} offer a metric {entry.name!r}; uninstall one of them, or rename its metric.",
            )
    return tuple(found[name] for name in sorted(found))


def load(offer: Offer) -> object:
    """What an offer's entry point names.

    Raises
    ------
    UsageError
        Code ``metric``: it cannot be imported; the message names the package and what its import said.
    """
    try:
        made: object = offer.entry.load()
    except Exception as error:  # whatever the package's own code raises
        raise UsageError(
            "metric",
            f"the metric {offer.name!r} of {offer} ({offer.entry.value}) cannot be loaded: {type(error).__name__}: {error}. Mend "
            "or reinstall that package.",
        ) from error
    return made
