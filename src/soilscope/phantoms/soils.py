"""The soils as data: what each is made of, and how that changes with depth.

Sizes are in mm and densities per cm³, so a larger phantom is a larger piece of the same soil. Depth profiles are over the
relative depth, 0 at the top and 1 at the bottom, so that even a short phantom shows all of its soil's horizons.
"""

from __future__ import annotations

from soilscope.phantoms.recipe import Aggregates, Burrows, Cracks, Fragments, Recipe, Roots, Stones, even, over
from soilscope.phantoms.truth import DENSE

__all__ = ["RECIPES"]

PINE_FOREST = Recipe(
    name="pine-forest",
    about="organic layer over loose, root-bound topsoil over dense, stony subsoil",
    matrix_hu=over((0.0, 620), (0.25, 720), (0.5, 1000), (0.75, 1230), (1.0, 1340)),
    contrast_hu=over((0.0, 150), (1.0, 190)),
    texture_mm=(5.0, 6.0, 6.0),
    grain_hu=35.0,
    pores=over((0.0, 0.36), (0.2, 0.24), (0.45, 0.11), (0.75, 0.04), (1.0, 0.02)),
    pore_mm=(1.6, 2.2, 2.2),
    litter=over((0.0, 0.95), (0.16, 0.85), (0.26, 0.30), (0.5, 0.07), (1.0, 0.01)),
    litter_mm=(1.1, 3.2, 3.2),
    litter_hu=-330.0,
    wave=0.07,
    aggregates=Aggregates(4.0, over((0.0, 0.10), (0.2, 0.28), (0.4, 0.26), (0.65, 0.05), (0.8, 0.0)), 70.0),
    cracks=None,
    objects=(
        Fragments(7.0, (0.3, 0.6), (6.0, 20.0), -60.0, 0.0, over((0.0, 1.0), (0.2, 0.7), (0.3, 0.05), (1.0, 0.0))),
        Fragments(0.12, (1.0, 2.4), (6.0, 18.0), -330.0, 0.0, over((0.0, 1.0), (0.25, 0.3), (0.4, 0.0))),
        Burrows(0.02, (0.7, 1.4), 25.0, 0.6, over((0.0, 0.3), (0.3, 1.0), (1.0, 0.3))),
        Roots(0.10, (0.35, 0.9), 35.0, 0.35, 0.07, 0.0, 0.25, over((0.0, 0.5), (0.15, 1.0), (0.5, 0.5), (1.0, 0.2))),
        Roots(0.012, (1.2, 3.2), 60.0, 0.25, 0.05, -60.0, 0.3, over((0.0, 0.2), (0.2, 1.0), (0.6, 0.5), (1.0, 0.1))),
        Stones(0.09, (1.0, 9.0), (2100.0, 2850.0), over((0.0, 0.0), (0.2, 0.1), (0.5, 0.6), (1.0, 1.0))),
    ),
)

GRASSLAND = Recipe(
    name="grassland",
    about="fine, even crumbs bound by many thin roots, little change over depth",
    matrix_hu=over((0.0, 960), (1.0, 1010)),
    contrast_hu=even(130.0),
    texture_mm=(2.6, 2.6, 2.6),
    grain_hu=40.0,
    pores=over((0.0, 0.070), (1.0, 0.055)),
    pore_mm=(0.9, 0.9, 0.9),
    litter=over((0.0, 0.03), (1.0, 0.02)),
    litter_mm=(1.2, 1.2, 1.2),
    litter_hu=-120.0,
    wave=0.02,
    aggregates=Aggregates(3.0, over((0.0, 0.12), (1.0, 0.10)), 70.0),
    cracks=None,
    objects=(
        Fragments(0.3, (0.25, 0.45), (3.0, 8.0), -200.0),
        Burrows(0.012, (0.7, 1.6), 30.0, 0.7),
        Roots(6.0, (0.35, 0.8), 25.0, 0.5, 0.09, 10.0, 0.0, over((0.0, 1.0), (1.0, 0.75))),
        Stones(0.006, (0.7, 1.6), (1600.0, 1900.0), value=DENSE),
        Stones(0.004, (0.7, 1.8)),
    ),
)

