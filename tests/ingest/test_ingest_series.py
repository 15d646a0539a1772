"""DICOM series: order, gaps, duplicates, mixtures, tilt (FAULTS 1 to 9)."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from dicom_files import ramp, save, series, slice_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from soilscope.errors import InputRefused, UsageError
from soilscope.ingest import inspect, read


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


def codes(volume) -> set[str]:
    return {f.code for f in volume.findings}


def test_a_sound_series_gives_its_hu_and_spacing(tmp_path):
    stored = ramp()
    volume = read(save(series(stored), tmp_path))
    assert np.array_equal(volume.values, stored.astype(int) - 1024)
    assert volume.values.dtype == np.int16
    assert volume.valid.all()
    assert volume.spacing_mm == pytest.approx((0.5, 0.4, 0.3), abs=1e-9)
    assert volume.units == "HU"
    assert "top-assumed" in codes(volume)


def test_interior_gap_is_refused_with_its_millimetres(tmp_path):
    """1. One interior slice removed -> refuse, naming the gap in mm."""
    files = series(ramp(), origin=(0, 0, 117))
    text = refused(save(files[:3] + files[5:], tmp_path), "gap")
    assert "2 slices missing between z = 118.0 and 119.5 mm" in text
    assert "--on-gap mark" in text


def test_marked_gap_is_a_masked_plane_and_spacing_is_unchanged(tmp_path):
    """1. ... with `on_gap=mark` a masked plane, spacing unchanged (ITK #441; probe: 1.2 mm)."""
    stored = ramp(7)
    files = series(stored)
    volume = read(save(files[:3] + files[4:], tmp_path), on_gap="mark")
    assert volume.shape == stored.shape
    assert volume.spacing_mm[0] == pytest.approx(0.5, abs=1e-9)
    assert volume.valid.all(axis=(1, 2)).tolist() == [True] * 3 + [False] + [True] * 3
    assert not volume.valid[3].any()
    assert (volume.values[3] == -32768).all()
    assert np.array_equal(volume.values[volume.valid], (stored.astype(int) - 1024)[volume.valid])
    assert "gap" in codes(volume)


def test_most_gaps_wrong_is_settled_by_the_header_or_refused(tmp_path):
    """Limits of geometry: if over half the gaps are wrong, so is the median: use a hint or refuse."""
    files = series(ramp(9))
    kept = [files[k] for k in (0, 2, 4, 5, 7)]
    text = refused(save(kept, tmp_path / "hint"), "gap")
    assert "1 slice missing between z = 100.0 and 101.0 mm" in text
    for one in kept:
        del one.SliceThickness
    refused(save(kept, tmp_path / "none"), "unequal-spacing")


def test_every_second_slice_missing_is_told(tmp_path):
    """Limits of geometry: every second slice missing is regular too; compare the step with SliceThickness."""
    volume = read(save(series(ramp())[::2], tmp_path))
    assert {"slices-apart", "slices-missing"} <= codes(volume)


def apart(volume) -> dict[str, str]:
    return {f.code: f.text for f in volume.findings if f.code in ("slices-apart", "spacing-contradicted")}


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", "0", "1e-300", "-1e-300"])
@pytest.mark.parametrize("tag", ["SpacingBetweenSlices", "SliceThickness"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_a_length_in_the_header_that_is_none_says_nothing(tmp_path, tag, wrong):
    """Fuzz: a NaN in SpacingBetweenSlices ended in an error of Python's own."""
    files = series(ramp())
    for one in files:
        one.add_new(tag, "DS", wrong)
    volume = read(save(files, tmp_path))
    assert volume.spacing_mm[0] == 0.5
    assert apart(volume) == {}


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize(("thickness", "stated"), [(0.5, 0.5), (3.0, 0.5), (None, -0.5)])
def test_every_nth_slice_alone_is_told_by_spacing_between_slices(tmp_path, every, thickness, stated):
    """Limits of geometry: every second slice missing is regular too; compare the step with SpacingBetweenSlices."""
    files = series(ramp(9), SliceThickness=thickness, SpacingBetweenSlices=stated)[::every]
    for number, one in enumerate(files, start=1):
        one.InstanceNumber = number  # renumbered, so that only the spacing tells
    told = apart(read(save(files, tmp_path)))
    assert set(told) == {"slices-apart"}
    assert f"slices lie {0.5 * every} mm apart, but SpacingBetweenSlices says 0.5 mm" in told["slices-apart"]
    assert f"every {every}. slice" in told["slices-apart"]
    (listed,) = inspect(tmp_path).series
    assert "slices-apart" in {f.code for f in listed.findings}


@pytest.mark.parametrize("stated", [0.4, 0.8, 2.0])
def test_another_spacing_in_the_header_is_told_with_both_lengths(tmp_path, stated):
    """Limits of geometry: a SpacingBetweenSlices that is not the step is a finding naming both mm."""
    told = apart(read(save(series(ramp(), SpacingBetweenSlices=stated), tmp_path)))
    assert set(told) == {"spacing-contradicted"}
    assert "0.5 mm apart" in told["spacing-contradicted"]
    assert f"says {stated} mm" in told["spacing-contradicted"]


@pytest.mark.parametrize(
    ("thickness", "stated"), [(0.5, 0.5), (0.5, None), (1.25, 0.5), (1.25, None), (0.5, -0.5), (0.5, 0.501), (0.5, 0)]
)
def test_touching_and_overlapping_slices_are_sound(tmp_path, thickness, stated):
    tags = {} if stated is None else {"SpacingBetweenSlices": stated}
    assert apart(read(save(series(ramp(), SliceThickness=thickness, **tags), tmp_path))) == {}


def test_room_between_slices_is_told_though_the_header_says_the_same(tmp_path):
    told = apart(read(save(series(ramp(), SliceThickness=0.25, SpacingBetweenSlices=0.5), tmp_path)))
    assert set(told) == {"slices-apart"}
    assert "0.5 mm apart but are 0.25 mm thick" in told["slices-apart"]


@pytest.mark.parametrize("missing", ["start", "promised"])
def test_missing_end_slices_are_told(tmp_path, missing):
    """2. End slices missing (InstanceNumber 4…60, or fewer than the stated length) -> finding, never silent."""
    files = series(ramp(), first=4) if missing == "start" else series(ramp(), ImagesInAcquisition=20)
    volume = read(save(files, tmp_path))
    finding = next(f for f in volume.findings if f.code == "slices-missing")
    assert finding.severity == "warning"
    assert ("4 to 11" in finding.text) if missing == "start" else ("20" in finding.text)


def test_identical_twins_keep_one_slice(tmp_path):
    """3. Two slices at one position: identical bytes -> one kept + finding."""
    files = series(ramp())
    folder = save(files, tmp_path)
    shutil.copy(folder / "003.dcm", folder / "copy.dcm")
    volume = read(folder)
    assert volume.shape[0] == 8
    assert "duplicate-slice" in codes(volume)


def test_different_slices_at_one_position_are_refused(tmp_path):
    """3. ... different pixels -> refuse (dcm2niix #168, monai-deploy #532)."""
    files = series(ramp())
    other = slice_dataset(ramp()[3] + 1, files[3].ImagePositionPatient, number=9)
    text = refused(save([*files, other], tmp_path), "duplicate-position")
    assert "003.dcm" in text
    assert "008.dcm" in text


@pytest.mark.parametrize("name", ["0", "zzz"])
@pytest.mark.parametrize("aside", [(1.0, 0.0), (0.0, -0.05)])
def test_a_slice_there_again_beside_its_place_is_refused_whatever_the_names(tmp_path, name, aside):
    """3. Two slices at one position: identical bytes -> one kept + finding; 9. names ... shuffled: the same answer."""
    files = series(ramp())
    again = series(ramp())[4]
    x, y, z = map(float, again.ImagePositionPatient)
    again.ImagePositionPatient = [x + aside[0], y + aside[1], z]
    names = [f"{k}.dcm" for k in range(1, len(files) + 1)]
    text = refused(save([*files, again], tmp_path, [*names, f"{name}.dcm"]), "displaced-slice")
    assert f"{name}.dcm" in text
    assert "5.dcm" in text
    assert f"{max(map(abs, aside)):.3g} mm" in text


def test_of_two_slices_that_hold_the_same_the_names_decide_nothing(tmp_path):
    """9. File names ... shuffled or reversed -> bit-identical volume, its place in millimetres too."""
    grids = []
    for turned in (False, True):
        files, again = series(ramp()), series(ramp())[0]
        again.ImagePositionPatient = [-5.004, -6, 100]
        folder = save([*files, again], tmp_path / str(turned), [f"{9 - k if turned else k}.dcm" for k in range(9)])
        volume = read(folder)
        assert "duplicate-slice" in codes(volume)
        grids.append((volume.source["grid"], volume.values.tolist()))
    assert grids[0] == grids[1]


def test_several_series_are_listed_and_must_be_chosen(tmp_path):
    """4. Two series, two kernels, a scout and a dose sheet in one folder -> listed as separate candidates."""
    bone = series(ramp(), series="1.2.1", ConvolutionKernel="B70s")
    soft = series(ramp() + 1, series="1.2.2", ConvolutionKernel="B30s")
    scout = [slice_dataset(ramp()[0], (0, 0, 0), series="1.2.3", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])]
    sheet = [
        slice_dataset(ramp()[0], (0, 0, 0), series="1.2.4", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT")
    ]
    folder = save([*bone, *soft, *scout, *sheet], tmp_path)
    listed = inspect(folder).series
    assert len(listed) == 4
    assert sorted(s.usable for s in listed) == [False, False, True, True]
    usable = [s.id for s in listed if s.usable]
    text = refused(folder, "ambiguous-series")
    assert all(one in text for one in usable)
    values = {read(folder, series=one).values[0, 0, 0] for one in usable}
    assert values == {-1024, -1023}
    assert read(folder, series="1.2.2").values[0, 0, 0] == -1023
    refused(folder, "no-such-series", series="nonsense")


def test_a_scout_is_never_picked(tmp_path):
    """4. ... ambiguity refuses and asks for the UID; the scout is never picked."""
    scout = [slice_dataset(ramp()[0], (0, 0, 0), series="1.2.3", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])]
    folder = save([*series(ramp()), *scout], tmp_path / "both")
    assert read(folder).shape == (8, 12, 10)
    refused(save(scout, tmp_path / "alone"), "scout")


def test_two_kernels_under_one_uid_are_kept_apart(tmp_path):
    """4. Two kernels in one series UID -> listed as separate candidates."""
    files = [*series(ramp()), *series(ramp(), origin=(-5, -6, 100.25), ConvolutionKernel="B30s")]
    refused(save(files, tmp_path), "ambiguous-series")
    assert len(inspect(tmp_path).series) == 2


@pytest.mark.parametrize("told_by", ["AcquisitionNumber", "AcquisitionTime"])
def test_two_acquisitions_are_split_not_interleaved(tmp_path, told_by):
    """5. Two acquisitions under one SeriesInstanceUID -> split by AcquisitionNumber/time; never interleaved."""
    values = {"AcquisitionNumber": (1, 2), "AcquisitionTime": ("101500", "104500")}[told_by]
    first = series(ramp(), **{told_by: values[0]})
    second = series(ramp() + 1, origin=(-5, -6, 100.2), **{told_by: values[1]})
    folder = save([*first, *second], tmp_path)
    refused(folder, "ambiguous-series")
    listed = inspect(folder).series
    assert [s.shape for s in listed] == [(8, 12, 10)] * 2
    assert read(folder, series=listed[1].id).spacing_mm[0] == pytest.approx(0.5)


def told_of_acquisitions(folder) -> str:
    """The finding on acquisitions, the same by inspecting and by reading; empty where there is none."""
    texts = [f.text for f in read(folder).findings if f.code == "several-acquisitions"]
    assert texts == [f.text for f in inspect(folder).series[0].findings if f.code == "several-acquisitions"]
    return texts[0] if texts else ""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        (
            {"AcquisitionNumber": None, "AcquisitionTime": "101500"},
            {"AcquisitionNumber": None, "AcquisitionTime": "104500"},
        ),
        ({"AcquisitionTime": "101500"}, {"AcquisitionTime": "104500"}),
    ],
)
def test_acquisitions_end_to_end_are_one_scan_and_told_with_the_place_where_they_meet(tmp_path, first, second):
    """5. Two acquisitions under one SeriesInstanceUID -> ... never silent: step-and-shoot scans and two cores look the same."""
    files = [*series(ramp(), **first), *series(ramp() + 1, origin=(-5, -6, 104), first=9, **second)]
    told = told_of_acquisitions(save(files, tmp_path))
    assert "2 acquisitions" in told
    assert "between z = 103.5 and 104.0 mm" in told


