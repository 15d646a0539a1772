"""Slices: what is drawn, what is left out, and what the target is."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_slices import pores
from hypothesis import given, settings
from hypothesis import strategies as st

from soilscope import errors
from soilscope.classes import Scheme, classify
from soilscope.learn import channels, slices
from soilscope.learn.resize import SquareGrid, overlap
from soilscope.learn.slices import Slices, digest
from soilscope.structure import ClusterRule, porosity_profile
from soilscope.volume import Volume

HALVES = Scheme.from_edges("halves", [-1100, 0, 4000], units="HU")
KEEP_ALL = ClusterRule(under=0)


def scan(values: object, units: str = "HU", valid: object = None, spacing_mm=(0.5, 0.4, 0.4)) -> Volume:
    values = np.asarray(values)
    return Volume(
        values, np.ones(values.shape, bool) if valid is None else np.asarray(valid), spacing_mm, units, core="k"
    )


def noise(shape=(6, 20, 20), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 3000, shape).astype(np.int16)


class TestChannels:
    VALUES = (-3000, -2048, -1, 0, 2047, 2048, 3500, 4096, 5000, 7)

    def painted(self, name: str, units: str = "HU") -> np.ndarray:
        values = np.array(self.VALUES, np.int16).reshape(1, 1, -1)
        valid = np.ones(values.shape, bool)
        valid[0, 0, -1] = False
        return channels.painter(scan(values, units, valid), name)(0)[:, 0]

    def test_paper_channels_hold_the_shifted_grey_value_inside_their_objects_and_zero_elsewhere(self):
        expected = [
            [0, 0, 2047, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 2048, 4095, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 4096, 5548, 6144, 6144, 0],
        ]
        assert self.painted("paper-2021").tolist() == expected

    def test_window_channels_rise_linearly_inside_and_are_zero_outside(self):
        low, middle, high = self.painted("windows")
        assert low[2] == pytest.approx(1023 / 1524)
        assert low[[0, 4, 5, 9]].tolist() == [0, 0, 0, 0]
        assert middle.max() == 0
        assert high[[4, 5]] == pytest.approx([447 / 1471, 448 / 1471])
        assert high[[6, 7, 8]].tolist() == [1, 1, 1]

    def test_script_channels_cut_at_two_thirds_of_the_range_and_are_divided_by_their_maximum(self):
        below, whole, above = self.painted("script-2021")
        shifted = np.clip(np.array(self.VALUES[:-1]) + 1000, 0, 4096)
        cut = 4096 * 2 / 3
        assert whole[:-1] == pytest.approx(shifted / 4096)
        assert below[:-1] == pytest.approx(np.where(shifted < cut, shifted, 0) / 1000)
        assert above[:-1] == pytest.approx(np.where(shifted >= cut, shifted, 0) / 4096)
        assert [below[-1], whole[-1], above[-1]] == [0, 0, 0]

    def test_grey_channels_are_three_equal_ones(self):
        drawn = self.painted("grey", "grey")
        assert np.array_equal(drawn[0], [*self.VALUES[:-1], 0])
        assert np.array_equal(drawn[0], drawn[1])
        assert np.array_equal(drawn[1], drawn[2])

    @pytest.mark.parametrize("name", ["paper-2021", "windows"])
    def test_hu_channels_of_grey_values_are_refused(self, name):
        with pytest.raises(errors.InputRefused) as caught:
            channels.painter(scan(noise(), "grey"), name)
        assert caught.value.code == "units-mismatch"

    def test_unknown_channels_are_refused_with_the_names_there_are(self):
        with pytest.raises(errors.UsageError, match="paper-2021") as caught:
            channels.painter(scan(noise()), "rgb")
        assert caught.value.code == "channels-unknown"

    @pytest.mark.parametrize("name", sorted(channels.CHANNELS))
    def test_outside_the_valid_mask_every_channel_is_zero(self, name):
        valid = np.random.default_rng(1).random((6, 20, 20)) < 0.5
        drawn = channels.painter(scan(noise(), valid=valid), name)(2)
        assert drawn.dtype == np.float32
        assert not drawn[:, ~valid[2]].any()
        assert drawn[:, valid[2]].any()


class TestSlices:
    def test_the_target_is_the_structure_rooms_porosity_of_the_joined_classes(self):
        vol = scan(noise())
        data = slices(vol, "porosity", (1, 2), "windows", scheme="physical", rule=KEEP_ALL)
        solid = np.isin(classify(vol, "physical"), (1, 2))
        assert np.array_equal(data.targets, porosity_profile(solid, vol.valid))
        assert (data.target, data.unit, data.core) == ("porosity-1+2", "1", "k")

    def test_depth_and_slice_numbers_are_the_scans_own(self):
        valid = np.ones((6, 20, 20), bool)
        valid[:2] = False
        data = slices(scan(noise(), valid=valid), "porosity", (1,), "grey", scheme=HALVES)
        assert data.index.tolist() == [2, 3, 4, 5]
        assert data.depth_mm.tolist() == [1.25, 1.75, 2.25, 2.75]

    def test_slices_without_valid_voxels_or_target_are_left_out_and_counted(self):
        values = np.full((4, 20, 20), 500, np.int16)
        values[2:] = -500
        valid = np.ones(values.shape, bool)
        valid[0] = False
        data = slices(scan(values, valid=valid), "local-thickness", (1,), "grey", scheme=HALVES, rule=KEEP_ALL)
        assert data.index.tolist() == [2, 3]
        finding = next(f for f in data.findings if f.code == "slices-left-out")
        assert "1 slices without valid voxels and 1 with an undefined target" in finding.text

    def test_a_core_with_nothing_valid_is_refused(self):
        with pytest.raises(errors.InputRefused) as caught:
            slices(scan(noise(), valid=np.zeros((6, 20, 20), bool)), "porosity", (1,), "grey", scheme=HALVES)
        assert caught.value.code == "no-slices"

    def test_labels_made_elsewhere_take_the_place_of_a_scheme(self):
        labels = (np.arange(6 * 400).reshape(6, 20, 20) % 3 == 0).astype(np.uint8) + 1
        data = slices(scan(noise()), "fraction", (2,), "grey", labels=labels, rule=KEEP_ALL)
        assert data.targets == pytest.approx((labels == 2).mean(axis=(1, 2)))
        assert data.source["scheme"]["name"] == "labels given"

    def test_labels_of_another_shape_are_refused(self):
        with pytest.raises(errors.UsageError):
            slices(scan(noise()), "fraction", (1,), "grey", labels=np.ones((6, 20, 19), np.uint8))

    def test_an_unknown_target_is_refused_with_the_names_there_are(self):
        with pytest.raises(errors.UsageError, match="porosity"):
            slices(scan(noise()), "wetness", (1,), "grey", scheme=HALVES)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_images_that_are_not_finite_are_refused_by_slice(self, bad):
        images = np.zeros((3, 3, 8, 8), np.float32)
        images[1, 0, 0, 0] = bad
        with pytest.raises(errors.InputRefused, match="slice 7 ") as caught:
            Slices(images, np.zeros(3), index=np.array([6, 7, 8]))
        assert caught.value.code == "not-finite"

    def test_targets_that_are_not_finite_are_refused(self):
        with pytest.raises(errors.InputRefused) as caught:
            Slices(np.zeros((2, 3, 8, 8), np.float32), np.array([0.0, np.nan]))
        assert caught.value.code == "not-finite"

    @pytest.mark.parametrize("shape", [(3, 8, 8), (2, 1, 8, 8)])
    def test_images_without_three_channels_are_refused(self, shape):
        with pytest.raises(errors.UsageError):
            Slices(np.zeros(shape, np.float32), np.zeros(shape[0]))

    def test_the_digest_changes_with_every_array_and_name(self):
        data = pores(n=4)
        other = pores(n=4, core="b")
        flipped = Slices(data.images[:, :, ::-1], data.targets, data.core, data.target, channels=data.channels)
        later = Slices(data.images, data.targets, data.core, data.target, index=data.index + 1, channels=data.channels)
        assert len({digest(d) for d in (data, other, flipped, later)}) == 4
        assert digest(data) == digest(pores(n=4))


class TestResize:
    def test_a_whole_factor_gives_block_means_of_the_bounding_square(self):
        vol = scan(noise((3, 24, 24)), "grey")
        valid = np.zeros(vol.shape, bool)
        valid[:, 4:20, 4:20] = True
        vol = scan(vol.values, "grey", valid)
        data = slices(vol, "fraction", (1,), "grey", labels=valid.astype(np.uint8), image_size=8)
        blocks = vol.values[:, 4:20, 4:20].reshape(3, 8, 2, 8, 2).mean(axis=(2, 4))
        assert np.allclose(data.images[:, 0], blocks, rtol=1e-6)
        assert data.images.shape == (3, 3, 8, 8)
        assert data.valid.all()

    def test_what_hangs_over_the_scan_counts_as_zero(self):
        valid = np.ones((1, 8, 16), bool)
        grid = SquareGrid.around(valid, (1.0, 1.0), 16)
        assert np.allclose(grid.mean(np.ones((8, 16)))[[0, 3, 4, 11, 12]].mean(axis=1), [0, 0, 1, 1, 0])

    def test_pixels_that_are_not_square_do_not_distort_the_picture(self):
        """A disc of 10 mm in pixels of 0.5 x 1 mm is as wide as it is high."""
        y, x = np.mgrid[:40, :20]
        disc = ((y + 0.5) * 0.5 - 10) ** 2 + ((x + 0.5) - 10) ** 2 < 25
        seen = SquareGrid.around(np.ones((1, 40, 20), bool), (0.5, 1.0), 40).mean(disc) > 0.5
        assert abs(int(seen.any(axis=0).sum()) - int(seen.any(axis=1).sum())) <= 2

    @given(start=st.floats(-5, 5), length=st.floats(1, 40), cells=st.integers(1, 30), pixels=st.integers(1, 30))
    def test_each_pixel_is_shared_out_in_proportion_to_its_overlap(self, start, length, cells, pixels):
        weights = overlap(start, length, cells, pixels) * (length / cells)
        covered = np.clip(
            np.minimum(np.arange(pixels) + 1, start + length) - np.maximum(np.arange(pixels), start), 0, 1
        )
        assert weights.min() >= 0
        assert np.allclose(weights.sum(axis=0), covered, atol=1e-9)

    @settings(deadline=None)
    @given(size=st.integers(8, 33), seed=st.integers(0, 9))
    def test_the_mean_over_the_square_is_kept(self, size, seed):
        image = np.random.default_rng(seed).random((21, 21))
        grid = SquareGrid.around(np.ones((1, 21, 21), bool), (1.0, 1.0), size)
        assert grid.mean(image).mean() == pytest.approx(image.mean(), rel=1e-5)

    def test_a_tiny_size_is_refused(self):
        with pytest.raises(errors.UsageError) as caught:
            SquareGrid.around(np.ones((1, 9, 9), bool), (1.0, 1.0), 4)
        assert caught.value.code == "image-size"


def test_one_class_may_be_given_as_a_number():
    volume = scan(noise())
    for one in (2, np.int64(2)):
        alone, joined = slices(volume, of=one, channels="windows"), slices(volume, of=(2,), channels="windows")
        assert alone.target == joined.target == "porosity-2"
        assert np.array_equal(alone.targets, joined.targets)
        assert alone.source["of"] == [2]


@pytest.mark.parametrize("of", [(9,), 9, (1, 9), 0, ()])
def test_a_class_the_scheme_does_not_have_is_refused_with_those_it_has(of):
    with pytest.raises(errors.UsageError) as caught:
        slices(scan(noise()), of=of, channels="windows", scheme=HALVES)
    assert caught.value.code == "class-unknown"
    if of != ():
        assert "there are 1, 2" in caught.value.text


def test_a_class_the_labels_do_not_hold_is_refused_with_those_they_hold():
    labels = np.where(noise() > 0, 7, 0).astype(np.uint8)
    labels[:, 0] = 3
    with pytest.raises(errors.UsageError, match="has no class 2; there are 3, 7") as caught:
        slices(scan(noise()), of=2, channels="windows", labels=labels)
    assert caught.value.code == "class-unknown"
    assert slices(scan(noise()), of=7, channels="windows", labels=labels).target == "porosity-7"
