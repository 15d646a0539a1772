"""Grey scales of several cores brought together by wall and air."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.core.references import References, references
from soilscope.core.rescale import rescale
from soilscope.errors import InputRefused
from soilscope.phantoms.scanner import Scanner
from soilscope.volume import Volume


@pytest.fixture(scope="module")
def scan() -> Volume:
    """A phantom as a micro-CT gives it: grey values of a scale of their own, air 5000 and the wall 7800."""
    phantom = phantoms.make("arable", seed=3, shape=(24, 96, 96), scanner=Scanner(wall_mm=3.0))
    grey = (phantom.volume.values.astype(np.float64) + 1000) * 2.5 + 5000
    return replace(
        phantom.volume, values=grey.astype(np.uint16), valid=np.ones(grey.shape, bool), units="grey", findings=()
    )


def on_scale(scan, gain, offset, dtype=np.uint16) -> Volume:
    mapped = scan.values * gain + offset
    return replace(scan, values=mapped.astype(dtype) if dtype == np.float32 else np.rint(mapped).astype(dtype))


def test_wall_and_air_are_read_by_their_medians(scan):
    """The wall of 120 HU and air of -1000 HU, on this scale 7800 and 5000; noise of 100 leaves medians within 10."""
    found = references(scan, find_core(scan))
    assert found.wall == pytest.approx(7800, abs=10)
    assert found.air == pytest.approx(5000, abs=10)


@pytest.mark.parametrize(
    ("gain", "offset", "dtype"), [(1.5, -2000, np.uint16), (0.4, 300, np.uint16), (0.01, -20.0, np.float32)]
)
def test_a_core_on_another_scale_comes_back_to_the_first(scan, gain, offset, dtype):
    """Rounding costs half a grey value here and there, grown by the gain back; medians are off by no more than that."""
    other = on_scale(scan, gain, offset, dtype)
    first, own = references(scan, find_core(scan)), references(other, find_core(other))
    back = rescale(other, own, first)
    off = np.abs(back.values.astype(float) - scan.values)
    assert off.max() <= 2 + 4 / gain * (dtype == np.uint16)
    assert back.values.dtype == dtype
    assert "gain" in {f.code: f.text for f in back.findings}["rescaled"]


def test_masked_voxels_keep_their_value(scan):
    valid = scan.valid.copy()
    valid[:, :4] = False
    masked = replace(scan, valid=valid)
    mapped = rescale(masked, References(7800, 5000), References(10600, 5000))
    assert np.array_equal(mapped.values[~valid], scan.values[~valid])
    expected = np.rint(5000 + 2 * (scan.values[valid].astype(float) - 5000)).clip(0, 65535)
    assert np.array_equal(mapped.values[valid], expected)


def test_a_scale_that_does_not_fit_the_number_type_is_refused(scan):
    with pytest.raises(InputRefused, match="beyond 0 to 65535") as caught:
        rescale(scan, References(7800, 5000), References(60000, 5000))
    assert caught.value.code == "rescale-range"


def test_hu_are_not_rescaled(scan):
    with pytest.raises(InputRefused) as caught:
        rescale(replace(scan, values=scan.values.astype(np.int16), units="HU"), References(1, 0), References(2, 0))
    assert caught.value.code == "units-mismatch"


def test_a_scan_without_wall_or_air_is_refused_by_name(scan):
    soil = scan.crop(y=(36, 60), x=(36, 60))
    with pytest.raises(InputRefused, match="a tube's wall and air around the tube cannot be seen") as caught:
        references(soil, find_core(soil))
    assert caught.value.code == "no-references"


def blurred_tube(blur_mm: float, thick_mm: float, wall: float = 24000.0) -> Volume:
    """Uneven soil in a tube in air of 1000, 0.4 mm a voxel, blurred in the plane; a Gaussian blur keeps what a wall reads afar."""
    y, x = np.mgrid[:320, :320] * 0.2 - 31.9  # drawn twice as fine as it is scanned
    away = np.hypot(y, x)
    rng = np.random.default_rng(4)
    planes = []
    for _ in range(12):
        uneven = ndimage.gaussian_filter(rng.normal(size=away.shape), 4)
        soil = 15000 + 3000 * uneven / uneven.std()
        fine = np.select([away < 20, away < 20 + thick_mm], [soil, wall], 1000.0)
        fine = ndimage.gaussian_filter(fine, blur_mm / 0.2)
        planes.append(fine.reshape(160, 2, 160, 2).mean(axis=(1, 3)) + rng.normal(0, 300, (160, 160)))
    values = np.rint(planes).clip(0, 65535).astype(np.uint16)
    return Volume(values, np.ones(values.shape, bool), (0.4, 0.4, 0.4), "grey")


@pytest.mark.parametrize("blur_mm", [0.2, 0.4, 0.5, 0.8])
@pytest.mark.parametrize("wall", [24000.0, 14000.0])
def test_the_wall_s_value_does_not_depend_on_the_blur(blur_mm, wall):
    """One object scanned with four kernels reads the same, to a hundredth of the wall's height above air."""
    scan = blurred_tube(blur_mm, 3.4, wall)
    found = references(scan, find_core(scan))
    assert found.wall == pytest.approx(wall, abs=0.01 * (wall - 1000))
    assert found.air == pytest.approx(1000, abs=0.005 * (wall - 1000))


@pytest.mark.parametrize(("blur_mm", "told"), [(0.2, False), (0.8, True)])
def test_a_wall_without_a_plateau_is_told(blur_mm, told):
    """Where the blur reaches through the wall, its value is told from the profile's shape, and the finding says how far that is."""
    scan = blurred_tube(blur_mm, 3.4)
    own = references(scan, find_core(scan))
    findings = {f.code: f for f in rescale(scan, own, References(24000.0, 1000.0)).findings}
    assert ("reference-blurred" in findings) == told
    if told:
        assert findings["reference-blurred"].severity == "warning"
        assert f"{own.highest:.6g}" in findings["reference-blurred"].text


def test_a_wall_thinner_than_its_blur_is_no_reference():
    """A wall of 1.4 mm blurred by 0.8 mm is nowhere seen: what it reads is soil and air as much as wall."""
    scan = blurred_tube(0.8, 1.4)
    with pytest.raises(InputRefused, match="hidden by the scan's blur") as caught:
        references(scan, find_core(scan))
    assert caught.value.code == "no-references"


def test_the_wall_is_told_with_the_value_that_is_its_reference():
    scan = blurred_tube(0.5, 2.6)
    core = find_core(scan)
    assert core.source["soil"]["wall"] == pytest.approx(references(scan, core).wall, rel=1e-3)
