"""Answers known by geometry: what any program that measures soil structure has to say of simple bodies."""

import numpy as np
import pytest
from known_bodies import ball, grid, torus, tube

from soilscope import structure as st
from soilscope.classes import Scheme, classify
from soilscope.classes import scheme as named
from soilscope.volume import Volume

CUBIC = (1.0, 1.0, 1.0)
MEDICAL = (0.25, 0.351, 0.351)


def test_known_ball_has_euler_number_1():
    """Ball: Euler 1."""
    body = ball(50, 20.0)
    assert [st.euler_number(body, n) for n in (6, 26)] == [1, 1]
    places = float(np.prod(np.array(body.shape) - 1))
    assert st.euler_density(body, CUBIC) * places == pytest.approx(1, rel=1e-12)


def test_known_hollow_shell_has_euler_number_2():
    """Hollow shell: Euler 2."""
    body = ball(50, 20.0) & ~ball(50, 12.0)
    assert [st.euler_number(body, n) for n in (6, 26)] == [2, 2]
    places = float(np.prod(np.array(body.shape) - 1))
    assert st.euler_density(body, CUBIC) * places == pytest.approx(2, rel=1e-12)


def test_known_torus_has_euler_number_0():
    """Torus: Euler 0."""
    body = torus(51, 16.0, 6.0)
    assert [st.euler_number(body, n) for n in (6, 26)] == [0, 0]
    assert st.euler_density(body, CUBIC) == pytest.approx(0, abs=1e-15)


def test_known_two_equal_bodies_have_gamma_one_half():
    """Two equal bodies: Gamma 0.5."""
    mask = np.zeros((10, 30, 10), bool)
    mask[2:8, 2:12, 2:8] = mask[2:8, 18:28, 2:8] = True
    assert st.connection_probability(mask) == 0.5
    assert st.METRICS["connection-3d"].total(mask, None, CUBIC) == 0.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_known_wider_of_two_spanning_tubes_gives_the_critical_diameter(axis):
    """Two spanning tubes of radius 5 and 12 voxels: critical diameter of the wider, within 1.2 voxels."""
    _, y, x = np.indices((20, 40, 60))
    mask = (np.hypot(y - 20, x - 12) < 5) | (np.hypot(y - 20, x - 40) < 12)
    lying = np.moveaxis(mask, 0, axis)
    assert st.critical_diameter(lying, CUBIC, axis) == pytest.approx(24, abs=1.2)
    if axis == 0:
        assert st.METRICS["critical-diameter"].total(mask, None, CUBIC) == pytest.approx(24, abs=1.2)
        assert st.METRICS["percolates"].total(mask, None, CUBIC) == 1.0
        assert st.METRICS["percolating-fraction"].total(mask, None, CUBIC) == 1.0


@pytest.mark.parametrize(("under", "left"), [(60, 60), (61, 0)])
def test_known_block_of_60_voxels_stays_under_60_and_goes_under_61(under, left):
    """A 60-voxel block against "under 60" (kept) and "under 61" (removed)."""
    mask = np.zeros((7, 8, 9), bool)
    mask[1:4, 1:5, 1:6] = True
    assert st.remove_small_clusters(mask, under=under).sum() == left


