"""From a core to tables: what the columns say, what is joined, what is refused, and where it came from."""

import json

import numpy as np
import pytest
from known_bodies import blobs

from soilscope import structure as st
from soilscope.classes import Scheme, classify
from soilscope.errors import InputRefused, UsageError
from soilscope.findings import Finding
from soilscope.volume import Volume

SPACING = (0.25, 0.351, 0.351)
ALL = list(st.METRICS)


def made_core(shape=(24, 26, 28), seed=0):
    """Six classes of the paper, a round window, and one slice at each end that was never scanned."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.2)
    hu = (800 + 1100 * field / field.std()).clip(-2048, 4096).astype(np.int16)
    y, x = np.indices(shape[1:]) - (np.array(shape[1:]).reshape(2, 1, 1) - 1) / 2
    valid = np.broadcast_to(np.hypot(y, x) < 12, shape).copy()
    valid[0] = valid[-1] = False
    return Volume(
        hu, valid, SPACING, "HU", (Finding("made", "note", "a made-up core"),), "3243", {"input_digest": "sha256:0"}
    )


@pytest.fixture(scope="module")
def measured():
    return st.measure(made_core(), "paper-2021", metrics=ALL, joined=[(5, 6), (1, 2)])


def rows(measured, of):
    return measured.slices[measured.slices["class"] == of]


def test_the_table_of_slices_has_one_row_a_class_and_slice(measured):
    table = measured.slices
    assert list(table.columns[:9]) == [
        "core", "slice", "depth_mm", "class", "name", "fraction", "porosity", "area_mm2", "valid_mm2",
    ]  # fmt: skip
    assert list(table["class"].unique()) == ["1", "2", "3", "4", "5", "6", "5+6", "1+2"]
    assert len(table) == 8 * 24
    assert table["core"].unique().tolist() == ["3243"]
    first = rows(measured, "1")
    assert first["slice"].tolist() == list(range(24))
    np.testing.assert_allclose(first["depth_mm"], (np.arange(24) + 0.5) * 0.25)
    assert rows(measured, "5+6")["name"].unique().tolist() == ["object5 + object6"]


def test_columns_carry_their_unit(measured):
    assert {
        "largest_fraction", "connection_3d", "local_thickness_mm", "euler_2d_per_mm2", "connection_2d", "log_connection_2d",
        "perimeter_density_per_mm", "median_diameter_mm", "distance_mm", "fractal_dimension_2d", "anisotropy_2d",
    } == set(measured.slices.columns[9:])  # fmt: skip


def test_fractions_sum_to_one_over_a_schemes_classes_and_are_missing_where_nothing_was_scanned(measured):
    single = measured.slices[measured.slices["class"].str.len() == 1]
    sums = single.groupby("slice")["fraction"].sum(min_count=1)
    np.testing.assert_allclose(sums.iloc[1:-1], 1.0, atol=1e-12)
    for end in (0, 23):
        lines = measured.slices[measured.slices["slice"] == end]
        assert lines.drop(columns=["core", "slice", "depth_mm", "class", "name", "valid_mm2"]).isna().all().all()
        assert (lines["valid_mm2"] == 0).all()


def test_porosity_is_one_minus_the_fraction_left_after_small_clusters_are_removed(measured):
    core = made_core()
    labels = classify(core, "paper-2021")
    for of in ((2,), (3,), (5, 6)):
        kept = st.remove_small_clusters(np.isin(labels, of))
        column = rows(measured, "+".join(map(str, of)))["porosity"]
        np.testing.assert_allclose(column, st.porosity_profile(kept, core.valid), atol=1e-15)


def test_a_joined_class_loses_the_clusters_that_are_small_after_joining():
    hu = np.full((3, 10, 10), 500, np.int16)
    hu[1, 0:5, 0:8], hu[1, 5:8, 0:8] = 2500, 3500  # 40 and 24 voxels that touch: 64 together
    core = Volume(hu, np.ones(hu.shape, bool), SPACING, "HU")
    found = st.measure(core, "paper-2021", metrics=[], joined=[(5, 6)])
    assert rows(found, "5")["porosity"].tolist() == rows(found, "6")["porosity"].tolist() == [1.0, 1.0, 1.0]
    assert rows(found, "5+6")["porosity"].tolist() == pytest.approx([1.0, 0.36, 1.0])
    assert rows(found, "5+6")["fraction"].tolist() == pytest.approx([0.0, 0.64, 0.0])


def test_areas_are_exact_counts_of_pixels(measured):
    core = made_core()
    labels = classify(core, "paper-2021")
    for k in range(1, 7):
        counts = ((labels == k) & core.valid).sum(axis=(1, 2))
        expected = np.where(core.valid.any(axis=(1, 2)), counts * 0.351 * 0.351, np.nan)
        np.testing.assert_allclose(rows(measured, str(k))["area_mm2"], expected, rtol=1e-14)
    np.testing.assert_allclose(
        rows(measured, "1")["valid_mm2"], core.valid.sum(axis=(1, 2)) * 0.351 * 0.351, rtol=1e-14
    )


def test_every_metric_has_a_line_a_class_in_the_cores_table(measured):
    table = measured.core
    assert list(table.columns) == ["core", "class", "name", "metric", "value", "unit"]
    assert table.groupby("class")["metric"].apply(list).map(sorted).tolist() == [sorted(ALL)] * 8
    assert dict(zip(table["metric"], table["unit"], strict=True)) == {m.name: m.unit for m in st.METRICS.values()}
    single = table[(table["metric"] == "fraction") & (table["class"].str.len() == 1)]
    assert single["value"].sum() == pytest.approx(1.0, abs=1e-12)


def test_the_cores_figures_equal_the_functions_on_the_cleaned_mask(measured):
    core = made_core()
    mask = st.remove_small_clusters((classify(core, "paper-2021") == 3) & core.valid)
    window = core.valid.sum() * core.voxel_mm3
    found = measured.core[measured.core["class"] == "3"].set_index("metric")["value"]
    assert found["connection-3d"] == st.connection_probability(mask)
    assert found["euler-3d"] == pytest.approx(st.euler_number(mask) / window)
    assert found["clusters"] == pytest.approx(st.find_clusters(mask).number / window)
    assert found["surface-density"] == pytest.approx(st.surface_area_density(mask, SPACING, core.valid))
    inner = mask[1:-1]  # the core's own first and last slice
    assert found["local-thickness"] == pytest.approx(float(st.local_thickness(inner, SPACING)[inner].mean()), rel=1e-5)
    assert found["critical-diameter"] == pytest.approx(st.critical_diameter(inner, SPACING), rel=1e-6)
    assert found["percolating-fraction"] == st.percolating_fraction(inner)
    assert found["porosity"] == pytest.approx(1 - mask.sum() / core.valid.sum())


def test_the_mean_thickness_of_a_slice_is_taken_over_its_class_voxels_of_the_3d_field(measured):
    core = made_core()
    mask = st.remove_small_clusters((classify(core, "paper-2021") == 4) & core.valid)
    field = np.zeros(mask.shape)
    field[1:-1] = st.local_thickness(mask[1:-1], SPACING)
    column = rows(measured, "4")["local_thickness_mm"].to_numpy()
    for z in range(1, 23):
        expected = field[z][mask[z]].mean() if mask[z].any() else np.nan
        np.testing.assert_allclose(column[z], expected, rtol=1e-5)


@pytest.mark.parametrize("target", st.TARGETS)
@pytest.mark.parametrize("of", [(3,), (5, 6)])
def test_a_target_is_the_same_number_as_its_column(measured, target, of):
    core = made_core()
    profile = st.target_profile(core, classify(core, "paper-2021"), target, of, st.ClusterRule())
    column = rows(measured, "+".join(map(str, of)))[st.METRICS[target].column].to_numpy()
    assert profile.dtype == np.float64
    assert np.array_equal(profile, column, equal_nan=True)


def test_targets_are_named_by_metric_and_classes():
    assert st.target_id("porosity", (5, 6)) == "porosity-5+6"
    assert st.target_id("local-thickness", (1,)) == "local-thickness-1"
    assert [st.target_unit(t) for t in ("porosity", "local-thickness", "euler-2d")] == ["1", "mm", "1/mm2"]


@pytest.mark.parametrize(("target", "of", "code"), [
    ("beauty", (1,), "target-unknown"), ("clusters", (1,), "target-unknown"),
    ("porosity", (), "class-unknown"), ("porosity", (0,), "class-unknown"), ("porosity", (2, 2), "class-unknown"),
])  # fmt: skip
def test_a_target_that_is_none_is_refused(target, of, code):
    core = made_core((4, 26, 28))
    with pytest.raises(UsageError) as told:
        st.target_profile(core, np.ones(core.shape, np.uint8), target, of)
    assert told.value.code == code


def test_provenance_says_how_every_number_was_made(measured):
    told = measured.provenance
    assert told["scheme"]["edges"] == [-2048, -1024, 0, 1024, 2048, 3072, 4096]
    assert told["small_clusters"] == {"under": 60, "neighbours": 6}
    assert told["spacing_mm"] == list(SPACING)
    assert told["units"] == "HU"
    assert told["input_digest"] == "sha256:0"
    assert told["window"]["valid_voxels"] == made_core().valid.sum()
    assert [m["metric"] for m in told["metrics"]] == [
        "fraction",
        "porosity",
        "area",
        *(m for m in ALL if m not in ("fraction", "porosity", "area")),
    ]
    codes = {f["code"]: f for f in told["findings"]}
    assert "made" in codes
    assert "1.85 mm3" in codes["imaged-fraction"]["text"]
    assert "never total porosity" in codes["imaged-fraction"]["text"]
    json.dumps(told, allow_nan=False)


def test_a_crop_is_told_in_the_provenance():
    cut = made_core().crop(z=(2, 10), y=(3, 20), x=(4, 20))
    told = st.measure(cut, "physical", metrics=[]).provenance
    assert told["window"]["crops"] == [[[2, 10], [3, 20], [4, 20]]]


def test_voxels_in_no_class_and_empty_classes_are_findings():
    core = made_core()
    found = st.measure(core, Scheme.from_edges("mine", [0, 1000, 9000, 9999], ["some", "more", "gold"]), metrics=[])
    codes = {f["code"]: f for f in found.provenance["findings"]}
    outside = int((core.valid & (core.values <= 0)).sum())
    assert codes["unclassified"]["severity"] == "warning"
    assert str(outside) in codes["unclassified"]["text"]
    assert "gold" in codes["class-empty"]["text"]


@pytest.mark.parametrize("kept_as", [np.int64, np.float32, np.float64])
def test_labels_made_elsewhere_are_measured_exactly_like_our_own(kept_as):
    """Whole numbers are classes, in whatever number type a program keeps them."""
    core = made_core()
    labels = classify(core, "paper-2021")
    own = st.measure(core, "paper-2021", metrics=["euler-2d"])
    names = {k: f"object{k}" for k in range(1, 7)}
    theirs = st.measure(core, labels=labels.astype(kept_as), names=names, metrics=["euler-2d"])
    assert theirs.slices.equals(own.slices)
    assert theirs.core.equals(own.core)
    assert theirs.provenance["scheme"] is None
    assert theirs.provenance["labels"] == "made elsewhere"


def test_labels_may_have_gaps_in_their_values():
    core = made_core()
    labels = np.where(blobs(core.shape, 0.3), 7, 2).astype(np.uint8)
    found = st.measure(core, labels=labels, names={7: "roots", 2: "soil"}, metrics=[])
    assert found.slices.groupby("class")["name"].first().to_dict() == {"2": "soil", "7": "roots"}
    inside = core.valid.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        expected = ((labels == 7) & core.valid).sum(axis=(1, 2)) / inside
    np.testing.assert_allclose(rows(found, "7")["fraction"], expected)
    assert "labels-outside" in {f["code"] for f in found.provenance["findings"]}


@pytest.mark.parametrize(("labels", "names", "code"), [
    (np.ones((24, 26, 27), np.uint8), {1: "a"}, "labels-shape"),
    (np.full((24, 26, 28), 2, np.uint8), {1: "a"}, "labels-names"),
    (np.full((24, 26, 28), 256, np.uint16), {1: "a"}, "labels-values"),
    (np.full((24, 26, 28), -1, np.int8), {1: "a"}, "labels-values"),
    (np.full((24, 26, 28), 256.0), {1: "a"}, "labels-values"),
    (np.full((24, 26, 28), -1.0), {1: "a"}, "labels-values"),
    (np.full((24, 26, 28), 1 + 0j), {1: "a"}, "labels-values"),
    (np.ones((24, 26, 28), np.uint8), {0: "nothing", 1: "a"}, "labels-names"),
    (np.zeros((24, 26, 28), np.uint8), None, "labels-names"),
])  # fmt: skip
def test_labels_that_do_not_fit_the_grid_or_their_names_are_refused(labels, names, code):
    with pytest.raises(InputRefused) as told:
        st.measure(made_core(), labels=labels, names=names)
    assert told.value.code == code


@pytest.mark.parametrize("value", [0.5, 1 + 2**-20, np.nan, np.inf])
def test_labels_that_are_no_whole_numbers_are_refused_by_value_and_place(value):
    labels = np.ones((24, 26, 28), np.float32)
    labels[3, 4, 5] = value
    with pytest.raises(InputRefused, match=r"at voxel \(3, 4, 5\)") as told:
        st.measure(made_core(), labels=labels, names={1: "a"})
    assert told.value.code == "labels-values"
    assert str(float(np.float32(value))) in told.value.text


@pytest.mark.parametrize(("wrong", "code"), [
    ({}, "classes"),
    ({"scheme": "paper-1921"}, "scheme-unknown"),
    ({"scheme": "physical", "metrics": ["beauty"]}, "metric-unknown"),
    ({"scheme": "physical", "joined": [(5, 6)]}, "class-unknown"),
    ({"scheme": "physical", "joined": [()]}, "class-unknown"),
])  # fmt: skip
def test_a_call_that_makes_no_sense_is_refused(wrong, code):
    with pytest.raises(UsageError) as told:
        st.measure(made_core(), **wrong)
    assert told.value.code == code


def test_measuring_twice_gives_the_same_numbers_to_the_last_bit(measured):
    again = st.measure(made_core(), "paper-2021", metrics=ALL, joined=[(5, 6), (1, 2)])
    assert again.slices.equals(measured.slices)
    assert again.core.equals(measured.core)


def test_the_number_of_threads_changes_no_number(measured, monkeypatch):
    monkeypatch.setattr("soilscope.classes.loops.thread_count", lambda: 1)
    again = st.measure(made_core(), "paper-2021", metrics=ALL, joined=[(5, 6), (1, 2)])
    assert again.slices.equals(measured.slices)
    assert again.core.equals(measured.core)
