"""Positions that a scanner rounded when it wrote them are sound; slices that really moved are not (FAULTS 6 to 9)."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import save, series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soilscope import read
from soilscope.errors import InputRefused

PLANES = 12


def soil(planes: int = PLANES) -> np.ndarray:
    return np.random.default_rng(5).integers(1, 3000, (planes, 16, 14)).astype(np.int16)


def written(folder, places, decimals: int, digits: int = 10, style: str = "f", **tags):
    """A series whose slices lie at these places, (n, 3) mm, and cosines, as printed with so many decimals."""
    orientation = tags.pop("orientation", (1, 0, 0, 0, 1, 0))
    slices = series(soil(len(places)), **tags)
    for one, place in zip(slices, places, strict=True):
        one.ImagePositionPatient = [f"{v:.{decimals}{style}}" for v in place]
        one.ImageOrientationPatient = [f"{v:.{digits}f}" for v in orientation]
    return save(slices, folder)


def stack(step: float, planes: int = PLANES, start: float = 0.0) -> np.ndarray:
    return np.c_[np.full(planes, -5.0), np.full(planes, -6.0), start + step * np.arange(planes)]


def codes(volume) -> set[str]:
    return {f.code for f in volume.findings}


def refused(path) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path)
    return caught.value.code


@pytest.mark.parametrize("start", [0.0, -100.125, 17.3])
@pytest.mark.parametrize("step", [0.625, 0.3125, 0.75, 1 / 3, 0.0625, 0.4375])
def test_positions_of_two_decimals_are_an_even_grid(tmp_path, step, start):
    """7. Unequal spacing -> refuse: slices whose positions are uneven only as far as they were rounded are not unequal."""
    volume = read(written(tmp_path, stack(step, start=start), 2, SliceThickness=step))
    np.testing.assert_array_equal(volume.values, soil() - 1024)
    assert volume.spacing_mm[0] == pytest.approx(step, abs=0.01 / (PLANES - 1))
    told = [f.text for f in volume.findings if f.code == "positions-rounded"]
    if not all(f"{z:.6f}".endswith("0000") for _, _, z in stack(step, start=start)):  # two decimals are not enough
        assert "rounded to 0.01 mm" in told[0]
        assert f"{volume.spacing_mm[0]:.5g} mm" in told[0]
    else:
        assert not told
    assert not codes(volume) & {"spacing-contradicted", "slices-apart", "spacing-jitter"}


def test_significant_digits_are_a_rounding_too(tmp_path):
    """7. A writer that keeps six digits (printf %g) has three decimals below 1000 mm and two above."""
    volume = read(written(tmp_path, stack(0.3125, start=998.0), 6, style="g", SliceThickness=0.3125))
    assert volume.spacing_mm[0] == pytest.approx(0.3125, abs=1e-3)
    assert "positions-rounded" in codes(volume)


def test_three_decimals_say_nothing_where_a_corner_lies_within_a_micrometre(tmp_path):
    """8. ... every slice corner from the grid equals the header's within 1e-3 mm, and then nothing is told."""
    assert codes(read(written(tmp_path, stack(0.625), 3, SliceThickness=0.625))) == {"top-assumed"}


@pytest.mark.parametrize("moved", [1, 2, 5, 12])
@pytest.mark.parametrize("which", [2, 5, 9])
@pytest.mark.parametrize("step", [0.5, 0.6, 0.625])
def test_a_slice_that_moved_is_refused_whatever_its_digits(tmp_path, step, which, moved):
    """7. Unequal spacing -> refuse: one slice off by 0.01 mm and more among positions of two decimals is no rounding."""
    places = np.round(stack(step), 2)
    places[which, 2] += 0.01 * moved
    folder = written(tmp_path, places, 2, SliceThickness=step)
    if (step, moved) == (0.625, 1) and which != 2:  # 3.13 where 3.12 was: the other way to round a half
        assert "positions-rounded" in codes(read(folder))
    else:
        assert refused(folder) == "unequal-spacing"


@pytest.mark.parametrize(("step", "decimals"), [(0.625, 1), (0.375, 1), (1.5, 0), (0.035, 2)])
def test_rounding_that_could_hide_a_slice_is_not_believed(tmp_path, step, decimals):
    """7. Unequal spacing -> refuse: digits coarser than 0.01 mm, or than a quarter of the step, are none to trust."""
    places = stack(step) + 0.3 * step
    assert refused(written(tmp_path, places, decimals)) in {"unequal-spacing", "duplicate-position"}


def test_a_missing_slice_among_rounded_positions_is_a_gap_with_its_millimetres(tmp_path):
    """1. One interior slice removed -> refuse, naming the gap in mm; marked, the spacing is unchanged."""
    places = np.delete(stack(0.625, 120), [40, *range(70, 112)], axis=0)
    folder = written(tmp_path, places, 2, SliceThickness=0.625)
    with pytest.raises(
        InputRefused,
        match=r"1 slice missing between z = 24\.38 and 25\.62 mm \(039.dcm and 040.dcm\); 42 slices missing",
    ) as caught:
        read(folder)
    assert caught.value.code == "gap"
    marked = read(folder, on_gap="mark")
    assert marked.shape[0] == 120
    assert marked.spacing_mm[0] == pytest.approx(0.625, abs=1e-4)
    np.testing.assert_array_equal(np.flatnonzero(~marked.valid.any((1, 2))), [40, *range(70, 112)])


