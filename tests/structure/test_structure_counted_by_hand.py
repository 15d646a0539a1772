"""A core whose figures are counted by hand: what stands in the tables, in mm, inside its window."""

import numpy as np
import pytest
from known_bodies import ball, grid, torus, ways

from soilscope import structure as st
from soilscope.structure.blockwise import measure_blockwise
from soilscope.volume import Volume

SPACING = (0.5, 0.2, 0.4)
VOXEL_MM3 = 0.5 * 0.2 * 0.4
PIXEL_MM2 = 0.2 * 0.4
SLICE = 16 * 20
"""Valid voxels of a slice of the window."""
ROD, RING, SHELL = 16 * 10, (25 - 1) * 4, 27 - 1
ALL = ROD + RING + SHELL
METRICS = [
    "fraction", "porosity", "area", "clusters", "cluster-volume", "largest-fraction", "connection-3d", "connection-2d",
    "log-connection-2d", "percolating-fraction", "percolates", "euler-2d", "euler-3d", "euler-3d-open", "critical-diameter",
]  # fmt: skip


def counted():
    """A rod from end to end, a ring of four slices, a hollow box; and blocks outside the window, which count for nothing."""
    labels = np.zeros((12, 20, 20), np.uint8)
    labels[:, 4:8, 4:8] = 1
    labels[3:7, 10:15, 10:15] = 1
    labels[3:7, 12, 12] = 0
    labels[7:10, 4:7, 12:15] = 1
    labels[8, 5, 13] = 0
    labels[:, :2, 5:15] = 1
    valid = np.zeros(labels.shape, bool)
    valid[1:11, 2:18] = True
    return Volume(labels.astype(np.int16), valid, SPACING, "HU", core="counted"), labels


@pytest.fixture(scope="module", params=["in memory", "slab by slab"])
def found(request):
    core, labels = counted()
    asked = {"labels": labels, "names": {1: "pores"}, "metrics": METRICS, "rule": st.ClusterRule(SHELL)}
    if request.param == "in memory":
        return st.measure(core, **asked)
    return measure_blockwise(core, **asked, ways=ways(3, 5000))


def column(found, name):
    return found.slices[name].to_numpy()[1:11]


def total(found, metric):
    return found.core.set_index("metric").value[metric]


IN_SLICE = np.array([16, 16, 40, 40, 40, 40, 25, 24, 25, 16])
"""Voxels of the class in each slice of the window."""


def test_fraction_area_and_porosity_of_slices_and_core_are_those_counted(found):
    """Class fraction, imaged porosity: V(X) / V(W), per slice against depth, and NaN where the window has no slice."""
    np.testing.assert_allclose(column(found, "fraction"), IN_SLICE / SLICE)
    np.testing.assert_allclose(column(found, "area_mm2"), IN_SLICE * PIXEL_MM2)
    np.testing.assert_allclose(column(found, "porosity"), 1 - IN_SLICE / SLICE)
    np.testing.assert_allclose(found.slices["depth_mm"], 0.25 + 0.5 * np.arange(12))
    assert found.slices.loc[[0, 11], ["fraction", "porosity", "area_mm2"]].isna().all().all()
    assert total(found, "fraction") == pytest.approx(ALL / (10 * SLICE), rel=1e-12)
    assert total(found, "porosity") == pytest.approx(1 - ALL / (10 * SLICE), rel=1e-12)
    assert total(found, "area") == pytest.approx(ALL / 10 * PIXEL_MM2, rel=1e-12)


def test_clusters_their_volume_the_largest_and_gamma_are_those_counted(found):
    """Clusters: number, sizes, largest fraction; Gamma = sum(n_i²) / (sum n_i)²."""
    assert total(found, "clusters") == pytest.approx(3 / (10 * SLICE * VOXEL_MM3), rel=1e-12)
    assert total(found, "cluster-volume") == pytest.approx(ALL * VOXEL_MM3 / 3, rel=1e-12)
    assert total(found, "largest-fraction") == pytest.approx(ROD / ALL, rel=1e-12)
    np.testing.assert_allclose(column(found, "largest_fraction"), 16 / IN_SLICE)
    assert total(found, "connection-3d") == pytest.approx((ROD**2 + RING**2 + SHELL**2) / ALL**2, rel=1e-12)
    gamma = (16**2 + (IN_SLICE - 16) ** 2) / IN_SLICE**2
    np.testing.assert_allclose(column(found, "connection_3d"), gamma)
    np.testing.assert_allclose(column(found, "connection_2d"), gamma)
    np.testing.assert_allclose(column(found, "log_connection_2d"), np.log(gamma), atol=1e-12)


