"""How a core of any size is worked through: memory, slabs, blocks, where temporary files go, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from soilscope.progress import Say
from soilscope.structure.budget import Budget, available_gb
from soilscope.structure.scratch import Room
from soilscope.structure.slabs import Source
from soilscope.volume import Volume
from soilscope.volume.partial import OpenStore

__all__ = ["AS_FITS", "Ways"]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a core is worked through; none of it changes a number.

    Parameters
    ----------
    memory_gb : float, optional
        Memory to stay within; None takes what the machine has to spare.
    slab : int, optional
        Slices at a time; None takes as many as fit.
    block : int, optional
        Voxels of a block for thickness, halo included; None takes as many as fit.
    folder : path, optional
        Where temporary files go: one byte a voxel for thickness, five more for distances. Left out, they lie beside the core's
        store; a core that has none needs it. The system's own folder is never used: it may be small, or memory.
    say : callable
        Told ``(done, of, what)``.
    """

    memory_gb: float | None = None
    slab: int | None = None
    block: int | None = None
    folder: Path | None = None
    say: Say = lambda _done, _of, _what: None

    def room(self, source: Source) -> Room:
        """Where temporary arrays of a core go."""
        beside = source.path.parent if isinstance(source, OpenStore) else None
        return Room(self.folder or beside, source.about.shape)

    def budget(self, about: Volume) -> Budget:
        """Slabs and blocks that fit."""
        if self.slab is not None and self.block is not None:
            return Budget(self.slab, self.block)
        memory = available_gb() if self.memory_gb is None else self.memory_gb
        fits = Budget.of(about.shape, about.values.dtype.itemsize, memory)
        return Budget(self.slab or fits.slab, self.block or fits.block, fits.clusters)


AS_FITS = Ways()
