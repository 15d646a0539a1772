"""The metrics that come with Soilscope: each a few lines on the functions of this room."""

from __future__ import annotations

import numpy as np

from soilscope.structure.anisotropy import anisotropy
from soilscope.structure.clusters import Clusters, largest_fraction, largest_fraction_profile
from soilscope.structure.connectivity import connection_profile, probability_of_sizes, spanning_fraction
from soilscope.structure.critical import critical_from_distance
from soilscope.structure.euler_density import euler_density
from soilscope.structure.fractal import fractal_dimension, fractal_dimension_of_slices
from soilscope.structure.masks import from_top_to_bottom
from soilscope.structure.metric import METRICS, OURS, Metric, register
from soilscope.structure.nearest import distance_profile, mean_distance
from soilscope.structure.phase import Phase
from soilscope.structure.plane import anisotropy_of_slices, perimeter_density
from soilscope.structure.pore_sizes import median_diameter, median_diameter_of_slices
from soilscope.structure.porosity import ratio, share
from soilscope.structure.surface import surface_area_density
from soilscope.structure.thickness import mean_of_slices
from soilscope.structure.topology import euler_number, euler_of_slices
from soilscope.types import FloatProfile

__all__ = ["DEFAULT_METRICS"]

DEFAULT_METRICS = (
    "fraction",
    "porosity",
    "area",
    "clusters",
    "largest-fraction",
    "connection-3d",
    "percolating-fraction",
    "local-thickness",
    "euler-2d",
    "connection-2d",
    "log-connection-2d",
    "euler-3d",
)
"""What ``measure`` works out unless told otherwise."""


def _window_mm3(phase: Phase) -> float:
    return float(phase.area.sum()) * phase.voxel_mm3


def _fraction_total(phase: Phase) -> float:
    return ratio(float(phase.counts.sum()), float(phase.area.sum()))


def _thickness_total(phase: Phase) -> float:
    mean = mean_of_slices(phase.thickness, phase.mask)
    seen = phase.counts > 0
    return ratio(float((mean[seen] * phase.counts[seen]).sum()), float(phase.counts.sum()))


def _euler_2d(phase: Phase) -> FloatProfile:
    return share(euler_of_slices(phase.mask), phase.area * phase.pixel_mm2)


def _percolating(phase: Phase) -> float:
    inner = from_top_to_bottom(phase.valid)
    clusters = phase.clusters
    return spanning_fraction(Clusters(clusters.labels[inner], clusters.sizes))


def _percolates(phase: Phase) -> float:
    share = _percolating(phase)
    return float("nan") if np.isnan(share) else float(share > 0)


def _critical(phase: Phase) -> float:
    if not phase.area.any():
        return float("nan")
    return critical_from_distance(phase.squared_distance[from_top_to_bottom(phase.valid)], 0, phase.neighbours)