def test_the_rod_alone_percolates_from_the_windows_first_slice_to_its_last(found):
    """Percolation: X touches top and bottom; fraction of X that does."""
    assert total(found, "percolates") == 1.0
    assert total(found, "percolating-fraction") == pytest.approx(ROD / ALL, rel=1e-12)


def test_the_critical_diameter_is_the_rods_narrow_side(found):
    """Critical pore diameter: largest d such that {inscribed ball >= d} connects top and bottom."""
    assert total(found, "critical-diameter") == pytest.approx(4 * 0.2, rel=1e-6)


def test_euler_numbers_of_slices_and_core_are_those_counted(found):
    """Euler number density: (objects - loops + cavities) / V(W): rod 1, ring 0, hollow box 2; a rod that runs out is not closed."""
    objects_less_holes = np.array([1, 1, 1, 1, 1, 1, 2, 1, 2, 1])
    np.testing.assert_allclose(column(found, "euler_2d_per_mm2"), objects_less_holes / (SLICE * PIXEL_MM2))
    assert total(found, "euler-2d") == pytest.approx(1.2 / (SLICE * PIXEL_MM2), rel=1e-12)
    assert total(found, "euler-3d") == pytest.approx((1 + 0 + 2) / (10 * SLICE * VOXEL_MM3), rel=1e-12)
    assert total(found, "euler-3d-open") == pytest.approx((0 + 0 + 2) / (9 * 15 * 19 * VOXEL_MM3), rel=1e-12)


def test_a_body_one_voxel_too_small_goes_and_its_fraction_stays(found):
    """Small clusters removed: those under n voxels; fraction and area are taken before."""
    core, labels = counted()
    gone = st.measure(core, labels=labels, names={1: "pores"}, metrics=METRICS, rule=st.ClusterRule(SHELL + 1))
    assert total(gone, "fraction") == total(found, "fraction")
    assert total(gone, "porosity") == pytest.approx(1 - (ROD + RING) / (10 * SLICE), rel=1e-12)
    assert total(gone, "clusters") == pytest.approx(2 / (10 * SLICE * VOXEL_MM3), rel=1e-12)
    assert total(gone, "euler-3d") == pytest.approx(1 / (10 * SLICE * VOXEL_MM3), rel=1e-12)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(ball(40, 15.0), 1), (ball(40, 15.0) & ~ball(40, 9.0), 2), (torus(41, 13.0, 5.0), 0)],
    ids=["ball", "hollow shell", "torus"],
)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.25, 0.351, 0.351)])
def test_euler_densities_are_those_of_the_body_for_each_mm3(body, expected, spacing):
    """Ball: Euler 1; hollow shell 2; torus 0: as the metric that stands in the tables, for each mm³ of voxels of any shape."""
    window_mm3 = body.size * float(np.prod(spacing))
    assert st.METRICS["euler-3d"].total(body, None, spacing) * window_mm3 == pytest.approx(expected, abs=1e-9)


SHAPES = [(0.5, 0.5, 0.5), (0.25, 0.5, 0.5), (0.5, 0.25, 0.4), (0.25, 0.351, 0.351)]
HALF = np.array([9.0, 7.0, 5.0])


def ellipsoid(spacing):
    z, y, x = grid([round((2 * h + 3) / s) for h, s in zip(HALF, spacing, strict=True)], spacing)
    return (z / HALF[0]) ** 2 + (y / HALF[1]) ** 2 + (x / HALF[2]) ** 2 < 1


@pytest.mark.parametrize("spacing", SHAPES)
def test_an_ellipsoid_has_its_volume_and_is_as_thick_as_its_shortest_axis(spacing):
    """An ellipsoid in non-cubic voxels: volume; its thickness in mm is that of the widest ball inside, its shortest axis."""
    body = ellipsoid(spacing)
    window_mm3 = body.size * float(np.prod(spacing))
    volume = 4 / 3 * np.pi * HALF.prod()
    assert st.METRICS["fraction"].total(body, None, spacing) * window_mm3 == pytest.approx(volume, rel=0.01)
    widest = float(st.local_thickness(body, spacing).max())
    assert widest == pytest.approx(2 * HALF.min(), abs=float(np.linalg.norm(spacing)))


@pytest.mark.parametrize("metric", ["local-thickness", "median-diameter"])
def test_the_mean_thickness_of_an_ellipsoid_is_the_same_whatever_the_voxels_shape(metric):
    """Its thickness in mm the same whatever the voxel's shape: within 1.5 of the voxel's longest edge, as docs/metrics.md says."""
    found = [st.METRICS[metric].total(ellipsoid(spacing), None, spacing) for spacing in SHAPES]
    finest = st.METRICS[metric].total(ellipsoid((0.2, 0.2, 0.2)), None, (0.2, 0.2, 0.2))
    np.testing.assert_allclose(found, finest, atol=1.5 * 0.5)
    assert max(found) - min(found) < 0.5
