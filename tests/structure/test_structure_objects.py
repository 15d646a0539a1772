"""Objects and their sizes against geometry and scikit-image; tubes, shells, stones."""

import numpy as np
import pandas as pd
import pytest
from known_bodies import ball, blobs, grid, noise, turned
from scipy import ndimage
from skimage.measure import label, regionprops

from soilscope import phantoms
from soilscope import structure as st
from soilscope.classes import classify
from soilscope.errors import UsageError
from soilscope.study.steps import objects as step
from soilscope.study.steps.opened import OpenedCore
from soilscope.volume import Volume

CUBIC = (1.0, 1.0, 1.0)
MEDICAL = (0.25, 0.351, 0.351)
SLANTED = np.array([1.0, 1.0, 0.5]) / 1.5


def only(mask, spacing=CUBIC):
    (found,) = st.objects(mask, spacing).to_dict("records")
    return found


def rod(length, radius, spacing, direction=SLANTED):
    """A straight tube with flat ends in the middle of its box."""
    z, y, x = grid([round((length + 8) / s) for s in spacing], spacing)
    along = z * direction[0] + y * direction[1] + x * direction[2]
    return (np.abs(along) < length / 2) & (z * z + y * y + x * x - along**2 < radius**2)


@pytest.mark.parametrize("spacing", [CUBIC, MEDICAL, (2.0, 1.0, 0.5)])
def test_a_ball_has_its_sizes(spacing):
    found = only(ball(26, 10.0, spacing), spacing)
    across = float(np.linalg.norm(spacing))  # from corner to corner of a voxel
    assert found["volume_mm3"] == pytest.approx(4 / 3 * np.pi * 1000, rel=0.02)
    assert found["diameter_mm"] == pytest.approx(20, rel=0.01)
    assert 20 - max(spacing) <= found["length_mm"] <= 20 + across
    assert found["width_mm"] == pytest.approx(20, abs=2 * max(spacing))
    assert found["elongation"] == pytest.approx(1, abs=0.03)
    assert found["flatness"] == pytest.approx(1, abs=0.03)
    assert found["depth_mm"] == pytest.approx(13, abs=1e-6)
    assert not found["touches_border"]


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.5, 0.7, 0.7)])
def test_a_slanted_rod_has_its_sizes(spacing):
    found = only(rod(30, 3.0, spacing), spacing)
    assert found["volume_mm3"] == pytest.approx(np.pi * 9 * 30, rel=0.02)
    assert found["length_mm"] == pytest.approx(np.hypot(30, 6), abs=1.5 * max(spacing))
    assert found["width_mm"] == pytest.approx(6, abs=1.5 * max(spacing))
    assert found["elongation"] == pytest.approx(30 / 3 / np.sqrt(3), rel=0.03)  # (L / sqrt 12) / (r / 2)
    assert found["flatness"] == pytest.approx(1, abs=0.03)


def test_an_ellipsoid_has_its_elongation_and_flatness_in_non_cubic_voxels():
    z, y, x = grid((180, 70, 40), MEDICAL)
    found = only((z / 20) ** 2 + (y / 10) ** 2 + (x / 5) ** 2 < 1, MEDICAL)
    assert found["elongation"] == pytest.approx(2, rel=0.01)
    assert found["flatness"] == pytest.approx(2, rel=0.01)
    assert found["length_mm"] == pytest.approx(40, abs=0.5)


def test_a_box_of_voxels_is_as_long_as_its_diagonal():
    mask = np.zeros((9, 10, 11), bool)
    mask[2:6, 3:6, 4:9] = True
    found = only(mask, (0.5, 1, 2))
    assert found["length_mm"] == pytest.approx(np.linalg.norm([2, 3, 10]), rel=0.003)
    assert found["volume_mm3"] == 60
    assert found["depth_mm"] == 2.0


def test_one_voxel_is_an_object():
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 1, 1] = True
    found = only(mask, (0.5, 1, 1))
    assert found["volume_mm3"] == 0.5
    assert found["elongation"] == 1.0
    assert found["flatness"] == 2.0
    assert found["width_mm"] == pytest.approx(1.0)


