"""How much memory measuring takes, and how much there is: worked out before the work starts."""

from __future__ import annotations

from dataclasses import dataclass

from soilscope.errors import InputRefused
from soilscope.types import Shape

__all__ = ["Budget", "available_gb", "check_clusters", "compared_gb", "in_memory_gb", "tubes_gb"]

BYTES_IN_MEMORY = 48
"""For each voxel beside its value, at the peak: mask, classes, clusters, distances, balls and thickness.

No less than was measured of any metric and table on masks of which 5, 50 and 93 % are class, and of a class that fills a round core
or lies behind one plane wall: the most, 45, by ``critical-diameter`` and objects of a class that fills the core.
"""
BYTES_WITH_TUBES = 70
"""The same where tubes and their middle lines are looked for: 40 to 46 in soils, where a line has one voxel in some hundreds; about
1 kB for each voxel of a line makes it 70 in a tangle that fills half of the core."""
BYTES_IN_SLAB = 20
"""For each voxel of a slab beside its value: mask, classes, clusters of all and of one class."""
BYTES_OF_MASK = 1
"""With its value, all that is held of the slab that is read ahead."""
SHARE_OF_SLABS = 0.55
BYTES_IN_BLOCK = 36
"""For each voxel of a block whose thickness is worked out."""
BYTES_COMPARED = 9
"""For each voxel of a scan beside its value while labels made elsewhere are compared with it: its mask, and the labels as read."""
BYTES_OF_CLUSTER = 40
"""For each cluster of a slab that reaches its ends, or is large enough to count."""
BASE_GB = 0.45
"""The interpreter with its libraries and compiled loops."""
MOST_SLICES = 64
CHUNK_SLICES = 16
"""A store's inner chunks are so many slices thick: thinner slabs read each chunk twice."""
SHARE_OF_AVAILABLE = 0.7


def available_gb() -> float:
    """What this machine can give without swapping, in GB, less a reserve for others."""
    import psutil

    return float(psutil.virtual_memory().available) / 1e9 * SHARE_OF_AVAILABLE


def in_memory_gb(shape: Shape, itemsize: int) -> float:
    """Memory for measuring a core that is held whole, in GB."""
    z, y, x = shape
    return BASE_GB + z * y * x * (itemsize + BYTES_IN_MEMORY) / 1e9


def tubes_gb(shape: Shape, itemsize: int) -> float:
    """The same where tubes are looked for among its objects, in GB."""
    z, y, x = shape
    return BASE_GB + z * y * x * (itemsize + BYTES_WITH_TUBES) / 1e9


def compared_gb(shape: Shape, itemsize: int) -> float:
    """Memory for comparing labels made elsewhere with the scan they are of, in GB."""
    z, y, x = shape
    return BASE_GB + z * y * x * (itemsize + BYTES_COMPARED) / 1e9


@dataclass(frozen=True, slots=True)
class Budget:
    """How a core is cut so that measuring it stays within some memory.

    Parameters
    ----------
    slab : int
        Slices read at a time.
    block : int
        Voxels, halo included, of a block whose thickness is worked out.
    clusters : int
        How many clusters of slabs may be held.
    """

    slab: int
    block: int
    clusters: int = 2**62

    @classmethod
    def of(cls, shape: Shape, itemsize: int, memory_gb: float) -> Budget:
        """The greatest slabs and blocks that fit.

        Raises
        ------
        InputRefused
            Code ``memory-budget``: not even two slices at a time would fit.
        """
        room = (memory_gb - BASE_GB) * 1e9
        slice_bytes = shape[1] * shape[2] * (itemsize + BYTES_IN_SLAB + itemsize + BYTES_OF_MASK)
        least = BASE_GB + 2 * slice_bytes / 1e9
        if memory_gb < least:
            raise InputRefused(
                "memory-budget",
                f"a core of {shape[0]} x {shape[1]} x {shape[2]} voxels needs {in_memory_gb(shape, itemsize):.2f} GB to be "
                f"measured whole and {least:.2f} GB slab by slab, but the budget is {memory_gb:.2f} GB; raise "
                "memory_gb, or cut a window.",
            )
        # Not all of the room for slabs: the clusters of the whole core grow beside them.
        slab = min(max(int(room * SHARE_OF_SLABS / slice_bytes), 2), MOST_SLICES, max(shape[0], 1))
        if slab > CHUNK_SLICES:
            slab -= slab % CHUNK_SLICES
        return cls(slab, int(room * 0.8 / BYTES_IN_BLOCK), int(room / 2 / BYTES_OF_CLUSTER))


def check_clusters(held: int, budget: Budget) -> None:
    """Stop before the clusters of a core take more memory than there is.

    Raises
    ------
    InputRefused
        Code ``memory-budget``.
    """
    if held > budget.clusters:
        raise InputRefused(
            "memory-budget",
            f"the classes of this core fall apart into over {held} clusters, which need {held * BYTES_OF_CLUSTER / 1e9:.2f} GB; "
            f"{budget.clusters * BYTES_OF_CLUSTER / 1e9:.2f} GB may be used for them. Smooth the scan, remove larger clusters "
            "(under), or raise memory_gb.",
        )