@pytest.mark.parametrize(("neighbours", "number"), [(6, 2), (26, 1)])
def test_known_corner_voxels_are_two_clusters_by_faces_and_one_by_corners(neighbours, number):
    """Two voxels touching at a corner: two clusters with 6 neighbours, one with 26."""
    mask = np.zeros((4, 4, 4), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert st.find_clusters(mask, neighbours).number == number
    assert st.euler_number(mask, neighbours) == number
    assert len(st.objects(mask, CUBIC, rule=st.ObjectRule(neighbours=neighbours))) == number


EMPTY = {
    "fraction": 0.0, "porosity": 1.0, "area": 0.0, "clusters": 0.0, "largest-fraction": np.nan, "connection-3d": np.nan,
    "percolating-fraction": np.nan, "local-thickness": np.nan, "euler-2d": 0.0, "connection-2d": np.nan,
    "log-connection-2d": np.nan, "euler-3d": 0.0, "surface-density": 0.0, "critical-diameter": 0.0, "percolates": np.nan,
    "cluster-volume": np.nan, "euler-3d-open": 0.0, "perimeter-density": 0.0, "median-diameter": np.nan,
    "distance": np.nan, "fractal-dimension": np.nan, "fractal-dimension-2d": np.nan, "anisotropy": np.nan,
    "anisotropy-2d": np.nan,
}  # fmt: skip
FULL = EMPTY | {
    "fraction": 1.0, "porosity": 0.0, "area": 32.0 * 32.0, "clusters": 1 / 32**3, "largest-fraction": 1.0,
    "connection-3d": 1.0, "percolating-fraction": 1.0, "euler-2d": 1 / 32**2, "connection-2d": 1.0,
    "log-connection-2d": 0.0, "euler-3d": 1 / 32**3, "critical-diameter": np.nan, "percolates": 1.0,
    "cluster-volume": 32.0**3, "fractal-dimension": 3.0, "fractal-dimension-2d": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(("fill", "expected"), [(False, EMPTY), (True, FULL)], ids=["all void", "all solid"])
def test_known_all_void_and_all_solid_have_their_figures(fill, expected):
    """All void, all solid: every metric says what there is to say, and NaN where there is nothing."""
    mask = np.full((32, 32, 32), fill)
    found = {name: st.METRICS[name].total(mask, None, CUBIC) for name in expected}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def test_known_answers_cover_every_metric_that_comes_with_the_package():
    """All void, all solid: no metric is left out."""
    assert set(EMPTY) == set(FULL) == set(st.METRICS)


@pytest.mark.parametrize(
    ("half", "spacing"),
    [
        ((16.0, 10.0, 7.0), MEDICAL),
        ((16.0, 10.0, 7.0), (1.0, 0.4, 0.6)),
        ((10.0, 20.0, 20.0), (0.5, 1.0, 1.0)),
        ((15.0, 10.0, 20.0), (1.0, 0.5, 2.0)),
        ((20.0, 10.0, 10.0), (1.0, 0.25, 0.25)),
    ],
)
def test_known_ellipsoid_in_non_cubic_voxels_has_its_volume_and_surface(half, spacing):
    """An ellipsoid in non-cubic voxels: volume and surface."""
    half = np.array(half)
    z, y, x = grid([round(2.3 * h / s) for h, s in zip(half, spacing, strict=True)], spacing)
    body = (z / half[0]) ** 2 + (y / half[1]) ** 2 + (x / half[2]) ** 2 < 1
    (found,) = st.objects(body, spacing).to_dict("records")
    assert found["volume_mm3"] == pytest.approx(4 / 3 * np.pi * half.prod(), rel=0.01)
    window_mm3 = body.size * float(np.prod(spacing))
    assert st.surface_area_density(body, spacing) * window_mm3 == pytest.approx(surface_of(half), rel=0.03)


def surface_of(half):
    """Surface of an ellipsoid, by summing over its parameters."""
    a, b, c = half
    steps = (np.arange(1500) + 0.5) / 1500 * np.pi
    u, v = np.meshgrid(steps, 2 * steps, indexing="ij")
    parts = (b * c * np.sin(u) * np.cos(v)) ** 2 + (a * c * np.sin(u) * np.sin(v)) ** 2 + (a * b * np.cos(u)) ** 2
    return float((np.sin(u) * np.sqrt(parts)).sum() * (np.pi / 1500) * (2 * np.pi / 1500))


def test_known_ball_of_20_voxels_radius_has_its_surface_within_5_percent():
    """A ball of 20 voxels' radius within 5 %: plain marching cubes on a binary mask is 8 % too large."""
    from skimage.measure import marching_cubes, mesh_surface_area

    body, true = ball(50, 20.0), 4 * np.pi * 20**2
    assert st.METRICS["surface-density"].total(body, None, CUBIC) * body.size == pytest.approx(true, rel=0.05)
    vertices, faces, *_ = marching_cubes(body.astype(np.float32), 0.5)
    assert mesh_surface_area(vertices, faces) > 1.07 * true


def test_known_thickness_in_mm_is_the_same_whatever_the_voxels_shape():
    """Its thickness in mm the same whatever the voxel's shape: of the ellipsoid's long axis, and of a tube."""
    shapes = [(0.5, 0.5, 0.5), (0.25, 0.5, 0.5), (0.5, 0.25, 0.4), (1.0, 0.5, 0.5)]
    widest, mean = [], []
    for spacing in shapes:
        thickness = st.local_thickness(tube(16, 24, 6.0, spacing), spacing)
        widest.append(float(thickness.max()))
        mean.append(float(thickness[thickness > 0].mean()))
    assert widest == pytest.approx([12.0] * len(shapes), abs=0.75)
    assert mean == pytest.approx([12.0] * len(shapes), abs=0.75)
    for spacing in shapes:  # the ball's middle may lie half a voxel from the nearest centre along each axis
        found = float(st.local_thickness(ball(24, 8.0, spacing), spacing).max())
        assert found == pytest.approx(16.0, abs=np.sqrt(3) * max(spacing))


@pytest.mark.parametrize(("scheme", "highest"), [("paper-2021", 4096), ("physical", 3071)])
def test_known_saturated_voxel_belongs_to_the_top_class(scheme, highest):
    """A saturated voxel belongs to the top class."""
    values = np.full((2, 3, 4), highest, np.int16)
    values[0] = 0
    labels = classify(Volume(values, np.ones(values.shape, bool), CUBIC, "HU"), scheme)
    top = len(named(scheme).names)
    assert (labels[1] == top).all()
    assert (labels[0] < top).all()


def test_known_value_on_an_edge_belongs_to_one_class_only():
    """A saturated voxel belongs to the top class: so does one exactly on the top edge of a scheme of one's own."""
    scheme = Scheme.from_edges("mine", [-1025, 0, 3071], names=["low", "high"], units="HU", closed="right")
    values = np.array([[[-1024, 0, 1, 3071]]], np.int16)
    labels = classify(Volume(values, np.ones(values.shape, bool), CUBIC, "HU"), scheme)
    assert labels.ravel().tolist() == [1, 1, 2, 2]
