"""Which balls matter for the local thickness: those that no ball around a neighbour of their centre contains."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from soilscope.classes.loops import compiled, over_slabs
from soilscope.structure.small_balls import SAME
from soilscope.types import BoolVolume, LabelVolume, Spacing

__all__ = ["ridge"]

Distances = NDArray[np.float32]
Table = NDArray[np.float64]
STARTS = 4096
LEAST_STEPS, MOST_STEPS = 48**3, 96**3
"""Balls with more steps in a corner's box are compared by a bound, which keeps a few more of them than the table."""
SHARE = 16
"""Between the two there are as many as one of so many voxels of the volume: a step takes about a hundred bytes."""
CLEARLY = 1e-12
ROUNDING = 1e-6
"""A whole number of steps that was met but for so much was met."""


def ridge(
    squared: Distances, spacing: Spacing, labels: LabelVolume | None, over: float
) -> tuple[BoolVolume, NDArray[np.int64]]:
    """Centres of the balls over a squared radius that no ball around a neighbour contains, and how many each slice has.

    Parameters
    ----------
    squared : float32 array, shape (z, y, x)
        Squared radii, mm².
    spacing : (dz, dy, dx)
    labels : uint8 array, shape (z, y, x), optional
        Neighbours of another label do not count.
    over : float
        mm²
    """
    norms, needed = _containment(
        float(squared.max()), spacing, min(max(squared.size // SHARE, LEAST_STEPS), MOST_STEPS)
    )
    # Where to begin to look for a squared radius among the norms.
    starts = np.searchsorted(norms, np.linspace(0.0, norms[-1], STARTS)) - 1
    tables = norms, needed, np.maximum(starts, 0), _steps(spacing)
    same = np.broadcast_to(np.zeros((), np.uint8), squared.shape) if labels is None else labels
    keep, kept = np.zeros(squared.shape, np.bool_), np.zeros(len(squared), np.int64)
    over_slabs(lambda first, end: _mark_ridge(squared, same, *tables, over, first, end, keep, kept), len(squared))
    return keep, kept


def _containment(largest2: float, spacing: Spacing, steps: int) -> tuple[Table, Table]:
    """For balls up to some size: which squared radius a ball one step away needs to contain them.

    Parameters
    ----------
    largest2 : float
        Squared radius of the largest ball, mm².
    spacing : (dz, dy, dx)
    steps : int
        No larger balls than about this number of steps allows.

    Returns
    -------
    norms : (m,) rising squared lengths of voxel steps; the ball of squared radius r2 holds the steps with norm < r2.
    needed : (8, m) for the neighbour offset with bits (z, y, x): greatest squared length, seen from that neighbour, of
        all steps up to this norm. A ball around the neighbour contains them if its squared radius is greater.
    """
    reach = min(float(np.sqrt(largest2)) * (1.0 + SAME), (steps * float(np.prod(spacing))) ** (1.0 / 3.0))
    axes = [np.arange(int(reach / s) + 1) * s for s in spacing]
    z, y, x = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    norm = z * z + y * y + x * x
    order = np.argsort(norm, kind="stable")
    order = order[norm[order] <= reach * reach * (1.0 + SAME)]
    z, y, x, norm = z[order], y[order], x[order], norm[order]
    last = np.append(norm[1:] > norm[:-1] * (1.0 + SAME), True)  # of each group of equal lengths
    needed = np.zeros((8, int(last.sum())))
    for bits, (oz, oy, ox) in enumerate(product((0, 1), repeat=3)):
        # The worst step points away from the neighbour, so the offset adds to its length on every axis.
        seen = (z + oz * spacing[0]) ** 2 + (y + oy * spacing[1]) ** 2 + (x + ox * spacing[2]) ** 2
        needed[bits] = np.maximum.accumulate(seen)[last]
    return norm[last], needed


def _steps(spacing: Spacing) -> Table:
    """For balls of any size: what must be known of the step to a neighbour.

    Returns
    -------
    (8, 3) for the neighbour offset with bits (z, y, x): its squared length; of what all products with steps of the lattice are
    whole multiples, 0 where of nothing; and the least squared distance of such a step from the line along the offset.
    """
    edges = np.asarray(spacing)
    around = np.array(list(product((-1, 0, 1), repeat=3))) * edges  # farther ones are none the nearer to the line
    steps = np.zeros((8, 3))
    for bits, offset in enumerate(product((0, 1), repeat=3)):
        if bits == 0:
            continue
        step = np.array(offset) * edges
        length2 = float(step @ step)
        least = float(np.square(step[step > 0]).min())
        times = np.square(step) / least
        off = np.square(around).sum(axis=1) - (around @ step) ** 2 / length2
        beside = np.abs(np.cross(around, step)).max(axis=1) > ROUNDING * float(edges.min()) ** 2
        steps[bits] = length2, least * (np.abs(times - np.round(times)).max() < CLEARLY), off[beside].min()
    return steps


@compiled
def _mark_ridge(
    squared: Distances,
    labels: LabelVolume,
    norms: Table,
    needed: Table,
    starts: NDArray[np.int64],
    steps: Table,
    over: float,
    first: int,
    end: int,
    keep: BoolVolume,
    kept: NDArray[np.int64],
) -> None:
    ny, nx = squared.shape[1], squared.shape[2]
    for z in range(first, end):
        for y in range(ny):
            for x in range(nx):
                own = squared[z, y, x]
                if own > over and not _contained(squared, labels, norms, needed, starts, steps, z, y, x):
                    keep[z, y, x] = True
                    kept[z] += 1


@compiled
def _contained(
    squared: Distances,
    labels: LabelVolume,
    norms: Table,
    needed: Table,
    starts: NDArray[np.int64],
    steps: Table,
    z: int,
    y: int,
    x: int,
) -> bool:
    nz, ny, nx = squared.shape
    own = float(squared[z, y, x])
    inside = own * (1.0 - SAME)
    held = starts[min(int(inside / norms[-1] * (starts.size - 1)), starts.size - 1)]
    while held + 1 < norms.size and norms[held + 1] < inside:
        held += 1  # to the longest step inside the open ball
    exact = held + 1 < norms.size
    for oz in range(max(-1, -z), min(2, nz - z)):
        for oy in range(max(-1, -y), min(2, ny - y)):
            for ox in range(max(-1, -x), min(2, nx - x)):
                other = float(squared[z + oz, y + oy, x + ox])
                if other <= own or labels[z + oz, y + oy, x + ox] != labels[z, y, x]:
                    continue
                bits = 4 * abs(oz) + 2 * abs(oy) + abs(ox)
                if exact:
                    if other * (1.0 - SAME) > needed[bits, held]:
                        return True
                elif _surely_contained(inside, other * (1.0 - SAME), steps[bits]):
                    return True
    return False


@compiled
def _surely_contained(inside: float, other: float, step: Table) -> bool:
    """Whether an open ball holds no step of the lattice that the one around a neighbour does not hold, however large they are.

    Such a step ``s`` would point away from the offset ``v``. On the line along ``v`` it is the ball's last one, a whole multiple of
    ``v``. Beside that line ``|s|² < r²`` and ``|s - v|² >= R²`` give ``-s·v > t = (R² - r² - |v|²) / 2``, so that it is no shorter
    than ``t / |v|`` along the line and the least distance from it together. Where products are whole multiples, so is the least
    that is no less than ``t``: radii are rounded, and without that ball after ball behind a plane wall would miss by a trifle the
    one behind it.
    """
    length2, multiple, beside2 = step[0], step[1], step[2]
    last = np.floor(np.sqrt(inside / length2) * (1.0 + CLEARLY))
    along = 0.5 * (other - inside - length2)
    if along <= 0.0 or (last + 1.0) ** 2 * length2 * (1.0 + CLEARLY) >= other:
        return False
    if multiple > 0.0:
        along = np.ceil(along / multiple - ROUNDING) * multiple
    return bool(along * along / length2 + beside2 >= inside * (1.0 + CLEARLY))