@pytest.mark.parametrize("spacing", [CUBIC, (0.5, 1.0, 2.0)])
def test_volumes_centres_and_moments_are_scikit_images(spacing):
    mask = blobs((30, 31, 32), 0.2)
    found = st.find_objects(mask, spacing)
    peers = regionprops(found.labels.astype(np.int32), spacing=spacing)
    assert len(peers) == len(found.table) == label(mask, connectivity=3).max()
    for row, peer in zip(found.table.to_dict("records"), peers, strict=True):
        assert row["volume_mm3"] == pytest.approx(peer.area)
        assert row["diameter_mm"] == pytest.approx(peer.equivalent_diameter_area)
        assert row["depth_mm"] == pytest.approx(peer.centroid[0] + spacing[0] / 2)
        places = peer.coords * np.array(spacing)
        moments = np.cov(places.T, bias=True).reshape(3, 3) + np.diag(np.square(spacing)) / 12
        half = np.sqrt(np.linalg.eigvalsh(moments)[::-1])
        assert row["elongation"] == pytest.approx(half[0] / half[1], rel=1e-6)
        assert row["flatness"] == pytest.approx(half[1] / half[2], rel=1e-6)
        if spacing == CUBIC and row["volume_mm3"] > 100:
            assert row["length_mm"] == pytest.approx(peer.feret_diameter_max, abs=1.8)


def test_objects_are_numbered_by_volume_and_labels_say_where_they_are():
    mask = noise((12, 13, 14), 0.12)
    found = st.find_objects(mask, CUBIC)
    assert found.table["volume_mm3"].is_monotonic_decreasing
    assert found.table["id"].tolist() == list(range(1, len(found.table) + 1))
    assert np.bincount(found.labels.ravel())[1:].tolist() == found.table["volume_mm3"].tolist()
    np.testing.assert_array_equal(found.mask, mask)
    large = st.find_objects(mask, CUBIC, rule=st.ObjectRule(at_least_mm3=4.0))
    assert len(large.table) == (found.table["volume_mm3"] >= 4).sum()
    np.testing.assert_array_equal(large.mask, (found.labels > 0) & (found.labels <= len(large.table)))


def test_only_elongated_objects_are_kept_where_asked():
    mask = np.zeros((40, 30, 30), bool)
    mask[2:38, 3:6, 3:6] = True
    mask[10:20, 15:25, 15:25] = True
    found = st.find_objects(mask, CUBIC, rule=st.ObjectRule(at_least_elongation=3))
    assert found.table["id"].tolist() == [1]
    assert found.mask.sum() == 36 * 9


def test_what_touches_the_windows_border_is_told():
    mask, window = np.zeros((9, 20, 20), bool), np.ones((9, 20, 20), bool)
    mask[3:6, 3:6, 3:6] = mask[3:6, 10:13, 3:6] = mask[0:2, 3:6, 15:18] = True
    window[:, 13:] = False
    found = st.objects(mask, CUBIC, window).sort_values("depth_mm", ignore_index=True)
    assert found["touches_border"].tolist()[0]  # at the array's end
    assert sorted(found["touches_border"].tolist()[1:]) == [False, True]


def test_sizes_do_not_depend_on_how_the_core_lies():
    mask = blobs((24, 24, 24), 0.15)
    first, *others = [st.objects(one, CUBIC).drop(columns=["id", "depth_mm"]) for one in turned(mask)]
    order = list(first.columns)
    for other in others:
        one, two = (f.round(4).sort_values(order, ignore_index=True) for f in (first, other))
        for column in ("volume_mm3", "diameter_mm", "width_mm", "touches_border"):
            np.testing.assert_allclose(np.sort(one[column]), np.sort(two[column]), atol=1e-3)
        np.testing.assert_allclose(np.sort(one["length_mm"]), np.sort(two["length_mm"]), rtol=0.01)


def test_a_class_that_is_absent_has_an_empty_table():
    found = st.objects(np.zeros((4, 5, 6), bool), CUBIC)
    assert len(found) == 0
    assert found.columns.tolist() == [
        "id", "volume_mm3", "diameter_mm", "length_mm", "width_mm", "elongation", "flatness", "depth_mm", "touches_border",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [{"at_least_mm3": -1}, {"at_least_elongation": 0.5}, {"neighbours": 8}])
def test_a_rule_for_objects_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as told:
        st.ObjectRule(**wrong)
    assert told.value.code == "object-rule"