register(
    Metric(
        "fraction",
        "1",
        "share of the valid area or volume that the class covers, before small clusters are removed",
        lambda p: share(p.counts, p.area),
        _fraction_total,
        clusters="kept",
    )
)
register(
    Metric(
        "porosity",
        "1",
        "1 - share of the valid area or volume that the class covers, after small clusters are removed: the void "
        "share when the class is taken as the solid (Wieland et al. 2021, doi:10.1098/rsos.201275)",
        lambda p: 1.0 - share(p.counts, p.area),
        lambda p: 1.0 - _fraction_total(p),
    )
)
register(
    Metric(
        "area",
        "mm2",
        "area of the class in the slice, before small clusters are removed; for the core the mean slice",
        lambda p: (p.counts * p.pixel_mm2).astype(np.float64),
        clusters="kept",
    )
)
register(
    Metric(
        "clusters",
        "1/mm3",
        "number of clusters for each mm3 of the window, after small ones are removed",
        core=lambda p: ratio(p.clusters.number, _window_mm3(p)),
    )
)
register(
    Metric(
        "largest-fraction",
        "1",
        "share of the class that belongs to the core's largest cluster",
        lambda p: largest_fraction_profile(p.clusters),
        lambda p: largest_fraction(p.clusters),
    )
)
register(
    Metric(
        "connection-3d",
        "1",
        "probability that two voxels of the class (of one slice) belong to the same cluster of the core "
        "(Renard & Allard 2013, doi:10.1016/j.advwatres.2011.12.001)",
        lambda p: connection_profile(p.clusters),
        lambda p: probability_of_sizes(p.clusters.sizes[1:]),
    )
)
register(
    Metric(
        "percolating-fraction",
        "1",
        "share of the class in clusters that touch both the core's first and its last slice",
        core=_percolating,
    )
)
register(
    Metric(
        "local-thickness",
        "mm",
        "mean over the class voxels of the diameter of the largest ball inside the class that contains the voxel; what is "
        "outside the soil is a wall, the ends of the scan are not (Hildebrand & Rüegsegger 1997, "
        "doi:10.1046/j.1365-2818.1997.1340694.x)",
        lambda p: mean_of_slices(p.thickness, p.mask),
        _thickness_total,
    )
)
register(
    Metric(
        "euler-2d",
        "1/mm2",
        "objects minus holes in the slice for each mm2 of its valid area, 8 neighbours; for the core the mean "
        "over slices",
        _euler_2d,
    )
)
register(
    Metric(
        "connection-2d",
        "1",
        "probability that two pixels of the class in a slice belong to the same object of that slice, 8 "
        "neighbours; for the core the mean over slices",
        lambda p: p.connection_2d,
    )
)
register(
    Metric(
        "log-connection-2d",
        "1",
        "natural logarithm of connection-2d, which spreads over decades; for the core the mean over slices",
        lambda p: np.log(p.connection_2d),
    )
)
register(
    Metric(
        "euler-3d",
        "1/mm3",
        "objects minus loops plus cavities for each mm3 of the window, 26 neighbours (Vogel et al. 2010, "
        "doi:10.1016/j.cageo.2010.03.007)",
        core=lambda p: ratio(euler_number(p.mask), _window_mm3(p)),
    )
)
register(
    Metric(
        "surface-density",
        "mm2/mm3",
        "surface between the class and the rest of the window, for each mm3 of the window, by "
        "Crofton's formula (Legland et al. 2007, doi:10.5566/ias.v26.p83-92)",
        core=lambda p: surface_area_density(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "critical-diameter",
        "mm",
        "diameter of the widest ball that can travel through the class from the core's first to its last "
        "slice, 0 where nothing percolates (Katz & Thompson 1986, doi:10.1103/PhysRevB.34.8179)",
        core=_critical,
    )
)
register(
    Metric(
        "percolates",
        "1",
        "1 where one cluster of the class touches both the core's first and its last slice, else 0",
        core=_percolates,
    )
)
register(
    Metric(
        "cluster-volume",
        "mm3",
        "mean volume of a cluster, after small ones are removed",
        core=lambda p: ratio(float(p.counts.sum()) * p.voxel_mm3, p.clusters.number),
    )
)
register(
    Metric(
        "euler-3d-open",
        "1/mm3",
        "objects minus loops plus cavities for each mm3, 26 neighbours, counted only where 2 x 2 x 2 voxels lie in the "
        "window: what the window cuts is not closed (Vogel et al. 2010, doi:10.1016/j.cageo.2010.03.007)",
        core=lambda p: euler_density(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "perimeter-density",
        "1/mm",
        "length of the class's outline in the slice, in mm for each mm2 of its window, by Crofton's formula with four "
        "directions; for the core the mean over slices (Legland et al. 2007, doi:10.5566/ias.v26.p83-92)",
        lambda p: perimeter_density(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "median-diameter",
        "mm",
        "local thickness below which half of the class's volume lies: the middle of the pore size distribution "
        "(Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x)",
        lambda p: median_diameter_of_slices(p.thickness),
        lambda p: median_diameter(p.thickness),
    )
)
register(
    Metric(
        "distance",
        "mm",
        "mean distance of what is not the class to the nearest voxel of the class in the window, in 3D, from centre to "
        "centre; near the window's border an upper bound (Rabot et al. 2018, Geoderma 314: 122-137)",
        lambda p: distance_profile(p.mask, p.spacing_mm, p.valid),
        lambda p: mean_distance(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "fractal-dimension",
        "1",
        "box-counting dimension, 0 to 3: boxes wholly inside the window, from two of the voxel's longest edges to a quarter "
        "of the window's shortest side, doubling (Rabot et al. 2018, Geoderma 314: 122-137)",
        core=lambda p: fractal_dimension(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "fractal-dimension-2d",
        "1",
        "box-counting dimension within the slice, 0 to 2, by the rule of fractal-dimension; for the core the mean over slices",
        lambda p: fractal_dimension_of_slices(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "anisotropy",
        "1",
        "1 - smallest / largest eigenvalue of the tensor of mean intercept lengths, 13 directions: 0 where all are alike "
        "(Harrigan & Mann 1984, doi:10.1007/BF00540446)",
        core=lambda p: anisotropy(p.mask, p.spacing_mm, p.valid),
    )
)
register(
    Metric(
        "anisotropy-2d",
        "1",
        "the same within the slice, 4 directions; for the core the mean over slices",
        lambda p: anisotropy_of_slices(p.mask, p.spacing_mm, p.valid),
    )
)
OURS.update(METRICS)