def test_one_acquisition_and_slices_acquired_one_by_one_are_no_several_acquisitions(tmp_path):
    assert not told_of_acquisitions(save(series(ramp()), tmp_path / "one"))
    for tag, value in (("AcquisitionNumber", lambda k: k + 1), ("AcquisitionTime", lambda k: f"1015{k:02d}")):
        files = series(ramp())
        for k, one in enumerate(files):
            setattr(one, tag, value(k))
        assert not told_of_acquisitions(save(files, tmp_path / tag))


def test_two_unmarked_acquisitions_are_refused(tmp_path):
    """5. ... or refuse; never interleaved (probe: 0.429 mm)."""
    files = [*series(ramp()), *series(ramp() + 1, origin=(-5, -6, 100.2))]
    refused(save(files, tmp_path), "unequal-spacing")


@pytest.mark.parametrize("angle", [5, 15])
@pytest.mark.parametrize("declared", ["right", "wrong", "absent"])
def test_gantry_tilt_is_refused_from_geometry(tmp_path, angle, declared):
    """6. Gantry tilt 5°/15°, with tag (0018,1120) right, wrong and absent -> refuse from geometry alone."""
    lean = np.deg2rad(angle)
    orientation = (1, 0, 0, 0, np.cos(lean), np.sin(lean))
    tags = {"right": {"GantryDetectorTilt": angle}, "wrong": {"GantryDetectorTilt": 0}, "absent": {}}[declared]
    text = refused(save(series(ramp(), orientation=orientation, **tags), tmp_path), "tilt")
    assert f"{angle:.1f} degrees" in text


