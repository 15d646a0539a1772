"""Which chunks of a chunked array were ever written: libraries fill in for the others and say nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilscope.findings import Finding
from soilscope.ingest.verdict import refuse, warn
from soilscope.types import BoolVolume, Shape

__all__ = ["Presence", "needed_chunks"]


@dataclass(frozen=True, slots=True)
class Presence:
    """Chunks on a grid: ``there`` (one a chunk), the chunks' shape and the array's, all (z, y, x)."""

    there: NDArray[np.bool_]
    chunk: Shape
    shape: Shape

    @property
    def complete(self) -> bool:
        """Whether every chunk is there."""
        return bool(self.there.all())

    def plane(self, k: int) -> NDArray[np.bool_]:
        """True where voxels of plane k were written, shape (y, x)."""
        row = self.there[k // self.chunk[0]]
        spread = np.repeat(np.repeat(row, self.chunk[1], axis=0), self.chunk[2], axis=1)
        return np.asarray(spread[: self.shape[1], : self.shape[2]])

    def whole(self) -> BoolVolume:
        """True where voxels were written, shape (z, y, x)."""
        return np.stack([self.plane(k) for k in range(self.shape[0])])


def needed_chunks(presence: Presence, name: str, on_gap: str) -> tuple[Finding, ...]:
    """Refuse an array with chunks missing, or say that they are masked.

    Raises
    ------
    InputRefused
        Code ``chunks-missing``, unless ``on_gap`` is ``"mark"``.
    """
    if presence.complete:
        return ()
    missing, total = int(np.count_nonzero(~presence.there)), presence.there.size
    first = tuple(int(n) for n in np.argwhere(~presence.there)[0])
    text = (
        f"{missing} of {total} chunks of {name} were never written or are lost, the first at chunk {first} (z, y, x): what "
        "stands there is a fill value, not a measurement"
    )
    if on_gap != "mark":
        refuse("chunks-missing", f'{text}; on_gap="mark" (--on-gap mark) masks those voxels.', [name])
    return (warn("chunks-missing", f"{text}; those voxels are masked.", [name]),)
