"""What a core is does not depend on how it lies in the array, nor on how fine its voxels are."""

import numpy as np
import pytest
from known_bodies import ball, blobs, turned

from soilscope import structure as st
from soilscope.structure import ClusterRule
from soilscope.structure.blockwise import BLOCKWISE
from soilscope.volume import Volume


def figures(labels, spacing=(1.0, 1.0, 1.0), metrics=BLOCKWISE):
    core = Volume(labels.astype(np.int16), np.ones(labels.shape, bool), spacing, "HU")
    measured = st.measure(
        core, labels=labels, names={1: "pores", 2: "roots"}, metrics=list(metrics), rule=ClusterRule(9, 6)
    )
    return measured.core.set_index(["class", "metric"]).value


def test_flips_and_turns_about_the_core_s_axis_change_no_figure_of_the_core():
    labels = blobs((24, 24, 24), 0.35).astype(np.uint8)
    labels[blobs(labels.shape, 0.2, 1.5, 1)] = 2
    expected = figures(labels)
    for one in turned(labels)[:5]:
        np.testing.assert_allclose(figures(np.ascontiguousarray(one)), expected, rtol=1e-6)


def test_figures_of_the_whole_body_do_not_change_when_it_is_laid_on_its_side():
    labels = blobs((24, 24, 24), 0.35).astype(np.uint8)
    of_body = ["fraction", "porosity", "clusters", "largest-fraction", "connection-3d", "local-thickness", "euler-3d"]
    lying = np.ascontiguousarray(turned(labels)[5])
    expected, found = (figures(one, metrics=of_body) for one in (labels, lying))
    for metric in of_body:
        assert found["1", metric] == pytest.approx(expected["1", metric], rel=1e-6), metric


def test_halving_the_voxel_brings_fraction_thickness_and_surface_of_a_ball_closer_and_keeps_its_euler_number():
    radius, box = 6.0, 16.0
    truth = {
        "fraction": 4 / 3 * np.pi * radius**3 / box**3,
        "surface-density": 4 * np.pi * radius**2 / box**3,
        "local-thickness": 2 * radius,
    }
    errors = {name: [] for name in truth}
    for size in (2.0, 1.0, 0.5, 0.25):
        found = figures(ball(box, radius, (size,) * 3).astype(np.uint8), (size,) * 3, [*truth, "euler-3d"])
        assert found["1", "euler-3d"] * box**3 == pytest.approx(1.0)
        for name, exact in truth.items():
            errors[name].append(abs(found["1", name] / exact - 1))
    for name, error in errors.items():
        assert error[-1] < 0.5 * error[0], name
        assert error[-1] < 0.05, name