def test_micrometre_jitter_passes(tmp_path):
    """6. ... µm jitter passes (dcm2niix #253)."""
    files = series(ramp())
    for one, off in zip(files, np.random.default_rng(1).normal(0, 0.002, (8, 3)), strict=True):
        one.ImagePositionPatient = [f"{float(v) + o:.6f}" for v, o in zip(one.ImagePositionPatient, off, strict=True)]
    volume = read(save(files, tmp_path))
    assert volume.spacing_mm[0] == pytest.approx(0.5, rel=0.01)
    assert "spacing-jitter" in codes(volume)


@pytest.mark.parametrize(
    ("code", "tag", "value"),
    [
        ("mixed-orientation", "ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
        ("mixed-spacing", "PixelSpacing", [0.41, 0.3]),
        ("unequal-spacing", "ImagePositionPatient", [-5, -6, 102.1]),
    ],
)
def test_the_first_slice_that_differs_is_named(tmp_path, code, tag, value):
    """7. Unequal spacing, and orientation/PixelSpacing differing on one slice -> refuse, naming the first offender."""
    files = series(ramp())
    setattr(files[4], tag, value)
    assert "004.dcm" in refused(save(files, tmp_path), code)


def test_a_slice_of_another_size_is_named(tmp_path):
    """7. Rows/columns differing on one slice -> refuse, naming the first offender."""
    files = series(ramp())
    files[2] = slice_dataset(ramp(1, 12, 11)[0], files[2].ImagePositionPatient, number=3)
    assert "002.dcm" in refused(save(files, tmp_path), "mixed-size")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_every_corner_of_the_grid_equals_its_header(tmp_path, seed):
    """8. Corner invariant within 1e-3 mm over random orientations, flips and file order; 9. order does not matter."""
    rng = np.random.default_rng(seed)
    axes = Rotation.random(rng=rng).as_matrix()
    row, column = axes[0] * rng.choice([-1, 1]), axes[1] * rng.choice([-1, 1])
    step = np.cross(row, column) * rng.choice([-1, 1]) * rng.uniform(0.2, 3)
    stored = ramp(5, 6, 7)
    origin = rng.uniform(-200, 200, 3)
    files = series(stored, step=step, origin=origin, orientation=(*row, *column), SliceThickness=5)
    order = rng.permutation(5)
    folder = tmp_path / str(seed)
    volume = read(save([files[k] for k in order], folder))
    grid = volume.source["grid"]
    dz, dy, dx = volume.spacing_mm
    down, down_rows, along_row = (np.asarray(grid[a]) for a in ("down", "column", "row"))
    corner = np.asarray(grid["origin_mm"])
    upwards = not np.array_equal(volume.values[0], stored[0].astype(int) - 1024)
    for k in range(5):
        place = corner + k * dz * down
        header = origin + (4 - k if upwards else k) * step
        for r, c in ((0, 0), (0, 6), (5, 0), (5, 6)):
            ours = place + r * dy * down_rows + c * dx * along_row
            theirs = header + r * 0.4 * column + c * 0.3 * row
            assert np.abs(ours - theirs).max() < 1e-3
    expected = stored[::-1] if upwards else stored
    assert np.array_equal(volume.values, expected.astype(int) - 1024)


def test_names_order_and_numbers_do_not_matter(tmp_path):
    """9. File names, order and InstanceNumber shuffled or reversed -> bit-identical volume."""
    straight = read(save(series(ramp()), tmp_path / "a"))
    files = series(ramp())
    rng = np.random.default_rng(3)
    for one, number in zip(files, rng.permutation(8), strict=True):
        one.InstanceNumber = int(number) + 1
    names = [f"{n}.IMA" for n in rng.permutation(8)]
    shuffled = read(save(files, tmp_path / "b", names))
    assert np.array_equal(straight.values, shuffled.values)
    assert np.array_equal(straight.valid, shuffled.valid)


def test_axial_slices_run_with_the_patients_z_even_if_their_rows_are_flipped(tmp_path):
    stored = ramp()
    volume = read(save(series(stored, orientation=(1, 0, 0, 0, -1, 0)), tmp_path))
    assert np.array_equal(volume.values, stored.astype(int) - 1024)


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_a_slice_without_a_place_is_refused(tmp_path, tag):
    refused(save(series(ramp(), **{tag: None}), tmp_path), "position-missing")


def test_missing_pixel_spacing_is_refused_or_stated(tmp_path):
    folder = save(series(ramp(), PixelSpacing=None), tmp_path)
    refused(folder, "spacing-missing")
    listed = inspect(folder).series
    assert not listed[0].usable
    assert listed[0].findings[0].code == "spacing-missing"
    volume = read(folder, spacing_mm=(0.5, 0.3, 0.3))
    assert volume.spacing_mm == (0.5, 0.3, 0.3)
    assert "spacing-asserted" in codes(volume)


@pytest.mark.parametrize("tags", [{}, {"PixelSpacing": None}])
def test_a_stated_distance_that_contradicts_the_positions_is_a_warning_that_names_both(tmp_path, tags):
    """Slices 0.5 mm apart, of which the user says 0.6: whether or not the headers say how large a pixel is."""
    folder = save(series(ramp(), **tags), tmp_path)
    found = read(folder, spacing_mm=(0.6, 0.4, 0.3)).findings
    (told,) = [f for f in found if f.code == "spacing-asserted"]
    assert told.severity == "warning"
    assert "0.6 x 0.4 x 0.3 mm was stated by the user" in told.text
    assert "0.5" in told.text
    assert told in inspect(folder, (0.6, 0.4, 0.3)).series[0].findings
    (same,) = [f for f in read(folder, spacing_mm=(0.5, 0.4, 0.3)).findings if f.code == "spacing-asserted"]
    assert same.severity == "note"


def test_a_spacing_that_contradicts_the_header_is_told(tmp_path):
    volume = read(save(series(ramp()), tmp_path), spacing_mm=(1, 0.4, 0.3))
    assert volume.spacing_mm == (1, 0.4, 0.3)
    assert "spacing-asserted" in codes(volume)


def test_a_stated_spacing_hides_no_slice_of_another_one(tmp_path):
    """7. ... PixelSpacing differing on one slice -> refuse, naming the first offender, whatever the user states."""
    files = series(ramp())
    files[4].PixelSpacing = [0.5, 0.3]
    folder = save(files, tmp_path)
    assert "004.dcm" in refused(folder, "mixed-spacing", spacing_mm=(0.5, 0.4, 0.3))
    assert "004.dcm" in refused(folder, "mixed-spacing", spacing_mm=(1, 1, 1))


def test_a_stated_spacing_is_a_finding_even_where_the_file_says_the_same(tmp_path):
    folder = save(series(ramp()), tmp_path)
    (told,) = [f for f in read(folder, spacing_mm=(0.5, 0.4, 0.3)).findings if f.code == "spacing-asserted"]
    assert told.severity == "note"
    assert "0.5 x 0.4 x 0.3 mm" in told.text
    assert "spacing-asserted" not in codes(read(folder))


@pytest.mark.parametrize(
    "options", [{"on_gap": "guess"}, {"units": "mm"}, {"spacing_mm": (1, 0, 1)}, {"spacing_mm": 3}]
)
def test_wrong_calls_are_usage_errors(tmp_path, options):
    with pytest.raises(UsageError):
        read(save(series(ramp()), tmp_path), **options)