def soil_with_tubes(spacing):
    """A vertical tube of 12 mm, a slanted one of 8 mm, a crack of 4 mm that both cross, and a ball of 18 mm."""
    z, y, x = np.meshgrid(*[(np.arange(round(70 / s)) + 0.5) * s for s in spacing], indexing="ij")
    parts = {
        "wide": np.hypot(y - 35, x - 35) < 6,
        "slanted": np.hypot(y - 58, (x - 20 - (z - 20) / 2) * np.sqrt(0.8)) < 4,
        "crack": np.abs(z - 35) < 2,
        "ball": (z - 14) ** 2 + (y - 14) ** 2 + (x - 14) ** 2 < 81,
    }
    return parts, np.logical_or.reduce(list(parts.values()))


@pytest.mark.parametrize("spacing", [CUBIC, (0.7, 1.0, 1.0)])
def test_tubes_are_told_from_a_crack_and_a_ball_that_they_are_joined_to(spacing):
    parts, mask = soil_with_tubes(spacing)
    found = st.tubes(mask, spacing, st.TubeRule(5.0))
    assert not (found & ~mask).any()
    for name in ("wide", "slanted"):
        assert (found & parts[name]).sum() > 0.97 * parts[name].sum()
    elsewhere = parts["crack"] & ~parts["wide"] & ~parts["slanted"]
    assert (found & elsewhere).sum() < 0.01 * elsewhere.sum()
    assert not (found & parts["ball"]).any()
    widths = st.objects(found, spacing)["width_mm"].tolist()
    assert widths == pytest.approx([12, 8], abs=1.5 * max(spacing))
    only_wide = st.tubes(mask, spacing, st.TubeRule(10.0))
    assert (only_wide & parts["wide"]).sum() > 0.97 * parts["wide"].sum()
    assert not (only_wide & parts["slanted"] & ~parts["crack"]).any()


def test_a_short_tube_is_none_and_no_wall_has_none():
    body = rod(24, 4.0, CUBIC)
    assert st.tubes(body, CUBIC, st.TubeRule(4.0, elongation=2.0)).sum() > 0.8 * body.sum()
    assert not st.tubes(body, CUBIC, st.TubeRule(4.0, elongation=5.0)).any()
    for fill in (False, True):
        assert not st.tubes(np.full((6, 6, 6), fill), CUBIC, st.TubeRule(2.0)).any()


@pytest.mark.parametrize("wrong", [{"at_least_mm": 0.0}, {"at_least_mm": 2.0, "elongation": 0.5}])
def test_a_rule_for_tubes_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as told:
        st.TubeRule(**wrong)
    assert told.value.code == "tube-rule"


def stone_in_air(blur):
    """A stone of 18 voxels' radius in air, an organic ball of 7 beside it, seen by a scanner that blurs."""
    z, y, x = grid((60, 60, 80))
    stone = z**2 + y**2 + (x + 15) ** 2 < 18**2
    organic = (z**2 + y**2 + (x - 10) ** 2 < 7**2) & ~stone
    sharp = np.where(stone, 2500.0, np.where(organic, -200.0, -900.0))
    return organic, ndimage.gaussian_filter(sharp, blur)


@pytest.mark.parametrize("blur", [0.7, 1.0])
def test_a_shell_of_blur_around_a_stone_goes_and_an_organic_particle_that_touches_it_stays(blur):
    organic, seen = stone_in_air(blur)
    window = (seen > -700) & (seen <= 200)
    left = st.without_shells(window, seen > 200, CUBIC)
    shell = window & ~ndimage.binary_dilation(organic, iterations=2)
    assert shell.sum() > 2000
    assert (left & shell).sum() < 0.01 * shell.sum()
    assert (left & organic).sum() > 0.9 * (window & organic).sum()
    (found,) = st.objects(left, CUBIC, rule=st.ObjectRule(at_least_mm3=50)).to_dict("records")
    assert found["volume_mm3"] == pytest.approx((window & ~shell).sum(), rel=0.1)


def test_a_thin_layer_where_no_dense_class_is_near_stays():
    mask = np.zeros((20, 20, 20), bool)
    mask[4:6] = mask[14:16] = True
    dense = np.zeros_like(mask)
    dense[16:] = True
    left = st.without_shells(mask, dense, CUBIC)
    assert left[4:6].all()
    assert not left[14:16].any()
    np.testing.assert_array_equal(st.without_shells(mask, dense, CUBIC, voxels=0), mask)
    np.testing.assert_array_equal(st.without_shells(mask, np.zeros_like(mask), CUBIC), mask)
    with pytest.raises(UsageError) as told:
        st.without_shells(mask, dense, CUBIC, voxels=-1)
    assert told.value.code == "shells"


