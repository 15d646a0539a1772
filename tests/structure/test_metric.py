"""The registry of metrics, and a metric of one's own."""

import numpy as np
import pytest

from soilscope import structure as st
from soilscope.errors import UsageError
from soilscope.volume import Volume


@pytest.fixture
def core():
    hu = np.random.default_rng(0).integers(-1024, 3072, (5, 6, 7)).astype(np.int16)
    return Volume(hu, np.ones(hu.shape, bool), (1, 1, 1), "HU")


@pytest.fixture
def registered():
    def edge_share(phase):
        """Share of the class in the outermost columns."""
        at_edge = phase.mask[:, :, 0].sum(axis=1) + phase.mask[:, :, -1].sum(axis=1)
        return at_edge / np.maximum(phase.counts, 1)

    metric = st.register(st.Metric("edge-share", "1", "share of the class in the outermost columns", edge_share))
    yield metric
    del st.METRICS["edge-share"]


def test_a_metric_of_ones_own_stands_in_both_tables_and_among_the_targets(core, registered):
    rule = st.ClusterRule(under=0)
    found = st.measure(core, "physical", metrics=["edge-share"], rule=rule)
    mask = (core.values > 200) & (core.values <= 1500)
    expected = (mask[:, :, 0].sum(axis=1) + mask[:, :, -1].sum(axis=1)) / mask.sum(axis=(1, 2))
    column = found.slices[found.slices["class"] == "3"]["edge_share"]
    np.testing.assert_allclose(column, expected)
    line = found.core[(found.core["class"] == "3") & (found.core["metric"] == "edge-share")]
    assert line["value"].item() == pytest.approx(expected.mean())
    assert "edge-share" in st.targets()
    labels = np.where(mask, 3, 1).astype(np.uint8)
    np.testing.assert_allclose(st.target_profile(core, labels, "edge-share", (3,), rule), expected)


def test_a_name_or_column_that_is_taken_is_refused(registered):
    for name in ("porosity", "edge-share", "edge_share"):
        with pytest.raises(UsageError) as told:
            st.register(st.Metric(name, "1", "another", lambda phase: phase.counts))
        assert told.value.code == "metric"


@pytest.mark.parametrize(("name", "unit"), [("depth", "mm"), ("valid", "mm2"), ("valid_mm2", "1")])
def test_a_metric_whose_unit_makes_it_a_column_of_the_tables_is_refused(name, unit):
    with pytest.raises(UsageError, match="to the tables") as told:
        st.register(st.Metric(name, unit, "another", lambda phase: phase.counts))
    assert told.value.code == "metric"


@pytest.mark.parametrize("faulty", [{"unit": "furlong", "slices": len}, {"unit": "1"}])
def test_a_metric_without_a_known_unit_or_without_a_function_is_refused(faulty):
    with pytest.raises(UsageError) as told:
        st.Metric("mine", faulty["unit"], "about", faulty.get("slices"))
    assert told.value.code == "metric"


def test_a_profile_of_the_wrong_length_is_refused():
    wrong = st.Metric("mine", "1", "about", lambda phase: np.zeros(3))
    with pytest.raises(UsageError):
        wrong.profile(np.ones((4, 2, 2), bool), None, (1, 1, 1))


@pytest.mark.parametrize("name", list(st.METRICS))
@pytest.mark.parametrize("fill", [False, True])
def test_every_metric_bears_all_void_all_solid_and_an_empty_window(name, fill):
    metric = st.METRICS[name]
    mask, valid = np.full((4, 5, 6), fill), np.ones((4, 5, 6), bool)
    for window in (valid, ~valid):
        metric.total(mask, window, (1, 1, 1))
        profile = metric.profile(mask, window, (1, 1, 1))
        if profile is not None:
            assert profile.shape == (4,)
            assert np.isnan(profile).all() or window.any()


def test_every_metric_says_what_it_is():
    for name, metric in st.METRICS.items():
        assert metric.name == name
        assert len(metric.about) > 20
        assert set(st.DEFAULT_METRICS) <= set(st.METRICS)


def test_a_metric_of_ones_own_cannot_change_what_the_others_see():
    """It is shown views that refuse writing: of mask, window, and all that is worked out once for every metric."""
    mask = np.zeros((5, 6, 7), np.bool_)
    mask[1:4, 1:4, 1:5] = True
    for name in ("mask", "valid", "squared_distance", "thickness", "counts", "area"):
        spoils = st.Metric("spoils", "1", "writes", core=lambda p, name=name: getattr(p, name).fill(0) or 0.0)
        with pytest.raises(ValueError, match="read-only"):
            spoils.total(mask, None, (1.0, 1.0, 1.0))
    spoils = st.Metric("spoils", "1", "writes", core=lambda p: p.clusters.labels.fill(0) or 0.0)
    with pytest.raises(ValueError, match="read-only"):
        spoils.total(mask, None, (1.0, 1.0, 1.0))
    assert mask.sum() == 36


def test_a_metric_of_ones_own_sees_the_figures_that_ours_see():
    rng = np.random.default_rng(0)
    mask, valid = rng.random((9, 8, 7)) < 0.6, rng.random((9, 8, 7)) < 0.9
    phase = st.Phase.of(mask, valid, (0.5, 0.3, 0.2))
    shown = phase.read_only()
    for name in ("counts", "area", "squared_distance", "thickness", "connection_2d"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(phase, name))
    np.testing.assert_array_equal(shown.clusters.labels, phase.clusters.labels)
