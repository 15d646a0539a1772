"""The soils: what they promise is there, their truth is exact, and a seed is a core."""

from functools import cache

import numba
import numpy as np
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.errors import UsageError

SMALL = (48, 64, 64)
SOILS = ("pine-forest", "grassland", "sandy", "arable", "compacted")


@cache
def core(soil, seed=0, shape=SMALL, noise=False):
    return phantoms.make(soil, seed, shape, noise)


def shares(phantom):
    """Per slice, shape (z, classes)."""
    return np.array(list(phantoms.fractions(phantom.truth).values()), float).T


def test_the_soils_are_listed_with_the_matched_family_last():
    names = phantoms.soils()
    assert names[:5] == SOILS
    assert {"matched-fine", "matched-coarse"} <= set(names[5:])
    assert all(name.startswith("matched-") for name in names[5:])


@pytest.mark.parametrize("soil", SOILS)
def test_even_a_small_core_holds_every_class(soil):
    assert set(np.unique(core(soil).truth)) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("soil", phantoms.soils())
def test_without_noise_each_voxel_lies_inside_the_range_of_its_class(soil):
    phantom = core(soil)
    for value, _, low_hu, high_hu in phantom.classes:
        hu = phantom.volume.values[phantom.truth == value]
        assert low_hu < hu.min() <= hu.max() <= high_hu


def test_the_classes_are_whole_hu_ranges_without_overlap():
    assert [tuple(c) for c in core("sandy").classes] == [
        (1, "pore", -1025, -700),
        (2, "organic", -700, 200),
        (3, "matrix", 200, 1500),
        (4, "dense matrix", 1500, 2000),
        (5, "stone", 2000, 3071),
    ]
    assert phantoms.classes_of(np.array([-700, -699, 200, 201, 1500, 1501, 2000, 2001])).tolist() == [
        1,
        2,
        2,
        3,
        3,
        4,
        4,
        5,
    ]


@pytest.mark.parametrize("soil", ["pine-forest", "matched-fine"])
def test_what_is_valid_is_what_has_a_truth(soil):
    phantom = core(soil, noise=True)
    assert phantom.truth.dtype == np.uint8
    assert phantom.volume.values.dtype == np.int16
    assert phantom.volume.units == "HU"
    assert phantom.volume.spacing_mm == (0.25, 0.351, 0.351)
    assert phantom.volume.core == f"{soil}-0"
    assert np.array_equal(phantom.volume.valid, phantom.truth > 0)


def test_noise_changes_what_is_seen_and_not_what_is_there():
    assert np.array_equal(core("arable", noise=True).truth, core("arable").truth)
    assert not np.array_equal(core("arable", noise=True).volume.values, core("arable").volume.values)


@pytest.mark.parametrize("soil", ["pine-forest", "matched-mixed"])
@pytest.mark.parametrize("noise", [True, False])
def test_one_seed_is_one_core_whatever_the_number_of_threads(soil, noise):
    shape, threads = (20, 40, 48), numba.get_num_threads()
    first = phantoms.make(soil, 3, shape, noise)
    try:
        numba.set_num_threads(1)
        second = phantoms.make(soil, 3, shape, noise)
    finally:
        numba.set_num_threads(threads)
    assert first.volume.values.tobytes() == second.volume.values.tobytes()
    assert first.truth.tobytes() == second.truth.tobytes()


@pytest.mark.parametrize("soil", ["grassland", "matched-fine"])
def test_another_seed_is_another_core(soil):
    assert (core(soil, 1).truth != core(soil, 2).truth).mean() > 0.05


def test_cores_of_one_soil_are_more_alike_than_cores_of_two():
    """By the classes' shares in the upper, middle and lower third."""

    def thirds(soil, seed):
        return np.array([part.mean(axis=0) for part in np.array_split(shares(core(soil, seed, (63, 96, 96))), 3)])

    cores = {(soil, seed): thirds(soil, seed) for soil in SOILS for seed in (0, 1)}
    for me in cores:
        distance = {other: np.abs(cores[me] - cores[other]).mean() for other in cores if other != me}
        assert min(distance, key=distance.get)[0] == me[0]


def test_pine_forest_changes_strongly_over_depth_and_grassland_hardly():
    shape = (96, 128, 128)
    pine, grass = shares(core("pine-forest", shape=shape)), shares(core("grassland", shape=shape))
    assert pine[:, 0].std() >= 0.05
    assert pine[:, 2].std() >= 0.05
    assert grass.std(axis=0).max() < 0.03
    top, bottom = pine[:10].mean(axis=0), pine[-10:].mean(axis=0)
    assert top[1] > 0.3 > 0.05 > bottom[1], "the organic layer lies at the top"
    assert bottom[4] > top[4], "stones lie below"


def test_the_paper_s_classes_of_pine_forest_change_over_depth_too():
    phantom = core("pine-forest", shape=(96, 128, 128), noise=True)
    area = phantom.volume.valid.sum(axis=(1, 2))
    for low, high in ((-1024, -1), (0, 1023), (1024, 2047)):
        inside = (phantom.volume.values >= low) & (phantom.volume.values <= high) & phantom.volume.valid
        assert (inside.sum(axis=(1, 2)) / area).std() >= 0.05


def test_arable_is_loose_above_its_subsoil():
    pores = shares(core("arable", shape=(96, 128, 128)))[:, 0]
    assert pores[:40].mean() > 3 * pores[-30:].mean()


def test_the_cracks_of_compacted_soil_lie_flat():
    """Mean pore intercept along x exceeds the one along z, in mm, by far."""
    pore = core("compacted", shape=(96, 128, 128)).truth == 1
    labels, _ = ndimage.label(pore)
    sizes = np.bincount(labels.ravel())[1:]
    box = ndimage.find_objects(labels)[int(sizes.argmax())]
    height, width = (box[0].stop - box[0].start) * 0.25, (box[2].stop - box[2].start) * 0.351
    assert width > 1.5 * height


def test_stones_keep_their_size_in_mm_when_the_piece_is_larger():
    small, large = core("sandy"), core("sandy", shape=(96, 128, 128))

    def volume_mm3(phantom):
        _, count = ndimage.label(phantom.truth == 5)
        return (phantom.truth == 5).sum() * phantom.volume.voxel_mm3 / count

    assert volume_mm3(large) == pytest.approx(volume_mm3(small), rel=0.6)


def test_fractions_are_the_counts_and_sum_to_one():
    phantom = core("pine-forest")
    area = (phantom.truth > 0).sum(axis=(1, 2))
    for value, name, _, _ in phantom.classes:
        counted = (phantom.truth == value).sum(axis=(1, 2))
        assert phantoms.fractions(phantom.truth)[name] == [n / a for n, a in zip(counted, area, strict=True)]
    assert shares(phantom).sum(axis=1) == pytest.approx(1)


def test_an_unknown_soil_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match="pine-forest") as caught:
        phantoms.make("moon")
    assert caught.value.code == "unknown-soil"


@pytest.mark.parametrize("shape", [(4, 8, 8), (0, 64, 64), (4, 64)])
def test_a_shape_without_room_for_soil_is_refused(shape):
    with pytest.raises(UsageError) as caught:
        phantoms.make("sandy", shape=shape)
    assert caught.value.code == "phantom-shape"


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(UsageError) as caught:
        phantoms.make("sandy", seed=seed, shape=SMALL)
    assert caught.value.code == "phantom-seed"
