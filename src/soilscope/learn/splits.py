"""Which slices train and which test: at random as in the paper, or kept apart by depth or by core.

Neighbouring slices are a fraction of a millimetre apart and almost alike, so a random split lets a network score by
remembering (Roberts et al. 2017, doi:10.1111/ecog.02881, on blocked cross-validation). The random split is here for
comparison with Wieland et al. 2021 (doi:10.1098/rsos.201275); :class:`DepthBlocks` and :class:`ByCore` are the honest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import LearningStopped, UsageError
from soilscope.files import digest_bytes
from soilscope.learn.slices import Slices

__all__ = ["ByCore", "DepthBlocks", "Division", "Random", "Rows", "Split", "divide", "named"]

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All slices of a training, core after core.

    Parameters
    ----------
    core : str array, shape (n,)
        The core each row belongs to.
    index : int array, shape (n,)
        Its slice number in that core.
    """

    core: NDArray[np.str_]
    index: Positions

    @classmethod
    def of(cls, data: Sequence[Slices]) -> Rows:
        """The rows of several cores' slices.

        Raises
        ------
        UsageError
            Code ``slice-twice``: the same slice of the same core appears twice.
        """
        core = np.concatenate([np.full(len(part), part.core) for part in data])
        index = np.concatenate([part.index for part in data])
        if len({(c, int(k)) for c, k in zip(core, index, strict=True)}) != len(index):
            raise UsageError("slice-twice", "the same slice of the same core is given twice; name the cores apart.")
        return cls(core, index)

    def __len__(self) -> int:
        return len(self.index)

    def names(self, rows: Positions) -> list[int] | list[str]:
        """Slice numbers where there is one core, ``"core:slice"`` where there are several."""
        if len(set(self.core)) <= 1:
            return [int(k) for k in self.index[rows]]
        return [f"{c}:{int(k)}" for c, k in zip(self.core[rows], self.index[rows], strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Row positions of the training and of the test slices; rows in neither are a buffer."""

    train: Positions
    test: Positions


class Split(Protocol):
    """A way to divide slices; any object with these two is one."""

    @property
    def kind(self) -> str:
        """A short name, written to the model's card and the tables."""

    def divide(self, rows: Rows, seed: int) -> Division:
        """Choose training and test rows; the same seed gives the same rows."""


@dataclass(frozen=True, slots=True)
class Random:
    """A share of all slices, chosen at random, trains; the rest tests (Wieland et al. 2021). Neighbours leak.

    Parameters
    ----------
    share : float
        Share that trains, between 0 and 1; the paper's is 0.8.
    """

    share: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise UsageError("split", f"share {self.share} must lie between 0 and 1.")

    @property
    def kind(self) -> str:
        """``"random"``."""
        return "random"

    def divide(self, rows: Rows, seed: int) -> Division:
        """Shuffle with the seed and cut."""
        order = np.random.default_rng([seed, 1]).permutation(len(rows))
        count = min(max(round(self.share * len(rows)), 1), max(len(rows) - 1, 1))
        return Division(np.sort(order[:count]), np.sort(order[count:]))


@dataclass(frozen=True, slots=True)
class DepthBlocks:
    """Whole blocks of depth test, with a buffer of unused slices around them.

    Parameters
    ----------
    blocks : int
        Each core's range of slices is cut into this many blocks of equal height.
    test_blocks : int
        Blocks of each core that test, drawn with the seed.
    buffer_slices : int
        Slices at most this far from a test slice do not train.
    """

    blocks: int = 5
    test_blocks: int = 1
    buffer_slices: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.test_blocks < self.blocks or self.buffer_slices < 0:
            raise UsageError(
                "split",
                f"of {self.blocks} blocks {self.test_blocks} test, with a buffer of {self.buffer_slices} slices: there must "
                "be fewer test blocks than blocks, at least one, and no negative buffer.",
            )

    @property
    def kind(self) -> str:
        """``"depth-blocks"``."""
        return "depth-blocks"

    def divide(self, rows: Rows, seed: int) -> Division:
        """Draw the test blocks of each core; a core's draw depends on its place in the list and the seed."""
        test = np.zeros(len(rows), np.bool_)
        near = np.zeros(len(rows), np.bool_)
        for place, core in enumerate(dict.fromkeys(rows.core)):
            own = np.flatnonzero(rows.core == core)
            index = rows.index[own]
            first, height = index.min(), (index.max() - index.min() + 1) / self.blocks
            block = np.minimum(((index - first) / height).astype(int), self.blocks - 1)
            drawn = np.random.default_rng([seed, 2, place]).permutation(self.blocks)[: self.test_blocks]
            tested = np.isin(block, drawn)
            test[own] = tested
            if tested.any():
                near[own] = _distance(index, index[tested]) <= self.buffer_slices
        return Division(np.flatnonzero(~test & ~near), np.flatnonzero(test))


@dataclass(frozen=True, slots=True)
class ByCore:
    """Whole cores test; the others train.

    Parameters
    ----------
    test_cores : tuple of str
        Names of the cores that the model never sees.
    """

    test_cores: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``"by-core"``."""
        return "by-core"

    def divide(self, rows: Rows, seed: int) -> Division:
        """Every slice of the named cores tests; the seed changes nothing."""
        del seed
        missing = sorted(set(self.test_cores) - set(rows.core.tolist()))
        if missing:
            raise UsageError(
                "split", f"test cores {missing} are not among the cores given: {sorted(set(rows.core.tolist()))}."
            )
        test = np.isin(rows.core, list(self.test_cores))
        return Division(np.flatnonzero(~test), np.flatnonzero(test))


def named(split: Split | Literal["random"]) -> Split:
    """The split object of a name, or the object itself.

    Raises
    ------
    UsageError
        Code ``split``: no split has that name.
    """
    if isinstance(split, str):
        if split != "random":
            raise UsageError(
                "split", f'split {split!r} is no name; use "random" or an object of soilscope.learn.splits.'
            )
        return Random()
    return split


def divide(data: Sequence[Slices], split: Split, seed: int) -> tuple[Rows, Division]:
    """Divide the slices of some cores and make sure that nothing is on both sides.

    Raises
    ------
    LearningStopped
        Code ``too-few-slices``: one side has no slice.
    UsageError
        Code ``split-leaks``: a slice, or a copy of it under another core's name, is on both sides; the slices are named.
    """
    rows = Rows.of(data)
    parts = split.divide(rows, seed)
    if not len(parts.train) or not len(parts.test):
        raise LearningStopped(
            "too-few-slices",
            f"split {split.kind!r} leaves {len(parts.train)} training and {len(parts.test)} test slices of {len(rows)}; "
            "give more slices, or a smaller buffer.",
        )
    both = np.intersect1d(parts.train, parts.test)
    twins = both if both.size else _copies(data, rows, parts)
    if twins.size:
        raise UsageError(
            "split-leaks",
            f"split {split.kind!r} has the same slice in training and test: {rows.names(twins)[:8]}; keep them on one side.",
        )
    return rows, parts


def describe(split: Split, rows: Rows, parts: Division) -> dict[str, Any]:
    """The split as it goes into a model's card."""
    own = {name: getattr(split, name) for name in getattr(split, "__dataclass_fields__", {})}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in own.items()}
    return {"kind": split.kind, **plain, "train": rows.names(parts.train), "test": rows.names(parts.test)}


def _distance(index: Positions, tested: Positions) -> Positions:
    """Distance of each slice to the nearest test slice, in slices."""
    nearest: Positions = np.abs(index[:, None] - tested[None, :]).min(axis=1)
    return nearest


def _copies(data: Sequence[Slices], rows: Rows, parts: Division) -> Positions:
    """Test rows whose image is, byte for byte, a training image of another core; images flat in every channel are no copies."""
    if len(set(rows.core.tolist())) < 2:
        return np.empty(0, np.int64)
    prints = [
        digest_bytes(image.tobytes()) if np.ptp(image, axis=(1, 2)).any() else ""
        for part in data
        for image in part.images
    ]
    seen: dict[str, set[str]] = {}
    for row in parts.train:
        seen.setdefault(prints[row], set()).add(str(rows.core[row]))
    copies = [row for row in parts.test if prints[row] and seen.get(prints[row], set()) - {str(rows.core[row])}]
    return np.array(copies, np.int64)