def turned(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and normal of any orientation."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return axes[0], axes[1], np.cross(axes[0], axes[1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), decimals=st.sampled_from([2, 3, 4, 6]), digits=st.sampled_from([4, 6, 10]))
def test_oblique_scans_keep_their_grid_through_the_rounding_of_three_coordinates(tmp_path, seed, decimals, digits):
    """8. Corner invariant over random orientations: within 1e-3 mm, or within what rounding of the header takes away."""
    rng = np.random.default_rng(seed)
    row, column, normal = turned(rng)
    step, planes = float(rng.uniform(0.2, 2.0)), int(rng.integers(5, 60))
    places = rng.uniform(-300, 300, 3) + step * np.arange(planes)[:, None] * normal
    order = rng.permutation(planes)
    folder = tmp_path / f"{seed}-{decimals}-{digits}"
    volume = read(written(folder, places[order], decimals, digits, orientation=(*row, *column), SliceThickness=step))
    expected = soil(planes).astype(int)[np.argsort(order)] - 1024
    reversed_too = abs(normal[2]) > 0.999 and normal[2] < 0
    np.testing.assert_array_equal(volume.values, expected[::-1] if reversed_too else expected)
    unit = 0.5 * 10.0**-decimals
    grid = volume.source["grid"]
    down = np.asarray(grid["down"]) * (-1 if reversed_too else 1)
    first = planes - 1 if reversed_too else 0
    found = grid["origin_mm"] + (np.arange(planes) - first)[:, None] * volume.spacing_mm[0] * down
    by_cosines = 0.5 * 10.0**-digits * 2 * step * planes
    assert np.linalg.norm(found - places, axis=1).max() <= 4 * unit + by_cosines + 1e-3
    assert volume.spacing_mm[0] == pytest.approx(step, abs=4 * unit / (planes - 1) + 1e-5)


@pytest.mark.parametrize(
    "cosines", [("0.999999", "0.000001", "-0.000001"), ("0.99999", "0.004", "-0.004"), ("1.0000", "0.0000", "-0.0000")]
)
def test_cosines_of_six_digits_and_zeros_with_a_sign_are_no_tilt(tmp_path, cosines):
    """6. ... µm jitter passes; so does what printing takes from a direction."""
    near, side, back = cosines
    slices = series(soil())
    for k, one in enumerate(slices):
        one.ImageOrientationPatient = [near, side, "0", back, near, "-0.0"]
        one.ImagePositionPatient = ["-0.0", "-0.000", f"{0.5 * k - 0.0:.3e}"]
    volume = read(save(slices, tmp_path))
    np.testing.assert_array_equal(volume.values, soil() - 1024)
    assert codes(volume) == {"top-assumed"}


@pytest.mark.parametrize("lean", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("planes", [12, 40])
def test_a_tilt_written_with_two_decimals_is_still_a_tilt(tmp_path, lean, planes):
    """6. Gantry tilt -> refuse from geometry alone: rounding hides none of it."""
    angle = np.radians(lean)
    folder = written(tmp_path, stack(0.625, planes), 2, orientation=(1, 0, 0, 0, np.cos(angle), np.sin(angle)))
    assert refused(folder) == "tilt"


@pytest.mark.parametrize("said", [{"SliceThickness": 0.5}, {"SpacingBetweenSlices": -0.5, "SliceThickness": 0.8}])
@pytest.mark.parametrize("planes", [12, 24])
def test_numbers_of_one_scan_in_turn_are_told_where_the_header_confirms_the_step(tmp_path, said, planes):
    """9. File names, order and InstanceNumber shuffled -> bit-identical volume, without an AcquisitionNumber as well."""
    slices = series(soil(planes), AcquisitionNumber=None, **said)
    for k, one in enumerate(slices):
        one.InstanceNumber = k // 2 + 1 + (planes // 2 if k % 2 else 0)
    volume = read(save(slices, tmp_path))
    np.testing.assert_array_equal(volume.values, soil(planes) - 1024)
    (told,) = [f for f in volume.findings if f.code == "numbers-alternate"]
    assert told.severity == "warning"
    assert "0.5 mm apart, as " + next(iter(said)) in told.text or "SpacingBetweenSlices" in told.text


@pytest.mark.parametrize(
    "said", [{"SliceThickness": 1.0}, {"SpacingBetweenSlices": 1.0, "SliceThickness": 0.5}, {"SliceThickness": None}]
)
def test_two_scans_between_one_another_are_refused_where_the_header_does_not_confirm_the_step(tmp_path, said):
    """5. Two acquisitions under one SeriesInstanceUID -> ... refuse; never interleaved."""
    first = series(soil(), step=(0, 0, 1), AcquisitionNumber=None, **said)
    second = series(
        soil()[::-1], step=(0, 0, 1), origin=(-5, -6, 100.5), first=PLANES + 1, AcquisitionNumber=None, **said
    )
    assert refused(save(first + second, tmp_path)) == "interleaved"