def test_stones_above_a_volume_and_the_porosity_of_the_earth_between_them():
    dense, pores = np.zeros((10, 20, 20), bool), np.zeros((10, 20, 20), bool)
    dense[2:8, 2:12, 2:12] = dense[0, 18, 18] = True
    pores[:, 15:18] = True
    spacing = (0.5, 1.0, 1.0)
    found = st.stones(dense, spacing, st.ObjectRule(at_least_mm3=300.0))
    assert found.sum() == 600
    assert not st.stones(dense, spacing, st.ObjectRule(at_least_mm3=300.5)).any()
    np.testing.assert_allclose(st.stone_fraction(found)[[0, 5]], [0, 0.25])
    np.testing.assert_allclose(st.fine_earth_porosity(pores, found)[[0, 5]], [60 / 400, 60 / 300])
    window = np.ones_like(pores)
    window[0] = False
    assert np.isnan(st.fine_earth_porosity(pores, found, window)[0])


@pytest.fixture
def opened():
    _, mask = soil_with_tubes(CUBIC)
    labels = np.where(mask, 1, 3).astype(np.uint8)
    labels[60:66, 5:12, 40:50] = 5
    volume = Volume(np.zeros(mask.shape, np.int16), np.ones(mask.shape, bool), CUBIC, "HU", core="3243")
    return OpenedCore(volume, labels, None, {1: "pore", 3: "matrix", 5: "stone"})


ASKED = (
    st.ObjectKind("biopores", (1,), "tubes", at_least_mm=5.0),
    st.ObjectKind("stones", (5,), at_least_mm3=100.0),
    st.ObjectKind("boulders", (5,), at_least_mm3=1e6),
)


def test_a_study_that_asks_has_a_table_of_objects(opened, tmp_path):
    step.write_objects(tmp_path, ASKED, opened)
    step.join(tmp_path, ASKED, ["3243"])
    assert all((tmp_path / name).exists() for name in [*step.outputs(ASKED, "3243"), *step.table(ASKED)])
    table = pd.read_csv(tmp_path / "tables" / "objects.csv", dtype={"core": str, "class": str})
    assert table.columns.tolist() == list(st.KIND_COLUMNS)
    assert table["kind"].tolist() == ["biopores", "biopores", "stones"]
    assert table["class"].tolist() == ["1", "1", "5"]
    assert set(table["core"]) == {"3243"}
    assert table["volume_mm3"].iloc[-1] == 6 * 7 * 10


def test_a_study_that_asks_in_vain_has_an_empty_table_and_one_that_does_not_ask_none(opened, tmp_path):
    step.write_objects(tmp_path, ASKED[2:], opened)
    step.join(tmp_path, ASKED[2:], ["3243"])
    assert pd.read_csv(tmp_path / "tables" / "objects.csv").columns.tolist() == list(st.KIND_COLUMNS)
    assert step.outputs((), "3243") == step.table(()) == []
    step.write_objects(tmp_path / "other", (), opened)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"of": ()},
        {"of": (0,)},
        {"of": (1,), "beside": (1,)},
        {"of": (1,), "shape": "balls"},
        {"of": (1,), "shape": "tubes"},
        {"of": (1,), "at_least_mm": 2.0},
    ],
)
def test_a_kind_of_objects_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as told:
        st.ObjectKind("mine", **wrong)
    assert told.value.code == "object-kind"


def test_leaving_shells_out_brings_the_organic_matter_of_a_phantom_closer_to_its_truth():
    """A pine forest's organic window: more of what is left is organic, and its volume lies nearer the true one."""
    made = phantoms.make("pine-forest", seed=0, shape=(60, 100, 100))
    core, organic = made.volume, made.truth == 2
    labels = classify(core, "physical")
    seen = labels == 2
    left = st.without_shells(seen, labels >= 3, core.spacing_mm, core.valid)
    assert (left & organic).sum() / left.sum() > (seen & organic).sum() / seen.sum() + 0.05
    assert abs(left.sum() - organic.sum()) < abs(int(seen.sum()) - organic.sum())
    assert (left & organic).sum() > 0.7 * organic.sum()
