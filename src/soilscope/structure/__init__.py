"""Structure: what a class of the soil looks like, per slice and per core, in mm, with its window and its rules."""

from soilscope.structure.builtin import DEFAULT_METRICS
from soilscope.structure.clusters import ClusterRule, Clusters, find_clusters, largest_fraction, remove_small_clusters
from soilscope.structure.connectivity import (
    connection_2d_profile,
    connection_probability,
    connection_profile,
    percolates,
    percolating_fraction,
)
from soilscope.structure.critical import critical_diameter
from soilscope.structure.materials import materials
from soilscope.structure.measure import Structure, measure
from soilscope.structure.metric import METRICS, Metric, register
from soilscope.structure.phase import Phase
from soilscope.structure.porosity import class_counts, fraction_profile, porosity_profile
from soilscope.structure.surface import surface_area_density
from soilscope.structure.target import target_id, target_profile, target_unit, targets
from soilscope.structure.thickness import local_thickness
from soilscope.structure.topology import euler_number, euler_of_slices

TARGETS = targets()
"""Names of the per-slice metrics that come with Soilscope; :func:`targets` also lists registered ones."""

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "TARGETS",
    "ClusterRule",
    "Clusters",
    "Metric",
    "Phase",
    "Structure",
    "class_counts",
    "connection_2d_profile",
    "connection_probability",
    "connection_profile",
    "critical_diameter",
    "euler_number",
    "euler_of_slices",
    "find_clusters",
    "fraction_profile",
    "largest_fraction",
    "local_thickness",
    "materials",
    "measure",
    "percolates",
    "percolating_fraction",
    "porosity_profile",
    "register",
    "remove_small_clusters",
    "surface_area_density",
    "target_id",
    "target_profile",
    "target_unit",
    "targets",
]