SANDY = Recipe(
    name="sandy",
    about="bedded single grains with little organic matter, denser and coarser below",
    matrix_hu=over((0.0, 1010), (0.4, 1110), (1.0, 1250)),
    contrast_hu=even(105.0),
    texture_mm=(1.5, 14.0, 14.0),
    grain_hu=115.0,
    pores=over((0.0, 0.15), (0.3, 0.085), (0.7, 0.04), (1.0, 0.025)),
    pore_mm=(0.7, 0.8, 0.8),
    litter=over((0.0, 0.09), (0.25, 0.03), (1.0, 0.002)),
    litter_mm=(0.9, 1.5, 1.5),
    litter_hu=-80.0,
    wave=0.04,
    aggregates=None,
    cracks=None,
    objects=(
        Fragments(0.15, (0.3, 0.6), (3.0, 9.0), -220.0, 0.0, over((0.0, 1.0), (1.0, 0.2))),
        Burrows(0.006, (0.8, 1.5), 25.0, 0.8, over((0.0, 1.0), (1.0, 0.4))),
        Roots(0.10, (0.3, 0.6), 35.0, 0.75, 0.04, 10.0, 0.2, over((0.0, 1.0), (1.0, 0.3))),
        Stones(0.03, (0.6, 2.0), (2050.0, 2700.0), over((0.0, 0.4), (1.0, 1.0))),
    ),
)

ARABLE = Recipe(
    name="arable",
    about="loose plough layer of clods and straw over a dense subsoil with earthworm burrows",
    matrix_hu=over((0.0, 980), (0.5, 1040), (0.58, 1290), (0.66, 1310), (1.0, 1250)),
    contrast_hu=over((0.0, 135), (1.0, 120)),
    texture_mm=(4.0, 4.5, 4.5),
    grain_hu=40.0,
    pores=over((0.0, 0.10), (0.5, 0.06), (0.58, 0.012), (1.0, 0.02)),
    pore_mm=(1.5, 1.6, 1.6),
    litter=over((0.0, 0.03), (0.5, 0.025), (0.6, 0.003)),
    litter_mm=(1.5, 2.0, 2.0),
    litter_hu=-60.0,
    wave=0.05,
    aggregates=Aggregates(6.5, over((0.0, 0.50), (0.48, 0.34), (0.57, 0.0)), 110.0),
    cracks=Cracks((9.0, 9.0, 9.0), over((0.5, 0.0), (0.6, 0.45), (1.0, 0.4)), 0.25),
    objects=(
        Fragments(0.35, (0.9, 1.7), (8.0, 30.0), -120.0, 0.55, over((0.0, 0.7), (0.3, 1.0), (0.5, 0.9), (0.56, 0.0))),
        Roots(0.12, (0.25, 0.5), 30.0, 0.7, 0.06, 20.0, 0.15, over((0.0, 1.0), (0.5, 0.9), (1.0, 0.3))),
        Burrows(0.012, (1.2, 2.6), 70.0, 0.9, over((0.0, 0.3), (0.5, 1.0), (1.0, 1.0))),
        Stones(0.015, (0.8, 4.0)),
    ),
)

COMPACTED = Recipe(
    name="compacted",
    about="dense, almost poreless, with flat cracks one above the other",
    matrix_hu=over((0.0, 1330), (0.5, 1430), (1.0, 1400)),
    contrast_hu=even(110.0),
    texture_mm=(2.5, 6.0, 6.0),
    grain_hu=35.0,
    pores=over((0.0, 0.018), (1.0, 0.008)),
    pore_mm=(0.8, 1.6, 1.6),
    litter=even(0.004),
    litter_mm=(1.0, 2.0, 2.0),
    litter_hu=-20.0,
    wave=0.03,
    aggregates=None,
    cracks=Cracks((3.2, 15.0, 15.0), over((0.0, 0.75), (0.5, 0.6), (1.0, 0.5)), 0.42),
    objects=(
        Fragments(0.05, (0.3, 0.7), (3.0, 10.0), -100.0),
        Roots(0.04, (0.25, 0.45), 30.0, 0.2, 0.04, 30.0, 0.1),
        Burrows(0.004, (0.8, 1.6), 40.0, 0.85),
        Stones(0.012, (0.8, 3.0)),
    ),
)

RECIPES = {recipe.name: recipe for recipe in (PINE_FOREST, GRASSLAND, SANDY, ARABLE, COMPACTED)}
