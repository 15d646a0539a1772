"""A scheme: which range of values makes which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from soilscope.classes.densities import value_edges
from soilscope.classes.hysteresis import Grows
from soilscope.classes.otsu import BINS, otsu_edges
from soilscope.classes.value_range import valid_range
from soilscope.errors import InputRefused, UsageError
from soilscope.types import Units
from soilscope.volume import Volume

__all__ = ["Scheme"]

Closed = Literal["left", "right"]
Method = Literal["edges", "otsu", "density"]
MOST_CLASSES = 254
"""Labels are uint8 and 0 is "outside the core"."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """Named classes cut by edges.

    Parameters
    ----------
    name : str
        The scheme's name, printed on every output.
    edges : tuple of float
        n + 1 rising edges for n classes.
    names : tuple of str
        One name a class, lightest first; class numbers run from 1.
    units : {"HU", "grey"} or None
        Units the edges are in; None fits both (edges relative to the core's own range).
    closed : {"right", "left"}
        ``"right"``: class k holds ``edges[k-1] < value <= edges[k]``; ``"left"``: ``edges[k-1] <= value < edges[k]``, the
        last class including its upper edge, so that a saturated voxel belongs to the top class.
    method : {"edges", "otsu", "density"}
        ``"otsu"``: the inner edges are Otsu's thresholds of the core's own values, and those given say only how many; set
        ``relative``. ``"density"``: the edges are in g/cm³ and become values through the core's calibration.
    bands : tuple of (low, high)
        For each inner edge, the two thresholds of a hysteresis around it, in the scan's units
        (:func:`soilscope.classes.hysteresis.grown_labels`); empty for plain edges.
    grows : {"darker", "brighter"}
        Which class of the two grows into a band.
    relative : bool
        Edges are shares of the range between the core's own least and greatest valid value (after ``limit``).
    limit : (low, high), optional
        Values are limited to this range before they are classed; in HU, so it does not apply to grey values.
    source : str
        Where the edges come from, with DOI where there is one.
    """

    name: str
    edges: tuple[float, ...]
    names: tuple[str, ...]
    units: Units | None
    closed: Closed = "right"
    method: Method = field(default="edges", kw_only=True)
    bands: tuple[tuple[float, float], ...] = field(default=(), kw_only=True)
    grows: Grows = field(default="darker", kw_only=True)
    relative: bool = field(default=False, kw_only=True)
    limit: tuple[float, float] | None = field(default=None, kw_only=True)
    source: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.names) + 1 or not self.names:
            raise UsageError(
                "scheme", f"scheme {self.name!r}: {len(self.edges)} edges need {len(self.edges) - 1} names."
            )
        if len(self.names) > MOST_CLASSES:
            raise UsageError("scheme", f"scheme {self.name!r}: at most {MOST_CLASSES} classes, not {len(self.names)}.")
        if len(set(self.names)) != len(self.names):
            raise UsageError("scheme", f"scheme {self.name!r}: class names must differ, got {list(self.names)}.")
        if not np.all(np.isfinite(self.edges)) or not np.all(np.diff(self.edges) > 0):
            raise UsageError("scheme", f"scheme {self.name!r}: edges must rise and be finite, got {list(self.edges)}.")
        if self.limit is not None and not self.limit[0] < self.limit[1]:
            raise UsageError("scheme", f"scheme {self.name!r}: limit must rise, got {list(self.limit)}.")
        if self.closed not in ("left", "right"):
            raise UsageError("scheme", f'scheme {self.name!r}: closed must be "left" or "right", not {self.closed!r}.')
        if self.bands:
            self._check_bands()
        if self.units not in ("HU", "grey", None):
            raise UsageError("scheme", f'scheme {self.name!r}: units must be "HU" or "grey", not {self.units!r}.')

    def _check_bands(self) -> None:
        """A band round each inner edge, both ends rising from band to band."""
        ends = np.asarray(self.bands, float)
        inner = np.asarray(self.edges[1:-1])
        fits = ends.shape == (len(inner), 2) and self.method == "edges" and not self.relative and self.closed == "right"
        if not fits or (ends[:, 0] > inner).any() or (ends[:, 1] < inner).any() or (np.diff(ends, axis=0) < 0).any():
            raise UsageError(
                "scheme",
                f"scheme {self.name!r}: bands need one (low, high) round each of the inner edges {inner.tolist()}, rising, closed "
                f"on the right; got {[list(b) for b in self.bands]}.",
            )

    @classmethod
    def from_edges(
        cls,
        name: str,
        edges: Sequence[float],
        names: Sequence[str] | None = None,
        units: Units = "HU",
        closed: Closed = "right",
    ) -> Scheme:
        """A scheme from edges.

        Examples
        --------
        >>> Scheme.from_edges("mine", [-1025, -818, 86], names=["air", "roots"], units="HU", closed="right").ranges()
        [(1, 'air', -1025.0, -818.0), (2, 'roots', -818.0, 86.0)]
        """
        names = [f"class{k + 1}" for k in range(len(edges) - 1)] if names is None else names
        return cls(name, tuple(float(e) for e in edges), tuple(names), units, closed, source="edges given by the user")

    def ranges(self) -> list[tuple[int, str, float, float]]:
        """(class, name, lower edge, upper edge) for each class."""
        return [(k + 1, n, self.edges[k], self.edges[k + 1]) for k, n in enumerate(self.names)]

    def resolve(self, volume: Volume) -> Scheme:
        """The scheme with the edges that hold for this core; fixed schemes are returned as they are.

        Raises
        ------
        InputRefused
            Code ``units-mismatch``: the scheme is in other units than the core. Code ``no-range``: the scheme is relative
            to the core's own range, and there is none.
        """
        if self.units is not None and self.units != volume.units:
            raise InputRefused(
                "units-mismatch",
                f"scheme {self.name!r} is in {self.units}, but core {volume.core!r} holds {volume.units} values; "
                "choose a scheme in the core's units, or give edges.",
            )
        limit = self.limit if volume.units == "HU" else None
        if self.method != "edges":
            return self._found([volume])
        if not self.relative:
            return replace(self, limit=limit)
        found = valid_range(volume.values, volume.valid)
        low, high = (0.0, 0.0) if found is None else found
        if limit is not None:
            low, high = (min(max(end, limit[0]), limit[1]) for end in (low, high))
        if not low < high:
            raise InputRefused(
                "no-range",
                f"scheme {self.name!r} cuts the range between a core's least and greatest value, but core {volume.core!r} has "
                "none (all its valid values are the same, or none is valid); check the core that was found, or give edges.",
            )
        # The upper end is taken as it is: low + 1.0 * (high - low) may miss the greatest value by a rounding.
        edges = tuple(high if share == 1.0 else low + share * (high - low) for share in self.edges)
        return replace(self, edges=edges, units=volume.units, relative=False, limit=limit)

    def resolve_for(self, cores: Sequence[Volume]) -> Scheme:
        """One scheme for several cores: where edges are found in the values, in those of all cores together.

        Raises
        ------
        InputRefused
            As :meth:`resolve`; code ``units-mixed``: the cores are in different units.
        """
        if self.method != "otsu":
            return self
        if len({core.units for core in cores}) != 1:
            raise InputRefused("units-mixed", f"scheme {self.name!r}: pooled thresholds need cores in one unit.")
        return self._found(cores)

    def _found(self, cores: Sequence[Volume]) -> Scheme:
        """The scheme with the edges that its method finds, and a source that says how."""
        if self.method == "otsu":
            edges = otsu_edges(cores, len(self.names))
            of = "the core" if len(cores) == 1 else f"{len(cores)} cores together"
            source = f"{_ended(self.source)}Found in the valid voxels of {of}, {BINS} bins."
        else:
            edges = value_edges(cores[0], self.edges)
            stated = ", ".join(f"{e:g}" for e in self.edges)
            source = f"{_ended(self.source)}Edges of {stated} g/cm³ through the core's density calibration."
        return replace(self, edges=edges, units=cores[0].units, method="edges", relative=False, source=source)

    def shifted(self, by: float) -> Scheme:
        """The scheme with all edges between classes moved by ``by``, in the scan's units; the outer edges give way where they must.

        Examples
        --------
        >>> Scheme.from_edges("mine", [-1000, 0, 40, 3000]).shifted(50).edges
        (-1000.0, 50.0, 90.0, 3000.0)
        """
        inner = [edge + by for edge in self.edges[1:-1]]
        room = abs(by) or 1.0
        first = min(self.edges[0], inner[0] - room) if inner else self.edges[0]
        last = max(self.edges[-1], inner[-1] + room) if inner else self.edges[-1]
        bands = tuple((low + by, high + by) for low, high in self.bands)
        return replace(self, edges=(first, *inner, last), bands=bands)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scheme:
        """The inverse of :meth:`as_dict`."""
        tuples: dict[str, Any] = {"edges": tuple(values["edges"]), "names": tuple(values["names"])}
        tuples["limit"] = None if values.get("limit") is None else tuple(values["limit"])
        tuples["bands"] = tuple((low, high) for low, high in values.get("bands", ()))
        return cls(**{**values, **tuples})

    def as_dict(self) -> dict[str, Any]:
        """The scheme as plain values, for provenance and reports."""
        more: dict[str, Any] = {} if self.method == "edges" else {"method": self.method}
        if self.bands:
            more |= {"bands": [list(band) for band in self.bands], "grows": self.grows}
        return {
            **more,
            "name": self.name,
            "edges": list(self.edges),
            "names": list(self.names),
            "units": self.units,
            "closed": self.closed,
            "relative": self.relative,
            "limit": None if self.limit is None else list(self.limit),
            "source": self.source,
        }


def _ended(source: str) -> str:
    """A source as a sentence that another can follow; nothing of an empty one."""
    said = source.strip()
    return f"{said}{'' if said.endswith(('.', '!', '?')) else '.'} " if said else ""
