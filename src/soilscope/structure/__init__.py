"""Structure: what a class of the soil looks like, per slice and per core, in mm, with its window and its rules."""

from soilscope.structure.anisotropy import Intercepts, anisotropy, intercept_tensor, mean_intercepts
from soilscope.structure.builtin import DEFAULT_METRICS
from soilscope.structure.clusters import ClusterRule, Clusters, find_clusters, largest_fraction, remove_small_clusters
from soilscope.structure.compare import ClassProfiles, ProfileDistance, profile_distance
from soilscope.structure.connectivity import (
    connection_2d_profile,
    connection_probability,
    connection_profile,
    percolates,
    percolating_fraction,
)
from soilscope.structure.critical import critical_diameter
from soilscope.structure.erosion import class_values, eroded, pooled_values
from soilscope.structure.euler_density import euler_density
from soilscope.structure.fine_earth import fine_earth, fine_earth_of_core
from soilscope.structure.fractal import BoxCounts, box_counts, fractal_dimension, fractal_dimension_of_slices
from soilscope.structure.horizons import Horizon, find_horizons
from soilscope.structure.kinds import KIND_COLUMNS, ObjectKind, objects_in, tube_lengths_in
from soilscope.structure.materials import materials
from soilscope.structure.measure import Structure, measure
from soilscope.structure.metric import METRICS, Metric, register
from soilscope.structure.nearest import distance_profile, distance_to_class
from soilscope.structure.objects import ObjectRule, Objects, find_objects, objects
from soilscope.structure.phase import Phase
from soilscope.structure.plane import anisotropy_of_slices, perimeter_density
from soilscope.structure.pore_sizes import PoreSizes, pore_sizes
from soilscope.structure.porosity import class_counts, fraction_profile, porosity_profile
from soilscope.structure.representative import representative_edge, representative_volume
from soilscope.structure.retention import diameter_at_suction, suction_of_diameter, water_retention
from soilscope.structure.sensitivity import Sensitivity, sensitivity
from soilscope.structure.shells import without_shells
from soilscope.structure.skeleton import Skeleton, find_skeleton, length_classes, length_of_objects
from soilscope.structure.stones import fine_earth_porosity, stone_fraction, stones
from soilscope.structure.surface import surface_area_density
from soilscope.structure.target import target_id, target_profile, target_unit, targets
from soilscope.structure.thickness import local_thickness
from soilscope.structure.topology import euler_number, euler_of_slices
from soilscope.structure.tubes import TubeRule, tubes
from soilscope.structure.windows import WindowRule

TARGETS = targets()
"""Names of the per-slice metrics that come with Soilscope; :func:`targets` also lists registered ones."""

__all__ = [
    "DEFAULT_METRICS",
    "KIND_COLUMNS",
    "METRICS",
    "TARGETS",
    "BoxCounts",
    "ClassProfiles",
    "ClusterRule",
    "Clusters",
    "Horizon",
    "Intercepts",
    "Metric",
    "ObjectKind",
    "ObjectRule",
    "Objects",
    "Phase",
    "PoreSizes",
    "ProfileDistance",
    "Sensitivity",
    "Skeleton",
    "Structure",
    "TubeRule",
    "WindowRule",
    "anisotropy",
    "anisotropy_of_slices",
    "box_counts",
    "class_counts",
    "class_values",
    "connection_2d_profile",
    "connection_probability",
    "connection_profile",
    "critical_diameter",
    "diameter_at_suction",
    "distance_profile",
    "distance_to_class",
    "eroded",
    "euler_density",
    "euler_number",
    "euler_of_slices",
    "find_clusters",
    "find_horizons",
    "find_objects",
    "find_skeleton",
    "fine_earth",
    "fine_earth_of_core",
    "fine_earth_porosity",
    "fractal_dimension",
    "fractal_dimension_of_slices",
    "fraction_profile",
    "intercept_tensor",
    "largest_fraction",
    "length_classes",
    "length_of_objects",
    "local_thickness",
    "materials",
    "mean_intercepts",
    "measure",
    "objects",
    "objects_in",
    "percolates",
    "percolating_fraction",
    "perimeter_density",
    "pooled_values",
    "pore_sizes",
    "porosity_profile",
    "profile_distance",
    "register",
    "remove_small_clusters",
    "representative_edge",
    "representative_volume",
    "sensitivity",
    "stone_fraction",
    "stones",
    "suction_of_diameter",
    "surface_area_density",
    "target_id",
    "target_profile",
    "target_unit",
    "targets",
    "tube_lengths_in",
    "tubes",
    "water_retention",
    "without_shells",
]
