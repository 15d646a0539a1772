"""``meshes``: the surface of a class, against scikit-image's marching cubes and the area of its triangles.

Ours counts crossings of lines (Crofton) and makes no triangles: it is what the table of structure needs.
"""

from __future__ import annotations

from skimage import measure as skimage

from benchmarks.outcome import Figure, Outcome, Say
from benchmarks.soils import blobs
from benchmarks.turns import faster, in_turn, peer_name
from soilscope import structure

__all__ = ["run"]

SHAPE, ROUNDS, BAR = (200, 200, 200), 3, 3.0
CUBE = (1.0, 1.0, 1.0)


def run(say: Say) -> Outcome:
    """Time both in turn."""
    pores = blobs(SHAPE, 0.3, 2.0)

    def theirs() -> float:
        corners, triangles, _, _ = skimage.marching_cubes(pores, 0.5)
        return float(skimage.mesh_surface_area(corners, triangles))

    ours = structure.surface_area_density(pores, CUBE)
    share = ours * pores.size / theirs()
    say(f"our surface is {share:.3f} of the triangles', which stand on corners of voxels and are too large")
    seconds = in_turn({"ours": lambda: structure.surface_area_density(pores, CUBE), "theirs": theirs}, ROUNDS)
    peer = peer_name("scikit-image", "marching_cubes and mesh_surface_area")
    return Outcome(
        faster(f"surface area, {SHAPE}", seconds["ours"], peer, seconds["theirs"], BAR),
        (Figure("our surface, in shares of the triangles'", share, "1"),),
    )
